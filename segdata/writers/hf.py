"""Parquet files of the Hugging Face `datasets` library: images and masks in cells, and the names of the classes.

    OUT/  README.md  id2label.json  data/train-00000-of-00002.parquet ...

A row is a sample: `id`, `image`, `mask`, and `classes`, the numbers of the classes in the mask, whose feature has their names.
README.md says which files are of which split, and id2label.json names the values of masks as models want it. So
`datasets.load_dataset(OUT)` reads it, as `load_dataset("parquet", data_files=...)` does, and OUT can be uploaded as it is.

Each file is written by itself, whole or not at all: no byte is written twice, and memory is that of a group of rows.

Format: https://huggingface.co/docs/datasets/image_dataset, https://huggingface.co/docs/hub/datasets-manual-configuration
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any, Literal

from segdata.dataset.dataset import Dataset
from segdata.dataset.job import folder_name
from segdata.dataset.sample import Sample
from segdata.errors import DataError, OptionError, Problem, located, one_of
from segdata.executors.run import Run
from segdata.files.file import open_file
from segdata.files.parts import fits_png
from segdata.files.places import place, write_whole
from segdata.files.png import encode_mask
from segdata.files.rasters import Raster
from segdata.files.remote import Place
from segdata.files.tables import Column, TableWriter
from segdata.files.tiff import encode_tiff
from segdata.labels import IGNORE, Labels, tally
from segdata.writers.about import About
from segdata.writers.classes import refuse_alike, refuse_ignore
from segdata.writers.croissant import Shown
from segdata.writers.division import Bytes, Division
from segdata.writers.exporting import Exported, Files, Plan, Shard, export_files
from segdata.writers.images import check_images, encode_image_of, ending_of
from segdata.writers.names import Named, name_samples

DATA, CARD, NAMES = "data", "README.md", "id2label.json"

KINDS = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp")
"""The endings of image files that the library reads whatever they hold: it opens them by Pillow."""

GREY = ("uint8", "uint16", "int32", "float32")
"""The types of one band that Pillow reads of a TIFF."""

WITHOUT = "unsplit"
"""What the split of samples without one is called, if others have one."""

EmbeddedImages = Literal["copy", "none"]
"""What becomes of the images: their bytes are in the tables, or there are none."""


def write(
    dataset: Dataset,
    root: str | Place,
    *,
    images: EmbeddedImages = "copy",
    shard_size: Bytes | None = None,
    samples_per_shard: int | None = None,
    shard_count: int | None = None,
    about: About | None = None,
    overwrite: bool = False,
    run: Run | None = None,
) -> Exported:
    """Write Parquet files of each split, `train-00000-of-00002.parquet` and so on, with a card and the names of the classes.

    Raises `OptionError`, `DataError` for the first bad file (`run.report` may skip instead: such samples are then left
    out), `MissingDependency`, and `DatasetError` for the destination.

    Args:
        dataset: The dataset to write.
        root: The folder to write to.
        images: What becomes of the images: their bytes are in the tables (copy, the default), or there are none.
        shard_size: The most bytes of a shard, such as 256M (the default) or 1G. A larger sample has a shard alone.
        samples_per_shard: How many samples a shard holds, instead of `shard_size`.
        shard_count: How many shards each split has, instead of `shard_size`.
        about: What croissant.json says of the dataset.
        overwrite: Replace an export there.
    """
    one_of("images", images, EmbeddedImages)
    check_images(dataset, images)
    refuse_ignore(dataset.labels)
    refuse_alike(dataset.labels)
    samples = name_rows(dataset)
    division = Division(shard_size, samples_per_shard, shard_count)
    held = dataset if images == "copy" else replace(dataset, images="none")
    columns = columns_of(images)
    plan = Plan(
        format="hf",
        options={"shard_size": shard_size, "samples_per_shard": samples_per_shard, "shard_count": shard_count},
        samples=samples,
        shards=list(plan_shards(samples, held, division)),
        item=partial(write_shard, columns=columns, about=features(dataset.labels, columns)),
        finish=partial(write_common, labels=dataset.labels, title=folder_name(dataset)),
        holds=[CARD, DATA, NAMES],
        reader="hf",
        reading={
            "classes": NAMES,
            "values": {str(dataset.labels.ignore): IGNORE},
            "id_column": "id",
            **{f"{name}_column": name for name in columns if name in ("image", "mask")},
        },
        names={name: id for id, name in enumerate(dataset.labels.names)},
        images=images,
        notes=list(notes_on(samples)),
        needs_here=True,
        shown=Shown(columns=columns),
    )
    return export_files(dataset, place(root), plan, about=about, overwrite=overwrite, run=run)


def notes_on(samples: Sequence[Named]) -> Iterator[str]:
    """What splits are called otherwise here."""
    for given, name in sorted({(one.sample.split, one.split) for one in samples}, key=str):
        if name is not None and name != given:
            yield (
                f"the split of samples that are in none is called {name}"
                if given is None
                else (f"the split {given!r} is called {name}: the library wants letters, digits and _")
            )


# Rows


def name_rows(dataset: Dataset) -> list[Named]:
    """The samples by id, each with its split as the library can call it: None if no sample has one.

    Raises `OptionError` if two splits would be one.
    """
    samples = name_samples(dataset)
    splits = {one.sample.split for one in samples}
    called: dict[str | None, str | None] = {None: None}
    if splits != {None}:
        called = {split: WITHOUT if split is None else split_name(split) for split in sorted(splits, key=str)}
    first: dict[str | None, str | None] = {}
    for split, name in called.items():
        if (other := first.setdefault(name, split)) != split:
            raise OptionError(
                f"splits {other!r} and {split!r} would both be called {name}: --split exports one of them"
            )
    return [one._replace(split=called[one.sample.split]) for one in samples]


def split_name(split: str) -> str:
    """Letters, digits and `_`, and not `all`, which in the library is every split."""
    name = re.sub(r"\W+", "_", split)
    return "all_" if name == "all" else name


def plan_shards(samples: Iterable[Named], dataset: Dataset, division: Division) -> Iterator[Shard]:
    """Plan the shards: which samples each one holds, split by split. Raises `OptionError`."""
    splits: dict[str | None, list[Named]] = defaultdict(list)
    for one in samples:
        splits[one.split].append(one)
    for split, members in splits.items():
        ends = division.ends([one.sample for one in members], dataset)
        for number, (start, end) in enumerate(pairwise([0, *ends])):
            name = f"{number:05d}" if split is None else f"{split}-{number:05d}-of-{len(ends):05d}"
            yield Shard(f"{DATA}/{name}.parquet", tuple(members[start:end]))


def write_shard(shard: Shard, files: Files, columns: Mapping[str, Column], about: bytes) -> dict[str, None]:
    """Write a table, without the samples that cannot be read. Returns the ids of those in it."""
    ids: dict[str, None] = {}
    with TableWriter(files.root / shard.name, columns, about) as table:
        for named in shard.samples:
            try:
                with located(sample=named.sample.id):
                    row, size = row_of(named, files)
            except DataError as error:
                files.leave_out(error)
                continue
            table.add(row, size)
            ids[named.sample.id] = None
    files.written[shard.name] = table.sha256
    return ids


def row_of(named: Named, files: Files) -> tuple[dict[str, Any], int]:
    """The row of a sample, and its bytes. Raises `DataError`."""
    name = named.name.rpartition("/")[2]
    mask = files.source.read_mask(named.sample)
    cells = {"mask": {"bytes": encode_mask(mask), "path": f"{name}.png"}}
    if files.images != "none":
        ending, data = image_of(named.sample, files)
        cells["image"] = {"bytes": data, "path": f"{name}{ending}"}
    classes = [value for value in tally(mask) if value != files.source.labels.ignore]
    size = sum(len(cell["bytes"]) for cell in cells.values())
    return {"id": named.sample.id, **cells, "classes": classes}, size


def image_of(sample: Sample, files: Files) -> tuple[str, bytes]:
    """The ending and the bytes of an image: its file as it is if the library reads the same of it, or its pixels."""
    path = files.source.image_path(sample)
    if files.is_whole(sample) and ending_of(path) in KINDS:
        with open_file(path) as file:
            return ending_of(path), file.data
    with files.source.open_image(sample) as image:
        found = encode_pixels(image)
    files.pixels += 1
    return found


def encode_pixels(image: Raster) -> tuple[str, bytes]:
    """An image's pixels as PNG, or as TIFF if they are one band. Raises `DataError` (`image.kind`) for others."""
    if fits_png(image):
        return encode_image_of(image, (".png",))
    if image.bands == 1 and str(image.dtype) in GREY:
        return ".tif", encode_tiff(image.read(), compress="deflate", tags=image.geo.tags())
    what = (
        f"its {image.bands} bands of {image.dtype} are no image for the library: --images none writes the masks alone"
    )
    raise DataError(Problem("image.kind", f"{what}, segdata convert --bands chooses three of 8 bits"))


