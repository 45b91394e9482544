"""Exported models beside their checkpoint: time and memory of a batch through onnxruntime and through torch, and equal masks.

    python tools/bench/bench_onnx.py [runtimes] [--quick] [--record]

Trains a U-Net on CamVid in ../shared/data for some updates, exports it, and runs each model in a process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import segdata
from inputs import camvid
from measure import HERE, QUICK, Command, Sizes, race, workspace
from results import Target, measure_tables, table
from segdata.nn.export.operation import export_onnx

ENCODER = "efficientnet_lite0"
BUDGET: dict[str, Any] = {
    "model": "unet", "encoder": ENCODER, "short_side": 180, "epochs": 1, "steps": 32, "batch": 8, "threads": 1, "images": 0,
    "tensorboard": False,
}  # fmt: skip
BATCHES = (1, 4)
IMAGES = 12


def runtimes(sizes: Sizes) -> list[str]:
    """Each model on the same images of 360 x 480, by turns."""
    count, steps = (4, 2) if sizes == QUICK else (IMAGES, BUDGET["steps"])
    with workspace(need=0.5) as work:
        models = made(work, steps)
        dataset = segdata.Dataset.open(work / "camvid").split("val")
        pixels = np.stack([dataset.read_image(sample) for sample in dataset.samples[:count]])
        np.save(work / "images.npy", pixels)
        peaks: dict[str, float] = {}
        masks: dict[str, np.ndarray[Any, Any]] = {}

        def ask(name: str, path: Path, batch: int) -> float:
            found = asked(path, work / "images.npy", batch, work / "masks.npy")
            peaks[name] = max(peaks.get(name, 0), found["peak"])
            masks[name] = np.load(work / "masks.npy")
            return float(found["seconds"]) / count

        ways: dict[str, Callable[[], float]] = {}
        for batch in BATCHES:
            for name, path in models.items():
                ways[f"{name}, batch {batch}"] = partial(ask, f"{name}, batch {batch}", path, batch)
        times = race(ways, sizes.rounds)
        sized = {name: path.stat().st_size / 2**20 for name, path in models.items()}
    rows, targets = [], []
    for batch in BATCHES:
        first = f"torch, batch {batch}"
        for name in models:
            way = f"{name}, batch {batch}"
            other = 100 * float(np.mean(masks[way] != masks[first]))
            rows.append(
                [way, times[way].show(0.001, 0), f"{times[first].over(times[way]):.2f}", f"{peaks[way]:.0f}",
                 f"{sized[name]:.1f}", f"{other:.4f} %"]
            )  # fmt: skip
        fp32 = f"onnxruntime fp32, batch {batch}"
        differ = 100 * float(np.mean(masks[fp32] != masks[first]))
        targets.append(Target(f"pixels of another class, fp32, batch {batch}", differ, 0.01, at_most=True, unit=" %"))
    return [
        f"U-Net over {ENCODER} after {steps} updates on CamVid, {count} images of 360 x 480 of val; one "
        "thread, processor milliseconds of an image from its pixels to its probabilities; peak of the whole process with its "
        "imports. "
        f"torch {version('torch')} eager, onnxruntime {version('onnxruntime')}. "
        "A model of so few updates hardly tells classes apart, so that int8 changes many pixels.",
        "",
        *table("model | ms per image | as fast as torch | peak, MiB | file, MiB | other class than torch's", rows),
        "",
        *map(str, targets),
    ]


def made(work: Path, steps: int) -> dict[str, Path]:
    """A checkpoint and its exports, by name."""
    dataset = camvid(work / "camvid")
    segdata.train(dataset, work / "run", **{**BUDGET, "steps": steps})
    models = {"torch": work / "run/best.pt"}
    for precision in ("fp32", "int8"):
        path = work / f"{precision}.onnx"
        export_onnx(work / "run/best.pt", path, precision=precision, verify=dataset, count=8)
        models[f"onnxruntime {precision}"] = path
    return models


def asked(model: Path, images: Path, batch: int, masks: Path) -> dict[str, float]:
    """Seconds and peak in MiB of a process that predicts the images with a model, on one thread."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    command: Command = [sys.executable, HERE / "predict_onnx_with.py", model, images, str(batch), masks]
    env = {**os.environ, **dict.fromkeys(names, "1")}
    done = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


TABLES = {"runtimes": ("Exported models beside their checkpoint", runtimes)}

if __name__ == "__main__":
    measure_tables(__doc__, TABLES, peers=False)
