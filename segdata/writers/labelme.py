"""labelme: a JSON per image, beside it, with polygons, or masks as PNGs.

    OUT/  train/a.jpg, train/a.json ...   images/ if there are no splits   labels.txt for `labelme --labels`

Polygons go through the centres of border pixels, holes joined by bridges: labelme fills them and draws their edges, too, and so
does OpenCV, by which supervision fills them; both give exactly the pixels of the mask. Ignored pixels are labelled `__ignore__`,
as in labelme's own examples. The entry `segdata`, which labelme keeps as it is, tells the id, split and group of the sample.

Format: https://github.com/wkentaro/labelme, labelme/_label_file.py, labelme/utils/shape.py and
examples/semantic_segmentation/labels.txt; https://github.com/roboflow/supervision, supervision/dataset/formats/labelme.py.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import msgspec

from segdata.dataset.dataset import Dataset
from segdata.dataset.origin import KEY, Origin
from segdata.errors import DataError, one_of
from segdata.executors.run import Run
from segdata.files.file import open_file
from segdata.files.pillow import header_of
from segdata.files.places import place, write_whole
from segdata.files.png import encode_mask
from segdata.files.remote import Place
from segdata.files.vectors.centres import trace_centres
from segdata.kernels.ring_text import write_points
from segdata.labels import IGNORE, Mask
from segdata.writers.about import About
from segdata.writers.boxed import box_objects
from segdata.writers.classes import Ignored, ask_ignored, shape_classes
from segdata.writers.croissant import Shown
from segdata.writers.exporting import Exported, Files, Plan, export_files
from segdata.writers.images import ExportImages, encode_image_of, ending_of
from segdata.writers.names import Named, name_samples
from segdata.writers.objects import How, Objects, Shapes, lose_pixels, parts_of

VERSION = "6.0.2"
"""The version of labelme whose files these are."""

KINDS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
"""Endings of images that labelme opens."""

MODES = ("1", "L", "P", "RGB", "RGBA", "LA", "PA")
"""What Pillow calls the images that labelme shows: not PNGs of 16 bits nor CMYK, nor TIFFs of other bands and types, of which it
opens some."""

LABELS, UNSPLIT = "labels.txt", "images"
"""The file of labels, and the folder of samples that are in no split."""

FIRST = ("__ignore__", "_background_")
"""The first lines of the file of labels: what is ignored, and what no shape covers."""

PLAIN = re.compile(r"[^\W\d_]([\w .()&+/'-]*[\w)])?")
"""A name that no reader of a file of labels takes for anything else."""


def write(
    dataset: Dataset,
    root: str | Place,
    *,
    shapes: Shapes = "polygon",
    objects: Objects = "regions",
    ignored: Ignored = "class",
    images: ExportImages = "link",
    about: About | None = None,
    overwrite: bool = False,
    run: Run | None = None,
) -> Exported:
    """Write a label file per sample, with the objects of its mask, beside the image.

    Raises `OptionError`, `DataError` for the first bad file (`run.report` may skip instead), `DatasetError`.

    Args:
        dataset: The dataset to write.
        root: The folder to write to.
        shapes: What an object is: a polygon (the default), or a mask, which few programs but labelme read. Both hold every
            pixel.
        objects: What a mask covers: one connected region (regions, the default), or all of a class (classes). A polygon is
            always one region.
        ignored: What becomes of ignored pixels: shapes labelled `__ignore__` (class, the default), no shape, as background has
            (background), or samples that have any are left out (drop).
        images: What becomes of the images: links to them (the default), copies, or there are none.
        about: What croissant.json says of the dataset.
        overwrite: Replace an export there.
    """
    one_of("shapes", shapes, Shapes)
    one_of("objects", objects, Objects)
    dataset, left_out = ask_ignored(dataset, ignored, "labelme")
    classes = shape_classes(dataset.labels, ignored)
    labels = {one.value: FIRST[0] if one.value == dataset.labels.ignore else one.name for one in classes.written}
    names = [one.name for one in classes.written if one.name != IGNORE]
    odd = [name for name in names if not PLAIN.fullmatch(name)]
    samples = name_samples(dataset, unsplit=UNSPLIT)
    plan = Plan(
        format="labelme",
        options={"shapes": shapes, "objects": objects, "ignored": ignored},
        samples=samples,
        item=partial(write_sample, how=How(labels, classes.skip, classes.lost, shapes, objects)),
        finish=partial(write_labels, names=None if odd else (*FIRST, *names)),
        holds=[*{str(one.split) for one in samples}, *([] if odd else [LABELS])],
        reader="labelme",
        names=classes.names,
        images=images,
        keeps=("ignored", "groups"),
        ways={"ignored": "--ignored class"},
        left_out=left_out,
        shown=Shown("*", labels="*.json"),
        notes=[f"there is no {LABELS}, which cannot hold the name {name!r}" for name in odd[:1]],
    )
    return export_files(dataset, place(root), plan, about=about, overwrite=overwrite, run=run)


def write_sample(named: Named, files: Files, how: How) -> None:
    """Write the label file of a sample, and its image."""
    sample = named.sample
    mask = files.source.read_mask(sample)
    lose_pixels(files, sample, mask, how.lost)
    path = write_image(named, files)
    ending = ending_of(path or sample.image or "") or ".png"
    content: dict[str, Any] = {
        "version": VERSION,
        "flags": {},
        "shapes": [*(polygons if how.shapes == "polygon" else masks)(mask, how)],
        "imagePath": f"{named.name.rpartition('/')[2]}{ending}",
        "imageData": None,
        "imageHeight": sample.height,
        "imageWidth": sample.width,
        KEY: Origin.of(sample),
    }
    files.write(f"{named.path}.json", msgspec.json.encode(content))


def write_image(named: Named, files: Files) -> str | None:
    """Link, copy or write the image of a sample; where it is then, None if there are none."""
    if files.images == "none" or is_shown(files.source.image_path(named.sample)):
        return files.image(named.sample, named.path, KINDS)
    with files.source.open_image(named.sample) as image:
        ending, data = encode_image_of(image)
    files.write(path := f"{named.path}{ending}", data)
    files.pixels += 1
    return path


def is_shown(file: str) -> bool:
    """Whether labelme shows an image file as it is; True of one that cannot be read, which is told when it is linked."""
    try:
        with open_file(file) as opened:
            header = header_of(opened)
    except DataError:
        return True
    return header is not None and header.mode in MODES


def polygons(mask: Mask, how: How) -> Iterator[dict[str, Any]]:
    """A polygon for each region. They do not overlap."""
    found = trace_centres(mask, how.skip)
    texts = parts_of(*write_points(4 * found.points, found.ends, closed=False))
    for value, points in zip(found.values.tolist(), texts, strict=True):
        yield shape(how.labels[value], msgspec.Raw(f"[{points}]".encode()), "polygon")


def masks(mask: Mask, how: How) -> Iterator[dict[str, Any]]:
    """A mask for each object: a PNG of 0 and 1, and the first and the last pixel of its box."""
    for value, box, bitmap in box_objects(mask, how.objects, how.skip).bitmaps():
        corners = [[box.left, box.top], [box.left + box.width - 1, box.top + box.height - 1]]
        yield {**shape(how.labels[value], corners, "mask"), "mask": b64encode(encode_mask(bitmap)).decode("ascii")}


def shape(label: str, points: list[list[int]] | msgspec.Raw, kind: str) -> dict[str, Any]:
    """An entry of `shapes`, with all keys that labelme writes."""
    return {"label": label, "points": points, "group_id": None, "description": "", "shape_type": kind, "flags": {}}


def write_labels(root: Place, rows: Iterable[tuple[Named, Any]], names: Iterable[str] | None) -> None:
    """Write the file of labels, one name per line, if it can hold all."""
    if names is not None:
        write_whole(root / LABELS, "".join(f"{name}\n" for name in names).encode())
