"""Mapillary Vistas, 1.1 to 2.0: street scenes with label masks (palette PNG), instance masks (16 bit) or polygons.

SRC holds config_v1.2.json and config_v2.0.json (1.1: config.json) and `<split>/images/<key>.jpg`. The masks of a version are
`<split>/v2.0/labels/<key>.png` and `<split>/v2.0/instances/<key>.png` (1.1: `<split>/labels/<key>.png` ...); 2.0 has
`<split>/v2.0/polygons/<key>.json` too.

A value of a label mask is a place in the `labels` of the config, from 0; a value of an instance mask is 256 times that plus the
number of the object. Source: demo.py in the release, https://github.com/mapillary/mapillary_vistas (evaluation/evaluation.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from posixpath import basename, splitext
from typing import Literal, get_args

from segdata.dataset.ids import sample_ids
from segdata.errors import DataError, OptionError, Problem, Report, one_of, strict
from segdata.files.endings import is_image
from segdata.files.listing import files_in
from segdata.files.places import listed, matching, read_start
from segdata.files.remote import Place
from segdata.readers.label_files import LabelFile, Meaning
from segdata.readers.mapillary.labels import InstanceFile, Table, Void, config_table, config_version, given_table
from segdata.readers.mapillary.polygons import Polygons
from segdata.readers.paint import Overlap
from segdata.readers.source import Annotation, Item, Receipt, Source, leave_out, refuse_split
from segdata.words import some

From = Literal["labels", "instances", "polygons"]

FLAT = "1.1"
"""The version whose masks are in no folder of a version."""

VERSION = re.compile(r"v\d{1,4}(\.\d{1,4}){0,3}")
"""The name of a version's folder."""

WAY_OUT = "is the config that of these masks? --version chooses another, --classes FILE (rows id,name) names the labels"


def fits(root: Place) -> str | None:
    """Why SRC is not this format; None for a config of labels, and a folder in it with images/ and masks of a version."""
    if not root.is_dir():
        return "it is no folder"
    folders = next(iter(versions_in(root).values()), {})
    if not any((root / split / "images").is_dir() for split in folders):
        return "there is no <split>/images/ beside <split>/labels/ or <split>/v2.0/labels/"
    configs = [path for path in matching(root, "config*.json") if b'"labels"' in read_start(path, 4096)]
    return None if configs else "there is no config.json or config_v2.0.json of labels"


def read(
    root: str | Path,
    *,
    split: str | None = None,
    report: Report = strict,
    images: bool = True,
    version: str | None = None,
    from_: From = "labels",
    void: Void = "unevaluated",
    overlap: Overlap = "last",
    classes: str | Path | Sequence[str] | None = None,
) -> Source:
    """Read the labels of a version. Splits are the folders that have them: training and validation.

    Raises `DataError` (`mapillary.*`, `classes.*`), or adds to `report`: labels without their image, an image without labels.

    Args:
        version: which labels are read, such as 1.2 or 2.0; by default the newest that SRC has.
        from_: which files are read: `labels` label masks, `instances` instance masks, whose labels are value // 256, or
            `polygons`, which need not give the pixels of the label masks.
        void: which labels are ignored: `unevaluated` those that the config does not evaluate, such as void--unlabeled, `all`
            also all others of void--, such as void--ego-vehicle, `none` none, so that all are classes.
        overlap: which polygon is on top: the `last` in the file, the `first`, or the `smallest`; `ignore`: pixels that several
            classes claim are ignored.
        classes: the class file (rows id,name; the name ignore for what is no class), or names in order of label id; by default
            the labels of the config, by their names.
    """
    check_options(from_, void, overlap, classes is not None)
    there, receipt = listed(root), Receipt()
    chosen, folders = choose_version(there, version, receipt)
    if classes is None:
        table, inputs = config_table(find_config(there, chosen), void, receipt)
    else:
        table, inputs = given_table(classes, there, receipt)
    splits = find_splits(there, folders, from_, receipt)
    if split is not None and split not in splits:
        refuse_split(split, there, splits)
    rules = Rules(table, Meaning(table.values, way_out=WAY_OUT), from_, overlap)
    items: list[Item] = []
    for its_split, folder in splits.items():
        if split in (None, its_split):
            items += make_items(there / its_split, folder, its_split, rules, images, report, receipt)
    items.sort(key=lambda item: item.id)
    options: dict[str, object] = {"version": chosen, "from": from_, "void": void}
    options["classes"] = inputs[0].name if inputs else list(table.labels.names)
    if from_ == "polygons":
        options["overlap"] = overlap
        receipt.notes.append("polygons need not give the pixels of the label masks (--from labels reads these)")
    return Source(table.labels, items, inputs, table.classes, receipt, options)


def check_options(from_: From, void: Void, overlap: Overlap, given: bool) -> None:
    """Raise `OptionError` for an option that cannot be, or that would do nothing."""
    one_of("from", from_, From)
    one_of("void", void, Void)
    one_of("overlap", overlap, Overlap)
    if overlap != "last" and from_ != "polygons":
        raise OptionError(f"--overlap {overlap}: only polygons overlap: --from polygons reads them")
    if given and void != "unevaluated":
        raise OptionError(f"--void {void}: with --classes the name `ignore` in the file says which labels are ignored")


# Versions and splits


