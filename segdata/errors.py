"""The errors of segdata; each message is one line.

The user can correct a `SegdataError` and its subclasses: the command line prints them without a traceback and exits 1. Any
other exception is a bug in segdata.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Literal, get_args

OnError = Literal["stop", "skip"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding: where it is, and what to do about it. `code` is stable (`coco.polygon`), `message` is for people."""

    code: str
    message: str
    file: str | None = None
    sample: str | None = None
    annotation: int | str | None = None

    def __post_init__(self) -> None:
        """Escape what is not UTF-8, such as names of files, as Python does: problems are written to files and journals."""
        for name in ("message", "file", "sample", "annotation"):
            if isinstance(value := getattr(self, name), str) and not value.isascii():
                object.__setattr__(self, name, value.encode(errors="backslashreplace").decode())

    def __str__(self) -> str:
        where = [self.file, self.sample, None if self.annotation is None else f"annotation {self.annotation}"]
        return ": ".join([part for part in where if part] + [self.message]) + f" [{self.code}]"

    def to_json(self) -> dict[str, str | int]:
        """The fields that are known, for a receipt. Of the file only the name: a receipt says nothing about the machine."""
        fields = {**asdict(self), "file": self.file and os.path.basename(self.file)}
        return {key: value for key, value in fields.items() if value is not None}


class SegdataError(Exception):
    """The root of all errors that a user can correct."""


class DataError(SegdataError):
    """A wrong file. Carries the `Problem`, and can be pickled, so that it travels out of a worker process.

    `skippable`: a `Report` raised it, and with `skip` the run would go on.
    """

    def __init__(self, problem: Problem, skippable: bool = False) -> None:
        super().__init__(problem)
        self.problem = problem
        self.skippable = skippable

    def at(self, file: str | None = None, sample: str | None = None, annotation: int | str | None = None) -> DataError:
        """The same error; file, sample and annotation are filled in if it does not name them yet."""
        p = self.problem
        place = p.annotation if p.annotation is not None else annotation
        found = replace(p, file=p.file or file, sample=p.sample or sample, annotation=place)
        return DataError(found, self.skippable)


class DatasetError(SegdataError):
    """A folder that is no segdata dataset, a dataset of a newer format, or one whose label contract does not match."""


class OptionError(SegdataError):
    """An option with a value that it cannot have, or two options that exclude each other."""


def one_of(option: str, value: object, allowed: object) -> None:
    """Check the value of an option. Raises `OptionError` if it is not one of the values of the `Literal` `allowed`."""
    if value not in get_args(allowed):
        raise OptionError(f"--{option} {value}: must be one of {', '.join(get_args(allowed))}")


class StorageError(SegdataError):
    """Object storage that cannot be reached or used: no such bucket, no access, no answer. Finished work stays; run again."""


class MissingDependency(SegdataError):
    """A package that is not installed; the message names the extra of segdata that installs it."""


def reason(error: Exception) -> str:
    """Why data cannot be read, for people: what msgspec and look-ups raise, without the names of the exceptions."""
    if isinstance(error, KeyError):
        return f"{error.args[0]} is missing"
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, TypeError | AttributeError):
        return "a value in it has the wrong type"
    message, _, place = str(error).replace("`", "").partition(" - at ")
    place = place.replace("$.", "").removeprefix("$")
    return f"{place}: {message[0].lower()}{message[1:]}" if place else message


@dataclass(slots=True)
class Report:
    """The error policy: `stop` raises a `DataError` at the first problem, `skip` keeps the problem and goes on."""

    on_error: OnError = "stop"
    problems: list[Problem] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"Report({self.on_error!r}, {len(self.problems):,} problems)"

    def add(self, problem: Problem) -> None:
        """Raise (`stop`) or keep (`skip`) one problem."""
        if self.on_error == "stop":
            raise DataError(problem, skippable=True)
        self.problems.append(problem)


strict = Report("stop")


def refuse_nothing(left_out: Sequence[Problem], code: str = "images.nothing") -> None:
    """Raise `DataError` for a job of which nothing is left: all its images were left out, the first of them named."""
    if left_out:
        first = left_out[0]
        name = "" if first.sample is None else f"{first.sample}: "
        raise DataError(
            Problem(code, f"every image was left out, {len(left_out):,} in all; {name}{first.message}", first.file)
        )


@contextmanager
def writing(path: object, beside: object = None) -> Iterator[None]:
    """Add the file's name to an `OSError` if it has none, as for a full disk, or has the name of the draft."""
    try:
        yield
    except OSError as error:
        error.filename = str(path) if error.filename is None or str(error.filename) == str(beside) else error.filename
        raise


EXHAUSTED = (errno.EMFILE, errno.ENFILE)
"""Errors of this process, or of the machine: too many open files."""


def raise_exhausted(error: Exception, file: object) -> None:
    """Raise an `OSError` again if it is no fault of the file: leaving samples out would hide it.

    GDAL says it only in words, or not at all. So one more file is opened, to see whether that works.
    """
    try:
        os.close(os.open(os.curdir, os.O_RDONLY)) if os.name == "posix" else None
        tried = None
    except OSError as late:
        tried = late.errno
    for number in EXHAUSTED:
        if number in (tried, getattr(error, "errno", None)) or os.strerror(number) in str(error):
            raise OSError(number, os.strerror(number), str(file)) from error


@contextmanager
def located(file: str | None = None, sample: str | None = None, annotation: int | str | None = None) -> Iterator[None]:
    """Fill in file, sample and annotation on a `DataError` that passes through, if it does not name them yet."""
    try:
        yield
    except DataError as error:
        raise error.at(file, sample, annotation) from error
