"""Kill running commands and their processes at random moments, run the same command again, and compare every byte with an
undisturbed run. Every other run of a command that makes a dataset replaces one (--overwrite): when it is killed, the old dataset
is as it was, or the new one is whole.

    python tools/soak.py [--runs 100] [--seed 0] [--only convert] [--record]
    python tools/soak.py --power [--runs 60] [--seed 0] [--record]
    python tools/soak.py --flat [--samples 100000] [--record]

Victims: a process of the pool, the command itself (SIGKILL, SIGTERM, SIGINT), a Dask worker, the Dask scheduler. Needs the real
labels in ../shared/data. Prints one line per run, and a table; `--record` puts it into tools/bench/RESULTS.md. `--power`
cuts the power of a disk instead (see soak_power.py; it takes root). `--flat`
watches the open files and the memory of commands over that many samples. The exit code is 1 if anything differs.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools" / "bench"))

from inputs import DATA, write_coco  # noqa: E402
from measure import say, workspace  # noqa: E402
from results import machine, record, table  # noqa: E402
from soak_power import cannot, power_cuts  # noqa: E402
from soak_power import report as cut_report  # noqa: E402

SEGDATA = [sys.executable, "-m", "segdata"]
ENVIRONMENT = {
    **os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore",
}  # fmt: skip
POOL, TERM, INT, KILL = (
    "a process of the pool",
    "the command (SIGTERM)",
    "the command (SIGINT)",
    "the command (SIGKILL)",
)
WORKER, SCHEDULER = "a Dask worker", "the Dask scheduler"
VICTIMS = (POOL, KILL, TERM, INT, WORKER, SCHEDULER)
SIGNALS = {TERM: signal.SIGTERM, INT: signal.SIGINT}
TRIES = 5
"""How often a command is repeated at most."""


@dataclass(frozen=True, slots=True)
class Job:
    """A command of segdata; the arguments `more` come before its destination."""

    name: str
    arguments: Sequence[str]
    more: Sequence[str] = ()

    @property
    def replaces(self) -> bool:
        """Whether it makes a dataset, which may take the place of another."""
        return self.name != "evaluate"

    def command(
        self, destination: Path, *, jobs: int = 1, dask: str | None = None, overwrite: bool = False
    ) -> list[str]:
        """The command line to start."""
        spread = ["--dask", dask] if dask else ["-j", str(jobs)] if jobs > 1 else []
        return [
            *SEGDATA,
            self.name,
            *self.arguments,
            *self.more,
            str(destination),
            *spread,
            *["--overwrite"] * overwrite,
        ]


@dataclass(slots=True)
class Outcome:
    """The outcome of a run: `done` lines were in the journal when it was hit; `codes` are the exit codes until it finished.

    `lost`: it was to replace a dataset, and once it was hit there was neither this one nor a whole new one.
    """

    job: str
    victim: str
    overwrite: bool = False
    lost: bool = False
    done: int = 0
    codes: list[int] = field(default_factory=list)
    equal: bool = False
    left: int = 0

    def __str__(self) -> str:
        state = "equal" if self.good else f"DIFFERENT ({self.left} processes left, the old one lost: {self.lost})"
        victim = f"{self.victim}{', replacing' * self.overwrite}"
        return f"{self.job:8} {victim:33} after {self.done:4} items: exit codes {self.codes}: {state}"

    @property
    def good(self) -> bool:
        """Whether nothing was lost."""
        return self.equal and not self.left and not self.lost


# Processes


def members(session: int) -> dict[int, tuple[int, str]]:
    """The processes of a session: id -> (parent, command line); zombies do not count."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # a process may end while it is read
            state, parent, _, its = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            if int(its) == session and state != "Z":
                found[int(folder.name)] = int(parent), (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


def pool_of(session: int) -> list[int]:
    """The processes of a command's pool: children of its fork server, which is a child of the command."""
    found = members(session)
    servers = {pid for pid, (parent, line) in found.items() if parent == session and "forkserver" in line}
    return sorted(pid for pid, (parent, _) in found.items() if parent in servers)


def left_over(session: int, seconds: float = 10.0) -> int:
    """How many processes of a session do not end by themselves after the first one has ended. They are then killed."""
    deadline = time.monotonic() + seconds
    while (found := members(session)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in found:
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    return len(found)


# Runs


def contents(folder: Path) -> dict[str, str]:
    """Every file of a folder, or one file, by the digest of its bytes."""
    files = [folder] if folder.is_file() else sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def removed(path: Path) -> Path:
    """The same path, after removing everything there."""
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    return path


def undisturbed(job: Job, destination: Path) -> tuple[float, float]:
    """Run a job. Returns the seconds until its destination existed, and the seconds until it ended."""
    start, begun = time.monotonic(), 0.0
    removed(destination)
    with open(destination.with_suffix(".log"), "w+") as log:
        process = subprocess.Popen(job.command(destination), env=ENVIRONMENT, stdout=log, stderr=log)
        while process.poll() is None:
            time.sleep(0.005)
            begun = begun or (time.monotonic() - start) * destination.exists()
        if process.returncode:
            log.seek(0)
            sys.exit(f"{' '.join(job.command(destination))}: {log.read()}")
    return begun, time.monotonic() - start


def journal_lines(destination: Path) -> int:
    """How many items a job has noted as done, at its destination or beside it."""
    lines = 0
    for folder in (destination, beside(destination)):
        with suppress(OSError):
            lines = max(lines, (folder / "journal.jsonl").read_bytes().count(b"\n") - 1)
    return lines


def beside(destination: Path) -> Path:
    """Where a dataset is made that shall replace another."""
    return Path(f"{destination}.partial")


def is_one_of(destination: Path, *wanted: dict[str, str]) -> bool:
    """Whether a folder, but for a journal, holds the files of one of these."""
    there = contents(destination)
    there.pop("journal.jsonl", None)
    return there in wanted


def disturbed(
    job: Job,
    victim: str,
    destination: Path,
    moment: float,
    cluster: Cluster | None,
    right: dict[str, str],
    old: Path | None,
) -> Outcome | None:
    """Start a job, kill the victim after so many seconds, and repeat the job until it finishes. None if it was too late.

    `right`: what it comes to. `old`: the dataset that it is to replace, if any.
    """
    out = Outcome(job.name, victim, old is not None)
    for path in (destination, beside(destination)):
        removed(path)
    if old is not None:
        shutil.copytree(old, destination)
    for number in range(TRIES):
        jobs, dask = 2 if victim == POOL else 1, cluster.address if cluster else None
        command = job.command(destination, jobs=jobs, dask=dask, overwrite=old is not None)
        with open(destination.with_suffix(".log"), "w+") as log:
            process = subprocess.Popen(command, env=ENVIRONMENT, stdout=log, stderr=log, start_new_session=True)
            if number == 0:
                was_hit = hit(process, victim, moment, cluster)
                out.done = journal_lines(destination)
                if not was_hit:
                    process.wait()
                    return None
            out.codes.append(process.wait())
            out.left += left_over(process.pid)
        if old is not None and number == 0:
            out.lost = not is_one_of(destination, contents(old), right)
        if cluster:
            cluster.mend()
        if out.codes[-1] == 0:
            break
    out.equal = contents(destination) == right and not beside(destination).exists()
    return out


def hit(process: subprocess.Popen[bytes], victim: str, moment: float, cluster: Cluster | None) -> bool:
    """Kill the victim at that moment, or as soon as it exists; False if the command ended before."""
    deadline = time.monotonic() + moment
    while time.monotonic() < deadline or (victim == POOL and not pool_of(process.pid)):
        if process.poll() is not None:
            return False
        time.sleep(0.005)
    if process.poll() is not None:
        return False
    if victim == POOL:
        os.kill(random.choice(pool_of(process.pid)), signal.SIGKILL)
    elif victim in (WORKER, SCHEDULER) and cluster:
        cluster.kill(victim)
    else:
        process.send_signal(SIGNALS.get(victim, signal.SIGKILL))
    return True


# Dask


@dataclass(slots=True)
class Cluster:
    """A Dask scheduler and two workers, each a process."""

    port: int = 8799
    scheduler: subprocess.Popen[bytes] | None = None
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def address(self) -> str:
        """The address of the scheduler."""
        return f"tcp://127.0.0.1:{self.port}"

    def mend(self) -> None:
        """Start the processes that are missing."""
        if self.scheduler is None or self.scheduler.poll() is not None:
            self.stop()
            self.port += 1
            about = ["--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard", "--no-show"]
            self.scheduler = self._start("scheduler", *about)
        self.workers = [worker for worker in self.workers if worker.poll() is None]
        while len(self.workers) < 2:
            about = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--death-timeout", "60"]
            self.workers.append(self._start("worker", self.address, *about))

    def kill(self, victim: str) -> None:
        """Kill one of them, without warning."""
        process = self.scheduler if victim == SCHEDULER else random.choice(self.workers)
        if process is not None:
            process.kill()
            process.wait()

    def stop(self) -> None:
        """End all processes."""
        for process in [*self.workers, *([self.scheduler] if self.scheduler else [])]:
            process.kill()
            process.wait()
        self.workers, self.scheduler = [], None

    def _start(self, what: str, *about: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "distributed.cli.dask_" + what, *about]
        return subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


# The soak


def prepare(work: Path) -> list[Job]:
    """Make inputs from real labels, and one job of each kind that takes some seconds."""
    coco = write_coco(work / "coco" / "annotations" / "instances_train2017.json", 3000)
    names, streets, pred, model = (str(work / name) for name in ("classes.txt", "streets", "pred", "run/last.pt"))
    Path(names).write_text("sky\nbuilding\npole\nroad\npavement\ntree\nsign\nfence\ncar\nperson\nbicycle\n")
    folders = ["--image-dir", "{split}", "--mask-dir", "{split}annot", "--classes", names, "--values", "11=ignore"]
    convert = ["convert", "masks", str(DATA / "camvid")]
    part = ["--split", "some"]  # 40 of 101
    tiles = str(work / "tiles")
    windows = ["--scores", "--size", "360x480", *part]
    for command in (
        [*convert, str(work / "all"), *folders],
        [*convert, str(work / "val"), *folders, "--split", "val"],
        ["split", str(work / "val"), streets, "--ratios", "some=0.4,rest=0.6"],
        ["train", str(work / "all"), str(work / "run"), "--epochs", "1", "--steps", "4", "--crop", "64", "--threads", "1",
         "--model-option", "stem=2", "--model-option", "width=8", "--images", "0", "--allow-missing", "all"],
        ["predict", model, streets, pred, *windows],
        ["tile", streets, tiles, "--size", "120"],
    ):  # fmt: skip
        done = subprocess.run([*SEGDATA, *command], env=ENVIRONMENT, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(command)}: {done.stderr}")
    return [
        Job("convert", ["coco", str(coco)], ["--images", "none"]),
        Job("tile", [streets], ["--size", "120", "--overlap", "24"]),
        Job("predict", [model, streets], windows),
        Job("export", ["webdataset", streets, "--samples-per-shard", "3", "--shuffle", "0"]),
        Job("split", [str(work / "val")], ["--ratios", "a=0.5,b=0.5"]),
        Job("join", [str(work / "val"), tiles]),
        Job("remap", [str(work / "all")], ["--drop", "sign"]),
        Job("stitch", [tiles]),
        Job("untile", [tiles]),
        Job("refine", [pred], ["--no-crf", "--step", "close:size=5"]),
        Job("agree", [pred, streets, *part], ["--consensus", "staple"]),
        Job("evaluate", [pred, streets, *part, "--boundary-f"], ["--html"]),
    ]


def soak(runs: int, seed: int, only: str | None, dask: bool) -> tuple[list[str], bool]:
    """The lines of the report, and whether every run ended with the bytes of an undisturbed one."""
    chance = random.Random(seed)
    random.seed(seed)
    outcomes: list[Outcome] = []
    with workspace(need=2) as work:
        say("preparing")
        jobs = [job for job in prepare(work) if only in (None, job.name)]
        right, takes, starts = {}, {}, {}
        for job in jobs:
            place = work / f"{job.name}-right"
            begun, takes[job.name] = undisturbed(job, place)
            starts[job.name] = begun / takes[job.name]
            right[job.name] = contents(place)
            say(f"{job.name}: {takes[job.name]:.1f} s undisturbed, writes from {begun:.1f} s on")
        pairs = [(job, victim) for victim in VICTIMS for job in jobs if dask or "Dask" not in victim]
        cluster = Cluster()
        try:
            while len(outcomes) < runs:
                job, victim = pairs[len(outcomes) % len(pairs)]
                used = cluster if victim in (WORKER, SCHEDULER) else None
                if used:
                    used.mend()
                place = work / f"{job.name}-again"
                early = starts[job.name] if starts[job.name] < 0.9 and chance.random() < 0.8 else 0.2
                moment = chance.uniform(early, 1.0) * takes[job.name]
                old = work / "streets" if job.replaces and chance.random() < 0.5 else None
                outcome = disturbed(job, victim, place, moment, used, right[job.name], old)
                if outcome is None:
                    takes[job.name] *= 0.8  # it finished before: the machine has become faster
                    continue
                outcomes.append(outcome)
                say(f"{len(outcomes):3} of {runs}: {outcome}")
        finally:
            cluster.stop()
    return report(outcomes), all(o.good for o in outcomes)


def report(outcomes: Sequence[Outcome]) -> list[str]:
    """A table by command and victim, and the totals."""
    rows = []
    for job, victim in dict.fromkeys((o.job, o.victim) for o in outcomes):
        some = [o for o in outcomes if (o.job, o.victim) == (job, victim)]
        survived = sum(o.codes[0] == 0 for o in some)
        done = sorted(o.done for o in some)
        equal = sum(o.equal for o in some)
        rows.append(
            [f"{job}: {victim}", str(len(some)), str(done[len(done) // 2]), str(survived), f"{equal} of {len(some)}"]
        )
    kills = Counter(o.victim for o in outcomes)
    equal, left = sum(o.equal for o in outcomes), sum(o.left for o in outcomes)
    replaced = [o.lost for o in outcomes if o.overwrite]
    return [
        *table("killed | runs | items done, median | went on by itself | the same bytes in the end", rows), "",
        f"{len(outcomes)} runs: {', '.join(f'{n} of {victim}' for victim, n in kills.items())}. **{equal} of {len(outcomes)}** "
        f"ended with every byte of an undisturbed run, the command repeated at most {max(len(o.codes) for o in outcomes) - 1} "
        f"times; {left} processes were left behind. Of {len(replaced)} runs that replaced a dataset, {sum(replaced)} left "
        "neither this one nor a whole new one. Items done are lines of the journal as it was hit, which is "
        "written in blocks: at least so many.",
    ]  # fmt: skip


def power(runs: int, seed: int) -> tuple[list[str], bool]:
    """The lines of the report on power cuts, and whether every one left what is right."""
    with workspace(need=2) as work:
        if why := cannot(work):
            return [f"Skipped: {why}"], True
        say("preparing")
        jobs = {job.name: job.command for job in prepare(work) if job.name in ("convert", "tile", "export")}
        streets = Job("split", [str(work / "streets")], ["--ratios", "a=0.5,b=0.5", "--allow-missing", "all"])
        cuts = power_cuts(
            {**jobs, "split": streets.command}, runs, seed, work, environment=ENVIRONMENT, contents=contents, say=say
        )
    return cut_report(cuts), all(cut.equal for cut in cuts)


# Open files and memory


def flat(samples: int) -> list[str]:
    """Watch the open files and the memory of commands over that many samples: does anything grow with the samples?"""
    rows = []
    with workspace(need=1.5) as work:
        source = write_images(work / "source", samples)
        data = work / "data"
        commands = {
            "convert": ["convert", "masks", str(source), str(data), "--classes", str(source / "classes.txt")],
            "stats --recount": ["stats", str(data), "--recount"],
            "check": ["check", str(data)],
            "tile": ["tile", str(data), str(work / "tiles"), "--size", "16"],
            "evaluate": ["evaluate", str(data), str(data), "--draws", "0"],
        }
        for name, arguments in commands.items():
            say(name)
            rows.append([name, *watched([*SEGDATA, *arguments], samples)])
    return [
        f"{samples:,} images of 16 x 16 pixels, one process; looked up ten times a second from when a fifth of the time had "
        "passed. What memory grows by is the samples' lines, which are kept.",
        "",
        *table("command | open files, least to most | memory at a fifth, MiB | the most, MiB | bytes a sample", rows),
    ]


def write_images(root: Path, samples: int) -> Path:
    """Make folders `images` and `masks` of that many files, a thousand per folder, and `classes.txt`."""
    import numpy as np

    from segdata.files.images import write_image, write_mask

    image, mask = np.zeros((16, 16, 3), np.uint8), np.arange(256, dtype=np.uint8).reshape(16, 16) % 3
    write_image(root / "one.png", image)
    write_mask(root / "two.png", mask)
    for number in range(samples):
        for folder, file in (("images", "one.png"), ("masks", "two.png")):
            place = root / folder / f"{number // 1000:03}" / f"{number:06}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / file, place)
    (root / "one.png").unlink()
    (root / "two.png").unlink()
    (root / "classes.txt").write_text("road\ncar\nsign\n")
    return root


def watched(command: Sequence[str], samples: int) -> list[str]:
    """Cells of the table: a command's open files and memory."""
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    seen = list(looks(process))
    if process.returncode not in (0, 1):
        sys.exit(f"{' '.join(command)}: {process.stderr.read().decode() if process.stderr else ''}")
    late = seen[len(seen) // 5 :]
    files, memory = [n for n, _ in late], [m for _, m in late]
    growth = (max(memory) - memory[0]) / (0.8 * samples)
    return [f"{min(files)} to {max(files)}", f"{memory[0] / 2**20:.0f}", f"{max(memory) / 2**20:.0f}", f"{growth:,.0f}"]


def looks(process: subprocess.Popen[bytes]) -> Iterator[tuple[int, int]]:
    """(open files, bytes of resident memory) of a process, ten times a second until it ends."""
    folder = Path("/proc") / str(process.pid)
    while process.poll() is None:
        with suppress(OSError, IndexError):
            pages = int((folder / "statm").read_text().split()[1])
            yield len(list((folder / "fd").iterdir())), pages * os.sysconf("SC_PAGE_SIZE")
        time.sleep(0.1)


def main() -> None:
    """Soak, or watch, and record if that is asked for."""
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a shell's background jobs ignore it, and so would their children
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="this command alone")
    parser.add_argument("--no-dask", action="store_true", help="kill the pool and the command alone")
    parser.add_argument("--power", action="store_true", help="cut the power of a disk instead")
    parser.add_argument("--flat", action="store_true", help="watch open files and memory instead")
    parser.add_argument("--samples", type=int, default=100_000, help="of --flat")
    parser.add_argument("--record", action="store_true", help="put the table into tools/bench/RESULTS.md")
    given = parser.parse_args()
    if given.flat:
        title, command, good = "Open files and memory over many samples", "--flat", True
        lines = flat(given.samples)
    elif given.power:
        title, command = "Power cuts at random moments", f"--power --runs {given.runs} --seed {given.seed}"
        lines, good = power(given.runs, given.seed)
    else:
        title, command = "Killed at random moments", f"--runs {given.runs} --seed {given.seed}"
        lines, good = soak(given.runs, given.seed, given.only, not given.no_dask)
    lines = [f"`python tools/soak.py {command}`, {machine({})}", "", *lines]
    print(f"## {title}", "", *lines, "", sep="\n")
    if given.record:
        record(title, lines)
    sys.exit(not good)


if __name__ == "__main__":
    main()
