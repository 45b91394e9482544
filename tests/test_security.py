"""Files from strangers: nothing is read or written outside a dataset, no code of theirs is run, memory is bounded."""

from __future__ import annotations

import html
import json
import ntpath
import os
import pickle
import re
import socket
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from carry_files import contents, make
from memory import peak_memory
from predictors import ByColour
from segdata.cli import main
from segdata.dataset.dataset import Dataset
from segdata.dataset.layout import CARD, MANIFEST
from segdata.dataset.manifest import read_manifest
from segdata.errors import DataError, DatasetError, OptionError, Report, SegdataError
from segdata.executors.run import Run
from segdata.files.images import read_image, read_mask
from segdata.files.limits import limit_of
from segdata.files.opening import open_image, open_mask, read_brightness, read_facts
from segdata.files.places import (
    copy_file,
    file_digest,
    leads_out,
    read_bytes,
    read_ends,
    read_range,
    read_start,
    read_text,
)
from segdata.files.scores import open_scores, read_scores
from segdata.files.tiff import Tag, _directory
from segdata.files.vectors.opening import read_features
from segdata.files.yaml_text import load_yaml
from segdata.labels import Labels
from segdata.nn.options import read_config
from segdata.ops.check.operation import check
from segdata.ops.predict.operation import predict
from segdata.readers.cityscapes.polygons import read_frame
from segdata.readers.classes.files import read_classes, read_map
from segdata.readers.coco.tables import LabelTable
from segdata.readers.source import Receipt
from segdata.readers.webdataset.tar import scan
from segdata.recipes.recipe import Recipe
from segdata.refinement.settings import Refinement
from segdata.windows import Window

ROOT = Path(__file__).resolve().parents[1]
MASKS = {f"val/{i}": np.full((6, 8), i % 3, np.uint8) for i in range(4)}
SIDE = 100_000


def edit(dataset: Dataset, number: int = 0, **fields: Any) -> Path:
    """Change a line of the manifest as a stranger may."""
    path = dataset.root / MANIFEST
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[number].update(fields)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return dataset.root


# Paths


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/x", "..", "a\\x", "..\\x", "a\0b", "C:/x", "c:x"])
@pytest.mark.parametrize("field", ["id", "parent"])
def test_no_file_can_be_called_after_a_name_that_leads_out(tmp_path: Path, name: str, field: str) -> None:
    """tile, predict and the rest write masks/<id>.png, untile <parent>: such a manifest is not opened."""
    root = edit(make(tmp_path / "d", MASKS), 2, **{field: name})
    with pytest.raises(DatasetError, match=r"manifest\.jsonl.*leads out of the dataset"):
        Dataset.open(root)
    dataset = make(tmp_path / "parts", MASKS)
    samples = [msgspec.structs.replace(s, **{field: name}) if s.id == "val/2" else s for s in dataset]
    Dataset(dataset.root, dataset.labels, samples).save(part=2)
    with pytest.raises(DatasetError, match=r"leads out of the dataset"):
        list(Dataset.open(dataset.root))


@given(st.text("./a\\:", min_size=1, max_size=8))
def test_what_leads_out_is_what_the_path_says(path: str) -> None:
    """Wherever it starts, on Windows too: against os.path and ntpath, but that no name may have a backslash, and none goes out
    and in again."""
    ends = os.path.normpath(os.path.join("/base/of/it", path))
    if not ends.startswith("/base/of/it"):
        assert leads_out(path)
    on_windows = ntpath.normpath(ntpath.join("D:/base/of/it", path))
    if not leads_out(path):
        assert os.path.commonpath(["/base/of/it", ends]) == "/base/of/it"
        assert ntpath.splitdrive(path)[0] == ""
        assert ntpath.commonpath(["D:/base/of/it", on_windows]) == "D:\\base\\of\\it"
    if "\\" not in path and ".." not in path.split("/") and not path.startswith("/") and not ntpath.splitdrive(path)[0]:
        assert not leads_out(path)


