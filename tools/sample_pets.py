"""Cartoon cats and dogs, and the rooms and gardens they sit in."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from sample_canvas import Canvas, Colour, box, limb, outline, oval, tuft
from sample_scenes import ground, put, sky


@dataclass(frozen=True, slots=True)
class Breed:
    """The look of a breed, and its numbers in the official lists.

    class_id: 1..37, species: 1 cat or 2 dog, breed_id: counted within the species.
    """

    name: str
    class_id: int
    species: int
    breed_id: int
    coat: Colour
    trim: Colour  # muzzle, chest and paws
    ears: str
    ear_colour: Colour
    eyes: Colour
    texture: str = "fur"
    fluff: float = 0.0


BREEDS = (
    Breed("Abyssinian", 1, 1, 1, (192, 118, 62), (224, 172, 122), "point", (170, 98, 52), (150, 180, 70)),
    Breed("beagle", 5, 2, 4, (176, 110, 58), (240, 232, 220), "floppy", (104, 62, 36), (86, 52, 30)),
    Breed("Bengal", 6, 1, 2, (214, 164, 92), (238, 214, 170), "point", (164, 112, 60), (90, 170, 130), "spots"),
    Breed("pug", 26, 2, 18, (216, 184, 142), (66, 54, 50), "fold", (56, 46, 44), (60, 38, 26)),
    Breed("samoyed", 30, 2, 20, (242, 240, 234), (250, 249, 246), "short", (226, 218, 208), (54, 40, 32), "fur", 0.09),
    Breed("Sphynx", 34, 1, 12, (222, 178, 164), (236, 200, 188), "bat", (214, 150, 140), (96, 160, 190), "plain"),
)
ROOMS = ((196, 206, 186), (204, 190, 214), (186, 206, 218), (226, 206, 176))


def room(c: Canvas) -> None:
    """Wallpaper, a window, a wooden floor and a rug."""
    c.horizon = c.between(0.58, 0.68) * c.height
    c.begin("background")
    c.fill(box(0, 0, c.width, c.height), c.pick(ROOMS), "stripes", 0.05, shade=0.1)
    x, w = c.between(0.08, 0.62) * c.width, 0.3 * c.width
    c.fill(box(x, 0.06 * c.height, x + w, 0.42 * c.height), (240, 236, 228))
    for side in (0.06, 0.53):
        c.fill(
            box(x + side * w, 0.09 * c.height, x + (side + 0.41) * w, 0.39 * c.height),
            c.vary((146, 190, 228), 8),
            "cloud",
            0.08,
        )
    c.fill(box(0, c.horizon, c.width, c.height), c.vary((136, 92, 58), 8), "planks", 0.16, shade=-0.25)
    c.fill(box(0, c.horizon - 4, c.width, c.horizon), (238, 232, 222))
    c.fill(
        oval(0.5 * c.width, 0.86 * c.height, 0.42 * c.width, 0.1 * c.height),
        c.pick(((60, 96, 130), (140, 52, 62), (70, 112, 88))),
    )


def garden(c: Canvas) -> None:
    """A lawn before a fence and a tree."""
    c.horizon = c.between(0.5, 0.6) * c.height
    sky(c)
    put(c, "tree", c.between(0.1, 0.9) * c.width, c.horizon + 4, 0.6 * c.height)
    top = c.horizon - 0.16 * c.height
    c.fill(box(0, top + 7, c.width, top + 11), (206, 190, 160))
    for x in np.arange(c.between(-8, 0), c.width, 13):
        c.fill(outline((0, 5), (4.5, 0), (9, 5), (9, 60), (0, 60), at=(x, top)), c.vary((226, 212, 184), 4), shade=0.3)
    ground(c, "background", c.horizon, (112, 160, 68), "grass")


def spotted(breed: Breed) -> float:
    """The depth of the coat's texture."""
    return 0.5 if breed.texture == "spots" else 0.12


