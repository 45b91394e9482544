"""Random CVAT XMLs: shapes of every kind, tiny, overlapping, self-crossing, off the image, in groups and on several levels.

    python tools/bench/random_cvat.py OUT [--seed 0] [--count 40] [--video]

OUT gets annotations.xml, and grey images of the sizes that it states. oracle_cvat.py draws it as CVAT does.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import numpy as np
from PIL import Image

KINDS = ("polygon", "polygon", "box", "box", "ellipse", "mask", "polyline", "points", "cuboid", "skeleton", "tag")
TRACKED = ("polygon", "box", "ellipse", "mask", "polyline", "points")
CUBOID = [f"{axis}{corner}{side}" for side in "12" for corner in ("tl", "bl", "tr", "br") for axis in "xy"]
ANGLES = (0.0, 90.0, 180.0, 359.99, 45.0)


class Shapes:
    """Draws numbers."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        labels = ["road", "car", "a & b", "sky", "ü"] + (["background"] if seed % 3 == 0 else [])
        self.labels = self.chance.sample(labels, len(labels))

    def coordinate(self, low: float, high: float) -> float:
        """A number, which is often one where roundings differ."""
        value, kind = self.chance.uniform(low, high), self.chance.random()
        return (
            round(value)
            if kind < 0.2
            else round(value * 10) / 10
            if kind < 0.5
            else int(value) + 0.5
            if kind < 0.6
            else value
        )

    def pairs(self, count: int, width: int, height: int, beyond: float) -> str:
        """Points, up to `beyond` outside of the image."""
        points = [
            (self.coordinate(-beyond, width + beyond), self.coordinate(-beyond, height + beyond)) for _ in range(count)
        ]
        if self.chance.random() < 0.1:
            points = points[:1] * count
        return 'points="' + ";".join(f"{x:.2f},{y:.2f}" for x, y in points) + '"'

    def turned(self) -> str:
        """A rotation, half of the time."""
        angle = self.chance.choice([*ANGLES, self.chance.uniform(0, 360)])
        return f' rotation="{angle:.2f}"' if self.chance.random() < 0.5 else ""

    def geometry(self, kind: str, width: int, height: int) -> str:
        """The attributes of a kind of shape."""
        beyond = self.chance.choice((0, max(width, height) * 0.4))
        if kind == "box":
            x, y = self.coordinate(-beyond, width), self.coordinate(-beyond, height)
            right, bottom = x + self.coordinate(0, width), y + self.coordinate(0, height)
            return f'xtl="{x:.2f}" ytl="{y:.2f}" xbr="{right:.2f}" ybr="{bottom:.2f}"{self.turned()}'
        if kind == "ellipse":
            x, y = self.coordinate(-beyond, width + beyond), self.coordinate(-beyond, height + beyond)
            rx, ry = self.coordinate(0, width * 0.7), self.coordinate(0, height * 0.7)
            return f'cx="{x:.2f}" cy="{y:.2f}" rx="{rx:.2f}" ry="{ry:.2f}"{self.turned()}'
        if kind == "mask":
            return self.run_lengths(width, height)
        if kind == "cuboid":
            return " ".join(f'{name}="{self.coordinate(0, width):.2f}"' for name in CUBOID)
        if kind in ("skeleton", "tag"):
            return ""
        return self.pairs(self.chance.randint(3, 9), width, height, beyond)

    def run_lengths(self, width: int, height: int) -> str:
        """A mask of noise."""
        x, y = self.chance.randrange(width), self.chance.randrange(height)
        columns, rows = self.chance.randint(1, width - x), self.chance.randint(1, height - y)
        noise = np.random.default_rng(self.chance.randrange(2**32)).random(rows * columns)
        bits = (noise < self.chance.choice((0.02, 0.1, 0.5, 0.9, 1.0))).tolist()
        lengths = [len(list(same)) for _, same in groupby(bits)]
        text = ", ".join(map(str, [0, *lengths] if bits[0] else lengths))
        return f'rle="{text}" left="{x}" top="{y}" width="{columns}" height="{rows}"'

    def level(self) -> int:
        """A z_order."""
        return self.chance.choice((0, 0, 0, 0, 1, 2, -1))

    def group(self) -> str:
        """A group, now and then."""
        return f' group_id="{self.chance.randint(1, 3)}"' if self.chance.random() < 0.3 else ""

    def label(self) -> str:
        """A label as an attribute."""
        return f"label={quoteattr(self.chance.choice(self.labels))}"

    def head(self, size: tuple[int, int] | None, count: int) -> Iterator[str]:
        """The XML up to the first image or track."""
        yield '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n  <meta>\n    <task>\n'
        yield f"      <id>1</id>\n      <size>{count}</size>\n      <mode>{'interpolation' if size else 'annotation'}</mode>\n"
        yield "      <subset>default</subset>\n      <start_frame>0</start_frame>\n"
        yield f"      <stop_frame>{count - 1}</stop_frame>\n      <frame_filter></frame_filter>\n      <labels>\n"
        for name in self.labels:
            color = f"#{self.chance.randrange(2**24):06x}"
            yield f"        <label><name>{escape(name)}</name><color>{color}</color><type>any</type></label>\n"
        yield "      </labels>\n"
        if size:
            yield f"      <original_size><width>{size[0]}</width><height>{size[1]}</height></original_size>\n"
        yield "    </task>\n  </meta>\n"

    def image(self, number: int, width: int, height: int) -> Iterator[str]:
        """An image and its shapes; most of the time in order of z_order, as CVAT writes them."""
        yield f'  <image id="{number}" name="{number:03d}.png" width="{width}" height="{height}">\n'
        shapes = [(self.level(), self.chance.choice(KINDS)) for _ in range(self.chance.randint(0, 12))]
        for level, kind in sorted(shapes, key=lambda shape: shape[0]) if self.chance.random() < 0.7 else shapes:
            more = f'{self.geometry(kind, width, height)} z_order="{level}"{self.group()}'
            yield f'    <{kind} {self.label()} source="manual" occluded="0" {"" if kind == "tag" else more}></{kind}>\n'
        yield "  </image>\n"

    def track(self, number: int, count: int, width: int, height: int) -> Iterator[str]:
        """A track over some frames; the last one may be outside. A mask is on one frame."""
        kind, start = self.chance.choice(TRACKED), self.chance.randrange(count)
        stop = start + 1 if kind == "mask" else min(count, start + self.chance.randint(1, 5))
        yield f'  <track id="{number}" {self.label()} source="manual"{self.group()}>\n'
        for frame in range(start, stop):
            outside = int(frame == stop - 1 and self.chance.random() < 0.5)
            state = f'frame="{frame}" keyframe="1" outside="{outside}" occluded="0"'
            yield f'    <{kind} {state} {self.geometry(kind, width, height)} z_order="{self.level()}"></{kind}>\n'
        yield "  </track>\n"


def save(path: Path, width: int, height: int) -> None:
    """A grey image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (width, height)).save(path)


def main() -> None:
    """Write an XML and its images."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--video", action="store_true")
    given = parser.parse_args()
    shapes = Shapes(given.seed)
    size = shapes.chance.randint(5, 70), shapes.chance.randint(5, 60)
    lines = [*shapes.head(size if given.video else None, given.count)]
    for number in range(given.count):
        if given.video:
            save(given.out / f"images/frame_{number:06d}.PNG", *size)
            continue
        low = shapes.chance.choice((1, 20))
        size = shapes.chance.randint(low, 70), shapes.chance.randint(low, 60)
        save(given.out / f"images/{number:03d}.png", *size)
        lines += shapes.image(number, *size)
    for number in range(3 * given.count if given.video else 0):
        lines += shapes.track(number, given.count, *size)
    (given.out / "annotations.xml").write_text("".join(lines) + "</annotations>\n", encoding="utf-8")


if __name__ == "__main__":
    main()
