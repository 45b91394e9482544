"""pydensecrf2, in its own environment. `pydensecrf_answers.py IN.npz OUT`: for each line, a case, its processor seconds.

IN holds image-N (H, W, 3) uint8 and probs-N (K, H, W) float32. OUT-N.npy gets the marginals of the first answer.
"""

import sys
import time
from pathlib import Path

import numpy as np
import pydensecrf.densecrf as dcrf  # type: ignore[import-not-found, unused-ignore]
from pydensecrf.utils import unary_from_softmax  # type: ignore[import-not-found, unused-ignore]


def main(source: str, out: str) -> None:
    """Answer each line of the input."""
    data = np.load(source)
    cases = [(data[f"image-{n}"], data[f"probs-{n}"]) for n in range(len(data.files) // 2)]
    for line in sys.stdin:
        image, probs = cases[int(line)]
        classes, height, width = probs.shape
        start = time.process_time()
        crf = dcrf.DenseCRF2D(width, height, classes)
        crf.setUnaryEnergy(unary_from_softmax(probs))
        crf.addPairwiseGaussian(sxy=3, compat=3)
        crf.addPairwiseBilateral(sxy=80, srgb=13, rgbim=image, compat=10)
        found = np.asarray(crf.inference(10)).reshape(probs.shape)
        seconds = time.process_time() - start
        path = Path(f"{out}-{int(line)}.npy")
        if not path.exists():
            np.save(path, found)
        print(seconds, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
