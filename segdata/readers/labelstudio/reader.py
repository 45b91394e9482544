"""Label Studio: JSON and JSON-MIN exports, with brushes, polygons, rectangles and ellipses.

SRC is one label file, or a folder with some: a list of tasks, one task, JSON Lines, `{"tasks": [...]}`, or what the tool
writes to a target storage. Images are looked for by their names below SRC, or beside the file: as uploaded (with or without
the eight digits before the name), from local or object storage, or by URL; or they are in the task as `data:image/...`.

Of each image one annotation is taken; the others are left out and compared. Images without one are left out. Regions lie over
each other in the order of the file. Key points, vectors, texts, choices and relations hold no pixels. Which way the image was
turned while it was labelled (`image_rotation`) changes nothing: the tool states regions on the image as it is. Tasks that segdata
wrote say the sample's id, split and group.

Format: https://labelstud.io/guide/task_format, https://labelstud.io/guide/export. What regions write: `serialize` in
web/libs/editor/src/regions of https://github.com/HumanSignal/label-studio; what they mean as pixels:
src/label_studio_sdk/converter of https://github.com/HumanSignal/label-studio-sdk.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from segdata.dataset.contract import CONTRACT
from segdata.dataset.layout import CROISSANT, RECEIPT
from segdata.errors import DataError, OptionError, Problem, Report, one_of, strict
from segdata.files.places import files_below, listed, names_in, place
from segdata.files.remote import Place
from segdata.readers.classes.named import Background, NamedClass, choose_classes
from segdata.readers.labelstudio.images import Finder, Shown, read_config
from segdata.readers.labelstudio.items import Unlabelled, make_items
from segdata.readers.labelstudio.masks import Rules
from segdata.readers.labelstudio.seen import Seen
from segdata.readers.labelstudio.tasks import Which
from segdata.readers.named_images import image_folder
from segdata.readers.paint import Overlap
from segdata.readers.sight import look
from segdata.readers.source import Input, Receipt, Source
from segdata.words import some, suggest

SIGNS = (
    ('"from_name"',),
    (
        r'"(annotations|completions|predictions)"\s*:\s*\[',
        r'"completed_by"|"result"\s*:\s*\[|"was_cancelled"|"data"\s*:\s*\{',
    ),
    ('"(brush|polygon|rectangle|ellipse|bitmask)labels"', '"original_width"'),
    (r'"format"\s*:\s*"rle"', r'"rle"\s*:\s*\['),
    ('"annotation_id"', '"lead_time"'),
)
"""Texts by which a label file is told, each row for itself: tasks, and records of JSON-MIN."""


def fits(root: Place) -> str | None:
    """Why SRC is not this format; None for a JSON that begins as an export of Label Studio."""
    sight = look(root)
    if not any(sight.ending(".json", ".jsonl")):
        return "there is no .json"
    for ending in (".json", ".jsonl"):
        if any(sight.holding(ending, *texts) is not None for texts in SIGNS):
            return None
    return "no .json begins with tasks of Label Studio"


def read(
    root: str | Path,
    *,
    split: str | None = None,
    report: Report = strict,
    images: bool = True,
    image_dir: str | Path | None = None,
    annotation: Which = "latest",
    control: str | None = None,
    config: str | Path | None = None,
    classes: str | Path | Sequence[str] | None = None,
    unlabelled: Unlabelled = "drop",
    background: Background = "class",
    overlap: Overlap = "last",
) -> Source:
    """Read Label Studio's exports. Classes are the labels of regions that have pixels, after background as class 0.

    Raises `DataError` (`labelstudio.*`, `rle.*`) or adds to `report`: an image with a bad region is then left out whole.

    Args:
        image_dir: the folder of the images, here or in SRC; by default they are looked for below SRC, or beside it if it is a
            file.
        annotation: which annotation of an image is taken: the `latest` by created_at or the `first`, cancelled ones aside;
            `ground-truth` the one that is marked so; `prediction` the latest prediction of a model, and no annotation;
            `corrected` the latest annotation, and of tasks that have none the latest prediction.
        control: the name of a control (from_name): its regions alone are drawn; by default those of all controls are.
        config: the project's labelling configuration (XML), in SRC or here: it orders the classes, and says which data an image
            tag shows; by default classes are sorted by name, and each task must have one image or name it.
        classes: the class file (one name per line, CSV, a labelmap, JSON or YAML), or names in order of class id; by default
            the labels of the configuration, then the others that there are, sorted.
        unlabelled: what images become that have no annotation: `drop` leaves them out; with background, that is all they are.
        background: what pixels under no region are: `class` is the class background; `ignore` is ignored.
        overlap: which region is on top: the `last` in the annotation, the `first`, or the `smallest`; `ignore`: pixels that
            several classes claim are ignored.
    """
    for name, value, allowed in (
        ("annotation", annotation, Which), ("unlabelled", unlabelled, Unlabelled), ("background", background, Background),
        ("overlap", overlap, Overlap),
    ):  # fmt: skip
        one_of(name, value, allowed)
    there = listed(root)
    receipt = Receipt()
    folder = there if there.is_dir() else there.parent
    shown = Shown()
    inputs: tuple[Input, ...] = ()
    if config is not None:
        beside = folder / str(config)
        file = beside if beside.is_file() else place(config)
        shown, inputs = read_config(file, control), (Input.of(file),)
    seen = Seen(shown, control, annotation)
    files = label_files(there, folder / classes if isinstance(classes, str | Path) else None)
    for file in files:
        inputs += seen.read(file, report, receipt, alone=len(files) == 1)
    if not seen.tasks:
        what = "there are no tasks of Label Studio"
        raise DataError(Problem("labelstudio.nothing", "; ".join([what, *receipt.notes]), str(there)))
    if split is not None:
        seen.keep_split(split)
    if control is not None and control not in seen.controls:
        raise OptionError(f"--control {control}: no region is of it: {suggest(control, seen.controls)}")
    chosen = choose_classes(classes, folder, background, receipt, lambda: own_classes(seen, folder, receipt))
    rules = Rules(chosen.ids, Shown(shown.keys), overlap, chosen.background, control, annotation)
    finder = Finder([folder if image_dir is None else image_folder(image_dir, folder)]) if images else None
    items = make_items(seen, rules, annotation, unlabelled, finder, report, receipt)
    options: dict[str, object] = {
        "annotation": annotation, "classes": chosen.told, "unlabelled": unlabelled, "background": background, "overlap": overlap
    }  # fmt: skip
    if control is not None:
        options["control"] = control
    predicted = annotation in ("prediction", "corrected")
    return Source(chosen.labels, items, (*inputs, *chosen.inputs), chosen.rows, receipt, options, predicted)


def label_files(root: Place, classes: Place | None = None) -> list[Place]:
    """The label files: SRC itself, or those in it, or else those below it, but for a class file.

    Raises `DataError` (`labelstudio.missing`).
    """
    if root.is_file():
        return [root]
    names = sorted(name for name in names_in(root) if name[:1] != ".") if root.is_dir() else []
    if CONTRACT in names:
        names = [name for name in names if name not in (CONTRACT, CROISSANT, RECEIPT)]
    found = [name for name in names if name.lower().endswith((".json", ".jsonl"))]
    if not found and root.is_dir():
        found = sorted(
            path for path in files_below(root) if path.lower().endswith((".json", ".jsonl")) and "/." not in f"/{path}"
        )
    found = found or [name for name in names if name.isdecimal()]  # a target storage's files have no ending
    if not found:
        what = "there is no .json: give an export of Label Studio (Export, JSON), or a folder with some"
        raise DataError(Problem("labelstudio.missing", what, str(root)))
    return [file for name in found if (file := root / name) != classes]


def own_classes(seen: Seen, folder: Place, receipt: Receipt) -> list[NamedClass]:
    """The configuration's classes, then what else there is, by name. Raises `DataError` (`labelstudio.nothing`)."""
    known = seen.shown.labels
    others = sorted(seen.labels - known.keys())
    if known and others:
        receipt.notes.append(f"labels that the configuration does not list: {some(others)}: they follow its own")
    if not known and not others:
        what = "no region has a label and pixels: is this the right file? --annotation prediction takes predictions"
        raise DataError(Problem("labelstudio.nothing", what, str(folder)))
    return [NamedClass(name, name, known.get(name)) for name in (*known, *others)]
