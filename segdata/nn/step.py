"""One update of a model, in parts."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from itertools import islice

import numpy as np
import torch
from torch import Tensor, nn
from torch.backends import cudnn

from segdata.errors import OptionError, SegdataError
from segdata.nn import data, losses
from segdata.nn.cache import cache_of
from segdata.nn.distributed import World
from segdata.nn.models.base import AUXILIARY_WEIGHT, freeze_encoder, unfreeze
from segdata.nn.norms import measure, norms_of, restore, statistics
from segdata.nn.optimizers import rate, set_rate
from segdata.nn.options import Training
from segdata.nn.precision import autocast
from segdata.nn.standardise import Standardise
from segdata.nn.state import State, layout
from segdata.nn.task import Task
from segdata.nn.validate import at_size


class Step:
    """One update of the weights. Its loss is read one step later, so that the program never waits for a GPU."""

    def __init__(self, task: Task, state: State, here: World, rate_of: Callable[[int], float] | None = None) -> None:
        """Set up steps. `rate_of` gives the learning rate of a step by its number; default: the schedule of the options."""
        self.rate_of = rate_of or partial(rate, task.options, task.steps)
        self.task, self.state, self.here, options = task, state, here, task.options
        classes, ignore = len(task.labels.classes), task.labels.ignore
        self.loss = losses.build(options.loss, classes=classes, ignore=ignore, weights=task.weights, head=options.head)
        self.standardise = Standardise(task.recipe, task.bands)
        self.net: nn.Module | None = None
        self.frozen = False
        self.rate = 0.0
        self.pending: tuple[Tensor, list[str], int] | None = None

    def __call__(self, parts: list[data.Batch], epoch: int) -> None:
        """Learn from a batch, given in parts. Epochs are counted from 0."""
        state, options = self.state, self.task.options
        self.rate = self.rate_of(state.step)
        set_rate(state.optimizer, self.rate)
        net = self.wrapped(epoch)
        torch.manual_seed(mixed(options.seed, state.step, self.here.rank))
        total = torch.zeros((), device=self.here.device)
        for number, (part, share) in enumerate(zip(parts, self.shares(parts), strict=True), 1):
            with self.unsynchronised(net) if number < len(parts) else nullcontext():
                loss = self.forward(net, part) * share
                torch.autograd.backward(state.scaler.scale(loss))
                total += loss.detach()
        if options.clip is not None:
            state.scaler.unscale_(state.optimizer)
            nn.utils.clip_grad_norm_(state.model.parameters(), options.clip)
        state.scaler.step(state.optimizer)
        state.scaler.update()
        state.optimizer.zero_grad(set_to_none=True)
        state.step += 1
        if state.average is not None:
            state.average.update(state.model, state.step)
        self.settle()
        self.pending = total, [id for part in parts for id in part.ids], state.step

    def forward(self, net: nn.Module, part: data.Batch) -> Tensor:
        """The loss of a part."""
        images = self.images(part)
        target = part.target.to(self.here.device, non_blocking=True).long()
        size = target.shape[1:]
        with autocast(self.task.options, self.here.device):
            loss = self.loss(at_size(net(images), size), target)
            for extra in getattr(self.state.model, "auxiliary", ()):
                loss = loss + AUXILIARY_WEIGHT * self.loss(at_size(extra, size), target)
        return loss

    def images(self, part: data.Batch) -> Tensor:
        """The images of a part as the model sees them: (N, C, h, w) float32."""
        images: Tensor = self.standardise(part.images.to(self.here.device, non_blocking=True))
        return images.contiguous(memory_format=layout(self.task.options))

    def shares(self, parts: list[data.Batch]) -> list[Tensor | float]:
        """What to multiply each part's loss with, so that the mean over processes of their sums is the whole batch's loss."""
        if len(parts) == self.here.size == 1:
            return [1.0]
        masses = torch.stack([self.loss.mass(part.target) for part in parts]).to(self.here.device)
        whole = self.here.sum(masses.sum()).clamp_min(torch.finfo(torch.float32).tiny)
        return list(masses / whole * self.here.size)

    def last_loss(self) -> float:
        """The loss of the last step, which may be NaN or infinite."""
        (value, *_), self.pending = self.pending or (torch.zeros(()), [], 0), None
        return value.item()

    def settle(self) -> None:
        """Add the loss of the previous step. Raises `SegdataError` with the batch's samples if it is NaN or infinite."""
        if self.pending is None:
            return
        (value, ids, step), self.pending = self.pending, None
        if not math.isfinite(loss := value.item()):
            raise SegdataError(
                f"the loss is {loss} in step {step}, on {', '.join(ids)}: look at these samples; otherwise a lower "
                "--lr, --warmup 1 or --clip 1 may help, or bf16 instead of fp16"
            )
        self.state.loss += loss

    def wrapped(self, epoch: int) -> nn.Module:
        """The model in training mode, its encoder frozen or not, as the epoch needs; compiled, and parallel over processes."""
        model, options = self.state.model, self.task.options
        frozen = options.freeze_encoder and (options.unfreeze_at is None or epoch + 1 < options.unfreeze_at)
        if self.net is None or frozen != self.frozen:
            if frozen:
                freeze_encoder(model)
            elif self.frozen:
                unfreeze(model)
            self.frozen = frozen
            if options.compile:
                model.compile()
            self.net = self.here.parallel(model)
        self.net.train()
        return self.net

    @contextmanager
    def measured_anew(self, batches: Iterable[list[data.Batch]]) -> Iterator[None]:
        """Give the weights to keep the statistics of these batches; afterwards training goes on with its own."""
        state, options = self.state, self.task.options
        learning = [
            name for name, norm in norms_of(state.model).items() if norm.training
        ]  # not those of a frozen encoder
        norms = norms_of(state.weights)
        state.running = {name: statistics(norm) for name, norm in norms.items()}
        images = (self.images(part) for parts in batches for part in parts)
        state.weights.eval()
        with autocast(options, self.here.device):
            measure(state.weights, [norms[name] for name in learning], images, self.here)
        try:
            yield
        finally:
            restore(state.weights, state.running)
            state.running = None

    def unsynchronised(self, net: nn.Module) -> AbstractContextManager[None]:
        """Do not exchange gradients, as for all parts of a batch but the last."""
        return net.no_sync() if isinstance(net, nn.parallel.DistributedDataParallel) else nullcontext()


