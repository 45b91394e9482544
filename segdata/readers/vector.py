"""Images with GeoJSON polygons that have a class: burnt to masks, whatever coordinate system each is in.

An image has a file of its name (`labels/a.geojson` for `images/a.tif`), or one file serves all of them. Coordinates are
longitude and latitude unless the file's `crs` member or `crs` says otherwise; of images without a coordinate system they
are pixels. A pixel has the class of the polygon that its middle is in. `segdata stitch --vectorize` writes such files.

Format: https://www.rfc-editor.org/rfc/rfc7946, and https://geojson.org/geojson-spec for `crs`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from posixpath import splitext
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from segdata.dataset.ids import sample_ids
from segdata.errors import DataError, OptionError, Problem, Report, one_of, strict
from segdata.files.geo import Geo
from segdata.files.geojson import Feature, Geometry, bounds, burn, read_features, to_pixels
from segdata.files.images import Exif
from segdata.files.listing import files_in, kinds_in
from segdata.files.opening import open_image
from segdata.files.places import below, listed, matching, place
from segdata.files.reading import AS_IT_IS, Reading
from segdata.files.remote import Place
from segdata.files.vrt import images_among
from segdata.labels import BACKGROUND, IGNORE, RGB, Labels, Remap, tally
from segdata.readers.class_entries import Entry
from segdata.readers.class_files import given_classes
from segdata.readers.paint import Contest, Overlap
from segdata.readers.source import Drawn, Input, Item, Receipt, Source, SourceClass, leave_out
from segdata.windows import Window
from segdata.words import suggest

Background = Literal["class", "ignore"]

VECTORS = (".geojson", ".json")

IMAGE_DIRS, LABEL_DIRS = ("images", "."), ("labels", "vectors", "geojson", "images", ".")

PROPERTY, ONLY = "class", "object"
"""The property that is looked at, and the class of all polygons, where nothing is said."""


@dataclass(frozen=True, slots=True)
class Burnt:
    """The polygons on one image of `size`, in pixels: (annotation, class id or None for ignored, area, geometry) each."""

    size: tuple[int, int]
    shapes: tuple[tuple[int, int | None, float, Geometry], ...]
    background: int | None
    overlap: Overlap
    all_touched: bool

    @property
    def ids(self) -> Sequence[int | str]:
        """The features, by their places in the file."""
        return [number for number, _, _, _ in self.shapes]

    @property
    def files(self) -> Sequence[str]:
        """See `Annotation`: the source's own files have the labels of all images."""
        return ()

    def draw(self, remap: Remap) -> Drawn:
        """Burn them, the lowest first, by number, then turn numbers to class ids. See `Annotation`."""
        whole = Window(0, 0, *self.size)
        order = self._order()
        values = [remap.labels.ignore if c is None else remap.value(c) for _, c, _, _ in order]
        ground = remap.labels.ignore if self.background is None else remap.value(self.background)
        shapes = [(geometry, i) for i, (_, _, _, geometry) in enumerate(order, 1)]
        top = burn(shapes, whole, all_touched=self.all_touched)
        mask = np.array([ground, *values], remap.labels.dtype)[top]
        receipt = Receipt(annotations=len(order), painted=len(order))
        shown = tally(top).keys()
        receipt.hidden = [
            Problem("vector.hidden", "not a pixel of it is seen", annotation=number)
            for i, (number, _, _, _) in enumerate(order, 1)
            if i not in shown
        ]
        self._contest(mask, values, [geometry for _, _, _, geometry in order], remap, receipt)
        return Drawn(mask, receipt)

    def _order(self) -> list[tuple[int, int | None, float, Geometry]]:
        """From the lowest to the one on top."""
        if self.overlap in ("smallest", "ignore"):
            return sorted(self.shapes, key=lambda s: (-s[2], s[0]))
        return list(self.shapes) if self.overlap == "last" else list(self.shapes[::-1])

    def _contest(
        self, mask: NDArray[Any], values: Sequence[int], geometries: Sequence[Geometry], remap: Remap, receipt: Receipt
    ) -> None:
        """Count the pixels that several classes claim, one class at a time; where nobody is to win they become ignore."""
        whole = Window(0, 0, *self.size)
        claims = np.zeros(mask.shape, np.uint16)
        for loser in sorted(set(values)):
            own = [(geometry, 1) for geometry, value in zip(geometries, values, strict=True) if value == loser]
            claim = burn(own, whole, all_touched=self.all_touched) > 0
            claims += claim
            winners, counts = np.unique(mask[claim & (mask != loser)], return_counts=True)
            for winner, n in zip(winners.tolist(), counts.tolist(), strict=True):
                won = remap.labels.ignore if self.overlap == "ignore" else winner
                receipt.contests.append(Contest(won, winner, loser, n))
        receipt.contested = int(np.count_nonzero(claims > 1))
        if self.overlap == "ignore":
            mask[claims > 1] = remap.labels.ignore


