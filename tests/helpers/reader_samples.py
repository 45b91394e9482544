"""A sample of every source format, with the options that it cannot do without.

It is in samples/<format>, or else made by the generator of that name in tools/make_samples.py (`make_<format>`).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
VOC = """
background aeroplane bicycle bird boat bottle bus car cat chair cow table dog horse motorbike person plant sheep sofa train tv
"""
ELSEWHERE = {"voc": "voc/VOCdevkit", "masks": "voc/VOCdevkit/VOC2012"}
"""Samples that are in no folder of their format's name."""
OPTIONS: dict[str, dict[str, Any]] = {
    "webdataset": {"classes": "voc.txt"},
    "masks": {
        "image_dir": "JPEGImages",
        "mask_dir": "SegmentationClass",
        "classes": "voc.txt",
        "values": ["255=ignore"],
    },
}
"""Options that a format's sample needs; `voc.txt` is written for it."""


def reader_sample(name: str, folder: Path) -> tuple[Path, dict[str, Any]]:
    """Where the sample of a format is, and its options; what must be made for it is written into `folder`."""
    root = ROOT / "samples" / ELSEWHERE.get(name, name)
    if not root.exists():
        root = folder / name
        if not root.exists():
            _make(name, root)
    options = dict(OPTIONS.get(name, {}))
    if "classes" in options:
        classes = folder / options["classes"]
        classes.write_text("\n".join(VOC.split()))
        options["classes"] = str(classes)
    return root, options


def _make(name: str, root: Path) -> None:
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        import make_samples
    finally:
        sys.path.remove(str(ROOT / "tools"))
    getattr(make_samples, f"make_{name}")(root)
