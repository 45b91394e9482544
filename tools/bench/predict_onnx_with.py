"""One model on the same images, in its own process: `predict_onnx_with.py MODEL IMAGES.npy BATCH MASKS.npy`.

Prints the processor's seconds, and the peak of the process in MiB.
"""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path

import numpy as np

from segdata.prediction.predictor import load_predictor


def predict(path: str, images: str, batch: int, masks: str) -> dict[str, float]:
    """Once to warm up on one batch, then over all images."""
    model, pixels = load_predictor(path), np.load(images)
    model(pixels[:batch])
    start = time.process_time()
    parts = [model(pixels[first : first + batch]) for first in range(0, len(pixels), batch)]
    seconds = time.process_time() - start
    status = Path("/proc/self/status").read_text()  # of this program alone; getrusage begins with the parent's
    peak = int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]
    np.save(masks, np.concatenate([part.argmax(axis=1).astype(np.uint8) for part in parts]))
    return {"seconds": seconds, "peak": peak}


if __name__ == "__main__":
    print(json.dumps(predict(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])))
