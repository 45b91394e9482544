"""VOC, Oxford-IIIT Pet, CamVid and Cityscapes: whole processes compared with the usual loop, cityscapesScripts and Datumaro."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from inputs import DATA
from measure import BUILD, HERE, OURS, SEGDATA, Command, Sizes, Times, say, time_command, time_writers, workspace
from results import Target, table

USUAL = "Pillow, numpy lookup, Pillow"
CAMVID = ["sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist"]
FRAME = (1024, 2048)


def masks(sizes: Sizes) -> list[str]:
    """Every format except COCO, masks only."""
    rows: list[list[str]] = []
    targets: list[Target] = []
    with workspace(need=1) as work:
        for title, (count, commands, wanted) in contenders(work, sizes).items():
            out = work / "out"
            first = {name: command for name, command in commands.items() if "Datumaro" not in name}
            for command in first.values():
                time_command(command, writes=out, masks=count)
            times = time_writers(first, out, count, sizes.rounds)
            if slow := {name: command for name, command in commands.items() if name not in first}:
                beside = time_writers({OURS: commands[OURS], **slow}, out, count, 1)
                rows += [[title, name, *figures(t, beside[OURS], count)] for name, t in beside.items() if name != OURS]
            rows += [[title, name, *figures(t, times[OURS], count)] for name, t in times.items()]
            rival = next(name for name in commands if name != OURS)
            targets.append(Target(f"{title}: {rival}'s time", times[rival].over(times[OURS]), wanted))
    return [
        "Whole processes, masks only, medians (least to most), Datumaro once. VOC, pets and CamVid: real masks, "
        f"repeated; Cityscapes: generated frames of {FRAME[1]} x {FRAME[0]} with 100 objects of 20 to 60 corners.",
        "",
        *table("labels | whole process | seconds | ms a mask | segdata faster by", rows),
        "",
        *map(str, targets),
    ]


def figures(times: Times, ours: Times, count: int) -> list[str]:
    """Seconds, milliseconds per mask, and how many times ours."""
    return [
        times.show(),
        f"{1000 * times.median / count:.2f}",
        "" if times is ours else f"{times.over(ours):.1f} times",
    ]


def contenders(work: Path, sizes: Sizes) -> dict[str, tuple[int, dict[str, Command], float]]:
    """For each kind of labels: how many masks, the commands (ours first, then the one to beat), and the ratio asked for."""
    out = work / "out"
    many = max(40, 3 * sizes.images // 5)  # about as many as VOC and Cityscapes have, so that the start weighs as there
    voc, cities = make_voc(work / "voc", many), make_cityscapes(work / "cityscapes", max(8, sizes.images // 15))
    camvid = repeat(DATA / "camvid/trainannot", work / "camvid/trainannot", many)
    pets = repeat(DATA / "pets/annotations/trimaps", work / "pets/annotations/trimaps", many)
    names = work / "classes.txt"
    names.write_text("\n".join(CAMVID))
    plain: list[str | Path] = [sys.executable, HERE / "plain_masks.py"]

    def ours(format: str, source: Path, *more: str | Path) -> Command:
        return [SEGDATA, "convert", format, source, out, "--images", "none", "-j", "1", *more]

    how = ["--image-dir", "train", "--mask-dir", "trainannot", "--classes", str(names), "--values", "11=ignore"]
    found: dict[str, tuple[int, dict[str, Command], float]] = {
        "VOC": (many, {OURS: ours("voc", voc), USUAL: [*plain, "voc", voc, out]}, 3),
        "pets": (
            many,
            {OURS: ours("pets", pets, "--labels", "binary"), USUAL: [*plain, "pets", pets, out]},
            3,
        ),
        "CamVid": (
            many,
            {OURS: ours("masks", camvid, *how), USUAL: [*plain, "camvid", camvid, out]},
            3,
        ),
        "Cityscapes PNGs": (
            len(list(cities.glob("gtFine/*/*/*.json"))),
            {OURS: ours("cityscapes", cities, "--from", "png"), USUAL: [*plain, "cityscapes", cities, out]},
            3,
        ),
    }
    add_peers(found, voc, cities, out, ours("cityscapes", cities, "--from", "polygons"))
    return found


def add_peers(
    found: dict[str, tuple[int, dict[str, Command], float]], voc: Path, cities: Path, out: Path, polygons: Command
) -> None:
    """The peers in their own environments, if tools/bench/peers.sh has installed them."""
    scripts, datumaro = BUILD / "cityscapesscripts/bin/python", BUILD / "datumaro/bin/python"
    if scripts.exists():
        peer: Command = [scripts, HERE / "cityscapes_polygons.py", cities, out]
        found["Cityscapes polygons"] = (found["Cityscapes PNGs"][0], {OURS: polygons, "json2labelImg": peer}, 5)
    if datumaro.exists():
        found["VOC"][1]["Datumaro, import and export"] = [
            datumaro,
            HERE / "datumaro_masks.py",
            "voc_segmentation",
            voc,
            out,
        ]
        city: Command = [datumaro, HERE / "datumaro_masks.py", "cityscapes", cities, out]
        found["Cityscapes PNGs"][1]["Datumaro, import and export"] = city
    if not (scripts.exists() and datumaro.exists()):
        say("peers are missing: tools/bench/peers.sh installs them")


def repeat(source: Path, folder: Path, count: int) -> Path:
    """The label images of a folder repeated to that many under names of their own; returns the root they are of."""
    paths = sorted(source.glob("[!.]*.png"))
    folder.mkdir(parents=True)
    for i in range(count):
        path = paths[i % len(paths)]
        shutil.copyfile(path, folder / f"{path.stem}{i:05}.png")
    return folder.parent if folder.name == "trainannot" else folder.parents[1]


def make_voc(root: Path, count: int) -> Path:
    """A VOC folder with the real masks repeated to that many."""
    real = [*DATA.glob("voc/genuine/**/SegmentationClass/*.png"), *DATA.glob("voc/labelme/**/SegmentationClass*/*.png")]
    usable = [path for path in sorted(real) if Image.open(path).mode == "P"]
    for folder in ("SegmentationClass", "JPEGImages", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True)
    for i in range(count):
        shutil.copyfile(usable[i % len(usable)], root / f"SegmentationClass/{i:06}.png")
    (root / "ImageSets/Segmentation/train.txt").write_text("\n".join(f"{i:06}" for i in range(count)))
    return root


def make_cityscapes(root: Path, count: int) -> Path:
    """Frames of random polygons, as polygons.json and as labelIds PNGs drawn by segdata."""
    rng = np.random.default_rng(0)
    labels = ["road", "sidewalk", "building", "vegetation", "sky", "car", "person", "pole", "traffic sign", "static"]
    folder = root / "gtFine/train/somewhere"
    folder.mkdir(parents=True)
    images = root / "leftImg8bit/train/somewhere"
    images.mkdir(parents=True)
    black = Image.new("RGB", FRAME[::-1])  # Datumaro looks for images, though it need not read them
    for i in range(count):
        objects = []
        for _ in range(100):
            corners = int(rng.integers(20, 61))
            angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
            radius = rng.uniform(0.5, 1, corners) * rng.uniform(10, 300)
            middle = rng.uniform((0, 0), FRAME[::-1])
            points = np.stack([middle[0] + radius * np.cos(angles), middle[1] + radius * np.sin(angles)], 1)
            points = points.round().astype(int).clip(0, (FRAME[1] - 1, FRAME[0] - 1))
            objects.append({"label": labels[int(rng.integers(len(labels)))], "polygon": points.tolist()})
        data = {"imgHeight": FRAME[0], "imgWidth": FRAME[1], "objects": objects}
        black.save(images / f"somewhere_{i:06}_000019_leftImg8bit.png")
        (folder / f"somewhere_{i:06}_000019_gtFine_polygons.json").write_text(json.dumps(data, indent=4))
    from segdata import convert

    drawn = convert("cityscapes", root, root.parent / "drawn", images="none", labels="id", from_="polygons")
    for sample in drawn:
        mask = drawn.read_mask(sample)
        ids = np.where(mask == drawn.labels.ignore, 0, mask).astype(np.uint8)
        for kind, values in (
            ("labelIds", ids),
            ("instanceIds", ids.astype(np.uint16)),
        ):  # the latter is what Datumaro reads
            Image.fromarray(values).save(folder / f"{Path(sample.id).name}_gtFine_{kind}.png")
    return root
