"""What samples leave for the common files: it comes back as it was, and is not held in memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import msgspec

from segdata.writers.rows import Row, Rows


def test_parts_come_back_in_any_order(tmp_path: Path) -> None:
    parts = {f"s{i}": {"shapes": [[i, "é"]] * i} for i in range(50)}
    rows = {name: Row(name, {}, msgspec.Raw(msgspec.json.encode(part))) for name, part in parts.items()}
    kept = Rows(dict(list(rows.items())[:20]), tmp_path)
    for name in list(rows)[20:]:
        kept[name] = rows[name]
    kept["s3"] = msgspec.structs.replace(rows["s3"], pixels=True)
    assert {name: kept.part(name) for name in reversed(rows)} == parts
    assert kept["s3"].pixels
    assert not list(tmp_path.iterdir())
    kept.close()


def test_memory_does_not_grow_with_the_parts(tmp_path: Path) -> None:
    part = b'"' + bytes(200_000).replace(b"\0", b"a") + b'"'
    kept = Rows({}, tmp_path)
    tracemalloc.start()
    for i in range(100):
        kept[str(i)] = Row(str(i), {}, msgspec.Raw(part))
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held < 2_000_000
    assert kept.part("99") == "a" * 200_000
    kept.close()
