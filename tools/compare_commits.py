"""Run every command that makes files, on the samples, under two commits, and compare the files byte by byte.

    python tools/compare_commits.py REVISION [OTHER]

OTHER is the working tree by default. `INTENDED` lists the differences that are intended, each with its reason. Any other
difference is listed, and the exit code is 1. Commands run in the environment of this Python, with its packages.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT / "samples"

NET = "--model-option stem=2 --model-option width=4 --model-option depth=2"
TRAIN = f"--epochs 1 --steps 2 --batch 2 --threads 1 --no-tensorboard --recipe none --short-side 64 {NET}"

COMMANDS = [
    "convert coco {samples}/coco coco",
    "convert coco {samples}/coco coco_merged --map dog=animal --map cow=animal --only animal --unlisted background",
    "convert coco {samples}/coco coco_last --overlap last --crowd drop --background ignore --images copy",
    "convert voc {samples}/voc/VOCdevkit voc -j 2",
    "convert cityscapes {samples}/cityscapes city",
    "convert cityscapes {samples}/cityscapes city_polygons --labels id --from polygons",
    "convert pets {samples}/pets pets --images link",
    "convert pets {samples}/pets breeds --labels breed --border class",
    "convert vector {samples}/vector vector --class-property use",
    "convert webdataset {samples}/webdataset shards_in --classes {work}/classes.txt",
    "convert masks {work}/coco masks_in --image-dir {samples}/coco/val2017 --mask-dir masks/val --classes {work}/coco.txt",
    "convert auto {samples}/voc/VOCdevkit auto --split val",
    "info coco --json",
    "stats coco --json --objects --recount",
    "check coco --json",
    "check pets --json",
    "split coco splits --ratios train=0.5,val=0.3,test=0.2 --group-by duplicates --seed 3",
    "split coco folds --folds 3",
    "join coco voc joined",
    "remap coco remapped --map dog=animal --map cow=animal",
    "tile coco tiles --size 96 --overlap 24",
    "tile coco virtual --size 96 --overlap 24 --virtual",
    "tile coco padded --size 200x300 --overlap 40 --keep-empty 0.5",
    "untile tiles untiled",
    "untile virtual untiled_virtual",
    "stitch tiles stitched --of coco",
    "export webdataset coco shards",
    "export webdataset virtual virtual_shards",
    "augment coco augmented --recipe none --write 1",
    "augment coco augmented_light --recipe light --write 1 --split val",
    f"train coco run {TRAIN}",
    "predict {model} coco pred --split val --scores --size 128",
    "predict {model} {samples}/coco/val2017 pred_folder --size 128 --entropy",
    "predict {model} tiles pred_tiles --split val --scores --size 96",
    "stitch pred_tiles pred_stitched --vectorize",
    "evaluate pred coco --split val --json",
    "refine pred refined --no-crf --step close:size=3 --step min_area:area=16",
    "refine pred refined_crf --crf",
    "suspects pred coco --split val --json",
    "manifest joined --parts 20",
]
"""The commands; each runs in the folder of its commit. Both commits must know their options and names."""

INTENDED: list[tuple[str, str]] = [
    (r"^coco[a-z_]*/receipt.json", "receipts of COCO count crowds"),
    (
        r"^run/(config.yaml|run.json|curves.png)",
        "new options of training; batch norm is measured anew before validation",
    ),
    (r"^(auto|breeds|city|coco|pets|voc)[a-z_]*/dataset.json", "conversions note what becomes of labels without data"),
    (r"^segdata (info|stats|check|evaluate|suspects) .*--json", "JSON has a schema, and more keys"),
]
"""Patterns of files (as `dataset/path`) and of commands whose output may differ, and the reason."""

WORDS = (("pictures", "images"), ("picture", "image"), ("an image", "a image"), ("a image", "an image"))
"""Words of messages and of receipts' keys that have changed: old texts are compared after them."""

SKIP = re.compile(r"\.(pt|jpg|svg|html)$|metrics\.(csv|json)$|/about\.json$|/events")
"""Not compared: times, images of curves, and pages."""


@dataclass(frozen=True)
class Outcome:
    """The results of one commit's commands: SHA-256 or text by file, and the exit codes and outputs."""

    files: dict[str, bytes]
    told: dict[str, tuple[int, str]]


def intended(name: str) -> str | None:
    """Why a file or the output of a command may differ; None if it may not."""
    return next((why for pattern, why in INTENDED if re.search(pattern, name)), None)


