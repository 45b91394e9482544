"""A prediction that is moved truth, with some of another class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from carry_files import make
from placed_files import patches
from segdata import Dataset


def moved(mask: Any, by: int) -> Any:
    """The mask some pixels to the right, and a part of it class 1."""
    out = np.roll(mask, by, 1)
    out[3:9, 4:12] = 1
    return out


def moved_pair(folder: Path, by: int) -> tuple[Dataset, Dataset]:
    """A prediction and truth of five images."""
    masks = {f"val/{i}": patches(28, 35, seed=i) for i in range(5)}
    truth = make(folder / "truth", masks)
    return make(folder / "pred", {id: moved(mask, by) for id, mask in masks.items()}), truth
