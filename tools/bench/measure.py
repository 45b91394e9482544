"""Timing contenders side by side, and watching memory."""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).resolve().parent
BUILD = HERE.parents[1] / "build/bench"
SEGDATA = Path(sys.executable).parent / "segdata"
OURS = "segdata -j 1"
GIB = 2**30
Command = Sequence[str | Path]


@dataclass(frozen=True, slots=True)
class Sizes:
    """The amounts of a bench: `images` and `lines` are numbers of records, `rounds` and `starts` numbers of repetitions."""

    images: int = 5_000
    rounds: int = 3
    full: tuple[int, int] = (118_287, 860_001)
    lines: int = 1_000_000
    starts: int = 20
    loop: int = 30_000_000


QUICK = Sizes(400, 2, (4_000, 29_000), 50_000, 5, 5_000_000)

# Time


@dataclass(frozen=True, slots=True)
class Times:
    """The seconds of each repetition of one contender, in order."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """Seconds."""
        return statistics.median(self.seconds)

    def over(self, other: Times) -> float:
        """The seconds of this contender over those of `other`: the median of the ratios of each round."""
        return statistics.median(a / b for a, b in zip(self.seconds, other.seconds, strict=True))

    def show(self, unit: float = 1.0, digits: int = 2) -> str:
        """The median with the smallest and the largest value, in units of that many seconds."""
        low, middle, high = (f"{s / unit:.{digits}f}" for s in (min(self.seconds), self.median, max(self.seconds)))
        return f"{middle} ({low} to {high})" if len(self.seconds) > 1 else middle


def race(contenders: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, Times]:
    """Time every contender once per round, in forward and backward order by turns, so that a drift of the machine affects all."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds):
        for name in list(contenders)[:: -1 if number % 2 else 1]:
            seconds[name].append(contenders[name]())
            say(f"  round {number + 1} of {rounds}: {name}: {seconds[name][-1]:.3f} s")
    return {name: Times(tuple(values)) for name, values in seconds.items()}


def time_command(command: Command, *, writes: Path | None = None, masks: int = 0) -> float:
    """The seconds of a whole process that writes at least `masks` PNGs to the folder `writes`, which is removed afterwards."""
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")
    if writes is not None:
        found = sum(path.suffix == ".png" for path in writes.rglob("*"))
        if found < masks:
            sys.exit(f"{' '.join(map(str, command))}: {found} masks instead of {masks}")
        shutil.rmtree(writes)
    return seconds


def time_loops(copies: int, steps: int) -> float:
    """The seconds until that many processes, started together, have each run the same CPU-bound loop."""
    loop = [sys.executable, "-c", f"sum(i * i for i in range({steps}))"]
    start = time.perf_counter()
    running = [subprocess.Popen(loop) for _ in range(copies)]
    for process in running:
        process.wait()
    return time.perf_counter() - start


def time_writers(commands: Mapping[str, Command], out: Path, masks: int, rounds: int) -> dict[str, Times]:
    """Race whole processes that each write at least that many PNGs under `out`."""
    return race({name: partial(time_command, c, writes=out, masks=masks) for name, c in commands.items()}, rounds)


# Memory


@dataclass(frozen=True, slots=True)
class Memory:
    """The bytes of a command and all its descendants together.

    A page that several processes share counts once in `pss`, and once for each of them in `rss`.
    """

    pss: int = 0
    rss: int = 0


def watch_memory(command: Command, every: float = 0.25) -> tuple[float, Memory]:
    """Seconds of a whole process, and the peaks of the memory of its session, read from /proc at that interval."""
    start = time.perf_counter()
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)
    peak = Memory()
    while process.poll() is None:
        now = session_memory(process.pid)
        peak = Memory(max(peak.pss, now.pss), max(peak.rss, now.rss))
        with suppress(subprocess.TimeoutExpired):
            process.wait(every)
    if process.returncode:
        sys.exit(f"{' '.join(map(str, command))}: exit code {process.returncode}")
    return time.perf_counter() - start, peak


def usage(command: Command) -> tuple[float, float, int]:
    """Seconds, processor seconds and the peak bytes (RSS) of a process, as the system counted them when it ended.

    The peak is at least this process's own, which Linux hands on: keep large things out of it.
    """
    start = time.perf_counter()
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    with process:
        said = process.stderr.read() if process.stderr else b""
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(map(str, command))}: exit code {process.returncode}\n{said.decode()}")
    return time.perf_counter() - start, used.ru_utime + used.ru_stime, 1024 * used.ru_maxrss


def session_memory(session: int) -> Memory:
    """The memory of all processes of a session at this moment (Linux: proc(5), smaps_rollup)."""
    pss = rss = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it may end while it is read
            state = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(state[3]) == session:
                rollup = (folder / "smaps_rollup").read_text()
                pss += 1024 * sum(map(int, re.findall(r"^Pss:\s+(\d+)", rollup, re.MULTILINE)))
                rss += 1024 * sum(map(int, re.findall(r"^Rss:\s+(\d+)", rollup, re.MULTILINE)))
    return Memory(pss, rss)


# Places and progress


@contextmanager
def workspace(need: float) -> Iterator[Path]:
    """A new folder for `need` GB: in memory if there is room, otherwise in build/bench."""
    memory = Path("/dev/shm")
    BUILD.mkdir(parents=True, exist_ok=True)
    in_memory = memory.is_dir() and shutil.disk_usage(memory).free > need * 1e9
    with TemporaryDirectory(prefix="segdata-bench-", dir=memory if in_memory else BUILD) as folder:
        if not in_memory:
            say(f"no {need:g} GB free in /dev/shm: files go to disk")
        yield Path(folder)


def say(text: str) -> None:
    """Progress, on stderr: stdout is the results."""
    print(text, file=sys.stderr, flush=True)
