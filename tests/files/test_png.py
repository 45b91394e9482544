"""The label PNG codec against a PNG writer that follows the specification word by word, and against Pillow and OpenCV."""

from __future__ import annotations

import hashlib
import io
import random
import struct
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray
from PIL import Image

from segdata.errors import DataError
from segdata.files import png as masks
from segdata.files.png import MaskWriter, decode_mask, encode_mask, encode_rgb

GREY, PALETTE = 0, 3
KINDS = [(GREY, 1), (GREY, 2), (GREY, 4), (GREY, 8), (GREY, 16), (PALETTE, 1), (PALETTE, 2), (PALETTE, 4), (PALETTE, 8)]
SIGNATURE = bytes([137, 80, 78, 71, 13, 10, 26, 10])

# --- the reference writer: PNG specification, third edition, sections 5, 7, 8 and 9


def chunk(name: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def header(width: int, height: int, depth: int = 8, kind: int = GREY, *rest: int) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBB", width, height, depth, kind) + bytes(rest or (0, 0, 0)))


def write_png(
    values: NDArray[Any],
    depth: int,
    kind: int,
    rng: random.Random,
    *,
    interlaced: bool = False,
    filters: Sequence[int] = range(5),
) -> bytes:
    """(H, W) values below 2**depth as a PNG: random filters a row, several IDAT chunks, ancillary chunks in between."""
    height, width = values.shape
    if interlaced:  # section 8: the seven passes of Adam7
        starting_row, starting_col = (0, 0, 4, 0, 2, 0, 1), (0, 4, 0, 2, 0, 1, 0)
        row_increment, col_increment = (8, 8, 8, 4, 4, 2, 2), (8, 8, 4, 4, 2, 2, 1)
        raw = b""
        for i in range(7):
            reduced = values[starting_row[i] :: row_increment[i], starting_col[i] :: col_increment[i]]
            raw += filtered(reduced, depth, rng, filters) if reduced.size else b""
    else:
        raw = filtered(values, depth, rng, filters)
    data = zlib.compress(raw, rng.randrange(10))
    cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.randrange(4)))
    parts = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    palette = [chunk(b"gAMA", struct.pack(">I", 45455))]
    if kind == PALETTE:  # colours that have nothing to do with the indices
        palette += [
            chunk(b"PLTE", rng.randbytes(3 * 2**depth)),
            chunk(b"tRNS", rng.randbytes(rng.randrange(1, 2**depth + 1))),
        ]
    body = [
        header(width, height, depth, kind, 0, 0, int(interlaced)),
        *palette,
        *(chunk(b"IDAT", part) for part in parts),
    ]
    return SIGNATURE + b"".join(body) + chunk(b"tEXt", b"Comment\0IDAT IEND") + chunk(b"IEND")


