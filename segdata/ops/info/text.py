"""What `segdata info` prints."""

from __future__ import annotations

from typing import Any

from segdata.terminal.text import table
from segdata.words import percent, some


def class_lines(info: dict[str, Any], limit: int = 40) -> list[str]:
    """The class table of `segdata.info`; beyond `limit` classes only the largest."""
    labelled = info["total"] - info["ignored"]
    classes = info["classes"]
    shown = classes if len(classes) <= limit else sorted(classes, key=lambda c: -c["pixels"])[:limit]
    rows: list[list[object]] = [["id", "class", "pixels", "share", "images"]]
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


def reading_told(reading: dict[str, Any]) -> str:
    """How images are read, in words."""
    told = []
    if bands := reading.get("bands"):
        told.append(f"the bands {','.join(map(str, bands))} alone")
    if "alpha" in reading:
        told.append(
            "the last band as transparency" if reading["alpha"] else "the last band as data, even if it is called alpha"
        )
    if reading.get("under_nodata") == "keep":
        told.append("data everywhere, whatever the files say")
    if reading.get("vrt"):
        told.append("VRTs")
    if name := reading.get("subdataset"):
        told.append(f"the subdataset {name}")
    return ", ".join(told)


def info_lines(info: dict[str, Any]) -> list[str]:
    """What `segdata info` prints."""
    made = info["made_by"]
    splits = ", ".join(f"{k} {n:,}" for k, n in info["splits"].items())
    lines = [f"{info['samples']:,} samples ({splits}), {len(info['classes'])} classes, images: {info['images']}"]
    if info["outside"]:
        folders = [f"{folder or '.'} ({n:,})" for folder, n in sorted(info["outside"].items(), key=lambda kv: -kv[1])]
        lines.append(f"images outside, in {some(folders)}")
    if info["microns"]:
        sizes = [f"{one['microns'] or 'unknown'} ({one['images']:,} images)" for one in info["microns"]]
        lines.append(f"microns per pixel: {', '.join(sizes)}")
    if info["reading"]:
        lines.append(f"images are read with {reading_told(info['reading'])}")
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
