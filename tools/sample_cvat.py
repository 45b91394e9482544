"""CVAT's own XML of painted scenes: a project of images in two subsets, and a video of boxes that move."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from xml.sax.saxutils import quoteattr

import cv2
import numpy as np
from PIL import Image

from sample_canvas import Pixels
from sample_scenes import PLACES, compose

LABELS = {"person": "#fa3253", "car": "#24b353", "tree": "#33ddff", "sky": "#2a7dd1"}
SUBSETS = {"Train": (120, 160, range(4)), "Val": (90, 120, range(4, 6))}
FRAMES = range(0, 18, 3)
"""The frames of the video: every third."""

HEAD = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta>
    <{kind}>
      <id>7</id>
      <name>painted</name>
{facts}      <labels>
{labels}      </labels>
    </{kind}>
    <dumped>2026-01-01 00:00:00+00:00</dumped>
  </meta>
"""
LABEL = """        <label>
          <name>{name}</name>
          <color>{color}</color>
          <type>any</type>
          <attributes>
          </attributes>
        </label>
"""
VIDEO = """      <size>{size}</size>
      <mode>interpolation</mode>
      <subset>default</subset>
      <start_frame>{start}</start_frame>
      <stop_frame>{stop}</stop_frame>
      <frame_filter>step=3</frame_filter>
      <original_size>
        <width>96</width>
        <height>64</height>
      </original_size>
"""


def runs(bitmap: Pixels) -> str:
    """The lengths of runs of equal pixels along the rows, those of 0 first."""
    values = [(bool(value), len(list(same))) for value, same in groupby(bitmap.ravel().tolist())]
    lengths = [length for _, length in values]
    return ", ".join(map(str, [0, *lengths] if values[0][0] else lengths))


def outline(bitmap: Pixels) -> str:
    """The corners of the largest part."""
    parts, _ = cv2.findContours(bitmap, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return ";".join(f"{x:.2f},{y:.2f}" for x, y in max(parts, key=cv2.contourArea).reshape(-1, 2))


def shape(name: str, bitmap: Pixels, number: int) -> str:
    """What is seen of a thing as a polygon, a mask, a turned box or an ellipse, by its number; a little as a line."""
    (y0, y1), (x0, x1) = ((int(p.min()), int(p.max())) for p in np.nonzero(bitmap))
    more = f'z_order="{number // 4}"' + (' group_id="1"' if name == "tree" else "")
    head = f'label={quoteattr(name)} source="manual" occluded="0"'
    if bitmap.sum() < 12:
        return f'<polyline {head} points="{x0}.00,{y0}.00;{x1}.00,{y1}.00" {more}></polyline>'
    if number % 4 == 1:
        part = bitmap[y0 : y1 + 1, x0 : x1 + 1]
        place = f'left="{x0}" top="{y0}" width="{x1 - x0 + 1}" height="{y1 - y0 + 1}"'
        return f'<mask {head} rle="{runs(part)}" {place} {more}></mask>'
    if number % 4 == 2:
        box = f'xtl="{x0}.00" ytl="{y0}.00" xbr="{x1}.00" ybr="{y1}.00" rotation="{7 * number % 360}.00"'
        return f"<box {head} {box} {more}></box>"
    if number % 4 == 3:
        middle = f'cx="{(x0 + x1) / 2:.2f}" cy="{(y0 + y1) / 2:.2f}"'
        return f'<ellipse {head} {middle} rx="{(x1 - x0) / 2:.2f}" ry="{(y1 - y0) / 2:.2f}" {more}></ellipse>'
    return f'<polygon {head} points="{outline(bitmap)}" {more}></polygon>'


def header(kind: str, facts: str) -> str:
    """The XML up to its images or tracks."""
    labels = "".join(LABEL.format(name=name, color=color) for name, color in LABELS.items())
    return HEAD.format(kind=kind, facts=facts, labels=labels)


def write(path: Path, lines: Sequence[str]) -> None:
    """Write an XML."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(lines) + "</annotations>\n", encoding="utf-8", newline="\n")


def make_cvat(out: Path) -> None:
    """Write a project as "CVAT for images": annotations.xml, and images/ with a folder per subset."""
    lines = [header("project", "      <subsets>Train\nVal</subsets>\n")]
    for subset, (height, width, seeds) in SUBSETS.items():
        for seed in seeds:
            canvas = compose(800 + seed, (height, width), list(PLACES)[seed % len(PLACES)], "")
            name = f"cam {seed % 2}/{seed:03d}.png"
            there = out / "images" / subset / name
            there.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(canvas.image()).save(there)
            facts = f'subset="{subset}" task_id="{8 if subset == "Val" else 7}" width="{width}" height="{height}"'
            lines.append(f'  <image id="{seed}" name="{name}" {facts}>\n')
            things = [(thing.name, canvas.visible(number)) for number, thing in enumerate(canvas.things)]
            kept = [(name, seen.astype(np.uint8)) for name, seen in things if name in LABELS and seen.any()]
            lines += [f"    {shape(*one, number)}\n" for number, one in enumerate(kept)]
            lines.append('    <tag label="sky" source="manual"></tag>\n  </image>\n')
    write(out / "annotations.xml", lines)


def make_cvat_video(out: Path) -> None:
    """Write a task as "CVAT for video": annotations.xml with a track per box, and images/frame_000000.PNG ..."""
    rng = np.random.default_rng(811)
    lines = [header("task", VIDEO.format(size=len(FRAMES), start=FRAMES[0], stop=FRAMES[-1]))]
    for number, label in enumerate(("car", "person", "car")):
        (x, y), (dx, dy) = rng.uniform(0, 40, 2), rng.uniform(-2, 6, 2)
        lines.append(f'  <track id="{number}" label="{label}" source="manual">\n')
        for frame in FRAMES[number:]:
            place = f'xtl="{x:.2f}" ytl="{y:.2f}" xbr="{x + 30:.2f}" ybr="{y + 20:.2f}"'
            state = f'keyframe="{int(frame % 2 == 0)}" outside="{int(frame == FRAMES[-1])}" occluded="0"'
            lines.append(f'    <box frame="{frame}" {state} {place} z_order="{number % 2}">\n    </box>\n')
            x, y = x + dx, y + dy
        lines.append("  </track>\n")
    for frame in FRAMES:
        there = out / "images" / f"frame_{frame:06d}.PNG"
        there.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (64, 96, 3), np.uint8)).save(there)
    write(out / "annotations.xml", lines)
