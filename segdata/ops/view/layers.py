"""What is shown of a sample, one over the other: its image, its mask and predicted masks, each from a file of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from segdata.dataset.dataset import Dataset
from segdata.dataset.sample import Sample
from segdata.errors import DataError
from segdata.files.colors import span_of, to_rgb
from segdata.files.file import access_to
from segdata.files.images import encode_image
from segdata.files.png import encode_mask, encode_rgb
from segdata.files.rasters import Raster
from segdata.files.views import Masks
from segdata.ops.view.answers import Refusal
from segdata.ops.view.cache import cached, file_key
from segdata.ops.view.session import Session
from segdata.windows import Window

Pixels = NDArray[Any]
"""(h, w, 3) uint8 RGB of an image, (h, w) uint8 or uint16 ids of a mask."""

Span = tuple[float, float]

SEEN = 1024
"""Pixels along a side of the image by which brightness is judged if it is too large to be read for that."""


@dataclass(frozen=True, slots=True)
class Layer:
    """The image or a mask of a sample. Opened anew by whoever reads it: what is open is not for threads to share."""

    dataset: Dataset
    sample: Sample
    kind: Literal["image", "mask"]

    @property
    def path(self) -> str:
        """Where its file is. Raises `DatasetError`."""
        return (
            self.dataset.image_path(self.sample) if self.kind == "image" else str(self.dataset.inside(self.sample.mask))
        )

    @property
    def key(self) -> tuple[Any, ...]:
        """What it is made of: other files, crops, ways to read make another."""
        how = self.dataset.reading if self.kind == "image" else self.dataset.labels.ignore
        return self.kind, file_key(self.path), self.sample.exif, repr(self.sample.view), self.sample.size, repr(how)

    @property
    def media(self) -> str:
        """The type of `encoded`."""
        return "image/jpeg" if self.kind == "image" else "image/png"

    @property
    def headers(self) -> dict[str, str]:
        """What an answer says of its pixels."""
        return {"segdata-bits": "16"} if self.kind == "mask" and self.dataset.labels.dtype == np.uint16 else {}

    @property
    def by_windows(self) -> bool:
        """Whether the file itself is read by windows, and its pixels are the sample's. Raises as `opened`."""
        view = self.sample.view
        with told(self.kind):
            as_it_is = (view is None or view.plain) and self.sample.exif is None
            return as_it_is and access_to(self.path, self.kind) == "windows"

    @contextmanager
    def opened(self, small: bool = False) -> Iterator[Raster | Masks]:
        """Open for reading by windows; `small`: as `Dataset.open_image` has it. Raises `DataError`, `DatasetError`, `Refusal`."""
        with told(self.kind):
            if self.kind == "mask":
                with self.dataset.open_mask(self.sample) as mask:
                    yield mask
            else:
                with self.dataset.open_image(self.sample, small=small) as image:
                    yield image

    def read(
        self, source: Any, window: Window, size: tuple[int, int], *, span: Span | None = None, mean: bool = True
    ) -> Pixels:
        """A window of what is `opened`, in that size: the means of areas of an image, the ids under the centres of a mask."""
        if self.kind == "mask":
            ids: Pixels = source.reduced(size, window)
            return ids
        return to_rgb(source.reduced(size, window, mean), span, source.geo.nodata)

    def span(self, source: Any) -> Span | None:
        """What is dark and bright in all of what is `opened`, if it is no image of 8 bits: found once, from it in small."""
        if self.kind == "mask" or source.dtype == np.uint8:
            return None
        size = within(SEEN, source.height, source.width)

        def make() -> bytes:
            return json.dumps(span_of(source.reduced(size), source.geo.nodata)).encode()

        low, high = json.loads(cached((*self.key, "span"), make))
        return float(low), float(high)

    def encoded(self, pixels: Pixels, quality: int = 90) -> bytes:
        """A JPEG, or a PNG of ids: grey of 8 bits, of 16 bits RGB, red + 256 green, as browsers keep 8 bits of a channel."""
        if self.kind == "image":
            return encode_image(pixels, "jpeg", quality)
        return encode_mask(pixels) if pixels.dtype == np.uint8 else encode_rgb(in_bytes(pixels))


def in_bytes(ids: Pixels) -> NDArray[np.uint8]:
    """(h, w) uint16 -> (h, w, 3) uint8: the lower 8 bits, the upper 8, and 0."""
    out = np.zeros((*ids.shape, 3), np.uint8)
    out[:, :, 0], out[:, :, 1] = ids & 255, ids >> 8
    return out


def layer_of(session: Session, row: int, of: str) -> Layer:
    """The layer of a row: `image`, `truth`, or the number of a prediction. Raises `Refusal`."""
    sample = session.sample(row)
    if of == "image":
        if sample.image is None:
            raise Refusal(404, "image.none", f"{sample.id} has no image: the dataset was made with --images none")
        return Layer(session.truth, sample, "image")
    if of == "truth":
        return Layer(session.truth, sample, "mask")
    if not (of.isascii() and of.isdecimal() and len(of) < 5):
        raise Refusal(422, "of", f"of={of}: must be image, truth, or the number of a prediction")
    return Layer(*session.pred(int(of), row), "mask")


def within(side: int, height: int, width: int) -> tuple[int, int]:
    """(height, width) that fits into a square of `side`, no larger than it is."""
    scale = min(1.0, side / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


@contextmanager
def told(kind: str) -> Iterator[None]:
    """A file that is gone is told as `Refusal` (`image.gone`, `mask.gone`); other errors say themselves what is wrong."""
    try:
        yield
    except DataError as error:
        if error.problem.code.endswith(".missing"):
            raise Refusal(404, f"{kind}.gone", str(error)) from error
        raise
