"""What is told of files of polygons that do not lie on the images, or perhaps not where they seem to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from segdata.files.crs import parse_crs
from segdata.files.remote import Place
from segdata.files.vectors.geojson import LONLAT, PIXELS, Features
from segdata.files.vectors.misplaced import Site, long_edge, look_like_degrees, polygons_in, why_off


def off_images(files: Mapping[Place, tuple[Features, Sequence[Site]]], crs: str | None) -> Iterator[str]:
    """What explains that files, with their images, have polygons and none on an image: of the first file."""
    counts = {path: polygons_in(found) for path, (found, _) in sorted(files.items())}
    lost = [path for path, count in counts.items() if count]
    if lost:
        found, sites = files[lost[0]]
        others = f", nor those of {len(lost) - 1:,} other files" if len(lost) > 1 else ""
        why = why_off(found, sites, crs, "--crs")
        yield f"{lost[0].name}: its polygons ({counts[lost[0]]:,}) lie on no image{others}: {why}"


def taken_for_pixels(files: Mapping[Place, tuple[Features, Sequence[Site]]], crs: str | None) -> Iterator[str]:
    """A line if coordinates are taken for pixels and may be degrees: of the first such file."""
    for path, (found, sites) in sorted(files.items()):
        nowhere = next((site for site in sites if not site.geo.placed), None)
        told = crs is not None or found.crs == PIXELS
        if not told and nowhere is not None and look_like_degrees(found, nowhere.size):
            what = "the image has no coordinates, so polygons are in pixels; if they are in degrees, give it a place"
            yield f"{path.name}: {what} (a world file beside it, or gdal_translate -a_srs -a_ullr), else --crs {PIXELS}"
            return


def long_edges(files: Mapping[Place, Features], crs: str | None) -> Iterator[str]:
    """A line if a polygon may be meant to cross 180 degrees: an edge of more than half the Earth, of the first such file."""
    for path, found in sorted(files.items()):
        left, _, right, _ = found.boxes.T
        wide = np.flatnonzero(right - left > 180).tolist() if _in_degrees(crs or found.crs or LONLAT) else ()
        for feature in (found.features[i] for i in wide):
            if (edge := long_edge(feature)) is not None:
                what = f"an edge from longitude {edge[0]:.9g} to {edge[1]:.9g} runs through 0 (RFC 7946)"
                way_out = "if it is meant to cross 180 degrees, cut the polygon there, or count on beyond 180"
                yield f"{path.name}: annotation {feature.number}: {what}; {way_out}"
                return


def _in_degrees(crs: str) -> bool:
    if crs == PIXELS:
        return False
    try:
        return bool(parse_crs(crs).is_geographic)
    except ValueError:
        return False