@pytest.mark.parametrize("field", ["mask", "scores", "image"])
@pytest.mark.parametrize("by", ["file", "folder"])
def test_links_do_not_lead_out(tmp_path: Path, field: str, by: str) -> None:
    dataset = make(tmp_path / "d", MASKS, images="copy")
    (tmp_path / "secret").mkdir()
    Image.new("L", (8, 6)).save(tmp_path / "secret" / "x.png")
    folder = dataset.root / "linked"
    if by == "folder":
        folder.symlink_to(tmp_path / "secret")
    else:
        folder.mkdir()
        (folder / "x.png").symlink_to(tmp_path / "secret" / "x.png")
    sample = Dataset.open(edit(dataset, **{field: "linked/x.png"})).samples[0]
    ways = {
        "mask": dataset.read_mask, "image": dataset.read_image, "scores": lambda s: dataset.inside(str(s.scores)),
    }  # fmt: skip
    with pytest.raises(DatasetError, match=r"linked/x\.png', which is outside the dataset"):
        ways[field](sample)


@pytest.mark.parametrize("field", ["mask", "scores", "image"])
def test_check_refuses_what_others_refuse(tmp_path: Path, field: str) -> None:
    """A link out of the dataset, with which all is well but for that."""
    dataset = make(tmp_path / "d", MASKS, images="copy")
    sample = dataset.samples[0]
    path = dataset.root / str(getattr(sample, field) or "scores/x.tif")
    path.parent.mkdir(exist_ok=True)
    if field == "scores":
        tiff_bomb(tmp_path / path.name)
        edit(dataset, scores="scores/x.tif")
    else:
        path.rename(tmp_path / path.name)
    found = [f.code for f in check(Dataset.open(dataset.root)).findings if f.level == "error"]
    assert found == [f"{field}.missing"]
    path.symlink_to(tmp_path / path.name)
    found = [f for f in check(Dataset.open(dataset.root)).findings if f.level == "error"]
    assert [(f.code.partition(".")[2], f.samples) for f in found] == [("outside", (sample.id,))]


def test_links_inside_are_followed(tmp_path: Path) -> None:
    dataset = make(tmp_path / "d", MASKS)
    (dataset.root / "masks" / "again").symlink_to("val")
    (tmp_path / "name").symlink_to(dataset.root)
    found = Dataset.open(edit(dataset, mask="masks/again/0.png"))
    np.testing.assert_array_equal(found.read_mask(found.samples[0]), MASKS["val/0"])
    through = Dataset.open(tmp_path / "name")
    np.testing.assert_array_equal(through.read_mask(through.samples[0]), MASKS["val/0"])


@pytest.mark.parametrize("image", ["../p.png", "/etc/passwd", "http://127.0.0.1:9/p.png", "s3://bucket/p.png"])
@pytest.mark.parametrize("images", ["copy", "none"])
def test_images_elsewhere_have_to_be_declared(tmp_path: Path, image: str, images: Any) -> None:
    """`reference` and `link` of dataset.json say that they may be; who reads it knows before an image is read."""
    dataset = make(tmp_path / "d", MASKS, images="copy")
    card = json.loads((dataset.root / CARD).read_text())
    (dataset.root / CARD).write_text(json.dumps({**card, "images": images}))
    found = Dataset.open(edit(dataset, image=image))
    if "://" in image:  # below the dataset a URL is but an odd name
        path = dataset.root / image
        assert Path(found.image_path(found.samples[0])) == path
        with pytest.raises(DataError, match="no such file"):
            found.read_image(found.samples[0])
        return
    with pytest.raises(DatasetError, match="outside the dataset"):
        found.read_image(found.samples[0])


VRT = """<VRTDataset rasterXSize="8" rasterYSize="6"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>
<SourceFilename>{file}</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"""


