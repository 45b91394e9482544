"""Cut the power of a disk while commands write to it: a loop device whose file is copied at that moment, as a cut leaves it.

`soak.py --power` calls this. It takes root and a Linux that mounts loop devices; elsewhere it says so.
"""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MIB = 256
"""The size of the disk."""

Contents = Callable[[Path], dict[str, str]]
"""Every file of a folder by its digest."""


@dataclass(frozen=True, slots=True)
class Cut:
    """What a cut left: a dataset that opens (`opened`), and whether all is right then or after the command was repeated."""

    job: str
    ended: bool
    opened: bool
    equal: bool

    def __str__(self) -> str:
        when = "after the command's end" if self.ended else "while it ran"
        left = "a dataset" if self.opened else "no dataset, finished by the same command"
        return f"{self.job:8} {when:24} {left}: {'equal' if self.equal else 'DIFFERENT'}"


def cannot(work: Path) -> str | None:
    """Why disks cannot be made and mounted here; None if they can."""
    try:
        make_disk(work / "probe.img")
        with mounted(work / "probe.img", work / "probe"):
            return None
    except (OSError, subprocess.CalledProcessError) as error:
        return f"a loop device cannot be mounted here: {error}"
    finally:
        (work / "probe.img").unlink(missing_ok=True)


def make_disk(image: Path) -> None:
    """An empty disk with ext4, in a file. Raises `OSError`, `CalledProcessError`."""
    with open(image, "wb") as file:
        file.truncate(MIB * 2**20)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True, capture_output=True)


@contextmanager
def mounted(image: Path, place: Path) -> Iterator[Path]:
    """A disk that is mounted at a place. Raises `OSError`, `CalledProcessError`."""
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(place)], check=True, capture_output=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def copy_still(image: Path, copy: Path) -> None:
    """Copy a disk as it is at one moment: once more until nothing was written to it meanwhile."""
    while True:
        shutil.copyfile(image, copy)
        if subprocess.run(["cmp", "-s", str(image), str(copy)], check=False).returncode == 0:
            return


def cut_once(
    name: str, command: Callable[[Path], Sequence[str]], right: Mapping[str, str], moment: float, work: Path, *,
    environment: Mapping[str, str], contents: Contents,
) -> Cut:  # fmt: skip
    """Start a command on an empty disk, cut its power after so many seconds, and see what is there."""
    image, copy, place = work / "disk.img", work / "cut.img", work / "disk"
    make_disk(image)
    run = [*command(place / "out")]
    with mounted(image, place):
        process = subprocess.Popen(run, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(moment)
        ended = process.poll() is not None
        if not ended:
            process.send_signal(signal.SIGSTOP)
        copy_still(image, copy)
        process.kill()
        process.wait()
    image.unlink()
    with mounted(copy, place):
        opened = (place / "out" / "manifest.jsonl").exists()
        codes = 0
        if not opened:
            codes = subprocess.run(run, env=environment, capture_output=True, check=False).returncode
        found = {file: digest for file, digest in contents(place / "out").items() if file != "journal.jsonl"}
    return Cut(name, ended, opened, codes == 0 and found == right)


def power_cuts(
    commands: Mapping[str, Callable[[Path], Sequence[str]]], runs: int, seed: int, work: Path, *,
    environment: Mapping[str, str], contents: Contents, say: Callable[[str], None],
) -> list[Cut]:  # fmt: skip
    """Cut the power at random moments, from a command's start to some seconds after its end."""
    chance, cuts = random.Random(seed), list[Cut]()
    right, takes = {}, {}
    for name, command in commands.items():
        (work / "disk").mkdir(exist_ok=True)
        start = time.monotonic()
        subprocess.run([*command(work / "disk" / "out")], env=environment, check=True, capture_output=True)
        takes[name], right[name] = time.monotonic() - start, contents(work / "disk" / "out")
        shutil.rmtree(work / "disk")
        say(f"{name}: {takes[name]:.1f} s undisturbed")
    names = list(commands)
    while len(cuts) < runs:
        name = names[len(cuts) % len(names)]
        late = chance.random() < 0.4
        moment = takes[name] + chance.uniform(0.5, 8) if late else chance.uniform(0.3, 1.1) * takes[name]
        cuts.append(
            cut_once(name, commands[name], right[name], moment, work, environment=environment, contents=contents)
        )
        say(f"{len(cuts):3} of {runs}: {cuts[-1]}")
    return cuts


def report(cuts: Sequence[Cut]) -> list[str]:
    """Sentences on all cuts."""
    ended, opened, equal = (sum(getattr(cut, what) for cut in cuts) for what in ("ended", "opened", "equal"))
    return [
        f"{len(cuts)} power cuts of a disk with ext4, {ended} of them after the command's end. {opened} left a dataset "
        "that opens; in the others the same command finished it. "
        f"**{equal} of {len(cuts)}** had every byte of an undisturbed run.",
    ]
