"""Duplicates: the search against all pairs, what is done to photographs and still found, and what is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from planted import jpeg
from segdata.dataset import duplicates
from segdata.dataset.duplicates import NEAR, Link, Prints, clusters, copies, fingerprint, near_links, read_looks
from segdata.dataset.sample import Sample
from segdata.errors import DataError, OptionError
from segdata.files.images import read_image
from segdata.windows import Window


def distance(a: Prints, b: Prints) -> int:
    """Bits in which two images (8, 4) differ, in any orientation: in plain Python."""
    whole = [[int.from_bytes(half.tobytes(), "little") for half in one] for one in (a, b)]
    return min((whole[0][0] ^ turned).bit_count() for turned in whole[1])


def random_prints(rng: np.random.Generator, n: int) -> Prints:
    return rng.integers(0, 2**64, (n, 8, 4), dtype=np.uint64)


def flipped(print: Prints, bits: list[int], by: int) -> Prints:
    """An image's prints (8, 4) with some of 256 bits changed in all, and numbered otherwise where it is turned."""
    out = np.roll(print, by, axis=0)
    for bit in bits:
        out[:, bit // 64] ^= np.uint64(1 << bit % 64)
    return out


# The search


@given(st.integers(0, 2**32 - 1), st.integers(0, 31), st.data())
def test_near_links_are_those_of_all_pairs(seed: int, near: int, data: st.DataObject) -> None:
    rng = np.random.default_rng(seed)
    prints = list(random_prints(rng, 4))
    for _ in range(data.draw(st.integers(0, 8))):
        bits = data.draw(st.lists(st.integers(0, 255), max_size=34, unique=True))
        prints.append(flipped(prints[data.draw(st.integers(0, len(prints) - 1))], bits, data.draw(st.integers(0, 7))))
    table = np.array(prints)
    found = near_links(table, near)
    first = {i: next(j for j in range(i + 1) if (table[j] == table[i]).all()) for i in range(len(table))}
    expected = {Link(0, first[i], i) for i in first if first[i] != i}
    for i, j in combinations([i for i in first if first[i] == i], 2):
        bits_apart = min(distance(table[i], table[j]), distance(table[j], table[i]))
        if bits_apart <= near:
            expected.add(Link(bits_apart, i, j))
    assert sorted(expected) == found


@pytest.mark.parametrize("near", [0, 1, 12, 13, 24, 25, 30, 31])
def test_the_farthest_are_found_wherever_their_bits_lie(near: int) -> None:
    """As many bits as there may be, spread over the bands as evenly as can be, and all at one end."""
    base = random_prints(np.random.default_rng(near), 1)[0]
    for bits in (np.linspace(0, 255, near).astype(int).tolist(), list(range(near)), list(range(256 - near, 256))):
        for by in range(8):
            table = np.array([base, flipped(base, bits, by)])
            assert near_links(table, near) == [Link(near, 0, 1)]
            if near:
                assert near_links(table, near - 1) == []


def test_the_search_does_not_compare_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = 0
    equal = duplicates._equal

    def count(*arguments: np.ndarray) -> tuple[np.ndarray, ...]:  # type: ignore[type-arg]
        nonlocal compared
        found = equal(*arguments)
        compared += len(found[0])
        return found

    monkeypatch.setattr(duplicates, "_equal", count)
    n = 5000
    near_links(random_prints(np.random.default_rng(0), n))
    assert compared < 0.01 * n * n


def test_identical_images_cost_nothing() -> None:
    """A folder of one image must not give millions of links."""
    prints = np.repeat(random_prints(np.random.default_rng(0), 2), 5000, axis=0)
    links = near_links(prints)
    assert len(links) == 2 * 4999
    assert [len(cluster) for cluster in clusters(links)] == [4999, 4999]


def test_few_or_none() -> None:
    assert near_links(np.empty((0, 8, 4), np.uint64)) == []
    assert near_links(random_prints(np.random.default_rng(0), 1)) == []


@pytest.mark.parametrize("near", [-1, 32])
def test_a_threshold_that_cannot_be(near: int) -> None:
    with pytest.raises(OptionError, match="--near"):
        near_links(random_prints(np.random.default_rng(0), 2), near)


def test_copies() -> None:
    assert copies(["a", "b", None, "a", None, "b", "a"]) == [Link(0, 0, 3), Link(0, 1, 5), Link(0, 0, 6)]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 14), st.integers(0, 14)).filter(lambda t: t[1] < t[2])))
