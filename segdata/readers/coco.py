"""COCO: instances (polygons and run lengths), LVIS, and panoptic (JSON + PNG).

SRC is one JSON, or a root that holds `annotations/instances_*.json` (or panoptic_*.json, or any single JSON there), with
images under `<split><year>/`, `images/<split><year>/`, `<split>/` or `images/`; or an export with `_annotations.coco.json`
beside the images of each split.

Format: https://cocodataset.org/#format-data, https://www.lvisdataset.org/dataset.
"""

from __future__ import annotations

import codecs
import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

import msgspec

from segdata.dataset.ids import sample_ids
from segdata.errors import DataError, OptionError, Problem, Report, located, one_of, strict
from segdata.files.places import file_digest, listed, matching, place
from segdata.files.remote import Place
from segdata.labels import RGB, Labels
from segdata.readers.coco_masks import Crowd, Instances, Panoptic, Record, Rules, Segment, decode
from segdata.readers.paint import Overlap
from segdata.readers.source import Annotation, Input, Item, Receipt, Source, SourceClass, left_out
from segdata.words import some

Background = Literal["class", "ignore"]

KEYS = ("images", "annotations", "categories")

KINDS = ("instances", "lvis", "stuff", "person_keypoints", "panoptic")

T = TypeVar("T")


class ImageRecord(msgspec.Struct, gc=False):
    """A record of `images`. LVIS v1 has no file_name; only LVIS has not_exhaustive_category_ids."""

    id: int
    height: int
    width: int
    file_name: str | None = None
    coco_url: str | None = None
    not_exhaustive_category_ids: list[int] | None = None


Channel = Annotated[int, msgspec.Meta(ge=0, le=255)]


class Category(msgspec.Struct, gc=False):
    """A record of `categories`."""

    id: int
    name: str
    color: tuple[Channel, Channel, Channel] | None = None


class PanopticRecord(msgspec.Struct):
    """A record of `annotations` in a panoptic file: one image's PNG and segments."""

    image_id: int
    file_name: str
    segments_info: list[Segment]


def read(
    root: str | Path,
    *,
    split: str | None = None,
    report: Report = strict,
    images: bool = True,
    image_dir: str | Path | None = None,
    background: Background | None = None,
    crowd: Crowd | None = None,
    overlap: Overlap | None = None,
) -> Source:
    """Read COCO annotations. Categories follow in the order of their ids, by name, after background as class 0.

    `background` "ignore" leaves unlabelled pixels void and starts categories at 0 (the default for LVIS, where what is not
    annotated is not background; panoptic files have none). `crowd`: crowd regions become ignore (default; panoptic: class),
    keep their class, or are dropped. `overlap`: see `segdata.readers.paint.Overlap` (default smallest; panoptic has none).
    `image_dir`: where the images lie.

    Raises `DataError` (`coco.*`, `rle.*`) or adds to `report`: an image with a bad annotation is then left out whole.
    """
    for name, value, allowed in (
        ("crowd", crowd, Crowd),
        ("background", background, Background),
        ("overlap", overlap, Overlap),
    ):
        if value is not None:
            one_of(name, value, allowed)
    label_files = find_label_files(listed(root), split)
    tables = [LabelTable.load(path) for path, _ in label_files]
    panoptic = {table.panoptic for table in tables}
    if len(panoptic) > 1:
        raise OptionError(f"{root}: holds instances and panoptic files: name one of them")
    is_panoptic = panoptic == {True}
    receipt = Receipt()
    records = [read_images(table, report, receipt) for table in tables]
    categories = [(str(table.path), read_categories(table, report, receipt)) for table in tables]
    lvis = any(record.not_exhaustive_category_ids is not None for part in records for record in part)
    background = background or ("ignore" if lvis or is_panoptic else "class")
    if is_panoptic and background == "class":
        raise OptionError("--background class: panoptic files label every pixel; those of no segment are void")
    if is_panoptic and overlap is not None:
        raise OptionError(f"--overlap {overlap}: in panoptic files every pixel is of one segment, and nothing overlaps")
    overlap = overlap or "smallest"
    if lvis and background == "ignore":
        receipt.notes.append("LVIS: what is not annotated is not background but void (--background class overrides)")
    labels, classes = class_table(categories, background)
    class_ids = {int(c.source_id): c.class_id for c in classes if c.class_id is not None}
    crowd = crowd or ("class" if is_panoptic else "ignore")
    items: list[Item] = []
    for table, part, (_, its_split) in zip(tables, records, label_files, strict=True):
        if table.unread:
            receipt.notes.append(f"{table.path.name}: not read: {', '.join(table.unread)}")
        named = list_images(part, its_split, str(table.path), report, receipt)
        rules = Rules(str(table.path), class_ids, crowd, overlap, 0 if background == "class" else None)
        gather = gather_panoptic if is_panoptic else gather_instances
        gathered = gather(table, named, rules, report, receipt)
        folder = find_images(table.path, its_split, part, image_dir) if images else None
        items += make_items(named, gathered, its_split, folder, receipt)
    items.sort(key=lambda item: item.id)
    inputs = tuple(Input(path.name, file_digest(path)) for path, _ in label_files)
    options: dict[str, object] = {"background": background, "crowd": crowd, "overlap": overlap}
    return Source(labels, items, inputs, classes, receipt, options)


