"""Change small inputs at random, and run commands on them: whatever a file holds, a command succeeds or says one line.

    python tools/fuzz.py [--minutes 10] [--seed 0] [--only coco,masks] [--keep build/fuzz]
    python tools/fuzz.py --only coco --case 123 [--seed 0]     one case again, with all that it says

A failure is a traceback, an error of more than one line or without the name of a file, a process that dies, takes longer than
--seconds or more memory than --mib. Each kind of failure is told once, with its case, and its input is put into --keep. The exit
code is 1 if there was any. The commands run in forks of this process, which has everything loaded.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import select
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
from click.testing import CliRunner

os.environ.update(OMP_NUM_THREADS="1", NUMBA_NUM_THREADS="1", NO_ALBUMENTATIONS_UPDATE="1")  # read as libraries load

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import make_samples  # noqa: E402
import segdata  # noqa: E402
from fuzz_mutations import mutated  # noqa: E402
from segdata.cli import main as command_line  # noqa: E402
from segdata.refinement.morphology import Step  # noqa: E402

SAMPLES = ROOT / "samples"
USUAL = ("error: ", "left out: ", "correct it, ", "note: ", "Usage: ", "Try '", "Error: ", "warning: ")
"""How lines on stderr may begin."""

Commands = Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Target:
    """Inputs, and commands that read them: `IN` is their folder, `OUT` a destination. `make` writes them into a folder."""

    make: Callable[[Path], object]
    commands: Commands
    changed: Sequence[str] = ("**/*",)
    """Which files are changed."""


def sample(name: str) -> Callable[[Path], object]:
    """Writes the sample of a format, or makes it where there is none."""
    if not (SAMPLES / name).exists():
        make: Callable[[Path], object] = getattr(make_samples, f"make_{name}")
        return make
    return lambda root: shutil.copytree(SAMPLES / name, root, dirs_exist_ok=True)


def converting(name: str, *more: str, of: str = "") -> Target:
    """A format's reader, on its sample or another one."""
    convert = ["convert", name, "IN", "OUT", *more]
    skipping = [*convert, "--on-error", "skip"]
    return Target(sample(of or name), [convert, skipping, [*skipping, "--images", "copy"], ["detect", "IN"]])


def dataset(root: Path) -> None:
    """A dataset with copies of its images, its tiles, and other labels of the same images."""
    segdata.convert("voc", SAMPLES / "voc", root / "d", images="copy")
    segdata.tile(root / "d", root / "t", size=96)
    segdata.refine(root / "d", root / "e", segdata.Refinement(None, (Step("open", size=5),)))


def rasters(root: Path) -> None:
    """A dataset of GeoTIFFs."""
    segdata.convert("vector", SAMPLES / "vector", root / "d", images="copy")


def scores(root: Path) -> None:
    """A dataset, and arrays of another program: scores of each sample, and masks."""
    whole = segdata.convert("voc", SAMPLES / "voc", root / "d", images="copy")
    rng = np.random.default_rng(0)
    for number, sample in enumerate(whole.samples[:4]):
        size = (len(whole.labels.classes), *sample.size)
        path = root / "scores" / sample.id
        path.parent.mkdir(parents=True, exist_ok=True)
        save = np.save if number % 2 else np.savez
        save(path, rng.dirichlet(np.ones(size[0]), size[1:]).transpose(2, 0, 1).astype(np.float16))
        np.save(root / f"{number}.npy", whole.read_mask(sample))
    (root / "images").mkdir()
    (root / "masks").mkdir()
    for number in range(4):
        shutil.move(root / f"{number}.npy", root / "masks")
        shutil.copy(whole.image_path(whole.samples[number]), root / f"images/{number}.jpg")
    (root / "groups.csv").write_text("id,group\n" + "".join(f"{one.id},{i % 3}\n" for i, one in enumerate(whole)))


def settings(root: Path) -> None:
    """Files that options name."""
    from segdata import Recipe
    from segdata.recipes.presets import PRESETS

    dataset(root)
    (root / "recipe.yaml").write_text(Recipe.from_dict(PRESETS["street"], "street").to_yaml())
    (root / "map.json").write_text('{"car": "vehicle", "boat": "vehicle"}')
    (root / "refine.json").write_text(json.dumps({"crf": None, "steps": [{"op": "open", "size": 3}]}))


