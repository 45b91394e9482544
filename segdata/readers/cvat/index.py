"""What one pass over a CVAT XML finds: labels, tasks, images and frames, and where in the file the shapes of each are."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

from segdata.errors import DataError, OptionError, Problem
from segdata.files.remote import Place
from segdata.files.xml_text import Element, walk_xml
from segdata.labels import RGB
from segdata.readers.classes.named import NamedClass
from segdata.readers.cvat.figures import DRAWN
from segdata.readers.source import readable

ROOT = "annotations"

TASKS = ("task", "job")
"""The elements of `meta` that tell of frames. A project has several tasks."""


@dataclass(frozen=True, slots=True)
class Task:
    """What `meta` says of a task: its frames `start`, `start + step` ... up to `stop`, and `size` (height, width) of a video."""

    id: str = ""
    start: int = 0
    stop: int | None = None
    count: int | None = None
    step: int = 1
    size: tuple[int, int] | None = None
    subset: str | None = None
    of_images: bool = False
    deleted: frozenset[int] = frozenset()

    @property
    def frames(self) -> range:
        """The numbers of its frames; none if it does not say which."""
        stop = self.start - 1 if self.stop is None else self.stop
        count = max(0, (stop - self.start) // self.step + 1) if self.count is None else self.count
        if self.stop is not None:
            count = min(count, max(0, (stop - self.start) // self.step + 1))
        return range(self.start, self.start + count * self.step, self.step)


class Listed(NamedTuple):
    """An `image`: what it is called, its size (height, width) if it has one, and where its element is, with so many `shapes`."""

    id: str
    name: str | None
    size: tuple[int, int] | None
    subset: str | None
    start: int
    end: int
    shapes: int


class FrameKey(NamedTuple):
    """A frame of a task of a subset, by its number."""

    subset: str | None
    task: str
    number: int


class Tracked(NamedTuple):
    """A shape of a track: its kind and its own label, its frame, whether it is in view there, and where its element is."""

    kind: str
    label: str
    number: int
    in_view: bool
    start: int
    end: int


@dataclass(slots=True)
class Index:
    """What an XML holds. `frames`: four numbers for each shape on a frame, see `add_track`; `seen`: frames with a shape in view.

    `gaps`: frames between which a track is in view and not listed. `mixed`: how many groups have shapes of several labels.
    `valued`: whether a shape has the attribute that is used as label.
    """

    path: Place
    labels: list[NamedClass] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    tasks: dict[str, Task] = field(default_factory=dict)
    images: list[Listed] = field(default_factory=list)
    frames: dict[FrameKey, array[int]] = field(default_factory=dict)
    seen: set[FrameKey] = field(default_factory=set)
    gaps: list[tuple[FrameKey, int]] = field(default_factory=list)
    mixed: int = 0
    tracks: int = 0
    valued: bool = False

    def task_of(self, id: str = "") -> Task:
        """The task of an id, or the only one."""
        return self.tasks.get(id) or (next(iter(self.tasks.values())) if len(self.tasks) == 1 else Task())


def read_index(path: Place, attribute: str | None = None) -> Index:
    """Read an XML once; an `attribute` of a shape is used as its label. Raises `DataError` (`cvat.*`), `StorageError`."""
    reader = _Reader(Index(path), attribute)
    try:
        with readable(path, "cvat.missing"):
            for element in walk_xml(path):
                reader.take(element)
    except ValueError as error:
        message = f"not valid XML, perhaps cut off: {error}: export it again"
        raise DataError(Problem("cvat.xml", message, str(path))) from error
    return reader.index


class _Reader:
    """Takes the elements of an XML in the order in which they end."""

    def __init__(self, index: Index, attribute: str | None) -> None:
        self.index = index
        self._attribute = attribute
        self._value = ""
        self._facts: dict[str, str] = {}
        self._label: dict[str, str] = {}
        self._deleted: set[int] = set()
        self._shapes: list[Tracked] = []
        self._count = 0
        self._groups: dict[tuple[FrameKey | None, str], str] = {}
        self._mixed: set[tuple[FrameKey | None, str]] = set()

    def take(self, element: Element) -> None:
        """One element."""
        names = element.names
        if names[0] != ROOT:
            raise ValueError(f"its root is <{names[0]}> and not <{ROOT}>")
        if len(names) == 1:
            self.index.mixed += len(self._mixed)
            self._sizes()
        elif names[1] == "meta":
            self._take_meta(names, element.text)
        elif len(names) == 4 and names[3] == "attribute" and element.attributes.get("name") == self._attribute:
            self._value = element.text.strip()
            self.index.valued = True
        elif names[1] == "image":
            self._take_image(element)
        elif names[1] == "track":
            self._take_track(element)

    def _take_meta(self, names: tuple[str, ...], text: str) -> None:
        name, around = names[-1], names[-2]
        if around == "label":
            self._label[name] = text
        elif (around, name) == ("labels", "label"):
            label = self._label.get("name", "")
            self.index.labels.append(NamedClass(label, label, hex_color(self._label.get("color"))))
            self._label = {}
        elif "deleted_frames" in names:
            self._deleted |= {int(number) for number in re.findall(r"\d{1,9}", text)}
        elif around == "original_size" or around in TASKS:
            self._facts[name] = text
        if name in TASKS:
            self._add_task()

    def _add_task(self) -> None:
        facts = self._facts
        step = re.search(r"step\s*=\s*([1-9]\d{0,8})", facts.get("frame_filter", ""))
        task = Task(
            facts.get("id", "").strip(),
            whole(facts.get("start_frame")) or 0,
            whole(facts.get("stop_frame")),
            whole(facts.get("size")),
            int(step[1]) if step else 1,
            size_of(facts),
            facts.get("subset", "").strip() or None,
            facts.get("mode", "").strip() == "annotation",
            frozenset(self._deleted),
        )
        self.index.tasks[task.id] = task
        self._facts, self._deleted = {}, set()

    def _sizes(self) -> None:
        """Give the size that is told outside of tasks, as of a job, to those without one."""
        if (size := size_of(self._facts)) is not None:
            tasks = self.index.tasks or {"": Task()}
            self.index.tasks = {id: replace(task, size=task.size or size) for id, task in tasks.items()}

    def _take_image(self, element: Element) -> None:
        attributes = element.attributes
        if len(element.names) == 3:
            self._count += 1
            self._use(element.names[2], self._value or attributes.get("label", ""), attributes.get("group_id"), None)
            self._value = ""
        elif len(element.names) == 2:
            subset = attributes.get("subset") or self.index.task_of(attributes.get("task_id", "")).subset
            self.index.images.append(
                Listed(
                    attributes.get("id", str(len(self.index.images))),
                    attributes.get("name"),
                    size_of(attributes),
                    subset,
                    element.start,
                    element.end,
                    self._count,
                )
            )
            self._count = 0
            self._close_groups()

    def _take_track(self, element: Element) -> None:
        if len(element.names) == 3 and element.names[2] != "track":  # one within a track is an element of a skeleton
            number = whole(element.attributes.get("frame"))
            if number is None:
                what = f"a {element.names[2]} of a track has no frame number: correct it"
                raise DataError(Problem("cvat.frame", what, str(self.index.path)))
            in_view = element.attributes.get("outside") != "1"
            self._shapes.append(Tracked(element.names[2], self._value, number, in_view, element.start, element.end))
            self._value = ""
        elif len(element.names) == 2:
            self._add_track(element)
            self._shapes = []

    def _add_track(self, track: Element) -> None:
        """Note of each shape where it is, and where the tag of its track is: two numbers each, the first byte and the end."""
        index, shapes = self.index, self._shapes
        task = index.task_of(id := track.attributes.get("task_id", ""))
        key_of = partial(FrameKey, task.subset or track.attributes.get("subset"), task.id or id)
        index.tracks += 1
        before: FrameKey | None = None
        for shape in shapes:
            key = key_of(shape.number)
            index.frames.setdefault(key, array("q")).extend((track.start, shapes[0].start, shape.start, shape.end))
            if before is not None and shape.number - before.number > task.step:
                index.gaps.append((before, shape.number))
            before = key if shape.in_view else None
            if shape.in_view:
                index.seen.add(key)
                label = shape.label or track.attributes.get("label", "")
                self._use(shape.kind, label, track.attributes.get("group_id"), key)

    def _use(self, kind: str, label: str, group: str | None, key: FrameKey | None) -> None:
        """Note the label of a shape, and whether another of its group that is drawn has another label."""
        self.index.used.add(label)
        if kind in DRAWN and group and group != "0" and self._groups.setdefault((key, group), label) != label:
            self._mixed.add((key, group))

    def _close_groups(self) -> None:
        self.index.mixed += len(self._mixed)
        self._groups.clear()
        self._mixed.clear()


def whole(text: str | None) -> int | None:
    """A number from 0 on; None for what is none."""
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def size_of(facts: Mapping[str, str]) -> tuple[int, int] | None:
    """(height, width), both from 1 on; None if they are not told."""
    height, width = whole(facts.get("height")), whole(facts.get("width"))
    return (height, width) if height and width else None


def hex_color(text: str | None) -> RGB | None:
    """A colour as `#fa3253`; None for what is none."""
    match = re.fullmatch(r"#?([0-9a-fA-F]{6})", (text or "").strip())
    return (int(match[1][:2], 16), int(match[1][2:4], 16), int(match[1][4:], 16)) if match else None


def labels_of(indexes: Iterable[Index], attribute: str | None = None) -> list[NamedClass]:
    """The labels that XMLs list, each once, in order; if they list none, or with an attribute, those of the shapes, sorted.

    Raises `OptionError` if no shape has the attribute.
    """
    indexes = list(indexes)
    if attribute is not None and not any(index.valued for index in indexes):
        raise OptionError(f"--attribute {attribute}: no shape has an attribute of this name")
    labels = {label.name: label for index in reversed(indexes) for label in reversed(index.labels)}
    names = dict.fromkeys(label.name for index in indexes for label in index.labels if label.name)
    if attribute is not None or not names:
        names = dict.fromkeys(sorted(set().union(*(index.used for index in indexes)) - {""}))
    return [labels.get(name) or NamedClass(name, name) for name in names]
