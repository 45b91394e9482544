"""Mixed precision where it is quick, and float32 where it would be slow."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch

from segdata.nn.options import Training

DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def refused(options: Training, device: torch.device) -> str | None:
    """Why a training computes in float32 though its options want less: a CPU without the instructions; None if it does not.

    Such a CPU takes 10 to 20 times as long as in float32 (tools/bench/RESULTS.md).
    """
    name = options.precision
    if name == "float32" or device.type != "cpu" or has_instructions(name):
        return None
    return f"this CPU has no instructions for {name}, and would be 10 to 20 times slower with it"


def has_instructions(precision: str) -> bool:
    """Whether this CPU computes in `bf16` or `fp16` by itself. If torch cannot tell, it is assumed."""
    try:
        return bool(getattr(torch.ops.mkldnn, f"_is_mkldnn_{precision}_supported")())
    except (AttributeError, RuntimeError):  # another version of torch, or one built without oneDNN
        return True


def precision_of(options: Training, device: torch.device) -> torch.dtype:
    """The type in which a device computes most of a forward pass."""
    return torch.float32 if refused(options, device) else DTYPES[options.precision]


def autocast(options: Training, device: torch.device) -> AbstractContextManager[None]:
    """Compute what is inside in the precision of the options; weights stay float32."""
    dtype = precision_of(options, device)
    return torch.autocast(device.type, dtype, enabled=dtype != torch.float32)