@pytest.mark.parametrize("name", ["x.vrt", "x.tif"])
def test_a_file_does_not_name_others_to_read(tmp_path: Path, name: str) -> None:
    """GDAL's VRT is a text that does, and GDAL goes by what a file holds."""
    Image.new("L", (8, 6)).save(tmp_path / "secret.tif")
    (tmp_path / name).write_text(VRT.format(file=tmp_path / "secret.tif"))
    for read in (open_image, open_mask, open_scores):
        with pytest.raises(DataError, match=r"cannot be decoded|is no image|is a VRT"), read(tmp_path / name):  # type: ignore[operator]
            pass


def test_a_dataset_of_vrts_reads_below_their_folder(tmp_path: Path) -> None:
    """Also if its dataset.json, which a stranger may have written, asks for VRTs."""
    dataset = make(tmp_path / "d", MASKS, images="copy")
    Image.new("L", (8, 6)).save(tmp_path / "secret.tif")
    (dataset.root / "images" / "x.vrt").write_text(VRT.format(file=tmp_path / "secret.tif"))
    card = json.loads((dataset.root / CARD).read_text())
    (dataset.root / CARD).write_text(json.dumps({**card, "reading": {"vrt": True}}))
    found = Dataset.open(edit(dataset, image="images/x.vrt"))
    with pytest.raises(DataError, match="not below the folder of the VRT"):
        found.read_image(found.samples[0])


@pytest.mark.parametrize(
    "arguments",
    [["tile", "SRC", "OUT", "--size", "4"], ["split", "SRC", "OUT", "--ratios", "a=0.5,b=0.5"], ["join", "SRC", "SRC", "OUT"],
     ["remap", "SRC", "OUT", "--drop", "car"], ["untile", "SRC", "OUT"], ["stitch", "SRC", "OUT"]],
)  # fmt: skip
def test_commands_write_below_their_destination(tmp_path: Path, arguments: list[str]) -> None:
    dataset = make(tmp_path / "in" / "d", MASKS, images="copy")
    edit(dataset, id="../../../escaped", parent="../../../escaped")
    before = contents(tmp_path)
    names = {"SRC": str(dataset.root), "OUT": str(tmp_path / "in" / "deep" / "out")}
    result = CliRunner().invoke(main, [names.get(a, a) for a in arguments])
    assert result.exit_code == 1, result.output
    assert "leads out of the dataset" in result.output
    assert contents(tmp_path) == before


# Code


