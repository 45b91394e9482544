"""Reading files of `torch.save` from any source, as tensors and plain values, without running any code in them."""

from __future__ import annotations

import pickle
import struct
import warnings
import zipfile
from typing import IO, Any

import torch

FAULTS = (
    RuntimeError, OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, AssertionError, ArithmeticError,
    ImportError, MemoryError, BufferError, SystemError, pickle.UnpicklingError, struct.error, zipfile.BadZipFile,
)  # fmt: skip
"""The exceptions of torch's unpicklers for bytes that are no such file."""


def load_saved(file: IO[bytes]) -> Any:
    """The saved values, tensors on the CPU. Raises `ValueError`, whose text gives the reason, for any other or damaged file."""
    try:
        with warnings.catch_warnings(action="ignore"):  # about odd protocols, before the error itself
            return torch.load(file, map_location="cpu", weights_only=True)
    except FAULTS as error:
        if " GLOBAL " in str(error):
            reason = "it holds Python objects, such as a whole model: save only its state_dict()"
        else:
            reason = f"not a file that torch.save wrote, or a damaged one ({type(error).__name__})"
        raise ValueError(reason) from error
