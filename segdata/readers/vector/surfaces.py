"""The features of files as polygons, each file once, with what cannot be painted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from segdata.errors import Problem
from segdata.files.geo import Geo
from segdata.files.remote import Place
from segdata.files.vectors.geojson import Features
from segdata.files.vectors.widths import paintable, widened
from segdata.readers.source import Receipt


@dataclass(slots=True)
class Surfaces:
    """Files of features, with the width of lines and points (None: they are left out) and the `crs` that the caller says.

    `left_out` has a line for each feature without a polygon, of the files that were asked for.
    """

    found: Mapping[Place, Features]
    width: float | None
    crs: str | None
    left_out: dict[Place, list[Problem]] = field(default_factory=dict)
    _kept: dict[Place, Features] = field(default_factory=dict)
    _wide: dict[tuple[Place, str | None], Features] = field(default_factory=dict)

    def of(self, file: Place, geo: Geo) -> Features:
        """The polygons of a file for an image that lies at `geo`. Raises `DataError` (`vector.thin`, `geojson.crs`)."""
        if file not in self._kept:
            self._kept[file], self.left_out[file] = paintable(self.found[file], self.width, file.name)
        kept = self._kept[file]
        if self.width is None:
            return kept
        system = kept.system(geo, file.name, crs=self.crs)
        if (file, system) not in self._wide:
            self._wide[file, system] = widened(kept, self.width, system)
        return self._wide[file, system]

    def tell(self, samples: Mapping[Place, str], receipt: Receipt) -> None:
        """Tell what is left out, once a file; `samples`: the images of files of one image."""
        for file, problems in self.left_out.items():
            lines = [replace(problem, sample=samples.get(file)) for problem in problems]
            receipt.add(Receipt(annotations=len(lines), skipped=lines))
