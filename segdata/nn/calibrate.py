"""Calibration of a checkpoint: the temperature of `segdata.nn.temperature`, where it helps.

It is fitted on one half of the images and judged on the other half, predicted as `segdata predict` does it: it is kept only if
the expected calibration error (`segdata.metrics.calibration`) falls there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segdata.dataset.dataset import Dataset
from segdata.dataset.sample import Sample
from segdata.errors import DataError, DatasetError, OptionError
from segdata.files.places import place
from segdata.files.reading import Alpha
from segdata.files.views import Masks
from segdata.labels import Mask, must_agree
from segdata.metrics.calibration import Bins, Calibration
from segdata.metrics.confusion import plain
from segdata.nn import checkpoint
from segdata.nn.distributed import World, choose_device
from segdata.nn.notes import note_once
from segdata.nn.predictor import TorchPredictor, predictor_of
from segdata.nn.task import hold_out
from segdata.nn.temperature import fit_temperature
from segdata.prediction.groups import grouped
from segdata.prediction.inputs import opened_for
from segdata.prediction.sliding import Cut, Failed, Input, slide, windows_of
from segdata.prediction.windows import Sliding
from segdata.resize import resize_image, resize_mask
from segdata.tiling.tiles import tile_content
from segdata.windows import Window

PIXELS, NUMBERS = 100_000, 2**25
"""About so many pixels are drawn to fit on, of so many logits at most."""

SPLIT = "val"


class Calibrated(msgspec.Struct, frozen=True):
    """What calibration came to: the `temperature` of the checkpoint from now on, and the one that was `fitted`.

    `ece_before` and `ece_fitted` are the expected calibration errors (0 to 1) on `measured_on` images, with the temperature
    before and with the fitted one, which comes from `fitted_on` other images.
    """

    temperature: float
    fitted: float
    ece_before: float
    ece_fitted: float
    fitted_on: int
    measured_on: int

    @property
    def kept(self) -> bool:
        """Whether the fitted temperature is better."""
        return self.ece_fitted < self.ece_before

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values, and whether the fitted one was kept; an error of no pixel is None."""
        return {
            "kept": self.kept,
            **msgspec.to_builtins(self),
            "ece_before": plain(self.ece_before),
            "ece_fitted": plain(self.ece_fitted),
        }


def calibrate(
    model: str | Path,
    dataset: Dataset | str | Path,
    destination: str | Path,
    *,
    split: str | None = None,
    size: tuple[int, int] = (512, 512),
    overlap: float = 0.25,
    batch: int = 4,
    bands: str | None = None,
    alpha: Alpha = "auto",
    seed: int = 0,
    device: str = "auto",
    trust_code: bool = False,
    overwrite: bool = False,
) -> Calibrated:
    """Fit the temperature of a checkpoint on labelled images, and write a checkpoint that has it.

    One half of the images is fitted on; the other half says whether the calibration error falls. If it does not, the new
    checkpoint has the temperature of the old one. Groups of images, and tiles of one image, stay in one half.

    Raises `DatasetError` for what is no checkpoint, other classes, too few images and a destination that exists; `OptionError`;
    `DataError` for the first bad image.

    Args:
        model: The file of a checkpoint.
        dataset: A dataset with the classes of the model, or its folder. The model should not have been trained on its images.
        destination: The file of the new checkpoint, which ends in .pt.
        split: Use this split only; several: a,b; all but one: !a. By default val, or all images of a dataset without splits.
        size: Height and width of the windows, in pixels of the model; one number is both.
        overlap: The least part of a window that neighbours share.
        batch: How many windows are predicted at once, of several images too.
        bands: Read only these bands of the images, in this order: numbers from 1 on (3,2,1), or names in the files (B4,B3,B2).
            By default as the dataset says.
        alpha: Whether the last band is transparency (yes) or data (no). auto: as the dataset says, or as it looks.
        seed: Seed of which images are fitted on, and of which pixels of them.
        device: Where the model runs: cpu, cuda, cuda:1, mps; auto: a GPU if there is one.
        trust_code: Call the package.module:factory that the checkpoint names, which runs its code.
        overwrite: Replace the file `destination`.
    """
    sliding = Sliding(size, overlap, batch=batch)
    sliding.check()
    if seed < 0:
        raise OptionError(f"--seed {seed}: must be 0 or more")
    refuse_destination(model, destination, overwrite)
    found = checkpoint.read(model)
    predictor = predictor_of(found, model, choose_device(device), trust_code=trust_code)
    whole = Dataset.of(dataset).read_as(bands, alpha)
    must_agree(predictor.labels, whole.labels, str(model), str(whole.root), checkpoint.AGAIN)
    images = whole.split(split or SPLIT) if split or whole.splits else whole
    _tell_of_training(found, whole, images)
    parts = halves(images, seed)
    if parts is None:
        raise DatasetError(f"{whole.root}: it takes two labelled images: one to fit on, another one to measure on")
    calibrated = calibrated_on(predictor, parts, sliding, seed, World(predictor.device))
    checkpoint.write(place(destination), with_temperature(found, calibrated))
    return calibrated


