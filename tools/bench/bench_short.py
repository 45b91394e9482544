"""Short trainings, and what they compute in: precision on a CPU, batch normalisation measured anew, the encoder's learning rate.

    python tools/bench/bench_short.py [precision] [norms] [encoder] [--quick] [--record]

`norms` and `encoder` train a U-Net over MobileNetV2 on the pets in ../shared/data, 64 updates each, on one thread.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

import segdata
from inputs import DATA, camvid
from measure import QUICK, Sizes, workspace
from results import measure_tables, table
from segdata.nn import norms

ISAS = {"its own": None, "AVX-512 without bf16": "AVX512_CORE", "AVX2": "AVX2"}
"""What oneDNN may use of a CPU's instructions: all, or up to one of its names."""

STEPS = """
import time, torch
from torch import nn
torch.manual_seed(0), torch.set_num_threads(1)
net = nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1))
image = torch.randn(2, 3, 128, 128)
for dtype in (torch.float32, torch.bfloat16, torch.float16):
    took = []
    for _ in range(5):
        begun = time.process_time()
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            loss = net(image).float().mean()
        torch.autograd.backward(loss)
        took.append(time.process_time() - begun)
    print(sorted(took)[2])
"""

BUDGET: dict[str, Any] = {
    "train_split": "trainval", "val_share": 0.2, "resize": (128, 128), "model": "unet", "encoder": "mobilenet_v2",
    "epochs": 8, "steps": 8, "batch": 8, "threads": 1, "images": 0, "tensorboard": False,
}  # fmt: skip


def precision(sizes: Sizes) -> list[str]:
    """Forward and backward in less than float32, by what the CPU can do."""
    rows = []
    for name, isa in ISAS.items():
        env = {**os.environ, **({} if isa is None else {"ONEDNN_MAX_CPU_ISA": isa})}
        done = subprocess.run([sys.executable, "-c", STEPS], env=env, check=True, capture_output=True, text=True)
        full, bf16, fp16 = map(float, done.stdout.split())
        rows.append([name, f"{1000 * full:.0f}", f"{bf16 / full:.2f}", f"{fp16 / full:.1f}"])
    told = (
        f"Two 3 x 3 convolutions of 32 channels with batch normalisation, 2 images of 128 x 128, forward and backward, one "
        f"thread, torch {torch.__version__}: processor seconds, the median of 5. oneDNN is kept from instructions by "
        "ONEDNN_MAX_CPU_ISA. `segdata train` computes in float32 where `torch.ops.mkldnn._is_mkldnn_bf16_supported()` says no."
    )
    return [told, "", *table("instructions | float32, ms | bf16 over float32 | fp16 over float32", rows)]


def trained(dataset: segdata.Dataset, run: Path, **options: Any) -> float:
    """The mean IoU, in %, after the last update."""
    return 100 * segdata.train(dataset, run, **{**BUDGET, "val_every": 8, **options}).rows[-1]["mean_iou"]


def told(values: list[float]) -> str:
    """The mean over seeds, and the least and most."""
    return f"{fmean(values):.1f} ({min(values):.1f} to {max(values):.1f})"


def pets(work: Path) -> segdata.Dataset:
    """The pets against their background."""
    return segdata.convert("pets", DATA / "pets", work / "pets", labels="binary")


def measured_anew(sizes: Sizes) -> list[str]:
    """With the statistics of training, and with those measured anew."""
    rows, few = [], norms.FEW
    with workspace(need=0.2) as work:
        dataset = pets(work)
        for name, times in {"the moving average of training": 0, "measured anew": few}.items():
            norms.FEW = times
            found = [
                trained(dataset, work / f"{times}-{seed}", schedule="onecycle", seed=seed) for seed in seeds(sizes)
            ]
            rows.append([name, told(found)])
        norms.FEW = few
    return [*table("statistics of batch normalisation | mean IoU on val, %", rows)]


def encoder(sizes: Sizes) -> list[str]:
    """An encoder that has learnt on CamVid, with parts of the learning rate."""
    rows = []
    with workspace(need=0.5) as work:
        streets, dataset = camvid(work / "camvid"), pets(work)
        first = {
            "train_split": "train",
            "val_share": None,
            "resize": (96, 128),
            "steps": None,
            "epochs": 10,
            "val_every": 10,
            "lr": 2e-3,
        }
        trained(streets, work / "first", **first)
        state = torch.load(work / "first/last.pt", weights_only=True)["state"]
        weights = {name.removeprefix("encoder."): v for name, v in state.items() if name.startswith("encoder.")}
        torch.save(weights, work / "encoder.pth")
        for rate in (1.0, 0.3, 0.1):
            options = {"encoder_weights": str(work / "encoder.pth"), "encoder_rate": rate}
            found = [trained(dataset, work / f"{rate}-{seed}", **options, seed=seed) for seed in seeds(sizes)]
            rows.append([f"{rate:g}", told(found)])
    return [*table("--encoder-rate | mean IoU on val, %", rows)]


def seeds(sizes: Sizes) -> range:
    """Two seeds; one to try the bench itself."""
    return range(1 if sizes == QUICK else 2)


if __name__ == "__main__":
    measure_tables(
        __doc__,
        {
            "precision": ("Mixed precision on CPUs", precision),
            "norms": ("Batch normalisation measured anew", measured_anew),
            "encoder": ("The encoder's learning rate", encoder),
        },
        peers=False,
    )
