"""Parquet files of the Hugging Face `datasets` library, with a column of images and one of masks.

A cell of such a column is `{bytes, path}`, as the library's Image feature is kept, or bytes alone; masks may be rows of numbers,
too (Array2D). Masks are read as any in files are: the index of a palette, the value of grey, a colour with `colors`.

Format: https://huggingface.co/docs/datasets/image_dataset, https://huggingface.co/docs/hub/datasets-image
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import groupby, repeat
from pathlib import Path
from typing import NamedTuple

from segdata.dataset.ids import sample_ids
from segdata.errors import DataError, MissingDependency, OptionError, Problem, Report, raise_exhausted, strict
from segdata.files.cells import Table, read_names, read_table, read_texts
from segdata.files.members import cell_path, is_encoded
from segdata.files.places import is_stored, listed
from segdata.files.remote import Place
from segdata.readers.classes.entries import Entry
from segdata.readers.hf.arrays import ArrayCell
from segdata.readers.hf.classes import UNDECLARED, find_classes
from segdata.readers.hf.columns import Columns, check_columns, find_columns
from segdata.readers.hf.tables import ENDING, Found, find_tables, missing_shards
from segdata.readers.label_files import Hints, LabelFile, Meaning
from segdata.readers.label_look import look
from segdata.readers.label_values import ClassTable, check_options, make_table, parse_values, show_key
from segdata.readers.named_images import ImageFinder, image_folder
from segdata.readers.sight import look as glance
from segdata.readers.source import Annotation, Input, Item, Receipt, Source, leave_out, refuse_split
from segdata.words import some

SLOW = "images are cells of Parquet tables, which are slower to read than files: --images copy makes files of them"


def fits(root: Place) -> str | None:
    """Why SRC is not this format; None for Parquet with a column of images and one of masks."""
    if is_stored(root):
        return "it is in object storage, and Parquet is read on this machine"
    sight = glance(root)
    name = next((name for name in sight.ending(ENDING)), None)
    if name is None:
        return f"there is no file *{ENDING}"
    try:
        find_columns(read_table(str(Path(str(sight.root)) / name)), None, None, images=True)
    except DataError as error:
        return f"{name}: {error.problem.message}"
    except OSError as error:
        return f"{name} cannot be read: {error.strerror}"
    except MissingDependency as error:
        return str(error)
    return None


def read(
    root: str | Path,
    *,
    split: str | None = None,
    report: Report = strict,
    images: bool = True,
    image_column: str | None = None,
    mask_column: str | None = None,
    id_column: str | None = None,
    image_dir: str | Path | None = None,
    subset: str | None = None,
    classes: str | Path | Sequence[str] | None = None,
    values: Mapping[int | str, str] | Sequence[str] = (),
    colors: bool = False,
    threshold: int | None = None,
    offset: int = 0,
) -> Source:
    """Read the Parquet files of a folder, or one of them. A sample is a row: `train/000012` is row 12 of the split train.

    Splits are those that README.md declares, or that names tell. Images stay in the files: `--images copy` makes files of
    them, which later commands read faster.

    Raises `DataError` (`hf.*`, `classes.*`, `mask.*`) or adds to `report`: rows without an image or a mask.

    Args:
        image_column: the column of the images. By default the one whose name tells, or the only one that is left.
        mask_column: the column of the masks. By default the one whose name tells, or the only one that is left.
        id_column: the column of the samples' names. By default a sample is called by its number in the split.
        image_dir: the folder, here or in SRC, of images and masks of which a cell has the path alone; by default that of the
            Parquet file.
        subset: which of the configurations that README.md declares. By default the only one, or the one called default.
        classes: the class file (one name per line, CSV, a labelmap, JSON or YAML), or names in order of mask value; by default
            the id2label.json in the folder or above it, or the names that the features have for the numbers in masks.
        values: what a value is, over `classes`: `255=ignore`, `3=road`, `1..40=cell`, with `colors` `0,128,0=tree`.
        colors: read masks by the colours of the classes.
        threshold: read masks by brightness: class 1 from this one on, class 0 below it. None: not by brightness.
        offset: what is added to mask values before they are sought in `classes`; `values` are those of the mask.
    """
    if is_stored(root):
        raise OptionError(f"{root}: Parquet is read on this machine: copy it here first")
    check_options(colors, threshold, offset, values)
    base, receipt, meant = Path(str(listed(root))), Receipt(), parse_values(values)
    with unreadable(base):
        chosen = of_split(find_tables(base, subset), split, base)
        receipt.warnings += missing_shards(chosen) if base.is_dir() else ()
        tables = [read_table(str(one.path)) for one in chosen]
        columns = find_columns(tables[0], image_column, mask_column, images=images)
        rows = list(locate(chosen, tables, columns, base, image_dir, id_column))
        if not rows:
            raise DataError(Problem("hf.none", "its tables have no rows", str(root)))
        masks = [row.mask for row in rows if not isinstance(row.mask, Problem)]
        given = find_classes(base, tables[0], columns.mask, masks, classes, receipt)
        table = make_table(given.entries, meant, colors, offset, threshold)
        meaning = find_meaning(rows, table, given.entries, colors, threshold, report, receipt)
    items = sorted(make_items(rows, meaning, report, receipt), key=lambda item: item.id)
    if any(is_encoded(str(item.image)) for item in items):
        receipt.notes.append(SLOW)
    options: dict[str, object] = {
        "image_column": columns.image, "mask_column": columns.mask, "id_column": id_column, "subset": subset,
        "classes": given.told, "values": {show_key(key): name for key, name in meant.items()}, "colors": colors,
        "threshold": threshold, "offset": offset,
    }  # fmt: skip
    inputs = (*given.inputs, *(Input.of(one.path) for one in chosen))
    return Source(table.labels, items, inputs, table.rows, receipt, options)


def find_meaning(
    rows: Sequence[Row],
    table: ClassTable,
    entries: Sequence[Entry],
    colors: bool,
    threshold: int | None,
    report: Report,
    receipt: Receipt,
) -> Meaning:
    """What the pixels of masks mean, once some of them were looked at. Raises `DataError` (`mask.*`), `OptionError`."""
    hints = Hints(table.names, tuple(entry.color for entry in entries if entry.color is not None))
    meaning = Meaning(colors=table.ids, hints=hints) if colors else Meaning(table.ids, None, threshold, hints=hints)
    seen = look([(row.id, row.mask) for row in rows if isinstance(row.mask, str)], meaning, hints, table.labels)
    receipt.notes += seen.notes
    if seen.problem is not None and (report.on_error == "stop" or not table.names):
        message = seen.problem.message.replace("--mask-dir DIR", "--mask-column NAME")
        raise DataError(replace(seen.problem, message=message))
    if not table.names:
        raise OptionError(UNDECLARED)
    return replace(meaning, hints=replace(hints, palettes=seen.palettes))


def of_split(found: Sequence[Found], split: str | None, root: Path) -> list[Found]:
    """The files of a split, or all. Raises `OptionError` where there are none."""
    chosen = [one for one in found if split in (None, one.split)]
    if split is not None and not chosen:
        refuse_split(split, root, (one.split for one in found if one.split))
    return chosen


@contextmanager
def unreadable(root: Path) -> Iterator[None]:
    """Raise `DataError` (`hf.unreadable`) for an `OSError`, which names the file."""
    try:
        yield
    except OSError as error:
        raise_exhausted(error, root)
        message = f"cannot be read: {error.strerror}: fetch it anew, or take it out"
        raise DataError(Problem("hf.unreadable", message, str(error.filename or root))) from error


class Row(NamedTuple):
    """A row: what opens its image and its mask, or why nothing does; no image where none is wanted."""

    id: str
    split: str | None
    image: str | Problem | None
    mask: str | ArrayCell | Problem


def locate(
    found: Sequence[Found],
    tables: Sequence[Table],
    columns: Columns,
    base: Path,
    image_dir: str | Path | None,
    id_column: str | None,
) -> Iterator[Row]:
    """The rows of tables, numbered or named by split, in the order of the library.

    Raises `DataError` (`hf.columns`), `OptionError`, `OSError`.
    """
    for split, group in groupby(zip(found, tables, strict=True), key=lambda pair: pair[0].split):
        parts = [table for _, table in group]
        ids = iter(numbers(parts, split) if id_column is None else names(parts, split, id_column))
        for table in parts:
            check_columns(table, columns)
            folder = Path(table.path).parent
            above = base if base.is_dir() else folder
            finder = ImageFinder([image_folder(image_dir, above)] if image_dir else [folder, above])
            for image, mask in cells(table, columns, finder):
                id = next(ids)
                yield Row(id, split, image, mask) if isinstance(id, str) else Row(str(id.sample), split, None, id)


def numbers(parts: Sequence[Table], split: str | None) -> Iterator[str]:
    """The ids of a split's samples: their numbers."""
    rows = sum(table.rows for table in parts)
    digits = max(6, len(str(rows)))
    return (f"{split}/{number:0{digits}d}" if split else f"{number:0{digits}d}" for number in range(rows))


