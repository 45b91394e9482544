"""Street scenes seen from a car, and the official Cityscapes label table."""

from __future__ import annotations

from typing import Any

import numpy as np

import sample_scenes as art
from sample_canvas import Canvas, Floats, box, limb, outline, oval, tuft

EXTENT = (128, 256)  # height, width: an eighth of a true frame
# name, id, train id, category, category id, has instances, ignored in evaluation, colour
Row = tuple[str, int, int, str, int, bool, bool, tuple[int, int, int]]
TABLE: tuple[Row, ...] = (
    ("unlabeled", 0, 255, "void", 0, False, True, (0, 0, 0)),
    ("ego vehicle", 1, 255, "void", 0, False, True, (0, 0, 0)),
    ("rectification border", 2, 255, "void", 0, False, True, (0, 0, 0)),
    ("out of roi", 3, 255, "void", 0, False, True, (0, 0, 0)),
    ("static", 4, 255, "void", 0, False, True, (0, 0, 0)),
    ("dynamic", 5, 255, "void", 0, False, True, (111, 74, 0)),
    ("ground", 6, 255, "void", 0, False, True, (81, 0, 81)),
    ("road", 7, 0, "flat", 1, False, False, (128, 64, 128)),
    ("sidewalk", 8, 1, "flat", 1, False, False, (244, 35, 232)),
    ("parking", 9, 255, "flat", 1, False, True, (250, 170, 160)),
    ("rail track", 10, 255, "flat", 1, False, True, (230, 150, 140)),
    ("building", 11, 2, "construction", 2, False, False, (70, 70, 70)),
    ("wall", 12, 3, "construction", 2, False, False, (102, 102, 156)),
    ("fence", 13, 4, "construction", 2, False, False, (190, 153, 153)),
    ("guard rail", 14, 255, "construction", 2, False, True, (180, 165, 180)),
    ("bridge", 15, 255, "construction", 2, False, True, (150, 100, 100)),
    ("tunnel", 16, 255, "construction", 2, False, True, (150, 120, 90)),
    ("pole", 17, 5, "object", 3, False, False, (153, 153, 153)),
    ("polegroup", 18, 255, "object", 3, False, True, (153, 153, 153)),
    ("traffic light", 19, 6, "object", 3, False, False, (250, 170, 30)),
    ("traffic sign", 20, 7, "object", 3, False, False, (220, 220, 0)),
    ("vegetation", 21, 8, "nature", 4, False, False, (107, 142, 35)),
    ("terrain", 22, 9, "nature", 4, False, False, (152, 251, 152)),
    ("sky", 23, 10, "sky", 5, False, False, (70, 130, 180)),
    ("person", 24, 11, "human", 6, True, False, (220, 20, 60)),
    ("rider", 25, 12, "human", 6, True, False, (255, 0, 0)),
    ("car", 26, 13, "vehicle", 7, True, False, (0, 0, 142)),
    ("truck", 27, 14, "vehicle", 7, True, False, (0, 0, 70)),
    ("bus", 28, 15, "vehicle", 7, True, False, (0, 60, 100)),
    ("caravan", 29, 255, "vehicle", 7, True, True, (0, 0, 90)),
    ("trailer", 30, 255, "vehicle", 7, True, True, (0, 0, 110)),
    ("train", 31, 16, "vehicle", 7, True, False, (0, 80, 100)),
    ("motorcycle", 32, 17, "vehicle", 7, True, False, (0, 0, 230)),
    ("bicycle", 33, 18, "vehicle", 7, True, False, (119, 11, 32)),
    ("license plate", -1, -1, "vehicle", 7, False, True, (0, 0, 142)),
)
_H, _W = EXTENT
# the frame around every image, one polygon that turns back along itself
OUT_OF_ROI: dict[str, Any] = {
    "label": "out of roi",
    "polygon": [[0, 0], [_W, 0], [_W, _H], [0, _H], [0, 0], [1, 1], [1, _H - 1], [_W - 2, _H - 1], [_W - 2, 1], [1, 1]],
}


