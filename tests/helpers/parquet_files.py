"""Parquet files of images and masks, made and damaged."""

from __future__ import annotations

from segdata.files.members import Cell


def set_cell(cell: Cell, data: bytes | None) -> None:
    """Write the file anew with other bytes in a cell."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(cell.file)
    rows = table.to_pylist()
    rows[cell.row][cell.column]["bytes"] = data
    pq.write_table(pa.Table.from_pylist(rows, table.schema), cell.file, row_group_size=2)
