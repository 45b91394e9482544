"""Tar shards: what WebDataset itself reads in them, the way back, training straight from them, stops, and hostile archives."""

from __future__ import annotations

import gc
import hashlib
import io
import json
import os
import tarfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import segdata
from carry_files import contents, make, random_masks
from segdata import Dataset, Report, Run
from segdata.cli import main
from segdata.dataset.manifest import Parts
from segdata.errors import DataError, OptionError, SegdataError
from segdata.files.members import Member, gdal_path, member_of, member_path
from segdata.files.places import file_digest
from segdata.labels import Labels
from segdata.windows import Window
from segdata.writers.division import Division


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The COCO sample, of two splits."""
    root = Path(__file__).resolve().parents[2] / "samples"
    return segdata.convert("coco", root / "coco", tmp_path_factory.mktemp("coco") / "d")


@pytest.fixture(scope="module")
def shards(source: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """It as shards of five samples."""
    return segdata.export("webdataset", source, tmp_path_factory.mktemp("shards") / "w", samples_per_shard=5, shuffle=3)


def same(one: Dataset, other: Dataset) -> None:
    """The same labels, samples, images and masks."""
    assert one.labels == other.labels
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert (a.id, a.split, a.group, a.size, a.counts) == (b.id, b.split, b.group, b.size, b.counts)
        np.testing.assert_array_equal(one.read_mask(a), other.read_mask(b))
        if a.image is not None:
            np.testing.assert_array_equal(one.read_image(a), other.read_image(b))


# What goes in


@pytest.mark.torch
def test_webdataset_reads_every_image_and_mask(source: Dataset, shards: Dataset) -> None:
    webdataset = pytest.importorskip("webdataset")
    paths = sorted(str(path) for path in (shards.root / "shards").glob("*.tar"))
    by_id = {sample.id: sample for sample in source}
    seen = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves files open
        read = list(webdataset.WebDataset(paths, shardshuffle=False))
        gc.collect()
    for number, found in enumerate(read):
        assert found["__key__"] == f"{number:09d}"
        about = json.loads(found["json"])
        sample = by_id[about["id"]]
        assert found["jpg"] == Path(source.image_path(sample)).read_bytes()
        assert found["mask.png"] == source.inside(sample.mask).read_bytes()
        assert (about["split"], about["classes"]) == (sample.split, list(source.labels.names))
        assert Path(found["__url__"]).name.startswith(f"{sample.split}-")
        seen.append(sample.id)
    assert sorted(seen) == sorted(by_id)
    assert seen != sorted(seen)


def test_its_index_lists_the_shards(shards: Dataset, tmp_path: Path) -> None:
    index = json.loads((shards.root / "shards/index.json").read_text())["shards"]
    assert sum(shard["samples"] for shard in index) == len(shards)
    for shard in index:
        path = shards.root / "shards" / shard["shard"]
        assert (shard["bytes"], shard["sha256"]) == (path.stat().st_size, file_digest(path))
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "index.json").write_bytes((shards.root / "shards/index.json").read_bytes())
    member = member_of(shards.samples[0].mask)
    assert member is not None
    with (tmp_path / Path(member.file).name).open("r+b") as file:
        file.seek(member.offset + 50)
        file.write(b"?")
    with pytest.raises(DataError, match=rf"{Path(member.file).name}: its bytes are not those that index.json has"):
        segdata.convert("webdataset", tmp_path, tmp_path / "d")


def test_shards_are_a_dataset(source: Dataset, shards: Dataset, tmp_path: Path) -> None:
    opened = Dataset.open(shards.root)
    assert opened.samples == shards.samples
    same(source, opened)
    assert not [f for f in segdata.check(opened).findings if f.level != "note"]
    assert segdata.stats(opened, recount=True).differences == ()
    files = segdata.remap(opened, tmp_path / "r", map={"boat": "boat"})
    same(source, files)
    assert all((files.root / str(sample.image)).is_file() for sample in files)


@pytest.mark.slow
@pytest.mark.parametrize(
    "operation",
    [
        lambda d, to: segdata.tile(d, to, size=64),
        lambda d, to: segdata.tile(d, to, size=64, virtual=True),
        lambda d, to: segdata.split(d, to, ratios={"a": 0.5, "b": 0.5}),
        lambda d, to: segdata.remap(d, to, map={"boat": "car"}),
    ],
)
def test_operations_make_of_shards_what_they_make_of_files(
    source: Dataset, shards: Dataset, tmp_path: Path, operation: Callable[[Dataset, Path], Dataset]
) -> None:
    same(operation(source, tmp_path / "files"), operation(shards, tmp_path / "shards"))


@pytest.mark.parametrize("images", ["reference", "copy"])
def test_there_and_back(source: Dataset, shards: Dataset, tmp_path: Path, images: Any) -> None:
    back = segdata.convert("webdataset", shards.root / "shards", tmp_path / "b", images=images)
    same(source, back)
    assert [sample.sha256 for sample in back] == [sample.sha256 for sample in source]
    with pytest.raises(SegdataError, match=r"link leads into a shard.*reference or copy"):
        segdata.convert("webdataset", shards.root, tmp_path / "l", images="link")


def test_a_shard_alone_names_its_classes(source: Dataset, shards: Dataset, tmp_path: Path) -> None:
    shard = tmp_path / "val-000001.tar"
    shard.write_bytes((shards.root / "shards" / shard.name).read_bytes())
    back = segdata.convert("webdataset", shard, tmp_path / "b")
    assert back.labels.names == source.labels.names
    assert {sample.split for sample in back} == {"val"}
    same(
        source.select(lambda s: s.id in {b.id for b in back}),
        Dataset(back.root, source.labels, back.samples, {}, "reference"),
    )


def test_tiles_that_are_windows_become_files(tmp_path: Path) -> None:
    masks = random_masks(3, prefix="train/")
    whole = make(tmp_path / "d", {**masks, "b": np.pad(random_masks(1)["000"], ((0, 9), (0, 5)))}, images="reference")
    tiles = segdata.tile(whole, tmp_path / "t", size=(5, 7), virtual=True)
    assert any(sample.crop for sample in tiles)
    shards = segdata.export("webdataset", tiles, tmp_path / "w")
    assert not any(sample.crop for sample in shards)
    assert [s.window for s in shards] == [s.window for s in tiles]
    same(tiles, Dataset.open(shards.root))
    bare = segdata.tile(make(tmp_path / "m", masks), tmp_path / "n", size=(5, 7), virtual=True)
    same(bare, segdata.export("webdataset", bare, tmp_path / "o"))
    assert not [f for f in segdata.check(shards).findings if f.level == "error"]
    assert {Path(sample.mask).name.partition(".")[0] for sample in shards} == {"shard-000000", "train-000000"}


def test_geotiffs_in_shards_are_read_by_windows(samples: Path, tmp_path: Path) -> None:
    fields = segdata.convert("vector", samples / "vector", tmp_path / "d", class_property="class")
    shards = segdata.export("webdataset", fields, tmp_path / "w")
    for a, b in zip(fields, shards, strict=True):
        with fields.open_image(a) as one, shards.open_image(b) as other:
            window = Window(3, 5, one.height // 2, one.width // 3)
            np.testing.assert_array_equal(one.read(window), other.read(window))
            assert one.geo == other.geo
            assert one.geo.placed
    virtual = segdata.tile(fields, tmp_path / "t", size=32, virtual=True)
    cut = segdata.export("webdataset", virtual, tmp_path / "v")
    same(virtual, cut)
    with virtual.open_image(virtual.samples[3]) as one, cut.open_image(cut.samples[3]) as other:
        assert one.geo == other.geo


@pytest.mark.torch
def test_training_on_shards_comes_to_the_same_weights(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("albumentations")
    from train_files import QUICK, scenes

    plain = scenes(tmp_path / "d")
    shards = segdata.export("webdataset", plain, tmp_path / "w", samples_per_shard=3, shuffle=0)
    shards.save(part=5)
    shards = Dataset.open(shards.root)
    assert isinstance(shards.samples, Parts)
    runs = [segdata.train(one, tmp_path / f"run{i}", **QUICK, cache="no") for i, one in enumerate((plain, shards))]
    one, other = (torch.load(run.root / "best.pt", weights_only=True) for run in runs)
    assert one["state"].keys() == other["state"].keys()
    assert all(torch.equal(one["state"][name], other["state"][name]) for name in one["state"])
    pred = segdata.predict(runs[1].root / "best.pt", shards, tmp_path / "p", split="val", trust_code=True)
    scores = [segdata.evaluate(pred, truth, split="val").confusion.counts for truth in (shards, plain)]
    assert scores[0].sum() > 0
    np.testing.assert_array_equal(scores[0], scores[1])


# How it is divided, stopped, and left out


def ends_of(sizes: list[int], **division: int) -> list[int]:
    samples: Any = sizes
    return Division(**division).ends(samples, samples)


@given(st.data())
def test_shards_hold_what_was_asked_for(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(1, 100), min_size=1, max_size=30))
    limit = data.draw(st.integers(1, 200))
    n = len(sizes)
    assert ends_of(sizes, samples=limit) == sorted({*range(limit, n, limit), n})
    ends = ends_of(sizes, count=limit)
    lengths = np.diff([0, *ends])
    assert len(ends) == min(limit, n)
    assert lengths.max() - lengths.min() <= 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("segdata.writers.division.sizes", lambda samples, _: iter(samples))
        ends = ends_of(sizes, size=limit)
    assert ends[-1] == n
    for start, end in zip([0, *ends], ends, strict=False):
        assert end > start
        assert sum(sizes[start:end]) <= limit or end == start + 1
        assert end == n or sum(sizes[start : end + 1]) > limit


def test_no_shard_is_larger_than_asked(source: Dataset, tmp_path: Path) -> None:
    shards = segdata.export("webdataset", source, tmp_path / "w", shard_size=100_000)
    listed = json.loads((shards.root / "shards/index.json").read_text())["shards"]
    assert len(listed) == shards.read_receipt()["shards"]["number"] > 3
    assert all(shard["bytes"] <= 100_000 + tarfile.RECORDSIZE for shard in listed)


def test_another_seed_is_another_order(source: Dataset, shards: Dataset, tmp_path: Path) -> None:
    other = segdata.export("webdataset", source, tmp_path / "o", samples_per_shard=5, shuffle=4)
    same(source, other)
    assert contents(tmp_path / "o") != contents(shards.root)


def test_bad_files_stop_the_export_or_are_left_out(tmp_path: Path) -> None:
    dataset = make(tmp_path / "d", random_masks(6, prefix="train/"), images="copy")
    (dataset.root / "images/train/001.png").unlink()
    Image.fromarray(np.zeros((6, 8), np.uint8)).save(dataset.root / "masks/train/003.png")
    with pytest.raises(DataError, match=r"train/001: there is no such file"):
        segdata.export("webdataset", dataset, tmp_path / "w")
    assert not (tmp_path / "w").exists()
    run = Run(report=Report("skip"))
    shards = segdata.export("webdataset", dataset, tmp_path / "w", samples_per_shard=2, run=run)
    assert [p.code for p in run.report.problems] == ["image.missing", "mask.changed"]
    assert [s.id for s in shards] == ["train/000", "train/002", "train/004", "train/005"]
    assert shards.read_receipt()["images"] == {"in": 6, "exported": 4, "skipped": 2}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"shard_size": 5, "shard_count": 2}, "--shard-size and --shard-count exclude"),
        ({"samples_per_shard": 0}, "--samples-per-shard 0: must be 1 or more"),
        ({"shuffle": -1}, "--shuffle -1: must be 0 or more"),
        ({"wrong": 1}, "has no option 'wrong'"),
    ],
)
def test_bad_options(source: Dataset, tmp_path: Path, options: Any, words: str) -> None:
    with pytest.raises(OptionError, match=words):
        segdata.export("webdataset", source, tmp_path / "w", **options)


def test_the_command(source: Dataset, tmp_path: Path) -> None:
    arguments = ["export", "webdataset", str(source.root), str(tmp_path / "w"), "--split", "val", "--shard-size", "64K"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "shards of 8 samples" in result.output
    assert CliRunner().invoke(main, [*arguments[:-1], "64X"]).exit_code == 2
    back = CliRunner().invoke(main, ["convert", "auto", str(tmp_path / "w/shards"), str(tmp_path / "b")])
    assert back.exit_code == 0, back.output
    assert "8 in = 8 converted" in back.output


# Paths of members


@given(
    st.integers(0, 10**15),
    st.integers(0, 10**15),
    st.sampled_from(["a.jpg", "a", "b.mask.PNG", "x.", "x.j pg", "é.tif"]),
)
def test_member_paths_are_read_back(offset: int, length: int, name: str) -> None:
    for file in ("shards/a-000000.tar", "/x y/a#1+2.tar", "s3://b/x.tar"):
        path = member_path(file, offset, length, name)
        assert member_of(path) == Member(file, offset, length)
        assert gdal_path(path) == f"/vsisubfile/{offset}_{length},{os.path.abspath(file)}"
    assert member_of(name) is None
    assert member_of(f"images/{name}#1+2") is None


def test_a_shard_cut_off_is_told(shards: Dataset, tmp_path: Path) -> None:
    copied = segdata.convert("webdataset", shards.root, tmp_path / "b")
    sample = copied.samples[0]
    cut = msgspec.structs.replace(sample, image=member_path("nowhere.tar", 0, 9, "a.jpg"))
    with pytest.raises(DataError, match="no such file"):
        copied.read_image(cut)
    (tmp_path / "b/short.tar").write_bytes(b"x" * 8)
    for field in ("image", "mask"):
        path = member_path("short.tar", 4, 9, "a.png")
        broken = msgspec.structs.replace(sample, **{field: path})
        with pytest.raises(DataError, match="cut off"):
            copied.read_image(broken) if field == "image" else copied.read_mask(broken)


# Archives of strangers


def entry(name: str, data: bytes = b"x", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, data


def tar(path: Path, *entries: tuple[tarfile.TarInfo, bytes], format: int = tarfile.GNU_FORMAT) -> Path:
    with tarfile.open(path, "w", format=format) as file:
        for info, data in entries:
            file.addfile(info, io.BytesIO(data))
    return path


def about(**fields: Any) -> bytes:
    labels = Labels.of(["road", "car"])
    return json.dumps({"id": "a", "labels": labels.digest, "classes": list(labels.names), **fields}).encode()


def png(shape: tuple[int, ...] = (4, 5)) -> bytes:
    data = io.BytesIO()
    Image.fromarray(np.zeros(shape, np.uint8)).save(data, "PNG")
    return data.getvalue()


def good(key: str = "a", **fields: Any) -> list[tuple[tarfile.TarInfo, bytes]]:
    return [
        entry(f"{key}.png", png((4, 5, 3))), entry(f"{key}.mask.png", png()), entry(f"{key}.json", about(**fields)),
    ]  # fmt: skip


HOSTILE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "a name that climbs": (lambda p: tar(p, *good(), entry("../evil.png")), r"member '\.\./evil\.png': leads out"),
    "a name that climbs later": (lambda p: tar(p, *good(), entry("x/../../evil.png")), "leads out"),
    "an absolute name": (lambda p: tar(p, *good(), entry("/etc/evil.png")), "leads out"),
    "a long name in a pax header": (
        lambda p: tar(p, *good(), entry("../" + "é" * 200 + ".png"), format=tarfile.PAX_FORMAT), "leads out"),
    "a name with a backslash": (lambda p: tar(p, *good(), entry("..\\evil.png")), "leads out"),
    "a symbolic link": (
        lambda p: tar(p, entry("a.png", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd"), *good()[1:]),
        r"member 'a\.png': is a symbolic link"),
    "a hard link": (
        lambda p: tar(p, *good(), entry("b.png", b"", type=tarfile.LNKTYPE, linkname="../../x")), "is a hard link"),
    "a device": (lambda p: tar(p, *good(), entry("b.png", b"", type=tarfile.CHRTYPE, devmajor=1, devminor=5)), "a device"),
    "a pipe": (lambda p: tar(p, *good(), entry("b.png", b"", type=tarfile.FIFOTYPE)), "a pipe"),
    "a name twice": (lambda p: tar(p, *good(), *good()[:1]), r"member 'a\.png': occurs twice"),
    "a key twice": (lambda p: tar(p, *good(), *good("b", id="b"), entry("a.txt")), "its key 'a' came before"),
    "an id twice": (lambda p: tar(p, *good(), *good("b")), "second sample with the id 'a'"),
    "an id that climbs": (lambda p: tar(p, *good(id="../../evil")), "leads out of a dataset"),
    "an absolute id": (lambda p: tar(p, *good(id="/evil")), "leads out of a dataset"),
    "metadata without end": (lambda p: tar(p, *good()[:2], entry("a.json", b" " * (2**24 + 1))), "more than the limit"),
    "metadata of depth": (lambda p: tar(p, *good()[:2], entry("a.json", b'{"labels":' + b"[" * 10**5)), "no JSON|not as segdata"),
    "metadata of another type": (lambda p: tar(p, *good(split=5)), "not as segdata writes it"),
    "another contract": (
        lambda p: tar(p, *good(), *good("b", id="b", labels="0" * 64)), "under other classes"),
    "no archive": (lambda p: Path(p.write_bytes(b"x" * 2000) and p), "no tar archive"),
    "an empty file": (lambda p: Path(p.write_bytes(b"") or p), "no tar archive"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_archive_is_one_error_and_leaves_nothing(tmp_path: Path, case: str) -> None:
    build, words = HOSTILE[case]
    (tmp_path / "in").mkdir()
    shard = build(tmp_path / "in/a-000000.tar")
    before = contents(tmp_path)
    with pytest.raises(DataError, match=words) as caught:
        segdata.convert("webdataset", shard, tmp_path / "out/d", run=Run(report=Report("skip")))
    assert shard.name in str(caught.value)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("claimed", [10**6, 2**40])
def test_a_member_larger_than_its_shard_is_refused(tmp_path: Path, claimed: int) -> None:
    info, _ = entry("a.png")
    info.size = claimed
    shard = tmp_path / "a.tar"
    shard.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(2000))
    with pytest.raises(DataError, match=r"a\.tar: member 'a\.png': has [0-9,]+ bytes, more than"):
        segdata.convert("webdataset", shard, tmp_path / "d")


def test_a_shard_damaged_inside_or_cut_off_loses_no_sample_silently(tmp_path: Path) -> None:
    data = tar(tmp_path / "a.tar", *good(), *good("b", id="b")).read_bytes()
    third = next(at for at in range(0, len(data), 512) if data[at : at + 5] == b"b.png")
    for broken in (data[:third] + b"\xff" * 512 + data[third + 512 :], data[: third + 100], data[:third]):
        (tmp_path / "a.tar").write_bytes(broken)
        with pytest.raises(DataError, match=r"a\.tar: .*cut off or damaged"):
            segdata.convert("webdataset", tmp_path / "a.tar", tmp_path / "d")


def test_a_bomb_of_a_image_is_left_out(tmp_path: Path) -> None:
    shard = tar(tmp_path / "a.tar", *good(), entry("b.png", png((4, 5, 3))), entry("b.mask.png", png((3000, 3000))))
    run = Run(report=Report("skip"))
    dataset = segdata.convert("webdataset", shard, tmp_path / "d", classes=["road", "car"], run=run, max_pixels=10**6)
    assert [sample.id for sample in dataset] == ["a"]
    assert len(run.report.problems) == 1


def test_images_elsewhere_are_listed_before_they_are_read(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    Image.fromarray(np.zeros((4, 5, 3), np.uint8)).save(tmp_path / "secret/p.png")
    (tmp_path / "in").mkdir()
    parts = good(image="../secret/p.png")[1:] + good("b", id="b", image="https://example.org/x/q.png")[1:]
    shard = tar(tmp_path / "in/a.tar", *parts)
    with pytest.raises(
        DataError, match=r"2 samples name images outside.*\.\./secret.*https://example\.org/x.*--outside"
    ):
        segdata.convert("webdataset", shard, tmp_path / "d")
    assert len(segdata.convert("webdataset", shard, tmp_path / "n", images="none")) == 2
    one = tar(tmp_path / "in/b.tar", *good(image="../secret/p.png")[1:])
    dataset = segdata.convert("webdataset", one, tmp_path / "d", outside=True)
    assert dataset.samples[0].image == "../secret/p.png"


def test_shards_of_others_need_their_classes(samples: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="--classes FILE"):
        segdata.convert("webdataset", samples / "webdataset", tmp_path / "d")
    names = [f"c{i}" for i in range(21)]
    dataset = segdata.convert("webdataset", samples / "webdataset", tmp_path / "d", classes=names)
    assert dataset.splits == ("train", "val")
    with pytest.raises(DataError, match=r"has no mask, but jpg, json, seg\.png: --mask-member seg\.png"):
        segdata.convert("webdataset", samples / "webdataset", tmp_path / "e", classes=names, mask_member="mask.png")
    with pytest.raises(OptionError, match=r"no split 'test': there are train, val"):
        segdata.convert("webdataset", samples / "webdataset", tmp_path / "e", classes=names, split="test")


# Object storage


@pytest.mark.net
def test_shards_and_parts_in_object_storage(
    source: Dataset, shards: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written there they are the same bytes, and read there the same images, by the bytes that a sample is of alone."""
    pytest.importorskip("moto")
    boto3 = pytest.importorskip("boto3")
    from s3_server import BASE, BUCKET, Server, bytes_of, point_at, serving

    with serving(Server()) as server:
        point_at(server.url, monkeypatch)
        boto3.resource("s3").Bucket(BUCKET).create()
        there = segdata.export("webdataset", source, f"{BASE}/w", samples_per_shard=5, shuffle=3)
        assert {name: hashlib.sha256(data).hexdigest() for name, data in bytes_of(f"{BASE}/w").items()} == contents(
            shards.root
        )
        there.save(part=7)
        opened = Dataset.open(f"{BASE}/w")
        assert isinstance(opened.samples, Parts)
        same(source, opened)
        server.seen.clear()
        sample = opened.samples[20]
        opened.read_image(sample)
        opened.read_mask(sample)
        asked = [size for _, path, size in server.seen if ".tar" in path]
        assert (
            0
            < sum(asked)
            < 3 * sum(member.length for path in (sample.image, sample.mask) if (member := member_of(str(path))))
        )
        same(source, segdata.remap(opened, tmp_path / "b", map={"boat": "boat"}))
        with pytest.raises(OptionError, match="copy them here first"):
            segdata.convert("webdataset", f"{BASE}/w", tmp_path / "c")


def test_a_packed_shard_that_is_called_tar_is_not_said_to_be_damaged(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("a.jpg"), io.BytesIO())
    (tmp_path / "a.tar").write_bytes(buffer.getvalue())
    with pytest.raises(DataError, match=r"unpack it to a plain \.tar"):
        segdata.convert("webdataset", tmp_path, tmp_path / "d", classes=["a"])


def test_shards_without_a_sample_are_refused(tmp_path: Path) -> None:
    tarfile.open(tmp_path / "a.tar", "w").close()
    with pytest.raises(DataError, match=r"no sample is in a\.tar"):
        segdata.convert("webdataset", tmp_path, tmp_path / "d", classes=["a"])