class Road:
    """A straight road to a vanishing point; it gives the place in the image of a piece of ground.

    s: the nearness of the piece, from 0 (far) to 1 (near); k: its distance to the side, in image widths.
    """

    def __init__(self, c: Canvas) -> None:
        c.horizon = c.between(0.38, 0.44) * c.height
        self.c, self.x = c, c.between(0.44, 0.56) * c.width

    def at(self, k: float, s: float, up: float = 0.0) -> tuple[float, float]:
        """x, y of a point `up` image heights above the ground."""
        c = self.c
        return self.x + k * s * c.width, c.horizon + s * (c.height - c.horizon) - up * s * c.height

    def strip(self, k0: float, k1: float, s0: float = 0.02, s1: float = 1.1) -> Floats:
        """A piece of ground between two lines along the road."""
        return outline(self.at(k0, s0), self.at(k1, s0), self.at(k1, s1), self.at(k0, s1))

    def front(self, k: float, s0: float, s1: float, low: float, high: float) -> Floats:
        """A piece of a wall along the road."""
        return outline(self.at(k, s0, low), self.at(k, s1, low), self.at(k, s1, high), self.at(k, s0, high))


def houses(r: Road, side: float) -> None:
    """Fronts along one side of the road."""
    c, s = r.c, 1.3
    k = side * c.between(0.56, 0.62)
    c.begin("building")
    while s > 0.12:
        far, high = s * c.between(0.6, 0.72), c.between(0.75, 1.15)
        c.fill(r.front(k, s, far, 0, high), c.pick(art.WALLS), "bricks", 0.1, shade=0.1)
        for floor in np.arange(0.12, high - 0.12, 0.24):
            for window in (0.14, 0.45, 0.76):
                s0, s1 = (1 / (1 / s + (1 / far - 1 / s) * t) for t in (window, window + 0.16))
                c.fill(r.front(k, s0, s1, floor, floor + 0.13), (92, 108, 126), shade=0.5)
        s = far


def plant(r: Road, k: float, s: float) -> None:
    """A tree beside the road."""
    c, (x, y), h = r.c, r.at(k, s), 0.95 * s * r.c.height
    c.begin("vegetation")
    leaf = c.vary((70, 118, 54), 9)
    c.fill(limb(x, y, x, y - 0.6 * h, 0.035 * h, 0.03 * h), (92, 72, 54), "fur", 0.2)
    for dx, up, rad in ((-0.14, 0.6, 0.17), (0.15, 0.62, 0.17), (0, 0.8, 0.2)):
        c.fill(tuft(c, x + dx * h, y - up * h, rad * h, rad * h), leaf * (0.6 + 0.5 * up), "leaves", 0.3)


def vehicle(r: Road, k: float, s: float) -> None:
    """A car from behind, with its number plate."""
    c, (x, y), h = r.c, r.at(k, s), 0.46 * s * r.c.height
    c.begin("car")
    art.car_rear(c, x, y, h)
    if h > 14:
        c.begin("license plate")
        c.fill(box(x - 0.16 * h, y - 0.36 * h, x + 0.16 * h, y - 0.27 * h), (240, 240, 232), shade=0)


def cyclist(r: Road, k: float, s: float) -> None:
    """A bicycle from the side, with a rider."""
    c, (x, y), h = r.c, r.at(k, s), 0.62 * s * r.c.height
    c.begin("bicycle")
    for side in (-0.26, 0.26):
        c.fill(oval(x + side * h, y - 0.18 * h, 0.18 * h, 0.18 * h), (44, 44, 50))
        c.fill(oval(x + side * h, y - 0.18 * h, 0.13 * h, 0.13 * h), (140, 136, 134))
    frame = c.pick(((40, 150, 140), (200, 60, 60)))
    for x0, y0, x1, y1 in (
        (-0.26, 0.18, -0.02, 0.42),
        (-0.02, 0.42, 0.2, 0.46),
        (0.26, 0.18, 0.2, 0.54),
        (0.0, 0.16, 0.2, 0.46),
    ):
        c.fill(limb(x + x0 * h, y - y0 * h, x + x1 * h, y - y1 * h, 0.022 * h, 0.022 * h), frame)
    c.begin("rider")
    trousers = c.pick(art.TROUSERS)
    c.fill(limb(x - 0.03 * h, y - 0.5 * h, x + 0.1 * h, y - 0.34 * h, 0.055 * h, 0.045 * h), trousers)
    c.fill(limb(x + 0.1 * h, y - 0.34 * h, x + 0.03 * h, y - 0.14 * h, 0.045 * h, 0.035 * h), trousers)
    art.trunk(c, x, y - 0.06 * h, h, ((240, 210, 50), (120, 200, 60)))


