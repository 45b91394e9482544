"""Storage: URLs as paths, against pathlib and against a server that speaks S3; faults that pass, and faults that do not."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from carry_files import make
from predictors import ByColour
from s3_server import BASE, BUCKET, Server, bytes_of, point_at, serving
from segdata.cli import main
from segdata.dataset import destination, locks, logs
from segdata.dataset.contract import CROISSANT
from segdata.dataset.dataset import Dataset
from segdata.dataset.images import place_image
from segdata.dataset.journal import Journal
from segdata.dataset.layout import LOG, MANIFEST
from segdata.errors import DataError, DatasetError, MissingDependency, OptionError, StorageError
from segdata.executors.run import Run
from segdata.executors.worker import settle
from segdata.files import providers
from segdata.files.drafts import Draft, local_draft
from segdata.files.opening import open_image, open_mask, read_facts
from segdata.files.places import (
    copy_file,
    file_digest,
    files_below,
    is_stored,
    list_folder,
    listed,
    local_copy,
    matching,
    place,
    read_ends,
    relative,
    remove,
    write_whole,
)
from segdata.files.png import MaskWriter
from segdata.files.remote import Remote, is_remote
from segdata.files.scores import read_scores, write_scores
from segdata.files.storage_swap import replace_prefix
from segdata.files.tiff import TiffWriter, encode_tiff
from segdata.files.vectors.polygons import Polygons
from segdata.ops.check.operation import check
from segdata.ops.convert.operation import convert
from segdata.ops.evaluate.operation import evaluate
from segdata.ops.export.operation import export
from segdata.ops.join.operation import join
from segdata.ops.predict.operation import predict
from segdata.ops.preview.operation import preview
from segdata.ops.refine.operation import refine
from segdata.ops.remap.operation import remap
from segdata.ops.split.operation import split
from segdata.ops.stats.operation import stats
from segdata.ops.stitch.operation import stitch
from segdata.ops.tile.operation import tile
from segdata.refinement.settings import Refinement
from segdata.windows import Window

MEMORY = "memory://test"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "PAUSE", 0.001)
    monkeypatch.setattr(locks, "BEAT", 0.05)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving(Server()) as running:
        yield running


@pytest.fixture
def s3(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The server with an empty bucket, and the environment that points at it."""
    import boto3

    point_at(server.url, monkeypatch)
    bucket = boto3.resource("s3").Bucket(BUCKET)
    bucket.create()
    bucket.objects.all().delete()
    server.failures = 0
    server.seen.clear()
    return server


@pytest.fixture
def memory() -> Iterator[Remote]:
    """An empty folder of fsspec's storage in memory."""
    root = place(MEMORY)
    assert isinstance(root, Remote)
    remove(root)
    yield root
    remove(root)


# --- paths and URLs


def test_a_path_stays_a_path_and_a_url_becomes_one() -> None:
    assert place("a/b") == Path("a/b")
    assert place("file:///a/b%20c") == Path("/a/b c")
    assert str(place("s3://bucket/a/../b/")) == "s3://bucket/b"
    assert str(place("s3://bucket/../../x")) == "s3://bucket/x", "nothing leads out of a bucket"
    assert str(place(Path("s3://bucket/x"))) == "s3://bucket/x", "pathlib drops a slash"
    with pytest.raises(OptionError, match="segdata opens s3://, gs://, az:// and file:// URLs, not ftp://"):
        place("ftp://host/x")


def test_a_url_is_a_value() -> None:
    url = place("s3://bucket/a/b.tar.gz")
    assert isinstance(url, Remote)
    assert (url.name, url.stem, url.suffix, url.parts) == ("b.tar.gz", "b.tar", ".gz", ("bucket", "a", "b.tar.gz"))
    assert (url.parent / "c" / "../d").parent == url.parent == place("s3://bucket/a")
    assert url / "s3://other/x" == place("s3://other/x")
    assert pickle.loads(pickle.dumps(url)) == url
    assert len({url, place("s3://bucket/a/b.tar.gz")}) == 1
    with pytest.raises(TypeError):
        os.fspath(url)  # type: ignore[call-overload]