def filtered(values: NDArray[Any], depth: int, rng: random.Random, filters: Sequence[int]) -> bytes:
    """Section 7.2 and 9: packed scanlines, each behind its filter type, predicted from original bytes."""
    distance = max(1, depth // 8)
    above = bytes(-(-values.shape[1] * depth // 8))
    out = bytearray()
    for row in values.tolist():
        bits = "".join(format(v, f"0{depth}b") for v in row)
        bits += "0" * (-len(bits) % 8)
        line = bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
        kind = rng.choice(list(filters))
        out.append(kind)
        for x, byte in enumerate(line):
            a = line[x - distance] if x >= distance else 0
            b = above[x]
            c = above[x - distance] if x >= distance else 0
            out.append((byte - (0, a, b, (a + b) // 2, paeth(a, b, c))[kind]) % 256)
        above = line
    return bytes(out)


def paeth(a: int, b: int, c: int) -> int:
    p = a + b - c
    pa, pb, pc = abs(p - a), abs(p - b), abs(p - c)
    if pa <= pb and pa <= pc:
        return a
    return b if pb <= pc else c


# --- strategies and helpers

SHAPES = npst.array_shapes(min_dims=2, max_dims=2, max_side=40)
MASKS = st.sampled_from([np.uint8, np.uint16]).flatmap(lambda dtype: npst.arrays(dtype, SHAPES))


def label_map(seed: int = 0, height: int = 60, width: int = 80, classes: int = 21) -> NDArray[np.uint8]:
    """(H, W) uint8: rectangles and void, as labels look."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((height, width), np.uint8)
    for _ in range(12):
        y, x = rng.integers(0, height), rng.integers(0, width)
        mask[y : y + rng.integers(4, 30), x : x + rng.integers(4, 30)] = rng.integers(0, classes)
    mask[::7, 3:9] = 255
    return mask


def pillow(data: bytes) -> NDArray[Any]:
    with Image.open(io.BytesIO(data)) as image:
        return np.array(image)


def saved(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def refused(data: bytes, **options: Any) -> str:
    """The code of the refusal."""
    with pytest.raises(DataError) as caught:
        decode_mask(data, **options)
    return caught.value.problem.code


# --- what we write


@given(MASKS)
@example(np.zeros((1, 1), np.uint8))
@example(np.arange(300, dtype=np.uint16).reshape(1, 300))
@example(np.arange(300, dtype=np.uint16).reshape(300, 1))
@example(np.full((3, 5), 65535, np.uint16))
def test_round_trip_and_every_other_reader(mask: NDArray[Any]) -> None:
    before = mask.copy()
    data = encode_mask(mask)
    assert np.array_equal(mask, before)
    back = decode_mask(data)
    assert back.dtype == mask.dtype
    assert np.array_equal(back, mask)
    assert np.array_equal(pillow(data), mask)
    by_opencv = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert by_opencv.dtype == mask.dtype
    assert np.array_equal(by_opencv, mask)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("view", [lambda m: m.T, lambda m: m[::-1, ::2], lambda m: m[3:, 5:], np.asfortranarray])
def test_any_memory_layout(dtype: type, view: Any) -> None:
    mask = view(np.random.default_rng(1).integers(0, np.iinfo(dtype).max, (40, 30)).astype(dtype))
    assert np.array_equal(decode_mask(encode_mask(mask)), mask)


def test_the_same_mask_gives_the_same_bytes() -> None:
    mask = label_map()
    assert encode_mask(mask) == encode_mask(np.asfortranarray(mask))


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (4,), (2, 3, 3)])
def test_only_images_of_ids_are_encoded(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"a mask is \(H, W\)"):
        encode_mask(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("dtype", [np.int32, np.bool_, np.int8, np.float32, ">u2"])
def test_only_masks_are_encoded(dtype: Any) -> None:
    with pytest.raises(ValueError, match="a mask is"):
        encode_mask(np.zeros((2, 3), dtype))


# --- what we read: the reference writer is the oracle


@pytest.mark.parametrize("interlaced", [False, True], ids=["plain", "adam7"])
@pytest.mark.parametrize(("kind", "depth"), KINDS)
@given(data=st.data())
def test_every_kind_of_one_channel_png(kind: int, depth: int, interlaced: bool, data: st.DataObject) -> None:
    shape = data.draw(npst.array_shapes(min_dims=2, max_dims=2, max_side=20))
    values = data.draw(npst.arrays(np.uint16, shape, elements=st.integers(0, 2**depth - 1)))
    rng = random.Random(data.draw(st.integers(0, 2**32)))
    png = write_png(values, depth, kind, rng, interlaced=interlaced)
    mask = decode_mask(png)
    assert mask.dtype == (np.uint16 if depth == 16 else np.uint8)
    assert np.array_equal(mask, values)


@pytest.mark.parametrize("filter", range(5))
@pytest.mark.parametrize("depth", [1, 8, 16])
def test_each_filter_alone(filter: int, depth: int) -> None:
    values = np.random.default_rng(filter).integers(0, 2**depth, (33, 41))
    png = write_png(values, depth, GREY, random.Random(1), filters=[filter])
    assert np.array_equal(decode_mask(png), values)


@pytest.mark.parametrize(("kind", "depth"), [k for k in KINDS if k[0] == PALETTE or k[1] in (8, 16)])
@pytest.mark.parametrize("interlaced", [False, True])
def test_the_reference_writer_itself_is_right(kind: int, depth: int, interlaced: bool) -> None:
    """Pillow reads the same values, where it does not stretch them."""
    values = np.random.default_rng(depth).integers(0, 2**depth, (19, 23))
    png = write_png(values, depth, kind, random.Random(depth), interlaced=interlaced)
    assert np.array_equal(pillow(png), values)


def test_grey_of_fewer_bits_is_not_stretched() -> None:
    """Pillow and OpenCV make 0, 85, 170, 255 of two bits; values are ids here."""
    png = write_png(np.array([[0, 1, 2, 3]]), 2, GREY, random.Random(0))
    assert decode_mask(png).tolist() == [[0, 1, 2, 3]]
    assert pillow(png).tolist() == [[0, 85, 170, 255]]


# --- what Pillow writes


def test_pillow_grey_and_16_bit() -> None:
    mask = label_map()
    assert np.array_equal(decode_mask(saved(Image.fromarray(mask))), mask)
    sixteen = np.random.default_rng(0).integers(0, 65536, (20, 30)).astype(np.uint16)
    assert np.array_equal(decode_mask(saved(Image.fromarray(sixteen))), sixteen)


def test_pillow_one_bit() -> None:
    mask = label_map() > 3
    assert np.array_equal(decode_mask(saved(Image.fromarray(mask))), mask.astype(np.uint8))


@pytest.mark.parametrize("transparency", [None, 0, bytes([0, 128, 255])])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_pillow_palette_gives_indices_not_colours(bits: int, transparency: int | bytes | None) -> None:
    """The commonest trap of the field: OpenCV gives colours for such a file."""
    mask = label_map() & np.uint8(2**bits - 1)
    image = Image.fromarray(mask)
    image.putpalette(np.random.default_rng(bits).integers(0, 256, 3 * 2**bits).astype(np.uint8).tobytes())
    options = {} if transparency is None else {"transparency": transparency}
    data = saved(image, bits=bits, **options)
    assert np.array_equal(decode_mask(data), mask)
    by_opencv = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert by_opencv.ndim == 3


# --- what is refused


@pytest.mark.parametrize(("mode", "channels"), [("RGB", 3), ("RGBA", 4), ("LA", 2)])
def test_colours_are_refused(mode: str, channels: int) -> None:
    array = np.zeros((4, 5, channels), np.uint8)
    image = Image.fromarray(array)
    assert image.mode == mode
    assert refused(saved(image)) == "mask.colours"


@pytest.mark.parametrize("data", [b"", b"\x89PNG", SIGNATURE[:-1], b"GIF89a" + bytes(50), bytes(100)])
def test_what_is_no_png_is_refused(data: bytes) -> None:
    assert refused(data) == "mask.not_png"


def test_a_jpeg_is_no_png() -> None:
    assert refused(saved(Image.fromarray(label_map()), "JPEG")) == "mask.not_png"


@pytest.mark.parametrize(
    "data",
    [encode_mask(label_map()), saved(Image.fromarray(label_map())), saved(Image.fromarray(label_map()).convert("P"))],
)
def test_a_truncated_file_is_refused_wherever_it_ends(data: bytes) -> None:
    for size in [*range(0, len(data), 10), len(data) - 1]:
        assert refused(data[:size]) in ("mask.damaged", "mask.not_png")


FILES = [
    encode_mask(label_map()),
    encode_mask(label_map().astype(np.uint16) * 200),
    write_png(label_map(height=17, width=13) % 16, 4, PALETTE, random.Random(5)),
    write_png(label_map(height=17, width=13), 8, GREY, random.Random(6), interlaced=True),
]


@given(st.sampled_from(FILES), st.data())
def test_one_flipped_byte_is_found_or_harmless(file: bytes, data: st.DataObject) -> None:
    """Harmless: in what no pixel depends on, such as a palette or the end mark."""
    position = data.draw(st.integers(0, len(file) - 1))
    damaged = bytearray(file)
    damaged[position] ^= data.draw(st.integers(1, 255))
    try:
        mask = decode_mask(bytes(damaged))
    except DataError:
        return
    assert np.array_equal(mask, decode_mask(file))


@pytest.mark.parametrize("name", [b"IHDR", b"IDAT"])
def test_a_wrong_checksum_is_refused(name: bytes) -> None:
    data = bytearray(encode_mask(label_map()))
    at = data.index(name)
    (size,) = struct.unpack_from(">I", data, at - 4)
    data[at + 4 + size] ^= 1
    assert refused(bytes(data)) == "mask.damaged"


@pytest.mark.parametrize(
    "fields",
    [
        (0, 5, 8, GREY),
        (5, 0, 8, GREY),
        (5, 5, 3, GREY),
        (5, 5, 0, GREY),
        (5, 5, 16, PALETTE),
        (5, 5, 8, 1),
        (5, 5, 8, 5),
        (5, 5, 8, 255),
        (5, 5, 8, GREY, 1, 0, 0),
        (5, 5, 8, GREY, 0, 64, 0),
        (5, 5, 8, GREY, 0, 0, 2),
    ],
)
def test_impossible_headers_are_refused(fields: tuple[int, ...]) -> None:
    body = chunk(b"IDAT", zlib.compress(bytes(1000)))
    assert refused(SIGNATURE + header(*fields) + body + chunk(b"IEND")) == "mask.damaged"


def test_headers_that_are_missing_short_or_twice_are_refused() -> None:
    body = chunk(b"IDAT", zlib.compress(bytes(30))) + chunk(b"IEND")
    for head in (b"", chunk(b"IHDR", b"\0\0\0\5"), header(5, 5) * 2):
        assert refused(SIGNATURE + head + body) == "mask.damaged"


@pytest.mark.parametrize("kind", range(5, 256, 50))
def test_an_unknown_filter_is_refused(kind: int) -> None:
    raw = bytes([0, 1, 2, kind, 1, 2])
    data = SIGNATURE + header(2, 2) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND")
    with pytest.raises(DataError, match="row 1 has an unknown filter"):
        decode_mask(data)


@given(
    st.tuples(st.integers(0, 70), st.integers(0, 70), st.sampled_from([0, 1, 2, 4, 8, 16]), st.sampled_from([0, 3]), st.just(0),
              st.just(0), st.integers(0, 2)),
    st.binary(max_size=300),
    st.booleans(),
)  # fmt: skip
def test_well_formed_nonsense(fields: tuple[int, ...], raw: bytes, deflated: bool) -> None:
    """Right checksums over random content: an array of the declared size, or a `DataError`."""
    body = chunk(b"IDAT", zlib.compress(raw) if deflated else raw)
    try:
        mask = decode_mask(SIGNATURE + header(*fields) + body + chunk(b"IEND"))
    except DataError:
        return
    assert mask.shape == (fields[1], fields[0])


@given(st.binary(max_size=200))
def test_garbage_behind_the_signature(garbage: bytes) -> None:
    assert refused(SIGNATURE + garbage) in ("mask.damaged", "mask.colours", "mask.too_large")


# --- decompression bombs


def test_the_pixel_limit() -> None:
    data = encode_mask(np.zeros((30, 40), np.uint8))
    assert decode_mask(data, max_pixels=1200).shape == (30, 40)
    assert refused(data, max_pixels=1199) == "mask.too_large"
    with pytest.raises(DataError, match=r"40 x 30 pixels are more than the limit of 1199 \(SEGDATA_MAX_PIXELS"):
        decode_mask(data, max_pixels=1199)


def test_a_header_that_claims_billions_of_pixels() -> None:
    data = SIGNATURE + header(60_000, 60_000) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND")
    assert refused(data) == "mask.too_large"


def test_a_header_that_claims_more_than_there_is_takes_no_memory() -> None:
    data = SIGNATURE + header(16_000, 16_000) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND")
    tracemalloc.start()
    assert refused(data) == "mask.damaged"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_data_beyond_the_declared_size_is_not_inflated() -> None:
    """A hundred megabytes of zeros behind a mask of 110 bytes."""
    packer = zlib.compressobj(1)
    body = b"".join(packer.compress(bytes(2**20)) for _ in range(100)) + packer.flush()
    data = SIGNATURE + header(10, 10) + chunk(b"IDAT", body) + chunk(b"IEND")
    tracemalloc.start()
    mask = decode_mask(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert mask.tolist() == [[0] * 10] * 10
    assert peak < 4 * len(data) < 2**22


# --- real files


@pytest.mark.data
def test_files_are_no_larger_than_one_and_a_half_times_pillows(shared_data: Path) -> None:
    ours = pillows = 0
    for path in sorted((shared_data / "camvid" / "valannot").glob("*.png"))[::10]:
        mask = decode_mask(path.read_bytes())
        one, other = len(encode_mask(mask)), len(saved(Image.fromarray(mask)))
        assert one <= 1.5 * other, path.name
        ours, pillows = ours + one, pillows + other
    assert 0 < ours <= 1.5 * pillows


@pytest.mark.data
def test_real_palette_files_as_pillow_reads_them(shared_data: Path) -> None:
    files = [p for p in sorted((shared_data / "voc").rglob("*.png")) if p.parent.name.startswith("Segmentation")]
    read = 0
    for path in files:
        with Image.open(path) as image:
            if image.mode == "P":
                read += 1
                assert np.array_equal(decode_mask(path.read_bytes()), np.array(image)), path.name
    assert read >= 5


@pytest.mark.data
def test_labelme_files_as_their_numpy_twins(shared_data: Path) -> None:
    """The NPY holds the ids; -1 there is 255 in the PNG."""
    twins = sorted((shared_data / "voc" / "labelme").rglob("SegmentationClassNpy/*.npy"))
    assert len(twins) == 3
    for twin in twins:
        png = twin.parents[1] / "SegmentationClass" / f"{twin.stem}.png"
        ids = np.load(twin)
        assert np.array_equal(decode_mask(png.read_bytes()), np.where(ids == -1, 255, ids)), png.name


FRESH = """
import hashlib, numpy as np
from segdata.files.png import encode_mask
rng = np.random.default_rng(5)
masks = [rng.integers(0, 4, rng.integers(4, 60, 2)).astype(np.uint8) for _ in range(300)]
print(hashlib.sha256(b"".join(map(encode_mask, masks))).hexdigest())
"""


@pytest.mark.process
def test_every_process_writes_the_same_bytes() -> None:
    """ISA-L's compression is not the same in every process: of 60, 14 differed on these masks in one shot, 1 as a stream."""
    commands = [subprocess.Popen([sys.executable, "-c", FRESH], stdout=subprocess.PIPE, text=True) for _ in range(24)]
    assert len({command.communicate()[0] for command in commands}) == 1


# --- masks of any size, and images


@settings(max_examples=30)
@given(st.lists(st.integers(0, 9), max_size=9), st.integers(1, 30), st.sampled_from([np.uint8, np.uint16]))
def test_a_mask_written_a_few_rows_at_a_time(tmp_path_factory: Any, rows: list[int], w: int, dtype: Any) -> None:
    rows = [*rows, 1]
    mask = np.random.default_rng(w).integers(0, 9, (sum(rows), w)).astype(dtype)
    path = tmp_path_factory.mktemp("writer") / "a/x.png"
    with MaskWriter(path, len(mask), w, dtype) as writer:
        for end, n in zip(np.cumsum(rows), rows, strict=True):
            writer.write(mask[end - n : end])
    np.testing.assert_array_equal(decode_mask(path.read_bytes()), mask)
    np.testing.assert_array_equal(np.asarray(Image.open(path)), mask)
    assert path.read_bytes() == encode_mask(mask)
    assert writer.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert [p.name for p in path.parent.iterdir()] == ["x.png"]


def test_a_large_mask_is_of_several_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mask = np.random.default_rng(0).integers(0, 250, (900, 300)).astype(np.uint8)
    monkeypatch.setattr(masks, "IDAT", 2**15)
    with MaskWriter(tmp_path / "x.png", *mask.shape, mask.dtype) as writer:
        for y in range(0, len(mask), 50):
            writer.write(mask[y : y + 50])
    data = (tmp_path / "x.png").read_bytes()
    assert data.count(b"IDAT") > 2
    np.testing.assert_array_equal(decode_mask(data), mask)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "x.png")), mask)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_strips_that_are_filtered_leave_no_trace(monkeypatch: pytest.MonkeyPatch, dtype: Any) -> None:
    mask = np.kron(np.random.default_rng(0).integers(0, 250, (40, 9)), np.ones((7, 11))).astype(dtype)
    whole = encode_mask(mask)
    for strip in (1, 1000):
        monkeypatch.setattr(masks, "STRIP", strip)
        assert encode_mask(mask) == whole


def test_a_mask_that_is_not_whole_is_not_there(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="3 rows are missing"),
        MaskWriter(tmp_path / "x.png", 5, 4, np.uint8) as writer,
    ):
        writer.write(np.zeros((2, 4), np.uint8))
    with (
        pytest.raises(ValueError, match="5 rows of 4 uint8 are left"),
        MaskWriter(tmp_path / "x.png", 5, 4, np.uint8) as writer,
    ):
        writer.write(np.zeros((6, 4), np.uint8))
    assert not list(tmp_path.iterdir())


@given(st.integers(1, 20), st.integers(1, 20))
def test_a_image_is_what_pillow_reads(h: int, w: int) -> None:
    image = np.random.default_rng(h * w).integers(0, 256, (h, w, 3)).astype(np.uint8)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(encode_rgb(image)))), image)
    with pytest.raises(ValueError, match="an image is"):
        encode_rgb(image[:, :, :2])


def test_painted_masks_are_the_same_in_any_number_of_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    mask, colors = rng.integers(0, 9, (37, 11)).astype(np.uint8), rng.integers(0, 256, (256, 4)).astype(np.uint8)
    whole = masks.encode_painted(mask, colors)
    monkeypatch.setattr(masks, "STRIP", 100)
    assert masks.encode_painted(mask, colors) == whole
    with Image.open(io.BytesIO(whole)) as image:
        np.testing.assert_array_equal(np.asarray(image), colors[mask])