# Finding and loading label files


def find_label_files(root: Place, split: str | None) -> list[tuple[Place, str | None]]:
    """The JSON files that SRC means, each with its split. Raises `DataError` (`coco.missing`), `OptionError`."""
    if root.is_file():
        found = [(root, split_of(root))]
    elif not root.is_dir():
        raise DataError(Problem("coco.missing", "there is no such file or folder", file=str(root)))
    else:
        patterns = [f"{folder}{kind}_*.json" for kind in KINDS for folder in ("annotations/", "")]
        patterns += ["*/_annotations.coco.json", "_annotations.coco.json", "annotations/*.json", "*.json"]
        found = next(([(p, split_of(p)) for p in there] for g in patterns if (there := matching(root, g))), [])
        if not found:
            message = "holds no annotations/instances_*.json: give the root of the set, or the JSON file itself"
            raise DataError(Problem("coco.missing", message, file=str(root)))
    splits = Counter(its_split for _, its_split in found)
    if split is not None:
        found = [(path, its_split) for path, its_split in found if its_split == split]
        if not found:
            raise OptionError(f"no split {split!r} in {root}: there are {some(sorted(str(s) for s in splits))}")
    elif len(splits) < len(found):
        names = some(path.name for path, _ in found)
        raise OptionError(f"{root}: several label files for one split ({names}): give the one that is meant as SRC")
    return found


def split_of(path: Place) -> str | None:
    """The split a label file is for: instances_train2017.json -> train; train/_annotations.coco.json -> train."""
    if path.name == "_annotations.coco.json":
        return path.parent.name
    match = re.fullmatch(rf"(?:{'|'.join(KINDS)})(?:_v\d[\d.]*)?_(.+?)(?:_?\d{{4}})?", path.stem)
    return match[1] if match else None


class Broken(NamedTuple):
    """A record of the wrong shape: what is wrong with it, and what can be read of it all the same."""

    problem: Problem
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class LabelTable:
    """A label file, its top level decoded: each key with its undecoded value."""

    path: Place
    parts: dict[str, msgspec.Raw]
    panoptic: bool

    @classmethod
    def load(cls, path: Place) -> LabelTable:
        """Raises `DataError` (`coco.json`, `coco.keys`)."""
        try:
            data = path.read_bytes()
        except OSError as error:
            raise DataError(Problem("coco.missing", f"cannot be read: {error.strerror}", file=str(path))) from error
        with located(file=str(path)):
            _check_utf8(data)
            parts = _top_level(data.removeprefix(b"\xef\xbb\xbf"))
            _refuse_twice(data, parts)
            missing = [key for key in KEYS if key not in parts]
            if missing:
                message = f"not COCO labels: has no {' and no '.join(missing)} (it has: {some(parts) or 'nothing'})"
                raise DataError(Problem("coco.keys", message))
        return cls(path, parts, data.find(b'"segments_info"') >= 0)

    @property
    def unread(self) -> list[str]:
        """Keys of the top level that hold nothing for masks and are not COCO's own."""
        return sorted(set(self.parts) - {*KEYS, "info", "licenses", "type"})

    def records(self, key: str, kind: type[T]) -> tuple[list[T], list[Broken]]:
        """The records under a key, and those that have the wrong shape. Raises `DataError` (`coco.type`)."""
        with located(file=str(self.path)):
            try:
                return msgspec.json.decode(self.parts[key], type=list[kind]), []  # type: ignore[valid-type]
            except msgspec.ValidationError:
                pass
            try:
                rows = msgspec.json.decode(self.parts[key], type=list[msgspec.Raw])
            except msgspec.ValidationError as error:
                raise DataError(Problem("coco.type", f"{key} must be a list: {error}")) from error
            good: list[T] = []
            broken: list[Broken] = []
            decoder = msgspec.json.Decoder(kind)
            for number, row in enumerate(rows):
                try:
                    good.append(decode(row, decoder))
                except msgspec.ValidationError as error:
                    problem = Problem(f"coco.{key}", f"{key}[{number}]: {error}", str(self.path))
                    broken.append(Broken(problem, _readable(row)))
            return good, broken


