"""Full disks, places that may not be written to, two runs at once, sources that change meanwhile, processes that are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import segdata
from carry_files import contents, make
from memory import memory_now
from predictors import ByColour
from segdata.cli import main
from segdata.dataset.dataset import Dataset
from segdata.dataset.journal import Journal
from segdata.dataset.layout import JOURNAL, MANIFEST
from segdata.dataset.locks import locked
from segdata.errors import DataError, DatasetError, Problem, Report
from segdata.executors.pool import Pool, process_pool
from segdata.executors.run import Run, workers
from segdata.executors.worker import each
from segdata.ops.check.operation import check
from segdata.ops.join.operation import join
from segdata.ops.tile.operation import tile
from segdata.prediction import predictor as predictors

ROOT = Path(__file__).resolve().parents[1]
NAMES = ("road", "car", "sign")
NOISE = np.random.default_rng(0).integers(0, 3, (24, 40, 48)).astype(np.uint8)
COMMANDS = {
    "convert": ["convert", "coco", "COCO", "OUT"],
    "convert -j 2": ["convert", "coco", "COCO", "OUT", "--images", "copy", "-j", "2"],
    "tile": ["tile", "SRC", "OUT", "--size", "16"],
    "predict": ["predict", "MODEL", "SRC", "OUT", "--scores", "--entropy"],
    "refine": ["refine", "SRC", "OUT", "--no-crf", "--step", "open:size=1"],
    "split": ["split", "SRC", "OUT", "--ratios", "a=0.5,b=0.5"],
    "join": ["join", "SRC", "TILES", "OUT"],
    "remap": ["remap", "SRC", "OUT", "--drop", "car"],
    "stitch": ["stitch", "TILES", "OUT"],
    "untile": ["untile", "TILES", "OUT"],
    "export": ["export", "webdataset", "SRC", "OUT"],
}


@pytest.fixture
def command(tmp_path: Path, samples: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Path], Any]:
    """Runs a command of the table into a destination."""
    dataset = make(tmp_path / "src", {f"val/{i:02}": mask for i, mask in enumerate(NOISE)}, names=NAMES, images="copy")
    for sample in dataset:
        Image.fromarray(dataset.labels.palette()[dataset.read_mask(sample)]).save(dataset.root / str(sample.image))
    tile(dataset, tmp_path / "tiles", size=24)
    (tmp_path / "model.toy").write_text("weights")
    toys = type(sys)("toy_loader")
    toys.load = lambda file, device, trust_code: ByColour(dataset.labels)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "toy_loader", toys)
    monkeypatch.setitem(predictors.LOADERS, ".toy", ("toy_loader", "toys"))
    places = {
        "COCO": samples / "coco",
        "SRC": dataset.root,
        "TILES": tmp_path / "tiles",
        "MODEL": tmp_path / "model.toy",
    }

    def run(name: str, out: Path, *more: str) -> Any:
        names = {**places, "OUT": out}
        return CliRunner().invoke(main, [*(str(names.get(word, word)) for word in COMMANDS[name]), *more])

    return run


@pytest.mark.parametrize("name", [name for name, line in COMMANDS.items() if "COCO" not in line])
def test_images_that_are_read_are_never_overwritten(command: Callable[..., Any], tmp_path: Path, name: str) -> None:
    """A dataset refers to images that lie in another one, which shall be replaced."""
    held = make(tmp_path / "out", {f"val/{i:02}": mask for i, mask in enumerate(NOISE)}, names=NAMES, images="copy")
    for root in ("src", "tiles"):
        lines = (tmp_path / root / MANIFEST).read_text().replace('"image":"images/', '"image":"../out/images/')
        (tmp_path / root / MANIFEST).write_text(lines)
        card = (tmp_path / root / "dataset.json").read_text()
        (tmp_path / root / "dataset.json").write_text(card.replace('"copy"', '"reference"'))
    before = contents(held.root)
    result = command(name, held.root, "--overwrite")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {held.root}: holds an input ("), result.output
    assert result.stderr.endswith("choose another destination\n")
    assert contents(held.root) == before


def test_images_that_are_converted_are_never_overwritten(tmp_path: Path) -> None:
    held = make(tmp_path / "data" / "out", {f"val/{i:02}": mask for i, mask in enumerate(NOISE)}, images="copy")
    (tmp_path / "classes.txt").write_text("\n".join(NAMES))
    before = contents(held.root)
    options: dict[str, Any] = {
        "image_dir": "out/images/val",
        "mask_dir": "out/masks/val",
        "classes": tmp_path / "classes.txt",
    }
    with pytest.raises(segdata.SegdataError, match="holds an input"):
        segdata.convert("masks", tmp_path / "data", held.root, overwrite=True, **options)
    assert contents(held.root) == before


# A full disk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A file system of its own: called with mount's options it is there, or changed. Skipped where this process may not mount."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = False

    def options(text: str) -> Path:
        nonlocal mounted
        how = ["-o", f"remount,{text}"] if mounted else ["-t", "tmpfs", "-o", text, "tmpfs"]
        if subprocess.run(["mount", *how, str(place)], capture_output=True).returncode:
            pytest.skip("this process may not mount file systems")
        mounted = True
        return place

    yield options
    if mounted:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def blocks(folder: Path) -> int:
    """KiB that a folder takes on a file system with blocks of 4."""
    return sum(-(-path.stat().st_size // 4096) * 4 for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", ["convert", "convert -j 2", "tile", "predict", "refine", "stitch", "untile"])
def test_a_full_disk_is_named_and_the_command_goes_on_once_there_is_room(
    tmp_path: Path, command: Callable[..., Any], disk: Callable[[str], Path], name: str
) -> None:
    right = tmp_path / "right" / "out"  # as deep, since references are relative
    assert command(name, right).exit_code == 0
    out = disk(f"size={blocks(right) // 2}k") / "out"
    result = command(name, out)
    assert result.exit_code == 1, result.output
    assert result.stderr.startswith(f"error: {out}/"), result.stderr
    assert result.stderr.endswith(
        ": No space left on device: make room there, then run the same command again to go on\n"
    )
    assert len(result.stderr.splitlines()) == 1
    with pytest.raises(DatasetError, match="unfinished"):
        Dataset.open(out)
    disk("size=100m")
    again = command(name, out)
    assert again.exit_code == 0, again.output
    assert contents(out) == contents(right)


@pytest.mark.parametrize("name", ["convert", "tile"])
def test_a_disk_that_is_full_from_the_start_is_named(
    command: Callable[..., Any], disk: Callable[[str], Path], name: str
) -> None:
    place = disk("size=8k")
    (place / "filler").write_bytes(bytes(8192))
    result = command(name, place / "out")
    assert result.exit_code == 1, result.output
    assert result.stderr.startswith(f"error: {place / 'out'}/"), result.stderr
    assert "No space left on device" in result.stderr
    assert not (place / "out" / JOURNAL).exists()
    (place / "filler").unlink()
    disk("size=100m")
    assert command(name, place / "out").exit_code == 0


LIMITED = """
import resource, sys
from segdata.cli import main  # noqa: E402
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
main(sys.argv[1:])
"""


def test_a_file_that_may_not_grow(tmp_path: Path, samples: Path) -> None:
    """The same where nothing can be mounted, by a limit on the size of files: masks fit, the manifest does not."""
    arguments = ["convert", "coco", str(samples / "coco"), str(tmp_path / "out")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", LIMITED, *arguments], capture_output=True, text=True, env=environment)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {tmp_path / 'out'}/"), done.stderr
    assert "File too large: make room there, then run the same command again" in done.stderr
    assert not (tmp_path / "out" / MANIFEST).exists()
    assert CliRunner().invoke(main, arguments).exit_code == 0
    segdata.convert("coco", samples / "coco", tmp_path / "right")
    assert contents(tmp_path / "out") == contents(tmp_path / "right")


# Places


@pytest.mark.parametrize("name", COMMANDS)
def test_a_place_that_may_not_be_written_to(
    command: Callable[..., Any], disk: Callable[[str], Path], name: str
) -> None:
    place = disk("size=1m")
    (place / "empty").mkdir()
    disk("ro")
    for out in (place / "new", place / "empty"):
        result = command(name, out)
        assert result.exit_code == 1, result.output
        assert result.stderr.startswith(f"error: {out}"), result.stderr
        assert result.stderr.endswith(": Read-only file system: choose a place that may be written to\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_place_below_a_file(tmp_path: Path, command: Callable[..., Any], name: str) -> None:
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "out"):
        result = command(name, out)
        assert result.exit_code == 1, result.output
        assert result.stderr.startswith(f"error: {out}"), result.stderr
    assert (tmp_path / "file").read_text() == "mine"


# Two at once


@pytest.mark.parametrize("more", [[], ["--overwrite"]])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_second_run_into_one_place_is_refused(
    tmp_path: Path, command: Callable[..., Any], name: str, more: list[str]
) -> None:
    out = tmp_path / "out"
    (out / "masks").mkdir(parents=True)
    (out / "masks" / "x.png").write_bytes(b"under way")
    first = locked(out / JOURNAL)
    first.write(b'{"tool": "segdata"}\n')
    first.flush()
    try:
        result = command(name, out, *more)
        assert result.exit_code == 1, result.output
        assert result.stderr == f"error: {out}: another run is writing there; wait for it to end\n"
        assert (out / "masks" / "x.png").read_bytes() == b"under way"
    finally:
        first.close()


def test_of_two_commands_started_together_one_is_refused(tmp_path: Path, samples: Path) -> None:
    start = [
        sys.executable,
        "-m",
        "segdata",
        "convert",
        "coco",
        str(samples / "coco"),
        str(tmp_path / "out"),
        "-j",
        "2",
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    both = [subprocess.Popen(start, stderr=subprocess.PIPE, text=True, env=environment) for _ in range(2)]
    ends = [(process.communicate(timeout=120)[1], process.returncode) for process in both]
    assert sorted(code for _, code in ends) == [0, 1]
    assert any(
        words in text for text, code in ends if code for words in ("another run", "exists already")
    ), ends  # fmt: skip
    segdata.convert("coco", samples / "coco", tmp_path / "right")
    assert contents(tmp_path / "out") == contents(tmp_path / "right")


# Sources that change


def after(number: int, change: Callable[[], Any]) -> Run:
    """A run in which something happens once so many items are done."""

    def track(items: Iterator[Any], total: int) -> Iterator[Any]:
        for done, item in enumerate(items, 1):
            yield item
            if done == number:
                change()

    return Run(track=track)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda path: path.unlink(), "image.missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:300]), "image.unreadable"),
        (lambda path: path.write_bytes(b""), "image.unreadable"),
        (lambda path: Image.new("RGB", (9, 7)).save(path), "image.size"),
    ],
)
@pytest.mark.parametrize("operation", ["convert", "tile"])
def test_a_image_that_changes_before_it_is_read(
    tmp_path: Path, operation: str, change: Callable[[Path], Any], code: str
) -> None:
    source = make(
        tmp_path / "src", {f"val/{i:02}": mask for i, mask in enumerate(NOISE[:6])}, names=NAMES, images="copy"
    )
    run = after(2, lambda: change(source.root / "images/val/04.png"))
    (tmp_path / "classes.txt").write_text("\n".join(NAMES))
    options = {"image_dir": "images/{split}", "mask_dir": "masks/{split}", "classes": tmp_path / "classes.txt"}
    with pytest.raises(DataError) as caught:  # noqa: PT012 - one of two
        if operation == "tile":
            tile(source, tmp_path / "out", size=16, run=run)
        else:
            segdata.convert("masks", source.root, tmp_path / "out", split="val", run=run, **options)
    problem = caught.value.problem
    assert problem.code == code
    assert "04" in str(problem.sample)
    assert not (tmp_path / "out").exists()


def test_a_mask_that_changes_before_it_is_carried_is_counted_again(tmp_path: Path) -> None:
    """The source has another digest than its manifest says, what is made of it has its own."""
    source = make(tmp_path / "src", {f"val/{i:02}": mask for i, mask in enumerate(NOISE[:6])}, names=NAMES)
    path = source.root / "masks/val/04.png"

    def replace() -> None:
        path.unlink()
        Image.fromarray(NOISE[9]).save(path)

    other = make(tmp_path / "other", {"train/0": NOISE[8]}, names=NAMES)
    made = join([source, other], tmp_path / "out", run=after(2, replace))
    assert ("mask.changed", "val/04") in [(f.code, id) for f in check(source).findings for id in f.samples]
    assert not [f for f in check(made).findings if f.level == "error" and f.code.startswith("mask.")]
    assert made.sample("val/04").counts == made.read_counts(made.sample("val/04"))


def test_a_manifest_that_changes_between_two_sessions_is_another_job(tmp_path: Path) -> None:
    source = make(tmp_path / "src", {f"val/{i:02}": mask for i, mask in enumerate(NOISE[:6])}, names=NAMES)

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tile(source, tmp_path / "out", size=16, run=after(2, stop))
    lines = (source.root / MANIFEST).read_text().splitlines(keepends=True)
    (source.root / MANIFEST).write_text("".join(lines[:-1]))
    with pytest.raises(DatasetError, match="an unfinished job with other inputs or options"):
        tile(source.root, tmp_path / "out", size=16)
    (source.root / MANIFEST).write_text("".join(lines))
    made = tile(source.root, tmp_path / "out", size=16)
    tile(source, tmp_path / "right", size=16)
    assert contents(made.root) == contents(tmp_path / "right")


# Killed (tools/soak.py does so at length)


def killed(command: list[str], journal: Path, victim: str, lines: int) -> int:
    """Start a command, kill it or a process of its pool once the journal has so many lines; its exit code."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    deadline = time.monotonic() + 60
    while not journal.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.002 * lines)
    if victim == "pool":
        while not (found := pool_of(process.pid)) and process.poll() is None:
            time.sleep(0.001)
        for pid in found[:1]:
            os.kill(pid, signal.SIGKILL)
    elif process.poll() is None:
        process.send_signal(getattr(signal, victim))
    try:
        return process.wait(timeout=60)
    finally:
        process.kill()
        process.wait()


