"""What the viewer keeps: the bytes that were made, once, until others need the room; nothing depends on the disk."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from segdata.caches import user_folder
from segdata.ops.view.cache import Cache, digest, file_key


def making(data: bytes, made: list[bytes]) -> Callable[[], bytes]:
    def make() -> bytes:
        made.append(data)
        return data

    return make


@pytest.mark.parametrize("on_disk", [True, False])
def test_bytes_are_made_once(tmp_path: Path, on_disk: bool) -> None:
    root = tmp_path / "cache" if on_disk else None
    made: list[bytes] = []
    cache = Cache(root)
    assert [cache.data(("a", 1), making(b"x", made)) for _ in range(3)] == [b"x"] * 3
    assert cache.data(("a", 2), making(b"", made)) == b""
    assert made == [b"x", b""]
    assert Cache(root).data(("a", 1), making(b"x", made)) == b"x"
    assert len(made) == (2 if on_disk else 3)


def test_a_damaged_entry_is_made_anew(tmp_path: Path) -> None:
    made: list[bytes] = []
    cache = Cache(tmp_path)
    cache.data(("a",), making(b"pixels", made))
    path = tmp_path / digest(("a",))[:2] / digest(("a",))
    for damage in (b"", b"xxx", path.read_bytes()[:-1], b"\0" + path.read_bytes()[1:]):
        path.write_bytes(damage)
        assert cache.data(("a",), making(b"pixels", made)) == b"pixels"
    assert len(made) == 5


def test_the_oldest_go_first_and_folders_in_use_stay(tmp_path: Path) -> None:
    cache = Cache(tmp_path, most=1000)
    for i in range(5):
        cache.data((i,), lambda: bytes(196))
    for thread in threading.enumerate():
        if thread.name == "segdata-view-cache":
            thread.join()
    paths = [tmp_path / digest((i,))[:2] / digest((i,)) for i in range(5)]
    for i, path in enumerate(paths):
        os.utime(path, (i + 10, i + 10))
    mine = cache.folder(("mine",))
    other = Cache(tmp_path).folder(("other",))
    assert mine is not None
    assert other is not None
    for one in (mine, other):
        (one / "level").write_bytes(bytes(150))
        os.utime(one, (1, 1))
    cache.trim()
    assert [path.exists() for path in paths] == [False, False, True, True, True]
    assert mine.exists()
    assert not other.exists()
    left = sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file())
    assert left <= 900


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    made: list[bytes] = []
    cache = Cache(tmp_path / "file")
    assert cache.data(("a",), making(b"x", made)) == b"x"
    assert cache.data(("a",), making(b"x", made)) == b"x"
    assert made == [b"x"]
    assert cache.folder(("a",)) is None


def test_memory_is_limited() -> None:
    made: list[bytes] = []
    cache = Cache(None, in_memory=10)
    for i in range(5):
        cache.data((i,), making(b"%d" % i * 4, made))
    assert cache.data((4,), making(b"", made)) == b"4444"
    assert cache.data((0,), making(b"anew", made)) == b"anew"


def test_a_changed_file_has_another_key(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    keys = {file_key(str(path))}
    for data in (b"a", b"ab"):
        path.write_bytes(data)
        keys.add(file_key(str(path)))
    os.utime(path, (5, 5))
    keys |= {
        file_key(str(path)),
        file_key("s3://bucket/a.png"),
        file_key(f"{path}#1+1.png"),
        file_key(f"{path}#2+1.png"),
    }
    assert len(keys) == 7


def test_the_cache_is_private_and_where_the_user_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGDATA_CACHE", str(tmp_path / "mine"))
    found = user_folder("view")
    assert found == tmp_path / "mine" / "view"
    assert found.stat().st_mode & 0o077 == 0
    monkeypatch.delenv("SEGDATA_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert user_folder("view") == tmp_path / "xdg" / "segdata" / "view"
    (tmp_path / "xdg" / "segdata" / "open").mkdir(mode=0o777)
    (tmp_path / "xdg" / "segdata" / "open").chmod(0o777)
    assert user_folder("open") != tmp_path / "xdg" / "segdata" / "open"
    monkeypatch.setenv("SEGDATA_CACHE", os.devnull)
    assert user_folder("view") is None
