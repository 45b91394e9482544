"""From COCO's records to items: which annotations are on which image, and which images are left out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from segdata.dataset.ids import sample_ids
from segdata.errors import Problem, Report
from segdata.files.places import leads_out
from segdata.readers.coco.annotations import Instances, Panoptic, Rules
from segdata.readers.coco.images import Located, by_last_parts
from segdata.readers.coco.records import Id, Record, one_id
from segdata.readers.coco.tables import Broken, ImageRecord, LabelTable, PanopticRecord
from segdata.readers.source import Annotation, Item, Receipt, left_out

WITHOUT = ", or give --image-match name, which takes the last parts of it"
"""The way out of a name that leads out, if no image is wanted."""


@dataclass(frozen=True, slots=True)
class Listed:
    """The images that a label file lists, and the sample id of each, or the problem for which it is left out."""

    images: Sequence[ImageRecord]
    names: Sequence[str | Problem]

    def samples(self) -> dict[Id, tuple[str, tuple[int, int]]]:
        """Image id -> sample id and (height, width); the first of an image id that occurs twice."""
        out: dict[Id, tuple[str, tuple[int, int]]] = {}
        for image, name in zip(self.images, self.names, strict=True):
            sample = name if isinstance(name, str) else name.sample or ""
            out.setdefault(image.id, (sample, (image.height, image.width)))
        return out


def list_images(
    images: Sequence[ImageRecord], located: Located, split: str | None, file: str, report: Report, receipt: Receipt
) -> Listed:
    """Give every image its sample id. A bad name, an image id that occurs twice and an empty size are problems."""
    names, renamed = sample_ids(split, located.names)
    receipt.renamed += renamed
    times = Counter(image.id for image in images)
    out: list[str | Problem] = []
    way_out: str | None = None
    for image, name, there in zip(images, names, located.files, strict=True):
        sample = name if isinstance(name, str) else name.sample
        if isinstance(name, Problem):
            if name.code == "image.name" and way_out is None:
                way_out = by_last_parts(images, located.folders) if located.folders else WITHOUT
            name = replace(name, file=file, message=name.message + (way_out or ""))
        elif isinstance(there, Problem):
            name = replace(there, file=file, sample=sample)
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

    annotations: Mapping[Id, Annotation]
    bad: dict[Id, Problem]


def gather_instances(table: LabelTable, listed: Listed, rules: Rules, report: Report, receipt: Receipt) -> Gathered:
    """Annotations by image, and the images that a bad annotation spoils."""
    samples = listed.samples()
    by_image: dict[Id, list[Record]] = defaultdict(list)
    image_of: dict[Id, Id] = {}
    records, broken = table.records("annotations", Record)
    number(records, table.path.name, receipt)
    bad = set_aside(broken, samples, report, receipt)
    for record in records:
        code, message = "", ""
        if record.iscrowd:
            receipt.crowds += 1
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


def number(records: Sequence[Record], file: str, receipt: Receipt) -> None:
    """Give the annotations that have no id the numbers that follow the greatest one, in the order of the file."""
    if without := [record for record in records if record.id == ""]:
        first = 1 + max((record.id for record in records if isinstance(record.id, int)), default=0)
        for number, record in enumerate(without, first):
            record.id = number
        last = first + len(without) - 1
        receipt.notes.append(f"{file}: {len(without):,} annotations have no id: they are called {first} to {last} here")


def gather_panoptic(table: LabelTable, listed: Listed, rules: Rules, report: Report, receipt: Receipt) -> Gathered:
    """Panoptic annotations by image; an image without one is spoilt. The PNGs are beside the JSON, under its stem."""
    samples = listed.samples()
    folder = table.path.with_name(table.path.stem)
    annotations: dict[Id, Panoptic] = {}
    records, broken = table.records("annotations", PanopticRecord)
    bad = set_aside(broken, samples, report, receipt)
    for record in records:
        ids = [segment.id for segment in record.segments_info]
        receipt.crowds += sum(bool(segment.iscrowd) for segment in record.segments_info)
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
        elif leads_out(record.file_name):
            message = f"its file_name {record.file_name!r} leads out of {folder.name}/: do not trust this file"
            wrong = Problem("panoptic.outside", message, rules.file, sample)
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


def make_items(listed: Listed, gathered: Gathered, split: str | None, located: Located, receipt: Receipt) -> list[Item]:
    """One item an image, but for those that are left out."""
    items: list[Item] = []
    seen: set[Id] = set()
    for record, name, file in zip(listed.images, listed.names, located.files, strict=True):
        annotation = gathered.annotations.get(record.id) if record.id not in seen else None
        seen.add(record.id)
        entry = name if isinstance(name, Problem) else gathered.bad.get(record.id, name)
        if isinstance(entry, Problem):
            receipt.add(left_out(entry.sample or "", annotation.ids if annotation else (), entry))
        else:
            image = file if isinstance(file, str) else None
            size = (record.height, record.width)
            items.append(Item(entry, image, size, gathered.annotations[record.id], split))
    return items


def set_aside(
    broken: Sequence[Broken], samples: Mapping[Id, tuple[str, tuple[int, int]]], report: Report, receipt: Receipt
) -> dict[Id, Problem]:
    """Annotations of the wrong shape, each with its line, and the images, by image id, that they spoil."""
    bad: dict[Id, Problem] = {}
    for problem, values in broken:
        id = values.get("id")
        problem = replace(problem, annotation=id if isinstance(id, int | str) else None)
        image = one_id(str(values.get("image_id")).removesuffix(".0"))
        if image in samples:
            problem = replace(problem, sample=samples[image][0])
            bad.setdefault(image, problem)
        else:
            problem = replace(problem, message=f"{problem.message}: which image it is on cannot be told")
        report.add(problem)
        receipt.add(Receipt(annotations=1, skipped=[problem]))
    return bad
