"""Profiles: the signals of many images of one model in a file, which streams and can be appended to.

The first line says what they are of, each other line is a `Signals`. A last line without its end is one that is being written,
or that was when its writer was killed: readers leave it out, and who appends cuts it off.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from io import BufferedRandom
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, BinaryIO

import msgspec
from msgspec import Meta

from segdata.dataset.locks import locked
from segdata.errors import DatasetError, OptionError, reason, writing
from segdata.files.durable import sync_file
from segdata.files.limits import open_regular
from segdata.files.places import local_copy, place, write_whole
from segdata.files.remote import Place
from segdata.labels import MAX_CLASSES, Labels
from segdata.prediction.predictor import Predictor
from segdata.prediction.signals import BINS, Signals
from segdata.version import __version__
from segdata.words import briefly

FORMAT = 1

SIGNALS = "signals.jsonl"
"""Its name in a dataset of predictions."""

PROFILE = "profile.jsonl"
"""Its name beside a checkpoint: of the validation images, with what is right in them."""

LONGEST = 2**24
"""The most bytes of a line."""

SYNC = 5.0
"""Seconds of a stream that a power cut may lose."""

FAULTS = (msgspec.MsgspecError, RecursionError, KeyError, TypeError, ValueError, AttributeError, OptionError)
"""What is raised on a line that is damaged."""

OTHER = "holds signals of another model, or of other classes: choose another file"


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What a file's signals are of."""

    signals: Annotated[int, Meta(ge=1)] = FORMAT
    """The format."""
    segdata: str = __version__
    labels: dict[str, Any]
    digest: str
    """That of the label contract."""
    model: str | None = None
    """The SHA-256 of the model's file, of several ones together with a cross-validation; None for one that is no file."""
    checkpoint: str | None = None
    """The SHA-256 of the checkpoint that an exported model says the same as."""
    temperature: Annotated[float, Meta(gt=0, le=2**14)] = 1.0
    """What the model divides logits by; 1 where several models have several."""

    @classmethod
    def of(cls, labels: Labels, model: str | None = None, temperature: float = 1.0) -> About:
        """Of a model with these labels."""
        return cls(labels=labels.to_json(), digest=labels.digest, model=model, temperature=temperature)

    @classmethod
    def by(cls, predictor: Predictor, model: str | None) -> About:
        """Of what a predictor says; `model` is the SHA-256 of its file, None if there is none."""
        about = cls.of(predictor.labels, model, getattr(predictor, "temperature", 1.0))
        return msgspec.structs.replace(about, checkpoint=getattr(predictor, "checkpoint", None))

    @property
    def origin(self) -> str | None:
        """The SHA-256 of the checkpoint that all comes from, as far as that is known."""
        return self.checkpoint or self.model

    @property
    def contract(self) -> Labels:
        """The label contract."""
        return Labels.from_json(self.labels)

    @property
    def whose(self) -> tuple[str, str | None, float]:
        """What two files must have in common, so that one may go on where the other ends."""
        return self.digest, self.model, self.temperature


@dataclass(frozen=True, slots=True)
class Profile:
    """The signals of the images of a model."""

    __repr__ = briefly

    about: About
    rows: tuple[Signals, ...]

    @property
    def labels(self) -> Labels:
        """The label contract."""
        return self.about.contract

    def save(self, path: str | Place) -> None:
        """Write the file, sorted by id. It is whole or absent."""
        rows = sorted(self.rows, key=lambda row: row.id)
        write_whole(place(path), b"".join([line_of(self.about), *map(line_of, rows)]))


def line_of(one: About | Signals) -> bytes:
    """A line of the file."""
    return msgspec.json.encode(one) + b"\n"


def read_profile(path: str | Place) -> Profile:
    """All of a file. Raises `DatasetError` for somebody else's, or a damaged one."""
    with streamed(path) as (about, rows):
        return Profile(about, tuple(rows))


@contextmanager
def streamed(path: str | Place) -> Iterator[tuple[About, Iterator[Signals]]]:
    """What a file is of, and its rows as they are read, one at a time. Raises as `read_profile`, also while rows are read."""
    there = place(path)
    if not there.is_file():
        raise DatasetError(f"{path}: there is no such file: segdata predict and train write such files")
    with local_copy(there) as here, open_regular(here) as file:
        about = _about(file, path)
        yield about, _rows(file, about, path)