class Evil:
    """Leaves a file behind where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


@pytest.mark.torch
def test_a_checkpoint_runs_no_code(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from segdata.nn import checkpoint
    from segdata.nn.models.weights import read_state

    trap = tmp_path / "run"
    torch.save({"format": 1, "state": Evil(trap)}, tmp_path / "zip.pt")
    (tmp_path / "bare.pt").write_bytes(pickle.dumps({"format": 1, "state": Evil(trap)}, protocol=2))
    (tmp_path / "old.pt").write_bytes(pickle.dumps(Evil(trap), protocol=2))
    for path in tmp_path.glob("*.pt"):
        with pytest.raises(DatasetError, match="not a checkpoint"):
            checkpoint.read(path)
        with pytest.raises(DataError):
            read_state(path)
        result = CliRunner().invoke(main, ["predict", str(path), str(tmp_path), str(tmp_path / "out")])
        assert result.exit_code == 1
    assert not trap.exists()
    torch.load(tmp_path / "zip.pt", weights_only=False)
    assert trap.exists(), "the trap works"


@pytest.mark.parametrize("ending", ["npy", "npz"])
def test_arrays_run_no_code(tmp_path: Path, ending: str) -> None:
    """As masks, and as scores."""
    trap, source = tmp_path / "run", tmp_path / "src"
    evil = np.array([Evil(trap)], dtype=object)
    for folder in ("images", "masks", "scores"):
        (source / folder).mkdir(parents=True)
    Image.new("RGB", (4, 3)).save(source / "images/a.png")
    for folder in ("masks", "scores"):
        save = np.save if ending == "npy" else np.savez
        save(source / folder / f"a.{ending}", evil, allow_pickle=True)
    truth = make(tmp_path / "truth", {"a": np.zeros((3, 4))}, names=("one", "two"))
    for command in (["masks", source, tmp_path / "d", "--values", "0=one"],
                    ["predictions", source / "scores", tmp_path / "e", "--like", truth.root]):  # fmt: skip
        result = CliRunner().invoke(main, ["convert", *map(str, command)])
        assert result.exit_code == 1
        assert isinstance(result.exception, SystemExit), result.exception
    assert not trap.exists()
    with ExitStack() as stack:
        loaded = np.load(source / f"masks/a.{ending}", allow_pickle=True)
        if ending == "npz":
            assert len(stack.enter_context(loaded)["arr_0"]) == 1
    assert trap.exists(), "the trap works"


@pytest.mark.parametrize("kind", ["apply:os.mkdir", "new:os.mkdir", "name:os.mkdir"])
def test_yaml_makes_no_objects(tmp_path: Path, kind: str) -> None:
    pytest.importorskip("yaml")
    trap, path = tmp_path / "run", tmp_path / "file.yaml"
    path.write_text(f"geometry: !!python/object/{kind} [{trap}]\n")
    for read in (Recipe.read, read_config):
        with pytest.raises(OptionError):
            read(path)
    assert not trap.exists()


def test_postscript_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow has Ghostscript, a program, decode it."""
    path = tmp_path / "x.png"
    Image.new("RGB", (8, 6)).save(path, "EPS")

    def never(*_: object, **__: object) -> None:
        pytest.fail("a program is run")

    monkeypatch.setattr("subprocess.check_call", never)
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", never)
    for read in (read_image, read_mask, read_facts, read_brightness):
        with pytest.raises(DataError, match=r"x\.png: EPS .*\[\w+\.unreadable\]"):
            read(path)


# Pages

HOSTILE = ("<script>alert(1)</script>", '"><img src=x onerror=alert(2)>', "{{ 7 * 7 }}")


def test_pages_show_names_as_text(tmp_path: Path) -> None:
    """Classes, splits, ids and folders, in every page of a dataset."""
    ids = {f"<b>{i}</b>/<script>alert({i})</script>": mask for i, mask in enumerate(MASKS.values())}
    dataset = make(tmp_path / "<i>d", ids, names=HOSTILE, images="copy")
    other = make(tmp_path / "<i>e", {id: (mask + 1) % 3 for id, mask in ids.items()}, names=HOSTILE, images="copy")
    beside = [[name, str(other.root)] for name in ("evaluate", "diff", "agree")]
    for arguments in (["stats"], ["check"], *beside):
        out = tmp_path / f"{arguments[0]}.html"
        result = CliRunner().invoke(main, [*arguments, str(dataset.root), "--html", str(out)])
        assert result.exit_code in (0, 1), result.output
        text = out.read_text()
        assert not re.findall(r"<script|<img src=x|<b>\d</b>/|<i>[de]", text), arguments
        assert HOSTILE[0] in html.unescape(text), arguments
        assert HOSTILE[2] in html.unescape(text), "names are no templates"


# Bombs


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_bomb(path: Path, kind: int, megabytes: int = 64, interlaced: int = 0) -> Path:
    """A PNG whose header claims 100,000 x 100,000 pixels, with so many megabytes of zeros, deflated to a thousandth."""
    head = struct.pack(">IIBBBBB", SIDE, SIDE, 8, kind, 0, 0, interlaced)
    deflate = zlib.compressobj(9)
    body = b"".join(deflate.compress(bytes(2**20)) for _ in range(megabytes)) + deflate.flush()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b""))
    return path


