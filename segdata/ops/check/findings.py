"""What is wrong with a dataset, as values: one finding, all of them, and the commands that repair them."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from segdata.dataset.duplicates import Look
from segdata.dataset.sample import Sample
from segdata.files.remote import Place
from segdata.windows import Window
from segdata.words import some

Level = Literal["error", "warning", "note"]

SPOTS = 20
"""Of how many small things in a sample it is told where they are."""

LEVELS: tuple[Level, ...] = ("error", "warning", "note")


@dataclass(frozen=True, slots=True)
class Spot:
    """Something small in the mask of a sample: the pixels of a class, and the box that they fill."""

    sample: str
    name: str
    pixels: int
    y: int
    x: int
    height: int
    width: int

    @property
    def box(self) -> tuple[int, int, int, int]:
        """(y, x, height, width)."""
        return self.y, self.x, self.height, self.width


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong (`error`), likely to be (`warning`), or worth knowing (`note`), and the way out of it.

    `code` is stable (`mask.changed`), `message` is for people. `samples` are the ids it concerns, all of them, `split` the
    split where it holds, `repair` the command that mends it, or what to do by hand. `spots`: where small things are in masks; of
    each sample the first `SPOTS`.
    """

    level: Level
    code: str
    message: str
    repair: str
    samples: tuple[str, ...] = ()
    split: str | None = None
    spots: tuple[Spot, ...] = ()

    def __str__(self) -> str:
        where = self.samples[0] if len(self.samples) == 1 else self.split
        return f"{self.level}: {f'{where}: ' if where else ''}{self.message} [{self.code}]"

    @property
    def rank(self) -> tuple[Any, ...]:
        """What findings are sorted by: errors first, then code, split, samples."""
        return LEVELS.index(self.level), self.code, self.split or "", self.samples, self.message


@dataclass(frozen=True, slots=True)
class Checked:
    """The findings about a dataset, sorted; `samples` is how many it has, `splits` how many each split has.

    `unseen`: what leaks between splits and was not looked for, if splits alone were asked for.
    """

    findings: tuple[Finding, ...]
    samples: int
    splits: Mapping[str | None, int]
    unseen: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether there is no error."""
        return all(finding.level != "error" for finding in self.findings)

    def count(self, level: Level) -> int:
        """How many findings of a level there are."""
        return Counter(finding.level for finding in self.findings)[level]

    def to_json(self) -> dict[str, Any]:
        """Plain values, fit for JSON: `ok`, `samples`, `errors`, `warnings`, `notes`, and the `findings`."""
        return {
            "ok": self.ok,
            "samples": self.samples,
            **{f"{level}s": self.count(level) for level in LEVELS},
            "findings": [
                {**asdict(finding), "samples": list(finding.samples), "spots": [asdict(s) for s in finding.spots]}
                for finding in self.findings
            ],
            **({"unseen": list(self.unseen)} if self.unseen else {}),
        }


@dataclass(slots=True)
class Seen:
    """What reading one sample gave: its findings, and what whole datasets are judged by.

    `look` is of the image and None where it could not be read, and so are `counts` and `mask`: how often each value occurs,
    and what two samples have in common if their masks are the same. `specks` is how many tiny regions there are, `spots` where
    the first of them are.
    """

    findings: list[Finding] = field(default_factory=list)
    look: Look | None = None
    counts: dict[int, int] | None = None
    mask: tuple[str, Window | None] | None = None
    specks: int = 0
    spots: tuple[Spot, ...] = ()


@dataclass(frozen=True, slots=True)
class Repairs:
    """The commands that mend a dataset, made by `made_by`, at `root`."""

    root: Place
    made_by: Mapping[str, Any]

    @property
    def here(self) -> str:
        """The dataset, as the command line takes it."""
        return shlex.quote(str(self.root))

    @property
    def again(self) -> str:
        """Make it again."""
        given = self.made_by.get("options")
        options = dict(given) if isinstance(given, dict) else {}
        format = options.pop("format", "FORMAT")
        same = f", with the options that segdata info {self.here} lists" if any(options.values()) else ""
        what = {"convert": f"convert {format} SRC"}.get(str(self.made_by.get("operation")))
        what = what or f"{self.made_by.get('operation', 'convert')} ..."
        return f"segdata {what} {self.here} --overwrite{same}"


Looked = Sequence[tuple[Sample, Seen]]
"""Samples in order of id, each with what reading it gave."""


def among(ids: Sequence[str]) -> str:
    """The end of a sentence about samples: nothing for one, which its finding names, else how many and which."""
    return "" if len(ids) == 1 else f" in {len(ids):,} samples: {some(ids, 4)}"
