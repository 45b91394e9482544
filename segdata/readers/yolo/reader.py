"""Ultralytics YOLO segmentation: `data.yaml`, images, and `labels/*.txt` with one outline per line.

SRC is the folder of the set, or its YAML. `train`, `val` and `test` in that are folders, lists of folders, or text files of
image paths; where it has none, they are `images/train`, `train/images` (Roboflow) or `train.txt`. The label file of an image
lies where the last `images/` of its path becomes `labels/`, or beside the image. An image without a label file, or with an
empty one, is background. Nothing outside SRC is read: of paths of another machine the last parts count.

Coordinates are parts of the upright image. Outlines are drawn as the loader of Ultralytics draws them, at the size of the
image: see `lines`. Lines that are boxes or key points are refused. Oriented boxes (OBB) look like outlines of four
points.

Format: https://docs.ultralytics.com/datasets/segment; loader: https://github.com/ultralytics/ultralytics (data/, 8.4.190).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from posixpath import basename, dirname, splitext

from segdata.dataset.ids import sample_ids
from segdata.errors import DataError, Problem, Report, StorageError, one_of, strict
from segdata.files.endings import ending, is_image
from segdata.files.places import below, links_out, list_folder, listed, place, read_start
from segdata.files.remote import Place
from segdata.readers.classes.named import Background, NamedClass, choose_classes
from segdata.readers.paint import Overlap
from segdata.readers.sight import LOOKED_AT, look
from segdata.readers.source import Input, Item, Receipt, Source, leave_out
from segdata.readers.yolo.data import NAMES, Data, classes_beside, find_data, read_data, unnamed
from segdata.readers.yolo.images import LABELS, USUAL, Image, Set, find_images, is_empty, label_path, start_of
from segdata.readers.yolo.lines import BOX, Lines, Rules, Task
from segdata.words import some

ORIENTED = 9
"""The numbers of a line that is an oriented box: a class and four corners."""

NO_LABELS = {
    "classes.txt", "train.txt", "val.txt", "valid.txt", "validation.txt", "test.txt", "README.txt", "README.roboflow.txt",
    "README.dataset.txt", "requirements.txt", "LICENSE.txt",
}  # fmt: skip
"""Texts that are no label files of an image."""

SPLIT_KEY = re.compile(r"^[\"']?(path|train|val|validation|test)[\"']?\s*:", re.MULTILINE)

TOPS = {"labels", *(name for names in USUAL.values() for name in names)}
"""The folders that lie highest in a set that has no YAML."""

KEYPOINTS = re.compile(r"^[\"']?kpt_shape[\"']?\s*:\s*\[\s*(\d{1,4})\s*,\s*(\d)\s*\]", re.MULTILINE)

LINE = re.compile(r"\s*\d+(\.0*)?(\s+-?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?)+\s*|\s*", re.ASCII)
"""A line of a label file: a class and numbers."""

GLANCE, START = 20, 2**16
"""So many label files are looked into before they are drawn, and so many bytes of each."""


def read(
    root: str | Path,
    *,
    split: str | None = None,
    report: Report = strict,
    images: bool = True,
    data: str | Path | None = None,
    classes: str | Path | Sequence[str] | None = None,
    background: Background = "class",
    overlap: Overlap = "smallest",
    task: Task = "segment",
) -> Source:
    """Read a set. The images must be there, even if none are wanted: they have the size of the masks.

    Raises `DataError` (`yolo.*`, `classes.*`, `image.*`), or adds to `report`: an image that is not there or whose label file
    leads out of SRC.

    Args:
        data: the YAML of the set, here or in SRC; by default SRC itself, data.yaml in it, or the only YAML with names there.
        classes: the class file (one name per line, CSV, a labelmap, JSON or YAML), or names in order of class number; by
            default the names of the YAML, or a classes.txt.
        background: what pixels under no outline are: `class` is the class background, the first, with the others from 1;
            `ignore` is ignored, with the classes from 0.
        overlap: which outline is on top: the `smallest`, as Ultralytics draws them, the `last` in the file, or the `first`;
            `ignore`: pixels that several classes claim are ignored.
        task: what Ultralytics trains, as its two loaders draw differently: `segment` resamples every outline to 1,000 points
            before it is cut to whole pixels, `semantic` cuts its corners alone.
    """
    one_of("background", background, Background)
    one_of("overlap", overlap, Overlap)
    one_of("task", task, Task)
    given, receipt = listed(root), Receipt()
    if not given.exists():
        raise DataError(Problem("yolo.missing", "there is no such file or folder", str(given)))
    folder = given.parent if given.is_file() else given
    yaml = find_data(given, data)
    told = None if yaml is None else read_data(yaml)
    there = Set(folder, start_of(folder, told, receipt), receipt, [] if yaml is None else [Input.of(yaml)])
    beside: list[Input] = []
    chosen = choose_classes(
        classes, folder, background, receipt, lambda: own_classes(folder, told, receipt, beside), "name"
    )
    class_files = (*chosen.inputs, *beside)
    found = find_images(there, told, split)
    names = class_files[0].name if class_files else "--classes" if classes is not None or told is None else told.file
    class_ids = {int(row.source_id): row.class_id for row in chosen.rows}
    rules = Rules(class_ids, names, chosen.background, overlap, task, told.keypoints if told else 0)
    items: list[Item] = []
    for its_split, part in found.items():
        items += make_items(there, rules, its_split, part, images, report)
    receipt.warnings += oriented(items)
    receipt.notes = list(dict.fromkeys((*receipt.notes, *(without_images(folder, items) if split is None else ()))))
    options: dict[str, object] = {
        "classes": names if class_files else chosen.told, "background": background, "overlap": overlap, "task": task,
    }  # fmt: skip
    items.sort(key=lambda item: item.id)
    return Source(chosen.labels, items, (*there.inputs, *class_files), chosen.rows, receipt, options)


def own_classes(root: Place, data: Data | None, receipt: Receipt, files: list[Input]) -> Sequence[NamedClass]:
    """The classes of the YAML, or else of a classes.txt, which comes into `files`. Raises `DataError` (`yolo.missing`, ...)."""
    if data is None or not data.names:
        named, read = classes_beside(root, receipt)
        files += read
        return named
    if [one.name for one in data.names] == unnamed(len(data.names)):
        receipt.notes.append(f"{data.file}: nc says how many classes there are, and nothing names them")
    return data.names


# Items


def make_items(
    there: Set, rules: Rules, split: str | None, images: Sequence[Image], wanted: bool, report: Report
) -> list[Item]:
    """One item per image of a split, but for those that are left out; images without labels are told."""
    ids, renamed = sample_ids(split, [image.name for image in images])
    there.receipt.renamed += renamed
    items: list[Item] = []
    for image, id in zip(images, ids, strict=True):
        item = make_item(there.root, rules, split, image, id)
        if isinstance(item, Item):
            items.append(item if wanted else item._replace(image=None))
        else:
            leave_out(item, [], report, there.receipt, sample=image.name)
    tell_empty(split, images, items, rules, there.receipt)
    return items


def make_item(root: Place, rules: Rules, split: str | None, image: Image, id: str | Problem) -> Item | Problem:
    """An image's item, or why it is none."""
    if isinstance(id, Problem):
        return id
    if isinstance(image.path, Problem):
        return replace(image.path, sample=id)
    label = label_path(image.path)
    if links_out(root, label):
        return Problem("yolo.outside", "a link leads out of SRC: put the label file itself there", label, id)
    path, file = root / label, str(root / image.path)
    return Item(id, file, None, Lines(str(path) if path.is_file() else None, file, rules), split, exif="upright")