# What the library is told


def columns_of(images: EmbeddedImages) -> dict[str, Column]:
    """The columns of all tables."""
    with_images: dict[str, Column] = {"image": "file"} if images == "copy" else {}
    return {"id": "text", **with_images, "mask": "file", "classes": "numbers"}


def features(labels: Labels, columns: Mapping[str, Column]) -> bytes:
    """The features of the columns in JSON. Every version of the library reads `Sequence`, and the later ones `List` too."""
    kinds: dict[Column, Any] = {
        "text": {"dtype": "string", "_type": "Value"},
        "file": {"_type": "Image"},
        "numbers": {"feature": {"names": labels.names, "_type": "ClassLabel"}, "_type": "Sequence"},
    }
    return json.dumps({"info": {"features": {name: kinds[kind] for name, kind in columns.items()}}}).encode()


def write_common(root: Place, rows: Iterable[tuple[Named, Any]], labels: Labels, title: str) -> None:
    """Write README.md and id2label.json."""
    counts = Counter(named.split for named, _ in rows)
    names = {str(id): name for id, name in enumerate(labels.names)}
    write_whole(root / NAMES, (json.dumps(names, indent=2) + "\n").encode())
    write_whole(root / CARD, readme(counts, labels, title).encode())


def readme(counts: Mapping[str | None, int], labels: Labels, title: str) -> str:
    """The card: at its top which files are of which split, then what there is."""
    splits = [split for split in counts if split is not None]
    files = [f'  - split: "{split}"\n    path: "{DATA}/{split}-*"' for split in splits]
    rows = [f"- {split or 'all'}: {count:,} samples" for split, count in counts.items()]
    classes = [f"    {id} {json.dumps(name, ensure_ascii=False)}" for id, name in enumerate(labels.names)]
    return "\n".join(
        [
            "---", "task_categories:", "- image-segmentation", "configs:", "- config_name: default",
            *(["  data_files:", *files] if files else [f'  data_files: "{DATA}/*.parquet"']), "---", "",
            f"# {title}", "", *rows, "",
            f"Masks are grey PNGs. {labels.ignore} is ignored; the other values are these classes:", "", *classes, "",
        ]
    )  # fmt: skip
