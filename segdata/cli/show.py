"""Values as text for a terminal. Everything returns lines; nothing prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from segdata.labels import percent, some


def table(rows: Sequence[Sequence[object]], right: str = "") -> list[str]:
    """Rows of cells as aligned lines, the first row a heading; `right` has an `r` for each column to align right."""
    cells = [[str(c) for c in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]

    def line(row: list[str]) -> str:
        sides = right.ljust(len(row))
        parts = [c.rjust(w) if side == "r" else c.ljust(w) for c, w, side in zip(row, widths, sides, strict=True)]
        return "  ".join(parts).rstrip()

    return [line(cells[0]), "  ".join("-" * w for w in widths), *map(line, cells[1:])]


def class_lines(info: dict[str, Any], limit: int = 40) -> list[str]:
    """The class table of `segdata.info`; beyond `limit` classes only the largest."""
    labelled = info["total"] - info["ignored"]
    classes = info["classes"]
    shown = classes if len(classes) <= limit else sorted(classes, key=lambda c: -c["pixels"])[:limit]
    rows: list[list[object]] = [["id", "class", "pixels", "share", "pictures"]]
    rows += [
        [c["id"], c["name"], f"{c['pixels']:,}", percent(c["pixels"], labelled), f"{c['images']:,}"] for c in shown
    ]
    rows.append(
        [info["ignore"], "(ignore)", f"{info['ignored']:,}", f"{percent(info['ignored'], info['total'])} of all", ""]
    )
    lines = table(rows, "r rrr")
    if len(shown) < len(classes):
        lines.append(f"... and {len(classes) - len(shown)} smaller classes (--json lists all)")
    return lines


def info_lines(info: dict[str, Any]) -> list[str]:
    """What `segdata info` prints."""
    made = info["made_by"]
    splits = ", ".join(f"{k} {n:,}" for k, n in info["splits"].items())
    lines = [f"{info['samples']:,} samples ({splits}), {len(info['classes'])} classes, pictures: {info['images']}"]
    if info["outside"]:
        folders = [f"{folder or '.'} ({n:,})" for folder, n in sorted(info["outside"].items(), key=lambda kv: -kv[1])]
        lines.append(f"pictures outside, in {some(folders)}")
    if info["sizes"]:
        sizes = [f"{name} {w} x {h}" for name, (h, w) in info["sizes"].items()]
        lines.append(f"sizes (width x height): {', '.join(sizes)}")
    lines.append(f"made by {made.get('tool')} {made.get('version')} {made.get('operation')}")
    chosen = {k: v for k, v in made.get("options", {}).items() if v not in (None, [], {})}
    lines.append("  options: " + ", ".join(f"{k}={v}" for k, v in chosen.items()))
    lines += [
        f"  from {i['name']}" + (f" (sha256 {i['sha256'][:12]}...)" if i["sha256"] else "")
        for i in made.get("inputs", [])
    ]
    lines.append(f"  labels {info['labels'][:12]}...")
    return [*lines, "", *class_lines(info)]


def receipt_lines(receipt: dict[str, Any]) -> list[str]:
    """The receipt in a few lines."""
    pictures, annotations = receipt["pictures"], receipt["annotations"]
    hidden = f", {annotations['hidden']:,} of them wholly hidden under others" if annotations["hidden"] else ""
    lines = [
        f"pictures:    {pictures['in']:,} in = {pictures['converted']:,} converted + {pictures['skipped']:,} left out",
        f"annotations: {annotations['in']:,} in = {annotations['painted']:,} painted{hidden} + "
        f"{annotations['skipped']:,} left out",
    ]
    reasons: dict[str, int] = {}
    for line in receipt["skipped"]:
        reason = f"{line['message'].partition(':')[0]} [{line['code']}]"
        reasons[reason] = reasons.get(reason, 0) + 1
    lines += [f"             {n:,} left out: {reason}" for reason, n in sorted(reasons.items(), key=lambda kv: -kv[1])]
    total = sum(receipt["pixels"].values())
    if contested := receipt["contested"]["pixels"]:
        pair = receipt["contested"]["pairs"][0]
        won = "nobody won" if pair["winner"] == "ignore" not in pair["classes"] else f"{pair['winner']} won"
        lines.append(
            f"contested:   {contested:,} pixels ({percent(contested, total)}) claimed by several classes; most between "
            f"{' and '.join(pair['classes'])}: {pair['pixels']:,}, {won}"
        )
    listed = [(name, len(receipt[name])) for name in ("clipped", "repaired", "renamed", "exif") if receipt[name]]
    if listed:
        lines.append("listed:      " + ", ".join(f"{n:,} {name}" for name, n in listed))
    if receipt["unmapped"]:
        lines.append(
            f"void:        classes {', '.join(receipt['unmapped'][:8])}{' ...' if len(receipt['unmapped']) > 8 else ''}"
        )
    return lines + [f"note:        {note}" for note in receipt["notes"]]
