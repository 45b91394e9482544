"""Whether an exported network does what the model does, at sizes that its tracing never saw: on noise, before real pixels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from segdata.errors import DatasetError, OptionError
from segdata.nn.export.network import Network, Size, around, noise
from segdata.prediction.exported_predictor import Ask

NEAR = 1e-3
"""By how much outputs may differ, as a part of the largest: arithmetic in another order, no other network."""


def least_size(network: Network, ask: Ask, bands: int) -> int:
    """The smallest height and width from which on the exported network agrees.

    Raises `OptionError` where it does not agree at sizes at which every map has several pixels.
    """
    most = around(network)
    for number, size in enumerate(((most + 1, 2 * most + 9), (3 * most, 2 * most), (2 * most + 7, most + 1))):
        refuse_difference(network, ask, bands, size, number + 1, "give its size, such as --size 512x512")
    least = most + 1
    for side in (most, most // 2 + 1, most // 4 + 1, 2, 1):
        if any(differences(network, ask, bands, (side, side), 1)):
            break
        least = side
    return least


def refuse_difference(network: Network, ask: Ask, bands: int, size: Size, batch: int, way_out: str) -> None:
    """Raise `OptionError` where the exported network does something else."""
    if what := next(differences(network, ask, bands, size, batch), None):
        raise OptionError(
            f"the exported model differs from the checkpoint at {size[0]} x {size[1]} pixels ({what}): {way_out}"
        )


def differences(network: Network, ask: Ask, bands: int, size: Size, batch: int) -> Iterator[str]:
    """What differs, for people; nothing if both agree."""
    image = noise(bands, size, batch=batch)
    with torch.inference_mode():
        wanted = [one.numpy() for one in network(image)]
    try:
        found = ask(image.numpy(), len(wanted))
    except DatasetError as error:
        yield " ".join(str(error).split())
        return
    for a, b in zip(wanted, found, strict=True):
        if a.shape != b.shape:
            yield f"the shape is {b.shape}, not {a.shape}"
        elif not np.abs(a - b).max() <= NEAR * max(1e-30, float(np.abs(a).max())):
            yield f"by up to {np.abs(a - b).max():.3g} of {np.abs(a).max():.3g}"
