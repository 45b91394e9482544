"""Arrays in MAT files are those that SciPy reads; what is damaged, too large or nested without end is one message."""

from __future__ import annotations

import struct
import sys
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.errors import DataError
from segdata.files import mat
from segdata.files.mat import count_of, read_array, read_numbers

HEAD = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H2s", 0x100, b"IM")


@pytest.fixture(scope="module")
def writer() -> Iterator[ModuleType]:
    """The generator of samples, which writes MAT files of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "tools"))
        import sample_sbd

        yield sample_sbd
    for name in ("sample_sbd", "sample_canvas", "sample_scenes"):
        sys.modules.pop(name, None)


@given(st.data())
def test_arrays_are_those_that_scipy_reads(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    io = pytest.importorskip("scipy.io")
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    kind = data.draw(st.sampled_from(["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8", "?"]))
    array = random.integers(0, 2 if kind == "?" else 100, random.integers(1, 9, 2)).astype(kind)
    names = np.array(["a", "unlabelled", "c" * 70], object)
    fields = {"Boundaries": np.array([array, "text"], object), "Segmentation": array, "Last": 5.0}
    path = tmp_path_factory.mktemp("mat") / "a.mat"
    io.savemat(path, {"x" * data.draw(st.integers(1, 31)): 1, "GTcls": fields, "S": array, "names": names},
               do_compression=data.draw(st.booleans()))  # fmt: skip
    read = io.loadmat(path)
    np.testing.assert_array_equal(read_array(path, "S"), read["S"])
    np.testing.assert_array_equal(read_array(path, "GTcls", "Segmentation"), read["GTcls"][0]["Segmentation"][0])
    np.testing.assert_array_equal(read_numbers(path, "S"), read["S"].ravel(order="F"))
    assert (count_of(path, "names"), count_of(path, "none")) == (3, 0)


def test_bytes_in_the_other_order(tmp_path: Path) -> None:
    def element(kind: int, data: bytes) -> bytes:
        return struct.pack(">II", kind, len(data)) + data + bytes(-len(data) % 8)

    array = (np.arange(6).reshape(2, 3) + 300).astype(">u2")
    small = struct.pack(">I", 1 << 16 | 1) + b"S\0\0\0"
    inner = element(6, struct.pack(">II", 11, 0)) + element(5, struct.pack(">2i", 2, 3)) + small
    file = tmp_path / "a.mat"
    head = HEAD[:124] + struct.pack(">H2s", 0x100, b"MI")
    file.write_bytes(head + element(14, inner + element(4, array.tobytes(order="F"))))
    np.testing.assert_array_equal(read_array(file, "S"), array)
    np.testing.assert_array_equal(pytest.importorskip("scipy.io").loadmat(file)["S"], array)


def refused(path: Path, *names: str) -> str:
    """What is said of an array that cannot be read; the file is named."""
    with pytest.raises(DataError) as caught:
        read_array(path, *names or ("S",))
    assert caught.value.problem.file == str(path)
    return f"{caught.value.problem.message} [{caught.value.problem.code}]"


def test_what_is_no_mask_is_told(writer: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "a.mat"
    ok = writer.numbers(np.zeros((2, 3), np.uint8))
    writer.write_mat(file, {"S": writer.record({"A": ok}), "T": writer.cell([ok]), "N": writer.texts(["a"]), "U": ok,
                            "E": writer.numbers(np.zeros((0, 3), np.uint8))})  # fmt: skip
    assert "S is a struct" in refused(file)
    assert "T is a cell" in refused(file, "T")
    assert "no field B" in refused(file, "S", "B")
    assert "U has no field A" in refused(file, "U", "A")
    assert "no variable Z" in refused(file, "Z")
    assert "E is of 0 x 3 numbers" in refused(file, "E")
    assert refused(tmp_path / "none.mat").endswith("[mask.missing]")
    for data, told in ((b"", "no MAT file"), (b"MATLAB 7.3 MAT-file".ljust(600), "7.3"), (b"\x89HDF\r\n", "7.3"),
                       (b"x" * 500, "no MAT file"), (file.read_bytes()[:150], "cut off"), (HEAD, "no variable")):  # fmt: skip
        file.write_bytes(data)
        assert told in refused(file)


@pytest.mark.parametrize("compressed", [True, False])
def test_damage_is_told_and_nothing_else_happens(writer: ModuleType, tmp_path: Path, compressed: bool) -> None:
    file, random = tmp_path / "a.mat", np.random.default_rng(4)
    array = random.integers(0, 21, (5, 6)).astype(np.uint8)
    edges = writer.cell([writer.sparse(np.argwhere(array == 1)[:3], array.shape)])
    held = writer.record({"Boundaries": edges, "Segmentation": writer.numbers(array)})
    writer.write_mat(file, {"GTcls": held}, compressed)
    whole = file.read_bytes()
    for _ in range(1500):
        data = bytearray(whole)
        for place in random.integers(128, len(data) - 4, 2):
            data[place : place + 4] = int(random.choice([0, 1, 2**32 - 1, 2**31 - 1, 14, 15, 2**20])).to_bytes(
                4, "little"
            )
        file.write_bytes(data[: random.integers(100, 2 * len(data))])
        with suppress(DataError):
            assert read_array(file, "GTcls", "Segmentation").ndim == 2


def element(kind: int, data: bytes) -> bytes:
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def cell_of(name: bytes) -> bytes:
    """The head of a cell of one part."""
    return element(6, struct.pack("<II", 1, 0)) + element(5, struct.pack("<2i", 1, 1)) + element(1, name)


def test_cells_nested_without_end_are_not_entered(tmp_path: Path) -> None:
    """SciPy's reader ends the process here: each cell says that it is short, and holds the next."""
    deep = cell_of(b"S") + b"".join(struct.pack("<II", 14, 8) + cell_of(b"") for _ in range(200_000))
    (tmp_path / "a.mat").write_bytes(HEAD + element(14, deep))
    assert "S is a cell" in refused(tmp_path / "a.mat")


def test_a_bomb_is_not_inflated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = 2**24
    head = element(6, struct.pack("<II", 9, 0)) + element(5, struct.pack("<2i", 1, size)) + element(1, b"S")
    inner = struct.pack("<II", 14, size + 56) + head + struct.pack("<II", 2, size) + bytes(size)
    packed = zlib.compress(inner, 9)
    (tmp_path / "a.mat").write_bytes(HEAD + struct.pack("<II", 15, len(packed)) + packed)
    assert read_array(tmp_path / "a.mat", "S").shape == (1, size)
    monkeypatch.setattr(mat, "LARGEST", size)
    assert refused(tmp_path / "a.mat").endswith("[mask.too_large]")
    monkeypatch.setattr(mat, "MAX_PIXELS", size - 1)
    monkeypatch.setattr(mat, "LARGEST", 2 * size)
    assert "more than the limit" in refused(tmp_path / "a.mat")


def test_only_the_wanted_variable_is_inflated(
    writer: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    big, small = writer.numbers(np.zeros((500, 500), np.uint8)), writer.numbers(np.ones((2, 2), np.uint8))
    writer.write_mat(tmp_path / "a.mat", {"regionMapStuff": big, "S": small})
    monkeypatch.setattr(mat, "LARGEST", 1000)
    np.testing.assert_array_equal(read_array(tmp_path / "a.mat", "S"), np.ones((2, 2)))
