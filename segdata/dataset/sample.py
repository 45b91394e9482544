"""One sample: a line of the manifest."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from segdata.files.images import Exif
from segdata.files.views import View
from segdata.resize import Pad
from segdata.windows import Side, Window
from segdata.words import briefly

Images = Literal["reference", "link", "copy", "none"]

Name = Annotated[str, Meta(min_length=1)]

Value = Annotated[int, Meta(ge=0, le=2**16 - 1)]

Pixels = Annotated[int, Meta(ge=0, le=2**62)]


def split_name(split: str | None) -> str:
    """What a split is called where samples without one are counted too."""
    return "(no split)" if split is None else split


class Tiling(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How a tile was cut: `parent` is the (height, width) of the image it is of, `scale` by what both were resampled (1: not),
    `pad` what stands where the image was smaller than the tile."""

    parent: tuple[Side, Side]
    scale: Annotated[float, Meta(gt=0, le=2**20)] = 1.0
    pad: Pad = "zero"


class Sample(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One line of the manifest. Paths are POSIX, relative to the dataset; `image` may lead outside it.

    `counts` lists how often each mask value occurs, `sha256` is of the mask file. `window` is the place in the parent in its
    own pixels, `tiling` how the tile was cut there. `crop` is what must be cut out of `image` and `mask`, and then scaled and
    padded as `tiling` says, to have the sample (None: the files are the sample).

    A line with numbers out of range is refused when it is read. In memory only, 0 x 0 means that the size is not known yet.
    """

    __repr__ = briefly

    id: Name
    split: str | None = None
    image: str | None = None
    mask: str
    height: Side
    width: Side
    counts: dict[Value, Pixels]
    sha256: str
    group: str | None = None
    parent: Name | None = None
    window: Window | None = None
    crop: Window | None = None
    exif: Exif | None = None
    scores: str | None = None
    tiling: Tiling | None = None

    @property
    def view(self) -> View | None:
        """How the sample is cut out of its files; None where they are the sample."""
        if self.crop is None:
            return None
        if self.tiling is None:
            return View(self.crop, (self.crop.height, self.crop.width))
        return View(self.crop, self.size, self.tiling.scale, self.tiling.pad)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.height, self.width

    @property
    def unit(self) -> str:
        """What it stays together with: its group, or the image that it is cut from, or is."""
        return self.group or self.parent or self.id
