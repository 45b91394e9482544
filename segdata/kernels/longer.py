"""Arrays that grow."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.kernels import kernel


@kernel
def longer(array: NDArray[Any], least: int) -> NDArray[Any]:
    """(N,) -> a copy that is twice as long, or `least` if that is more.

    A loop, as copying by a slice takes numba twenty times as long to compile: it can fail, with a message.
    """
    out = np.empty(max(2 * array.shape[0], least), array.dtype)
    for i in range(array.shape[0]):
        out[i] = array[i]
    return out