def pool_of(command: int) -> list[int]:
    """Its pool's processes: grandchildren, by way of the fork server."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    return sorted(pid for pid, parent in parents.items() if parents.get(parent) == command)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc")
@pytest.mark.parametrize("victim", ["pool", "SIGKILL", "SIGTERM", "SIGINT"])
def test_a_killed_command_is_repeated_to_the_same_bytes(tmp_path: Path, samples: Path, victim: str) -> None:
    dataset = segdata.convert("coco", samples / "coco", tmp_path / "src")
    arguments = ["tile", str(dataset.root), str(tmp_path / "out"), "--size", "64", "--overlap", "16"]
    start = [sys.executable, "-m", "segdata", *arguments, *(["-j", "2"] if victim == "pool" else [])]
    tile(dataset, tmp_path / "right", size=64, overlap=(16, 16))
    code = killed(
        start, tmp_path / "out" / JOURNAL, victim, {"pool": 10, "SIGKILL": 1, "SIGTERM": 20, "SIGINT": 40}[victim]
    )
    assert code in {"pool": (0,), "SIGINT": (0, 130, -signal.SIGINT)}.get(victim, (0, -getattr(signal, victim, 0)))
    if code:
        assert CliRunner().invoke(main, arguments).exit_code == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "right")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_is_killed_at_its_very_end_is_repeated(
    tmp_path: Path, command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The manifest is written, the journal is not yet removed."""
    with monkeypatch.context() as patched:
        patched.setattr(Journal, "close", lambda journal, *, finished: journal._log.close())
        assert command(name, tmp_path / "out").exit_code == 0
    right = contents(tmp_path / "out")
    assert right.pop(JOURNAL)
    assert MANIFEST in right
    again = command(name, tmp_path / "out")
    assert again.exit_code == 0, again.output
    assert contents(tmp_path / "out") == right


