"""Skeletons by scikit-image and panoptic quality by panopticapi, in their own environment: `object_answers.py MASKS.npz OUT`.

MASKS holds `truth` and `pred`, (N, H, W) uint8 class ids, 255 for ignored pixels. A line is `clDice` or `panoptic N`, N being the
connectivity. Each is answered with the seconds that the processor worked on all pairs; OUT gets a JSON object of all answers.

Of clDice: per pair and class the pixels of the prediction's skeleton, those inside truth, of truth's skeleton, those inside the
prediction; clDice by the formula of its makers (null for 0 / 0); and CRC-32 of both skeletons. What truth ignores is ignored in
the prediction too. Of panoptic: per pair and class the sum of IoU, TP, FP and FN, and what `pq_average` makes of all pairs.
"""

import contextlib
import io
import json
import sys
import time
import zlib
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from panopticapi.evaluation import (  # type: ignore[import-not-found, unused-ignore]
    PQStat,
    pq_compute_single_core,
)
from PIL import Image
from scipy import ndimage  # type: ignore[import-untyped, unused-ignore]
from skimage.morphology import skeletonize  # type: ignore[import-not-found, unused-ignore]

IGNORE = 255
Mask = Any


def topology(truth: Mask, pred: Mask) -> dict[str, list[Any]]:
    """clDice of each class that either mask holds."""
    pred = np.where(truth == IGNORE, IGNORE, pred)
    out = {}
    for value in np.setdiff1d(np.union1d(truth, pred), [IGNORE]):
        true, given = truth == value, pred == value
        lines = [skeletonize(given), skeletonize(true)]
        counts = [
            int(n) for line, other in zip(lines, (true, given), strict=True) for n in (line.sum(), (line & other).sum())
        ]
        with np.errstate(invalid="ignore", divide="ignore"):
            precision, sensitivity = np.array(counts[1::2]) / np.array(counts[::2])
            score = 2 * precision * sensitivity / (precision + sensitivity)
        sums = [zlib.crc32(np.packbits(line).tobytes()) for line in lines]
        out[str(value)] = [*counts, None if np.isnan(score) else float(score), *sums]
    return out


def segments(mask: Mask, connectivity: int, file: Path) -> list[dict[str, Any]]:
    """Write the components of a mask as panopticapi reads them, and list them."""
    ids = np.zeros(mask.shape, np.uint32)
    listed: list[dict[str, Any]] = []
    near = np.ones((3, 3)) if connectivity == 8 else None
    for value in np.unique(mask[mask != IGNORE]):
        parts, count = ndimage.label(mask == value, near)
        ids[parts > 0] = parts[parts > 0] + len(listed)
        areas = np.bincount(parts.ravel())[1:]
        first = len(listed) + 1
        listed += [
            {"id": first + i, "category_id": int(value), "area": int(areas[i]), "iscrowd": 0} for i in range(count)
        ]
    Image.fromarray(np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=2).astype(np.uint8)).save(file)
    return listed


def panoptic(pairs: list[tuple[Mask, Mask]], connectivity: int) -> tuple[dict[str, Any], float]:
    """The panoptic quality of each pair and of all, and the seconds that panopticapi took; those for components are ours."""
    total, found, seconds = PQStat(), [], 0.0
    categories = {int(v): {"id": int(v), "isthing": 1} for v in range(IGNORE)}
    with TemporaryDirectory() as folder:
        for truth, pred in pairs:
            rows = []
            for side, mask in (("truth", truth), ("pred", pred)):
                (there := Path(folder) / side).mkdir(exist_ok=True)
                rows.append(
                    {
                        "image_id": 0,
                        "file_name": "0.png",
                        "segments_info": segments(mask, connectivity, there / "0.png"),
                    }
                )
            start = time.process_time()
            with contextlib.redirect_stdout(io.StringIO()):
                one = pq_compute_single_core(0, [tuple(rows)], f"{folder}/truth", f"{folder}/pred", categories)
            seconds += time.process_time() - start
            found.append({str(c): [float(s.iou), s.tp, s.fp, s.fn] for c, s in one.pq_per_cat.items()})
            total += one
    present = list(total.pq_per_cat)
    mean, classes = total.pq_average(categories, isthing=None)
    held = {str(c): {k: float(v) for k, v in classes[c].items()} for c in present}
    return {"pairs": found, "mean": {k: float(v) for k, v in mean.items()}, "classes": held}, seconds


def main(source: str, out: str) -> None:
    """Answer each line of the input."""
    data = np.load(source)
    pairs = list(zip(data["truth"], data["pred"], strict=True))
    answers: dict[str, Any] = {"made with": {name: version(name) for name in ("scikit-image", "panopticapi-lite")}}
    for line in sys.stdin:
        what, _, number = line.strip().partition(" ")
        if what == "clDice":
            start = time.process_time()
            answers[what] = [topology(*pair) for pair in pairs]
            seconds = time.process_time() - start
        else:
            answers[line.strip()], seconds = panoptic(pairs, int(number))
        Path(out).write_text(json.dumps(answers) + "\n", "utf-8")
        print(seconds, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
