"""What cityscapesScripts itself makes of an export, in its own environment, and the masks.

    build/bench/cityscapesscripts/bin/python tools/bench/oracle_export_cityscapes.py DATASET EXPORT

DATASET has classes of Cityscapes. Of each frame the labels are compared, pixel by pixel: labelIds.png with the mask in DATASET by
the scripts' own table, and polygons.json, as the scripts draw it, with labelIds.png, labelTrainIds.png, color.png and
instanceIds.png. Then the scripts score labelIds.png of the split val as predictions, which must be perfect, and make panoptic
images. It ends with code 1 if a pixel differs.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as scoring  # type: ignore[import-not-found, unused-ignore]
from cityscapesscripts.helpers.annotation import Annotation  # type: ignore[import-not-found, unused-ignore]
from cityscapesscripts.helpers.csHelpers import getCoreImageFileName  # type: ignore[import-not-found, unused-ignore]
from cityscapesscripts.helpers.labels import name2label  # type: ignore[import-not-found, unused-ignore]
from cityscapesscripts.preparation.createPanopticImgs import convert2panoptic  # type: ignore[import-not-found, unused-ignore]
from cityscapesscripts.preparation.json2instanceImg import createInstanceImage  # type: ignore[import-not-found, unused-ignore]
from cityscapesscripts.preparation.json2labelImg import createLabelImage  # type: ignore[import-not-found, unused-ignore]
from PIL import Image


def frame_of(sample: str, split: str | None) -> str:
    """The path of a sample's frame: its own, if it is called as Cityscapes' are."""
    name = sample.removeprefix(f"{split}/")
    if not re.fullmatch(r"([^_/]+)/\1_[^_]+_[^_]+", name):
        *folders, last = name.replace("_", "-").split("/")
        city = "-".join(folders) or "city"
        name = f"{city}/{city}_000000_{last}"
    return f"{split or 'train'}/{name}"


def check_frame(stem: str, truth: Any, ids: dict[int, int]) -> Counter[str]:
    """Count the pixels of a frame that differ from the mask, and from what its polygons draw."""
    made = {kind: np.array(Image.open(f"{stem}_{kind}.png")) for kind in ("labelIds", "labelTrainIds", "color")}
    made["instanceIds"] = np.array(Image.open(f"{stem}_instanceIds.png"))
    annotation = Annotation()
    annotation.fromJsonFile(f"{stem}_polygons.json")
    drawn = {
        "labelIds": createLabelImage(annotation, "ids"),
        "labelTrainIds": createLabelImage(annotation, "trainIds"),
        "color": createLabelImage(annotation, "color"),
        "instanceIds": createInstanceImage(annotation, "ids"),
    }
    found = Counter[str](images=1, pixels=truth.size)
    found["labelIds, mask"] += int((made["labelIds"] != np.vectorize(ids.get)(truth)).sum())
    for kind, image in drawn.items():
        found[f"{kind}, polygons"] += int((made[kind] != np.array(image)).sum())
    if not Path(stem).name.startswith(getCoreImageFileName(f"{stem}_labelIds.png")):
        found["names that are none"] += 1
    return found


def score(export: Path) -> float | None:
    """What the scripts say of perfect predictions of the split val; None if it has no frames."""
    frames = sorted(map(str, export.glob("gtFine/val/*/*_labelIds.png")))
    if not frames:
        return None
    scoring.args.quiet, scoring.args.JSONOutput = True, False
    result = scoring.evaluateImgLists(frames, frames, scoring.args)
    return float(result["averageScoreClasses"])


def main(dataset: Path, export: Path) -> int:
    """Compare all frames."""
    card = json.loads((dataset / "dataset.json").read_text("utf-8"))
    ids = {one["id"]: name2label[one["name"]].id for one in card["classes"]} | {card["ignore"]: 0}
    found = Counter[str]()
    for line in (dataset / "manifest.jsonl").read_text("utf-8").splitlines():
        sample = json.loads(line)
        truth = np.array(Image.open(dataset / sample["mask"]))
        found += check_frame(f"{export}/gtFine/{frame_of(sample['id'], sample.get('split'))}_gtFine", truth, ids)
    with TemporaryDirectory() as out, contextlib.redirect_stdout(io.StringIO()):
        splits = sorted(path.name for path in (export / "gtFine").iterdir())
        convert2panoptic(str(export / "gtFine"), out, setNames=splits)
        panoptic = sum(1 for _ in Path(out).rglob("*_panoptic.png"))
    differ = sum(count for what, count in found.items() if what not in ("images", "pixels"))
    versions = {name: version(name) for name in ("cityscapesscripts", "pillow")}
    print(
        json.dumps({**versions, **found, "differ": differ, "score of val": score(export), "panoptic images": panoptic})
    )
    return int(differ > 0)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