def _about(file: BinaryIO, path: str | Place) -> About:
    line = file.readline(LONGEST)
    try:
        about = msgspec.json.decode(line, type=About)
        labels = about.contract
    except FAULTS as error:
        raise DatasetError(
            f"{path}: not a file of signals (segdata predict and train write them): {reason(error)}"
        ) from error
    if about.signals > FORMAT:
        raise DatasetError(f"{path}: of format {about.signals}, this segdata reads {FORMAT}: upgrade segdata")
    if labels.digest != about.digest or len(labels.classes) > MAX_CLASSES or not line.endswith(b"\n"):
        raise DatasetError(f"{path}: not a file of signals: its first line is damaged")
    return about


def _rows(file: BinaryIO, about: About, path: str | Place) -> Iterator[Signals]:
    decoder, classes = msgspec.json.Decoder(Signals), len(about.contract.classes)
    length: int | None = None
    number = 1
    while line := file.readline(LONGEST):
        number += 1
        if not line.endswith(b"\n") and len(line) < LONGEST:
            return
        try:
            row = decoder.decode(line)
            length = _checked(row, classes, length)
        except FAULTS as error:
            way = "predict again, or remove that line"
            raise DatasetError(f"{path}: line {number} is damaged: {reason(error)}: {way}") from error
        yield row


def _checked(row: Signals, classes: int, length: int | None) -> int | None:
    """D of the rows until now. Raises `ValueError` for lists of other lengths than they should have."""
    if any(len(values) != classes for values in (row.pixels, row.confidence, row.entropy)):
        raise ValueError(f"pixels, confidence and entropy must be of {classes} classes each")
    if any(values is not None and len(values) != BINS for values in (row.histogram, row.judged, row.right)):
        raise ValueError(f"histogram, judged and right must have {BINS} bins each")
    if (row.judged is None) != (row.right is None):
        raise ValueError("judged and right come together")
    if any(right > judged for right, judged in zip(row.right or (), row.judged or (), strict=True)):
        raise ValueError("more pixels are right than were judged")
    if sum(row.histogram) != row.total:
        raise ValueError("the histogram has other pixels than the classes")
    vector = row.vector
    if vector is None:
        return length
    if length is not None and len(vector) != length:
        raise ValueError(f"an embedding of {len(vector)} numbers, after others of {length}")
    return len(vector)


class Stream:
    """A file that rows are appended to, as a service answers; a killed process loses none, a power cut those of `SYNC` seconds.

    A row for which there is no room leaves nothing. One program may have it open. As a context it is closed in the end.
    """

    def __init__(self, path: str | Place, about: About) -> None:
        """Go on after what is there, or begin. Raises `DatasetError` for signals of another model, or no file of signals."""
        there = place(path)
        if not isinstance(there, Path):
            raise OptionError(f"{path}: signals can be appended to files of this machine only")
        self._path, self._due = there, 0.0
        there.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            self._file: BufferedRandom = stack.enter_context(locked(there))
            self._go_on(about)
            stack.pop_all()

    def append(self, row: Signals) -> None:
        """Write one more row. Raises `OSError`, such as for a full disk."""
        with writing(self._path):
            self._put(line_of(row))
            if time.monotonic() > self._due:
                os.fsync(self._file.fileno())
                self._due = time.monotonic() + SYNC

    def close(self) -> None:
        """Let go of the file; what is in it is on the disk then."""
        if self._file.closed:
            return
        with writing(self._path):
            try:
                os.fsync(self._file.fileno())
            finally:
                with suppress(OSError):  # the first one is on its way
                    self._file.close()

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _go_on(self, about: About) -> None:
        """Check the first line, or write it; cut off a last one that has no end."""
        if os.fstat(self._file.fileno()).st_size:
            found = _about(self._file, self._path)
            if found.whose != about.whose:
                raise DatasetError(f"{self._path}: {OTHER}")
            self._file.truncate(self._whole())
        else:
            with writing(self._path):
                self._put(line_of(about))
        sync_file(self._path)

    def _put(self, line: bytes) -> None:
        """Write a line at the end, past the buffer, which would keep a part of it; a line that does not fit is cut off again."""
        number = self._file.fileno()
        end, left = os.fstat(number).st_size, line
        try:
            while left:
                left = left[os.write(number, left) :]
        except OSError:
            os.ftruncate(number, end)
            raise

    def _whole(self) -> int:
        """How many bytes the lines have that have an end."""
        end = self._file.tell()
        while line := self._file.readline(LONGEST):
            end += len(line) if line.endswith(b"\n") else 0
        return end