def tiff_bomb(path: Path) -> Path:
    """A whole TIFF of 100,000 x 100,000 zeros in 30 kB: strips that are nowhere are zeros (GDAL's sparse files)."""
    strips = -(-SIDE // 64)
    entries = [
        Tag(256, "I", [SIDE]), Tag(257, "I", [SIDE]), Tag(258, "H", [8]), Tag(259, "H", [8]), Tag(262, "H", [1]),
        Tag(273, "I", [0] * strips), Tag(277, "H", [1]), Tag(278, "I", [64]), Tag(279, "I", [0] * strips),
    ]  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<2sHI", b"II", 42, 8) + _directory(entries, 8, big=False))
    return path


BOMBS = {
    "png": lambda path: png_bomb(path, 2), "interlaced": lambda path: png_bomb(path, 2, interlaced=1),
    "grey": lambda path: png_bomb(path, 0), "tiff": tiff_bomb,
}  # fmt: skip

COMMANDS = [
    ["stats", "--recount"], ["stats", "--images"], ["check"], ["tile", "--size", "4"], ["preview"],
    ["split", "--ratios", "a=0.5,b=0.5", "--group-by", "duplicates"], ["evaluate"], ["refine"], ["train"],
]  # fmt: skip

WATCHED = """
import json, sys
from click.testing import CliRunner  # noqa: E402
from segdata.cli import main  # noqa: E402
out = {}
for number, line in enumerate(json.loads(sys.argv[1])):
    name, *options = line
    source, rest = sys.argv[2], [f"{sys.argv[3]}/{number}.png"] if name in ("preview",) else [f"{sys.argv[3]}/{number}"]
    rest = [] if name in ("stats", "check") else [source] if name == "evaluate" else rest
    result = CliRunner().invoke(main, [name, source, *rest, *options])
    out[" ".join(line)] = [result.exit_code, result.output[-800:], repr(result.exception)]
print(json.dumps(out))
"""


@pytest.mark.process
@pytest.mark.parametrize("bomb", ["image", "mask"])
def test_no_command_is_blown_up(tmp_path: Path, bomb: str) -> None:
    """An image or a mask of 30 to 65 kB that claims 10,000 megapixels, 10 or 30 GB: named, in the memory of any other."""
    pytest.importorskip("torch")
    dataset = make(tmp_path / "d", {f"{split}/{i}": m for split in ("train", "val") for i, m in enumerate(MASKS.values())},
                   images="copy")  # fmt: skip
    if bomb == "image":
        png_bomb(dataset.root / "images/val/0.png", 2)
    else:
        tiff_bomb(dataset.root / "masks/val/0.tif")
        edit(dataset, 4, mask="masks/val/0.tif")
    (tmp_path / "out").mkdir()
    printed, megabytes = peak_memory(WATCHED, json.dumps(COMMANDS), str(dataset.root), str(tmp_path / "out"))
    found = json.loads(printed)
    for command, (code, output, error) in found.items():
        assert error.startswith(("None", "SystemExit")), (command, error, output)
        if code != 0:
            assert "val/0" in output, (command, output)
    assert sum(code != 0 for code, _, _ in found.values()) >= 6
    assert megabytes < 2500, megabytes  # torch, a step of training and the compiling of kernels: about 1,000


@pytest.mark.parametrize("kind", BOMBS)
def test_bombs_are_named(tmp_path: Path, kind: str) -> None:
    path = BOMBS[kind](tmp_path / "x.img")
    with pytest.raises(DataError, match=r"x\.img.*(image.too_large|image.unreadable)"), open_image(path) as raster:
        raster.read()
    with pytest.raises(DataError, match=r"x\.img"):
        read_brightness(path)
    with pytest.raises(DataError, match=r"x\.img.*(mask.too_large|mask.colours)"), open_mask(path) as mask:
        mask.read()
    if kind == "tiff":
        with open_image(path) as raster:
            assert raster.read(Window(SIDE - 9, SIDE - 9, 9, 9)).shape == (9, 9, 3), "windows of it can be read"


def test_a_folder_with_a_bomb_is_predicted_without_it(tmp_path: Path) -> None:
    dataset = make(tmp_path / "d", MASKS, images="copy")
    png_bomb(dataset.root / "images/val/1.png", 2)
    run = Run(report=Report("skip"))
    out = predict(ByColour(dataset.labels), dataset.root / "images", tmp_path / "out", size=(16, 16), run=run)
    assert len(out) == 3
    assert [(p.sample, p.code) for p in run.report.problems] == [("val/1", "image.unreadable")]  # it is read by rows


@pytest.mark.parametrize("tiling", [None, {"parent": [6, 8], "scale": 1.0, "pad": "zero"},
                                    {"parent": [6, 8], "scale": 1e5, "pad": "reflect"}])  # fmt: skip
def test_a_manifest_is_no_bomb(tmp_path: Path, tiling: Any) -> None:
    """A crop that is scaled or padded to a size that only the manifest knows."""
    dataset = make(tmp_path / "d", MASKS, images="copy")
    crop = [0, 0, 6, 8] if tiling else [0, 0, SIDE, SIDE]
    found = Dataset.open(edit(dataset, crop=crop, tiling=tiling, height=SIDE, width=SIDE))
    for read in (found.read_image, found.read_mask):
        with pytest.raises(DataError, match="more than the limit" if tiling else "was it replaced"):
            read(found.samples[0])


def test_a_mask_that_the_manifest_vouches_for_is_no_bomb(tmp_path: Path) -> None:
    """Both are the stranger's: what wants all of it at once refuses it. Counting goes by rows, in little memory."""
    dataset = make(tmp_path / "d", MASKS, images="copy")
    tiff_bomb(dataset.root / "masks/val/0.tif")
    edit(dataset, mask="masks/val/0.tif", height=SIDE, width=SIDE, counts={"0": SIDE * SIDE})
    for arguments in (["evaluate", str(dataset.root)], ["refine", str(tmp_path / "out")]):
        result = CliRunner().invoke(main, [arguments[0], str(dataset.root), *arguments[1:]])
        assert result.exit_code == 1, result.output
        assert "mask.too_large" in result.output


def test_scores_are_no_bomb(tmp_path: Path) -> None:
    with open_scores(tiff_bomb(tmp_path / "x.tif")) as scores, pytest.raises(DataError, match=r"scores.too_large"):
        scores.read()


@pytest.mark.process
@pytest.mark.parametrize("name", ["MAX_PIXELS", "MAX_BYTES"])
def test_the_limits_can_be_set(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = f"from segdata.files.limits import {name}; print({name})"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), f"SEGDATA_{name}": "1000"}
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout == "1000\n"
    for bad in ("-1", "0", "many", "1e9"):
        monkeypatch.setenv(f"SEGDATA_{name}", bad)
        with pytest.raises(OptionError, match=f"SEGDATA_{name}={bad}: must be a number"):
            limit_of(f"SEGDATA_{name}", 1, "pixels")