def post(r: Road, k: float, s: float, top: str) -> None:
    """A pole, alone, with a sign, or with a traffic light."""
    c, (x, y), h = r.c, r.at(k, s), r.c.between(0.8, 0.95) * s * r.c.height
    c.begin("pole")
    c.fill(limb(x, y, x, y - h, 0.022 * h, 0.018 * h), c.vary((120, 122, 124), 6))
    if top == "sign":
        c.begin("traffic sign")
        c.fill(oval(x, y - h, 0.11 * h, 0.11 * h), (206, 30, 36), shade=0)
        c.fill(box(x - 0.075 * h, y - 1.025 * h, x + 0.075 * h, y - 0.975 * h), (246, 246, 244), shade=0)
    if top == "light":
        c.begin("traffic light")
        c.fill(box(x - 0.065 * h, y - 1.14 * h, x + 0.065 * h, y - 0.78 * h), (38, 42, 40))
        for up, colour in ((1.07, (236, 50, 40)), (0.96, (96, 78, 30)), (0.85, (30, 88, 56))):
            c.fill(oval(x, y - up * h, 0.045 * h, 0.045 * h), colour, shade=0)


def group(r: Road, name: str) -> None:
    """Things that are too far away to be told apart."""
    c = r.c
    c.begin(f"{name}group")
    for k in np.linspace(-0.25, 0.2, 4) if name == "car" else np.linspace(0.41, 0.54, 5):
        x, y = r.at(float(k), 0.2 if name == "car" else 0.26)
        if name == "car":
            art.car_rear(c, x, y, 0.1 * c.height)
        else:
            art.person(c, x, y, 0.19 * c.height)


def city_image(seed: int) -> Canvas:
    """The canvas behind a street scene; its things carry Cityscapes names, far ones first."""
    c = Canvas(*EXTENT, seed)
    r = Road(c)
    art.sky(c)
    c.begin("sidewalk")
    c.fill(box(0, c.horizon, c.width, c.height), c.vary((192, 186, 180), 6), "plain", 0.05, shade=-0.1)
    for side in (-1.0, 1.0):
        houses(r, side)
    if seed % 3 == 1:
        c.begin("terrain")
        c.fill(r.strip(0.48, 0.57, 0.08), c.vary((120, 158, 70), 8), "grass", 0.16)
    c.begin("road")
    c.fill(r.strip(-0.42, 0.38), c.vary((96, 96, 102), 7), "plain", 0.08, shade=-0.2)
    for s in (0.16, 0.28, 0.5, 0.85):
        c.fill(r.strip(-0.01, 0.01, s, 1.3 * s), (230, 228, 220), shade=0)
    for k, s in ((-0.48, 0.2), (0.47, 0.24), (-0.5, 0.42)):
        plant(r, k + c.between(-0.03, 0.03), s)
    if seed % 4 in (0, 1):
        group(r, "car")
    if seed % 4 in (0, 3):
        group(r, "person")
    crew = [
        ("car", c.between(0.08, 0.2), c.between(0.36, 0.5)),
        ("car", -0.33, c.between(0.3, 0.45)),
        ("car", -0.36, c.between(0.6, 0.78)),
    ]
    crew += [("person", c.between(0.42, 0.5) * (1 if i % 2 else -1), c.between(0.35, 0.75)) for i in range(3)]
    crew += [
        ("sign" if seed % 5 in (0, 2) else "pole", 0.41, c.between(0.5, 0.6)),
        ("light" if seed % 2 else "pole", -0.45, c.between(0.4, 0.5)),
    ]
    crew += [("bicycle", 0.28, c.between(0.5, 0.65))] if seed % 3 == 2 else []
    for name, k, s in sorted(crew, key=lambda row: row[2]):
        if name == "car":
            vehicle(r, k, s)
        elif name == "person":
            x, y = r.at(k, s)
            c.begin("person")
            art.person(c, x, y, 0.56 * s * c.height)
        elif name == "bicycle":
            cyclist(r, k, s)
        else:
            post(r, k, s, name)
    hood(c)
    return c


def hood(c: Canvas) -> None:
    """The car that carries the camera, and the dark edge that rectification leaves."""
    c.begin("ego vehicle")
    c.fill(oval(0.5 * c.width, 1.06 * c.height, 0.46 * c.width, 0.17 * c.height), (44, 46, 52), shade=1.2)
    c.begin("rectification border")
    c.fill(outline((0, 0), (2, 0), (1, c.height), (0, c.height)), (0, 0, 0))
