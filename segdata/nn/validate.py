"""Validation: every sample of a split at its source's size, counted in one confusion matrix."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segdata.dataset.dataset import Dataset
from segdata.errors import DataError, Problem
from segdata.labels import Mask
from segdata.metrics.confusion import Confusion
from segdata.nn import data, losses
from segdata.nn.distributed import World
from segdata.nn.precision import autocast
from segdata.nn.standardise import Standardise
from segdata.nn.state import Row, layout
from segdata.nn.task import Task
from segdata.nn.validation_data import Part, Validation, parts_of
from segdata.recipes.settings import Settings


class Validator:
    """Measures a model on the validation samples of a task; of several processes each takes whole batches of its own.

    Batches are of samples of one size, in the order of their ids, whatever the number of processes: each sample meets the
    same arithmetic everywhere, and none is counted twice.
    """

    def __init__(self, task: Task, here: World) -> None:
        options, labels = task.options, task.labels
        self.task, self.here = task, here
        self.classes = len(labels.classes)
        self.standardise = Standardise(task.recipe, task.bands)
        self.loss = losses.build(
            options.loss, classes=self.classes, ignore=labels.ignore, weights=task.weights, head=options.head
        )
        size = options.val_batch or max(1, options.batch // options.accumulate)
        batches = list(even_batches(task.val, task.recipe, size))
        self.parts = [part for batch in batches for part in batch]
        workers = here.workers(options.workers)
        self.samples = Validation(task.val, task.recipe)
        mine = batches[here.rank :: here.size]
        self.batches = data.loader(self.samples, mine, labels.ignore, workers=workers, device=here.device)

    def measure(self, model: nn.Module) -> Row:
        """Loss, accuracy and IoU, as in metrics.csv; a class in neither truth nor prediction has no IoU."""
        confusion, loss = self.confusion(model)
        return {"val_loss": loss, **scores(confusion, self.task.labels.names)}

    def confusion(self, model: nn.Module) -> tuple[Confusion, float]:
        """Of all samples, from all processes, at the source's size; and the mean loss of a pixel, by the weight of its class."""
        device, labels = self.here.device, self.task.labels
        total, sums = Confusion.empty(self.classes), torch.zeros(2, dtype=torch.float64, device=device)
        small = torch.uint8 if labels.dtype == np.uint8 else torch.int32
        model.eval()
        with torch.inference_mode():
            for batch in data.checked(self.batches):
                target = batch.target.to(device, non_blocking=True).long()
                logits = self.logits(model, batch.images)
                mass = self.loss.mass(target)
                sums += torch.stack((self.loss(logits, target) * mass, mass)).double()
                truth = batch.target if batch.truth is None else batch.truth
                pred = at_size(logits, truth.shape[1:]).max(1).indices  # several times as fast as argmax
                total += Confusion.of(truth.numpy(), pred.to(small).cpu().numpy(), labels)
        counts = torch.from_numpy(total.counts).to(device)
        loss, mass = self.here.sum(sums).tolist()
        return Confusion(self.here.sum(counts).cpu().numpy()), loss / mass if mass else 0.0

    def logits(self, model: nn.Module, images: Tensor) -> Tensor:
        """(N, h, w, C) pixels -> (N, K, h, w) float32."""
        device = self.here.device
        pixels = self.standardise(images.to(device, non_blocking=True))
        with autocast(self.task.options, device):
            logits: Tensor = model(pixels.contiguous(memory_format=layout(self.task.options)))
        return logits.float()

    def predict(self, model: nn.Module, part: Part) -> tuple[data.Pixels, Mask, Mask]:
        """Image, truth and prediction of a part, at the source's size."""
        item = self.samples[part]
        if isinstance(item, Problem):
            raise DataError(item)
        truth = item[-1]
        model.eval()
        with torch.inference_mode():
            logits = self.logits(model, data.to_tensor(item[1][None]))
            pred = at_size(logits, truth.shape).max(1).indices[0]
        return self.samples.read(part)[0], truth, pred.cpu().numpy().astype(truth.dtype)


def at_size(logits: Tensor, size: Sequence[int]) -> Tensor:
    """(N, K, h, w) -> (N, K, H, W), linear between the pixels: the resize undone."""
    whole = tuple(size)
    return logits if logits.shape[2:] == whole else F.interpolate(logits, whole, mode="bilinear")


def even_batches(dataset: Dataset, recipe: Settings, size: int) -> Iterator[list[Part]]:
    """All parts of all samples, in lists of at most `size` that are equally large."""
    order = sorted(range(len(dataset)), key=lambda i: dataset.samples[i].id)
    parts = [part for i in order for part in parts_of(i, dataset.samples[i], recipe)]
    kinds = [(part.outer[2:], recipe.resized(*dataset.samples[part.number].size)) for part in parts]
    for kind in sorted(set(kinds)):
        alike = [part for part, its in zip(parts, kinds, strict=True) if its == kind]
        yield from (alike[i : i + size] for i in range(0, len(alike), size))


def scores(confusion: Confusion, names: Sequence[str]) -> Row:
    """The columns of metrics.csv: `class_accuracy` is `Confusion.mean_accuracy`, `iou/NAME` the IoU of each class."""
    return {
        "pixel_accuracy": confusion.pixel_accuracy,
        "class_accuracy": confusion.mean_accuracy,
        "mean_iou": confusion.mean_iou,
        **{f"iou/{name}": value for name, value in zip(names, confusion.iou.tolist(), strict=True)},
    }