def read_or_die(sample: segdata.Sample, dataset: Dataset, bad: str) -> int:
    """A decoder that crashes on one image."""
    if sample.id == bad:
        os.kill(os.getpid(), signal.SIGSEGV)
        time.sleep(5)
    return int(dataset.read_image(sample).sum())


def die_once(item: str, mark: Path) -> str:
    """What kills its process, the first time."""
    if not mark.exists():
        mark.touch()
        time.sleep(1)
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def test_a_process_that_its_broken_pool_missed_is_not_waited_for(tmp_path: Path) -> None:
    """One that is started while the pool ends the others, where a process was killed that held the lock of the queue: nobody
    ends it, nothing tells it to end, and the pool waits for it for ever."""
    executor = process_pool(1)
    crew = Pool(executor, partial(each, function=partial(die_once, mark=tmp_path / "died")))
    future = crew.submit(["a", "b"])
    while not (tmp_path / "died").exists():
        time.sleep(0.01)
    executor._call_queue._rlock.acquire()  # type: ignore[attr-defined]
    executor._spawn_process()  # type: ignore[attr-defined]
    late = list(executor._processes.values())[-1]  # type: ignore[attr-defined]
    late.terminate = lambda: None
    with ThreadPoolExecutor(1) as thread:
        try:
            assert thread.submit(crew.result, future).result(timeout=60)[0] == ["a", "b"]
        finally:
            late.kill()
    assert not late.is_alive()