def versions_in(root: Place) -> dict[str, dict[str, Place]]:
    """The folders of each version of labels by split, the newest first; masks in a folder of no version are 1.1."""
    found: dict[str, dict[str, Place]] = {}
    for split in (path for path in matching(root, "*/") if path.name[:1] != "." and not VERSION.fullmatch(path.name)):
        versions = {path.name[1:]: path for path in matching(split, "v*/") if VERSION.fullmatch(path.name)}
        for version, folder in {FLAT: split, **versions}.items():
            if any((folder / kind).is_dir() for kind in get_args(From)):
                found.setdefault(version, {})[split.name] = folder
    return dict(sorted(found.items(), key=lambda one: [int(part) for part in one[0].split(".")], reverse=True))


def choose_version(root: Place, version: str | None, receipt: Receipt) -> tuple[str, dict[str, Place]]:
    """The version to read, and its folder in each split.

    Raises `DataError` (`mapillary.missing`) if SRC has none, `OptionError` if it has not that one.
    """
    there = versions_in(root)
    if not there:
        what = "holds no <split>/v2.0/labels/ and no <split>/labels/"
        raise DataError(Problem("mapillary.missing", f"{what}: give the folder that holds training/", str(root)))
    chosen = next(iter(there)) if version is None else version.removeprefix("v")
    if chosen not in there:
        raise OptionError(f"--version {version}: {root} has no labels of it: there are {some(there)}")
    if version is None and len(there) > 1:
        others = some(name for name in there if name != chosen)
        receipt.notes.append(
            f"labels of version {chosen}, as no other is asked for; there are {others} too (--version)"
        )
    return chosen, there[chosen]


def find_config(root: Place, version: str) -> Place:
    """The config of a version: by its name, or config.json if that says so. Raises `DataError` (`mapillary.config`)."""
    own, plain = root / f"config_v{version}.json", root / "config.json"
    if own.is_file():
        return own
    if plain.is_file() and (version == FLAT or config_version(plain) == version):
        return plain
    others = matching(root, "config_v*.json") if version == FLAT else []
    if len(others) == 1:
        return others[0]
    what = (
        f"holds {some(path.name for path in others)}, and which is that of the masks it does not say"
        if others
        else (f"holds no {own.name}, which says what the values of masks are")
    )
    way_out = f"name it {own.name}, or --classes FILE (rows id,name)"
    raise DataError(Problem("mapillary.config", f"{what}: {way_out}", str(root)))


def find_splits(root: Place, folders: Mapping[str, Place], from_: From, receipt: Receipt) -> dict[str, Place]:
    """The folder of the masks of each split; a note tells which splits have none. Raises `DataError` (`mapillary.none`)."""
    splits = {split: folder / from_ for split, folder in folders.items() if (folder / from_).is_dir()}
    for split in [path.parent.name for path in matching(root, "*/images/")]:
        if split not in splits:
            receipt.notes.append(f"{split}: left out, as it has no {from_}/ of this version")
    if not splits:
        other = next(kind for kind in get_args(From) if any((folder / kind).is_dir() for folder in folders.values()))
        raise DataError(Problem("mapillary.none", f"no split has {from_}/: give --from {other}", str(root)))
    return splits


# Items


@dataclass(frozen=True, slots=True)
class Rules:
    """What the values of masks mean, and which masks are read."""

    table: Table
    meaning: Meaning
    from_: From
    overlap: Overlap

    @property
    def ending(self) -> str:
        """That of the files which are read."""
        return ".json" if self.from_ == "polygons" else ".png"

    def annotation(self, path: str, image: str | None) -> Annotation:
        """The labels of an image."""
        if self.from_ == "polygons":
            return Polygons(path, image, self.table, self.overlap)
        return LabelFile(path, self.meaning) if self.from_ == "labels" else InstanceFile(path, self.meaning)


def make_items(
    folder: Place, masks: Place, split: str, rules: Rules, images: bool, report: Report, receipt: Receipt
) -> list[Item]:
    """One item for each mask and each image of a split, but for those that lack the other."""
    found = {splitext(name)[0]: name for name in files_in(masks) if name.lower().endswith(rules.ending)}
    seen = {splitext(name)[0]: name for name in filter(is_image, files_in(folder / "images"))} if images else {}
    keys = sorted({*found, *seen})
    ids, _ = sample_ids(split, [f"{key}.png" for key in keys])
    items: list[Item] = []
    for key, id in zip(keys, ids, strict=True):
        mask = f"{masks}/{found[key]}" if key in found else None
        image = f"{folder}/images/{seen[key]}" if key in seen else None
        problem = id if isinstance(id, Problem) else missing(f"{split}/images/{key}.jpg", masks, mask, image, images)
        sample = id if isinstance(id, str) else id.sample or f"{split}/{key}"
        if problem is None and mask is not None:
            items.append(Item(sample, image, None, rules.annotation(mask, image), split))
        elif problem is not None:
            problem = replace(problem, sample=sample, file=problem.file or mask or image)
            leave_out(problem, [basename(mask)] if mask else [], report, receipt, sample=sample)
    return items


def missing(path: str, masks: Place, mask: str | None, image: str | None, images: bool) -> Problem | None:
    """What the image of a path below SRC lacks: its labels, or its file."""
    if mask is None:
        what = f"{masks} has no file for it"
        return Problem("mapillary.mask", f"{what}: put it there, or take the image away", image)
    if images and image is None:
        return Problem("image.missing", f"there is no {path}: put it there, or make masks alone (--images none)", mask)
    return None
