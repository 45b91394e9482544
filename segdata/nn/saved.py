"""Files that `torch.save` wrote, from anywhere: read as tensors and plain values, without running code that is in them."""

from __future__ import annotations

import pickle
import struct
import warnings
import zipfile
from typing import IO, Any

import torch

FAULTS = (
    RuntimeError, OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, AssertionError, ArithmeticError,
    ImportError, pickle.UnpicklingError, struct.error, zipfile.BadZipFile,
)  # fmt: skip
"""What strange bytes make torch's unpicklers raise."""


def load_saved(file: IO[bytes]) -> Any:
    """What was saved, tensors on the CPU. Raises `ValueError`, whose text says why, for any other file, or a damaged one."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of odd protocols, before the fault
            return torch.load(file, map_location="cpu", weights_only=True)
    except FAULTS as error:
        if " GLOBAL " in str(error):
            reason = "it holds objects of Python, such as a whole model: save its state_dict() alone"
        else:
            reason = f"not a file that torch.save wrote, or a damaged one ({type(error).__name__})"
        raise ValueError(reason) from error
