"""CVAT: its own XML, "CVAT for images 1.1" and "CVAT for video 1.1", of a task, a job or a project.

SRC is the XML or a folder with one, images in `images/`, `images/<subset>/` or beside it; subsets are splits. Datumaro writes an
XML a split, `train.xml` and `val.xml`. Masks are those of CVAT's export "Segmentation mask 1.1": polygons, boxes, ellipses and
masks are painted by z_order; polylines, points, cuboids, skeletons and tags are not. Frames of a video are those that the XML
states, found by their numbers; what lies between two frames that list a track is not drawn. Labels are on upright pixels.

Format: https://docs.cvat.ai/docs/dataset_management/formats/format-cvat, and dump_as_cvat_annotation and
dump_as_cvat_interpolation in https://github.com/cvat-ai/cvat, cvat/apps/dataset_manager/formats/cvat.py; Datumaro's writing in
https://github.com/open-edge-platform/datumaro, src/datumaro/plugins/data_formats/cvat/exporter.py.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from segdata.dataset.ids import sample_ids
from segdata.errors import DataError, Problem, Report, one_of, strict
from segdata.files.places import listed
from segdata.files.remote import Place
from segdata.readers.classes.named import Background, choose_classes
from segdata.readers.cvat.files import Images, LabelXml, find_xmls, fits
from segdata.readers.cvat.frames import find_frames
from segdata.readers.cvat.index import Index, labels_of, read_index
from segdata.readers.cvat.shapes import FrameShapes, Groups, ImageShapes, Rules
from segdata.readers.named_images import image_folder, told_elsewhere
from segdata.readers.paint import Overlap
from segdata.readers.source import Input, Item, Receipt, Source, leave_out, refuse_split

__all__ = ["fits", "read"]


def read(
    root: str | Path,
    *,
    split: str | None = None,
    report: Report = strict,
    images: bool = True,
    image_dir: str | Path | None = None,
    classes: str | Path | Sequence[str] | None = None,
    attribute: str | None = None,
    background: Background = "class",
    overlap: Overlap | None = None,
    groups: Groups = "merge",
) -> Source:
    """Read CVAT's XML. Classes are the labels of the task or project in their order, after background as class 0.

    Raises `DataError` (`cvat.*`, `classes.*`), or adds to `report`: an image that is not found, and an XML that is damaged.

    Args:
        image_dir: the folder of the images, here or in SRC; by default images/ beside the XML, with a folder per subset or
            without, or the folder of the XML.
        classes: the class file (one name per line, CSV, a labelmap, JSON or YAML), or names in order of class id; by default
            the labels that the XML lists, or if it lists none, those of its shapes, sorted.
        attribute: the attribute whose value is the class of a shape, such as `type`; a shape that has none is of its label, and
            classes are the values and labels that are found, sorted. By default labels are the classes.
        background: what pixels under no shape are: `class` is the class background; `ignore` is ignored.
        overlap: which shape is on top: the `last` in the file, the `first`, or the `smallest`; `ignore`: pixels that several
            classes claim are ignored. By default the one of the highest z_order, as CVAT draws them.
        groups: what shapes of one group become: `merge` one object of the class and the z_order of its largest, as in CVAT's
            export of masks; `keep` each its own.
    """
    for name, value, allowed in (("background", background, Background), ("groups", groups, Groups)):
        one_of(name, value, allowed)
    if overlap is not None:
        one_of("overlap", overlap, Overlap)
    place, receipt = listed(root), Receipt()
    folder = place.parent if place.is_file() else place
    given = None if image_dir is None else image_folder(image_dir, folder)
    indexes = apart(dict(read_all(find_xmls(place, receipt), attribute, report)))
    chosen = choose_classes(classes, folder, background, receipt, lambda: labels_of(indexes.values(), attribute))
    rules = Rules("", chosen.ids, overlap, groups, chosen.background, attribute)
    found = [one for xml, index in indexes.items() for one in find_samples(xml, index, given, images, rules, receipt)]
    if not found:
        raise DataError(Problem("cvat.none", "lists no image and no frame: export it again", str(root)))
    if split is not None and split not in {one.split for one in found}:
        refuse_split(split, root, {one.split for one in found})
    items = make_items([one for one in found if split in (None, one.split)], report, receipt)
    inputs = (*(Input.of(xml.path) for xml in indexes), *chosen.inputs)
    options: dict[str, object] = {
        "classes": chosen.told, "background": background, "overlap": overlap or "z_order", "groups": groups,
    }  # fmt: skip
    if attribute is not None:
        options["attribute"] = attribute
    return Source(chosen.labels, items, inputs, chosen.rows, receipt, options)


def read_all(xmls: Sequence[LabelXml], attribute: str | None, report: Report) -> Iterator[tuple[LabelXml, Index]]:
    """Read XMLs; one that is damaged is a problem if it is not the only one. Raises `DataError`."""
    for xml in xmls:
        try:
            yield xml, read_index(xml.path, attribute)
        except DataError as error:
            if len(xmls) == 1:
                raise
            report.add(error.problem)


def apart(indexes: Mapping[LabelXml, Index]) -> dict[LabelXml, Index]:
    """The same XMLs; those whose tasks are of other subsets than all others need no folder in their ids."""
    splits = {xml: {xml.split_of(task.subset) for task in index.tasks.values()} for xml, index in indexes.items()}
    times = Counter(split for xml in splits for split in splits[xml] or {xml.split})
    alone = {xml for xml in splits if all(times[split] == 1 for split in splits[xml] or {xml.split})}
    return {replace(xml, prefix="") if xml in alone else xml: index for xml, index in indexes.items()}


class Found(NamedTuple):
    """A sample to be: its split, the path that its id is made of, its image (or why it has none) and its labels."""

    split: str | None
    path: str
    image: str | Problem | None
    annotation: ImageShapes | FrameShapes


def find_samples(
    xml: LabelXml, index: Index, image_dir: Place | None, images: bool, rules: Rules, receipt: Receipt
) -> Iterator[Found]:
    """The images that an XML lists, in its order, and the frames of its tracks."""
    if index.mixed and rules.groups == "merge":
        what = "groups with shapes of several labels"
        become = "each becomes one object of the class of its largest shape, as in CVAT's masks (--groups keep)"
        receipt.warnings.append(f"{xml.path.name}: {index.mixed:,} {what}: {become}")
    rules = replace(rules, file=str(xml.path))
    finder = Images(xml, image_dir) if images else None
    for one in index.images:
        file: str | Problem | None = None
        if one.name is None:
            file = Problem("cvat.image", f"the image of id {one.id} has no name: add it")
        elif finder is not None:
            file = finder.find(one.name, one.subset)
        path = xml.id_path(one.name or f"image {one.id}")
        shapes = ImageShapes(rules, one.size, file if isinstance(file, str) else None, one.start, one.end, one.shapes)
        yield Found(xml.split_of(one.subset), path, file, shapes)
    receipt.notes += told_elsewhere(finder.finders if finder is not None else ())
    for frame in find_frames(index, finder, receipt):
        image = frame.image if isinstance(frame.image, str) else None
        path = xml.id_path(f"frame_{frame.key.number:06d}")
        yield Found(
            xml.split_of(frame.key.subset), path, frame.image, FrameShapes(rules, frame.size, image, frame.places)
        )


def make_items(found: Sequence[Found], report: Report, receipt: Receipt) -> list[Item]:
    """One item for each sample that has its image and an id of its own, sorted by id."""
    by_split: dict[str | None, list[Found]] = defaultdict(list)
    for one in found:
        by_split[one.split].append(one)
    times = Counter(one.image for one in found if isinstance(one.image, str))
    items: dict[str, Item] = {}
    for split, part in by_split.items():
        ids, renamed = sample_ids(split, [one.path for one in part])
        receipt.renamed += renamed
        for one, id in zip(part, ids, strict=True):
            problem = problem_of(one, id, times)
            if problem is None and id in items:
                what = "an image of another subset has this name below a folder: rename one of them"
                problem = Problem("image.twice", what, one.annotation.rules.file, str(id))
            if problem is not None:
                leave_out(problem, one.annotation.ids, report, receipt)
            elif isinstance(id, str):
                items[id] = Item(id, one.annotation.image, one.annotation.size, one.annotation, split, exif="upright")
    return sorted(items.values(), key=lambda item: item.id)


def problem_of(one: Found, id: str | Problem, times: Mapping[str, int]) -> Problem | None:
    """Why a sample cannot be an item; None if it can."""
    file = one.annotation.rules.file
    if isinstance(id, Problem):
        return replace(id, file=file)
    if isinstance(one.image, Problem):
        return replace(one.image, file=file, sample=id)
    if one.image is not None and times[one.image] > 1:
        what = f"{one.image} is the image of another sample, too: give the folder that holds both: --image-dir DIR"
        return Problem("image.ambiguous", what, file, id)
    return None
