"""The speed of training: the loop compared with a bare PyTorch loop; loading compared with Pillow and a plain rasterio sampler.

    python tools/bench/bench_train.py [loop | tiles | geotiff | all] [--quick] [--record]

Prints one section of Markdown per table; `--record` puts it into RESULTS.md. Needs the real images in ../shared/data and the
extra `train`. If there is a GPU, `loop` runs on it, in bf16, and prints images per second.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rasterio
import torch
from numpy.typing import NDArray
from PIL import Image
from rasterio.windows import Window as GdalWindow
from torch.nn import functional as F

from inputs import CAMVID, camvid
from measure import QUICK, Sizes, race, workspace
from results import Measure, Target, measure_tables, table
from segdata import Dataset, Recipe, Run, convert
from segdata.dataset.inputs import Inputs
from segdata.nn import data, train
from segdata.nn.cache import Cache
from segdata.nn.distributed import World, choose_device
from segdata.nn.folder import Folder
from segdata.nn.options import Training
from segdata.nn.state import layout, start
from segdata.nn.step import Step, step_batches
from segdata.nn.task import Task, prepare, turn_items
from segdata.nn.validate import Validator

SIDE = 512
TRANSFORMS = [{"HorizontalFlip": {"p": 0.5}}, {"RandomBrightnessContrast": {"p": 0.5}}]
Pair = tuple[NDArray[Any], NDArray[Any]]


# The loop


def loop(sizes: Sizes) -> list[str]:
    """`fit` and a bare loop on the same model and the same batches in memory."""
    device = choose_device("auto")
    gpu = device.type == "cuda"
    if not gpu:
        torch.set_num_threads(1)
    steps, rounds = (50, 5) if gpu else (6, 5)
    if sizes == QUICK:
        steps, rounds = 2, 2
    options = {
        "short_side": 180,
        "model_options": {"width": 32, "stem": 2},
        "batch": 8,
        "tensorboard": False,
        "images": 0,
    }
    if gpu:
        options |= {"short_side": 360, "model_options": {}, "batch": 16, "precision": "bf16", "channels_last": True}
    with workspace(need=0.1) as work:
        task = prepare(camvid(work / "d"), Training.of({**options, "epochs": 1, "steps": 10**6}), Run())
        here = World(device)
        batches = [parts[0] for parts in islice(step_batches(task, here, range(8)), 8)]
        ways = {
            "a bare loop": partial(bare, task, here, batches, steps),
            "segdata's `fit`": partial(ours, task, here, batches, steps, work),
        }
        times = race(ways, rounds)
    usual, own = times["a bare loop"], times["segdata's `fit`"]
    images = task.options.batch * steps
    rows = [[name, t.show(steps, 4), f"{images / t.median:.1f}"] for name, t in times.items()]
    return [
        f"U-Net of {sum(p.numel() for p in start(task, here).model.parameters()):,} parameters, batches of "
        f"{task.options.batch} images of {batches[0].images.shape[1]} x {batches[0].images.shape[2]} from CamVid in memory, "
        f"{torch.cuda.get_device_name(device) + ', bf16, seconds' if gpu else 'one thread of a CPU, processor seconds'}; torch "
        f"{torch.__version__}. The bare loop is given float32 batches that are normalised already, takes cross-entropy and the "
        "same optimizer, and asks for the loss after each step.",
        "",
        *table("loop | s a step | images a second", rows),
        "",
        str(Target("segdata's time over the bare loop's", own.over(usual), 1.05, at_most=True)),
    ]


def bare(task: Task, here: World, batches: Sequence[data.Batch], steps: int) -> float:
    """The seconds of the usual lines of code."""
    learn = Step(task, start(task, here), here)
    model, form = learn.state.model, layout(task.options)
    model.train()
    ready = [
        (learn.standardise(b.images.to(here.device)).contiguous(memory_format=form), b.target.to(here.device).long())
        for b in batches
    ]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-4, fused=True)
    schedule = torch.optim.lr_scheduler.PolynomialLR(optimizer, 10**6, 0.9)
    half = task.options.precision == "bf16"

    def step(images: torch.Tensor, target: torch.Tensor) -> None:
        optimizer.zero_grad()
        with torch.autocast(here.device.type, torch.bfloat16, enabled=half):
            loss = F.cross_entropy(model(images), target, ignore_index=task.labels.ignore)
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
        loss.item()

    for images, target in ready[:2]:
        step(images, target)
    clock = clock_of(here.device)
    begun = clock()
    for number in range(steps):
        step(*ready[number % len(ready)])
    return clock() - begun


def ours(task: Task, here: World, batches: Sequence[data.Batch], steps: int, work: Path) -> float:
    """The seconds of segdata's loop, with all its work in a step."""
    took, clock = [], clock_of(here.device)

    def cached(*_: Any) -> Iterator[list[data.Batch]]:
        for batch in batches[:2]:
            yield [batch]
        begun = clock()
        for number in range(steps):
            yield [batches[number % len(batches)]]
        took.append(clock() - begun)

    before, vars(train)["step_batches"] = step_batches, cached
    try:
        with Folder.claim(work / "run", task, here, Inputs([]), overwrite=True) as folder:
            state = start(task, here)
            learn, validator = Step(task, state, here), Validator(task, here)
            folder.begin(state)
            train.fit(learn, validator, folder, train.silent)
    finally:
        vars(train)["step_batches"] = before
    return took[0]


