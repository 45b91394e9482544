"""Supervisely: a project, its `meta.json` and its datasets, each with `ann/` and `img/`.

SRC holds `meta.json`, the classes with their shapes and colours, and `<dataset>/ann/<image>.json` beside `<dataset>/img/<image>`,
where `<image>` has its ending, but for files of old; datasets may lie in `<dataset>/datasets/`. Figures are drawn in the order of
the file, the later over the earlier: bitmaps, polygons and multipolygons with holes, rectangles, turned ones and cuboids, filled;
lines and points, one pixel wide. Graphs of keypoints and shapes in three dimensions have no area and are skipped.

Format: https://docs.supervisely.com/data-organization/00_ann_format_navi, and supervisely/project/project.py of
https://github.com/supervisely/supervisely.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from posixpath import splitext
from typing import Literal, NamedTuple

import msgspec

from segdata.dataset.ids import sample_ids
from segdata.errors import DataError, Problem, Report, one_of, strict
from segdata.files.endings import is_image
from segdata.files.places import list_folder, listed, names_in, real
from segdata.files.remote import Place
from segdata.labels import BACKGROUND, RGB
from segdata.readers.classes.named import Background, NamedClass, choose_classes
from segdata.readers.json_text import read_json
from segdata.readers.paint import Overlap
from segdata.readers.sight import look
from segdata.readers.source import Input, Item, Receipt, Source, leave_out, refuse_split
from segdata.readers.supervisely.figures import ANY, Figures, Rules
from segdata.readers.words_in_names import SPLIT_WORDS
from segdata.words import some

Splits = Literal["auto", "dataset", "tag", "none"]

META, ANNOTATIONS, IMAGES, NESTED = "meta.json", "ann", "img", "datasets"

PARTS = {ANNOTATIONS, IMAGES, "img_info", "seg", "meta", "blob"}
"""Folders of a dataset that hold no datasets."""

BACKGROUNDS = {"__bg__", "bg"}
"""What the SDK, and programs that it comes with, call the background."""

NEUTRAL = "neutral"


class MetaClass(msgspec.Struct, gc=False):
    """A class of a project."""

    title: str
    shape: str = ANY
    color: str | None = None


class Meta(msgspec.Struct):
    """A meta.json."""

    classes: list[MetaClass]
    projectType: str | None = None


class Tag(msgspec.Struct, gc=False):
    """A tag of an image."""

    name: str


class Tagged(msgspec.Struct, gc=False):
    """An annotation file, of which only the tags are read; in files of old a tag is its name."""

    tags: list[Tag | str] | None = None


META_FILE, TAGGED = msgspec.json.Decoder(Meta), msgspec.json.Decoder(Tagged)


def fits(root: Place) -> str | None:
    """Why SRC is not this format; None for meta.json with classes, and a dataset with annotations."""
    start = look(root).start(META) if (root / META).is_file() else ""
    if '"classes"' not in start and '"projectType"' not in start:
        return f"there is no {META} with classes: {where_else(root)}" if root.is_dir() else f"there is no {META}"
    if next((name for name in find_datasets(root) if any_json(root / name / ANNOTATIONS)), None) is None:
        return f"there is no <dataset>/{ANNOTATIONS}/<image>.json"
    return None


def any_json(folder: Place) -> bool:
    """Whether a folder has files in JSON."""
    return any(name.endswith(".json") for name in names_in(folder))


def read(
    root: str | Path,
    *,
    split: str | None = None,
    report: Report = strict,
    images: bool = True,
    splits: Splits = "auto",
    classes: str | Path | Sequence[str] | None = None,
    background: Background = "class",
    overlap: Overlap = "last",
) -> Source:
    """Read all datasets of a project, or the split that `split` names.

    Raises `DataError` (`supervisely.*`, `classes.*`), or adds to `report`: an image without annotation, or an annotation
    without its image.

    Args:
        splits: what makes the splits: `dataset` each dataset is one; `tag` a tag of images such as train or val; `none` there
            are none; `auto` the datasets if all have names such as train or val, otherwise none.
        classes: the class file (one name per line, CSV, a labelmap, JSON or YAML), or names in order of class id; by default
            the classes of meta.json in their order.
        background: what pixels under no figure are: `class` is the class background; `ignore` is ignored.
        overlap: which figure is on top: the `last` in the file, as the tool draws them, the `first`, or the `smallest`;
            `ignore`: pixels that several classes claim are ignored.
    """
    one_of("splits", splits, Splits)
    one_of("background", background, Background)
    one_of("overlap", overlap, Overlap)
    base, receipt = listed(root), Receipt()
    meta = read_meta(base)
    chosen = choose_classes(classes, base, background, receipt, lambda: own_classes(meta), "class")
    if any(one.title.casefold() == NEUTRAL for one in meta.classes):
        receipt.notes.append(f"class {NEUTRAL!r}: many programs ignore its pixels: --drop {NEUTRAL} does so here")
    names = {one.title: (one.shape, alias(one.title)) for one in meta.classes}
    rules = Rules(names, chosen.ids, overlap, chosen.background)
    pairs = [pair for folder in find_datasets(base) for pair in list_pairs(base, folder, images)]
    if not any(pair.sheet for pair in pairs):
        message = f"there is no <dataset>/{ANNOTATIONS}/<image>.json: is the project whole?"
        raise DataError(Problem("supervisely.missing", message, file=str(root)))
    way = what_splits(splits, pairs)
    by_split: dict[str | None, list[Pair]] = defaultdict(list)
    for pair in pairs:
        try:
            by_split[split_of(pair, way)].append(pair)
        except DataError as error:
            leave_out(
                error.problem, Figures(str(pair.sheet), rules).ids, report, receipt, sample=splitext(pair.path)[0]
            )
    if split is not None and split not in by_split:
        refuse_split(split, root, by_split)
    items: list[Item] = []
    for its_split, part in by_split.items():
        if split in (None, its_split):
            items += make_items(part, its_split, way, rules, images, report, receipt)
    items.sort(key=lambda item: item.id)
    options: dict[str, object] = {
        "splits": way, "classes": chosen.told, "background": background, "overlap": overlap,
    }  # fmt: skip
    return Source(chosen.labels, items, (Input.of(base / META), *chosen.inputs), chosen.rows, receipt, options)


# Classes


def read_meta(root: Place) -> Meta:
    """meta.json of a project. Raises `DataError` (`supervisely.*`)."""
    path = root / META
    if not path.is_file():
        raise DataError(Problem("supervisely.missing", f"there is no {META}: {where_else(root)}", file=str(root)))
    meta = read_json(str(path), META_FILE, "supervisely", "the classes of a project", ("classes", MetaClass))
    if meta.projectType not in (None, "images"):
        message = f"is a project of {meta.projectType}: one of images is read"
        raise DataError(Problem("supervisely.project", message, file=str(path)))
    titles = [one.title for one in meta.classes]
    if (wrong := next((title for title in titles if not title.strip() or titles.count(title) > 1), None)) is not None:
        message = f"has {titles.count(wrong)} classes of the title {wrong!r}: each needs one of its own, rename them"
        raise DataError(Problem("supervisely.classes", message, file=str(path)))
    return meta


def where_else(root: Place) -> str:
    """The way out if a folder has no meta.json."""
    if (root.parent / META).is_file():
        return "give the folder above it"
    inner = [name for name in sorted(names_in(root)) if (root / name / META).is_file()] if root.is_dir() else []
    return f"give a folder in it that has one, {some(inner)}" if inner else "give the folder of a project"


def own_classes(meta: Meta) -> list[NamedClass]:
    """The classes of meta.json in its order."""
    return [NamedClass(one.title, alias(one.title), color_of(one.color)) for one in meta.classes]


def alias(title: str) -> str:
    """The name of a class: that of the background for what the SDK calls it."""
    return BACKGROUND if title in BACKGROUNDS else title


def color_of(text: str | None) -> RGB | None:
    """Of `#RRGGBB`; None of anything else, which gets a colour of its own."""
    if text is None or not re.fullmatch("#[0-9A-Fa-f]{6}", text):
        return None
    red, green, blue = bytes.fromhex(text[1:])
    return red, green, blue


# Files


class Pair(NamedTuple):
    """An image and its annotation file, of which one may be missing; `path` is the image's, below the project."""

    path: str
    image: Place | None
    sheet: Place | None