@dataclass(frozen=True, slots=True)
class Classes:
    """Which property says the class, and which class id each of its values is (None: ignored)."""

    property: str | None
    ids: Mapping[str, int | None]

    def of(self, feature: Feature) -> str | None:
        """The class's name; None where the feature does not say."""
        if self.property is None:
            return ONLY
        value = feature.properties.get(self.property)
        return None if value is None or value == "" else str(value)


def fits(root: Place) -> str | None:
    """Why SRC is not this format; None for a .geojson file, or a folder of them of which one has the name of an image."""
    if root.is_file():
        return None if root.suffix == ".geojson" else "it is no .geojson file"
    named = {path.stem for name in LABEL_DIRS for path in (root / name).glob("*.geojson")}
    if not named:
        return "there is no labels/*.geojson, vectors/*.geojson or *.geojson"
    images = (path.stem for name in IMAGE_DIRS for path in (root / name).glob("*") if path.suffix != ".geojson")
    return None if named & set(images) else "no .geojson has the name of an image (--vectors takes one for all)"


def read(
    root: str | Path,
    *,
    split: str | None = None,
    report: Report = strict,
    images: bool = True,
    reading: Reading | None = None,
    image_dir: str | Path | None = None,
    vectors: str | Path | None = None,
    class_property: str | None = None,
    classes: str | Path | Sequence[str] | None = None,
    background: Background = "class",
    overlap: Overlap = "smallest",
    crs: str | None = None,
    all_touched: bool = False,
) -> Source:
    """Pair images with GeoJSON files by name, or give all of them one file, and find which polygons lie on which image.

    SRC is a folder of both, or the one file. Polygons of the class `ignore` are ignored.

    Raises `DataError` (`geojson.*`, `vector.*`, `classes.*`, `image.*`), or adds to `report`: files and images without a
    partner, polygons of a class that is not listed.

    Args:
        image_dir: the folder of the images, below SRC or a path; by default images/, or else SRC.
        vectors: the folder of the GeoJSON files, or one file for all images; by default labels/, vectors/, geojson/, or the
            folder of the images.
        class_property: the property that says a polygon's class; by default `class` if features have it, or else all are of
            one class, object.
        classes: the class file (one name per line, CSV, a labelmap, JSON or YAML), or names in order of class id; by default
            the values that occur, sorted.
        background: what the rest of an image is: `class` is class 0, background; `ignore` is ignored.
        overlap: which polygon is on top: the smallest, the first or the last in the file; `ignore`: pixels that polygons of
            several classes claim are ignored.
        crs: the coordinate system of the files, EPSG:... or `pixel`; by default what each file says, or else longitude and
            latitude, and pixels for images without a coordinate system.
        all_touched: burn pixels that are merely touched, too.
    """
    check_options(split, background, overlap)
    receipt = Receipt()
    reading = reading or AS_IT_IS
    base = listed(root)
    image_folder, where = find_places(base, image_dir, vectors)
    pairs = list(pair(image_folder, where, report, receipt, reading))
    found = {path: read_features(path) for path in sorted({path for _, _, path in pairs})}
    if where.is_dir():
        found |= without_image(where, found, report, receipt)
    entries, class_files = (None, ()) if classes is None else given_classes(classes, base, receipt)
    table, labels = class_table(found.values(), class_property, entries, background)
    ground = 0 if background == "class" else None
    items: list[Item] = []
    touched: dict[Place, set[int]] = {path: set() for path in found}
    for id, path, file in pairs:
        try:
            size, geo = read_place(path, reading)
            polygons, problems = to_pixels(found[file], geo, file.name, crs=crs)
        except DataError as error:
            leave_out(replace(error.problem, sample=id), [], report, receipt)
            continue
        shapes = tuple(on_image(polygons, size, table, report, receipt, id, file.name))
        receipt.add(Receipt(annotations=len(problems), skipped=[replace(p, sample=id) for p in problems]))
        touched[file] |= {shape[0] for shape in shapes} | {int(p.annotation or 0) for p in problems}
        burnt = Burnt(size, shapes, ground, overlap, all_touched)
        way_up: Exif | None = "raw" if geo.placed else None
        items.append(Item(id, str(path) if images else None, size, burnt, exif=way_up))
    note_far(found, touched, {file for _, _, file in pairs}, receipt)
    inputs = (*map(Input.of, sorted(found)), *class_files)
    options: dict[str, object] = {
        "class_property": table.property, "classes": list(labels.names), "background": background, "overlap": overlap,
        "crs": crs, "all_touched": all_touched,
    }  # fmt: skip
    rows = tuple(SourceClass(name, name, id) for name, id in table.ids.items())
    return Source(labels, items, inputs, rows, receipt, options)


