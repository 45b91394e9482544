"""One process or several that torchrun started: who this one is, on which device, and sums over all."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread

import torch.distributed as dist
import torch.distributed.nn
from torch import nn

from segdata.errors import OptionError, SegdataError


@dataclass(frozen=True, slots=True)
class World:
    """This process among `size`, and its device."""

    device: torch.device
    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes and prints."""
        return self.rank == 0

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """The sum over all processes, of a tensor of any shape on this process's device; the same everywhere."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def mean(self, value: float) -> float:
        """The mean over all processes."""
        return float(self.sum(torch.tensor(value, dtype=torch.float64, device=self.device))) / self.size

    def share(self, model: nn.Module) -> None:
        """Give all processes the first one's running statistics; the weights are the same anyway."""
        if self.size > 1:
            for buffer in model.buffers():
                dist.broadcast(buffer, 0)

    def parallel(self, model: nn.Module) -> nn.Module:
        """The model with its gradients averaged over all processes."""
        if self.size == 1:
            return model
        return nn.parallel.DistributedDataParallel(model, [self.device] if self.device.type == "cuda" else None)

    def workers(self, wanted: int | None) -> int:
        """Processes that load: on a CPU none unless they are asked for, since they would take the cores that compute."""
        if wanted is not None:
            return wanted
        return 0 if self.device.type == "cpu" else min(8, max(1, (os.cpu_count() or 1) // self.size))

    @contextmanager
    def alike(self) -> Iterator[None]:
        """What goes wrong in every process alike is said by the first; the others wait for its end, and end without a word."""
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
        return False  # it goes on: something is wrong here alone

    def wait(self) -> None:
        """Until all are here."""
        if self.size > 1:
            dist.barrier()


@contextmanager
def world(device: str) -> Iterator[World]:
    """Join the processes that torchrun started: over gloo on CPUs, over NCCL on GPUs, one each.

    Raises `OptionError` for a device that is not there, `SegdataError` in a process where another one has ended.
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
            message = f"process {rank} of {size}: another one has ended: what it said first is the reason"
            raise SegdataError(f"{message}; then run the same command again to go on") from error
        raise
    finally:
        if ours:
            dist.destroy_process_group()
            gc.collect()  # the last that holds it


def _end_with_torchrun(parent: int) -> None:
    """Processes whose torchrun was killed would train on, seen by nobody."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def choose_device(name: str, local: int | None = None) -> torch.device:
    """The device of that name; `local` is the number of this process's GPU. Raises `OptionError` where it is not there."""
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
