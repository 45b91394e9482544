"""Cells of Parquet tables: found by their path, read in any order, and damage told."""

from __future__ import annotations

import random
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parquet_files import cell, png, write_table
from segdata.files.cells import Name, read_cell, read_names, read_rows, read_table
from segdata.files.images import read_image
from segdata.files.members import Cell, cell_path, copy_stored, holder, member_of, stored_size
from segdata.files.remote import Remote


@pytest.mark.parametrize("column", ["image", "a b", "a:b", "a#b", "a/b.c", "x.parquet#y:1", "Bild ü", "%41", "a.bytes"])
def test_the_path_of_a_cell_is_read_as_it_was_made(column: str, tmp_path: Path) -> None:
    file = str(tmp_path / "train #1.parquet")
    path = cell_path(file, column, 12, "x.JPG")
    assert member_of(path) == Cell(file, column, 12)
    assert path.endswith(":12.jpg")
    assert holder(path) == file
    write_table(Path(file), [{column: cell(i % 200)} for i in range(13)])
    assert read_image(path).tolist() == [[[12] * 3] * 3] * 2
    assert stored_size(path) == len(png(np.full((2, 3), 12)))
    copy_stored(path, tmp_path / "copy.png")
    assert (tmp_path / "copy.png").read_bytes() == png(np.full((2, 3), 12))


@pytest.mark.parametrize("more", [{}, {"use_dictionary": False}, {"compression": "zstd"}, {"data_page_version": "2.0"}])
def test_cells_are_those_of_the_rows_in_any_order(more: dict[str, Any], tmp_path: Path) -> None:
    rng = random.Random(3)
    data = [rng.randbytes(rng.randrange(1, 900)) for _ in range(5)]
    rows = [{"image": {"bytes": rng.choice(data), "path": "x.png"}, "number": i} for i in range(101)]
    file = str(write_table(tmp_path / "a.parquet", rows, group=33, **more))
    orders = [list(range(101)), list(range(100, -1, -1)), [rng.randrange(101) for _ in range(300)]]
    for order in orders:
        assert all(read_cell(file, "image", row) == rows[row]["image"]["bytes"] for row in order)
    found: list[bool] = []

    def check(first: int) -> None:
        found.append(all(read_cell(file, "image", row) == rows[row]["image"]["bytes"] for row in range(first, 101, 4)))

    threads = [threading.Thread(target=check, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 4


def test_what_a_cell_is_of(tmp_path: Path) -> None:
    jpeg = {"bytes": png(np.zeros((2, 3)), "JPEG"), "path": None}
    odd = {"bytes": b"?", "path": "a.dat"}
    far = {"bytes": None, "path": "far/b.png"}
    rows = [{"image": one} for one in (cell(1, "a/b.PNG"), cell(2), jpeg, odd, far, None)]
    file = str(write_table(tmp_path / "a.parquet", rows))
    assert list(read_names(file, "image")) == [
        Name("a/b.PNG", ".png"), Name(None, ".png"), Name(None, ".jpg"),
        Name("a.dat", ""), Name("far/b.png", None), Name(None, None),
    ]  # fmt: skip


def test_a_column_of_bytes_and_rows_of_numbers(tmp_path: Path) -> None:
    rows = [{"image": png(np.zeros((2, 3))), "mask": [[1, 2, 3], [4, 5, 6]], "boxes": [[1, 2], [3]], "x": 1.5}]
    file = str(write_table(tmp_path / "a.parquet", rows))
    assert read_table(file).columns == {"image": "file", "mask": "array", "boxes": "array", "x": "other"}
    assert read_cell(file, "image", 0) == rows[0]["image"]
    assert read_rows(file, "mask", 0).tolist() == rows[0]["mask"]
    with pytest.raises(OSError, match="different lengths"):
        read_rows(file, "boxes", 0)


def test_an_equal_cell_a_million_times_is_in_memory_once(tmp_path: Path) -> None:
    import tracemalloc

    import pyarrow as pa
    import pyarrow.parquet as pq

    large = bytes(2**22)
    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(10_000, np.int32)), pa.array([large], pa.binary()))
    pq.write_table(pa.table({"image": column}), tmp_path / "a.parquet", compression="zstd", store_schema=False)
    assert (tmp_path / "a.parquet").stat().st_size < 2**17
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    assert read_cell(str(tmp_path / "a.parquet"), "image", 9_999) == large
    assert tracemalloc.get_traced_memory()[1] < 2**26
    tracemalloc.stop()
    assert pa.total_allocated_bytes() - before < 2**26


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[:-10], "no Parquet, cut off or damaged"),
        (lambda data: b"PAR1", "no Parquet, cut off or damaged"),
        (lambda data: b"", "no Parquet, cut off or damaged"),
    ],
)
def test_damage_is_one_error(damage: Any, message: str, tmp_path: Path) -> None:
    file = write_table(tmp_path / "a.parquet", [{"image": cell(1)}])
    file.write_bytes(damage(file.read_bytes()))
    calls = (
        lambda: read_table(str(file)),
        lambda: read_cell(str(file), "image", 0),
        lambda: list(read_names(str(file), "image")),
    )
    for call in calls:
        with pytest.raises(OSError, match=message):
            call()


def test_rows_and_columns_that_are_not_there(tmp_path: Path) -> None:
    file = str(write_table(tmp_path / "a.parquet", [{"image": cell(1)}, {"image": None}]))
    for column, row in (("image", 1), ("image", 2), ("other", 0)):
        with pytest.raises(OSError):
            read_cell(file, column, row)
    with pytest.raises(FileNotFoundError):
        read_cell(str(tmp_path / "none.parquet"), "image", 0)


def test_a_file_that_was_written_anew_is_read_anew(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    for value in range(3):
        write_table(file, [{"image": cell([[value] * (value + 2)] * 2)}])
        assert read_image(cell_path(str(file), "image", 0, "x.png")).shape == (2, value + 2, 3)


def test_cells_in_storage_are_refused() -> None:
    with pytest.raises(OSError, match="copy the file here"):
        _ = Remote("s3://bucket/a.parquet#image:0.png").member
