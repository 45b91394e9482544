"""Errors for a training that runs out of memory: they say what would fit."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from segdata.errors import OptionError, SegdataError
from segdata.nn.data import Batch
from segdata.nn.distributed import World
from segdata.prediction.sliding import is_out_of_memory

if TYPE_CHECKING:
    from segdata.nn.step import Step


@contextmanager
def memory_told(learn: Step, parts: list[Batch], here: World) -> Iterator[None]:
    """Turn an out-of-memory error of a step into a `SegdataError` that says which size fits; sizes are tried out."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        message = str(error).splitlines()[0]
    else:
        return
    # Only here are the failed step's tensors gone
    raise SegdataError(f"out of memory ({message}): {what_fits(learn, parts[0], here)}")


def peak_memory(device: torch.device) -> int:
    """The most memory that this process has had at once, in bytes: on a GPU its tensors, on a CPU all of it. 0 if unknown."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        from resource import RUSAGE_SELF, getrusage
    except ImportError:  # not on Windows
        return 0
    return getrusage(RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@contextmanager
def shortage_told() -> Iterator[None]:
    """Turn an out-of-memory error outside of steps into a `SegdataError`: in loading, making the model, or validation."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if "shared memory" in str(error):  # also if a process was killed because there was too little
            ways = "--workers 0, or in a container a /dev/shm that can be written to and is large enough (--shm-size)"
            raise SegdataError(f"loading processes cannot share memory ({last_line(error)}): {ways}") from error
        if not is_out_of_memory(error):
            raise
        ways = "a smaller --val-batch, --batch, --resize or --crop may fit, or --cache no, or a smaller model"
        raise SegdataError(f"out of memory ({str(error).partition(chr(10))[0]}): {ways}") from error


def last_line(error: BaseException) -> str:
    """The last line of an error: a loading process puts its traceback before it."""
    return str(error).strip().splitlines()[-1]


def what_fits(learn: Step, part: Batch, here: World) -> str:
    """Advice: the most images of this size for which a forward and backward pass has room, or a smaller size."""
    number, height, width = part.images.shape[:3]
    options = learn.task.options
    tried = f"{number} images of {height} x {width} at once"
    fewer = [a for a in range(options.accumulate + 1, options.batch + 1) if options.batch % (a * here.size) == 0]
    for parts in fewer:
        if fits(learn, shortened(part, options.batch // (parts * here.size), height, width)):
            return f"{tried} are too many, {options.batch // (parts * here.size)} fit: --accumulate {parts} trains the same"
    for halvings in range(1, 6):
        h, w = (max(1, n >> halvings) // 32 * 32 or 32 for n in (height, width))
        if fits(learn, shortened(part, 1, h, w)):
            return f"{tried} are too many, even one; {h} x {w} fits: --crop {h}x{w} --accumulate {options.batch // here.size}"
    return f"{tried} are too many, and the model alone hardly fits: choose a smaller one (segdata models)"


def fits(learn: Step, part: Batch) -> bool:
    """Whether there is room for a forward and backward pass; its gradients are discarded."""
    if part.images.is_cuda or torch.cuda.is_available():
        torch.cuda.empty_cache()
    try:
        torch.autograd.backward(learn.forward(learn.state.model, part))
    except (RuntimeError, MemoryError, ValueError, OptionError):  # also from a model that refuses images this small
        return False
    finally:
        learn.state.optimizer.zero_grad(set_to_none=True)
    return True


def shortened(part: Batch, number: int, height: int, width: int) -> Batch:
    """The first `number` images of a batch, cut to their first rows and columns."""
    scale = part.target.shape[1] // part.images.shape[1]
    target = part.target[:number, : height * scale, : width * scale]
    return Batch(part.images[:number, :height, :width], target, part.ids[:number])
