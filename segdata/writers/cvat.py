"""CVAT's own XML, "CVAT for images 1.1": a task per split, with masks or polygons.

    OUT/  train.xml, val.xml ...                images/train/...        annotations.xml and images/ if there are no splits

A task of the images of a split takes its XML (Upload annotations, CVAT 1.1). CVAT has no value for ignored pixels: a label called
ignore can stand for them. Polygons go along the edges of pixels, holes joined by bridges of no width: CVAT and Datumaro fill them
by pycocotools, to exactly the pixels of the mask.

Format: https://docs.cvat.ai/docs/dataset_management/formats/format-cvat, and dump_as_cvat_annotation and load_anno in
https://github.com/cvat-ai/cvat, cvat/apps/dataset_manager/formats/cvat.py. Names of files as Datumaro reads them:
https://github.com/open-edge-platform/datumaro, src/datumaro/plugins/data_formats/cvat/base.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from segdata.dataset.dataset import Dataset
from segdata.errors import DataError, OptionError, Problem, one_of
from segdata.executors.run import Run
from segdata.files.drafts import Draft
from segdata.files.places import place
from segdata.files.remote import Place
from segdata.files.vectors.bridges import bridged
from segdata.files.vectors.tracing import trace_outlines
from segdata.files.xml_text import LARGEST
from segdata.kernels.digits import pairs_text
from segdata.labels import Mask
from segdata.writers.about import About
from segdata.writers.boxed import box_objects
from segdata.writers.classes import Ignored, Written, ask_ignored, renaming, shape_classes
from segdata.writers.exporting import Exported, Files, Plan, export_files
from segdata.writers.images import ExportImages, ending_of
from segdata.writers.names import Named, name_samples
from segdata.writers.objects import How, Objects, Shapes, lose_pixels, parts_of

KINDS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
"""Endings of images that CVAT opens."""

IMAGES, WHOLE, NO_SUBSET = "images", "annotations", "default"
"""The folder of images, the XML if there are no splits, and the subset of what is in none."""

NO_TEXT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML cannot hold."""


def write(
    dataset: Dataset,
    root: str | Place,
    *,
    shapes: Shapes = "mask",
    objects: Objects = "regions",
    ignored: Ignored | None = None,
    images: ExportImages = "link",
    about: About | None = None,
    overwrite: bool = False,
    run: Run | None = None,
) -> Exported:
    """Write an XML per split, with the objects of each mask, beside the images.

    Raises `OptionError`, `DataError` for the first bad file (`run.report` may skip instead), `DatasetError`.

    Args:
        dataset: The dataset to write.
        root: The folder to write to.
        shapes: What an object is: a mask (the default), or a polygon along the edges of pixels. Both hold every pixel. A task of
            CVAT takes both; an import of a dataset into a project takes polygons alone.
        objects: What a mask covers: one connected region (regions, the default), or all of a class (classes). A polygon is
            always one region.
        ignored: What becomes of ignored pixels, which CVAT cannot hold: a label called ignore (class), no shape, as background
            has (background), or samples that have any are left out (drop). By default the export is refused if there are any.
        images: What becomes of the images: links to them (the default), copies, or there are none.
        about: What croissant.json says of the dataset.
        overwrite: Replace an export there.
    """
    one_of("shapes", shapes, Shapes)
    one_of("objects", objects, Objects)
    dataset, left_out = ask_ignored(dataset, ignored, "CVAT")
    classes = shape_classes(dataset.labels, ignored)
    refuse_unwritable(dataset)
    samples = name_samples(dataset, unsplit=NO_SUBSET if any(sample.split for sample in dataset) else None)
    labels = {one.value: quoteattr(one.name) for one in classes.written}
    plan = Plan(
        format="cvat",
        options={"shapes": shapes, "objects": objects, "ignored": ignored},
        samples=samples,
        item=partial(write_sample, how=How(labels, classes.skip, classes.lost, shapes, objects)),
        finish=partial(write_subsets, written=classes.written),
        holds=[*{xml_of(one) for one in samples}, *([] if images == "none" else [IMAGES])],
        reader="cvat",
        names=classes.names,
        images=images,
        ways={"ignored": "--ignored class"},
        left_out=left_out,
        notes=notes(dataset),
    )
    return export_files(dataset, place(root), plan, about=about, overwrite=overwrite, run=run)


