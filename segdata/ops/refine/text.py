"""What `segdata refine` prints: what was tried and kept, and the difference it makes."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

from segdata.dataset.dataset import Dataset
from segdata.errors import DatasetError
from segdata.files.places import place, read_bytes, write_new, write_whole
from segdata.words import points, share, span

if TYPE_CHECKING:
    from segdata.ops.refine.result import Change, Difference, Tuned


def tuned_lines(tuned: Tuned, most: int = 6) -> list[str]:
    """The steps that are kept, the best of those that are not, and a table of the difference on both parts."""
    kept = [t for t in tuned.trials if t.kept]
    rest = sorted((t for t in tuned.trials if not t.kept), key=lambda t: -t.gain)[:most]
    lines = [f"kept:       {t.name} ({points(t.gain)} points of mean IoU)" for t in kept]
    lines += [f"left:       {t.name} ({points(t.gain)})" for t in rest]
    if rest:
        lines.append("            (left: worse than its like, or not sure to 95 % to gain)")
    if tuned.loses_unseen:
        lines.insert(
            0,
            "kept:       nothing: what gains where it was tuned loses on the images held out; the masks stay",
        )
    elif not kept:
        lines.insert(0, "kept:       nothing: no step helps here for sure; the masks stay")
    for name, of in (("tuned on", tuned.searched), ("held out", tuned.held_out)):
        if of is not None:
            lines += ["", *_table(name, of, tuned)]
    if tuned.held_out is None:
        lines += ["", "no images were held out: what is gained elsewhere is not known"]
    return lines


def _table(name: str, of: Difference, tuned: Tuned) -> list[str]:
    title = f"{name}, {of.images} images"
    names = ("mean", *tuned.labels.names)
    width = max(len(title), *map(len, names))
    lines = [f"{title:{width}}  {'IoU, and its change (95 %)':41}  boundary IoU, and its change (95 %)"]
    for i, label in enumerate(names):
        if not (math.isnan(of.iou.before[i]) or math.isnan(of.iou.after[i])):
            lines.append(f"{label:{width}}  {_cells(of.iou, i):41}  {_cells(of.boundary, i)}")
    return lines


def _cells(change: Change, i: int) -> str:
    before, after, low, high = (float(of[i]) for of in (change.before, change.after, change.low, change.high))
    between = "too few images" if math.isnan(low) else span(low, high, told=points)
    return f"{share(before):>6} -> {share(after):>6}  {points(after - before):>6} ({between})"


def refuse_other_file(path: str) -> None:
    """Raise `DatasetError` for a file that holds anything but tuned settings: it would be replaced."""
    there = place(path)
    if there.exists():
        try:
            found = json.loads(read_bytes(there))
        except (ValueError, OSError):
            found = None
        if not (isinstance(found, dict) and {"searched", "held_out", "trials"} <= found.keys()):
            raise DatasetError(f"{there}: holds no tuned settings: write them elsewhere, with --save FILE")


def write_settings(tuned: Tuned, path: str, *, overwrite: bool) -> None:
    """Write the file that `--settings` reads. Raises `DatasetError` if there is another already, unless `overwrite`."""
    data = (json.dumps(_finite(tuned.to_json()), indent=2) + "\n").encode()
    if overwrite:
        refuse_other_file(path)
        write_whole(place(path), data)
    else:
        write_new(place(path), data, "write the settings elsewhere, with --save FILE, or --overwrite")


def _finite(value: object) -> object:
    """What is not a number is null in JSON."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def refined_line(made: Dataset) -> str:
    """How many masks there are now."""
    images = made.read_receipt()["images"]
    left_out = f", {images['skipped']} left out" if images["skipped"] else ""
    return f"dataset:    {made.root}: {images['refined']} masks refined{left_out} (segdata info {made.root})"