def test_what_is_remote_and_what_is_stored() -> None:
    urls = ("s3://b/x", "gs://b/x", "az://b/x", "https://h/x", "zip://a.zip!/x", "x", "C:/x")
    assert [is_remote(url) for url in urls] == [True] * 5 + [False] * 2
    assert [is_stored(url) for url in urls] == [True] * 3 + [False] * 4


def test_a_reference_is_relative_within_a_bucket_and_a_url_elsewhere(tmp_path: Path) -> None:
    assert relative("s3://b/p/x.jpg", place("s3://b/d/e")) == "../../p/x.jpg"
    assert place("s3://b/d/e") / "../../p/x.jpg" == place("s3://b/p/x.jpg")
    assert relative("s3://other/x.jpg", place("s3://b/d")) == "s3://other/x.jpg"
    assert relative("s3://b/x.jpg", tmp_path) == "s3://b/x.jpg"
    assert place_image("https://h/x.tif", "x", tmp_path, "reference") == "https://h/x.tif"
    for images in ("reference", "link"):
        with pytest.raises(OptionError, match=r"object storage cannot .*--images copy"):
            place_image(str(tmp_path / "x.jpg"), "x", place("s3://b/d"), images)  # type: ignore[arg-type]


names = st.text("ab.", min_size=1, max_size=3).filter(lambda name: set(name) != {"."})


@given(st.sets(st.lists(names, min_size=1, max_size=3).map("/".join), max_size=8))
def test_a_prefix_is_searched_as_a_folder_is(tmp_path_factory: pytest.TempPathFactory, paths: set[str]) -> None:
    """pathlib is the oracle; names that are a file and a folder at once are left out, as no folder can have them."""
    paths = {path for path in paths if not any(other.startswith(f"{path}/") for other in paths)}
    local, remote = tmp_path_factory.mktemp("tree"), place(f"{MEMORY}/tree")
    remove(remote)
    for path in paths:
        for root in (local, remote):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(path.encode())
    both = (local, listed(remote)) if paths else (local, remote)
    for pattern in ("*", "a*", "*/*", "*/b*", "*/*/*", "*.b", "**/*", "**/a*", "*/"):
        mine, theirs = ([str(p)[len(str(root)) :] for p in matching(root, pattern)] for root in both)
        assert mine == theirs, pattern
    mine, theirs = (sorted(files_below(root)) for root in both)
    assert mine == theirs == sorted(paths)
    for path in {part for one in paths for part in (one, one.partition("/")[0], f"{one}x")}:
        for ask in ("exists", "is_file", "is_dir"):
            answers = {getattr(root / path, ask)() for root in (*both, remote)}
            assert len(answers) == 1, (path, ask)
        if (local / path).is_dir():
            assert {tuple(sorted(list_folder(root / path))) for root in (*both, remote)} == {
                tuple(sorted(os.listdir(local / path)))
            }
    remove(remote)
    assert not remote.exists()


# --- reading and writing


@pytest.mark.parametrize("size", [0, 3, 5, 8, 40])
def test_both_ends_of_a_file(memory: Remote, tmp_path: Path, size: int) -> None:
    data = bytes(range(size))
    for root in (memory, tmp_path):
        (root / "x").write_bytes(data)
        assert read_ends(root / "x", 5) == (size, data[:5], data[max(5, size - 5) :])


def test_a_draft_has_its_name_once_it_is_closed(memory: Remote, tmp_path: Path) -> None:
    for root in (memory, tmp_path):
        draft = Draft(root / "deep/x")
        draft.file.write(b"abc")
        assert not (root / "deep/x").exists()
        draft.close()
        assert (root / "deep/x").read_bytes() == b"abc"
        draft = Draft(root / "y")
        draft.file.write(b"abc")
        draft.discard()
        with pytest.raises(OSError, match="cannot"), local_draft(root / "z"):
            raise OSError(5, "cannot")
        assert sorted(files_below(memory)) == ["deep/x"]