@pytest.mark.parametrize("kind", ["laughs", "merged", "itself"])
def test_yaml_is_no_bomb(tmp_path: Path, kind: str) -> None:
    """Ten lines whose aliases stand for 2^30 values and more."""
    pytest.importorskip("yaml")
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    if kind == "merged":
        lines = ["a0: &a0 {k0: 1}"]
        lines += [f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}" for i in range(1, 12)]
    if kind == "itself":
        lines = ["a: &a [*a, *a]"]
    path = tmp_path / "x.yaml"
    path.write_text("\n".join(lines))
    for read in (Recipe.read, read_config):
        with pytest.raises(OptionError, match=r"x\.yaml: .*its aliases stand for more than 100,000 values"):
            read(path)
    with pytest.raises(DataError, match="an alias is not read"):
        read_classes(path, Receipt())


def test_yaml_may_have_aliases() -> None:
    pytest.importorskip("yaml")
    import yaml

    text = "a: &a {x: 1, y: [1, 2]}\nb: {<<: *a, x: 3}\nc: [*a, *a]\nd: 2024-01-01\n"
    assert load_yaml(text) == yaml.safe_load(text)
    assert load_yaml("") is None
    assert load_yaml(f"[{'x, ' * 20_000}]") == ["x"] * 20_000


# What is no file, and what is too long


