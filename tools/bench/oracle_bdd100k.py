"""The masks of a file of frames as BDD100K's toolkit draws them, `bdd100k.label.to_mask`, whose command refuses these modes.

Runs in the environment of the peer `bdd100k`; OUT gets a PNG per frame:

    build/bench/bdd100k/bin/python tools/bench/oracle_bdd100k.py SRC.json OUT [sem_seg|drivable]
"""

from __future__ import annotations

import sys

from bdd100k.common.utils import load_bdd100k_config  # type: ignore[import-not-found, unused-ignore]
from bdd100k.label.to_mask import (  # type: ignore[import-not-found, unused-ignore]
    drivable_to_masks,
    semseg_to_masks,
)
from scalabel.label.io import load  # type: ignore[import-not-found, unused-ignore]


def main(source: str, out: str, mode: str = "sem_seg") -> None:
    """Convert as `to_mask.main` does, in one process."""
    dataset = load(source)
    config = dataset.config or load_bdd100k_config(mode).scalabel
    {"sem_seg": semseg_to_masks, "drivable": drivable_to_masks}[mode](dataset.frames, out, config, 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