def test_large_files_are_the_same_bytes_in_storage(memory: Remote, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    mask, probs = rng.integers(0, 9, (70, 300), np.uint8), rng.random((3, 70, 300), np.float32)
    for root in (memory, tmp_path):
        with MaskWriter(root / "a.png", 70, 300, np.uint8) as png:
            png.write(mask[:32])
            png.write(mask[32:])
        with TiffWriter(root / "b.tif", 70, 300, 1, np.uint8) as tif:
            tif.write(0, 0, mask[None])
        write_scores(root / "c.tif", (70, 300), 3, [(0, 0, probs)])
        with pytest.raises(ValueError, match="rows are missing"), MaskWriter(root / "d.png", 70, 300, np.uint8):
            pass
    assert bytes_of(MEMORY) == bytes_of(tmp_path)
    assert {file_digest(root / "a.png") for root in (memory, tmp_path)} == {png.sha256}
    for name in ("a.png", "b.tif"):
        with open_mask(memory / name) as opened:
            assert np.array_equal(opened.read(Window(3, 5, 7, 11)), mask[3:10, 5:16])
    assert np.array_equal(read_scores(memory / "c.tif"), read_scores(tmp_path / "c.tif"))


def test_files_are_copied_between_any_two_places(memory: Remote, tmp_path: Path, s3: Server) -> None:
    places = [tmp_path / "a", memory / "a", place(f"{BASE}/a"), place(f"{BASE}/b"), tmp_path / "b", memory / "b"]
    write_whole(places[0], b"abc")
    for there, here in pairwise(places):
        copy_file(there, here)
        assert here.read_bytes() == b"abc"
    with local_copy(places[2]) as copy:
        assert copy.read_bytes() == b"abc"
    assert not copy.exists()
    for none in (memory / "none", tmp_path / "no", place(f"{BASE}/no")):
        with pytest.raises(DataError, match=r"no such file: put it back \[file.missing\]"):
            copy_file(none, tmp_path / "none")
    assert not list(tmp_path.glob("none*"))


# --- the whole way through a server


def undated(croissant: bytes) -> dict[str, Any]:
    """croissant.json without the day on which its dataset was written, which storage does not tell."""
    return {name: value for name, value in json.loads(croissant).items() if name != "datePublished"}


def test_every_step_gives_the_bytes_that_it_gives_on_this_machine(s3: Server, samples: Path, tmp_path: Path) -> None:
    made: dict[str, dict[str, Dataset]] = {}
    for base in (str(tmp_path), BASE):
        steps = made[base] = {}
        steps["coco"] = convert("coco", samples / "coco", f"{base}/coco", images="copy", split="val")
        steps["split"] = split(
            f"{base}/coco", f"{base}/split", ratios={"train": 0.5, "val": 0.5}, seed=1, allow_missing=["all"]
        )
        steps["less"] = remap(f"{base}/coco", f"{base}/less", drop=["dog"])
        steps["both"] = join([f"{base}/coco", f"{base}/less"], f"{base}/both")
        steps["tiles"] = tile(f"{base}/split", f"{base}/tiles", size=160)
        steps["views"] = tile(f"{base}/split", f"{base}/views", size=160, virtual=True)
        model = ByColour(steps["coco"].labels, confidence=0.9)
        steps["pred"] = predict(model, f"{base}/tiles", f"{base}/pred", scores=True, entropy=True, size=(160, 160))
        steps["shards"] = export("webdataset", f"{base}/views", f"{base}/shards", samples_per_shard=20)
        steps["whole"] = stitch(f"{base}/pred", f"{base}/whole", of=f"{base}/split", vectorize=True)
        how = Polygons(vector_format="gpkg", simplify=1)
        steps["cogs"] = stitch(f"{base}/pred", f"{base}/cogs", of=f"{base}/split", vectorize=how, cog=True)
        steps["refined"] = refine(steps["whole"], f"{base}/refined", Refinement(crf=None, steps=()))
    for name in made[BASE]:
        there, here = bytes_of(f"{BASE}/{name}"), bytes_of(tmp_path / name)
        assert there.keys() == here.keys(), name
        differ = {file for file in here if there[file] != here[file]}
        assert differ <= ({CROISSANT} if name == "shards" else set()), name
    assert undated(bytes_of(f"{BASE}/shards")[CROISSANT]) == undated(bytes_of(tmp_path / "shards")[CROISSANT])
    shards = [Dataset.open(f"{base}/shards") for base in made]
    for read in (Dataset.read_image, Dataset.read_mask):
        assert np.array_equal(*[read(dataset, dataset.samples[3]) for dataset in shards])
    for base, steps in made.items():
        assert check(f"{base}/views").count("error") == 0
        assert len(steps["pred"]) == len(steps["tiles"])
        preview(f"{base}/coco", f"{base}/sheet.png", count=4)
    assert bytes_of(BASE)["sheet.png"] == (tmp_path / "sheet.png").read_bytes()
    results = [evaluate(f"{base}/whole", f"{base}/split").confusion.counts for base in made]
    assert np.array_equal(*results)
    counts = [stats(f"{base}/tiles", recount=True).whole.counts.pixels for base in made]
    assert np.array_equal(*counts)
    assert not [path for method, path, _ in s3.seen if method == "PUT" and ".partial" in path]


def test_processes_of_their_own_write_the_same(s3: Server, samples: Path, tmp_path: Path) -> None:
    convert("coco", samples / "coco", tmp_path / "one", images="copy", split="val")
    with ProcessPoolExecutor(2, get_context("spawn"), settle) as executor:  # a forkserver may be older than the server
        run = Run(executor, chunk=2)
        convert("coco", samples / "coco", f"{BASE}/two", images="copy", split="val", run=run)
        tile(f"{BASE}/two", f"{BASE}/tiles", size=160, run=run)
    tile(tmp_path / "one", tmp_path / "tiles", size=160)
    assert bytes_of(f"{BASE}/two") == bytes_of(tmp_path / "one")
    assert {n: b for n, b in bytes_of(f"{BASE}/tiles").items() if n[0] in "mi" and n != MANIFEST} == {
        n: b for n, b in bytes_of(tmp_path / "tiles").items() if n[0] in "mi" and n != MANIFEST
    }


SOURCES: dict[str, tuple[str, dict[str, Any]]] = {
    "coco": ("coco", {"split": "val"}),
    "voc": ("voc/VOCdevkit", {"split": "val"}),
    "cityscapes": ("cityscapes", {"split": "val"}),
    "pets": ("pets", {"split": "test"}),
    "vector": ("vector", {}),
    "masks": (
        "voc/VOCdevkit/VOC2012",
        {"image_dir": "JPEGImages", "mask_dir": "SegmentationClass", "classes": "voc.txt"},
    ),
}
VOC = "background aeroplane bicycle bird boat bottle bus car cat chair cow table dog horse motorbike person plant sheep sofa"


@pytest.mark.parametrize("format", list(SOURCES))
def test_a_source_in_storage_is_converted_as_one_on_this_machine(
    format: str, memory: Remote, samples: Path, tmp_path: Path
) -> None:
    folder, options = SOURCES[format]
    shutil.copytree(samples / folder, tmp_path / "src")
    if format == "masks":
        (tmp_path / "src/voc.txt").write_text("\n".join([*VOC.split(), "train", "tv"]))
        options = {**options, "values": ["255=ignore"]}
    for name, data in bytes_of(tmp_path / "src").items():
        (memory / "src" / name).write_bytes(data)
    auto = format if format in ("masks", "voc") else "auto"
    for base in (str(tmp_path), MEMORY):
        made = convert(auto, f"{base}/src", f"{base}/copied", images="copy", **options)
        convert(format, f"{base}/src", f"{base}/referred", **options)
        assert len(made) > 0
    for name in ("copied", "referred"):
        assert bytes_of(f"{MEMORY}/{name}") == bytes_of(tmp_path / name)
    one = Dataset.open(f"{MEMORY}/referred")
    assert str(one.samples[0].image).startswith("../src/")
    assert np.array_equal(one.read_image(one.samples[0]), made.read_image(made.samples[0]))
    here = convert(format, f"{MEMORY}/src", tmp_path / "here", **options)
    assert str(here.samples[0].image).startswith(f"{MEMORY}/src/")
    assert np.array_equal(here.read_image(here.samples[0]), made.read_image(made.samples[0]))


def test_images_of_this_machine_are_not_referred_to_from_storage(samples: Path) -> None:
    with pytest.raises(OptionError, match=r"cannot refer to images of this machine: give --images copy"):
        convert("coco", samples / "coco", f"{MEMORY}/x")
    assert not place(f"{MEMORY}/x").exists()


# --- windows


def test_a_window_of_a_tiff_fetches_a_part_of_it(s3: Server) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (1024, 1024), np.uint8)
    with TiffWriter(f"{BASE}/big.tif", 1024, 1024, 1, np.uint8) as file:
        file.write(0, 0, image[None])
    size = len(place(f"{BASE}/big.tif").read_bytes())
    s3.seen.clear()
    with open_image(f"{BASE}/big.tif") as raster:
        assert np.array_equal(raster.read(Window(300, 300, 50, 60))[:, :, 0], image[300:350, 300:360])
    fetched = sum(count for method, _, count in s3.asked("GET", "big.tif"))
    assert 0 < fetched < size / 4
    facts = read_facts(f"{BASE}/big.tif")
    assert (facts.height, facts.width) == (1024, 1024)