def checkpoint(root: Path) -> None:
    """A dataset, and a model that was trained on it for a moment."""
    whole = segdata.convert("voc", SAMPLES / "voc", root / "d", images="copy")
    options: dict[str, Any] = {
        "epochs": 1,
        "steps": 1,
        "batch": 2,
        "crop": (32, 32),
        "threads": 1,
        "images": 0,
        "tensorboard": False,
    }
    small: dict[str, Any] = {"model_options": {"stem": 1, "width": 4}, "allow_missing": ("all",), "workers": 0}
    segdata.train(whole, root / "run", **options, **small)
    shutil.copy(root / "run" / "last.pt", root / "model.pt")
    shutil.rmtree(root / "run")


def exported(root: Path) -> None:
    """A dataset, a model exported from a checkpoint, and what it says of the images."""
    checkpoint(root)
    segdata.export_onnx(root / "model.pt", root / "model.onnx", no_verify=True)
    segdata.predict(str(root / "model.onnx"), root / "d", root / "p")
    shutil.copy(root / "p" / "signals.jsonl", root)
    shutil.copy(root / "p" / "signals.jsonl", root / "before.jsonl")


MASKS = ("--classes", "IN/classes.csv")
READ: Commands = [
    ["check", "IN/d"], ["info", "IN/d"], ["stats", "IN/d", "--recount", "--objects"], ["preview", "IN/d", "OUT.png"],
    ["evaluate", "IN/d", "IN/d", "--draws", "0", "--surface", "--objects", "--cldice"],
    ["diff", "IN/d", "IN/e", "--images-by", "bytes", "--html", "OUT.html"], ["diff", "IN/d", "IN/t"],
    ["agree", "IN/d", "IN/e", "--html", "OUT.html"], ["agree", "IN/d", "IN/t"],
]  # fmt: skip
WRITE: Commands = [
    ["tile", "IN/d", "OUT", "--size", "64"], ["split", "IN/d", "OUT", "--ratios", "a=0.5,b=0.5"],
    ["remap", "IN/d", "OUT", "--drop", "car"], ["join", "IN/d", "IN/t", "OUT"], ["export", "webdataset", "IN/d", "OUT"],
    ["refine", "IN/d", "OUT", "--no-crf", "--step", "open:size=1"], ["stitch", "IN/t", "OUT"], ["untile", "IN/t", "OUT"],
    ["agree", "IN/d", "IN/e", "--consensus", "staple", "OUT"],
]  # fmt: skip
BOTH: Commands = [*READ, *WRITE, *([*command, "--on-error", "skip"] for command in WRITE)]
TARGETS = {
    "coco": converting("coco"),
    "voc": converting("voc"),
    "cityscapes": converting("cityscapes"),
    "pets": converting("pets"),
    "masks": converting("masks", *MASKS),
    "vector": converting("vector"),
    "webdataset": converting("webdataset", *MASKS),
    "cvat": Target(sample("cvat"), converting("cvat").commands[:3]),
    "cvat_video": Target(sample("cvat_video"), converting("cvat").commands[:3], ("*.xml",)),
    "ade20k": converting("ade20k"),
    "ade20k_full": converting("ade20k", of="ade20k_full"),
    "mapillary": converting("mapillary"),
    "labelme": converting("labelme"),
    "labelmexml": converting("labelmexml"),
    "labelstudio": converting("labelstudio"),
    "yolo": converting("yolo"),
    "supervisely": converting("supervisely"),
    "bdd100k": converting("bdd100k"),
    "nnunet": converting("nnunet"),
    "sbd": converting("sbd"),
    "cocostuff": converting("cocostuff"),
    "hf": converting("hf"),
    "vistas_polygons": converting("mapillary", "--from", "polygons", of="mapillary"),
    "dataset": Target(dataset, BOTH, ("*/*.json", "*/*.jsonl")),
    "files": Target(dataset, BOTH, ("*/masks/**/*", "*/images/**/*")),
    "rasters": Target(rasters, [command for command in BOTH if not {"IN/t", "IN/e", "car"} & {*command}]),
    "classes": Target(sample("masks"), [["convert", "masks", "IN", "OUT", *MASKS]], ("classes.csv",)),
    "scores": Target(
        scores,
        [
            ["convert", "predictions", "IN/scores", "OUT", "--like", "IN/d", "--on-error", "skip"],
            ["convert", "masks", "IN", "OUT", "--values", "0..20=a", "--values", "255=ignore", "--on-error", "skip"],
            ["split", "IN/d", "OUT", "--ratios", "a=0.5,b=0.5", "--group-by", "csv:IN/groups.csv"],
            ["evaluate", "IN/d", "IN/d", "--slice", "IN/groups.csv:group", "--draws", "0"],
            ["evaluate", "IN/masks", "IN/d", "--on-error", "skip"],
        ],
        ("scores/**/*", "masks/*", "groups.csv"),
    ),
    "settings": Target(
        settings,
        [
            ["augment", "IN/d", "OUT", "--recipe", "IN/recipe.yaml", "--write", "1"],
            ["remap", "IN/d", "OUT", "--map-file", "IN/map.json"],
            ["refine", "IN/d", "OUT", "--settings", "IN/refine.json"],
        ],
        ("*.yaml", "*.json"),
    ),
    "checkpoint": Target(checkpoint, [["predict", "IN/model.pt", "IN/d", "OUT"]], ("model.pt",)),
    "onnx": Target(exported, [["predict", "IN/model.onnx", "IN/d", "OUT"]], ("model.onnx",)),
    "signals": Target(
        exported,
        [
            ["monitor", "IN/before.jsonl", "IN/signals.jsonl", "--permutations", "99"],
            ["pick", "IN/signals.jsonl", "OUT.csv", "--n", "3"],
        ],
        ("signals.jsonl",),
    ),
}
TORCH = ("settings", "checkpoint", "onnx", "signals")
"""Targets that take the extra `train`."""


