"""ADE20K: index masks of the scene parsing benchmark (ADEChallengeData2016), or coded masks of the full set.

The benchmark has `images/<split>/<image>.jpg`, `annotations/<split>/<image>.png` and objectInfo150.txt. The full set of 2016 or
2021 has `images/ADE/<split>/<scene>/<image>.jpg`, `<image>_seg.png`, `<image>_parts_1.png` ... (2016: `images/<split>/...`), and
`<image>.json` (2016: `<image>_atr.txt`), which names the classes. Index 0 is what is not labelled.

Format: https://github.com/CSAILVision/sceneparsing, https://github.com/CSAILVision/ADE20K (utils/utils_ade20k.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from posixpath import basename

from segdata.dataset.ids import sample_ids
from segdata.errors import DataError, OptionError, Problem, Report, one_of, strict
from segdata.files.listing import glance
from segdata.files.places import listed, read_start
from segdata.files.remote import Place
from segdata.readers.ade20k.classes import OWN_FILES, Table, benchmark_classes, class_table, own_table
from segdata.readers.ade20k.files import ATTRIBUTES, SEG, Frame, challenge_frames, full_base, full_frames
from segdata.readers.ade20k.index import index_classes
from segdata.readers.ade20k.masks import CodedMask
from segdata.readers.ade20k.names import BY_HAND, Named, read_names
from segdata.readers.classes.named import Background, NamedClass
from segdata.readers.label_files import LabelFile, Meaning
from segdata.readers.label_merged import BlankMask
from segdata.readers.source import Annotation, Item, Receipt, Source, leave_out, refuse_split
from segdata.words import some

DETECTRON2 = "annotations_detectron2"
"""Masks that programs built on Detectron2 prepare: indices less one."""

INDEX_WAY_OUT = "correct the mask, or name them in --classes FILE (rows id,name; the name ignore for what is no class)"


def fits(root: Place) -> str | None:
    """Why SRC is not this format; None for either layout, with objectInfo150.txt or the names that the set's files have."""
    if not root.is_dir():
        return "it is no folder"
    if is_challenge(root):
        if not (root / "images").is_dir():
            return "there is no images/ beside annotations/"
        named = any((root / name).is_file() for name in OWN_FILES)
        return (
            None
            if named or any(is_ade(path) for path in glance(root / "annotations"))
            else "there is no objectInfo150.txt"
        )
    there = glance(full_base(root))
    masks = [path.removesuffix(SEG) for path in there if path.endswith(SEG)]
    if not masks:
        return f"there is no annotations/ beside images/, and no <image>{SEG}"
    base, known = full_base(root), set(there)
    if any(is_ade(mask) or mask + ATTRIBUTES in known or is_info(base, f"{mask}.json", known) for mask in masks):
        return None
    return f"there is no <image>.json and no <image>{ATTRIBUTES} beside <image>{SEG}"


def is_challenge(root: Place) -> bool:
    """Whether SRC has the folder of masks of ADEChallengeData2016."""
    there = root / "annotations"
    return there.is_dir() and any(path.lower().endswith(".png") for path in glance(there))


def is_ade(path: str) -> bool:
    """Whether a file has a name as the set's files have."""
    return path.rpartition("/")[2].startswith(("ADE_train_", "ADE_val_", "ADE_test_", "ADE_frame_"))


def is_info(base: Place, path: str, known: set[str]) -> bool:
    """Whether there is a JSON, and it begins as those of the set do."""
    return path in known and b'"annotation"' in read_start(base / path, 4096)


def read(
    root: str | Path,
    *,
    split: str | None = None,
    report: Report = strict,
    images: bool = True,
    classes: str | Path | Sequence[str] | None = None,
    background: Background = "ignore",
    parts: int = 0,
) -> Source:
    """Read a folder in either layout. Splits are `training` and `validation`; ids are paths below the split's folder.

    Raises `DataError` (`ade20k.*`, `classes.*`), or adds to `report`: an image without a mask, a mask without its image, and
    in the full set an image whose classes no file names.

    Args:
        classes: the class file (rows id,name), or names in order of class index, first that of index 0, such as ignore; by
            default objectInfo150.txt, or its 150 classes as they were published; in the full set those of index_ade20k.pkl, or
            else those that its files name.
        background: what unlabelled pixels (index 0) are: `class` is the class background; `ignore` is ignored.
        parts: which masks of the full set are read: 0 those of objects, 1 those of their parts, 2 those of parts of parts.
    """
    one_of("background", background, Background)
    there, receipt = listed(root), Receipt()
    challenge = is_challenge(there)
    frames = challenge_frames(there, images, receipt.notes) if challenge else full_frames(full_base(there))
    check_frames(frames, there, split, parts)
    bad: dict[str, Problem] = {}
    if classes is not None:
        table, inputs = own_table(classes, background, there, receipt)
    else:
        if challenge:
            named, inputs = benchmark_classes(there, receipt)
        else:
            infos = [frame.info for frame in frames if frame.info is not None]
            named, inputs = index_classes(there, infos, receipt) or (found_classes(frames, parts, bad), ())
        table = class_table(named, background, receipt)
    given = classes is not None or len(inputs) > 0
    way_out = "; ".join([*receipt.warnings, INDEX_WAY_OUT]) if challenge or given else BY_HAND
    meaning = Meaning(table.values, way_out=way_out)
    rules = Rules(table, meaning, parts, challenge, given)
    chosen = [frame for frame in frames if split in (None, frame.split) and (images or frame.mask)]
    items = make_items(chosen, rules, images, bad, report, receipt)
    names = inputs[0].name if inputs else None if classes is None else list(table.labels.names)
    options: dict[str, object] = {"classes": names, "background": background, "parts": parts}
    return Source(table.labels, items, inputs, table.classes, receipt, options)


