"""Results as Markdown: tables, targets, and the machine and versions of the measurement."""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from measure import BUILD, HERE, OURS, QUICK, Sizes, Times, say

LIBRARIES = (
    "segdata", "numpy", "numba", "zlib-ng", "msgspec", "pycocotools", "opencv-python-headless", "pillow", "click",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Target:
    """A figure and its required bound; `at_most`: the bound is the largest allowed value, not the smallest."""

    text: str
    value: float
    wanted: float
    at_most: bool = False
    unit: str = " times"

    def __str__(self) -> str:
        met = self.value <= self.wanted if self.at_most else self.value >= self.wanted
        bound = f"at {'most' if self.at_most else 'least'} {self.wanted:g}{self.unit}"
        return f"- {self.text}: **{self.value:.3g}{self.unit}** ({bound}: {'met' if met else 'NOT met'})"


def table(head: str, rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table; `head` names the columns, split at `|`, and all but the first are aligned right."""
    names = [name.strip() for name in head.split("|")]
    rule = ["---", *["---:"] * (len(names) - 1)]
    return [f"| {' | '.join(cells)} |" for cells in (names, rule, *rows)]


def speed_rows(times: Mapping[str, Times], items: int) -> list[list[str]]:
    """Rows for: contender, seconds, images per second, segdata faster by."""
    return [
        [name, t.show(), f"{items / t.median:,.0f}", "" if name == OURS else f"{t.over(times[OURS]):.1f} times"]
        for name, t in times.items()
    ]


def machine(peers: Mapping[str, str]) -> str:
    """The date, the machine and the versions. `peers`: name -> version of those in their own environments."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = [f"{name} {version(name)}" for name in LIBRARIES] + [f"{name} {v}" for name, v in peers.items()]
    today = datetime.datetime.now(datetime.UTC).date()
    return (
        f"{today}; {cpu_model()}, {os.cpu_count()} cores, {memory:.0f} GiB, load {os.getloadavg()[0]:.1f} before; "
        f"{platform.system()}, Python {platform.python_version()}; {', '.join(versions)}."
    )


def peer_versions() -> dict[str, str]:
    """The versions of the peers that are installed in build/bench, of those whose folder has the name of their package."""
    ask = "import sys, importlib.metadata as m; print(m.version(sys.argv[1]))"
    found = {home.name: home / "bin/python" for home in sorted(BUILD.glob("*")) if (home / ".installed").exists()}
    told = {
        name: subprocess.run([python, "-c", ask, name], capture_output=True, text=True).stdout.strip()
        for name, python in found.items()
    }
    return {name: told[name] for name in told if told[name]}


def cpu_model() -> str:
    """The name of the processor from Linux, otherwise from Python."""
    with suppress(OSError):
        if found := re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE):
            return found[1]
    return platform.processor() or platform.machine()


Measure = Callable[[Sizes], list[str]]


def of_side(measure: Callable[[Sizes, int], list[str]], side: int, quick: int) -> Measure:
    """A table of an image of that side, or of `quick` for a quick look."""
    return lambda sizes: measure(sizes, quick if sizes == QUICK else side)


def measure_tables(about: str | None, tables: Mapping[str, tuple[str, Measure]], *, peers: bool = True) -> None:
    """The command line of a bench: measure the tables that are asked for, print them, and record them if that is asked for.

    `tables`: name -> title and the function that measures it and returns its lines. `about` is the bench's docstring.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", nargs="?", choices=[*tables, "all"], default="all")
    parser.add_argument("--quick", action="store_true", help="small inputs, for trying the bench itself")
    parser.add_argument("--record", action="store_true", help="put the tables into RESULTS.md")
    given = parser.parse_args()
    if given.quick and given.record:
        parser.error("--quick measures nothing worth recording")
    for name in tables if given.table == "all" else [given.table]:
        title, measure = tables[name]
        say(title)
        command = f"python tools/bench/{Path(sys.argv[0]).name} {name}"
        head = f"`{command}`, {machine(peer_versions() if peers else {})}"
        lines = [head, "", *measure(QUICK if given.quick else Sizes())]
        print(f"## {title}", "", *lines, "", sep="\n", flush=True)
        if given.record:
            record(title, lines)


def record(title: str, lines: Sequence[str]) -> None:
    """Put a section into RESULTS.md; it replaces the section with the same title, if there is one."""
    path = HERE / "RESULTS.md"
    parts = re.split(r"^(?=## )", path.read_text(), flags=re.MULTILINE)
    section = "\n".join([f"## {title}", "", *lines, "", ""])
    kept = [section if part.startswith(f"## {title}\n") else part for part in parts]
    if section not in kept:
        kept[-1] = kept[-1].rstrip("\n") + "\n\n"
        kept.append(section)
    path.write_text("".join(kept).rstrip("\n") + "\n")
