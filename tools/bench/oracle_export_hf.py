"""What the `datasets` library reads in exports, how it pushes them to a hub, and what comes back from there.

    .venv/bin/python tools/bench/export_sets.py hf OUT
    build/bench/hf/bin/python tools/bench/oracle_export_hf.py OUT

The hub is a stand-in on this machine, which keeps what it is given. It runs in the environment `hf` of peers.sh, and ends with
code 1 if a pixel differs.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

from stand_in_hub import Hub

HUB = Hub()
os.environ |= {"HF_ENDPOINT": HUB.url, "HF_HUB_DISABLE_XET": "1", "HF_TOKEN": "x", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}

import datasets  # type: ignore[import-not-found, unused-ignore]  # noqa: E402
import numpy as np  # noqa: E402

datasets.disable_progress_bars()


def compare(rows: Any, held: Any, about: dict[str, Any], found: Counter[str]) -> None:
    """Count what differs between rows, as the library decodes them, and what was exported."""
    for row in rows:
        ids = held[f"mask {row['id']}"]
        mask = np.array(row["mask"]).astype(np.uint16)
        mask[mask == (255 if len(about["classes"]) < 256 else 65535)] = 65535
        found["images"] += 1
        found["pixels"] += ids.size
        found["mask pixels that differ"] += int((mask != ids).sum())
        image = np.array(row["image"].convert("RGB"))
        found["image values that differ"] += int((image != held[f"image {row['id']}"]).sum())
        found["lists of classes that differ"] += sorted(set(np.unique(ids).tolist()) - {65535}) != row["classes"]


def read_set(folder: Path, about: dict[str, Any], cache: Path) -> dict[str, Any]:
    """The splits of an export as the library loads them, of the folder and of its files alike."""
    loaded = datasets.load_dataset(str(folder), cache_dir=str(cache / "folder"))
    splits = set(about["splits"].values())
    assert set(loaded) == ({"train"} if splits == {None} else {split or "unsplit" for split in splits}), set(loaded)
    for split, rows in loaded.items():
        files = sorted(map(str, folder.glob("data/*" if splits == {None} else f"data/{split}-*")))
        again = datasets.load_dataset("parquet", data_files={split: files}, split=split, cache_dir=str(cache / "files"))
        assert again.features == rows.features, again.features
        assert again["id"][:] == rows["id"][:]
        assert rows.features["classes"].feature.names == about["classes"]
    return dict(loaded)


def pushed(loaded: dict[str, Any], name: str, cache: Path) -> dict[str, Any]:
    """The same splits, pushed to the hub and loaded from the files that are there."""
    datasets.DatasetDict(loaded).push_to_hub(f"someone/{name}")
    there = HUB.write(f"someone/{name}", cache / "hub")
    return dict(datasets.load_dataset(str(there), cache_dir=str(cache / "pushed")))


def main(out: Path) -> int:
    """Check all sets."""
    total = Counter[str]()
    for folder in sorted(out.glob("sets/Dataset*")):
        number = folder.name[7:10]
        held, about = np.load(out / f"{number}.npz"), json.loads((out / f"{number}.json").read_text())
        found = Counter[str](sets=1)
        loaded = read_set(folder, about, out / "cache" / number)
        for rows in loaded.values():
            compare(rows, held, about, found)
        if sum(map(len, loaded.values())) < 200:
            found["pushed sets"] += 1
            for rows in pushed(loaded, folder.name, out / "cache" / number).values():
                compare(rows, held, about, found)
        print(folder.name, dict(found), flush=True)
        total.update(found)
    print(f"datasets {version('datasets')}, huggingface-hub {version('huggingface-hub')}:", dict(total))
    return int(any(number for name, number in total.items() if name.endswith("differ")))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
