"""What a mask becomes for a client: a PNG, polygons, or the shares of its classes."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np

from segdata.files.colors import encode_coloured
from segdata.files.png import encode_mask
from segdata.files.vectors.polygon_files import features_in_pixels
from segdata.files.vectors.polygons import Polygons
from segdata.labels import Labels, Mask
from segdata.ops.serve.refusals import Refusal

Format = Literal["mask", "palette", "polygons", "shares"]
"""mask: a grey PNG of class ids. palette: the same in the colours of the classes. polygons: GeoJSON in pixels. shares: JSON."""

PNG, GEOJSON, JSON = "image/png", "application/geo+json", "application/json"

TYPES: dict[Format, str] = {"mask": PNG, "palette": PNG, "polygons": GEOJSON, "shares": JSON}


class Asked(NamedTuple):
    """What a client wants; the latter are for polygons, see `Polygons`."""

    format: Format = "mask"
    min_area: float = 0.0
    simplify: float = 0.0

    def check(self, labels: Labels) -> None:
        """Raise `Refusal` for what cannot be."""
        if self.format != "polygons" and (self.min_area or self.simplify):
            raise Refusal(422, "query", "min_area and simplify are about polygons: ask for format=polygons too")
        if self.format == "palette" and labels.dtype != np.uint8:
            many = len(labels.classes)
            raise Refusal(422, "query", f"{many:,} classes do not fit a palette of 256 colours: ask for format=mask")


def answer(mask: Mask, counts: dict[int, int], labels: Labels, asked: Asked) -> bytes:
    """The body of an answer of `TYPES`; `counts` say how often each value of the mask occurs."""
    if asked.format == "palette":
        return encode_coloured(mask, labels)
    if asked.format == "polygons":
        how = Polygons(min_area=asked.min_area, simplify=asked.simplify)
        return polygons_json(mask, labels, how)
    if asked.format == "shares":
        return msgspec.json.encode(shares(mask, counts, labels))
    return encode_mask(mask)


def polygons_json(mask: Mask, labels: Labels, how: Polygons) -> bytes:
    """GeoJSON of the regions of a mask, in pixels."""
    features = list(features_in_pixels(mask, labels, how))
    return msgspec.json.encode({"type": "FeatureCollection", "features": features})


def shares(mask: Mask, counts: dict[int, int], labels: Labels) -> dict[str, Any]:
    """Pixels of each class, and their part of all pixels."""
    height, width = mask.shape

    def part(value: int) -> dict[str, Any]:
        pixels = counts.get(value, 0)
        return {"pixels": pixels, "share": pixels / mask.size}

    classes = [{"id": label.id, "name": label.name, **part(label.id)} for label in labels.classes]
    return {"height": height, "width": width, "classes": classes, "ignore": part(labels.ignore)}
