"""What can go wrong, said in one line each.

`SegdataError` and below are the user's business: the command line prints them without a traceback and exits 1. Anything
else that escapes is a bug in segdata.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Literal, get_args

OnError = Literal["stop", "skip"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding: where it is and the way out. `code` is stable (`coco.polygon`), `message` is for people."""

    code: str
    message: str
    file: str | None = None
    sample: str | None = None
    annotation: int | str | None = None

    def __str__(self) -> str:
        where = [self.file, self.sample, None if self.annotation is None else f"annotation {self.annotation}"]
        return ": ".join([part for part in where if part] + [self.message]) + f" [{self.code}]"

    def to_json(self) -> dict[str, str | int]:
        """What is known of it, as a receipt has it: of its file only the name, since a receipt tells nothing of the machine."""
        fields = {**asdict(self), "file": self.file and os.path.basename(self.file)}
        return {key: value for key, value in fields.items() if value is not None}


class SegdataError(Exception):
    """The root of all errors that a user can mend."""


class DataError(SegdataError):
    """Somebody's file is wrong. Carries the `Problem`, and survives the way out of a worker process.

    `skippable`: a `Report` raised it, and would go on if told to skip.
    """

    def __init__(self, problem: Problem, skippable: bool = False) -> None:
        super().__init__(problem)
        self.problem = problem
        self.skippable = skippable

    def at(self, file: str | None = None, sample: str | None = None, annotation: int | str | None = None) -> DataError:
        """The same, with whatever of file, sample and annotation it does not name yet."""
        p = self.problem
        place = p.annotation if p.annotation is not None else annotation
        found = replace(p, file=p.file or file, sample=p.sample or sample, annotation=place)
        return DataError(found, self.skippable)


class DatasetError(SegdataError):
    """Not a segdata dataset, one of a newer format, or one whose label contract does not match."""


class OptionError(SegdataError):
    """An option that has no such value, or that cannot go with another."""


def one_of(option: str, value: object, allowed: object) -> None:
    """Raise `OptionError` where the value of an option is none of those of a `Literal`."""
    if value not in get_args(allowed):
        raise OptionError(f"--{option} {value}: must be one of {', '.join(get_args(allowed))}")


class StorageError(SegdataError):
    """Object storage that cannot be reached or used: no such bucket, no access, no answer. What is done stays; run again."""


class MissingDependency(SegdataError):
    """A package of an extra is not installed; the message names the extra."""


def reason(error: Exception) -> str:
    """Why something read is not what it should be, for people: what msgspec and plain look-ups raise, without their names."""
    if isinstance(error, KeyError):
        return f"{error.args[0]} is missing"
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, TypeError | AttributeError):
        return "a value in it is of another type than it should be"
    message, _, place = str(error).replace("`", "").partition(" - at $")
    return f"{place.removeprefix('.')}: {message[0].lower()}{message[1:]}" if place else message


@dataclass(slots=True)
class Report:
    """The error policy: `stop` raises a `DataError` at the first problem, `skip` keeps it and goes on."""

    on_error: OnError = "stop"
    problems: list[Problem] = field(default_factory=list)

    def add(self, problem: Problem) -> None:
        """Raise (`stop`) or keep (`skip`) one problem."""
        if self.on_error == "stop":
            raise DataError(problem, skippable=True)
        self.problems.append(problem)


strict = Report("stop")


@contextmanager
def writing(path: object) -> Iterator[None]:
    """Name the file on an `OSError` that does not say it, as that of a full disk."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


@contextmanager
def located(file: str | None = None, sample: str | None = None, annotation: int | str | None = None) -> Iterator[None]:
    """Fill in, on a `DataError` that passes through, whatever of file, sample and annotation it does not name yet."""
    try:
        yield
    except DataError as error:
        raise error.at(file, sample, annotation) from error