@pytest.mark.parametrize("on_error", ["skip", "stop"])
def test_a_image_that_crashes_its_decoder_is_named(tmp_path: Path, on_error: Any) -> None:
    """Left out, or told; in this process alone there is nobody left to tell it."""
    source = make(tmp_path / "src", {f"val/{i:02}": mask for i, mask in enumerate(NOISE)}, names=NAMES, images="copy")
    names = partial(read_or_die, dataset=replace(source, samples=()), bad="val/07")
    report = Report(on_error)
    found: dict[str, int] = {}
    with workers(2) as executor, pytest.raises(DataError) if on_error == "stop" else nullcontext():
        for sample, result in Run(executor, report).map(names, source.samples):
            if isinstance(result, Problem):
                assert str(result).startswith("val/07: the process that worked on it died, twice")
                report.add(result)
            else:
                found[sample.id] = result
    if on_error == "skip":
        assert found == {s.id: int(source.read_image(s).sum()) for s in source if s.id != "val/07"}


class Deadly(ByColour):
    """A model that kills the process that runs it on images with a row of white."""

    def __call__(self, images: Any) -> Any:
        if (images == 255).all(axis=(2, 3)).any():
            os._exit(1)
        return super().__call__(images)


def test_predictions_of_a_process_that_dies_are_left_out(tmp_path: Path) -> None:
    """With all of its batch: which of its images it was is not known."""
    source = make(
        tmp_path / "src", {f"val/{i:02}": mask for i, mask in enumerate(NOISE[:6])}, names=NAMES, images="copy"
    )
    image = np.zeros((40, 48, 3), np.uint8)
    image[3] = 255
    Image.fromarray(image).save(source.root / "images/val/03.png")
    report = Report("skip")
    with workers(2) as executor:
        made = segdata.predict(Deadly(source.labels), source, tmp_path / "out", batch=2, run=Run(executor, report))
    assert [sample.id for sample in made] == [f"val/{i:02}" for i in (0, 1, 4, 5)]
    assert [(p.code, p.sample) for p in report.problems] == [("worker.died", "val/02"), ("worker.died", "val/03")]
    assert [one["sample"] for one in made.read_receipt()["skipped"]] == ["val/02", "val/03"]


# Open files and memory


def test_open_files_and_memory_stay_flat(tmp_path: Path) -> None:
    """3,000 images and masks read one after the other (tools/soak.py --flat takes 100,000 through the commands)."""
    source = make(tmp_path / "src", {"val/0": NOISE[0]}, names=NAMES, images="copy")
    samples = source.samples * 3000
    seen: list[tuple[int, int]] = []

    def track(items: Iterator[Any], total: int) -> Iterator[Any]:
        for done, item in enumerate(items):
            if done % 1000 == 999:
                seen.append((len(os.listdir("/proc/self/fd")), memory_now()))
            yield item

    def work(sample: segdata.Sample) -> int:
        return int(source.read_image(sample).size + source.read_mask(sample).size)

    assert sum(n for _, n in Run(track=track).map(work, samples) if isinstance(n, int)) == 3000 * 40 * 48 * 4
    assert len({files for files, _ in seen}) == 1
    assert seen[-1][1] - seen[0][1] < 4 * 1024, "KiB"