def check_frames(frames: Sequence[Frame], root: Place, split: str | None, parts: int) -> None:
    """Raise `DataError` (`ade20k.missing`) where there is no mask, `OptionError` for a split or a level that is not there."""
    if not any(frame.mask for frame in frames):
        what = f"holds no annotations/ with masks and no <image>{SEG}"
        way_out = "give ADEChallengeData2016/ or ADE20K_2021_17_01/"
        if (root / DETECTRON2).is_dir():
            what += f", but {DETECTRON2}/, whose ids are others (class 1 is 0)"
            way_out = f"segdata convert masks --mask-dir {DETECTRON2} --image-dir DIR --classes FILE (rows id,name) reads them"
        raise DataError(Problem("ade20k.missing", f"{what}: {way_out}", str(root)))
    if split is not None and split not in {frame.split for frame in frames}:
        refuse_split(split, root, {frame.split for frame in frames})
    levels = {level for frame in frames for level in frame.parts}
    if parts and parts not in levels:
        there = f"there are levels {some(sorted(levels))}" if levels else "no image has parts: leave it out"
        raise OptionError(f"--parts {parts}: {root} has no <image>_parts_{parts}.png: {there}")


# Classes that the full set's files name


def found_classes(frames: Sequence[Frame], level: int, bad: dict[str, Problem]) -> list[NamedClass]:
    """The classes of a level of parts that the files of all splits name: those with an index by that, then others by name.

    Frames whose file is damaged, or names another class by an index than files before it, come into `bad`, by their paths.
    """
    indices: dict[int, tuple[str, str]] = {}
    names: set[str] = set()
    for frame in frames:
        if frame.mask is None or frame.info is None:
            continue
        try:
            found = [one for one in read_names(frame.info) if one.level == level]
            if frame.info.endswith(ATTRIBUTES):
                names.update(one.name for one in found)
                continue
            for one in found:
                check_index(one, indices.setdefault(one.number, (one.name, frame.info)))
        except DataError as error:
            bad[frame.path] = error.at(file=frame.info).problem
    return [
        *(NamedClass(index, name) for index, (name, _) in sorted(indices.items())),
        *(NamedClass(n, n) for n in sorted(names)),
    ]


def check_index(one: Named, known: tuple[str, str]) -> None:
    """Raise `DataError` (`ade20k.names`) for an object that has the index of another class, (name, file)."""
    if one.name != known[0]:
        what = f"index {one.number} is {one.name!r} here, and {known[0]!r} in {basename(known[1])}"
        raise DataError(Problem("ade20k.names", f"{what}: correct one, or {BY_HAND}"))


# Items


@dataclass(frozen=True, slots=True)
class Rules:
    """What the pixels of masks mean, and which masks are read. `given`: a table names classes by index."""

    table: Table
    meaning: Meaning
    parts: int
    challenge: bool
    given: bool

    def annotation(self, frame: Frame, mask: str) -> Annotation:
        """How the labels of a frame are kept that has this mask of objects."""
        path = frame.parts.get(self.parts) if self.parts else mask
        if path is None:
            return BlankMask(mask, self.table.values[0])
        if self.challenge:
            return LabelFile(path, self.meaning)
        if not self.given and frame.info is not None and frame.info.endswith(ATTRIBUTES):
            return CodedMask(path, self.meaning, frame.info, self.parts, self.table.names)
        return CodedMask(path, self.meaning)

    def missing(self, frame: Frame, images: bool) -> Problem | None:
        """What a frame lacks."""
        if frame.mask is None:
            there = f"annotations/{frame.path}.png" if self.challenge else f"{frame.path}{SEG}"
            return Problem("ade20k.mask", f"there is no {there}: put it there, or take the image away", frame.image)
        if images and frame.image is None:
            what = f"there is no {'images/' if self.challenge else ''}{frame.path}.jpg"
            return Problem("image.missing", f"{what}: put it there, or make masks alone (--images none)", frame.mask)
        if not (self.challenge or self.given or frame.info or len(self.table.values) > 1):
            what = f"there is no {frame.path}.json and no {frame.path}{ATTRIBUTES} to name its classes"
            return Problem("ade20k.names", f"{what}: put it there, or {BY_HAND}", frame.mask)
        return None


def make_items(
    frames: Sequence[Frame], rules: Rules, images: bool, bad: Mapping[str, Problem], report: Report, receipt: Receipt
) -> list[Item]:
    """One item for each frame, but for those that lack a file, or whose file is damaged."""
    items: list[Item] = []
    for frame, id in zip(frames, ids_of(frames), strict=True):
        problem = id if isinstance(id, Problem) else bad.get(frame.path) or rules.missing(frame, images)
        sample = id if isinstance(id, str) else id.sample or frame.path
        if problem is None and frame.mask is not None:
            annotation = rules.annotation(frame, frame.mask)
            items.append(Item(sample, frame.image if images else None, None, annotation, frame.split))
        elif problem is not None:
            problem = replace(problem, sample=sample, file=problem.file or frame.mask or frame.image)
            leave_out(problem, [basename(frame.mask)] if frame.mask else [], report, receipt, sample=sample)
    return sorted(items, key=lambda item: item.id)


def ids_of(frames: Sequence[Frame]) -> list[str | Problem]:
    """The id of each frame, or why it has none."""
    found: dict[int, str | Problem] = {}
    for split in {frame.split for frame in frames}:
        places = [i for i, frame in enumerate(frames) if frame.split == split]
        ids, _ = sample_ids(split, [f"{frames[i].name}.png" for i in places])
        found.update(zip(places, ids, strict=True))
    return [found[i] for i in range(len(frames))]
