"""data.yaml: where the images of each split are, and what the classes are called.

Ultralytics wants the keys train and val, and knows test. Paths start at the YAML's own folder, as it says nothing else. `splits`
is a key of segdata's own, written if the splits of the dataset have other names than these. Samples in no split are there under
an empty name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

DATA_YAML = "data.yaml"

KEYS = {
    "train": ("train", "training", "trainval"), "val": ("val", "valid", "validation"), "test": ("test", "testing"),
}  # fmt: skip
"""The keys of Ultralytics, and which folder each is: the first one that there is."""

WANTED = ("train", "val")


def data_yaml(folders: Mapping[str, str | None], names: Sequence[str]) -> str:
    """The text of data.yaml: `folders` has the split of each folder, None for samples in none; `names` are in order of number."""
    return "".join(f"{line}\n" for line in _lines(folders, names))


def _lines(folders: Mapping[str, str | None], names: Sequence[str]) -> Iterator[str]:
    found = {key: next((name for name in meant if name in folders), None) for key, meant in KEYS.items()}
    for key, folder in found.items():
        if folder is not None:
            yield f"{key}: images/{folder}"
        elif key in WANTED:
            yield f"{key}: # no sample is in this split"
    if any(folders.get(key, key) != key for key in KEYS) or not folders.keys() <= KEYS.keys():
        yield "splits: # as segdata knows them; Ultralytics reads the keys above"
        for folder, split in sorted(folders.items()):
            yield f"  {quoted(split or '')}: images/{folder}"
    yield f"nc: {len(names)}"
    yield "names:"
    for number, name in enumerate(names):
        yield f"  {number}: {quoted(name)}"


def quoted(text: str) -> str:
    """A text between quotes, as YAML reads it; characters that nobody sees are written as their numbers."""
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in json.dumps(text, ensure_ascii=False))
