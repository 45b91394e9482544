"""Writing Parquet tables row by row, with files in their cells: what `cells` reads.

Rows are written in groups of at most so many bytes, so that memory is that of one group, and a row costs those before it in its
group alone. Cells are stored as they are: images are compressed already. The same rows give the same bytes.

Format: https://huggingface.co/docs/datasets/about_dataset_features, https://parquet.apache.org/docs/file-format/
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Literal

from segdata.errors import writing
from segdata.files.cells import load_pyarrow
from segdata.files.drafts import Draft
from segdata.files.places import file_digest
from segdata.files.remote import Place

GROUP, ROWS = 2**24, 100
"""The most bytes and rows of a group; a larger row has one alone. The library has as many rows in those of images."""

Column = Literal["text", "file", "numbers"]
"""What the cells of a column hold: a string, `{bytes, path}`, or a list of whole numbers."""


class TableWriter:
    """A table written row by row. Use it as a context: the file has its name only once it is whole.

    `about`: the features of the columns in JSON, as the `datasets` library keeps them. `sha256` is of the file, once it is
    closed. Raises `MissingDependency`.
    """

    sha256: str

    def __init__(self, path: Place, columns: Mapping[str, Column], about: bytes) -> None:
        self._arrow = arrow = load_pyarrow()
        types = {
            "text": arrow.string(),
            "file": arrow.struct({"bytes": arrow.binary(), "path": arrow.string()}),
            "numbers": arrow.list_(arrow.int64()),
        }
        fields = [(name, types[kind]) for name, kind in columns.items()]
        self._schema = arrow.schema(fields, metadata={b"huggingface": about})
        self._rows: list[Mapping[str, Any]] = []
        self._held = 0
        self._draft = Draft(path)
        self._writer = arrow.parquet.ParquetWriter(
            self._draft.file, self._schema, compression="none", use_dictionary=False, write_page_checksum=True
        )

    def add(self, row: Mapping[str, Any], size: int) -> None:
        """The next row, which takes `size` bytes about."""
        if self._rows and (self._held + size > GROUP or len(self._rows) == ROWS):
            self._flush()
        self._rows.append(row)
        self._held += size

    def _flush(self) -> None:
        """Write a group of rows."""
        table = self._arrow.Table.from_pylist(self._rows, self._schema)
        with writing(self._draft.path, self._draft.beside):
            self._writer.write_table(table, max(1, len(self._rows)))
        self._rows, self._held = [], 0

    def _finish(self) -> None:
        """Write what is left, and the end of the file."""
        if self._rows:
            self._flush()
        with writing(self._draft.path, self._draft.beside):
            self._writer.close()
            self._draft.file.flush()
        self.sha256 = file_digest(self._draft.beside)

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
                self._draft.close()
        finally:
            if not self._draft.file.closed:
                with suppress(OSError):  # such as that of a full disk, whose first one is on its way
                    self._writer.close()
                self._draft.discard()
