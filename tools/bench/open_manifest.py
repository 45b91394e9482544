"""Open a manifest and print the seconds that took and the peak bytes of this process. `open_manifest.py segdata|stdlib ROOT`."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(slots=True)
class Sample:
    """A manifest line as a plain Python dataclass."""

    id: str
    split: str | None
    image: str | None
    mask: str
    height: int
    width: int
    counts: dict[str, int]
    sha256: str
    group: str | None
    parent: str | None
    window: list[int] | None
    crop: list[int] | None
    exif: str | None
    scores: str | None


def with_segdata(root: Path) -> tuple[float, Sequence[object]]:
    """`segdata.Dataset.open`, the import outside the time."""
    from segdata import Dataset

    start = time.perf_counter()
    samples = Dataset.open(root).samples
    return time.perf_counter() - start, samples


def with_stdlib(root: Path) -> tuple[float, Sequence[object]]:
    """json and a dataclass."""
    start = time.perf_counter()
    with (root / "manifest.jsonl").open() as file:
        samples = [Sample(**json.loads(line)) for line in file]
    return time.perf_counter() - start, samples


def main(way: str, root: str) -> None:
    """Print one JSON object."""
    seconds, samples = (with_segdata if way == "segdata" else with_stdlib)(Path(root))
    peak = re.search(r"^VmHWM:\s+(\d+)", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert peak is not None
    print(json.dumps({"samples": len(samples), "seconds": seconds, "peak": 1024 * int(peak[1])}))


if __name__ == "__main__":
    main(*sys.argv[1:])
