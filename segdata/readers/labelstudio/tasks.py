"""Label Studio's tasks: where each lies in a label file, and its parts, whatever the version and form of the export."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, NoReturn, TypeVar

import msgspec
import numpy as np

from segdata.errors import DataError, Problem, reason
from segdata.files.limits import MAX_BYTES, too_long
from segdata.files.members import member_path
from segdata.files.places import place, read_range, size_of
from segdata.kernels.json_spans import DEPTH, IN_STRING, LEVEL, START, WRONG, find_spans
from segdata.readers.source import readable
from segdata.words import some

T = TypeVar("T")

Id = str | int

Which = Literal["latest", "first", "ground-truth", "prediction", "corrected"]
"""Which annotation of an image is taken."""

CHUNK = 2**22
"""So many bytes of a label file are looked through at once."""

OTHER = "labelstudio.other_json"
"""The code of a problem: an object that is no task, as in another program's JSON."""

NULL = msgspec.Raw(b"null")

LABELS = (
    "brushlabels", "polygonlabels", "rectanglelabels", "ellipselabels", "bitmasklabels", "keypointlabels", "vectorlabels",
    "labels",
)  # fmt: skip
"""The keys under which a region has its labels, in the order in which they are asked."""

KINDS = (
    ("rle", "brush"), ("imageDataURL", "bitmask"), ("points", "polygon"), ("vertices", "vector"), ("sequence", "video"),
    ("radiusX", "ellipse"),
)  # fmt: skip
"""The key by which each kind of region is told."""


class Result(msgspec.Struct, gc=False):
    """An entry of `result`: a region, or what a further control says of it or of the image."""

    id: Id | None = None
    type: str | None = None
    from_name: str | None = None
    to_name: str | None = None
    source: str | None = None
    original_width: float | None = None
    original_height: float | None = None
    item_index: int | None = None
    value: msgspec.Raw = NULL


class Work(msgspec.Struct):
    """An annotation, which is all that one person drew, or a prediction. Older versions call it a completion."""

    id: Id | None = None
    result: list[Result] | None = None
    created_at: str | float | None = None
    was_cancelled: bool | None = None
    skipped: bool | None = None
    ground_truth: bool | None = None
    honeypot: bool | None = None

    @property
    def cancelled(self) -> bool:
        """Whether it was skipped or taken back, as the tool's converter tells."""
        return bool(self.skipped or self.was_cancelled)

    @property
    def created(self) -> float:
        """When it was made, in seconds; 0 where that is not told."""
        if isinstance(self.created_at, str):
            try:
                moment = datetime.fromisoformat(self.created_at)
            except ValueError:
                return 0.0
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        return self.created_at or 0.0


class Full(msgspec.Struct):
    """A task as JSON has it. Annotations and predictions that are only numbers are those that the server has elsewhere."""

    data: dict[str, Any]
    id: Id | None = None
    annotations: list[Work | int] | None = None
    completions: list[Work | int] | None = None
    predictions: list[Work | int] | None = None
    drafts: list[Any] | None = None
    result: msgspec.Raw = NULL


class Marks(msgspec.Struct, gc=False):
    """What is seen of a region's value before it is drawn: its labels, and of which kind it is."""

    points: msgspec.Raw = NULL
    rle: msgspec.Raw = NULL
    format: str | None = None
    imageDataURL: msgspec.Raw = NULL
    vertices: msgspec.Raw = NULL
    sequence: msgspec.Raw = NULL
    x: msgspec.Raw = NULL
    y: msgspec.Raw = NULL
    width: msgspec.Raw = NULL
    height: msgspec.Raw = NULL
    radiusX: msgspec.Raw = NULL
    radiusY: msgspec.Raw = NULL
    rotation: msgspec.Raw = NULL
    brushlabels: list[str] | str | None = None
    polygonlabels: list[str] | str | None = None
    rectanglelabels: list[str] | str | None = None
    ellipselabels: list[str] | str | None = None
    bitmasklabels: list[str] | str | None = None
    keypointlabels: list[str] | str | None = None
    vectorlabels: list[str] | str | None = None
    labels: list[str] | str | None = None

    @property
    def kind(self) -> str:
        """brush, bitmask, polygon, ellipse, rectangle; or keypoint, vector, video, which hold no pixels; or nothing."""
        for name, kind in KINDS:
            if getattr(self, name) != NULL:
                return kind
        if self.x == NULL or self.y == NULL:
            return ""
        return "keypoint" if self.height == NULL else "rectangle"

    @property
    def shape(self) -> tuple[msgspec.Raw, ...]:
        """What two entries have in common that are of one region."""
        return (
            self.rle, self.imageDataURL, self.points, self.vertices, self.x, self.y, self.width, self.height, self.radiusX,
            self.radiusY, self.rotation,
        )  # fmt: skip

    def names(self) -> list[str]:
        """Its labels."""
        given = (getattr(self, key) for key in LABELS)
        return [name for one in given if one for name in ([one] if isinstance(one, str) else one) if name.strip()]