def refuse_destination(model: str | Path, destination: str | Path, overwrite: bool) -> None:
    """Raise `DatasetError`, `OptionError` unless a checkpoint may be written there, of the checkpoint `model`."""
    source = place(model)
    if source.is_dir():
        raise DatasetError(f"{source}: is a folder: give its best.pt, or the one of each fold for itself")
    if source.suffix != ".pt":
        way = "a model that was exported has the temperature of its checkpoint: calibrate that one, and export it again"
        raise DatasetError(f"{source}: is no checkpoint (.pt): {way}")
    if not source.is_file():
        raise DatasetError(f"{source}: there is no such file; a training writes its checkpoints into its run's folder")
    checkpoint.free(destination, [model], overwrite)


def with_temperature(found: dict[str, Any], calibrated: Calibrated | None) -> dict[str, Any]:
    """A checkpoint with the result of a calibration; with temperature 1 if there was none."""
    found = dict(found)
    found.pop("checkpoint", None)  # it says other probabilities than that one
    if calibrated is None:
        return {**found, "temperature": 1.0}
    return {**found, "temperature": calibrated.temperature, "calibration": msgspec.to_builtins(calibrated)}


def halves(dataset: Dataset, seed: int) -> tuple[Dataset, Dataset] | None:
    """Labelled images to fit on, and others to measure on; None if there is only one.

    Groups and tiles of one image stay together; where all images are one group, it is divided in the order of ids.
    """
    labelled = dataset.select(lambda sample: _labelled(sample, dataset.labels.ignore) > 0)
    if len({sample.unit for sample in labelled}) > 1:
        return hold_out(labelled, 0.5, seed)
    samples = sorted(labelled, key=lambda sample: sample.id)
    middle = len(samples) // 2
    if not middle:
        return None
    return replace(labelled, samples=samples[:middle]), replace(labelled, samples=samples[middle:])


def calibrated_on(
    predictor: TorchPredictor, parts: tuple[Dataset, Dataset], sliding: Sliding, seed: int, here: World
) -> Calibrated:
    """Fit on the first of the parts, measure on the second; of several processes each takes some of the images."""
    fit_on, measure_on = parts
    fitted = fit_temperature(*drawn(predictor, fit_on, sliding, seed, here), predictor.head, here)
    before, after = (
        float(bins_of(one, measure_on, sliding, here).ece)
        for one in (predictor, replace(predictor, temperature=fitted))
    )
    temperature = fitted if after < before else predictor.temperature
    return Calibrated(temperature, fitted, before, after, len(fit_on), len(measure_on))


