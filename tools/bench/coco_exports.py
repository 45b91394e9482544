"""COCO as annotation tools export it: each tool's own exporter on the same three polygons, in an environment of its own.

coco_exports.py TOOL OUT     labelme2coco, v7 (darwin-py), superannotate, supervisely, labelstudio (label-studio-sdk)
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 40, 30
SHAPES = {
    "car": [(2.0, 2.0), (14.0, 3.0), (8.0, 13.0)],
    "tree": [(20.5, 4.0), (36.0, 4.0), (36.0, 12.5), (28.0, 16.0), (20.5, 12.5)],
    "lake": [(3.0, 18.0), (37.0, 20.0), (34.0, 28.0), (6.0, 28.0)],
}
HOLE = [(12.0, 21.0), (24.0, 22.0), (20.0, 26.0)]
"""In the lake, where a form has holes."""


def picture(path: Path) -> Path:
    """An image, written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((HEIGHT, WIDTH, 3), 90, np.uint8)).save(path)
    return path


def write(path: Path, content: Any) -> Path:
    """JSON, written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def flat(points: Any) -> list[float]:
    """x, y, x, y ..."""
    return [value for point in points for value in point]


def labelme2coco(out: Path) -> None:
    """Its images keep the path that they had."""
    import labelme2coco as tool  # type: ignore[import-not-found, unused-ignore]

    shapes = [
        {"label": name, "points": points, "shape_type": "polygon", "group_id": None} for name, points in SHAPES.items()
    ]
    shapes.append({"label": "__ignore__", "points": HOLE, "shape_type": "polygon", "group_id": None})
    head: dict[str, Any] = {
        "version": "5.5.0",
        "flags": {},
        "imagePath": "a.png",
        "imageData": None,
        "imageHeight": HEIGHT,
        "imageWidth": WIDTH,
    }
    write(out / "shots/a.json", {**head, "shapes": shapes})
    picture(out / "shots/a.png")
    os.chdir(out)
    tool.convert("shots", ".")
    (out / "shots/a.json").unlink()


def v7(out: Path) -> None:
    """A polygon with a hole becomes run lengths with iscrowd 1."""
    from darwin.exporter.formats import coco  # type: ignore[import-not-found, unused-ignore]
    from darwin.utils import parse_darwin_json  # type: ignore[import-not-found, unused-ignore]

    made = []
    for number, (name, points) in enumerate(SHAPES.items()):
        paths = [[{"x": x, "y": y} for x, y in ring] for ring in ([points, HOLE] if name == "lake" else [points])]
        made.append({"id": f"a{number}", "name": name, "slot_names": ["0"], "polygon": {"paths": paths}})
    made.append({"id": "t", "name": "sunny", "slot_names": ["0"], "tag": {}})
    slot = {
        "type": "image",
        "slot_name": "0",
        "width": WIDTH,
        "height": HEIGHT,
        "source_files": [{"file_name": "a.png", "url": ""}],
    }
    item = {
        "name": "a.png",
        "path": "/",
        "slots": [slot],
        "source_info": {"item_id": "1", "dataset": {"name": "d", "slug": "d"}},
    }
    file = write(out / "a.json", {"version": "2.0", "item": item, "annotations": made})
    coco.export(iter([parse_darwin_json(file)]), out)
    file.unlink()
    picture(out / "images/a.png")


def superannotate(out: Path) -> None:
    """Images and its own JSON lie in image_set/."""
    home = next(path for path in map(Path, sys.path) if (path / "superannotate").is_dir()) / "superannotate"
    sys.path.insert(0, str(home))
    import superannotate as _  # type: ignore[import-not-found, unused-ignore]  # noqa: F401
    from lib.app.input_converters.export_from_sa_conversions import export_from_sa  # type: ignore[import-not-found, unused-ignore]

    own = out.parent / "superannotate_in"
    classes = [{"id": 7001 + i, "name": name, "color": f"#{40 * i + 60:02x}8000"} for i, name in enumerate(SHAPES)]
    write(own / "classes/classes.json", classes)
    made = [{"type": "polygon", "classId": 7001 + i, "className": name, "points": flat(points), "groupId": 0, "attributes": []}
            for i, (name, points) in enumerate(SHAPES.items())]  # fmt: skip
    metadata = {"name": "a.png", "width": WIDTH, "height": HEIGHT, "status": "Completed"}
    write(own / "a.png___objects.json", {"metadata": metadata, "instances": made, "tags": [], "comments": []})
    picture(own / "a.png")
    export_from_sa(
        Namespace(
            input_dir=own,
            output_dir=out,
            dataset_format="COCO",
            dataset_name="my_set",
            project_type="Vector",
            task="instance_segmentation",
        )
    )
    shutil.rmtree(own)


def supervisely(out: Path) -> None:
    """A folder a data set, with images/ and annotations/coco_instances.json; polygons with holes lose them."""
    import supervisely as sly  # type: ignore[import-not-found, unused-ignore]

    own = out.parent / "supervisely_in"
    project = sly.Project(str(own), sly.OpenMode.CREATE)
    classes = [sly.ObjClass(name, sly.Polygon) for name in SHAPES]
    project.set_meta(sly.ProjectMeta(obj_classes=classes))
    labels = []
    for kind, (name, points) in zip(classes, SHAPES.items(), strict=True):
        rings = [sly.PointLocation(int(y), int(x)) for x, y in points]
        holes = [[sly.PointLocation(int(y), int(x)) for x, y in HOLE]] if name == "lake" else []
        labels.append(sly.Label(sly.Polygon(rings, holes), kind))
    image = picture(out.parent / "a.png")
    project.create_dataset("ds0").add_item_file("a.png", str(image), sly.Annotation((HEIGHT, WIDTH), labels))
    sly.convert.to_coco(str(own), dest_dir=str(out), log_progress=False)
    shutil.rmtree(own)
    image.unlink()


def labelstudio(out: Path) -> None:
    """result.json beside images/."""
    from label_studio_sdk.converter import Converter  # type: ignore[import-not-found, unused-ignore]

    config = '<View><Image name="image" value="$image"/><PolygonLabels name="label" toName="image">'
    config += "".join(f'<Label value="{name}"/>' for name in SHAPES) + "</PolygonLabels></View>"
    made = [{"id": name, "from_name": "label", "to_name": "image", "type": "polygonlabels", "original_width": WIDTH,
             "original_height": HEIGHT, "image_rotation": 0,
             "value": {"points": [[100 * x / WIDTH, 100 * y / HEIGHT] for x, y in points], "polygonlabels": [name]}}
            for name, points in SHAPES.items()]  # fmt: skip
    image = picture(out.parent / "upload/1/a.png")
    task = {"id": 1, "data": {"image": str(image)}, "annotations": [{"id": 1, "result": made, "completed_by": 1}]}
    tasks = write(out.parent / "tasks.json", [task])
    Converter(config, str(out.parent), download_resources=True).convert_to_coco(str(tasks), str(out), is_dir=False)
    tasks.unlink()
    shutil.rmtree(out.parent / "upload")


if __name__ == "__main__":
    target = Path(sys.argv[2]).absolute()
    target.mkdir(parents=True, exist_ok=True)
    {one.__name__: one for one in (labelme2coco, v7, superannotate, supervisely, labelstudio)}[sys.argv[1]](target)