def check_options(split: str | None, background: str, overlap: str) -> None:
    """Raises `OptionError` for values that there are not."""
    if split is not None:
        raise OptionError(f"--split {split}: this format has no splits: segdata split makes them")
    one_of("background", background, Background)
    one_of("overlap", overlap, Overlap)


def find_places(root: Place, image_dir: str | Path | None, vectors: str | Path | None) -> tuple[Place, Place]:
    """The folder of the images, and the folder or file of the polygons. Raises `DataError` (`source.missing`)."""
    if not root.exists():
        raise DataError(Problem("source.missing", "there is no such file or folder", file=str(root)))
    if root.is_file():
        root, vectors = root.parent, root.name
    images = (
        root / image_dir
        if image_dir is not None
        else next(root / name for name in IMAGE_DIRS if (root / name).is_dir())
    )
    if not images.is_dir():
        raise DataError(Problem("source.missing", "there is no such folder (--image-dir)", file=str(images)))
    if vectors is not None:
        places = [there for there in (root / vectors, place(vectors)) if there.exists()]
    else:
        places = [root / name for name in LABEL_DIRS if any(is_one(p, VECTORS) for p in (root / name).glob("*"))]
    if not places:
        raise DataError(
            Problem("vector.missing", "no GeoJSON files are found: name them with --vectors", file=str(root))
        )
    return images, places[0]


def pair(
    folder: Place, where: Place, report: Report, receipt: Receipt, reading: Reading = AS_IT_IS
) -> Iterator[tuple[str, Place, Place]]:
    """The id of each image in a folder, its path and that of its GeoJSON file. Raises `DataError` (`image.missing`)."""
    images = [folder / name for name in images_among(folder, files_in(folder), reading)]
    if not images:
        raise DataError(Problem("image.missing", f"holds no image, but {kinds_in(files_in(folder))}", file=str(folder)))
    ids, receipt.renamed = sample_ids(None, [below(path, folder) for path in images])
    for id, path in sorted(zip(ids, images, strict=True), key=lambda one: str(one[0])):
        if isinstance(id, Problem):
            leave_out(id, [], report, receipt)
        elif where.is_file():
            yield id, path, where
        elif (labels := own_file(where, id)) is not None:
            yield id, path, labels
        else:
            leave_out(
                Problem("vector.missing", f"no GeoJSON of its name is in {where.name}/", sample=id), [], report, receipt
            )


def is_one(path: Place, extensions: Sequence[str]) -> bool:
    """Whether it is a file with such an extension, and not hidden."""
    return path.suffix.lower() in extensions and path.is_file() and not path.name.startswith(".")


def own_file(folder: Place, id: str) -> Place | None:
    """The GeoJSON file of an image's name."""
    return next((path for end in VECTORS if (path := folder / f"{id}{end}").is_file()), None)


