"""Write the answers of scikit-image and panopticapi that tests/metrics compare with, in the environment that peers.sh makes.

objects.npz gets drawn masks; objects.json gets what object_answers.py says of them and of real ones: CamVid's val, each mask with
the next one as its prediction.
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asked import Asked
from inputs import DATA
from segdata import read_mask

GOLDEN = Path(__file__).resolve().parents[2] / "tests/metrics/golden"
REAL, DRAWN = 8, 8
CLASSES, IGNORE = 5, 255
Ids = NDArray[np.uint8]


def drawn(number: int) -> tuple[Ids, Ids]:
    """Truth and prediction, (72, 96): blobs of several sizes, lines, noise, and ignored pixels in either."""
    rng = np.random.default_rng(number)
    truth = np.zeros((72, 96), np.uint8)
    for scale in (24, 8, 6):
        small = rng.integers(0, 2 * CLASSES, (72 // scale, 96 // scale))
        blobs = np.kron(small, np.ones((scale, scale), int))
        truth = np.where(blobs < CLASSES, blobs, truth).astype(np.uint8)
    for _ in range(6):
        y, x = rng.integers(0, 70), rng.integers(0, 90)
        truth[y : y + rng.integers(1, 6), :] = rng.integers(0, CLASSES)
        truth[:, x : x + rng.integers(1, 6)] = rng.integers(0, CLASSES)
    pred = np.roll(truth, rng.integers(-1, 2, 2), (0, 1))
    noise = rng.random(truth.shape)
    pred[noise < 0.01] = rng.integers(0, CLASSES)
    for mask, most in ((truth, number % 4), (pred, number % 3)):
        for _ in range(3 * most):
            y, x = rng.integers(0, 60), rng.integers(0, 80)
            mask[y : y + rng.integers(2, 20), x : x + rng.integers(2, 30)] = IGNORE
    return truth, pred


def answers(pairs: list[tuple[Ids, Ids]]) -> dict[str, Any]:
    """What the peers say of them."""
    with TemporaryDirectory() as folder:
        masks, out = Path(folder) / "masks.npz", Path(folder) / "out.json"
        np.savez(masks, truth=np.stack([t for t, _ in pairs]), pred=np.stack([p for _, p in pairs]))
        with Asked("panopticapi", "object_answers.py", masks, out) as peer:
            for line in ("clDice", "panoptic 4", "panoptic 8"):
                peer(line)
        found: dict[str, Any] = json.loads(out.read_text())
        return found


def main() -> None:
    """Write both files."""
    made = [drawn(number) for number in range(DRAWN)]
    np.savez_compressed(
        GOLDEN / "objects.npz", truth=np.stack([t for t, _ in made]), pred=np.stack([p for _, p in made])
    )
    files = sorted((DATA / "camvid/valannot").glob("*.png"))[: REAL + 1]
    real = [np.where(mask == 11, IGNORE, mask).astype(np.uint8) for mask in map(read_mask, files)]
    found = {
        "drawn": answers(made),
        "camvid": {"files": [file.name for file in files], **answers(list(pairwise(real)))},
    }
    (GOLDEN / "objects.json").write_text(json.dumps(found) + "\n", "utf-8")


if __name__ == "__main__":
    main()
