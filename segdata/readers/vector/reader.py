"""Images with polygons that have a class (GeoJSON, GeoPackage, Shapefile ...), in any coordinate system: burnt to masks.

An image has a file of its name (`labels/a.geojson` for `images/a.tif`), or one file serves all of them. Coordinates are
longitude and latitude unless the file or `crs` says otherwise; of images without a coordinate system they are pixels.
Edges are straight in the coordinates of the file, however long they are (to 1/128 of a pixel). An image of any kind lies
where itself, its `.aux.xml` or its world file says.
A pixel has the class of the polygon that its middle is in; lines and points are painted in a width. `segdata stitch
--vectorize` writes such files.

Format: https://www.rfc-editor.org/rfc/rfc7946, and https://geojson.org/geojson-spec for `crs`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from posixpath import splitext

from segdata.dataset.ids import sample_ids
from segdata.errors import DataError, OptionError, Problem, Report, one_of, strict
from segdata.files.endings import is_image
from segdata.files.geo import Geo
from segdata.files.images import Exif
from segdata.files.listing import files_in, kinds_in
from segdata.files.opening import open_image
from segdata.files.places import below, listed, matching, place
from segdata.files.reading import AS_IT_IS, Reading
from segdata.files.remote import Place
from segdata.files.vectors.coverage import meets
from segdata.files.vectors.geojson import Feature, Features, Geometry, parts_of, to_pixels
from segdata.files.vectors.misplaced import Site
from segdata.files.vectors.opening import ENDINGS, OWN_ENDINGS, files_of, read_features
from segdata.files.vrt import images_among
from segdata.readers.classes.files import given_classes
from segdata.readers.classes.named import Background
from segdata.readers.paint import Overlap
from segdata.readers.source import Input, Item, Receipt, Source, SourceClass, leave_out
from segdata.readers.vector.burnt import Burnt
from segdata.readers.vector.classes import Classes, class_table, one_class
from segdata.readers.vector.places import long_edges, off_images, taken_for_pixels
from segdata.readers.vector.surfaces import Surfaces
from segdata.words import suggest

IMAGE_DIRS, LABEL_DIRS = ("images", "."), ("labels", "vectors", "geojson", "images", ".")


Pair = tuple[str, Place, Place]
"""The id of an image, its path, and that of its file of features."""


def fits(root: Place) -> str | None:
    """Why SRC is not this format; None for a file of features, or a folder of them of which one has the name of an image."""
    if root.is_file():
        return None if root.suffix.lower() in OWN_ENDINGS else "it is no .geojson, .gpkg, .shp, .fgb or .kml file"
    named = {path.stem for name in LABEL_DIRS for path in (root / name).glob("*") if is_one(path, OWN_ENDINGS)}
    if not named:
        return "there is no labels/*.geojson, vectors/*.geojson or *.geojson (or .gpkg, .shp ...)"
    images = (path.stem for name in IMAGE_DIRS for path in (root / name).glob("*") if is_image(path.name))
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
    layer: str | None = None,
    class_property: str | None = None,
    classes: str | Path | Sequence[str] | None = None,
    background: Background = "class",
    overlap: Overlap = "smallest",
    crs: str | None = None,
    width: float | None = None,
    all_touched: bool = False,
) -> Source:
    """Pair images with files of polygons by name, or give all of them one file, and find which polygons lie on which image.

    SRC is a folder of both, or the one file. Polygons of the class `ignore` are ignored.

    Raises `DataError` (`geojson.*`, `vector.*`, `classes.*`, `image.*`), or adds to `report`: files and images without a
    partner, polygons of a class that is not listed.

    Args:
        image_dir: the folder of the images, below SRC or a path; by default images/, or else SRC.
        vectors: the folder of the files of polygons, or one file for all images; by default labels/, vectors/, geojson/, or
            the folder of the images. Formats: GeoJSON (also one feature per line, TopoJSON, QuPath's); after pip install
            "segdata[vectors]" also GeoPackage, Shapefile, FlatGeobuf, KML and GeoParquet.
        layer: the layer to read, if a file has several; by default the only one.
        class_property: the property that says a polygon's class; by default `class`, or QuPath's classification; if no
            polygon has either, all are of one class, object.
        classes: the class file (one name per line, CSV, a labelmap, JSON or YAML), or names in order of class id; by default
            the values that occur, sorted, numbers as numbers.
        background: what the rest of an image is: `class` is class 0, background; `ignore` is ignored.
        overlap: which polygon is on top: the smallest, the first or the last in the file; `ignore`: pixels that polygons of
            several classes claim are ignored.
        crs: the coordinate system of the files, EPSG:... or `pixel`; by default what each file says, or else longitude and
            latitude, and pixels for images without a coordinate system.
        width: paint lines and points so wide: in metres (of the coordinate system, if it is a projected one), or in pixels for
            images without one. By default lines and points are left out; if a file has nothing else, that is an error.
        all_touched: burn pixels that are merely touched, too.
    """
    check_options(split, background, overlap, width)
    receipt = Receipt()
    reading = reading or AS_IT_IS
    base = listed(root)
    image_folder, where = find_places(base, image_dir, vectors)
    paired = list(pair(image_folder, where, report, receipt, reading))
    pairs, found = read_files(paired, layer, where.is_dir(), report, receipt)
    if where.is_dir():
        found |= without_image(where, {file for _, _, file in paired}, layer, report, receipt)
    entries, class_files = (None, ()) if classes is None else given_classes(classes, base, receipt)
    table, labels = class_table(found.values(), class_property, entries, background)
    ground = 0 if background == "class" else None
    if (note := one_class(table, found.values())) is not None:
        receipt.notes.append(note)
    surfaces = Surfaces(found, width, crs)
    items: list[Item] = []
    touched: dict[Place, set[int]] = {path: set() for path in found}
    sites: dict[Place, list[Site]] = {}
    reached: set[Place] = set()
    for id, path, file in pairs:
        try:
            size, geo = read_place(path, reading)
            polygons, problems = to_pixels(surfaces.of(file, geo), geo, file.name, size=size, crs=crs)
        except DataError as error:
            leave_out(replace(error.problem, sample=id), [], report, receipt)
            continue
        there = [(feature, geometry) for feature, geometry in polygons if meets(geometry, size)]
        shapes = tuple(classed(there, table, report, receipt, id, file.name))
        receipt.add(Receipt(annotations=len(problems), skipped=[replace(p, sample=id) for p in problems]))
        sites.setdefault(file, []).append(Site(geo, size))
        reached |= {file} if there else set()
        touched[file] |= {feature.number for feature, _ in there} | {int(p.annotation or 0) for p in problems}
        burnt = Burnt(size, shapes, ground, overlap, all_touched)
        way_up: Exif | None = "raw" if geo.placed else None
        items.append(Item(id, str(path) if images else None, size, burnt, exif=way_up))
    own = {file: id for id, _, file in pairs} if where.is_dir() else {}
    surfaces.tell(own, receipt)
    note_far(found, touched, {file for _, _, file in pairs}, surfaces.left_out, receipt)
    receipt.warnings += off_images(
        {file: (surfaces.of(file, at[0].geo), at) for file, at in sites.items() if file not in reached}, crs
    )
    placed = {file for file in reached if any(site.geo.placed for site in sites[file])}
    receipt.warnings += long_edges({file: found[file] for file in placed}, crs)
    receipt.warnings += taken_for_pixels(
        {file: (surfaces.of(file, sites[file][0].geo), sites[file]) for file in reached}, crs
    )
    inputs = (*(Input.of(one) for path in sorted(found) for one in files_of(path)), *class_files)
    options: dict[str, object] = {
        "class_property": table.property, "classes": list(labels.names), "background": background, "overlap": overlap,
        "crs": crs, "all_touched": all_touched, **{k: v for k, v in (("layer", layer), ("width", width)) if v is not None},
    }  # fmt: skip
    rows = tuple(SourceClass(name, name, id) for name, id in table.ids.items())
    return Source(labels, items, inputs, rows, receipt, options)


def check_options(split: str | None, background: str, overlap: str, width: float | None) -> None:
    """Raises `OptionError` for values that there are not."""
    if width is not None and not 0 < width < math.inf:
        raise OptionError(
            f"--width {width}: must be more than 0: the metres (or pixels) that lines and points are wide"
        )
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
        where = next((there for there in (root / vectors, place(vectors)) if there.exists()), None)
    else:
        folders = [root / name for name in LABEL_DIRS]
        where = next((f for f in folders if any(is_one(path, ENDINGS) for path in f.glob("*"))), None)
        where = where or next((f for f in folders if any(is_one(path, ENDINGS) for path in f.rglob("*"))), None)
    if where is None:
        what = "no files of polygons are found (.geojson, .gpkg, .shp ...): name them with --vectors"
        raise DataError(Problem("vector.missing", what, file=str(root)))
    return images, where


def pair(folder: Place, where: Place, report: Report, receipt: Receipt, reading: Reading = AS_IT_IS) -> Iterator[Pair]:
    """The id of each image in a folder, its path and that of its file of polygons. Raises `DataError` (`image.missing`)."""
    images = [folder / name for name in images_among(folder, files_in(folder), reading)]
    if not images:
        what = f"holds no image, but {kinds_in(files_in(folder))}: name the folder of the images (--image-dir)"
        raise DataError(Problem("image.missing", what, file=str(folder)))
    ids, receipt.renamed = sample_ids(None, [below(path, folder) for path in images])
    labels = {} if where.is_file() else own_files(where)
    for id, path in sorted(zip(ids, images, strict=True), key=lambda one: str(one[0])):
        if isinstance(id, Problem):
            leave_out(id, [], report, receipt)
        elif where.is_file():
            yield id, path, where
        elif len(own := chosen(labels.get(id, []))) == 1:
            yield id, path, own[0]
        else:
            several = f"several files of labels have its name, {', '.join(one.name for one in own)}: keep one of them"
            what = several if own else f"no GeoJSON of its name is in {where.name}/"
            leave_out(Problem("vector.several" if own else "vector.missing", what, sample=id), [], report, receipt)


def is_one(path: Place, extensions: Sequence[str]) -> bool:
    """Whether it is a file with such an extension, and not hidden."""
    return path.suffix.lower() in extensions and path.is_file() and not path.name.startswith(".")


def own_files(folder: Place) -> dict[str, list[Place]]:
    """The files of features below a folder, by the ids of the images that have their names."""
    found: dict[str, list[Place]] = {}
    for path in matching(folder, "**/*"):
        if is_one(path, ENDINGS):
            found.setdefault(splitext(below(path, folder))[0], []).append(path)
    return found


def chosen(files: Sequence[Place]) -> list[Place]:
    """Of the files of an image's name those that hold nothing but features, or else all: a .json may be of another program."""
    return [path for path in files if path.suffix.lower() in OWN_ENDINGS] or list(files)


def read_files(
    pairs: Sequence[Pair], layer: str | None, each: bool, report: Report, receipt: Receipt
) -> tuple[list[Pair], dict[Place, Features]]:
    """The features of all files, and the images that have some. With a file for `each`, those of bad files are left out."""
    kept, found = [], dict[Place, Features]()
    for id, path, file in pairs:
        try:
            if file not in found:
                found[file] = read_features(file, layer=layer)
            kept.append((id, path, file))
        except DataError as error:
            if not each:
                raise
            leave_out(replace(error.problem, sample=id), [], report, receipt)
    return kept, found


def without_image(
    folder: Place, known: Set[Place], layer: str | None, report: Report, receipt: Receipt
) -> dict[Place, Features]:
    """Files of features, of the kinds in use, whose image is not there: a line in the receipt, and for each feature."""
    endings = {".geojson", *(path.suffix.lower() for path in known)} & set(OWN_ENDINGS)
    alone = {}
    for path in matching(folder, "**/*"):
        if path in known or not is_one(path, tuple(endings)):
            continue
        id = splitext(below(path, folder))[0]
        features = read_features(path, layer=layer)
        problem = Problem("image.missing", "there is no image of its name", file=path.name, sample=id)
        leave_out(problem, [feature.number for feature in features.features], report, receipt)
        alone[path] = features
    return alone


def read_place(path: Place, reading: Reading = AS_IT_IS) -> tuple[tuple[int, int], Geo]:
    """An image's size and where it lies. Raises `DataError` (`image.*`)."""
    with ExitStack() as stack:
        raster = stack.enter_context(open_image(path, reading=replace(reading, alpha=False, bands=())))
        return (raster.height, raster.width), raster.geo


def classed(
    polygons: Iterable[tuple[Feature, Geometry]], table: Classes, report: Report, receipt: Receipt, id: str, file: str
) -> Iterator[tuple[int, int | None, float, Geometry]]:
    """The polygons on an image with their classes; one without a class, or of one not listed, is left out."""
    for feature, geometry in polygons:
        name = table.of(feature)
        if name is not None and name in table.ids:
            # by the whole polygon, though a part may be far away: the same one is on top on all images
            yield feature.number, table.ids[name], area(feature.geometry or {}), geometry
            continue
        what = f"has no {table.property!r}" if name is None else f"{name!r} is no class: {suggest(name, table.ids)}"
        problem = Problem("vector.class", what, file=file, sample=id, annotation=feature.number)
        if name is not None:
            report.add(problem)
        receipt.add(Receipt(annotations=1, skipped=[problem]))


def area(geometry: Geometry) -> float:
    """The area inside a polygon, holes left out (the shoelace formula), in squares of the unit of its coordinates."""
    total = 0.0
    for part in parts_of(geometry):
        sizes = [_enclosed(ring) for ring in part]
        total += sizes[0] - sum(sizes[1:])
    return total


def _enclosed(ring: Sequence[Sequence[float]]) -> float:
    """The area inside a ring: seen from its first point, so that nothing is lost to large coordinates. Arrays are slower."""
    left, top = float(ring[0][0]), float(ring[0][1])
    twice = before_x = before_y = 0.0
    for point in ring:
        x, y = float(point[0]) - left, float(point[1]) - top
        twice += before_x * y - x * before_y
        before_x, before_y = x, y
    return abs(twice) / 2


def note_far(
    found: Mapping[Place, Features],
    touched: Mapping[Place, set[int]],
    used: set[Place],
    left_out: Mapping[Place, Sequence[Problem]],
    receipt: Receipt,
) -> None:
    """Say how many features lie on no image, of those that could be painted."""
    for path in sorted(used):
        known = touched[path] | {int(problem.annotation or 0) for problem in left_out.get(path, ())}
        numbers = {feature.number for feature in found[path].features}
        if far := len(numbers - known):
            which = "no image that could be read" if receipt.skipped_images else "no image"
            receipt.notes.append(f"{path.name}: {far} of {len(numbers)} features lie on {which}")
