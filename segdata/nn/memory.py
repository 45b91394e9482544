"""Out of memory, said with what would fit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from segdata.errors import OptionError, SegdataError
from segdata.nn.data import Batch
from segdata.nn.distributed import World
from segdata.ops.predict.sliding import is_out_of_memory

if TYPE_CHECKING:
    from segdata.nn.step import Step


@contextmanager
def memory_told(learn: Step, parts: list[Batch], here: World) -> Iterator[None]:
    """Turns want of memory into a `SegdataError` that says which size fits, found by trying."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        message = str(error).splitlines()[0]
    else:
        return
    raise SegdataError(
        f"out of memory ({message}): {what_fits(learn, parts[0], here)}"
    )  # the failed step's tensors are gone


@contextmanager
def shortage_told() -> Iterator[None]:
    """The same outside of the steps: while samples are loaded, the model is made, or a validation runs."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        ways = "a smaller --val-batch, --batch, --resize or --crop may fit, or --cache no, or a smaller model"
        raise SegdataError(f"out of memory ({str(error).partition(chr(10))[0]}): {ways}") from error


def what_fits(learn: Step, part: Batch, here: World) -> str:
    """What to do about it: the most images of this size that a forward and backward pass has room for, or a smaller size."""
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
    return f"{tried} are too many, and the model hardly fits by itself: take a smaller one (segdata models)"


def fits(learn: Step, part: Batch) -> bool:
    """Whether there is room for a forward and backward pass; gradients are thrown away."""
    if part.images.is_cuda or torch.cuda.is_available():
        torch.cuda.empty_cache()
    try:
        torch.autograd.backward(learn.forward(learn.state.model, part))
    except (RuntimeError, MemoryError, ValueError, OptionError):  # also of a model that takes no image so small
        return False
    finally:
        learn.state.optimizer.zero_grad(set_to_none=True)
    return True


def shortened(part: Batch, number: int, height: int, width: int) -> Batch:
    """The first images, and their first rows and columns."""
    return Batch(part.images[:number, :height, :width], part.target[:number, :height, :width], part.ids[:number])
