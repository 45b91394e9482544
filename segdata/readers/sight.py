"""What is seen of a source at a glance: the names of some files, and the first bytes of a few. Formats are told by it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from segdata.errors import StorageError
from segdata.files.listing import glance
from segdata.files.places import read_start
from segdata.files.remote import Place

START, LOOKED_AT = 2**16, 5
"""So many bytes of a file are read, and of so many files of one kind."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What is seen of a source: the paths of some files, and the starts of those that were looked into."""

    root: Place
    files: Sequence[str]
    starts: dict[str, str] = field(default_factory=dict)

    def ending(self, *endings: str) -> Iterator[str]:
        """The files with one of these endings."""
        return (path for path in self.files if path.lower().endswith(endings))

    def holding(self, ending: str, *texts: str) -> str | None:
        """The first of the files with an ending whose start holds all the texts, which are regular expressions."""
        for _, path in zip(range(LOOKED_AT), self.ending(ending), strict=False):
            if all(re.search(text, self.start(path)) for text in texts):
                return path
        return None

    def start(self, path: str) -> str:
        """The first bytes of a file as text; none of one that cannot be read."""
        if path not in self.starts:
            try:
                data = read_start(self.root / path if path else self.root, START)
            except (OSError, StorageError):
                data = b""
            self.starts[path] = data.decode("utf-8", "replace")
        return self.starts[path]


def look(root: Place) -> Sight:
    """What is seen of a file or folder, the files that lie highest first; nothing of what is not there."""
    if root.is_file():
        return Sight(root.parent, [root.name])
    return Sight(root, sorted(glance(root), key=lambda path: (path.count("/"), path)))