def tell_empty(
    split: str | None, images: Sequence[Image], items: Sequence[Item], rules: Rules, receipt: Receipt
) -> None:
    """A note of the images that have no label file or an empty one; a warning where none has any."""
    nothing = "ignored" if rules.background is None else "background"
    missing = [item for item in items if not item.annotation.files]
    empty = sum(is_empty(place(path)) for item in items for path in item.annotation.files)
    of = f"{split}: {len(items)} images" if split else f"{len(items)} images"
    if items and len(missing) == len(items):
        image = next(str(one.path) for one in images if not isinstance(one.path, Problem))
        where = f"where Ultralytics has it, as {label_path(image)} is of {image}"
        receipt.warnings.insert(0, f"{of}, all {nothing}: none has its label file {where}")
    elif missing or empty:
        counts = [f"{len(missing)} have no label file"] * bool(missing) + [f"{empty} an empty one"] * bool(empty)
        receipt.notes.append(f"{of}, of which {' and '.join(counts)}: these are {nothing}")


def without_images(root: Place, items: Sequence[Item]) -> Iterator[str]:
    """A line on each folder that has texts of no image beside its label files."""
    used: dict[str, set[str]] = defaultdict(set)
    for item in items:
        for path in item.annotation.files:
            used[dirname(path)].add(basename(path))
    for folder, names in sorted(used.items()):
        texts = {name for name in list_folder(place(folder)) if ending(name) == ".txt" and name[:1] != "."}
        if rest := sorted(texts - names - NO_LABELS):
            yield f"{below(place(folder), root) or '.'}: {len(rest)} texts are of no image, and are not read: {some(rest, 3)}"