@dataclass(frozen=True, slots=True)
class Task:
    """What a label file says of one task: the data that it shows, by key, and what was drawn on it."""

    id: Id | None
    data: dict[str, Any]
    works: list[Work]
    predictions: list[Work]
    drafts: int = 0
    minimal: bool = False
    """Whether it is a record of JSON-MIN, in which regions are listed by control."""

    def chosen_from(self, which: Which) -> list[Work]:
        """What the annotation of each image is one of: annotations, or predictions."""
        if which == "prediction" or (which == "corrected" and not self.works):
            return self.predictions
        return self.works


class Span(NamedTuple):
    """Where a task lies: from byte `start` of a label file to before `end`."""

    file: str
    start: int
    end: int

    def part(self, data: bytes, text: str) -> str | None:
        """The path of an image within its bytes `data`: of the whole string `text`, `data:image/png;base64,...`.

        None if that is not there as it is.
        """
        start, _, base64 = text.partition(",")
        for written in (base64.encode(), base64.replace("/", r"\/").encode()):
            if (at := data.find(b"," + written + b'"')) >= 0 and self.file.lower().endswith(".json"):
                ending = start.removeprefix("data:image/").partition(";")[0].partition("+")[0]
                return member_path(self.file, self.start + at + 1, len(written), f"x.{ending}", "base64")
        return None


# Where they lie


def task_spans(path: str) -> Iterator[tuple[Span, bytes]]:
    """Each task of a label file with its bytes: of a list, of JSON Lines, of `{"tasks": [...]}`, or the only one.

    Raises `DataError` (`labelstudio.json`, `.missing`).
    """
    try:
        with readable(path, "labelstudio.missing"):
            for span, data in object_spans(path):
                if data.find(b'"tasks"', 0, 4096) >= 0 and begins(tasks := _parts(data).get("tasks", NULL), b"["):
                    yield from _within(span, data, tasks)
                else:
                    yield span, data
    except DataError as error:
        raise error.at(file=path) from error.__cause__