def test_a_tiff_that_is_written_anew_is_read_anew(s3: Server) -> None:
    for value in (1, 2):
        place(f"{BASE}/x.tif").write_bytes(encode_tiff(np.full((20, 20, 1), value, np.uint8)))
        with open_image(f"{BASE}/x.tif") as raster:
            assert raster.read().max() == value


def test_a_image_is_fetched_once(s3: Server, tmp_path: Path) -> None:
    made = make(tmp_path / "d", {"a": np.zeros((20, 30))}, images="copy")
    for name, data in bytes_of(made.root).items():
        place(f"{BASE}/d/{name}").write_bytes(data)
    dataset = Dataset.open(f"{BASE}/d")
    s3.seen.clear()
    assert np.array_equal(dataset.read_image(dataset.samples[0]), made.read_image(made.samples[0]))
    assert np.array_equal(dataset.read_mask(dataset.samples[0]), made.read_mask(made.samples[0]))
    assert [one[:2] for one in s3.seen] == [("GET", f"/{BUCKET}/d/{name}/a.png") for name in ("images", "masks")]


def test_what_is_not_there_is_named(s3: Server) -> None:
    for name in ("x.png", "x.tif"):
        with pytest.raises(DataError, match=rf"{BASE}/{name}: there is no such file \[image.missing\]"):
            read_facts(f"{BASE}/{name}")
        with (
            pytest.raises(DataError, match=rf"{BASE}/{name}: there is no such file \[mask.missing\]"),
            open_mask(f"{BASE}/{name}"),
        ):
            pass


