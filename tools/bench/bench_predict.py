"""The cost of sliding windows compared with the bare model, and their memory compared with MONAI's `sliding_window_inference`.

    python tools/bench/bench_predict.py [overhead | memory | all] [--quick] [--record]

Prints one section of Markdown per table; `--record` puts it into RESULTS.md. `memory` needs MONAI in an environment of its own,
which tools/bench/peers.sh makes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from measure import BUILD, GIB, HERE, Command, Sizes, race, say, watch_memory, workspace
from results import Target, measure_tables, of_side, table
from segdata import Labels, predict
from segdata.files.geo import Geo
from segdata.files.tiff import TILE, TiffWriter
from segdata.nn.data import to_tensor
from segdata.nn.models import build
from segdata.nn.models.base import probabilities
from segdata.prediction.windows import Sliding

WINDOW, CLASSES = 512, 19
SIDE = 12_000


class Net:
    """A model as a `Predictor`: pixels / 255 in, probabilities out. `seconds` is its processor time."""

    def __init__(self, model: torch.nn.Module, classes: int) -> None:
        self.model, self.labels = model.eval(), Labels.of([f"class {i}" for i in range(classes)])
        self.seconds = 0.0

    def __call__(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """(N, h, w, 3) uint8 -> (N, K, h, w)."""
        start = time.thread_time()
        with torch.inference_mode():
            pixels = to_tensor(images).permute(0, 3, 1, 2).float() / 255
            out: NDArray[np.float32] = probabilities(self.model(pixels), "softmax").numpy()
        self.seconds += time.thread_time() - start
        return out


def overhead(sizes: Sizes, side: int) -> list[str]:
    """`segdata.predict` of a large GeoTIFF, and the same model on the same windows alone."""
    torch.set_num_threads(1)
    net = Net(build("unet", encoder="mobilenet_v2", classes=CLASSES), CLASSES)
    rows, targets = [], []
    with workspace(need=0.5) as work:
        image = work / "in/scene.tif"
        write_scene(image, side)
        write_scene(work / "small.tif", WINDOW)
        predict(net, work / "small.tif", work / "small", scores=True, entropy=True)  # compiles
        windows = len(Sliding((WINDOW, WINDOW)).windows((side, side), (side, side)))
        batch = np.random.default_rng(0).integers(0, 256, (4, WINDOW, WINDOW, 3)).astype(np.uint8)

        def bare() -> float:
            start = time.process_time()
            for first in range(0, windows, 4):
                net(batch[: min(4, windows - first)])
            return time.process_time() - start

        shares: dict[str, list[float]] = {}

        def whole(name: str, **options: Any) -> float:
            net.seconds, start = 0.0, time.process_time()
            predict(net, image, work / "out", size=(WINDOW, WINDOW), overwrite=True, **options)
            seconds = time.process_time() - start
            shares.setdefault(name, []).append(seconds / net.seconds)
            return seconds

        ours, more = "`segdata.predict`", "`segdata.predict(scores=True, entropy=True)`"
        ways: dict[str, Callable[[], float]] = {
            "the model on as many windows, in memory": bare,
            ours: partial(whole, ours),
            more: partial(whole, more, scores=True, entropy=True),
        }
        times = race(ways, sizes.rounds)
        for name, t in times.items():
            within = f"{100 * (float(np.median(shares[name])) - 1):.1f} %" if name in shares else ""
            rows.append([name, t.show(), within])
        targets.append(
            Target(
                "over the model's own seconds in the same run",
                100 * (float(np.median(shares[ours])) - 1),
                10,
                at_most=True,
                unit=" %",
            )
        )
    return [
        f"A tiled GeoTIFF of {side:,} x {side:,} RGB, {windows} windows of {WINDOW} x {WINDOW} that share a quarter, batches of "
        f"4, Gaussian blending, {CLASSES} classes; U-Net over MobileNetV2, torch {torch.__version__}, one thread; reading, "
        "blending, deciding and writing a GeoTIFF included. Seconds are those that the processor worked, so that neighbours on "
        "the machine do not count; beside them, what was not for the model in the same run.",
        "",
        *table("way | processor seconds | besides the model", rows),
        "",
        *map(str, targets),
    ]  # fmt: skip


def memory(sizes: Sizes, side: int) -> list[str]:
    """The peak memory of whole processes over a large image, with a model that itself needs hardly any memory."""
    python = BUILD / "monai/bin/python"
    rows, peaks = [], {}
    with workspace(need=2.5) as work:
        ways: dict[str, tuple[Command, int]] = {}
        for height in (side // 4, side):
            write_scene(work / f"{height}.tif", side, height, work / f"{height}.npy")
            ours: Command = [sys.executable, HERE / "predict_with.py", "segdata", work / f"{height}.tif", work / "out"]
            ways[f"`segdata.predict`, {side:,} x {height:,}"] = ours, height
        if (BUILD / "monai/.installed").exists():
            monai: Command = [python, HERE / "predict_with.py", "monai", work / f"{side}.npy", work / "out"]
            ways[f"MONAI `sliding_window_inference`, {side:,} x {side:,}"] = monai, side
        for name, (command, height) in ways.items():
            seconds, peak = watch_memory(command)
            peaks[name] = peak.pss / GIB
            say(f"  {name}: {seconds:.0f} s, {peaks[name]:.2f} GiB")
            rows.append([name, f"{seconds:.0f}", f"{side * height / seconds / 1e6:.2f}", f"{peaks[name]:.2f}"])
    names = list(peaks)
    targets = [
        Target("peak at the full height over that at a quarter", peaks[names[1]] / peaks[names[0]], 1.2, at_most=True)
    ]
    if len(names) > 2:
        targets.append(Target("MONAI's peak over segdata's", peaks[names[2]] / peaks[names[1]], 2))
    return [
        "An image of RGB (width x height), 512 x 512 windows that share a quarter, Gaussian blending, 5 classes, one 3 x 3 "
        "convolution as the model, one thread, whole processes with their imports. segdata reads a tiled GeoTIFF and writes the "
        "mask; MONAI gets the image as a float32 tensor made of a memory-mapped array, and returns scores, of which the "
        "likeliest classes are taken. Both import torch, which is most of segdata's peak.",
        "",
        *table("whole process | seconds | megapixels/s | peak PSS, GiB", rows),
        "",
        *map(str, targets),
    ]


def write_scene(path: Path, width: int, height: int | None = None, array: Path | None = None) -> None:
    """Write slowly changing noise as a tiled GeoTIFF and, if asked for, as .npy too."""
    height = height or width
    geo = Geo(None, (0.5, 0.0, 500_000.0, 0.0, -0.5, 5_000_000.0))
    random = np.random.default_rng(0)
    raw = None if array is None else np.lib.format.open_memmap(array, "w+", np.uint8, (height, width, 3))
    with TiffWriter(path, height, width, 3, np.uint8, tags=geo.tags()) as file:
        for y in range(0, height, TILE):
            rows = min(TILE, height - y)
            block = random.integers(0, 256, (3, -(-rows // 8), -(-width // 8))).astype(np.uint8)
            block = block.repeat(8, axis=1).repeat(8, axis=2)[:, :rows, :width]
            file.write(y, 0, block)
            if raw is not None:
                raw[y : y + rows] = block.transpose(1, 2, 0)


TABLES = {
    "overhead": ("Sliding windows over the bare model", of_side(overhead, 2_048, 512)),
    "memory": ("Memory of prediction", of_side(memory, SIDE, SIDE // 4)),
}

if __name__ == "__main__":
    measure_tables(__doc__, TABLES)