def refuse_unwritable(dataset: Dataset) -> None:
    """Raise `OptionError` for a class or a split whose name has characters that XML cannot hold."""
    for name in dataset.labels.names:
        if NO_TEXT.search(name):
            raise OptionError(f"class {name!r}: no XML can hold its characters: {renaming(dataset.labels, name)}")
    for split in {sample.split for sample in dataset if sample.split is not None}:
        if NO_TEXT.search(split):
            raise OptionError(f"split {split!r}: no XML can hold its characters: segdata split gives new ones")


def notes(dataset: Dataset) -> list[str]:
    """What to know of names."""
    if all(sample.split != NO_SUBSET for sample in dataset):
        return []
    return [f"CVAT calls what is in no split {NO_SUBSET}: samples of a split of this name come back without one"]


# Samples


def write_sample(named: Named, files: Files, how: How) -> dict[str, str]:
    """Write the image of a sample. Returns what its XML calls the image, and its shapes."""
    mask = files.source.read_mask(named.sample)
    lose_pixels(files, named.sample, mask, how.lost)
    path = files.image(named.sample, f"{IMAGES}/{named.path}", KINDS)
    ending = ending_of(path or named.sample.image or "") or ".png"
    name = f"{named.name}{ending}"
    if NO_TEXT.search(name):
        what = "no XML can hold the characters of its name: rename its image, and convert it again"
        raise DataError(Problem("export.name", what))
    tags = [*shape_tags(mask, how)]
    if max(map(len, tags), default=0) > LARGEST:
        what = f"a shape takes more than {LARGEST:,} characters: --objects regions has smaller ones, segdata tile cuts tiles"
        raise DataError(Problem("export.size", what))
    return {"name": name, "shapes": "".join(tags)}


def shape_tags(mask: Mask, how: How) -> Iterator[str]:
    """The elements of the objects of a mask."""
    if how.shapes == "polygon":
        yield from polygon_tags(mask, how)
        return
    for value, box, counts in box_objects(mask, how.objects, how.skip).counts():
        at = f'left="{box.left}" top="{box.top}" width="{box.width}" height="{box.height}"'
        common = f'label={how.labels[value]} source="file" occluded="0"'
        yield f'    <mask {common} rle="{counts}" {at} z_order="0">\n    </mask>\n'


def polygon_tags(mask: Mask, how: How) -> Iterator[str]:
    """A polygon for each region. They do not overlap."""
    outlines = trace_outlines(mask, how.skip)
    texts = parts_of(*pairs_text(*bridged(outlines)))
    for value, points in zip(outlines.values.tolist(), texts, strict=True):
        common = f'label={how.labels[value]} source="file" occluded="0"'
        yield f'    <polygon {common} points="{points}" z_order="0">\n    </polygon>\n'


# XMLs


def xml_of(named: Named) -> str:
    """The XML that a sample is in."""
    return f"{named.split or WHOLE}.xml"


def write_subsets(root: Place, rows: Iterable[tuple[Named, Any]], written: Sequence[Written]) -> None:
    """Write the XMLs, all of them in one pass over the samples."""
    with ExitStack() as stack:
        drafts: dict[str, Draft] = {}
        numbers: dict[str, int] = {}
        for named, part in rows:
            name = xml_of(named)
            if name not in drafts:
                drafts[name], numbers[name] = stack.enter_context(Draft(root / name)), 0
                drafts[name].file.write(head(named, len(drafts), written).encode())
            size = f'width="{named.sample.width}" height="{named.sample.height}"'
            tag = f'  <image id="{numbers[name]}" name={quoteattr(part["name"])} {size}>\n'
            drafts[name].file.write(f"{tag}{part['shapes']}  </image>\n".encode())
            numbers[name] += 1
        for draft in drafts.values():
            draft.file.write(b"</annotations>\n")


def head(first: Named, number: int, written: Sequence[Written]) -> str:
    """The start of the XML of a task, by its first sample, up to the images."""
    labels = "".join(
        f"        <label>\n          <name>{text_of(one.name)}</name>\n          <color>#{bytes(one.color).hex()}</color>\n"
        "          <type>any</type>\n          <attributes></attributes>\n        </label>\n"
        for one in written
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n  <meta>\n    <task>\n'
        f"      <id>{number}</id>\n      <name>{text_of(first.split or 'images')}</name>\n      <mode>annotation</mode>\n"
        f"      <subset>{text_of(first.sample.split or '')}</subset>\n"
        f"      <labels>\n{labels}      </labels>\n    </task>\n  </meta>\n"
    )


def text_of(text: str) -> str:
    """A text in an element. A reader takes a bare carriage return for a line feed."""
    return escape(text, {"\r": "&#13;"})
