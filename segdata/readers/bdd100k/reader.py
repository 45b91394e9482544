"""BDD100K: Berkeley DeepDrive, street scenes in masks, or in JSON with curves or run lengths.

SRC holds `labels/<task>/masks/<split>/<name>.png`, `labels/<task>/polygons/<task>_<split>.json` or
`labels/<task>/rles/<task>_<split>.json`, where the task is sem_seg, drivable or lane, and `images/10k/<split>/<name>.jpg`, or
`images/100k` for drivable areas and lanes. Archives that were unpacked side by side are read, too, and `seg/labels` and
`seg/images` of the first release.

Paths in JSON are filled as the toolkit's `to_mask` does, in the order of the file; where it mixes labels up, in frames with more
than 254 of them, each keeps its class here. A frame has the size of its file's `config`, or else its own. Of lanes masks alone
are read.

Format: https://doc.bdd100k.com/format.html, and bdd100k/label/to_mask.py and label.py of https://github.com/bdd100k/bdd100k.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from posixpath import splitext
from typing import Literal, NoReturn

from segdata.dataset.ids import sample_ids
from segdata.errors import DataError, OptionError, Problem, Report, one_of, strict
from segdata.files.endings import is_image
from segdata.files.places import listed, names_in
from segdata.files.remote import Place
from segdata.readers.bdd100k.classes import LabelSet, Task, task_of
from segdata.readers.bdd100k.frames import Labelled, Rules, read_frames
from segdata.readers.label_files import LabelFile, Meaning
from segdata.readers.named_images import ImageFinder, image_folder
from segdata.readers.paint import Overlap
from segdata.readers.source import Annotation, Input, Item, Receipt, Source, leave_out, refuse_split

From = Literal["auto", "masks", "polygons", "rles"]

KINDS: tuple[From, ...] = ("masks", "polygons", "rles")

SPLITS = ("train", "val", "test")

OLD_SUFFIX = "_train_id"
"""How masks of the first release are called after their image's name."""

FOLDERS = ("sem_seg", "drivable", "lane")

WAY_OUT = "correct the mask"


def fits(root: Place) -> str | None:
    """Why SRC is not this format; None for labels/ with sem_seg, drivable or lane, or seg/labels of the first release."""
    places = bases(root)
    if any(find_labels(places, folder) for folder in FOLDERS):
        return None
    return "there is no labels/sem_seg (drivable, lane) with masks, polygons or rles"


def read(
    root: str | Path,
    *,
    split: str | None = None,
    report: Report = strict,
    images: bool = True,
    labels: LabelSet = "sem_seg",
    from_: From = "auto",
    image_dir: str | Path | None = None,
    overlap: Overlap | None = None,
) -> Source:
    """Read the splits that have labels, or the one that `split` names.

    Raises `DataError` (`bdd100k.*`), or adds to `report`: labels without their image.

    Args:
        labels: what the classes are: `sem_seg` the 19 of Cityscapes' benchmark, the rest ignored; `drivable` direct, alternative
            and background; `lane` the 8 kinds of lane marks and background; `lane_direction` and `lane_style` their directions
            and styles.
        from_: which files are read: `masks` PNGs, `polygons` or `rles` JSON; `auto` the first of these that there is.
        image_dir: the folder of the images, here or in SRC, with a folder per split or without; by default images/10k, or
            images/100k for drivable areas and lanes.
        overlap: which label is on top in JSON: the `last` in the file, as the toolkit draws them, the `first`, or the
            `smallest`; `ignore`: pixels that several classes claim are ignored. The default is last; masks have no overlap and
            take none.
    """
    one_of("labels", labels, LabelSet)
    one_of("from", from_, From)
    if overlap is not None:
        one_of("overlap", overlap, Overlap)
    base, task, receipt = listed(root), task_of(labels), Receipt()
    places = bases(base)
    there = find_labels(places, task.folder)
    sources = [one for one in there if one.kind == (there[0].kind if from_ == "auto" else from_)]
    if not sources:
        refuse_missing(root, places, task, from_, there)
    kind = sources[0].kind
    for one in there:
        if one.split not in {source.split for source in sources}:
            receipt.notes.append(
                f"{one.split}: has no {kind}, and its {one.kind} are not read: --from {one.kind} reads them"
            )
    if kind == "masks" and overlap is not None:
        raise OptionError(f"--overlap {overlap}: in masks every pixel is of one class, and nothing overlaps")
    if kind != "masks" and task.folder == "lane":
        message = "lanes are read from masks alone: put labels/lane/masks beside them"
        raise DataError(Problem("bdd100k.lanes", message, file=str(sources[0].place)))
    if split is not None and split not in {one.split for one in sources}:
        refuse_split(split, root, (one.split for one in sources))
    items: list[Item] = []
    for one in sources:
        if split in (None, one.split):
            finder = find_images(base, places, task, one, image_dir) if images else None
            items += make_items(one, task, overlap or "last", finder, report, receipt)
    items.sort(key=lambda item: item.id)
    inputs = tuple(Input.of(one.place) for one in sources if kind != "masks" and split in (None, one.split))
    options: dict[str, object] = {"labels": labels, "from": kind}
    if kind != "masks":
        options["overlap"] = overlap or "last"
    return Source(task.labels, items, inputs, task.rows(), receipt, options)


# Files


@dataclass(frozen=True, slots=True)
class LabelPlace:
    """The labels of a split: the folder of its masks, or its JSON. `images`: where images of this release lie beside them."""

    kind: From
    split: str
    place: Place
    images: Place | None = None