def read_images(table: LabelTable, report: Report, receipt: Receipt) -> list[ImageRecord]:
    """The records of `images`; one of the wrong shape is an image that is left out."""
    images, broken = table.records("images", ImageRecord)
    for problem, values in broken:
        name = values.get("file_name")
        problem = replace(problem, sample=name if isinstance(name, str) else None)
        report.add(problem)
        receipt.add(Receipt(images=1, skipped_images=[problem]))
    return images


def read_categories(table: LabelTable, report: Report, receipt: Receipt) -> list[Category]:
    """The records of `categories`; without one of the wrong shape the class ids are those of the others."""
    categories, broken = table.records("categories", Category)
    for problem, values in broken:
        report.add(problem)
        receipt.notes.append(f"{table.path.name}: {problem.message}: category {values.get('id')} is no class")
    return categories


def set_aside(
    broken: Sequence[Broken], samples: Mapping[int, tuple[str, tuple[int, int]]], report: Report, receipt: Receipt
) -> dict[int, Problem]:
    """Annotations of the wrong shape, each with its line, and the images, by image id, that they spoil."""
    bad: dict[int, Problem] = {}
    for problem, values in broken:
        id = values.get("id")
        problem = replace(problem, annotation=id if isinstance(id, int | str) else None)
        image = re.fullmatch(r"(-?\d{1,19})(\.0)?", str(values.get("image_id")))
        if image and int(image[1]) in samples:
            problem = replace(problem, sample=samples[int(image[1])][0])
            bad.setdefault(int(image[1]), problem)
        else:
            problem = replace(problem, message=f"{problem.message}: which image it is on cannot be told")
        report.add(problem)
        receipt.add(Receipt(annotations=1, skipped=[problem]))
    return bad