def names(parts: Sequence[Table], split: str | None, column: str) -> Sequence[str | Problem]:
    """The ids of a split's samples by a column, or why a sample has none. Raises `OptionError`, `OSError`."""
    found: list[str | None] = []
    for table in parts:
        if column not in table.columns:
            raise OptionError(f"--id-column {column}: {table.path} has no such column: there are {some(table.columns)}")
        found += read_texts(table.path, column)
    ids, _ = sample_ids(split, [f"{(name or '').removeprefix(f'{split}/')}.png" for name in found])
    empty = f"has nothing in column {column}: --on-error skip leaves it out"
    return [
        id if name else Problem("hf.empty", empty, sample=f"row {row}")
        for row, (name, id) in enumerate(zip(found, ids, strict=True))
    ]


def cells(
    table: Table, columns: Columns, finder: ImageFinder
) -> Iterator[tuple[str | Problem | None, str | ArrayCell | Problem]]:
    """The image and the mask of each row."""
    images: Iterable[str | Problem | None] = repeat(None, table.rows)
    if columns.image is not None:
        images = files(table, columns.image, finder)
    masks: Iterable[str | ArrayCell | Problem] = files(table, columns.mask, finder)
    if columns.array:
        masks = (ArrayCell(table.path, columns.mask, row, Meaning()) for row in range(table.rows))
    return zip(images, masks, strict=True)


def files(table: Table, column: str, finder: ImageFinder) -> Iterator[str | Problem]:
    """What opens the file in each cell of a column: the cell, or a file of which it has the path."""
    for row, name in enumerate(read_names(table.path, column)):
        if name.ending is not None:
            yield cell_path(table.path, column, row, f"x{name.ending}")
        elif name.path is not None:
            yield finder.find(name.path)
        else:
            message = f"row {row} has nothing in column {column}: --on-error skip leaves it out"
            yield Problem("hf.empty", message, os.path.basename(table.path))


def make_items(rows: Iterable[Row], meaning: Meaning, report: Report, receipt: Receipt) -> Iterator[Item]:
    """A sample for each row that has its image and its mask; the others are reported."""
    for row in rows:
        if isinstance(row.mask, Problem):
            leave_out(replace(row.mask, sample=row.id), (), report, receipt)
            continue
        mask: Annotation = (
            LabelFile(row.mask, meaning) if isinstance(row.mask, str) else replace(row.mask, meaning=meaning)
        )
        if isinstance(row.image, Problem):
            leave_out(replace(row.image, sample=row.id), mask.ids, report, receipt)
            continue
        yield Item(row.id, row.image, None, mask, row.split, None, "upright")