@pytest.fixture(params=["pipe", "device", "socket", "link"])
def odd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Makes, under a name, something that has no end, or at which a reader waits for ever."""
    with ExitStack() as stack:

        def build(name: str) -> Path:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            if request.param == "pipe":
                os.mkfifo(path)
            elif request.param == "socket":
                server = stack.enter_context(socket.socket(socket.AF_UNIX))
                stack.callback(os.chdir, os.getcwd())
                os.chdir(path.parent)  # such names have 108 characters at most
                server.bind(path.name)
            else:
                (tmp_path / "device").unlink(missing_ok=True)
                (tmp_path / "device").symlink_to("/dev/zero")
                path.symlink_to("/dev/zero" if request.param == "device" else tmp_path / "device")
            return path

        yield build


ODD = "is no regular file"

ONE = Labels.of(["road"])

READS: dict[str, Callable[[Path], Any]] = {
    "bytes": read_bytes, "start": lambda p: read_start(p, 9), "range": lambda p: read_range(p, 0, 9),
    "ends": lambda p: read_ends(p, 9), "text": read_text, "digest": file_digest,
    "copy": lambda p: copy_file(p, p.parent / "copy"), "member": lambda p: read_bytes(f"{p}#0+9.png"),
    "image": read_image, "facts": read_facts, "brightness": read_brightness, "mask": read_mask,
    "scores": lambda p: read_scores(p), "features": read_features, "recipe": Recipe.read, "config": read_config,
    "map": read_map, "classes": lambda p: read_classes(p, Receipt()), "coco": LabelTable.load,
    "frame": lambda p: read_frame(str(p)), "shard": lambda p: list(scan(p)), "manifest": lambda p: read_manifest(p, ONE),
    "dataset": lambda p: [p.with_name(MANIFEST).touch(), Dataset.open(p.parent)],
    "refinement": lambda p: Refinement.read(p, Labels.of(["a"])),
}  # fmt: skip
NAMES = {
    "member": "x.tar", "recipe": "x.yaml", "config": "x.yaml", "map": "x.csv", "classes": "x.csv", "shard": "x.tar",
    "dataset": CARD, "image": "x.tif", "mask": "x.tif", "scores": "x.tif", "facts": "x.jpg",
}  # fmt: skip


@pytest.mark.parametrize("read", READS)
def test_only_files_are_read(odd: Callable[[str], Path], read: str) -> None:
    path = odd(NAMES.get(read, "x.json"))
    with pytest.raises((OSError, SegdataError), match=ODD):
        READS[read](path)


@pytest.mark.parametrize("read", sorted(READS.keys() - {"start", "range", "ends", "digest", "copy", "scores", "shard"}))
def test_what_is_too_long_is_refused_before_it_is_read(tmp_path: Path, read: str) -> None:
    """200 GB of nothing, in a file that takes no room."""
    path = tmp_path / NAMES.get(read, "x.json")
    with open(path, "wb") as file:
        file.truncate(200 * 2**30)
    if read == "member":
        path = Path(f"{path}#0+{100 * 2**30}.png")
        with pytest.raises(
            OSError, match=r"107,374,182,400 bytes, more than the limit of 8,589,934,592 \(SEGDATA_MAX_BYTES"
        ):
            read_bytes(path)
        return
    limit = "67,108,864" if read in ("text", "recipe", "config", "map", "classes") else "8,589,934,592"
    with pytest.raises((OSError, SegdataError), match=f"214,748,364,800 bytes, more than the limit of {limit}"):
        READS[read](path)


@pytest.mark.torch
def test_weights_are_no_bomb(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from segdata.nn import checkpoint
    from segdata.nn.models.weights import read_state

    with open(tmp_path / "x.pt", "wb") as file:
        file.truncate(50 * 2**30)
    for read in (checkpoint.read, read_state):
        with pytest.raises((OSError, SegdataError), match=r"53,687,091,200 bytes, more than the limit"):
            read(tmp_path / "x.pt")