def drawn(
    predictor: TorchPredictor, dataset: Dataset, sliding: Sliding, seed: int, here: World
) -> tuple[Tensor, Tensor]:
    """(P, K) logits and (P,) classes of labelled pixels, drawn evenly: those of this process, on the CPU.

    They are drawn at the size at which the model sees images.
    """
    ignore, classes = dataset.labels.ignore, len(dataset.labels.classes)
    share = min(PIXELS, NUMBERS // classes) / max(1.0, _pixels_seen(predictor, dataset))
    logits, truth = [torch.zeros(0, classes)], [torch.zeros(0, dtype=torch.int64)]
    with Truth(dataset) as masks:
        for batch in windows_of(inputs_of(predictor, dataset, sliding, here), sliding):
            if isinstance(batch, Failed):
                raise DataError(batch.problem)
            seen = batch[0].seen
            found = predictor.logits(np.stack([_resized(cut.pixels, seen) for cut in batch]))
            for cut, own in zip(batch, found, strict=True):
                mask = resize_mask(_known(masks(cut.key, cut.window), cut, ignore), seen)
                random = np.random.default_rng((seed, *cut.key.id.encode(), cut.window.y, cut.window.x))
                chosen = np.flatnonzero((mask != ignore) & (random.random(mask.shape) < share))
                logits.append(own.flatten(1)[:, torch.from_numpy(chosen).to(own.device)].T.cpu())
                truth.append(torch.from_numpy(mask.ravel()[chosen].astype(np.int64)))
    return torch.cat(logits), torch.cat(truth)


def bins_of(predictor: TorchPredictor, dataset: Dataset, sliding: Sliding, here: World) -> Bins:
    """The pixels of all images by confidence, as `segdata predict` gives it; of all processes."""
    labels = dataset.labels
    total = Calibration.empty(labels).bins
    with Truth(dataset) as masks:
        for band in slide(inputs_of(predictor, dataset, sliding, here), predictor, sliding):
            if isinstance(band, Failed):
                raise DataError(band.problem)
            mask = masks(band.key, Window(band.y, 0, *band.probs.shape[1:]))
            known = np.where(band.probs.any(axis=0), mask, mask.dtype.type(labels.ignore))
            total += Calibration.of(band.probs, known, labels).bins
    return Bins(*(here.total(values) for values in (total.pixels, total.hits, total.confidence)))


def inputs_of(predictor: TorchPredictor, dataset: Dataset, sliding: Sliding, here: World) -> Iterator[Input[Sample]]:
    """The images of this process, in the batches of `segdata predict`."""
    for number, group in enumerate(grouped(dataset, sliding)[here.rank :: here.size]):
        for sample in group:
            opened = partial(opened_for, dataset, sample, predictor)
            yield Input(sample, opened, predictor.recipe.resized, number, content=tile_content(sample))


class Truth:
    """The masks of samples by windows, of which the last one is open."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self._id: str | None = None
        self._masks: Masks
        self._stack = ExitStack()

    def __enter__(self) -> Truth:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def __call__(self, sample: Sample, window: Window) -> Mask:
        """(h, w) ids. Raises `DataError`."""
        if sample.id != self._id:
            self._stack.close()
            self._masks, self._id = self._stack.enter_context(self.dataset.open_mask(sample)), sample.id
        return self._masks.read(window)


def _known(mask: Mask, cut: Cut[Any], ignore: int) -> Mask:
    """A mask that is ignored where its image has no data."""
    return mask if cut.valid is None else np.where(cut.valid, mask, mask.dtype.type(ignore))


def _resized(pixels: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    return pixels if pixels.shape[:2] == size else resize_image(pixels, size)


def _labelled(sample: Sample, ignore: int) -> int:
    """How many pixels of a sample have a class."""
    return sum(n for value, n in sample.counts.items() if value != ignore)


def _pixels_seen(predictor: TorchPredictor, dataset: Dataset) -> float:
    """About how many pixels with a class a model sees."""
    total = 0.0
    for sample in dataset:
        height, width = predictor.recipe.resized(*sample.size)
        total += _labelled(sample, dataset.labels.ignore) * height * width / (sample.height * sample.width)
    return total


def _tell_of_training(found: dict[str, Any], whole: Dataset, images: Dataset) -> None:
    """Note that a model, or one of an ensemble, was trained on some of the images, if its checkpoint says so."""
    learnt: set[str] = set()
    for one in found.get("members") or (found,):
        name = one.get("options", {}).get("train_split")
        if one.get("dataset") == whole.digest and isinstance(name, str):
            learnt |= {sample.id for sample in (whole.split(name) if whole.splits else whole)}
    if both := sum(sample.id in learnt for sample in images):
        what = f"the model may have been trained on {both:,} of these {len(images):,} images"
        note_once(f"{what}, and there it is surer than on others: give a --split that it has not seen")