# --- jobs that are stopped, and faults


def job(root: str, *, overwrite: bool = False) -> Journal[str]:
    return Journal(root, {"tool": "segdata", "job": 1}, str, overwrite=overwrite)


def test_a_killed_job_goes_on_after_what_it_had_noted(memory: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "FLUSH", 0)
    first = job(f"{MEMORY}/d")
    for entry in "abc":
        first.append(entry)
    first._log._lock.stop()  # type: ignore[attr-defined]  # as a kill does, nothing is tidied up
    with pytest.raises(DatasetError, match="unfinished: repeat the command that was making it"):
        Dataset.open(f"{MEMORY}/d")
    second = job(f"{MEMORY}/d")
    assert second.done == ["a", "b", "c"]
    second.append("d")
    second.close(finished=False)
    assert not (memory / "d" / LOG / "lock").exists()
    with pytest.raises(DatasetError, match="unfinished job with other inputs or options"):
        Journal(f"{MEMORY}/d", {"job": 2}, str)
    third = job(f"{MEMORY}/d")
    assert third.done == ["a", "b", "c", "d"]
    third.discard()
    assert not (memory / "d").exists()


def test_two_runs_on_one_destination(s3: Server) -> None:
    first = job(f"{BASE}/d")
    with pytest.raises(DatasetError, match="another run is writing there"):
        job(f"{BASE}/d")
    lock = place(f"{BASE}/d/{LOG}/lock")
    while not first._log._lock.fence.lost:  # type: ignore[attr-defined]
        lock.write_bytes(b"somebody else")  # more than once: a renewal that was under way may be written over it
        first._log._lock._thread.join(0.1)  # type: ignore[attr-defined]
    first.append("a")
    with pytest.raises(DatasetError, match="another run has taken over"):
        first.close(finished=False)