def find_datasets(root: Place, above: str = "") -> Iterator[str]:
    """The POSIX paths of the datasets, folders with `ann`, the outer before the inner."""
    for name in sorted(names_in(root / above if above else root)):
        path = f"{above}{name}"
        if name in PARTS or name[:1] == "." or not (root / path).is_dir() or leads_back(root, above, path):
            continue
        if (root / path / ANNOTATIONS).is_dir():
            yield path
        yield from find_datasets(root, f"{path}/")


def leads_back(root: Place, above: str, path: str) -> bool:
    """Whether a folder is a link to one that it lies in: it would have no end."""
    return f"{real(root / above if above else root)}{os.sep}".startswith(f"{real(root / path)}{os.sep}")


def list_pairs(root: Place, dataset: str, images: bool) -> Iterator[Pair]:
    """The images and annotation files of a dataset. Its `datasets` folders are no part of the images' paths."""
    folder = root / dataset
    under = "/".join(part for part in dataset.split("/") if part != NESTED)
    sheets = {name.removesuffix(".json") for name in list_folder(folder / ANNOTATIONS) if is_sheet(name)}
    left = set(sheets)
    for name in sorted(names_in(folder / IMAGES)) if images else ():
        if is_image(name) and name[:1] != ".":
            stem = name if name in sheets else splitext(name)[0]
            sheet = folder / ANNOTATIONS / f"{stem}.json" if stem in left else None
            left.discard(stem)
            yield Pair(f"{under}/{name}", folder / IMAGES / name, sheet)
    for stem in sorted(left):
        name = stem if is_image(stem) else f"{stem}.png"  # of old files the name has no ending
        yield Pair(f"{under}/{name}", None, folder / ANNOTATIONS / f"{stem}.json")


