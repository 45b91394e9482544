"""What `segdata view` costs: how long until images are seen and until a filter is answered, in Chromium, and its memory.

    python tools/bench/bench_view.py [view | all] [--quick] [--record]

Prints one section of Markdown per table; `--record` puts it into RESULTS.md. Needs Chromium, Playwright, and the real images in
../shared/data.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from inputs import MINI
from measure import SEGDATA, Sizes, say, workspace
from results import Measure, Target, measure_tables, table
from segdata import Sample, convert
from segdata.dataset.layout import CARD, MANIFEST
from segdata.dataset.manifest import FOLDER, PART, parts_of

CLASSES = ("person", "car", "zebra", "teddy bear")
"""Filtered by, from the usual to the rare."""

SEEN = """() => {
  const images = [...document.querySelectorAll('#grid img')].filter((one) => one.getBoundingClientRect().top < innerHeight);
  return images.length > 0 && images.every((one) => one.complete && one.naturalWidth > 0);
}"""
"""Whether all images in sight are there."""

FILTERED = """(hash) => new Promise((done) => {
  const grid = document.querySelector('#grid [role=grid]');
  const asks = () => performance.getEntriesByType('resource').filter((one) => one.name.includes('/api/samples'));
  const answer = () => Math.max(...asks().map((one) => one.duration));
  performance.clearResourceTimings();
  const start = performance.now();
  let asked = false;
  const look = () => {
    const busy = grid.hasAttribute('aria-busy');
    asked ||= busy;
    if (asked && !busy) requestAnimationFrame(() => done([performance.now() - start, answer()]));
    else requestAnimationFrame(look);
  };
  location.hash = hash;
  look();
})"""
"""Milliseconds from a filter to the frame that shows the first of what fits, and how many of them the server's answer takes."""


HEAD = (
    "samples | URL printed, s | then images in sight, s | index read, s | filter by class, ms | its slowest | "
    "of it the server's answer | share, split, sorted, ms | peak, MB"
)


def grown(root: Path, count: int, part: int) -> None:
    """A dataset of that many samples: those of COCO mini again and again, their masks and images where they are."""
    mini = convert("coco", MINI, root, images="reference")
    examples = list(mini)

    def samples() -> Iterator[list[Sample]]:
        for start in range(0, count, PART):
            yield [
                msgspec.structs.replace(
                    examples[i % len(examples)], id=f"{i:012d}", split="val" if i % 20 == 0 else "train"
                )
                for i in range(start, min(count, start + PART))
            ]

    if not part:
        with (root / MANIFEST).open("wb") as file:
            for batch in samples():
                file.write(msgspec.json.Encoder().encode_lines(batch))
        return
    (root / FOLDER).mkdir()
    index = []
    for one, data in parts_of(samples(), part):
        (root / one.part).write_bytes(data)
        index.append(one)
    (root / MANIFEST).write_bytes(msgspec.json.Encoder().encode_lines(index))
    card = json.loads((root / CARD).read_text())
    (root / CARD).write_text(json.dumps({**card, "format": 2}))


@contextmanager
def served(root: Path, cache: Path) -> Iterator[tuple[str, float, int]]:
    """A viewer with nothing in its cache: its URL, seconds until it was printed, its process."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [SEGDATA, "view", root, "--no-browser", "--port", "0"],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "XDG_CACHE_HOME": str(cache), "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    url = next(line.strip() for line in process.stdout if line.startswith("http"))
    try:
        yield url, time.perf_counter() - start, process.pid
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        shutil.rmtree(cache, ignore_errors=True)


def peak(process: int) -> int:
    """The most memory that a process had, in bytes."""
    found = re.search(r"^VmHWM:\s+(\d+)", Path(f"/proc/{process}/status").read_text(), re.MULTILINE)
    assert found is not None
    return 1024 * int(found[1])


def looked(browser: Any, root: Path, cache: Path) -> dict[str, float]:
    """One start, and what was seen in it."""
    with served(root, cache) as (url, opening, process):
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(120_000)
        start = time.perf_counter()
        page.goto(url, wait_until="commit")
        page.wait_for_function(SEEN, polling=10)
        first = time.perf_counter() - start
        about = "async () => (await (await fetch('api/about' + location.search)).json()).ready ?? 1"
        while page.evaluate(about) < 1:
            time.sleep(0.05)
        ready = time.perf_counter() - start
        times, answers = [], []
        for name in CLASSES:
            whole, answer = page.evaluate(FILTERED, f"class={name}")
            times.append(whole / 1000)
            answers.append(answer / 1000)
            page.evaluate(FILTERED, "")
        narrow = page.evaluate(FILTERED, "class=person:0.2..&split=train&sort=-class.person")[0] / 1000
        found = {"open": opening, "first": first, "ready": ready, "filter": median(times), "slowest": max(times)}
        found |= {"answer": median(answers), "narrow": narrow}
        page.close()
        return {**found, "peak": peak(process) / 1e6}


def viewed(sizes: Sizes) -> list[str]:
    """As many samples as COCO train2017, and a million in parts."""
    from playwright.sync_api import sync_playwright

    rows, targets = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for count, part in ((sizes.full[0], 0), (sizes.lines, PART)):
            with workspace(need=2) as work:
                grown(work / "data", count, part)
                say(f"  {count:,} samples")
                runs = []
                for number in range(sizes.rounds):
                    runs.append(looked(browser, work / "data", work / f"cache{number}"))
                    say(f"  {json.dumps(runs[-1])}")
            found = {name: median(run[name] for run in runs) for name in runs[0]}
            rows.append(row(f"{count:,}{' in parts' if part else ''}", found))
            if not part:
                targets = [
                    Target("first images, after the dataset is open", found["first"], 1, at_most=True, unit=" s"),
                    Target("a filter by class", 1000 * found["slowest"], 200, at_most=True, unit=" ms"),
                    Target("memory", found["peak"], 500, at_most=True, unit=" MB"),
                ]
        told = browser.version
        browser.close()
    return [
        f"Samples of COCO mini repeated, each with an id of its own; masks and images are its 80. Chromium {told}, 1280 x 800, "
        f"nothing cached; medians of {sizes.rounds} starts. Filters: {', '.join(CLASSES)}; from the change of the URL to the "
        "frame that shows the images found. Memory is the server's, at its peak.",
        "",
        *table(HEAD, rows),
        "",
        *map(str, targets),
    ]


def row(name: str, found: dict[str, float]) -> Sequence[str]:
    """A line of the table."""
    seconds = [f"{found[key]:.2f}" for key in ("open", "first", "ready")]
    parts = [f"{1000 * found[key]:.0f}" for key in ("filter", "slowest", "answer", "narrow")]
    return [name, *seconds, *parts, f"{found['peak']:.0f}"]


TABLES: dict[str, tuple[str, Measure]] = {"view": ("The viewer: many samples", viewed)}


if __name__ == "__main__":
    measure_tables(__doc__, TABLES, peers=False)
