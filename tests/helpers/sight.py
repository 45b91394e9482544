"""What normal and colour-blind eyes see of a colour, and the colours that they tell apart best."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from segdata.labels import RGB

OKABE_ITO: tuple[RGB, ...] = (
    (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167),
)  # fmt: skip
"""Without its black, which is the background's."""

SIGHTS = np.array([
    np.eye(3),
    [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
])  # fmt: skip
"""What normal, protanope and deuteranope eyes see of linear RGB: Machado, Oliveira and Fernandes, "A Physiologically-based Model
for Simulation of Color Vision Deficiency" (2009), table 1, severity 1."""

TO_LMS = np.array([
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
])  # fmt: skip
TO_LAB = np.array([
    [0.2104542553, 0.7936177850, -0.0040720468],
    [1.9779984951, -2.4285922050, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.8086757660],
])  # fmt: skip
"""From linear RGB to Oklab, in two steps: B. Ottosson, "A perceptual color space for image processing" (2020)."""

LIGHTNESS = (0.45, 0.88)
"""Of candidates: they are seen on black and on white."""


def seen(colors: ArrayLike) -> NDArray[np.float64]:
    """(..., 3) RGB 0..255 -> (..., 3 kinds of sight, 3) Oklab, where a distance of 0.02 is just noticed."""
    part = np.asarray(colors, np.float64) / 255
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    each = np.clip(np.einsum("sij,...j->...si", SIGHTS, linear), 0, 1)
    return np.asarray(np.cbrt(each @ TO_LMS.T) @ TO_LAB.T)


def distances(colors: NDArray[np.float64], one: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far (..., 3, 3) colours that are `seen` are from another, for the sight that tells them worst."""
    return np.asarray(np.linalg.norm(colors - one, axis=-1).min(axis=-1))


def chosen(count: int) -> list[RGB]:
    """The colours of Okabe and Ito, then the farthest of all candidates, one after the other."""
    levels = np.arange(0, 256, 15)
    candidates = np.array(np.meshgrid(levels, levels, levels)).reshape(3, -1).T
    looks = seen(candidates)
    usable = (looks[:, 0, 0] > LIGHTNESS[0]) & (looks[:, 0, 0] < LIGHTNESS[1])
    candidates, looks = candidates[usable], looks[usable]
    found = list(OKABE_ITO)
    taken = [distances(looks, one) for one in seen([(0, 0, 0), (255, 255, 255), *OKABE_ITO])]
    nearest = np.min(taken, axis=0)
    while len(found) < count:
        best = int(nearest.argmax())
        red, green, blue = candidates[best].tolist()
        found.append((red, green, blue))
        nearest = np.minimum(nearest, distances(looks, looks[best]))
    return found