def is_sheet(name: str) -> bool:
    """Whether a file is an annotation by its name."""
    return name.endswith(".json") and name[:1] != "."


# Splits


def what_splits(splits: Splits, pairs: Iterable[Pair]) -> Splits:
    """What makes the splits: `auto` is decided by the names of the datasets."""
    if splits != "auto":
        return splits
    return "dataset" if all(pair.path.split("/")[0].lower() in SPLIT_WORDS for pair in pairs) else "none"


def split_of(pair: Pair, splits: Splits) -> str | None:
    """The split of an image. Raises `DataError` (`supervisely.*`)."""
    if splits == "dataset":
        return pair.path.split("/")[0]
    return split_by_tag(str(pair.sheet)) if splits == "tag" and pair.sheet else None


def split_by_tag(path: str) -> str | None:
    """The one tag of an image that is the name of a split. Raises `DataError` (`supervisely.tags`) for several."""
    tags = read_json(path, TAGGED, "supervisely", "an annotation of Supervisely").tags or []
    found = sorted({name for tag in tags if (name := tag if isinstance(tag, str) else tag.name).lower() in SPLIT_WORDS})
    if len(found) > 1:
        message = f"its image has the tags {' and '.join(found)}: take one away, or --splits dataset"
        raise DataError(Problem("supervisely.tags", message, file=path))
    return found[0] if found else None


def make_items(
    pairs: Sequence[Pair],
    split: str | None,
    splits: Splits,
    rules: Rules,
    images: bool,
    report: Report,
    receipt: Receipt,
) -> list[Item]:
    """One item per image, but for those without annotation, without their image, or without a usable name."""
    paths = [pair.path.partition("/")[2] if splits == "dataset" else pair.path for pair in pairs]
    names, renamed = sample_ids(split, paths)
    receipt.renamed += renamed
    items: list[Item] = []
    for pair, name in zip(pairs, names, strict=True):
        sample = name if isinstance(name, str) else name.sample or ""
        figures = None if pair.sheet is None else Figures(str(pair.sheet), rules)
        if isinstance(name, Problem):
            problem = replace(name, file=str(pair.sheet or pair.image))
        elif figures is None:
            message = f"there is no {ANNOTATIONS}/ file of this image: export it again, or take the image out"
            problem = Problem("supervisely.annotation", message, str(pair.image), sample)
        elif images and pair.image is None:
            message = f"there is no image {pair.path}: put it into {IMAGES}/, or make masks alone (--images none)"
            problem = Problem("image.missing", message, str(pair.sheet), sample)
        else:
            items.append(
                Item(sample, None if pair.image is None else str(pair.image), None, figures, split, exif="upright")
            )
            continue
        leave_out(problem, figures.ids if figures else (), report, receipt, sample=sample)
    return items
