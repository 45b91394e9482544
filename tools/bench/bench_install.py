"""What `pip install` brings: size, seconds and packages of segdata with each extra, beside other tools for datasets.

    python tools/bench/bench_install.py [--quick] [--record]

Prints one section of Markdown; `--record` puts it into RESULTS.md. Needs a package index, and room for the environments.
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from measure import HERE, Sizes, say
from results import Measure, Target, measure_tables, table

EXTRAS = ("view", "onnx")
PEERS = ("supervision", "datumaro", "fiftyone")


def install(sizes: Sizes) -> list[str]:
    """A fresh environment each: size and packages, and the seconds of installing from a warm cache."""
    extras, peers = (EXTRAS, PEERS) if sizes.rounds > 2 else ((), PEERS[:1])
    rows, megabytes = [], dict[str, float]()
    with TemporaryDirectory() as folder:
        work = Path(folder)
        pip(Path(sys.executable), work, "wheel", "--no-deps", "-w", work, HERE.parents[1])
        [wheel] = work.glob("*.whl")
        wanted = {"segdata": str(wheel)} | {name: name for name in peers}
        wanted |= {f"segdata[{name}]": f"{wheel}[{name}]" for name in extras}
        for name, what in wanted.items():
            if (found := installed(work / "env", work / "cache", what)) is None:
                rows.append([name, "not to be had from this index", "", "", ""])
            else:
                megabytes[name], packages, told, *seconds = found
                told = told if name in peers else name
                rows.append([told, f"{megabytes[name]:,.0f}", str(packages), *(f"{s:.0f}" for s in seconds)])
            say(" | ".join(rows[-1]))
    return [
        "Each in a new environment, removed before the next; MB: the space on disk that the environment takes more than an "
        "empty one (compiled .pyc files included); packages: pip's own list, without pip itself. Seconds of one `pip install` "
        "with an empty cache, downloads included; *processor*: user and system seconds of that, which say more on a machine that "
        "others share.",
        "",
        *table("what | MB | packages | seconds | processor, s", rows),
        "",
        *(
            str(Target(f"{name}'s size over segdata's", megabytes[name] / megabytes["segdata"], 1))
            for name in peers
            if name in megabytes
        ),
    ]


def installed(env: Path, cache: Path, what: str) -> tuple[float, int, str, float, float] | None:
    """MB, the number of packages, name and version, seconds and processor seconds of an installation; None if refused."""
    subprocess.run([sys.executable, "-m", "venv", "--clear", env], check=True)
    shutil.rmtree(cache, ignore_errors=True)
    python, empty = env / "bin/python", taken(env)
    start, before = time.perf_counter(), spent()
    if not pip(python, cache, "install", what):
        return None
    seconds, processor = time.perf_counter() - start, spent() - before
    listed = subprocess.run(
        [python, "-m", "pip", "list", "--format=freeze"], capture_output=True, text=True, check=True
    )
    packages = [line for line in listed.stdout.split() if line.partition("==")[0] not in ("pip", "setuptools")]
    told = next((line.replace("==", " ") for line in packages if line.partition("==")[0] == what), what)
    return taken(env) - empty, len(packages), told, seconds, processor


def pip(python: Path, cache: Path, *arguments: str | Path) -> bool:
    """Whether pip did that, quietly."""
    command = [python, "-m", "pip", arguments[0], "--quiet", "--no-input", "--cache-dir", cache, *arguments[1:]]
    return subprocess.run([str(part) for part in command], stderr=subprocess.DEVNULL).returncode == 0


def taken(folder: Path) -> float:
    """The megabytes (10^6) that a folder takes on disk."""
    done = subprocess.run(["du", "-s", "--block-size=1000", folder], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[0]) / 1000


def spent() -> float:
    """Processor seconds of all child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


TABLES: dict[str, tuple[str, Measure]] = {"install": ("What pip install brings", install)}


if __name__ == "__main__":
    measure_tables(__doc__, TABLES, peers=False)