def find_labels(places: Sequence[Place], folder: str) -> list[LabelPlace]:
    """The labels of a task, masks first, one of each kind and split: those that are found first."""
    found: dict[tuple[From, str], LabelPlace] = {}
    for base in places:
        for split in SPLITS:
            for one in candidates(base, folder, split):
                if one.place.is_dir() if one.kind == "masks" else one.place.is_file():
                    found.setdefault((one.kind, split), one)
    return sorted(found.values(), key=lambda one: KINDS.index(one.kind))


def candidates(base: Place, folder: str, split: str) -> Iterator[LabelPlace]:
    """Where the labels of a split may be."""
    yield LabelPlace("masks", split, base / "labels" / folder / "masks" / split)
    if folder == "sem_seg":
        yield LabelPlace("masks", split, base / "seg" / "labels" / split, base / "seg" / "images")
    for kind in KINDS[1:]:
        yield LabelPlace(kind, split, base / "labels" / folder / kind / f"{folder}_{split}.json")


def bases(root: Place) -> list[Place]:
    """SRC, and folders in it where archives put what is in them: bdd100k/, <archive>/ and <archive>/bdd100k/."""
    names = sorted(names_in(root)) if root.is_dir() else []
    folders = [
        root / name for name in names if name[:1] != "." and name not in ("images", "labels") and not is_image(name)
    ]
    inner = [place for folder in folders if folder.is_dir() for place in (folder, folder / "bdd100k")]
    return [root, *(place for place in inner if place.is_dir())]


def find_images(
    root: Place, places: Sequence[Place], task: Task, labels: LabelPlace, image_dir: str | Path | None
) -> ImageFinder:
    """What finds the images of a split. Raises `DataError` (`bdd100k.missing`) if there is no folder of them."""
    if image_dir is not None:
        given = image_folder(image_dir, root)
        return ImageFinder([folder for folder in (given / labels.split, given) if folder.is_dir()])
    if labels.images is not None:
        return ImageFinder([labels.images / labels.split])
    sets = (task.images, *(one for one in ("10k", "100k") if one != task.images))
    for name in (*(f"images/{one}" for one in sets), *sets, "images"):
        if there := [folder for base in places if (folder := base / name / labels.split).is_dir()]:
            return ImageFinder(there)
    message = f"there is no images/{task.images}/{labels.split}: put it there, name it by --image-dir, or --images none"
    raise DataError(Problem("bdd100k.missing", message, file=str(root)))


def refuse_missing(
    root: str | Path, places: Sequence[Place], task: Task, from_: From, there: Sequence[LabelPlace]
) -> NoReturn:
    """Raise `DataError` (`bdd100k.missing`) for labels that are not there."""
    kind = "masks" if from_ == "auto" else from_
    others = [folder for folder in FOLDERS if folder != task.folder and find_labels(places, folder)]
    if there:
        way_out = f"give --from {there[0].kind}"
    elif others:
        way_out = f"give --labels {others[0]}"
    else:
        way_out = "give the folder that holds labels/ and images/"
    message = f"there is no labels/{task.folder}/{kind} of a split: {way_out}"
    raise DataError(Problem("bdd100k.missing", message, file=str(root)))


# Items


def make_items(
    labels: LabelPlace, task: Task, overlap: Overlap, finder: ImageFinder | None, report: Report, receipt: Receipt
) -> list[Item]:
    """One item per mask or frame of a split, but for those without their image, or without a usable name."""
    found: list[Row] = []
    for row in list_masks(labels, task) if labels.kind == "masks" else list_frames(labels, task, overlap):
        if isinstance(row, Problem):
            leave_out(row, (), report, receipt)
        else:
            found.append(row)
    names, renamed = sample_ids(labels.split, [name for name, *_ in found])
    receipt.renamed += renamed
    items: list[Item] = []
    for (name, size, annotation), id in zip(found, names, strict=True):
        if isinstance(id, Problem):
            leave_out(replace(id, file=str(labels.place)), annotation.ids, report, receipt)
            continue
        image = None if finder is None else find_image(finder, name)
        if isinstance(image, Problem):
            leave_out(replace(image, file=str(labels.place), sample=id), annotation.ids, report, receipt)
        else:
            items.append(Item(id, image, size, annotation, labels.split))
    return items


def find_image(finder: ImageFinder, name: str) -> str | Problem:
    """An image by the name in the labels, or the same with another ending."""
    found = finder.find(name)
    if isinstance(found, str):
        return found
    others = (finder.find(splitext(name)[0] + ending) for ending in (".png", ".jpeg"))
    return next((other for other in others if isinstance(other, str)), found)


Row = tuple[str, tuple[int, int] | None, Annotation]
"""An image's name, its size where the labels state it, and its labels."""


def list_masks(labels: LabelPlace, task: Task) -> Iterator[Row]:
    """The masks of a split, in order of name."""
    suffix = OLD_SUFFIX if labels.images else ""
    for name in sorted(names_in(labels.place)):
        if name[:1] != "." and name.endswith(f"{suffix}.png"):
            image = name.removesuffix(f"{suffix}.png") + ".jpg"
            yield image, None, LabelFile(str(labels.place / name), Meaning(task.values, way_out=WAY_OUT))


def list_frames(labels: LabelPlace, task: Task, overlap: Overlap) -> Iterator[Row | Problem]:
    """The frames of a split, in the order of the file, and what is wrong with those that are none."""
    rules = Rules(str(labels.place), task, labels.kind == "rles", overlap)
    for one in read_frames(str(labels.place)):
        if isinstance(one, Problem):
            yield one
        else:
            yield one.name, one.size, Labelled(rules, one.size, one.start, one.end, one.count)