def test_clusters_are_connected_components_held_by_their_closest_links(edges: list[tuple[int, int, int]]) -> None:
    links = [Link(*edge) for edge in edges]
    found = clusters(links)
    members = [{i for link in cluster for i in link[1:]} for cluster in found]
    neighbours: dict[int, set[int]] = {}
    for _, a, b in links:
        neighbours.setdefault(a, set()).add(b)
        neighbours.setdefault(b, set()).add(a)
    expected = []
    while neighbours:
        front, seen = [next(iter(neighbours))], set()
        while front:
            if (i := front.pop()) not in seen:
                seen.add(i)
                front += neighbours.pop(i)
        expected.append(seen)
    assert sorted(map(sorted, members)) == sorted(map(sorted, expected))
    for cluster, ids in zip(found, members, strict=True):
        assert len(cluster) == len(ids) - 1
        assert cluster == sorted(cluster)
        assert set(cluster) <= set(links)
        for cut in range(15):  # of the cluster in two parts, the closest link is kept
            across = [x for x in links if {x.first, x.second} <= ids and (x.first < cut) != (x.second < cut)]
            if across:
                assert min(across)[0] == min(x for x in cluster if (x.first < cut) != (x.second < cut))[0]


# Photographs


def look(image: Image.Image) -> tuple[float, Prints]:
    return fingerprint(np.asarray(image.convert("L")))


def through(path: Path, data: bytes) -> Prints:
    """The prints as `check` has them of an image file that holds these bytes."""
    path.write_bytes(data)
    with Image.open(path) as image:
        width, height = image.size
    sample = Sample(id="x", image=path.name, mask="x.png", height=height, width=width, counts={}, sha256="")
    return read_looks(path, [sample])[0].prints


def scaled(image: Image.Image, factor: float) -> Image.Image:
    return image.resize((round(image.width * factor), round(image.height * factor)))


