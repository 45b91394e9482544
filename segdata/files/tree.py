"""What was under a prefix of storage when it was listed."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from functools import cached_property
from typing import Any


class Tree:
    """What was under a prefix when it was listed."""

    def __init__(self, files: Mapping[str, Mapping[str, Any]]) -> None:
        self.files = {key_of(path): int(facts["size"]) for path, facts in files.items() if not path.endswith("/")}

    @cached_property
    def children(self) -> dict[str, list[str]]:
        """The names in each folder, sorted."""
        found: dict[str, set[str]] = {}
        for path in self.files:
            while "/" in path:
                path, _, name = path.rpartition("/")
                held = found.setdefault(path, set())
                if name in held:
                    break
                held.add(name)
        return {folder: sorted(names) for folder, names in found.items()}

    def names(self, folder: str) -> list[str]:
        """What is in a folder. Raises `FileNotFoundError`."""
        if folder not in self.children:
            raise FileNotFoundError(errno.ENOENT, "there is no such folder", folder)
        return self.children[folder]

    def kind(self, path: str) -> str | None:
        """`file`, `directory`, or None for what is not there."""
        return "file" if path in self.files else "directory" if path in self.children else None


def key_of(path: str) -> str:
    """A client's path, bucket first, without slashes at its ends."""
    return path.lstrip("/").rstrip("/")