def without_image(folder: Place, found: Iterable[Place], report: Report, receipt: Receipt) -> dict[Place, Any]:
    """GeoJSON files whose image is not there: a line in the receipt, and for each feature."""
    known = set(found)
    alone = {}
    for path in matching(folder, "**/*.geojson"):
        if path in known or not is_one(path, VECTORS):
            continue
        id = splitext(below(path, folder))[0]
        features = read_features(path)
        problem = Problem("image.missing", "there is no image of its name", file=path.name, sample=id)
        leave_out(problem, [feature.number for feature in features.features], report, receipt)
        alone[path] = features
    return alone


def class_table(
    files: Iterable[Any], class_property: str | None, entries: Sequence[Entry] | None, background: str
) -> tuple[Classes, Labels]:
    """Which value is which class, and the classes: those given, or else the values that occur, sorted.

    Raises `OptionError` for a property that no feature has.
    """
    features = [feature for file in files for feature in file.features]
    properties = Counter(name for feature in features for name in feature.properties)
    chosen = class_property if class_property is not None else PROPERTY if PROPERTY in properties else None
    if chosen is not None and features and chosen not in properties:
        raise OptionError(f"--class-property {chosen}: no feature has it: {suggest(chosen, properties)}")
    table: dict[str, int | None] = {} if entries is None else {IGNORE: None}
    if entries is None:
        said = Classes(chosen, {})
        found = sorted({name for feature in features if (name := said.of(feature)) is not None})
        entries = [Entry(value, name, source_name=name) for value, name in enumerate(found)]
    colors: dict[str, RGB | None] = {BACKGROUND: None} if background == "class" else {}
    for entry in entries:
        if entry.is_class and colors.get(entry.name) is None:
            colors[entry.name] = entry.color
    labels = Labels.of(list(colors), list(colors.values()))
    ids = {name: id for id, name in enumerate(labels.names)}
    return Classes(chosen, {**ids, **{e.source_name: ids.get(e.name) for e in entries}, **table}), labels


def read_place(path: Place, reading: Reading = AS_IT_IS) -> tuple[tuple[int, int], Geo]:
    """An image's size and where it lies. Raises `DataError` (`image.*`)."""
    with ExitStack() as stack:
        raster = stack.enter_context(open_image(path, reading=reading))
        return (raster.height, raster.width), raster.geo


def on_image(
    polygons: Iterable[tuple[Feature, Geometry]],
    size: tuple[int, int],
    table: Classes,
    report: Report,
    receipt: Receipt,
    id: str,
    file: str,
) -> Iterator[tuple[int, int | None, float, Geometry]]:
    """The polygons that touch an image, with their classes; one without a class, or of one not listed, is left out."""
    for feature, geometry in polygons:
        top, left, bottom, right = bounds(geometry)
        if bottom <= 0 or right <= 0 or top >= size[0] or left >= size[1]:
            continue
        name = table.of(feature)
        if name is not None and name in table.ids:
            yield feature.number, table.ids[name], area(geometry), geometry
            continue
        what = f"has no {table.property!r}" if name is None else f"{name!r} is no class: {suggest(name, table.ids)}"
        problem = Problem("vector.class", what, file=file, sample=id, annotation=feature.number)
        if name is not None:
            report.add(problem)
        receipt.add(Receipt(annotations=1, skipped=[problem]))


def area(geometry: Geometry) -> float:
    """Pixels inside a polygon, holes left out (the shoelace formula)."""
    parts = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
    total = 0.0
    for part in parts:
        rings = [np.asarray(ring) for ring in part]
        sizes = [abs(float(np.sum(r[:-1, 0] * r[1:, 1] - r[1:, 0] * r[:-1, 1]))) / 2 for r in rings]
        total += sizes[0] - sum(sizes[1:])
    return total


def note_far(found: Mapping[Place, Any], touched: Mapping[Place, set[int]], used: set[Place], receipt: Receipt) -> None:
    """Say how many features lie on no image."""
    for path in sorted(used):
        if far := len(found[path].features) - len(touched[path]):
            receipt.notes.append(f"{path.name}: {far} of {len(found[path].features)} features lie on no image")
