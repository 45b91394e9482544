"""Files that `torch.save` wrote, from anywhere: read as tensors and plain values, without running code that is in them."""

from __future__ import annotations

from typing import IO, Any

import torch


def load_saved(file: IO[bytes]) -> Any:
    """What was saved, tensors on the CPU. Raises `ValueError`, whose text says why, for any other file, or a damaged one."""
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # its unpicklers trip over strange bytes in any way: IndexError, KeyError ...
        if " GLOBAL " in str(error):
            reason = "it holds objects of Python, such as a whole model: save its state_dict() alone"
        else:
            reason = f"not a file that torch.save wrote, or a damaged one ({type(error).__name__})"
        raise ValueError(reason) from error