def object_spans(path: str) -> Iterator[tuple[Span, bytes]]:
    """The same of the objects of any JSON that is a list of them, or one or several objects."""
    there = place(path)
    size, state = size_of(there), np.array([0, 0, 0, -1, -1, -1], np.int64)
    kept, base = bytearray(), 0
    for offset in range(0, size, CHUNK):
        chunk = read_range(there, offset, min(size, offset + CHUNK))
        if offset == 0 and chunk.startswith(b"\xef\xbb\xbf"):
            chunk = b"   " + chunk[3:]
        spans = np.empty((len(chunk) // 2 + 1, 2), np.int64)
        found = find_spans(np.frombuffer(chunk, np.uint8), offset, state, spans)
        kept += chunk
        for start, end in spans[:found].tolist():
            yield Span(path, start, end), bytes(memoryview(kept)[start - base : end - base])
        done = int(state[START]) if state[START] >= 0 else offset + len(chunk)
        del kept[: done - base]
        base = done
        if state[WRONG] >= 0:
            _refuse(path, f"byte {state[WRONG]} begins what is no task", OTHER)
        if len(kept) > MAX_BYTES:
            _refuse(path, f"no end of a task is found: {too_long(len(kept))}")
    if state[DEPTH] or state[IN_STRING] or state[LEVEL] < 0:
        _refuse(path, "it is cut off" if size and state[LEVEL] >= 0 else "it is empty, or no JSON of tasks")


def _within(span: Span, data: bytes, tasks: msgspec.Raw) -> Iterator[tuple[Span, bytes]]:
    """The tasks of a list within an object."""
    whole, inner = np.frombuffer(data, np.uint8), np.frombuffer(memoryview(tasks), np.uint8)
    offset = inner.ctypes.data - whole.ctypes.data
    state, spans = np.array([0, 0, 0, -1, -1, -1], np.int64), np.empty((len(inner) // 2 + 1, 2), np.int64)
    found = find_spans(inner, offset, state, spans)
    if state[WRONG] >= 0:
        _refuse(span.file, f"byte {span.start + int(state[WRONG])} begins what is no task", OTHER)
    for start, end in spans[:found].tolist():
        yield Span(span.file, span.start + start, span.start + end), data[start:end]


def _refuse(path: str, why: str, code: str = "labelstudio.json") -> NoReturn:
    raise DataError(Problem(code, f"not an export of Label Studio: {why}: export it again as JSON", path))


# What they hold


FULL = msgspec.json.Decoder(Full)
PARTS = msgspec.json.Decoder(dict[str, msgspec.Raw])
ID = msgspec.json.Decoder(str | int | None)
LIST = msgspec.json.Decoder(list[msgspec.Raw])
RESULT = msgspec.json.Decoder(Result)
MARKS = msgspec.json.Decoder(Marks | None)


def read_task(span: Span) -> tuple[Task, bytes]:
    """The task that lies there, and its bytes. Raises `DataError` as `parse_task`."""
    with readable(span.file, "labelstudio.missing"):
        data = read_range(place(span.file), span.start, span.end)
    return parse_task(data), data


def parse_task(data: bytes) -> Task:
    """A task of any form: with annotations, an annotation with its task, or a record of JSON-MIN.

    Raises `DataError` (`labelstudio.json`, `labelstudio.task`).
    """
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # what is odd is looked at slowly
        if (full := FULL.decode(data)).result == NULL:
            return _full(full)
    parts = _parts(data)
    if "result" in parts and "task" in parts:  # what the tool writes to a target storage
        task = decoded(parts["task"], msgspec.json.Decoder(dict[str, msgspec.Raw] | int), "its task")
        if not isinstance(task, dict):
            raise DataError(
                Problem("labelstudio.task", "an annotation whose task is only a number: export tasks instead")
            )
        parts = {**task, "annotations": msgspec.Raw(b"[" + msgspec.json.encode(parts) + b"]")}
    if begins(parts.get("data", NULL), b"{"):
        return _full(decoded(msgspec.json.encode(parts), FULL, ""))
    if is_record(parts):
        return _record(parts)
    message = f"no task of Label Studio: it has no data and no annotations (it has {some(parts) or 'nothing'})"
    raise DataError(Problem(OTHER, message))


def begins(raw: msgspec.Raw, signs: bytes) -> bool:
    """Whether a part of a JSON begins so, white space aside."""
    return b"".join(bytes(memoryview(raw)[:256]).split()).startswith(signs)


def is_record(parts: Mapping[str, object]) -> bool:
    """Whether an object has the keys of a record of JSON-MIN."""
    return "annotation_id" in parts or "annotator" in parts


def _full(full: Full) -> Task:
    works = full.completions if full.annotations is None else full.annotations
    drawn, predicted = ([work for work in given or () if isinstance(work, Work)] for given in (works, full.predictions))
    return Task(full.id, full.data, drawn, predicted, len(full.drafts or ()))


def _record(parts: Mapping[str, msgspec.Raw]) -> Task:
    """A record of JSON-MIN: a task's data, and lists of values by the names of controls."""
    data: dict[str, Any] = {}
    results: list[Result] = []
    first: dict[object, Result] = {}
    times: Counter[object] = Counter()
    for key, raw in parts.items():
        if begins(raw, b"[{"):
            values: list[msgspec.Raw] = decoded(raw, LIST, key)
            for number, value in enumerate(values):
                if (result := _entry(value, key, number)) is None:
                    continue
                if (marks := marks_of(result)).kind:  # what two controls say of one region
                    shape = tuple(map(bytes, marks.shape))
                    times[key, shape] += 1
                    result.id = first.setdefault((shape, times[key, shape]), result).id
                results.append(result)
        elif key not in ("created_at", "updated_at", "annotation_id"):
            data[key] = decoded(raw, msgspec.json.Decoder(Any), key)
    work = Work(_id(parts, "annotation_id"), results)
    work.created_at = decoded(parts.get("created_at", NULL), msgspec.json.Decoder(str | float | None), "created_at")
    nothing = work.id is None and not first  # what the converter writes of a task that nobody has labelled
    return Task(_id(parts), data, [] if nothing else [work], [], minimal=True)


def _entry(value: msgspec.Raw, key: str, number: int) -> Result | None:
    """An entry of a control's list; None for what is a part of the task's data, such as the lines of a dialogue."""
    name = f"{key}[{number}]"
    try:
        result = decoded(value, RESULT, name)
    except DataError:
        if marks_of(Result(name, value=value)).kind:
            raise
        return None
    result.id, result.from_name, result.value = name, key, value
    return result


def marks_of(result: Result) -> Marks:
    """What is seen of a region. Raises `DataError` (`labelstudio.value`)."""
    try:
        return MARKS.decode(result.value) or Marks()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if begins(result.value, b"{"):
            raise DataError(Problem("labelstudio.value", f"its value is damaged: {reason(error)}")) from error
        return Marks()


def _id(parts: Mapping[str, msgspec.Raw], key: str = "id") -> Id | None:
    id: Id | None = decoded(parts.get(key, NULL), ID, key)
    return id


def _parts(data: bytes) -> dict[str, msgspec.Raw]:
    """The members of an object, undecoded. NaN, which is not JSON but is written by Python, becomes a text."""
    try:
        return PARTS.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = error
    try:
        return PARTS.decode(json.dumps(json.loads(data, parse_constant=str)).encode())
    except (ValueError, RecursionError, msgspec.DecodeError):
        raise DataError(Problem("labelstudio.json", f"not valid JSON: {reason}")) from reason


def decoded(raw: bytes | msgspec.Raw, decoder: msgspec.json.Decoder[T], what: str) -> T:
    """A part of a task. Raises `DataError` (`labelstudio.task`) that says which and why."""
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        why = reason(error) if isinstance(error, msgspec.ValidationError) else "it is damaged"
        raise DataError(Problem("labelstudio.task", f"{what}: {why}" if what else why)) from error
