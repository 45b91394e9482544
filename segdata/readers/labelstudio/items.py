"""From Label Studio's tasks to items: which images there are, and which annotation of each is taken."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from segdata.dataset.ids import sample_ids
from segdata.dataset.origin import Origin
from segdata.errors import Problem, Report
from segdata.readers.labelstudio.images import CONFIG, Finder, local_name
from segdata.readers.labelstudio.masks import Drawing, Drawings, Rules
from segdata.readers.labelstudio.seen import Inside, Seen, TaskSeen
from segdata.readers.labelstudio.tasks import Which
from segdata.readers.named_images import tail, without_common
from segdata.readers.source import Item, Receipt, leave_out, left_out
from segdata.words import some

Unlabelled = Literal["drop", "background"]
"""What images become that have no annotation."""

WITHOUT = {
    "ground-truth": "no annotation is marked as ground truth (--annotation latest takes others)",
    "prediction": "it has no prediction",
    "corrected": "it has no annotation and no prediction",
}
"""Why an image is left out that no annotation is taken of, if it is not that it has none."""


@dataclass(slots=True)
class ImageSeen:
    """An image: its URL, or its path within a label file; what its sample id is made of; the first task that shows it;
    the drawings of all; the label files that hold no task but one of its own; and whether there are several. `origin`: the
    sample that segdata wrote the task of."""

    url: str
    name: str | None
    task: str | int
    drawings: list[Drawing] = field(default_factory=list)
    own: tuple[str, ...] = ()
    shared: bool = False
    origin: Origin | None = None


def make_items(
    seen: Seen,
    rules: Rules,
    which: Which,
    unlabelled: Unlabelled,
    finder: Finder | None,
    report: Report,
    receipt: Receipt,
) -> list[Item]:
    """One item an image, but for those that are left out. Images are looked for unless `finder` is None."""
    images = images_seen(seen, report, receipt)
    names, renamed = sample_ids(None, sample_names(images))
    receipt.renamed += renamed
    items: list[Item] = []
    kept: list[ImageSeen] = []
    several = without = shared = 0
    for image, name in zip(images, names, strict=True):
        taken = choose(image.drawings, which)
        there = file_of(image, name, finder)
        if isinstance(name, str) and taken is None and unlabelled == "drop":
            why = Problem("labelstudio.unlabelled", WITHOUT.get(which, "it has no annotation"))
            receipt.add(left_out(name, [drawing.id for drawing in image.drawings], why))
            without += 1
        elif isinstance(there, Problem):
            leave_out(there, [drawing.id for drawing in image.drawings], report, receipt)
        else:
            others = tuple(drawing for drawing in image.drawings if drawing is not taken)
            several += not all(other.cancelled for other in others)
            shared += image.shared
            size = next((one.size for one in (taken, *others) if one is not None and one.size is not None), None)
            split, group = None, None
            if (origin := image.origin) is not None:
                size, split, group = size or origin.size, origin.split, origin.group
            kept.append(image)
            drawings = Drawings(rules, taken, others, size, there, image.own)
            items.append(Item(str(name), there, size, drawings, split, group, exif="upright"))
    if without:
        what = "--unlabelled background makes them background"
        receipt.notes.append(f"images of which no annotation is taken ({which}): {without:,}, left out ({what})")
    if several:
        what = f"images with several annotations: {several:,}, of each one is taken ({which}, see --annotation)"
        receipt.notes.append(f"{what}; the others are listed as left out, with how many pixels differ")
    new = [item.id for item, image in zip(items, kept, strict=True) if image.origin is None]
    if new and any(item.split is not None for item in items):
        receipt.notes.append(f"tasks that segdata did not write, in no split: {len(new):,}, such as {min(new)}")
    if shared:
        what = f"images that several tasks show: {shared:,}, of all their annotations one is taken"
        receipt.warnings.append(f"{what}: convert one label file at a time if each says something else")
    items.sort(key=lambda item: item.id)
    return items


def choose(drawings: Iterable[Drawing], which: Which) -> Drawing | None:
    """The annotation that is taken: of one time the first in the file, as the tool's converter has them."""
    usable = [one for one in drawings if not one.cancelled and (one.truth or which != "ground-truth")]
    pick = min if which == "first" else max
    return pick(usable, key=lambda one: one.created, default=None)


def file_of(image: ImageSeen, name: str | Problem, finder: Finder | None) -> str | Problem | None:
    """The image's file; None if none is wanted."""
    if isinstance(name, Problem) or finder is None:
        return name if isinstance(name, Problem) else None
    if isinstance(image.url, Inside):
        return str(image.url)
    found = finder.find(image.url)
    return found if isinstance(found, str) else replace(found, sample=name)


def images_seen(seen: Seen, report: Report, receipt: Receipt) -> list[ImageSeen]:
    """The images of all tasks, in their order, each once. A task without one is reported, and left out."""
    images: dict[object, ImageSeen] = {}
    for task in seen.tasks:
        keys = [key for key, _ in task.images if key in seen.keys] or [key for key, _ in task.images]
        if not keys or (len(keys) > 1 and not seen.keys.issuperset(keys)):
            there = f"images under {some(keys)}, and no region is on one" if keys else "no image"
            problem = Problem("labelstudio.image", f"its data has {there}: {CONFIG}", task.span.file)
            leave_out(problem, [work.id for work in task.works], report, receipt, sample=f"task {task.id}")
            continue
        all = [(key, nth, url) for key, urls in task.images if key in keys for nth, url in enumerate(urls)]
        for key, nth, url in all:
            name = f"task-{task.id}" + (f"-{key}-{nth}" if len(all) > 1 else "") if isinstance(url, Inside) else None
            origin = task.origin if len(all) == 1 else None
            name = name if origin is None else f"{origin.id}.png"  # an id is a path without an extension
            seen_as = url if not isinstance(url, Inside) else (task.span.file, name)
            image = images.setdefault(seen_as, ImageSeen(url, name, task.id, origin=origin))
            image.drawings.extend(drawings(task, key, nth))
            image.shared |= image.task != task.id
            if task.own and task.span.file not in image.own:
                image.own += (task.span.file,)
    seen.tasks.clear()
    return [*images.values()]


def drawings(task: TaskSeen, key: str, nth: int) -> Iterable[Drawing]:
    """The annotations of a task, of one of its images."""
    for work in task.works:
        size = next((size for target, size in work.sizes if target == (key, nth)), None)
        yield Drawing(task.span, work.place, key, nth, work.id, work.created, work.truth, work.cancelled, size)


def sample_names(images: Sequence[ImageSeen]) -> list[str]:
    """What sample ids are made of: the paths that URLs name, without the folders that all have in common."""
    tails = without_common([tail(local_name(image.url)) for image in images if image.name is None])
    rest = iter(tails)
    return [next(rest) if image.name is None else image.name for image in images]
