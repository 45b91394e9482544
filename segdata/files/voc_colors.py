"""PASCAL VOC's colours of mask values.

Source: VOClabelcolormap.m in the VOC development kit, http://host.robots.ox.ac.uk/pascal/VOC/voc2012/.
"""

from __future__ import annotations

from segdata.labels import RGB

VOC_VOID: RGB = (224, 224, 192)
"""The colour of index 255: in a labelmap no class has it, but what Datumaro calls `ignored`."""


def voc_color(index: int) -> RGB:
    """The colour of an index: its bits by threes go to R, G and B, the lowest ones to the highest bit."""
    r, g, b = (sum((index >> (3 * j + k) & 1) << (7 - j) for j in range(8)) for k in range(3))
    return r, g, b
