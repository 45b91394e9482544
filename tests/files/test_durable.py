"""What is on disk after a power cut, or a full disk: single files are the old one or the new one, and whole."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from carry_files import contents
from power import MODES, Power, build
from segdata import Labels
from segdata.files import durable, members
from segdata.files.drafts import Draft, local_draft
from segdata.files.places import copy_file, write_whole
from segdata.files.png import MaskWriter
from segdata.files.tiff import TiffWriter
from segdata.files.vectors.geojson import write_features
from segdata.nn.curves import draw_curves, write_rows
from segdata.pages.grid import Image
from segdata.pages.sheet import write_sheet

NEW = bytes(range(256)) * 40


@pytest.fixture
def power(tmp_path: Path) -> Iterator[Power]:
    """Follows what is written into a folder."""
    (tmp_path / "work").mkdir()
    found = Power(tmp_path / "work")
    yield found
    found.close()


def drafted(path: Path) -> None:
    with local_draft(path) as here:
        here.write_bytes(NEW)


def sheet(path: Path) -> None:
    write_sheet(path, [Image.new("RGB", (9, 9))], 1, Labels.of(["a"]), {0: 1})


SINGLE: dict[str, Callable[[Path], Any]] = {
    "x.json": lambda path: write_whole(path, NEW),
    "deep/er/x.json": lambda path: write_whole(path, NEW),
    "x.pt": drafted,
    "x.csv": lambda path: write_rows(path, [{"epoch": 1.0, "loss": 0.5}]),
    "x.geojson": lambda path: write_features(path, [{"type": "Feature"}] * 9),
    "x.svg": lambda path: draw_curves(path, {"run": [[{"epoch": 1.0, "val_loss": 0.5}]]}),
    "x.png": sheet,
}


@pytest.mark.parametrize("old", [None, b"old"])
@pytest.mark.parametrize("name", SINGLE)
def test_a_single_file_is_the_old_or_the_new_one_after_a_power_cut(name: str, old: bytes | None, power: Power) -> None:
    path = power.root / name
    if old is not None:
        write_whole(path, old)
    with pytest.MonkeyPatch.context() as patch:
        power.record(patch)
        SINGLE[name](path)
        power.cut()
    new = path.read_bytes()
    for cut in power.cuts:
        for mode in MODES:
            build(power.root, cut.after(mode))
            assert (path.read_bytes() if path.exists() else None) in (old, new), mode
    assert path.read_bytes() == new, "it was not on disk in the end"


@pytest.mark.parametrize("code", [None, 0, errno.ENOSYS])
def test_without_a_call_for_all_each_file_and_folder_is_flushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int | None
) -> None:
    for name in ("a.png", "deep/b.png", "deep/er/c.png"):
        write_whole(tmp_path / "d" / name, NEW)
    (tmp_path / "d/link").symlink_to(tmp_path / "none")
    flushed: set[str] = set()
    monkeypatch.setattr(os, "fsync", lambda file: flushed.add(os.readlink(f"/proc/self/fd/{file}")))
    if code is None:
        monkeypatch.setattr(durable.sys, "platform", "darwin")
    else:
        answer = lambda file: -1 if code else 0  # noqa: E731
        monkeypatch.setattr(durable.ctypes, "CDLL", lambda *_, **__: type("C", (), {"syncfs": staticmethod(answer)}))
        monkeypatch.setattr(durable.ctypes, "get_errno", lambda: code)
    durable.sync_tree(tmp_path / "d")
    every = {str(tmp_path / "d" / name) for name in (".", "a.png", "deep", "deep/b.png", "deep/er", "deep/er/c.png")}
    every = {os.path.normpath(path) for path in every} | {str(one) for one in (tmp_path / "d").parents}
    assert flushed == (set() if code == 0 else every)


def test_what_got_lost_on_its_way_to_the_disk_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durable.ctypes, "CDLL", lambda *_, **__: type("C", (), {"syncfs": staticmethod(lambda _: -1)}))
    monkeypatch.setattr(durable.ctypes, "get_errno", lambda: errno.EIO)
    with pytest.raises(OSError, match="Input/output error") as caught:
        durable.sync_tree(tmp_path)
    assert caught.value.filename == str(tmp_path)


@pytest.mark.parametrize("code", [errno.EINVAL, errno.EBADF, errno.EIO])
def test_folders_that_cannot_be_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def refuse(file: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    if code != errno.EIO:
        durable.sync_folder(tmp_path)
        return
    with pytest.raises(OSError, match="Input/output error") as caught:
        durable.sync_folder(tmp_path)
    assert caught.value.filename == str(tmp_path)


# Full disks


def masked(path: Path) -> None:
    with MaskWriter(path, 64, 64, np.uint8) as writer:
        writer.write(np.zeros((64, 64), np.uint8))


def tiffed(path: Path) -> None:
    with TiffWriter(path, 64, 64, 1, np.uint8) as writer:
        writer.write(0, 0, np.zeros((1, 64, 64), np.uint8))


def packed(path: Path) -> None:
    with Draft(path) as draft:
        draft.file.write(NEW)


def copied(path: Path) -> None:
    (path.parent.parent / "source").write_bytes(NEW)
    copy_file(path.parent.parent / "source", path)


@pytest.mark.parametrize("call", ["open", "replace", "fsync"])
@pytest.mark.parametrize("write", [*SINGLE.values(), masked, tiffed, packed, copied])
def test_nothing_is_left_beside_what_could_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], Any], call: str
) -> None:
    """The disk is full as the file is opened, flushed, or given its name. The error names what was to be written."""
    path = tmp_path / "out" / next((name for name, one in SINGLE.items() if one is write), "x.tif")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"old")
    full, real = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), open

    def refuse(file: Any, *given: Any, **options: Any) -> Any:
        if call == "open" and ".partial" not in str(file):
            return real(file, *given, **options)
        raise OSError(*full.args, *([] if call == "fsync" else [str(file)]))

    monkeypatch.setattr("builtins.open" if call == "open" else f"os.{call}", refuse)
    monkeypatch.setattr("io.open", refuse if call == "open" else real)
    if call == "fsync" and write in (masked, tiffed, packed, copied):
        write(path)  # which is left to the job
        assert path.read_bytes() != b"old"
    else:
        with pytest.raises(OSError, match="No space left") as caught:
            write(path)
        assert caught.value.filename == str(path)
        assert path.read_bytes() == b"old"
    assert [one.name for one in path.parent.iterdir()] == [path.name]


# Copies


@pytest.mark.parametrize("code", [None, 0, errno.EXDEV, errno.EINVAL, errno.ENOSYS])
def test_a_copy_has_all_bytes_whatever_the_file_system_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int | None
) -> None:
    (tmp_path / "there").write_bytes(NEW)
    (tmp_path / "link").symlink_to("there")
    real, calls = getattr(os, "copy_file_range", None), []

    def some(old: int, new: int, size: int) -> int:
        """A part, then no more."""
        calls.append(size)
        if len(calls) > 1:
            if code:
                raise OSError(code, os.strerror(code))
            return 0
        return int(real(old, new, 1000)) if real else 0

    if code is None:
        monkeypatch.delattr(os, "copy_file_range", raising=False)
    else:
        monkeypatch.setattr(os, "copy_file_range", some, raising=False)
    copy_file(tmp_path / "link", tmp_path / "out/here")
    assert (tmp_path / "out/here").read_bytes() == NEW
    assert not (tmp_path / "out/here").is_symlink()
    assert contents(tmp_path).keys() == {"there", "link", "out/here"}
    assert len(NEW) < members.MANY


def test_a_copy_takes_the_place_of_a_link_and_of_itself(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"an image")
    os.link(tmp_path / "x", tmp_path / "hard")
    (tmp_path / "soft").symlink_to("x")
    for name in ("hard", "soft", "x"):
        copy_file(tmp_path / "x", tmp_path / name)
        assert (tmp_path / name).read_bytes() == b"an image"
        assert os.lstat(tmp_path / name).st_nlink == 1
    assert not (tmp_path / "soft").is_symlink()
