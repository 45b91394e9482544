"""Training in one process, or in several that torchrun started: this process's number and device, and sums over all."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread
from typing import TypeVar

import torch.distributed as dist
import torch.distributed.nn
from torch import nn

from segdata.errors import OptionError, SegdataError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class World:
    """This process: its `device`, and its number `rank` among `size` processes."""

    device: torch.device
    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes and prints."""
        return self.rank == 0

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """The sum over all processes of a tensor of any shape on this process's device; every process gets the same."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def mean(self, value: float) -> float:
        """The mean over all processes."""
        return float(self.sum(torch.tensor(value, dtype=torch.float64, device=self.device))) / self.size

    def gather(self, values: list[T]) -> list[T]:
        """Those of all processes, in the order of their numbers; every process gets the same."""
        if self.size == 1:
            return values
        found: list[list[T]] = [[] for _ in range(self.size)]
        dist.all_gather_object(found, values)
        return [value for each in found for value in each]

    def share(self, model: nn.Module) -> None:
        """Give all processes the running statistics of the first one; the weights are always the same."""
        if self.size > 1:
            for buffer in model.buffers():
                dist.broadcast(buffer, 0)

    def parallel(self, model: nn.Module) -> nn.Module:
        """A model whose gradients are averaged over all processes."""
        if self.size == 1:
            return model
        return nn.parallel.DistributedDataParallel(model, [self.device] if self.device.type == "cuda" else None)

    def workers(self, wanted: int | None) -> int:
        """The number of loading processes: `wanted`, by default 0 on a CPU, since they would use the cores that compute."""
        if wanted is not None:
            return wanted
        return 0 if self.device.type == "cpu" else min(8, max(1, (os.cpu_count() or 1) // self.size))

    @contextmanager
    def alike(self) -> Iterator[None]:
        """Report an error that all processes have only once: the first process raises it, the others wait and end silently."""
        try:
            yield
        except SegdataError as error:
            if self.first or not self._first_ended():
                raise
            raise SystemExit(1) from error

    def _first_ended(self) -> bool:
        try:
            self.wait()
        except RuntimeError:
            return True
        return False  # the first process goes on: the error is only here

    def wait(self) -> None:
        """Wait until all processes have come here."""
        if self.size > 1:
            dist.barrier()


@contextmanager
def world(device: str) -> Iterator[World]:
    """Join the processes that torchrun started: over gloo on CPUs; over NCCL on GPUs, one GPU per process.

    Raises `OptionError` for a device that does not exist, `SegdataError` in this process if another one has ended.
    """
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    place = choose_device(device, int(os.environ.get("LOCAL_RANK", "0")) if size > 1 else None)
    if place.type == "cuda":
        torch.cuda.set_device(place)
    ours = size > 1 and not dist.is_initialized()
    if ours:
        dist.init_process_group("nccl" if place.type == "cuda" else "gloo")
        if "TORCHELASTIC_RUN_ID" in os.environ:
            Thread(target=_end_with_torchrun, args=(os.getppid(),), daemon=True).start()
    try:
        yield World(place, rank, size)
    except RuntimeError as error:
        if ours and (isinstance(error, dist.DistError) or "gloo" in str(error)):
            message = f"process {rank} of {size}: another process has ended: its first error is the reason"
            raise SegdataError(f"{message}; then run the same command again to go on") from error
        raise
    finally:
        if ours:
            dist.destroy_process_group()
            gc.collect()  # the last reference to the process group


def _end_with_torchrun(parent: int) -> None:
    """End this process when torchrun ends: otherwise it would go on training unseen if torchrun was killed."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def choose_device(name: str, local: int | None = None) -> torch.device:
    """The device of that name; `local` is the number of this process's GPU. Raises `OptionError` if it does not exist."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise OptionError(f"--device {name}: no such device: give cpu, cuda, cuda:1 or mps") from error
    if device.type == "cuda":
        found = torch.cuda.device_count() if torch.cuda.is_available() else 0
        number = local if local is not None else device.index or 0
        if number >= found:
            build = "" if torch.version.cuda else ", which is a build for CPUs: install one for your GPU (pytorch.org)"
            raise OptionError(
                f"--device {name}: torch {torch.__version__} finds {found} GPUs{build}; or use --device cpu"
            )
        return torch.device("cuda", number)
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise OptionError(f"--device {name}: torch {torch.__version__} finds no such GPU: use --device cpu")
    return device