def _readable(row: msgspec.Raw) -> dict[str, Any]:
    try:
        values = json.loads(bytes(row))  # which takes any number, but for one of thousands of digits
    except (ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def _refuse_twice(data: bytes, parts: Mapping[str, msgspec.Raw]) -> None:
    """Of a key that occurs twice only the last is in `parts`. Without spare bytes between them there is no other."""
    lengths = sum(len(key) + len(memoryview(raw)) for key, raw in parts.items())
    if len(data) - lengths <= 8 * len(parts) + 8:
        return
    for key in KEYS:
        name = b'"%s"' % key.encode()
        inside = sum(len(re.findall(name, memoryview(raw))) for raw in parts.values())
        if data.count(name) > inside + 1:
            message = f'the key "{key}" occurs twice: put what both hold under one'
            raise DataError(Problem("coco.keys", message))


def _check_utf8(data: bytes) -> None:
    """In pieces, since a label file may fill much of the memory; records are decoded later, each by itself."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(data), 2**20):
            decoder.decode(data[start : start + 2**20])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise DataError(Problem("coco.json", f"not UTF-8 ({error.reason}): save it as UTF-8")) from error


def _top_level(data: bytes) -> dict[str, msgspec.Raw]:
    try:
        return msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    except msgspec.ValidationError as error:
        raise DataError(Problem("coco.json", f"not COCO labels: {error}")) from error
    except (msgspec.DecodeError, RecursionError) as error:
        reason = error
    try:  # NaN and Infinity are not JSON, but Python writes them: read on, so that the annotation can be named
        tolerant = json.loads(data, parse_constant=str)
        return msgspec.json.decode(json.dumps(tolerant).encode(), type=dict[str, msgspec.Raw])
    except (ValueError, RecursionError):
        message = f"not valid JSON, perhaps cut off: {reason}"
        raise DataError(Problem("coco.json", message)) from reason


def class_table(
    files: Sequence[tuple[str, list[Category]]], background: Background
) -> tuple[Labels, tuple[SourceClass, ...]]:
    """The classes: background if it is one, then categories in order of id; categories of one name are one class."""
    categories: dict[int, Category] = {}
    for file, part in files:
        repeated = [id for id, n in Counter(c.id for c in part).items() if n > 1]
        if repeated:
            raise DataError(Problem("coco.category", f"the category id {repeated[0]} occurs twice", file=file))
        for category in part:
            if categories.setdefault(category.id, category).name != category.name:
                message = (
                    f"category {category.id} is {category.name!r} here and {categories[category.id].name!r} elsewhere"
                )
                raise DataError(Problem("coco.category", message, file=file))
    colors: dict[str, RGB | None] = {"background": (0, 0, 0)} if background == "class" else {}
    for id in sorted(categories):
        colors.setdefault(categories[id].name, categories[id].color)
    labels = Labels.of(list(colors), list(colors.values()))
    ids = {name: i for i, name in enumerate(labels.names)}
    table = [SourceClass(id, categories[id].name, ids[categories[id].name]) for id in sorted(categories)]
    return labels, tuple(table)


# From records to items


@dataclass(frozen=True, slots=True)
class Listed:
    """The images that a label file lists, and the sample id of each, or the problem for which it is left out."""

    images: Sequence[ImageRecord]
    names: Sequence[str | Problem]

    def samples(self) -> dict[int, tuple[str, tuple[int, int]]]:
        """Image id -> sample id and (height, width); the first of an image id that occurs twice."""
        out: dict[int, tuple[str, tuple[int, int]]] = {}
        for image, name in zip(self.images, self.names, strict=True):
            sample = name if isinstance(name, str) else name.sample or ""
            out.setdefault(image.id, (sample, (image.height, image.width)))
        return out


def list_images(
    images: Sequence[ImageRecord], split: str | None, file: str, report: Report, receipt: Receipt
) -> Listed:
    """Give every image its sample id. A bad name, an image id that occurs twice and an empty size are problems."""
    names, renamed = sample_ids(split, [image_path(image) for image in images])
    receipt.renamed += renamed
    times = Counter(image.id for image in images)
    out: list[str | Problem] = []
    for image, name in zip(images, names, strict=True):
        sample = name if isinstance(name, str) else name.sample
        if isinstance(name, Problem):
            name = replace(name, file=file)
        elif times[image.id] > 1:
            name = Problem("coco.twice", f"two images have the image id {image.id}", file, sample)
        elif image.height < 1 or image.width < 1:
            what = f"its record says {image.width} x {image.height} pixels (width x height)"
            name = Problem("coco.size", what, file, sample)
        if isinstance(name, Problem):
            report.add(name)
        out.append(name)
    return Listed(images, out)


@dataclass(frozen=True, slots=True)
class Gathered:
    """Annotations by image id, and the problem of each image that must be left out."""

    annotations: Mapping[int, Annotation]
    bad: dict[int, Problem]


def gather_instances(table: LabelTable, listed: Listed, rules: Rules, report: Report, receipt: Receipt) -> Gathered:
    """Annotations by image, and the images that a bad annotation spoils."""
    samples = listed.samples()
    by_image: dict[int, list[Record]] = defaultdict(list)
    image_of: dict[int, int] = {}
    records, broken = table.records("annotations", Record)
    bad = set_aside(broken, samples, report, receipt)
    for record in records:
        code, message = "", ""
        if record.image_id not in samples:
            problem = Problem("coco.image", f"image_id {record.image_id} is not listed", rules.file, None, record.id)
            report.add(problem)
            receipt.add(Receipt(annotations=1, skipped=[problem]))
            continue
        if record.category_id not in rules.class_ids:
            code, message = "coco.category", f"category_id {record.category_id} is not listed"
        elif image_of.get(record.id) == record.image_id:
            code, message = "coco.twice", "two annotations of the image have this id"
        sample = samples[record.image_id][0]
        if code:
            problem = Problem(code, message, rules.file, sample, record.id)
            report.add(problem)
            bad.setdefault(record.image_id, problem)
        elif record.id in image_of:  # harmless: an annotation is told by its image and its id
            also = f"its id is also that of an annotation on {samples[image_of[record.id]][0]}"
            receipt.repaired.append(Problem("coco.twice", also, rules.file, sample, record.id))
        image_of[record.id] = record.image_id
        by_image[record.image_id].append(record)
    annotations = {id: Instances(rules, size, tuple(by_image.get(id, ()))) for id, (_, size) in samples.items()}
    return Gathered(annotations, bad)


def gather_panoptic(table: LabelTable, listed: Listed, rules: Rules, report: Report, receipt: Receipt) -> Gathered:
    """Panoptic annotations by image; an image without one is spoilt. The PNGs are beside the JSON, under its stem."""
    samples = listed.samples()
    folder = table.path.with_name(table.path.stem)
    annotations: dict[int, Panoptic] = {}
    records, broken = table.records("annotations", PanopticRecord)
    bad = set_aside(broken, samples, report, receipt)
    for record in records:
        ids = [segment.id for segment in record.segments_info]
        if record.image_id not in samples or record.image_id in annotations:
            what = "a second annotation of" if record.image_id in annotations else "not listed:"
            gone = [Problem("coco.image", f"{what} image_id {record.image_id}", rules.file, None, id) for id in ids]
            problem = Problem("coco.image", f"{record.file_name}: {what} image_id {record.image_id}", rules.file)
            if record.image_id in annotations:
                problem = replace(problem, sample=samples[record.image_id][0])
                bad.setdefault(record.image_id, problem)
            report.add(problem)
            receipt.add(Receipt(annotations=len(gone), skipped=gone))
            continue
        sample, size = samples[record.image_id]
        png = str(folder / record.file_name)
        annotations[record.image_id] = Panoptic(rules, size, png, tuple(record.segments_info))
        unknown = [s for s in record.segments_info if s.category_id not in rules.class_ids]
        wrong: Problem | None = None
        if unknown:
            message = f"category_id {unknown[0].category_id} is not listed"
            wrong = Problem("coco.category", message, rules.file, sample, unknown[0].id)
        elif len(set(ids)) < len(ids):
            wrong = Problem("coco.twice", "two segments of the image have one id", rules.file, sample)
        if wrong is not None:
            report.add(wrong)
            bad.setdefault(record.image_id, wrong)
    for id, (sample, _) in samples.items():
        if id not in annotations and id not in bad:
            bad[id] = Problem("coco.image", "no panoptic annotation is of this image", rules.file, sample)
            report.add(bad[id])
    return Gathered(annotations, bad)


def make_items(
    listed: Listed, gathered: Gathered, split: str | None, folder: Place | None, receipt: Receipt
) -> list[Item]:
    """One item an image, but for those that are left out."""
    items: list[Item] = []
    seen: set[int] = set()
    for record, name in zip(listed.images, listed.names, strict=True):
        annotation = gathered.annotations.get(record.id) if record.id not in seen else None
        seen.add(record.id)
        entry = name if isinstance(name, Problem) else gathered.bad.get(record.id, name)
        if isinstance(entry, Problem):
            receipt.add(left_out(entry.sample or "", annotation.ids if annotation else (), entry))
        else:
            image = None if folder is None else str(folder / image_path(record))
            size = (record.height, record.width)
            items.append(Item(entry, image, size, gathered.annotations[record.id], split))
    return items


def image_path(image: ImageRecord) -> str:
    """A record's image as a POSIX path: file_name, or in LVIS v1 the last part of coco_url."""
    if image.file_name is not None:
        return image.file_name.replace("\\", "/").removeprefix("./")
    return (image.coco_url or f"{image.id}").rsplit("/", 1)[-1]


def find_images(path: Place, split: str | None, images: Sequence[ImageRecord], image_dir: str | Path | None) -> Place:
    """The folder with a label file's images. Raises `DataError` (`coco.images`) that lists where it looked."""
    subset = path.stem.rsplit("_", 1)[-1]
    base = path.parent.parent if path.parent.name == "annotations" else path.parent
    if image_dir is not None:
        bases = [place(image_dir)]
    else:
        bases = [base, base / "images", path.parent]
    folders = [b / sub for b in bases for sub in dict.fromkeys((subset, split or "", "")) if (b / sub).is_dir()]
    some_names = [image_path(p) for p in (*images[:20], *images[-1:])]
    for folder in folders:
        if any((folder / name).exists() for name in some_names):
            return folder
    looked = some(dict.fromkeys(f"{folder}/" for folder in folders or bases))
    if not some_names:
        return base
    message = f"its images ({some_names[0]} ...) are not in {looked}: give --image-dir DIR, or --images none"
    raise DataError(Problem("coco.images", message, file=str(path)))
