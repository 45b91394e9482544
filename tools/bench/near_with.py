"""Duplicates by a hash of imagededup, in its own environment: `near_with.py FOLDER OUT.json METHOD THRESHOLD...`.

OUT gets, for each threshold, the pairs of file names that are within it.
"""

import json
import sys
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock


class Absent(ModuleType):
    """Stands for what imagededup has for its CNN alone, which fetches weights as soon as it is imported."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return MagicMock()


for part in ("", ".transforms", ".models", ".models.vision_transformer"):
    sys.modules[f"torchvision{part}"] = Absent(f"torchvision{part}")
sys.modules["imagededup.methods.cnn"] = Absent("imagededup.methods.cnn")
from imagededup import methods  # type: ignore[import-not-found, unused-ignore]  # noqa: E402


def main(folder: str, out: str, method: str, *thresholds: str) -> None:
    """Hash all images of a folder once, and compare all of them for each threshold."""
    hasher = getattr(methods, method)(verbose=False)
    hashes = hasher.encode_images(image_dir=folder, num_enc_workers=0)
    pairs = {}
    for threshold in thresholds:
        found = hasher.find_duplicates(encoding_map=hashes, max_distance_threshold=int(threshold), num_dist_workers=0)
        pairs[threshold] = sorted({tuple(sorted((one, other))) for one, others in found.items() for other in others})
    with open(out, "w") as file:
        json.dump(pairs, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