def oriented(items: Sequence[Item]) -> list[str]:
    """A warning if every line of the first label files has four points."""
    paths = [path for item in items[:GLANCE] for path in item.annotation.files]
    counts = {len(parts) for path in paths for parts in first_lines(path)}
    if counts != {ORIENTED}:
        return []
    what = f"every line of the first {len(paths)} label files has four points, as oriented boxes (OBB) have"
    return [f"{what}: if they are such, the masks are boxes, too"]


def first_lines(path: str) -> list[list[str]]:
    """The parts of each line at the start of a label file; none of one that cannot be read."""
    with suppress(OSError, StorageError):
        return [
            line.split() for line in read_start(path, START).decode("utf-8", "replace").splitlines() if line.strip()
        ]
    return []


# Recognition


def fits(root: Place) -> str | None:
    """Why SRC is not this format; None for label files of outlines, or a YAML with names and empty ones."""
    sight = look(root)
    tables = [path for path in sight.ending(".yaml", ".yml") if "/" not in path and NAMES.search(sight.start(path))]
    if root.is_file():
        return (
            None if any(SPLIT_KEY.search(sight.start(path)) for path in tables) else "it is no YAML of names and train"
        )
    images = {splitext(path)[0] for path in sight.files if is_image(path)}
    if not images:
        return "there are no images"
    texts = [path for path in sight.ending(".txt") if basename(path) not in NO_LABELS]
    labels = [path for path in texts if LABELS in f"/{dirname(path)}/"]
    labels += [path for path in texts if splitext(path)[0] in images]
    if not tables:
        labels = [path for path in labels if "/" not in path or path.split("/")[0] in TOPS]
    counts = {path: most_numbers(sight.start(path)) for path in labels[: 4 * LOOKED_AT]}
    most = max((count for count in counts.values() if count is not None), default=None)
    if most is None or (most == 0 and not tables):
        return "there is no labels/*.txt of lines such as 0 0.1 0.1 0.5 0.1 0.5 0.5"
    path = max(counts, key=lambda path: counts[path] or 0)
    if 0 < most <= BOX + 1:
        return f"{path} has boxes, and no outlines of three points or more"
    shape = next(filter(None, (KEYPOINTS.search(sight.start(path)) for path in tables)), None)
    return f"{path} has key points" if shape and most == BOX + int(shape[1]) * int(shape[2]) else None


def most_numbers(text: str) -> int | None:
    """The most numbers on one of the lines at the start of a label file, 0 if it is empty; None if it is no label file."""
    lines = text.strip().splitlines()
    lines = lines[:-1] if len(text) >= START and len(lines) > 1 else lines
    return max((len(line.split()) for line in lines), default=0) if all(map(LINE.fullmatch, lines)) else None