def test_foreign_objects_are_left_alone(memory: Remote) -> None:
    (memory / "d/notes.txt").write_bytes(b"mine")
    with pytest.raises(DatasetError, match=r"holds files that are not segdata's \(notes.txt\)"):
        job(f"{MEMORY}/d", overwrite=True)
    assert (memory / "d/notes.txt").exists()


KILLED = """
import os, sys
from segdata.dataset import journal, locks, logs
from segdata.ops.convert import operation as convert

logs.FLUSH, locks.BEAT, left = 0, 0.05, 4
real = journal.Journal.append

def append(self, entry):
    global left
    real(self, entry)
    left -= 1
    if not left:
        os._exit(9)

journal.Journal.append = append
convert.convert("coco", sys.argv[1], sys.argv[2], images="copy", split="val")
"""


def test_a_conversion_that_was_killed_comes_to_the_same_bytes(s3: Server, samples: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(samples / "coco"), f"{BASE}/d"]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 9
    assert MANIFEST not in bytes_of(f"{BASE}/d")
    s3.seen.clear()
    convert("coco", samples / "coco", f"{BASE}/d", images="copy", split="val")
    convert("coco", samples / "coco", tmp_path / "d", images="copy", split="val")
    assert bytes_of(f"{BASE}/d") == bytes_of(tmp_path / "d")
    assert len(s3.asked("PUT", "/masks/")) == len(bytes_of(tmp_path / "d/masks")) - 4


def test_a_manifest_that_cannot_be_put_is_absent(s3: Server, samples: Path, tmp_path: Path) -> None:
    s3.fail(10_000, "PUT", MANIFEST)
    with pytest.raises(StorageError, match=rf"{BASE}/d/{MANIFEST}: storage does not answer after 5 tries"):
        convert("coco", samples / "coco", f"{BASE}/d", images="none", split="val")
    with pytest.raises(DatasetError, match="unfinished"):
        Dataset.open(f"{BASE}/d")
    s3.fail(0)
    convert("coco", samples / "coco", f"{BASE}/d", images="none", split="val")
    convert("coco", samples / "coco", tmp_path / "d", images="none", split="val")
    assert bytes_of(f"{BASE}/d") == bytes_of(tmp_path / "d")


@pytest.mark.parametrize("method", ["PUT", "GET", "HEAD"])
def test_a_fault_that_passes_is_not_noticed(s3: Server, method: str) -> None:
    url = place(f"{BASE}/x")
    url.write_bytes(b"abc")
    s3.fail(3, method, "/x")
    url.write_bytes(b"abcd")
    assert url.is_file()
    assert url.read_bytes() == b"abcd"
    assert s3.failures == 0