FOUND: dict[str, Callable[[Image.Image], bytes]] = {
    "JPEG 90": lambda p: jpeg(p, 90),
    "JPEG 50": lambda p: jpeg(p, 50),
    "JPEG 10": lambda p: jpeg(p, 10),
    "half": lambda p: jpeg(scaled(p, 0.5)),
    "a quarter": lambda p: jpeg(scaled(p, 0.25)),
    "one and a half": lambda p: jpeg(scaled(p, 1.5)),
    "flipped": lambda p: jpeg(ImageOps.mirror(p)),
    "flipped, half, JPEG 50": lambda p: jpeg(scaled(ImageOps.mirror(p), 0.5), 50),
    "upside down": lambda p: jpeg(ImageOps.flip(p)),
    "turned by 90 degrees": lambda p: jpeg(p.transpose(Image.Transpose.ROTATE_90)),
    "turned by 270 degrees, half": lambda p: jpeg(scaled(p.transpose(Image.Transpose.ROTATE_270), 0.5)),
    "on its other diagonal": lambda p: jpeg(p.transpose(Image.Transpose.TRANSVERSE)),
    "square": lambda p: jpeg(p.resize((min(p.size),) * 2)),
    "grey": lambda p: jpeg(p.convert("L")),
    "brighter by a fifth": lambda p: jpeg(ImageEnhance.Brightness(p).enhance(1.2)),
}
MISSED: dict[str, Callable[[Image.Image], bytes]] = {
    "cropped by a tenth": lambda p: jpeg(ImageOps.crop(p, p.width // 20)),
    "turned by 10 degrees": lambda p: jpeg(p.rotate(10)),
}


@cache
def photographs(folder: Path) -> dict[str, Image.Image]:
    """COCO mini and pets, and the generated samples where those are absent."""
    names = sorted(
        [*folder.glob("coco/mini/train2017/*.jpg"), *folder.glob("pets/images/*.jpg"), *folder.glob("*2017/*.jpg")]
    )
    return {path.name: Image.fromarray(read_image(path)) for path in names}


@pytest.fixture(params=["samples", pytest.param("photographs", marks=pytest.mark.data)])
def many(request: pytest.FixtureRequest) -> Iterator[dict[str, Image.Image]]:
    """The generated samples, and a choice of the real photographs."""
    if request.param == "samples":
        yield photographs(request.getfixturevalue("samples") / "coco")
    else:
        chosen = photographs(request.getfixturevalue("shared_data"))
        assert len(chosen) > 200
        yield dict(list(chosen.items())[::6])


@pytest.mark.parametrize("how", FOUND)
def test_found(many: dict[str, Image.Image], how: str, tmp_path: Path) -> None:
    """As near as the docstring says."""
    apart = [
        distance(through(tmp_path / "a.jpg", jpeg(p, 95)), through(tmp_path / "b.jpg", FOUND[how](p)))
        for p in many.values()
    ]
    assert max(apart) <= {"JPEG 10": 18, "brighter by a fifth": 30}.get(how, 8)
    assert np.median(apart) <= 10 < NEAR


@pytest.mark.parametrize("how", MISSED)
def test_not_found(samples: Path, how: str, tmp_path: Path) -> None:
    """What the docstring says is not found is not, so that it stays true."""
    apart = [
        distance(look(p)[1], through(tmp_path / "b.jpg", MISSED[how](p)))
        for p in list(photographs(samples / "coco").values())[:8]
    ]
    assert np.median(apart) > 31


def test_detail_is_what_it_takes(samples: Path, tmp_path: Path) -> None:
    """Moderate blur does not keep a copy from being found; where nothing is left but blobs, the hash is noise."""
    found = {}
    for radius in (2, 16):
        apart = []
        for p in list(photographs(samples / "coco").values())[:10]:
            blurred = p.filter(ImageFilter.GaussianBlur(radius))
            apart.append(distance(look(blurred)[1], through(tmp_path / "b.jpg", jpeg(ImageOps.mirror(blurred), 60))))
        found[radius] = apart
    assert max(found[2]) <= NEAR < np.median(found[16])


@pytest.mark.data
def test_different_photographs_are_far_apart(shared_data: Path) -> None:
    """No false alarm is near: the closest of all pairs of COCO mini and pets are three times as far as near duplicates."""
    prints = np.array([look(image)[1] for image in photographs(shared_data).values()])
    assert len(prints) > 200
    bits = np.unpackbits(prints.view(np.uint8).reshape(len(prints), 8, 32), axis=2).astype(np.int64)
    apart = [(bits[:, None, 0] != bits[None, :, k]).sum(axis=2) for k in range(8)]
    closest = np.min(apart, axis=0)[np.triu_indices(len(prints), 1)].min()
    assert closest >= 80 > 3 * NEAR
    assert near_links(prints, 31) == []


ORIENTED = (
    None, Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.FLIP_TOP_BOTTOM, Image.Transpose.ROTATE_180,
    Image.Transpose.TRANSPOSE, Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270, Image.Transpose.TRANSVERSE,
)  # fmt: skip
"""What turns an image into that of each print."""


@pytest.mark.parametrize("number", range(8))
def test_each_print_is_that_of_the_image_turned_so(samples: Path, number: int) -> None:
    """The first print of an image that Pillow turned, as near as resampling allows."""
    for image in list(photographs(samples / "coco").values())[:5]:
        spread, prints = look(image)
        how = ORIENTED[number]
        other_spread, turned = look(image if how is None else image.transpose(how))
        assert distance(prints, turned) <= 2
        assert int(np.bitwise_count(turned[0] ^ prints[number]).sum()) <= 4
        assert spread == pytest.approx(other_spread, rel=0.01)


def test_the_hash_is_imagehashs(samples: Path) -> None:
    """256 bits, half of them set: the same that ImageHash finds in every sample and in noise, in all orientations."""
    imagehash = pytest.importorskip("imagehash")

    noise = np.random.default_rng(3).integers(0, 256, (40, 64, 64), np.uint8)
    greys = [np.asarray(image.convert("L")) for image in photographs(samples / "coco").values()] + list(noise)
    for grey in greys:
        image = Image.fromarray(grey).resize((64, 64), Image.Resampling.LANCZOS)
        prints = fingerprint(grey)[1]
        for how, found in zip(ORIENTED, prints, strict=True):
            one = image if how is None else image.transpose(how)
            assert found.tobytes().hex() == str(imagehash.phash(one, hash_size=16))
        assert int(np.bitwise_count(prints).sum()) == 4 * 256


# Reading


def whole(path: Path, **more: object) -> Sample:
    with Image.open(path) as image:
        size = {"height": image.height, "width": image.width}
    return Sample(**{"id": "x", "image": path.name, "mask": "x.png", "counts": {}, "sha256": "", **size, **more})  # type: ignore[arg-type]


def test_a_crop_looks_like_the_file_that_holds_it_alone(samples: Path, tmp_path: Path) -> None:
    path = samples / "coco/train2017/000000000107.jpg"
    with Image.open(path) as image:
        large = scaled(image.convert("RGB"), 4)
    large.save(tmp_path / "large.jpg", quality=95)
    crops = [Window(0, 0, 384, 512), Window(200, 300, 400, 500)]
    looks = read_looks(
        tmp_path / "large.jpg",
        [whole(tmp_path / "large.jpg", crop=c, height=c.height, width=c.width) for c in crops],
    )
    assert distance(looks[0].prints, looks[1].prints) > 60
    for crop, one in zip(crops, looks, strict=True):
        y, x, h, w = crop
        large.crop((x, y, x + w, y + h)).save(tmp_path / "part.jpg", quality=95)
        assert distance(read_looks(tmp_path / "part.jpg", [whole(tmp_path / "part.jpg")])[0].prints, one.prints) <= NEAR


def test_pixels_lie_as_exif_says(samples: Path, tmp_path: Path) -> None:
    """A copy that was turned upright is found where the manifest reads the other upright too."""
    path = samples / "coco/train2017/000000000107.jpg"
    with Image.open(path) as image:
        upright = image.convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "turned.jpg").write_bytes(jpeg(upright.transpose(Image.Transpose.ROTATE_90), exif=exif))
    raw = read_looks(tmp_path / "turned.jpg", [whole(tmp_path / "turned.jpg", exif="raw")])[0]
    turned = read_looks(tmp_path / "turned.jpg", [whole(tmp_path / "turned.jpg", exif="upright")])[0]
    straight = read_looks(path, [whole(path)])[0]
    apart = [int(np.bitwise_count(look.prints[0] ^ straight.prints[0]).sum()) for look in (turned, raw)]
    assert apart[0] <= 8
    assert apart[1] > 60
    assert distance(raw.prints, straight.prints) <= 8
    assert (turned.facts.orientation, turned.facts.upright) == (6, (192, 256))


@pytest.mark.parametrize(
    ("mode", "bands"), [("L", 1), ("P", 3), ("RGB", 3), ("RGBA", 4), ("LA", 2), ("I;16", 1), ("1", 1), ("CMYK", 4)]
)
def test_channels(samples: Path, tmp_path: Path, mode: str, bands: int) -> None:
    with Image.open(samples / "coco/train2017/000000000107.jpg") as image:
        grey = image.convert("L")
        other = image.convert(mode if mode != "I;16" else "L")
    if mode == "I;16":
        other = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    path = tmp_path / ("x.tif" if mode == "CMYK" else "x.png")
    other.save(path)
    one = read_looks(path, [whole(path)])[0]
    assert one.bands == bands
    if mode != "1":
        assert distance(one.prints, look(grey)[1]) <= NEAR
        assert one.spread == pytest.approx(look(grey)[0], rel=0.1)


def test_a_plain_image_is_known_for_one(tmp_path: Path) -> None:
    for name, value, plain in (("flat", 0, True), ("faint", 3, True), ("seen", 20, False)):
        noise = np.full((96, 96), 100, np.uint8)
        noise[:48] += np.uint8(value)
        Image.fromarray(noise).save(tmp_path / f"{name}.png")
        assert read_looks(tmp_path / f"{name}.png", [whole(tmp_path / f"{name}.png")])[0].plain is plain


def test_a_image_that_cannot_be_read(tmp_path: Path) -> None:
    sample = Sample(id="x", image="x.jpg", mask="x.png", height=9, width=9, counts={}, sha256="")
    with pytest.raises(DataError, match=r"image\.missing"):
        read_looks(tmp_path / "x.jpg", [sample])
    (tmp_path / "x.jpg").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"image\.unreadable"):
        read_looks(tmp_path / "x.jpg", [sample])