def clock_of(device: torch.device) -> Callable[[], float]:
    """Seconds: on a CPU processor time, which other programs do not disturb; on a GPU the time of the clock."""
    return time.process_time if device.type == "cpu" else time.perf_counter


# Loading


class Pillow(data.Training):
    """The usual loading: the whole image and mask through Pillow, then the crop."""

    def __init__(self, dataset: Dataset, recipe: Recipe) -> None:
        super().__init__(dataset, recipe, 0)
        self.dataset, self.items = dataset, np.arange(len(dataset))

    def __getitem__(self, key: data.Key) -> Any:
        """One crop."""
        sample = self.samples[key.sample]
        image = np.array(Image.open(self.dataset.image_path(sample)).convert("RGB"))
        mask = np.array(Image.open(str(self.dataset.inside(sample.mask))))
        return sample.id, *self.pipeline.augmentation(image, mask, (0, *key))


class Rasterio(data.Training):
    """The usual sampler by hand: a random window of image and mask through rasterio, opened for each or kept open."""

    def __init__(self, dataset: Dataset, recipe: Recipe, items: NDArray[np.int64], keep: bool) -> None:
        super().__init__(dataset, replace(recipe, crop=None), 0)
        self.items, self.size = items, dataset.samples[0].size
        image = Path(dataset.image_path(dataset.samples[0])).resolve()
        self.files = image, image.parents[1] / "masks" / image.name  # not our PNG of it, which has no blocks
        self.kept = [rasterio.open(file) for file in self.files] if keep else None

    def __getitem__(self, key: data.Key) -> Any:
        """One window."""
        random = np.random.default_rng((0, *key))
        height, width = self.size
        window = GdalWindow(random.integers(width - SIDE + 1), random.integers(height - SIDE + 1), SIDE, SIDE)
        sources = self.kept or [rasterio.open(file) for file in self.files]
        image, mask = sources[0].read(window=window).transpose(1, 2, 0), sources[1].read(1, window=window)
        if self.kept is None:
            for source in sources:
                source.close()
        return "", *self.pipeline.augmentation(np.ascontiguousarray(image), mask, (0, *key))


class Segdata(data.Training):
    """segdata's own, from files or from memory."""

    def __init__(self, dataset: Dataset, recipe: Recipe, items: NDArray[np.int64], cached: bool = False) -> None:
        super().__init__(dataset, recipe, 0, Cache(dataset, recipe) if cached else None)
        self.items = items


