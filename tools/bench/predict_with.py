"""One way of sliding a small model over a large image, in its own process: `predict_with.py WAY IMAGE OUT`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

WINDOW, CLASSES = 512, 5


def model() -> torch.nn.Module:
    """A model with almost no cost, so that the cost of everything around it shows."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    return torch.nn.Conv2d(3, CLASSES, 3, padding=1).eval()


def segdata(image: str, out: str) -> None:
    """A GeoTIFF to a GeoTIFF of class ids."""
    from bench_predict import Net
    from segdata import predict

    predict(Net(model(), CLASSES), image, out, size=(WINDOW, WINDOW), overwrite=True)


def monai(image: str, out: str) -> None:
    """An array to scores, and the likeliest classes of them."""
    from monai.inferers import sliding_window_inference  # type: ignore[import-not-found, unused-ignore]

    net = model()
    pixels = np.load(image, mmap_mode="r")
    whole = torch.empty((1, 3, *pixels.shape[:2]))
    for y in range(0, pixels.shape[0], 256):
        whole[0, :, y : y + 256] = torch.from_numpy(pixels[y : y + 256].transpose(2, 0, 1).copy()) / 255
    with torch.inference_mode():
        scores: Any = sliding_window_inference(whole, (WINDOW, WINDOW), 4, net, overlap=0.25, mode="gaussian")
        np.save(f"{out}.npy", scores.argmax(dim=1)[0].to(torch.uint8).numpy())


WAYS: dict[str, Callable[[str, str], None]] = {"segdata": segdata, "monai": monai}


if __name__ == "__main__":
    WAYS[sys.argv[1]](*sys.argv[2:])
