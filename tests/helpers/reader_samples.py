"""The sample of each format: samples/<format>, or what `make_<format>` in tools/make_samples.py makes."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def reader_sample(name: str, folder: Path) -> tuple[Path, dict[str, Any]]:
    """Where the sample of a format is, and what it cannot be read without: the class file, or the dataset that was predicted.

    A sample that must be made is written into `folder`.
    """
    root = ROOT / "samples" / name
    if not root.exists():
        root = folder / name
        if not root.exists():
            _make(name, root)
    if (root / "truth").is_dir():
        return root, {"like": root / "truth"}
    classes = root / "classes.csv"
    return root, {"classes": str(classes)} if classes.is_file() else {}


def sample_tools(name: str) -> ModuleType:
    """A module of tools/, such as make_samples."""
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        return import_module(name)
    finally:
        sys.path.remove(str(ROOT / "tools"))


def _make(name: str, root: Path) -> None:
    getattr(sample_tools("make_samples"), f"make_{name}")(root)