def run_all(tree: Path, work: Path, model: Path) -> Outcome:
    """Run the commands with the segdata that lies in a folder, and predict with a checkpoint."""
    (work / "classes.txt").write_text("background\nperson\ncar\n")
    told = {}
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONHASHSEED": "0", "COLUMNS": "100"}
    for line in COMMANDS:
        arguments = shlex.split(line.format(samples=SAMPLES, work=work, model=model))
        done = subprocess.run(
            [sys.executable, "-m", "segdata", *arguments], cwd=work, env=environment, capture_output=True, text=True
        )
        told[line] = done.returncode, done.stdout
        if done.returncode not in (0, 1) or "Traceback" in done.stderr:
            sys.exit(f"{tree}: segdata {line}: exit {done.returncode}\n{done.stderr}")
        if line == COMMANDS[0]:
            names = [c["name"] for c in json.loads((work / "coco/dataset.json").read_text())["classes"]]
            (work / "coco.txt").write_text("\n".join(names) + "\n")
    files = {
        str(path.relative_to(work)): path.read_bytes()
        for path in sorted(work.rglob("*"))
        if path.is_file() and not path.is_symlink() and not SKIP.search(str(path))
    }
    return Outcome(files, told)


def same(name: str, old: bytes, new: bytes) -> bool:
    """Whether two files are equal; in texts, `WORDS` may differ."""
    if old == new:
        return True
    return name.endswith((".json", ".jsonl")) and worded(old.decode()) == worded(new.decode())


def worded(text: str) -> str:
    """A text with today's `WORDS`, and its JSON sorted by key."""
    for before, after in WORDS:
        text = text.replace(before, after)
    return "\n".join(json.dumps(ordered(json.loads(line)), sort_keys=True) for line in lines_of(text))


def lines_of(text: str) -> list[str]:
    """The JSON values of a text: one, or one per line."""
    try:
        json.loads(text)
    except json.JSONDecodeError:
        return text.splitlines()
    return [text]


def ordered(value: Any) -> Any:
    """A value without the fields that name its place or the version."""
    if isinstance(value, dict):
        return {k: ordered(v) for k, v in value.items() if k not in ("version", "sha256") or not isinstance(v, str)}
    return [ordered(v) for v in value] if isinstance(value, list) else value


def main() -> int:
    """Compare, print what differs, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("revision")
    parser.add_argument("other", nargs="?")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        outcomes = []
        for number, revision in enumerate((given.revision, given.other)):
            tree, work = ROOT, base / f"work{number}"
            if revision is not None:
                tree = base / f"tree{number}"
                subprocess.run(["git", "clone", "--quiet", str(ROOT), str(tree)], check=True)
                subprocess.run(["git", "-C", str(tree), "checkout", "--quiet", revision], check=True)
            work.mkdir()
            outcomes.append(run_all(tree, work, base / "work0/run/best.pt"))
    return told(*outcomes)


def told(old: Outcome, new: Outcome) -> int:
    """Print the differences. Returns 1 if any is not intended."""
    reasons: Counter[str] = Counter()
    wrong = []
    for name in sorted(old.files.keys() | new.files.keys()):
        a, b = old.files.get(name), new.files.get(name)
        if a is not None and b is not None and same(name, a, b):
            continue
        reason = intended(name)
        if reason is None:
            what = "is new" if a is None else "is gone" if b is None else "differs"
            wrong.append(f"{name}: {what}")
        else:
            reasons[reason] += 1
    for line in COMMANDS:
        (code, text), (code_now, text_now) = old.told[line], new.told[line]
        as_json = " --json" in line
        equal = worded(text) == worded(text_now) if as_json and text.strip() else True
        if code == code_now and not equal and (reason := intended(f"segdata {line}")) is not None:
            reasons[reason] += 1
        elif code != code_now or not equal:
            wrong.append(f"segdata {line}: exit {code} then, {code_now} now" + ("" if equal else ", another JSON"))
    digest = hashlib.sha256(b"".join(new.files[name] for name in sorted(new.files))).hexdigest()
    print(f"{len(COMMANDS)} commands, {len(new.files)} files compared (sha256 of all {digest[:12]})")
    for reason, number in reasons.items():
        print(f"as intended, {number} times: {reason}")
    print("\n".join(wrong[:200]) or "no other difference")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