def part_size(options: Training, here: World) -> int:
    """How many samples a process has in each of the `accumulate` parts of a batch. Raises `OptionError`."""
    each, rest = divmod(options.batch, options.accumulate * here.size)
    if rest or not each:
        ways = f"{options.accumulate} parts of {here.size} processes each"
        raise OptionError(f"--batch {options.batch} cannot be divided into {ways}")
    return each


def step_batches(task: Task, here: World, steps: Iterable[int]) -> Iterator[list[data.Batch]]:
    """For each of the steps, this process's part of its batch, in `accumulate` parts. Raises `OptionError`."""
    options, each = task.options, part_size(task.options, here)
    places = [p * here.size + here.rank for p in range(options.accumulate)]

    def keys() -> Iterator[list[data.Key]]:
        for step in steps:
            batch = task.order.keys(step)
            yield from (batch[place * each : (place + 1) * each] for place in places)

    workers = here.workers(options.workers)
    recipe = task.recipe.finer(options.mask_scale)
    cache = cache_of(task.train, recipe, options, shared=workers > 0)
    samples = data.Training(task.train, recipe, options.seed, cache, scale=options.mask_scale)
    stream = data.checked(data.loader(samples, keys(), task.labels.ignore, workers=workers, device=here.device))
    while parts := list(islice(stream, options.accumulate)):
        yield parts


@contextmanager
def computing(options: Training) -> Iterator[None]:
    """Set torch's random numbers, threads and kernels by the options; restore them afterwards."""
    threads, exact = torch.get_num_threads(), options.deterministic
    with torch.random.fork_rng(), cudnn.flags(cudnn.enabled, not exact, deterministic=exact), repeatable(exact):
        if options.threads is not None:
            torch.set_num_threads(options.threads)
        try:
            yield
        finally:
            torch.set_num_threads(threads)


@contextmanager
def repeatable(wanted: bool) -> Iterator[None]:
    """Let torch use only operations that give the same bits each time. Raises `OptionError` for one that has no such form."""
    if not wanted:
        yield
        return
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when a GPU is first used
    torch.use_deterministic_algorithms(True)
    try:
        yield
    except RuntimeError as error:
        if "deterministic" not in str(error):
            raise
        ways = "choose another model or loss, or leave --deterministic out"
        raise OptionError(f"--deterministic: {str(error).partition('.')[0].partition(',')[0]}: {ways}") from error
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])


def mixed(*numbers: int) -> int:
    """A seed of 63 bits that depends on all the numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))
