"""Every operation that works item by item, as the contracts run it: on small datasets, wherever its items are run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import segdata
from carry_files import contents
from placed_files import patches, scenes
from predictors import ByColour
from reader_samples import reader_sample
from segdata import Dataset, Labels, Recipe, Refinement, Run, Window
from segdata.dataset.contract import CONTRACT
from segdata.dataset.layout import RECEIPT
from segdata.dataset.logs import Lines as Lines  # what is killed flushes it
from segdata.errors import DatasetError, Report
from segdata.files.vectors.polygons import Polygons
from segdata.prediction.predictor import LOADERS
from segdata.readers import READERS
from segdata.refinement.settings import CrfSettings
from segdata.writers import WRITERS, writer_options
from segdata.writers.exporting import Exported

CRF = Refinement(CrfSettings(iterations=1))
PASTE = {"copy_paste": {"p": 1.0}, "transforms": [{"HorizontalFlip": {"p": 0.5}}]}


@dataclass(frozen=True)
class Inputs:
    """What the operations begin with, in folders below one root: processes open them by themselves."""

    root: Path

    @classmethod
    def made(cls, root: Path) -> Inputs:
        """All of them, made in one process."""
        whole = segdata.convert("voc", reader_sample("voc", root)[0], root / "whole", images="copy")
        segdata.remap(whole, root / "other", only=["car", "dog", "person"])
        segdata.tile(whole, root / "tiles", size=96, overlap=16)
        few = Dataset(whole.root, whole.labels, whole.samples[:6], whole.made_by, whole.images)
        segdata.predict(ByColour(whole.labels, 0.7), few, root / "pred", scores=True)
        pairs = {f"{y}{x}": Window(100 * y, 70 * x, 60, 75) for y in range(5) for x in range(2)}
        image = np.random.default_rng(0).integers(0, 256, (500, 150, 3)).astype(np.uint8)
        scenes(root / "scenes", image, patches(500, 150), pairs)
        (root / "model.toy").write_text("\n".join(whole.labels.names))
        if ONNX:
            from onnx_files import about, write_onnx

            write_onnx(root / "model.onnx", about(whole.labels, embedding=3))
        return cls(root)

    def shortened(self, samples: int) -> Inputs:
        """The same, of the first few samples."""
        for name in ("whole", "other", "tiles", "pred"):
            one = getattr(self, name)
            Dataset(one.root, one.labels, one.samples[:samples], one.made_by, one.images).save(one.read_receipt())
        return self

    def __getattr__(self, name: str) -> Dataset:
        """The dataset of this name."""
        if not (self.root / name).is_dir():
            raise AttributeError(name)
        return Dataset.open(self.root / name)


Operate = Callable[..., Any]
"""Of inputs, the destination, a run, and more of the operation's options."""


def convert(name: str, inputs: Inputs, out: Path, run: Run, **more: Any) -> Dataset:
    """The sample of a format, with copies of its images where it has files of images."""
    root, options = reader_sample(name, inputs.root)
    return segdata.convert(name, root, out, images="copy", run=run, **options, **more)


def agreed(method: Any, inputs: Inputs, out: Path, run: Run, **more: Any) -> Dataset:
    """The labels in common of a dataset and of its predictions."""
    return segdata.consensus(segdata.agree([inputs.whole, inputs.pred], run=run), out, method=method, run=run, **more)


DATASETS: dict[str, Operate] = {
    **{f"convert {name}": partial(convert, name) for name in READERS},
    "split": lambda d, out, run, **more: segdata.split(d.whole, out, group_by="duplicates", run=run, **more),
    "select": lambda d, out, run, **more: segdata.select(
        d.whole, out, ids=[s.id for s in d.whole][1::2], to_split="few", run=run, **more
    ),
    "join": lambda d, out, run, **more: segdata.join([d.whole, d.other], out, run=run, **more),
    "remap": lambda d, out, run, **more: segdata.remap(d.whole, out, map={"car": "dog"}, run=run, **more),
    "tile": lambda d, out, run, **more: segdata.tile(
        d.whole, out, size=64, overlap=16, keep_empty=0.5, min_tiles_per_class=5, run=run, **more
    ),
    "tile virtual": lambda d, out, run, **more: segdata.tile(d.whole, out, size=64, virtual=True, run=run, **more),
    "stitch": lambda d, out, run, **more: segdata.stitch(d.tiles, out, vectorize=True, run=run, **more),
    "stitch to polygons": lambda d, out, run, **more: segdata.stitch(
        d.tiles,
        out,
        vectorize=Polygons(vector_format="gpkg", min_area=2, min_hole=9, simplify=1),
        cog=True,
        run=run,
        **more,
    ),
    "untile": lambda d, out, run, **more: segdata.untile(d.tiles, out, run=run, **more),
    "mosaic": lambda d, out, run, **more: segdata.mosaic(d.scenes, out, run=run, **more),
    **{f"agree by {method}": partial(agreed, method) for method in ("majority", "staple")},
    "augment": lambda d, out, run, **more: segdata.augment(
        d.whole, out, Recipe.from_dict(PASTE, "test"), run=run, **more
    ),
    "pick": lambda d, out, run, **more: segdata.pick(d.pred, out, n=3, strategy="uncertainty", run=run, **more).dataset,
    "refine": lambda d, out, run, **more: segdata.refine(d.pred, out, CRF, run=run, **more),
    "export webdataset": lambda d, out, run, **more: segdata.export(
        "webdataset", d.whole, out, samples_per_shard=3, shuffle=3, run=run, **more
    ),
}
"""Those that make a dataset, and go on if they were stopped."""


