"""cleanlab's scores, in its own environment. `cleanlab_answers.py FOLDER`: for each line, a name, seconds.

FOLDER/NAME.npz holds `labels` (n,) and `probs` (K, n) of an image's labelled pixels (cleanlab has no ignore value);
FOLDER/NAME-out.npz gets `score` of the image and `pixels` (n,).
"""

import sys
import time
from pathlib import Path

import numpy as np
from cleanlab.segmentation.rank import get_label_quality_scores  # type: ignore[import-not-found, unused-ignore]


def main(folder: str) -> None:
    """Answer each line of the input."""
    for line in sys.stdin:
        path = Path(folder) / f"{line.strip()}.npz"
        data = np.load(path)
        labels, probs = data["labels"][None, None], data["probs"][None, :, None]
        start = time.perf_counter()
        score, pixels = get_label_quality_scores(labels, probs, verbose=False)
        seconds = time.perf_counter() - start
        np.savez(path.with_name(f"{path.stem}-out.npz"), score=score[0], pixels=pixels[0, 0])
        print(seconds, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
