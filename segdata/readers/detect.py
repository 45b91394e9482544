"""Which format a folder or file of labels is in, from its names and a glance into JSON: no image is opened."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from segdata.dataset.layout import CARD, MANIFEST
from segdata.errors import DataError, OptionError, Problem
from segdata.files.places import listed, matching
from segdata.files.remote import Place
from segdata.readers import READERS
from segdata.words import some

ALREADY = "it is a segdata dataset already, which needs no converting"

ANY = "masks"
"""The format without a layout of its own: any pair of folders. It gives way to the others, and is asked last."""

FORMATS = sorted(READERS, key=lambda name: name == ANY)


@dataclass(frozen=True, slots=True)
class Detection:
    """The format, or None if none fits or several do; and for every other format the reason why it is not."""

    format: str | None
    reasons: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """Plain values, fit for JSON."""
        return {"format": self.format, "reasons": self.reasons}


def detect(source: str | Path) -> Detection:
    """The format that labels are in, as each reader's `fits` tells. One with a layout of its own wins over `masks`.

    Raises `DataError` (`source.missing`) if there is no such file or folder.

    Args:
        source: The folder or file with the labels.
    """
    root = listed(source)
    if not root.exists():
        raise DataError(Problem("source.missing", "there is no such file or folder", file=str(root)))
    if (root / CARD).is_file() and (root / MANIFEST).is_file():
        return Detection(None, dict.fromkeys(FORMATS, ALREADY))
    reasons: dict[str, str | None] = {name: import_module(READERS[name]).fits(root) for name in FORMATS}
    fitting = [name for name, reason in reasons.items() if reason is None]
    specific = [name for name in fitting if name != ANY] or fitting
    chosen = specific[0] if len(specific) == 1 else None
    for name in fitting:
        others = some(other for other in specific if other != name)
        more = f"fits too, but {chosen} has a layout of its own"
        reasons[name] = more if chosen else f"fits, and so does {others}: name the one that is meant"
    return Detection(chosen, {name: str(reason) for name, reason in reasons.items() if name != chosen})


def format_of(source: str | Path) -> str:
    """The format for `convert auto`. Raises `OptionError` with every reason where it is not plain, as `detect`."""
    found = detect(source)
    if ALREADY in found.reasons.values():
        raise OptionError(f"{source}: {ALREADY} (segdata remap, split, tile and the others take it as it is)")
    if found.format is None:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in found.reasons.items())
        raise OptionError(f"{source}: its format is not plain ({reasons}): name it in place of auto")
    return found.format


# What the readers' own `fits` share


def without(root: Place, names: Iterable[str]) -> str | None:
    """Which of these folders (`name/`) and files are not there."""
    missing = [
        name for name in names if not ((root / name).is_dir() if name.endswith("/") else (root / name).is_file())
    ]
    return f"there is no {' and no '.join(missing)}" if missing else None


def shown(root: Place, pattern: str) -> list[Place]:
    """The files that match, sorted, but for hidden ones."""
    return [path for path in matching(root, pattern) if path.name[:1] != "." and path.is_file()]