class Flaky(Exception):
    """An error of a client, as botocore's carry the status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.response = {"ResponseMetadata": {"HTTPStatusCode": status}, "Error": {}}


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (TimeoutError(), True), (ConnectionResetError(), True), (Flaky(429), True), (Flaky(500), True), (Flaky(503), True),
        (OSError(16, "busy"), True), (FileNotFoundError(), False), (PermissionError(), False), (Flaky(403), False),
        (Flaky(501), False), (OSError(22, "invalid"), False),
    ],
)  # fmt: skip
def test_which_faults_are_tried_again(error: Exception, passes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    class Client:
        def cat_file(self, *_: Any, **__: Any) -> bytes:
            tried.append(1)
            raise error

    monkeypatch.setattr(providers, "_client", lambda url: Client())
    monkeypatch.setattr(providers, "_errors", lambda provider: (Flaky,))
    with pytest.raises((StorageError, FileNotFoundError)):
        place(f"{MEMORY}/x").read_bytes()
    assert len(tried) == (providers.TRIES if passes else 1)


# --- what a user is told


def told(*arguments: str) -> str:
    """The one line that a command ends with."""
    result = CliRunner().invoke(main, list(arguments), catch_exceptions=False)
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1, result.stderr
    return result.stderr.strip()


def test_a_bucket_that_is_not_there(s3: Server, samples: Path, tmp_path: Path) -> None:
    for command in (
        ("info", "s3://none/d"),
        ("convert", "coco", str(samples / "coco"), "s3://none/d", "--images", "copy"),
        ("convert", "coco", "s3://none/d", str(tmp_path / "d")),
    ):
        assert "there is no bucket 'none', or not at this endpoint: create it first" in told(*command)
    assert "s3://bucket/d: there is no such folder" in told("info", f"{BASE}/d")


@pytest.mark.net
def test_credentials_that_may_not(monkeypatch: pytest.MonkeyPatch) -> None:
    class Denying(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = b"<Error><Code>InvalidAccessKeyId</Code><Message>Who are you?</Message></Error>"
            self.send_response(403)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_PUT = do_POST = answer

        def log_message(self, *_: Any) -> None:
            pass

    running = HTTPServer(("127.0.0.1", 0), Denying)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    try:
        point_at(f"http://127.0.0.1:{running.server_port}", monkeypatch)
        line = told("info", "s3://bucket/d")
        assert "s3://bucket/d: access was denied" in line
        assert "AWS_ACCESS_KEY_ID" in line
        with pytest.raises(StorageError, match="access was denied"), open_image("s3://bucket/x.tif"):
            pass
    finally:
        running.shutdown()
        thread.join()
        running.server_close()


def test_no_credentials_at_all(s3: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    providers._client(BASE).clear_instance_cache()
    assert "access was denied (Unable to locate credentials)" in told("info", f"{BASE}/d")


@pytest.mark.net
def test_an_endpoint_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    point_at("http://127.0.0.1:9", monkeypatch)
    monkeypatch.setattr(providers, "TRIES", 2)
    assert "s3://bucket/d: storage does not answer after 2 tries" in told("info", "s3://bucket/d")


@pytest.mark.parametrize(("scheme", "package"), [("s3", "s3fs"), ("gs", "gcsfs"), ("az", "adlfs")])
def test_a_client_that_is_not_installed(scheme: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependency, match=rf"want {package}: pip install 'segdata\[{scheme}\]'"):
        Dataset.open(f"{scheme}://bucket/d")


def test_gdal_is_told_of_the_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://minio.example:9000/")
    told = providers.gdal_settings()
    assert (told["AWS_S3_ENDPOINT"], told["AWS_HTTPS"], told["AWS_VIRTUAL_HOSTING"]) == (
        "minio.example:9000", "YES", "FALSE",
    )  # fmt: skip
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    assert "AWS_S3_ENDPOINT" not in providers.gdal_settings()


def test_a_dataset_in_storage_is_replaced_once_the_new_is_whole(
    s3: Server, samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that fails leaves the old one; one that was killed in the swap is finished by the next."""
    there, options = f"{BASE}/d", {"images": "copy", "split": "val"}
    convert("coco", samples / "coco", there, **options)
    before = bytes_of(there)

    def fails(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(destination, "replace_prefix", fails)
    with pytest.raises(KeyboardInterrupt):
        convert("coco", samples / "coco", there, overlap="last", overwrite=True, **options)
    monkeypatch.setattr(destination, "replace_prefix", replace_prefix)
    left = {name: data for name, data in bytes_of(there).items() if not name.startswith("journal/")}
    assert left == before
    with pytest.raises(DatasetError, match="exists already"):
        convert("coco", samples / "coco", there, **options)
    assert len(Dataset.open(there)) == len(convert("coco", samples / "coco", tmp_path / "d", overlap="last", **options))
    assert bytes_of(there) == bytes_of(tmp_path / "d"), "the swap was finished before that was said"
    assert bytes_of(f"{there}.partial") == {}
    convert("coco", samples / "coco", there, overwrite=True, **options)
    assert bytes_of(there) == before
    assert bytes_of(f"{there}.partial") == {}