@dataclass(frozen=True, slots=True)
class Case:
    """One changed input and the command that reads it."""

    target: str
    number: int
    arguments: Sequence[str]
    changed: Sequence[str]


@dataclass(slots=True)
class Fuzzer:
    """Makes cases in a folder of its own, and runs each in a fork."""

    work: Path
    seed: int
    seconds: float
    mib: int

    def prepare(self, names: Sequence[str]) -> None:
        """Make all inputs, and run each command once, which loads and compiles what it takes."""
        cv2.setNumThreads(1)
        for name in names:
            place = self.work / "inputs" / name
            place.mkdir(parents=True)
            apart(TARGETS[name].make, place)
            for command in TARGETS[name].commands:
                shutil.rmtree(self.work / "out", ignore_errors=True)
                done = CliRunner().invoke(command_line, self._filled(command, place))
                if done.exit_code not in (0, 1) or (done.exception and not isinstance(done.exception, SystemExit)):
                    sys.exit(f"{' '.join(command)}: {done.output}{done.exception!r}")

    def case(self, name: str, number: int) -> Case:
        """Make the input of a case: it depends on its number and the seed alone."""
        chance = random.Random(f"{self.seed} {name} {number}")
        target, place = TARGETS[name], self.work / "in"
        for path in (place, self.work / "out", self.work / "out.png"):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        shutil.copytree(self.work / "inputs" / name, place)
        files = sorted({path for pattern in target.changed for path in place.glob(pattern) if path.is_file()})
        kinds = sorted({path.suffix for path in files})
        changed = []
        for _ in range(chance.choice((1, 1, 1, 2))):
            kind = chance.choice(kinds)
            path = chance.choice([path for path in files if path.suffix == kind])
            path.write_bytes(mutated(path.name, path.read_bytes(), chance))
            changed.append(path.relative_to(place).as_posix())
        return Case(name, number, self._filled(chance.choice(target.commands), place), changed)

    def failure(self, case: Case) -> str | None:
        """What is wrong with how a command takes an input; None for nothing."""
        reading, writing = os.pipe()
        if (child := os.fork()) == 0:
            os.close(reading)
            self._run(case, writing)
        os.close(writing)
        told, deadline = b"", time.monotonic() + self.seconds
        while (left := deadline - time.monotonic()) > 0 and select.select([reading], [], [], left)[0]:
            if not (part := os.read(reading, 2**16)):
                break
            told += part
        os.close(reading)
        if left <= 0:
            os.kill(child, signal.SIGKILL)
        _, status, used = os.wait4(child, 0)
        if left <= 0:
            return f"took more than {self.seconds:g} s"
        if os.WIFSIGNALED(status):
            return f"died of {signal.Signals(os.WTERMSIG(status)).name}"
        if used.ru_maxrss > 1024 * self.mib:
            return f"took more than {self.mib} MiB"
        return told.decode() or None

    def _run(self, case: Case, writing: int) -> None:
        """In a fork: run the command, write what is wrong, end."""
        try:
            limit = 4 * self.mib * 2**20
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, 2)  # what decoders write by themselves
            done = CliRunner().invoke(command_line, list(case.arguments))
            os.write(writing, (self._wrong(done, case) or "").encode("utf-8", "backslashreplace")[:60_000])
        finally:
            os._exit(0)

    def _wrong(self, done: object, case: Case) -> str | None:
        error = getattr(done, "exception", None)
        code, stderr = getattr(done, "exit_code", 0), getattr(done, "stderr", "")
        if error is not None and not isinstance(error, SystemExit):
            where = traceback.extract_tb(error.__traceback__)
            ours = next((f for f in reversed(where) if "/segdata/" in f.filename), where[-1])
            place = f"{Path(ours.filename).name}:{ours.name}"
            return f"{type(error).__name__} in {place}: {str(error)[:200]}"
        lines = stderr.splitlines()
        if strange := [line for line in lines if not line.startswith(USUAL)]:
            return f"a line of another kind on stderr: {strange[0][:200]!r}"
        errors = [line for line in lines if line.startswith(("error: ", "Error: "))]
        if code and len(errors) != 1 and case.arguments[0] not in ("check", "detect"):
            return f"exit code {code} with {len(errors)} errors"
        if errors and not any(name in errors[0] for name in self._names(case)):
            return f"an error that names no file: {errors[0][:200]!r}"
        return None

    def _names(self, case: Case) -> set[str]:
        files = {path.name for path in (self.work / "in").rglob("*")}
        return {str(self.work), *files, *(name.partition(".")[0] for name in files)}

    def _filled(self, command: Sequence[str], place: Path) -> list[str]:
        return [word.replace("IN", str(place), 1) if word[:2] == "IN" else word.replace("OUT", str(self.work / "out"))
                for word in command]  # fmt: skip