def pet(c: Canvas, x: float, y: float, h: float, breed: Breed, lying: bool) -> None:
    """A cat or dog seen from the front, sitting or lying, h high where it sits."""
    coat, trim = c.vary(breed.coat, 8), c.vary(breed.trim, 5)
    texture, depth = breed.texture, spotted(breed)
    flip, lean = (-1.0 if c.rng.random() < 0.5 else 1.0), c.between(-0.05, 0.05) * h
    c.darken(oval(x, y - 0.01 * h, (0.62 if lying else 0.36) * h, 0.06 * h), 0.66)
    c.begin("pet")

    def part(dx: float, up: float, rx: float, ry: float, colour: Colour) -> None:
        c.fill(tuft(c, x + dx * h, y - up * h, rx * h, ry * h, breed.fluff), colour, texture, depth)

    def leg(dx: float, up: float, reach: float) -> None:
        c.fill(
            limb(x + dx * h, y - up * h, x + reach * h, y - 0.05 * h, 0.06 * h, 0.05 * h),
            coat,
            texture,
            depth,
        )
        c.fill(oval(x + reach * h, y - 0.035 * h, 0.065 * h, 0.04 * h), trim)

    if lying:
        tail, start = [(0.55, 0.14), (0.68, 0.12), (0.76, 0.2), (0.74, 0.3)], 0.3
        part(flip * 0.16, 0.2, 0.48, 0.2, coat)
        part(flip * 0.5, 0.15, 0.15, 0.15, coat * 0.92)
        leg(-flip * 0.2, 0.14, -flip * 0.42)
        leg(-flip * 0.02, 0.12, -flip * 0.2)
        x, y = x - flip * 0.2 * h, y + start * h
    else:
        tail = [(0.2, 0.06), (0.36, 0.07), (0.44, 0.18), (0.42, 0.32)]
        part(0, 0.28, 0.22, 0.29, coat)
        for side in (-1.0, 1.0):
            part(side * 0.19, 0.12, 0.13, 0.13, coat * 0.92)
        part(0, 0.36, 0.12, 0.16, trim if breed.name != "pug" else coat)
        for side in (-1.0, 1.0):
            leg(side * 0.09, 0.34, side * 0.1)
    thick = (0.08 if breed.fluff else 0.028 if breed.ears == "bat" else 0.045) * h
    foot_x, foot_y = (x + flip * 0.2 * h, y - 0.3 * h) if lying else (x, y)
    for (x0, y0), (x1, y1) in itertools.pairwise(tail):
        stroke = limb(
            foot_x + flip * x0 * h, foot_y - y0 * h, foot_x + flip * x1 * h, foot_y - y1 * h, thick, thick * 0.9
        )
        c.fill(stroke, coat * 0.86, texture, depth)
    head(c, x + lean, y - 0.68 * h, h, breed, coat, trim)


def ear(c: Canvas, x: float, y: float, h: float, side: float, kind: str, colour: Colour) -> None:
    """One ear of the head at (x, y)."""
    if kind == "floppy":
        c.fill(oval(x + side * 0.22 * h, y + 0.05 * h, 0.075 * h, 0.18 * h, -side * 0.25), colour)
    elif kind == "fold":
        c.fill(outline((0.08, -0.17), (0.2, -0.18), (0.25, -0.04), (0.18, -0.02), at=(x, y), size=h, wide=side), colour)
    else:
        reach, tip = {"point": (0.2, -0.32), "short": (0.18, -0.27), "bat": (0.31, -0.34)}[kind]
        base = ((0.05, -0.15), (reach, tip), (0.21, -0.03))
        c.fill(outline(*base, at=(x, y), size=h, wide=side), colour)
        inner = tuple((0.12 + 0.55 * (u - 0.12), -0.13 + 0.55 * (v + 0.13)) for u, v in base)
        c.fill(outline(*inner, at=(x, y), size=h, wide=side), (232, 172, 164))


def head(c: Canvas, x: float, y: float, h: float, breed: Breed, coat: Colour, trim: Colour) -> None:
    """A face: ears, eyes, muzzle, nose, and whiskers for cats."""
    depth = spotted(breed)
    if breed.ears not in ("floppy", "fold"):
        for side in (-1.0, 1.0):
            ear(c, x, y, h, side, breed.ears, c.vary(breed.ear_colour, 4))
    narrow = 0.9 if breed.ears == "bat" else 1.0
    c.fill(tuft(c, x, y, 0.225 * h * narrow, 0.195 * h, breed.fluff), coat, breed.texture, depth)
    if breed.ears in ("floppy", "fold"):
        for side in (-1.0, 1.0):
            ear(c, x, y, h, side, breed.ears, c.vary(breed.ear_colour, 4))
    if breed.ears == "floppy":
        c.fill(limb(x, y - 0.17 * h, x, y + 0.04 * h, 0.025 * h, 0.05 * h), trim)
    mouth = (224, 206, 190) if breed.name == "pug" else (84, 50, 48)
    wide = 0.085 if breed.species == 1 else 0.105
    c.fill(oval(x, y + 0.09 * h, wide * h, 0.075 * h), trim)
    for side in (-1.0, 1.0):
        c.fill(oval(x + side * 0.095 * h, y - 0.03 * h, 0.046 * h, 0.044 * h), (246, 244, 236))
        c.fill(oval(x + side * 0.095 * h, y - 0.03 * h, 0.038 * h, 0.04 * h), breed.eyes)
        c.fill(
            oval(x + side * 0.095 * h, y - 0.03 * h, (0.014 if breed.species == 1 else 0.026) * h, 0.032 * h),
            (16, 14, 16),
        )
        c.fill(oval(x + side * 0.085 * h, y - 0.045 * h, 0.009 * h, 0.009 * h), (255, 255, 255))
        c.fill(limb(x, y + 0.125 * h, x + side * 0.05 * h, y + 0.108 * h, 0.006 * h, 0.005 * h), mouth)
        if breed.species == 1:
            for slope in (-0.01, 0.03):
                c.fill(
                    limb(
                        x + side * 0.06 * h,
                        y + 0.09 * h,
                        x + side * 0.19 * h,
                        y + (0.08 + slope) * h,
                        0.005 * h,
                        0.003 * h,
                    ),
                    (250, 248, 244),
                )
    nose = (214, 128, 124) if breed.species == 1 else (34, 28, 30)
    size = 0.026 if breed.species == 1 else 0.042
    c.fill(limb(x, y + 0.07 * h, x, y + 0.125 * h, 0.006 * h, 0.006 * h), mouth)
    c.fill(oval(x, y + 0.06 * h, size * h, 0.75 * size * h), nose)