def export(name: str, inputs: Inputs, out: Path, run: Run, **more: Any) -> Exported:
    """An export with copies of the images, and a class of ignored pixels where the format has no value for them."""
    options = {"ignored": "class", "samples_per_shard": 3, "images": "copy"}
    own = {option: value for option, value in options.items() if option in writer_options(name)}
    made = segdata.export(name, inputs.whole, out, run=run, **own, **more)
    assert isinstance(made, Exported)
    return made


EXPORTS: dict[str, Operate] = {f"export {name}": partial(export, name) for name in WRITERS if name != "webdataset"}
"""Those that make the files of another format, and go on if they were stopped."""

FRAME = ("export coco", "export folders", "export hf")
"""Exports that together do all that the frame of exports does: files of samples, of all of them, and of shards."""

MADE = {**DATASETS, **EXPORTS}
"""Those that make a folder."""


def older(name: str, inputs: Inputs, out: Path) -> None:
    """Put something at a place that an operation may replace: a dataset, or an export."""
    if name in EXPORTS:
        segdata.export("folders", inputs.other, out, images="none")
    else:
        shutil.copytree(inputs.other.root, out)


def open_made(root: Path) -> None:
    """Raise `DatasetError` if there is no whole dataset or export."""
    if not (root / CONTRACT).is_file():
        Dataset.open(root)
    elif not (root / RECEIPT).is_file():
        raise DatasetError(f"{root}: unfinished")


MODEL_FILE: dict[str, Operate] = {
    "predict by a file": lambda d, out, run, **more: predicted(d.root / "model.toy", d, out, run, **more)
}
"""A model that a repeated run can know again; only this process knows how such a file is loaded."""

VALUES: dict[str, Operate] = {
    "stats": lambda d, out, run: segdata.stats(d.whole, recount=True, objects=True, run=run),
    "check": lambda d, out, run: segdata.check(d.other, run=run),
    "diff": lambda d, out, run: segdata.diff(d.pred, d.whole, run=run),
    "evaluate": lambda d, out, run: segdata.evaluate(
        d.pred, d.whole, other=d.whole, boundary_f=True, surface=True, objects=True, cldice=True, draws=20, run=run
    ),
    "agree": lambda d, out, run: segdata.agree([d.whole, d.pred, d.tiles], run=run),
    "suspects": lambda d, out, run: segdata.suspects(d.pred, d.whole, run=run),
}
"""Those that give a value."""

ONNX: dict[str, Operate] = {
    name: lambda d, out, run, **more: predicted(d.root / "model.onnx", d, out, run, **more)
    for name in ("predict by an ONNX file",)
    if find_spec("onnx") and find_spec("onnxruntime")
}
"""A model that every worker loads; nothing without the extra `onnx`."""

MODEL: dict[str, Operate] = {"predict": lambda d, out, run: predicted(ByColour(d.whole.labels, 0.7), d, out, run)}

ANYWHERE = {**MADE, **MODEL, **ONNX, **VALUES}
"""Those that may run on any workers."""

RESUMED = {**MADE, **MODEL_FILE, **ONNX}
"""Those that go on if they were stopped."""

OPERATIONS = {**ANYWHERE, **RESUMED}


def predicted(model: Any, inputs: Inputs, out: Path, run: Run, **more: Any) -> Dataset:
    """All that a prediction can write."""
    with toy_models():
        return segdata.predict(model, inputs.whole, out, scores=True, entropy=True, run=run, **more)


@contextmanager
def toy_models() -> Iterator[None]:
    """Files that end in .toy are models: this module loads them."""
    LOADERS[".toy"] = (__name__, "toys")
    try:
        yield
    finally:
        del LOADERS[".toy"]


def load(path: Path, device: str, trust_code: bool) -> ByColour:
    """The model that knows the colours of the classes whose names the file lists."""
    return ByColour(Labels.of(path.read_text().splitlines()), 0.7)


@dataclass
class Steps:
    """Follows a run, as a progress bar does: `totals` has the number of items of each loop over them.

    `at(loop, item)` is called once that item's result is there, and before it is noted.
    """

    at: Callable[[int, int], None] = lambda loop, item: None
    totals: list[int] = field(default_factory=list)

    def __call__(self, items: Iterable[Any], total: int) -> Iterator[Any]:
        loop = len(self.totals)
        self.totals.append(total)
        for number, item in enumerate(items):
            self.at(loop, number)
            yield item


@dataclass(frozen=True)
class Outcome:
    """What an operation came to: the digests of all files of what it made or its value as JSON; its loops' items; where."""

    result: dict[str, str] | str
    totals: list[int]
    root: Path = field(compare=False)


def outcome(
    name: str, inputs: Inputs, out: Path, executor: Executor | None = None, chunk: int | None = None
) -> Outcome:
    """Run an operation of the table."""
    steps = Steps()
    found = OPERATIONS[name](inputs, out, Run(executor, Report(), steps, chunk=chunk))
    result = contents(found.root) if isinstance(found, Dataset | Exported) else json.dumps(found.to_json())
    return Outcome(result, steps.totals, out)
