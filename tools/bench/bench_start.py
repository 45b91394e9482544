"""Cold start: what every command costs before it does anything, and on a tiny dataset, and which imports take most of it.

    python tools/bench/bench_start.py [help | tiny | all] [--quick] [--record]

Prints one section of Markdown per table; `--record` puts it into RESULTS.md. Needs the real labels in ../shared/data.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from inputs import MINI
from measure import Command, Sizes, say, usage
from results import Measure, measure_tables, table
from segdata import convert
from segdata.cli import COMMANDS

SEGDATA: Command = [sys.executable, "-m", "segdata"]
BARE: Command = [sys.executable, "-c", "import click"]
IMPORT = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+([\w]+)")


def helped(sizes: Sizes) -> list[str]:
    """`segdata COMMAND --help`."""
    return timed({"python -c 'import click'": BARE} | {name: [*SEGDATA, name, "--help"] for name in COMMANDS}, sizes)


def tiny(sizes: Sizes) -> list[str]:
    """Commands on the 80 images of COCO mini, masks alone; kernels are compiled already."""
    with TemporaryDirectory() as folder:
        work = Path(folder)
        data = Path(str(convert("coco", MINI, work / "mini", images="none").root))
        (work / "ids.txt").write_text(convert("coco", MINI, work / "again", images="none").samples[0].id + "\n")
        asked: dict[str, list[str | Path]] = {
            "detect": [MINI],
            "convert": ["coco", MINI, work / "o", "--images", "none", "--overwrite"],
            "info": [data],
            "stats": [data],
            "check": [data],
            "diff": [data, work / "again"],
            "split": [data, work / "o", "--allow-missing", "all", "--overwrite"],
            "select": [data, work / "o", "--ids", work / "ids.txt", "--overwrite"],
            "remap": [data, work / "o", "--map", "car=vehicle", "--overwrite"],
            "evaluate": [work / "again", data],
            "models": [],
        }
        return timed({name: [*SEGDATA, name, *rest] for name, rest in asked.items()}, sizes)


def timed(commands: Mapping[str, Command], sizes: Sizes) -> list[str]:
    """Medians of each command, and its slowest packages."""
    rows = []
    for name, command in commands.items():
        say(f"  {name}")
        usage(command)
        found = [usage(command) for _ in range(3 if sizes.rounds > 2 else 1)]
        seconds, processor, _ = (statistics.median(column) for column in zip(*found, strict=True))
        heavy = ", ".join(f"{package} {ms:.0f}" for package, ms in imports(command).items())
        rows.append([name, f"{1000 * processor:.0f}", f"{1000 * seconds:.0f}", heavy])
    return [
        "Medians of three whole processes after one that is not counted, milliseconds; *processor*: user and system. *imports*: "
        "the packages that take most, with what of them is imported (python -X importtime, one run).",
        "",
        *table("command | processor, ms | wall, ms | imports, ms", rows),
    ]


def imports(command: Command, most: int = 3) -> dict[str, float]:
    """The milliseconds in each package's own modules, of those that take most."""
    run = [command[0], "-X", "importtime", *command[1:]]
    said = subprocess.run([str(part) for part in run], capture_output=True, text=True, check=True).stderr
    out: dict[str, float] = {}
    for line in said.splitlines():
        if found := IMPORT.match(line):
            out[found[2]] = out.get(found[2], 0) + int(found[1]) / 1000
    return dict(sorted(out.items(), key=lambda item: -item[1])[:most])


TABLES: dict[str, tuple[str, Measure]] = {
    "help": ("Cold start: the help of each command", helped),
    "tiny": ("Cold start: commands on 80 samples", tiny),
}


if __name__ == "__main__":
    measure_tables(__doc__, TABLES, peers=False)
