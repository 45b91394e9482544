"""A `torch.export` program (.pt2) as a `Predictor`, for files that the user trusts.

`torch.export.load` unpickles what it finds: in torch 2.13 `torch/export/pt2_archive/_package.py` calls `torch.load` with
`weights_only=False`, and its documentation says never to load data from an untrusted source. So it is called only with
`trust_code`. Its interface: https://docs.pytorch.org/docs/stable/export.html.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import torch
from torch import Tensor

from segdata.errors import DatasetError
from segdata.files.places import read_bytes
from segdata.files.remote import Place
from segdata.nn.checkpoint import FAULTS as RUN_FAULTS
from segdata.nn.distributed import choose_device
from segdata.nn.saved import FAULTS
from segdata.prediction.exported import KEY, read_exported
from segdata.prediction.exported_predictor import ExportedPredictor, Floats, predictor_of


@dataclass(frozen=True, slots=True)
class Program:
    """A loaded program."""

    path: str
    run: Callable[[Tensor], Any]
    device: torch.device

    def __call__(self, batch: Floats, outputs: int) -> list[Floats]:
        """(N, C, h, w) float32 -> the first so many outputs. Raises `DatasetError` for what it fails on."""
        try:
            with torch.inference_mode():
                found = self.run(torch.from_numpy(batch).to(self.device))
                found = found if isinstance(found, tuple | list) else (found,)
                return [one.float().cpu().numpy() for one in found[:outputs]]
        except (*RUN_FAULTS, AssertionError) as error:  # the latter for a size that the program does not take
            if "memory" in str(error):
                raise
            text = (str(error).splitlines() or [type(error).__name__])[0]
            raise DatasetError(f"{self.path}: torch cannot run it on {batch.shape}: {text}: export it again") from error


def load(path: str | Place, device: str = "cpu", *, trust_code: bool = False) -> ExportedPredictor:
    """Load an exported program. Raises `DatasetError` without `trust_code`, and for a damaged file or somebody else's."""
    if not trust_code:
        raise DatasetError(
            f"{path}: torch runs code that a .pt2 file may hold: if you trust it, give --trust-code; an ONNX file has none"
        )
    place = choose_device(device)
    extra = {KEY: ""}
    try:
        data = read_bytes(path)
        program = _loaded(data, extra)
    except FAULTS as error:
        raise DatasetError(f"{path}: not a program that torch {torch.__version__} reads: export it again") from error
    about = read_exported(extra[KEY] or None, path)
    if place.type != "cpu":
        from torch.export.passes import move_to_device_pass

        program = move_to_device_pass(program, place)
    return predictor_of(about, path, device, data, Program(str(path), program.module(), place))


def _loaded(data: bytes, extra: dict[str, Any]) -> torch.export.ExportedProgram:
    """The program; torch's own notes on files that it does not read stay out of the way of the one message."""
    log = logging.getLogger("torch.export")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        return torch.export.load(BytesIO(data), extra_files=extra)
    finally:
        log.setLevel(level)
