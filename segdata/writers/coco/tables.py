"""COCO's JSON files, one per split, written as their records come.

{"info": {...}, "licenses": [], "categories": [...],
"annotations": [...],
"images": [...]}
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import count
from typing import Any

import msgspec

from segdata.errors import writing
from segdata.files.drafts import Draft
from segdata.files.remote import Place
from segdata.writers.names import Named

INFO = {"description": "exported by segdata"}

Annotations = Callable[[int, Any], Iterator[dict[str, Any]]]
"""Makes the annotations of an image, without ids, from the image's id and what is known of it."""


def table_path(kind: str, split: str | None) -> str:
    """Where the JSON of a split is."""
    return f"annotations/{kind}.json" if split is None else f"annotations/{kind}_{split}.json"


class Table:
    """A JSON file under way. Annotations are written as they come, images are held until the end."""

    def __init__(self, path: Place, categories: Sequence[Mapping[str, Any]]) -> None:
        self.draft = Draft(path)
        self._images: list[bytes] = []
        head = msgspec.json.encode({"info": INFO, "licenses": [], "categories": categories})
        self.draft.file.write(head[:-1] + b',\n"annotations": [')
        self._before = b"\n"

    def add(self, image: Mapping[str, Any], annotations: Iterable[Mapping[str, Any]]) -> None:
        """Add an image and its annotations."""
        self._images.append(msgspec.json.encode(image))
        for annotation in annotations:
            self.draft.file.write(self._before + msgspec.json.encode(annotation))
            self._before = b",\n"

    def close(self) -> None:
        """Write the images, and give the file its name."""
        self.draft.file.write(b'],\n"images": [\n' + b",\n".join(self._images) + b"]}\n")
        self.draft.close()


def write_tables(
    root: Place,
    rows: Iterable[tuple[Named, Any]],
    *,
    kind: str,
    splits: Sequence[str | None],
    categories: Sequence[Mapping[str, Any]],
    annotations: Annotations,
) -> None:
    """Write the JSON of every split. Images and annotations are numbered from 1, through all of them."""
    with writing(root), ExitStack() as stack:
        tables = {split: Table(root / table_path(kind, split), categories) for split in splits}
        for table in tables.values():
            stack.callback(table.draft.discard)  # nothing, if it is whole
        for number, (named, part) in enumerate(rows, 1):
            image = {"id": number, **part["image"]}
            tables[named.split].add(image, annotations(number, part))
        for table in tables.values():
            table.close()


def finish_instances(
    root: Place, rows: Iterable[tuple[Named, Any]], kind: str, splits: Sequence[str | None], categories: Sequence[Any]
) -> None:
    """Write the label files of objects, each of which has an id of its own."""
    ids = count(1)

    def annotations(image: int, part: Any) -> Iterator[dict[str, Any]]:
        for category_id, segmentation, area, box in part["shapes"]:
            known = {
                "id": next(ids),
                "image_id": image,
                "category_id": category_id,
                "area": area,
                "bbox": box,
                "iscrowd": 0,
            }
            yield {**known, "segmentation": msgspec.Raw(segmentation.encode())}

    write_tables(root, rows, kind=kind, splits=splits, categories=categories, annotations=annotations)


def finish_panoptic(
    root: Place, rows: Iterable[tuple[Named, Any]], kind: str, splits: Sequence[str | None], categories: Sequence[Any]
) -> None:
    """Write the label files of segments, one annotation per image."""

    def annotations(image: int, part: Any) -> Iterator[dict[str, Any]]:
        segments = [
            {"id": id, "category_id": category_id, "area": area, "bbox": box, "iscrowd": 0}
            for id, category_id, area, box in part["segments"]
        ]
        yield {"image_id": image, "file_name": part["png"], "segments_info": segments}

    write_tables(root, rows, kind=kind, splits=splits, categories=categories, annotations=annotations)
