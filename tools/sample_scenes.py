"""Scenes for the sample datasets: people, animals, vehicles and the places where they are, painted on a canvas."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from sample_canvas import SCALE, Canvas, Colour, Floats, Pixels, box, limb, outline, oval, tuft

# things: each painter adds to the latest thing of the canvas, standing at (x, y) and h high

SHIRTS = ((205, 52, 48), (232, 120, 38), (150, 60, 150), (215, 70, 120))
TROUSERS = ((52, 60, 105), (70, 68, 74), (112, 92, 70))
SKINS = ((236, 196, 168), (205, 150, 115), (128, 86, 62))
HAIRS = ((45, 32, 26), (110, 72, 40), (190, 150, 85), (30, 28, 30))
CARS = ((40, 80, 175), (188, 30, 38), (196, 200, 206), (36, 128, 120), (226, 190, 60))
DOGS = ((146, 92, 48), (190, 140, 82), (112, 72, 44))
WALLS = ((186, 96, 72), (206, 176, 130), (172, 128, 104), (214, 200, 176))


def facing(c: Canvas) -> float:
    """1 to look right, -1 to look left."""
    return 1.0 if c.rng.random() < 0.5 else -1.0


def trunk(c: Canvas, x: float, y: float, h: float, colours: Sequence[Colour] = SHIRTS, raised: bool = False) -> None:
    """Head, arms and upper body of a person whose feet would be at (x, y)."""
    shirt, skin, hair = c.pick(colours), c.pick(SKINS), c.pick(HAIRS)
    for side in (-1.0, 1.0):
        reach, drop = c.between(0.12, 0.2) * h, (0.98 if raised and side > 0 else c.between(0.42, 0.58)) * h
        c.fill(limb(x + side * 0.095 * h, y - 0.77 * h, x + side * reach, y - drop, 0.036 * h, 0.028 * h), shirt * 0.86)
        c.fill(oval(x + side * reach, y - drop, 0.03 * h, 0.03 * h), skin)
    c.fill(
        outline(
            (-0.12, -0.8), (-0.07, -0.83), (0.07, -0.83), (0.12, -0.8), (0.09, -0.44), (-0.09, -0.44), at=(x, y), size=h
        ),
        shirt,
    )
    c.fill(limb(x, y - 0.85 * h, x, y - 0.8 * h, 0.03 * h, 0.03 * h), skin * 0.9)
    c.fill(oval(x, y - 0.91 * h, 0.062 * h, 0.08 * h), skin)
    c.fill(oval(x, y - 0.945 * h, 0.066 * h, 0.055 * h), hair)


def person(c: Canvas, x: float, y: float, h: float, raised: bool = False) -> None:
    """Somebody standing or walking, in a warm-coloured shirt."""
    trousers, stride = c.pick(TROUSERS), c.between(0.04, 0.1) * h
    for side in (-1.0, 1.0):
        c.fill(
            limb(x + side * 0.045 * h, y - 0.46 * h, x + side * stride, y - 0.03 * h, 0.052 * h, 0.034 * h), trousers
        )
        c.fill(oval(x + side * stride + 0.012 * h, y - 0.02 * h, 0.045 * h, 0.024 * h), (42, 36, 36))
    trunk(c, x, y, h, raised=raised)


def flyer(c: Canvas, x: float, y: float, h: float) -> None:
    """A person with an arm up."""
    person(c, x, y, h, raised=True)


def car(c: Canvas, x: float, y: float, h: float) -> None:
    """A saloon from the side."""
    w, flip, paint = 2.25 * h, facing(c), c.pick(CARS)

    def part(*points: tuple[float, float]) -> Floats:
        return outline(*points, at=(x, y), size=w, wide=flip)

    c.darken(oval(x, y - 0.01 * w, 0.52 * w, 0.04 * w))
    body = [
        (-0.5, -0.08),
        (-0.5, -0.23),
        (-0.46, -0.27),
        (-0.27, -0.3),
        (-0.15, -0.43),
        (-0.11, -0.445),
        (0.14, -0.445),
    ]
    c.fill(part(*body, (0.19, -0.43), (0.31, -0.29), (0.46, -0.25), (0.5, -0.2), (0.5, -0.08)), paint, shade=0.35)
    glass = c.vary((120, 152, 170), 8)
    c.fill(part((-0.22, -0.3), (-0.12, -0.415), (0.0, -0.415), (0.0, -0.29)), glass, shade=0.5)
    c.fill(part((0.03, -0.29), (0.03, -0.415), (0.15, -0.415), (0.25, -0.28)), glass, shade=0.5)
    c.fill(part((-0.02, -0.29), (0.0, -0.29), (0.0, -0.1), (-0.02, -0.1)), paint * 0.7)
    c.fill(part((0.44, -0.22), (0.5, -0.2), (0.5, -0.17), (0.44, -0.18)), (250, 240, 190))
    c.fill(part((-0.5, -0.23), (-0.46, -0.23), (-0.46, -0.17), (-0.5, -0.17)), (150, 20, 25))
    for side in (-0.3, 0.3):
        c.fill(oval(x + side * w, y - 0.09 * w, 0.09 * w, 0.09 * w), (30, 30, 33))
        c.fill(oval(x + side * w, y - 0.09 * w, 0.045 * w, 0.045 * w), (165, 168, 172))


def car_rear(c: Canvas, x: float, y: float, h: float) -> None:
    """A car seen from behind."""
    w, paint = 1.2 * h, c.pick(CARS)
    c.darken(oval(x, y, 0.58 * w, 0.09 * h))
    for side in (-1.0, 1.0):
        c.fill(
            limb(x + side * 0.36 * w, y - 0.2 * h, x + side * 0.36 * w, y - 0.08 * h, 0.09 * w, 0.08 * w), (30, 30, 33)
        )
    shell = [
        (-0.5, -0.12),
        (-0.52, -0.42),
        (-0.46, -0.55),
        (-0.33, -0.94),
        (-0.22, -1.0),
        (0.22, -1.0),
        (0.33, -0.94),
        (0.46, -0.55),
    ]
    c.fill(outline(*shell, (0.52, -0.42), (0.5, -0.12), at=(x, y), size=h, wide=1.2), paint, shade=0.35)
    c.fill(
        outline((-0.4, -0.58), (-0.28, -0.91), (0.28, -0.91), (0.4, -0.58), at=(x, y), size=h),
        (96, 124, 142),
        shade=0.5,
    )
    for side in (-1.0, 1.0):
        c.fill(oval(x + side * 0.44 * w, y - 0.44 * h, 0.05 * w, 0.08 * h), (215, 30, 34))
    c.fill(box(x - 0.48 * w, y - 0.2 * h, x + 0.48 * w, y - 0.13 * h), (52, 52, 56))


def dog(c: Canvas, x: float, y: float, h: float) -> None:
    """A brown dog from the side."""
    flip, coat = facing(c), c.pick(DOGS)

    def leg(fore: float, reach: float, colour: Floats) -> None:
        c.fill(
            limb(x + flip * fore * h, y - 0.4 * h, x + flip * reach * h, y - 0.04 * h, 0.085 * h, 0.05 * h),
            colour,
            "fur",
            0.14,
        )

    for fore, reach in ((-0.3, -0.38), (0.24, 0.32)):
        leg(fore, reach, coat * 0.72)
    c.fill(
        limb(x - flip * 0.42 * h, y - 0.55 * h, x - flip * 0.66 * h, y - 0.86 * h, 0.055 * h, 0.03 * h),
        coat,
        "fur",
        0.14,
    )
    c.fill(
        limb(x - flip * 0.28 * h, y - 0.5 * h, x + flip * 0.26 * h, y - 0.52 * h, 0.19 * h, 0.21 * h), coat, "fur", 0.14
    )
    for fore, reach in ((-0.36, -0.33), (0.3, 0.28)):
        leg(fore, reach, coat)
    c.fill(
        limb(x + flip * 0.3 * h, y - 0.58 * h, x + flip * 0.46 * h, y - 0.8 * h, 0.15 * h, 0.12 * h), coat, "fur", 0.14
    )
    c.fill(
        limb(x + flip * 0.52 * h, y - 0.84 * h, x + flip * 0.72 * h, y - 0.79 * h, 0.14 * h, 0.065 * h),
        coat,
        "fur",
        0.14,
    )
    c.fill(oval(x + flip * 0.43 * h, y - 0.8 * h, 0.07 * h, 0.15 * h, flip * 0.3), coat * 0.55)
    c.fill(oval(x + flip * 0.77 * h, y - 0.82 * h, 0.035 * h, 0.03 * h), (28, 24, 24))
    c.fill(oval(x + flip * 0.57 * h, y - 0.89 * h, 0.022 * h, 0.025 * h), (20, 18, 18))


def cow(c: Canvas, x: float, y: float, h: float) -> None:
    """A black and white cow from the side."""
    flip, hide = facing(c), c.vary((236, 232, 224), 7)
    for reach in (-0.4, -0.24, 0.26, 0.4):
        c.fill(
            limb(x + flip * reach * h, y - 0.4 * h, x + flip * reach * h, y - 0.04 * h, 0.075 * h, 0.05 * h),
            hide,
            "patches",
            0.84,
        )
        c.fill(oval(x + flip * reach * h, y - 0.025 * h, 0.055 * h, 0.03 * h), (60, 50, 46))
    c.fill(limb(x - flip * 0.57 * h, y - 0.74 * h, x - flip * 0.64 * h, y - 0.34 * h, 0.03 * h, 0.03 * h), hide * 0.6)
    c.fill(oval(x - flip * 0.16 * h, y - 0.35 * h, 0.11 * h, 0.07 * h), (226, 160, 156))
    c.fill(
        limb(x - flip * 0.33 * h, y - 0.61 * h, x + flip * 0.33 * h, y - 0.62 * h, 0.26 * h, 0.25 * h),
        hide,
        "patches",
        0.84,
    )
    c.fill(
        limb(x + flip * 0.46 * h, y - 0.7 * h, x + flip * 0.62 * h, y - 0.84 * h, 0.15 * h, 0.11 * h),
        hide,
        "patches",
        0.84,
    )
    c.fill(oval(x + flip * 0.54 * h, y - 0.93 * h, 0.09 * h, 0.04 * h, -flip * 0.4), (56, 46, 44))
    c.fill(limb(x + flip * 0.66 * h, y - 0.86 * h, x + flip * 0.79 * h, y - 0.72 * h, 0.11 * h, 0.09 * h), hide)
    c.fill(oval(x + flip * 0.82 * h, y - 0.69 * h, 0.075 * h, 0.06 * h), (222, 158, 150))
    c.fill(oval(x + flip * 0.69 * h, y - 0.88 * h, 0.022 * h, 0.026 * h), (20, 18, 18))


def bird(c: Canvas, x: float, y: float, h: float) -> None:
    """A blue bird with an orange breast."""
    flip, coat = facing(c), c.vary((52, 98, 172), 10)
    for side in (-0.04, 0.1):
        c.fill(
            limb(x + flip * side * h, y - 0.3 * h, x + flip * (side + 0.03) * h, y - 0.02 * h, 0.025 * h, 0.025 * h),
            (150, 96, 40),
        )
    c.fill(
        outline((-0.25, -0.5), (-0.75, -0.36), (-0.72, -0.22), (-0.2, -0.34), at=(x, y), size=h, wide=flip), coat * 0.7
    )
    c.fill(oval(x, y - 0.48 * h, 0.36 * h, 0.25 * h, -flip * 0.35), coat)
    c.fill(oval(x + flip * 0.15 * h, y - 0.44 * h, 0.2 * h, 0.2 * h), c.vary((226, 112, 46), 8))
    c.fill(oval(x + flip * 0.24 * h, y - 0.8 * h, 0.18 * h, 0.17 * h), coat)
    c.fill(oval(x - flip * 0.1 * h, y - 0.5 * h, 0.26 * h, 0.12 * h, flip * 0.25), coat * 0.78)
    c.fill(outline((0.38, -0.86), (0.6, -0.78), (0.38, -0.72), at=(x, y), size=h, wide=flip), (236, 180, 50))
    c.fill(oval(x + flip * 0.29 * h, y - 0.83 * h, 0.035 * h, 0.035 * h), (15, 15, 18))


def boat(c: Canvas, x: float, y: float, h: float) -> None:
    """A sailing boat."""
    flip, hull, sail = (
        facing(c),
        c.pick(((176, 44, 40), (96, 58, 36), (240, 236, 228))),
        c.pick(((244, 240, 230), (236, 206, 150))),
    )
    c.darken(oval(x, y + 0.02 * h, 0.5 * h, 0.05 * h), 0.8)
    c.fill(limb(x, y - 0.1 * h, x, y - h, 0.018 * h, 0.012 * h), (112, 80, 52))
    c.fill(outline((0.04, -0.95), (0.04, -0.24), (0.44, -0.24), at=(x, y), size=h, wide=flip), sail)
    c.fill(outline((-0.04, -0.85), (-0.04, -0.24), (-0.34, -0.24), at=(x, y), size=h, wide=flip), sail * 0.88)
    c.fill(outline((-0.48, -0.2), (0.52, -0.2), (0.38, 0.0), (-0.36, 0.0), at=(x, y), size=h, wide=flip), hull)
    c.fill(
        outline((-0.47, -0.18), (0.51, -0.18), (0.5, -0.14), (-0.46, -0.14), at=(x, y), size=h, wide=flip), hull * 0.6
    )


def kite(c: Canvas, x: float, y: float, h: float) -> None:
    """A diamond kite in four bright colours with a tail of bows; (x, y) is the end of the tail."""
    colours = [c.vary(rgb, 8) for rgb in ((240, 60, 160), (250, 215, 40), (40, 205, 215), (250, 120, 30))]
    middle, corners = (0.0, -0.72), ((0.0, -1.0), (0.27, -0.72), (0.0, -0.3), (-0.27, -0.72))
    tail = [(x + 0.05 * h * np.sin(4 * t), y - 0.32 * h * (1 - t)) for t in np.linspace(0, 1, 7)]
    for (x0, y0), (x1, y1) in itertools.pairwise(tail):
        c.fill(limb(x0, y0, x1, y1, 0.016 * h, 0.016 * h), colours[0])
    for i in (2, 4, 6):
        c.fill(oval(tail[i][0], tail[i][1], 0.075 * h, 0.03 * h, 0.4), colours[i % 4])
    for i in range(4):
        c.fill(outline(middle, corners[i], corners[(i + 1) % 4], at=(x, y), size=h), colours[i], shade=0.1)


def bench(c: Canvas, x: float, y: float, h: float) -> None:
    """A park bench from the front: slats with daylight between them."""
    wood, w = c.vary((164, 104, 56), 10), 1.05 * h
    for side in (-0.85, 0.85):
        c.fill(box(x + side * w - 0.04 * h, y - 0.98 * h, x + side * w + 0.04 * h, y), (58, 58, 62))
    for top in (0.98, 0.76, 0.5, 0.4):
        c.fill(box(x - w, y - top * h, x + w, y - (top - 0.13) * h), wood, "planks", 0.15)


def tree(c: Canvas, x: float, y: float, h: float) -> None:
    """A tree with a round crown."""
    leaf = c.vary((62, 116, 48), 10)
    c.darken(oval(x, y, 0.2 * h, 0.03 * h))
    c.fill(
        limb(x, y - 0.02 * h, x + c.between(-0.02, 0.02) * h, y - 0.6 * h, 0.05 * h, 0.03 * h),
        c.vary((98, 70, 48), 8),
        "fur",
        0.2,
    )
    for dx, dy, r in (
        (-0.15, 0.55, 0.15),
        (0.16, 0.56, 0.15),
        (0, 0.5, 0.14),
        (-0.09, 0.74, 0.16),
        (0.1, 0.75, 0.16),
        (0, 0.84, 0.14),
    ):
        c.fill(tuft(c, x + dx * h, y - dy * h, r * h, r * h), leaf * (0.62 + 0.5 * dy), "leaves", 0.3)


def lamp(c: Canvas, x: float, y: float, h: float) -> None:
    """A street lamp."""
    c.fill(limb(x, y, x, y - 0.92 * h, 0.02 * h, 0.014 * h), c.vary((92, 96, 98), 6))
    c.fill(oval(x, y - 0.95 * h, 0.05 * h, 0.045 * h), (236, 228, 190))


def house(c: Canvas, x: float, y: float, h: float) -> None:
    """A brick or plaster front with windows, 0.5 h to 0.8 h wide."""
    w, wall = c.between(0.25, 0.4) * h, c.pick(WALLS)
    c.fill(box(x - w, y - 0.84 * h, x + w, y), wall, "bricks", 0.14)
    c.fill(
        outline((x - 1.08 * w, y - 0.83 * h), (x - 0.8 * w, y - h), (x + 0.8 * w, y - h), (x + 1.08 * w, y - 0.83 * h)),
        (112, 62, 52),
        "bricks",
        0.2,
    )
    lit = c.pick(((96, 120, 146), (226, 206, 140)))
    for row in (0.74, 0.5, 0.26):
        for column in (-0.6, 0.0, 0.6):
            left, top = x + (column - 0.17) * w, y - row * h
            c.fill(box(left - 1, top - 1, left + 0.34 * w + 1, top + 0.15 * h + 1), (236, 232, 222))
            c.fill(box(left, top, left + 0.34 * w, top + 0.15 * h), lit, shade=0.5)


PAINTERS: dict[str, Callable[[Canvas, float, float, float], None]] = {
    painter.__name__: painter for painter in (person, flyer, car, dog, cow, bird, boat, kite, bench, tree, lamp, house)
}
HEIGHTS = {
    "person": 0.66,
    "flyer": 0.66,
    "car": 0.42,
    "dog": 0.36,
    "cow": 0.56,
    "bird": 0.3,
    "bench": 0.3,
    "tree": 1.5,
    "lamp": 1.15,
}


def put(c: Canvas, name: str, x: float, y: float, h: float | None = None) -> None:
    """Begin a thing and paint it at (x, y), h pixels high or as high as its kind is at that distance."""
    h = h or HEIGHTS[name] * c.height * (0.25 + 0.75 * c.near(y)) * c.between(0.9, 1.1)
    if name not in ("kite", "boat", "house"):
        c.darken(oval(x, y - 0.01 * h, 0.3 * h, 0.05 * h), 0.8)
    c.begin("person" if name == "flyer" else name)
    PAINTERS[name](c, x, y, h)


# backgrounds


def sky(c: Canvas) -> None:
    """Blue, lighter towards the horizon, with a few clouds."""
    c.begin("sky")
    c.fill(box(0, 0, c.width, c.horizon + 2), c.vary((132, 180, 226), 9), "cloud", 0.025, shade=-0.3)
    for _ in range(int(c.rng.integers(1, 4))):
        x, y, r = c.between(0, c.width), c.between(0.1, 0.75) * c.horizon, c.between(0.05, 0.1) * c.width
        for dx, dy in ((-0.9, 0.05), (0.9, 0.08), (0, -0.12), (0.2, 0.12)):
            c.fill(tuft(c, x + dx * r, y + dy * r, r, 0.36 * r, 0.06), (238, 241, 245), "cloud", 0.04, shade=0.08)


def ground(c: Canvas, name: str, top: float, colour: Colour, texture: str, depth: float = 0.16) -> None:
    """Everything below y = top, with a slightly uneven far edge."""
    c.begin(name)
    x = np.linspace(0, c.width, 12)
    edge = np.stack([x, top + c.rng.uniform(-1.5, 1.5, 12)], 1)
    c.fill(
        np.concatenate([edge, outline((c.width, c.height), (0, c.height))]),
        c.vary(colour, 9),
        texture,
        depth,
        shade=-0.25,
    )


def woods(c: Canvas) -> None:
    """A line of trees along the horizon."""
    c.begin("tree")
    for x in np.arange(-10, c.width + 20, 17):
        r = c.between(9, 17)
        c.fill(
            tuft(c, x + c.between(-5, 5), c.horizon - 0.35 * r, 1.2 * r, r), c.vary((58, 100, 52), 8), "leaves", 0.28
        )


def park(c: Canvas) -> None:
    """Sky, trees and a lawn."""
    c.horizon = c.between(0.36, 0.46) * c.height
    sky(c)
    woods(c)
    ground(c, "grass", c.horizon, (112, 164, 66), "grass")


def farm(c: Canvas) -> None:
    """A wide meadow with a single house far away."""
    c.horizon = c.between(0.28, 0.36) * c.height
    sky(c)
    put(c, "house", c.between(0.2, 0.8) * c.width, c.horizon + 4, 0.26 * c.height)
    ground(c, "grass", c.horizon, (134, 170, 70), "grass")
    put(c, "tree", c.between(0.05, 0.95) * c.width, c.horizon + 7, 0.34 * c.height)


def street(c: Canvas) -> None:
    """A row of houses, a pavement and a road."""
    c.horizon = c.between(0.44, 0.5) * c.height
    sky(c)
    x = c.between(-0.1, 0.1) * c.width
    while x < 1.1 * c.width:
        put(c, "house", x, c.horizon + 2, c.between(0.4, 0.5) * c.height)
        x += c.between(0.28, 0.36) * c.width
    ground(c, "pavement", c.horizon, (190, 184, 176), "bricks", 0.07)
    curb = c.horizon + c.between(0.12, 0.18) * c.height
    ground(c, "road", curb, (98, 98, 104), "plain", 0.08)
    for x in np.arange(c.between(-30, 0), c.width, 44):
        c.fill(
            outline((x, 0), (x + 22, 0), (x + 25, 3), (x + 3, 3), at=(0, 0.5 * (curb + c.height))),
            (232, 230, 220),
            shade=0,
        )


def shore(c: Canvas) -> None:
    """Sky, sea and a beach."""
    c.horizon = c.between(0.32, 0.42) * c.height
    sky(c)
    ground(c, "sea", c.horizon, (46, 116, 150), "water", 0.22)
    ground(c, "sand", c.between(0.66, 0.74) * c.height, (222, 196, 146), "plain", 0.06)


# images

PLACES = {"park": park, "street": street, "farm": farm, "shore": shore}
INHABITANTS = {
    "park": ("person", "dog", "bench", "person", "dog"),
    "street": ("car", "person", "car", "person", "dog"),
    "farm": ("cow", "person", "cow", "dog", "cow"),
    "shore": ("boat", "person", "boat", "dog", "person"),
}
SIZES = ((192, 256), (192, 256), (176, 248), (256, 192), (200, 256), (180, 240), (192, 256), (240, 176))
SCENE_CLASSES = (
    *("sky", "tree", "grass", "house", "pavement", "road", "sea", "sand", "lamp"),
    *("person", "car", "bench", "dog", "cow", "boat", "bird", "kite"),
)


def compose(
    seed: int, size: tuple[int, int], place: str, rare: str = "", crowd: bool = False, post: bool = False
) -> Canvas:
    """A place with the things that are usual there, far ones first.

    On request also with a rare thing, a far crowd, or a post or tree that divides something in two.
    """
    c = Canvas(*size, seed)
    PLACES[place](c)
    if crowd:
        gathering(c)
    names = list(c.rng.permutation(INHABITANTS[place])[: int(c.rng.integers(3, 5))])
    x = (c.rng.permutation(len(names)) + 0.5 + c.rng.uniform(-0.2, 0.2, len(names))) / len(names) * c.width
    y = [c.between(*standing(name, place)) * (c.height - c.horizon) + c.horizon for name in names]
    for name, at_x, at_y in sorted(zip(names, x, y, strict=True), key=lambda row: row[2]):
        put(
            c,
            name,
            float(np.clip(at_x, 22, c.width - 22)),
            at_y,
            c.between(0.24, 0.36) * c.height if name == "boat" else None,
        )
    if post:
        hidden = max(
            range(len(c.things)),
            key=lambda k: (c.things[k].name in ("car", "cow", "bench"), c.things[k].name in INHABITANTS[place], k),
        )
        columns = np.nonzero(c.things[hidden].mask.any(0))[0]
        put(
            c,
            "lamp" if place in ("street", "shore") else "tree",
            float(columns.mean()) / SCALE + c.between(-4, 4),
            0.99 * c.height,
        )
    if rare == "kite":
        put(c, "flyer", 0.25 * c.width, 0.9 * c.height)
        put(c, "kite", c.between(0.6, 0.8) * c.width, c.between(0.42, 0.5) * c.height, c.between(0.34, 0.42) * c.height)
    if rare == "bird":
        put(c, "bird", c.between(0.3, 0.7) * c.width, 0.96 * c.height)
    return c


def standing(name: str, place: str) -> tuple[float, float]:
    """The range of the ground, 0 horizon to 1 lower edge, in which a thing stands."""
    if name == "boat":
        return 0.1, 0.42
    return {"street": (0.55, 0.96), "shore": (0.66, 0.97)}.get(place, (0.4, 0.97))


def gathering(c: Canvas) -> None:
    """A far group of people, one thing."""
    c.begin("person", crowd=True)
    x, y, h = c.between(0.1, 0.5) * c.width, c.horizon + 0.2 * (c.height - c.horizon), 0.24 * c.height
    for i in range(8):
        person(c, x + 0.2 * h * i + c.between(-2, 2), y + c.between(-2, 2), h * c.between(0.85, 1.05))


def scene(seed: int, size: tuple[int, int] = (192, 256)) -> tuple[Pixels, NDArray[np.uint8]]:
    """Any place, picked by the seed: image (H, W, 3) uint8 RGB, truth (H, W) uint8 of indices into SCENE_CLASSES."""
    c = compose(seed, size, list(PLACES)[seed % 4], rare=("", "", "kite", "", "bird")[seed % 5], post=seed % 3 == 0)
    ids = np.array([SCENE_CLASSES.index(thing.name) for thing in c.things], np.uint8)
    return c.image(), ids[c.owners()]