def apart(make: Callable[[Path], object], place: Path) -> None:
    """Call this in a fork: the threads that a training leaves behind would be missing in all later forks."""
    if (child := os.fork()) == 0:
        try:
            make(place)
            os._exit(0)
        finally:
            traceback.print_exc()
            os._exit(1)
    if os.waitpid(child, 0)[1]:
        sys.exit(f"{place.name}: its input cannot be made")


def kind_of(failure: str) -> str:
    """What failures of one cause have in common."""
    return failure.partition(": ")[0] if " in " in failure else "".join(c for c in failure if not c.isdigit())[:60]


def fuzz(fuzzer: Fuzzer, names: Sequence[str], minutes: float, keep: Path | None) -> int:
    """Run cases of all targets in turn; the number of kinds of failures."""
    seen: dict[str, int] = {}
    number, ends = 0, time.monotonic() + 60 * minutes
    while time.monotonic() < ends:
        for name in names:
            case = fuzzer.case(name, number)
            if (failure := fuzzer.failure(case)) is None:
                continue
            kind = f"{name}: {kind_of(failure)}"
            seen[kind] = seen.get(kind, 0) + 1
            if seen[kind] == 1:
                command = " ".join(case.arguments).replace(str(fuzzer.work), ".")
                about = f"--only {name} --case {number} --seed {fuzzer.seed}"
                print(f"{about}: {failure}\n    segdata {command}  ({', '.join(case.changed)})", flush=True)
                if keep is not None:
                    there = keep / f"{name}-{fuzzer.seed}-{number}"
                    shutil.copytree(fuzzer.work / "in", there / "in", dirs_exist_ok=True)
                    (there / "failure.txt").write_text(f"segdata {command}\n{failure}\n", errors="backslashreplace")
        number += 1
    print(f"{number * len(names)} cases of {', '.join(names)}; failures: {seen or 'none'}")
    return len(seen)


def show(fuzzer: Fuzzer, name: str, number: int) -> int:
    """Run one case in this process."""
    case = fuzzer.case(name, number)
    print(*case.arguments, "\nchanged:", *case.changed)
    done = CliRunner().invoke(command_line, list(case.arguments))
    print(done.output)
    if done.exception and not isinstance(done.exception, SystemExit):
        traceback.print_exception(done.exception)
    failure = fuzzer._wrong(done, case)
    print(failure or "no failure")
    return int(failure is not None)


def main() -> None:
    """Read the options, and fuzz."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help=f"some of {', '.join(TARGETS)}")
    parser.add_argument("--case", type=int, help="this one alone")
    parser.add_argument("--seconds", type=float, default=60, help="how long a command may take")
    parser.add_argument("--mib", type=int, default=3000, help="how much memory a process may take")
    parser.add_argument("--keep", type=Path, help="a folder for inputs that fail")
    given = parser.parse_args()
    there = [name for name in TARGETS if name not in TORCH or (find_spec("torch") and find_spec("albumentations"))]
    names = given.only.split(",") if given.only else there
    with TemporaryDirectory(prefix="segdata-fuzz-") as work:
        fuzzer = Fuzzer(Path(work), given.seed, given.seconds, given.mib)
        fuzzer.prepare(names)
        if given.case is not None:
            sys.exit(show(fuzzer, names[0], given.case))
        sys.exit(bool(fuzz(fuzzer, names, given.minutes, given.keep)))


if __name__ == "__main__":
    main()
