"""Whether an exported network does what the model does, at sizes that its tracing never saw: on noise, before real pixels."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from segdata.errors import DatasetError, OptionError
from segdata.nn.export.network import Network, Size, around, noise
from segdata.prediction.exported_predictor import Ask

NEAR = 1e-3
"""By how much outputs may differ, as a part of the largest: arithmetic in another order, no other network."""

DRAWS = 4
"""So many draws of noise are tried: where two values of a pooling are nearly equal, rounding alone decides which one counts, and
SegNet puts it elsewhere then. Another network differs on all."""


def least_size(network: Network, ask: Ask, bands: int) -> int:
    """The smallest height and width from which on the exported network agrees.

    Raises `OptionError` where it does not agree at sizes at which every map has several pixels.
    """
    most = around(network)
    for number, size in enumerate(((most + 1, 2 * most + 9), (3 * most, 2 * most), (2 * most + 7, most + 1))):
        refuse_difference(network, ask, bands, size, number + 1, "give its size, such as --size 512x512")
    least = most + 1
    for side in (most, most // 2 + 1, most // 4 + 1, 2, 1):
        if difference(network, ask, bands, (side, side), 1):
            break
        least = side
    return least


def refuse_difference(network: Network, ask: Ask, bands: int, size: Size, batch: int, way_out: str) -> None:
    """Raise `OptionError` where the exported network does something else."""
    if what := difference(network, ask, bands, size, batch):
        raise OptionError(
            f"the exported model differs from the checkpoint at {size[0]} x {size[1]} pixels ({what}): {way_out}"
        )


def difference(network: Network, ask: Ask, bands: int, size: Size, batch: int) -> str | None:
    """What differs, for people; None if both agree."""
    what: str | None = None
    for seed in range(DRAWS):
        what = _difference(network, ask, noise(bands, size, batch=batch, seed=seed))
        if what is None:
            break
    return what


def _difference(network: Network, ask: Ask, image: Tensor) -> str | None:
    """The same, on one draw."""
    with torch.inference_mode():
        wanted = [one.numpy() for one in network(image)]
    try:
        found = ask(image.numpy(), len(wanted))
    except DatasetError as error:
        return " ".join(str(error).split())
    for a, b in zip(wanted, found, strict=True):
        if a.shape != b.shape:
            return f"the shape is {b.shape}, not {a.shape}"
        if not np.abs(a - b).max() <= NEAR * max(1e-30, float(np.abs(a).max())):
            return f"by up to {np.abs(a - b).max():.3g} of {np.abs(a).max():.3g}"
    return None