def seconds(make: Callable[[], Any], count: int, turn: int = 0) -> float:
    """The processor time to make a loader and to take `count` samples from it in batches of 8, in this process alone."""
    begun = time.process_time()
    source = make()
    order = data.Order(source.items, 8, turn)
    keys = [order.keys(step) for step in range(count // 8)]
    for _ in data.checked(data.loader(source, keys, 255, workers=0, device=torch.device("cpu"))):
        pass
    return time.process_time() - begun


def tiles(sizes: Sizes) -> list[str]:
    """Tiles of large images compared with the large images."""
    from segdata import tile

    count = 64 if sizes == QUICK else 512
    with workspace(need=1.0) as work:
        whole = enlarged(work, (1024, 2048), 16, mosaic=1)
        cut = tile(whole, work / "tiles", size=SIDE, overlap=0)
        recipe = Recipe.from_dict({"crop": {"size": [SIDE, SIDE]}, "transforms": TRANSFORMS})
        plain = replace(recipe, crop=None)
        times = race(
            {
                "whole images, Pillow": partial(seconds, partial(Pillow, whole, recipe), count),
                "segdata, tiles": partial(seconds, partial(Segdata, cut, plain, np.arange(len(cut))), count),
            },
            sizes.rounds,
        )
    return loading_lines(
        f"{count} crops of {SIDE} x {SIDE}: CamVid's images enlarged to 2048 x 1024 as PNG, cut into tiles by `segdata tile`, "
        "or read as a whole and cropped. The same transforms, batches of 8, one process; nothing is kept in memory.",
        times, count, "segdata, tiles", ["whole images, Pillow"],
    )  # fmt: skip


def geotiff(sizes: Sizes) -> list[str]:
    """Random windows of one large GeoTIFF."""
    count = 64 if sizes == QUICK else 256
    with workspace(need=1.0) as work:
        dataset = enlarged(work, (8192, 8192), 1, mosaic=16)
        recipe = Recipe.from_dict({"crop": {"size": [SIDE, SIDE]}, "transforms": TRANSFORMS})
        items = turn_items(dataset, recipe, None)
        cv2.setNumThreads(1)
        names = "rasterio by hand, opened each time", "rasterio by hand, kept open"
        times = race(
            {
                names[0]: partial(seconds, partial(Rasterio, dataset, recipe, items, False), count),
                names[1]: partial(seconds, partial(Rasterio, dataset, recipe, items, True), count),
                "segdata": partial(seconds, partial(Segdata, dataset, recipe, items), count),
                "segdata, --cache yes": partial(
                    seconds, partial(Segdata, dataset, recipe, items, cached=True), count
                ),
            },
            sizes.rounds,
        )  # fmt: skip
    return loading_lines(
        f"{count} windows of {SIDE} x {SIDE} of a GeoTIFF of 8192 x 8192, RGB, deflate, in blocks of 256, and of its mask: as "
        "many as cover it once. `segdata` reads them from the file as it does by default; `--cache yes` decodes all of it first, "
        "which is in its time. By hand the mask is a GeoTIFF too. The same transforms, batches of 8, one process.",
        times, count, "segdata", names,
    )  # fmt: skip


def loading_lines(text: str, times: Any, count: int, own: str, beside: Sequence[str]) -> list[str]:
    """A table of samples per second, and the targets."""
    rows = [[name, t.show(), f"{count / t.median:.0f}", f"{t.over(times[own]):.2f}"] for name, t in times.items()]
    return [
        text,
        "",
        *table("loading | processor seconds | samples a second | times segdata's", rows),
        "",
        *(str(Target(f"{name}: its time", times[name].over(times[own]), 1.5)) for name in beside),
    ]


def enlarged(work: Path, size: tuple[int, int], count: int, mosaic: int) -> Dataset:
    """Images of that size made of CamVid's: one enlarged, as PNG, or a mosaic of `mosaic` x `mosaic`, as GeoTIFF."""
    small = camvid(work / "small").samples
    source = Dataset.open(work / "small")
    (work / "big/images").mkdir(parents=True)
    (work / "big/masks").mkdir()
    for number in range(count):
        rows, masks = [], []
        for row in range(mosaic):
            chosen = [small[(number + 7 * (row * mosaic + i)) % len(small)] for i in range(mosaic)]
            part = size[1] // mosaic, size[0] // mosaic
            rows.append(
                np.hstack([cv2.resize(source.read_rgb(s), part, interpolation=cv2.INTER_CUBIC) for s in chosen])
            )
            masks.append(
                np.hstack([cv2.resize(source.read_mask(s), part, interpolation=cv2.INTER_NEAREST) for s in chosen])
            )
        image, mask = np.vstack(rows), np.vstack(masks)
        if mosaic == 1:
            Image.fromarray(image).save(work / f"big/images/{number:02d}.png", compress_level=3)
            Image.fromarray(mask).save(work / f"big/masks/{number:02d}.png")
        else:
            write_tiff(work / f"big/images/{number:02d}.tif", image)
            write_tiff(work / f"big/masks/{number:02d}.tif", mask[:, :, None])
    return convert(
        "masks",
        work / "big",
        work / "whole",
        image_dir="images",
        mask_dir="masks",
        classes=CAMVID,
        values={"255": "ignore"},
    )


def write_tiff(path: Path, values: NDArray[Any]) -> None:
    """(H, W, C) as a tiled GeoTIFF."""
    height, width, bands = values.shape
    with rasterio.open(
        path, "w", driver="GTiff", height=height, width=width, count=bands, dtype=values.dtype, tiled=True,
        blockxsize=256, blockysize=256, compress="deflate", predictor=2, crs="EPSG:32633",
        transform=rasterio.Affine(0.5, 0, 9e5, 0, -0.5, 5e6), photometric="RGB" if bands == 3 else "MINISBLACK",
    ) as file:  # fmt: skip
        file.write(values.transpose(2, 0, 1))


TABLES: dict[str, tuple[str, Measure]] = {
    "loop": ("The training loop", loop),
    "tiles": ("Loading tiles to train", tiles),
    "geotiff": ("Loading windows of a large GeoTIFF to train", geotiff),
}
"""By name, the title of a table, and the function that measures it and returns its lines."""


if __name__ == "__main__":
    measure_tables(__doc__, TABLES, peers=False)
