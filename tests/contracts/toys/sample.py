"""What is added to tools/make_samples.py: the sample of the toy format."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from make_samples import write_image, write_text


def make_toy(out: Path) -> None:
    """Three images with digits."""
    out.mkdir(parents=True)
    for number in range(3):
        values = np.random.default_rng(number).integers(0, 3, (9, 12))
        write_image(out / f"{number}.png", np.full((9, 12, 3), 80 * number, np.uint8))
        write_text(out / f"{number}.digits", "\n".join("".join(map(str, row)) for row in values.tolist()))
