"""Published encoder weights: the key and shape lists of the files themselves, checksums, bands, and what is refused."""

from __future__ import annotations

import hashlib
import json
import pickle
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.error import URLError
from zipfile import ZipFile

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from segdata.errors import DataError, DatasetError, OptionError  # noqa: E402
from segdata.labels import Labels  # noqa: E402
from segdata.nn import checkpoint  # noqa: E402
from segdata.nn.models import ENCODERS, build, build_encoder, sources, weights  # noqa: E402
from segdata.nn.models.state_file import load_tensors  # noqa: E402
from segdata.nn.options import Training  # noqa: E402

FILES = Path(__file__).parent / "published"
HEADS = ("classifier.", "fc.", "_fc.")
KNOWN = {name: partial(build_encoder, name) for name in ENCODERS}


def published(name: str, *, counts: bool = False) -> dict[str, Any]:
    """A state with the published file's keys and shapes, random values; `counts` adds num_batches_tracked, as newer files."""
    generator = torch.Generator().manual_seed(3)
    state: dict[str, Any] = {}
    for line in (FILES / f"{name}.txt").read_text().splitlines()[1:]:
        key, shape = line.split()
        sizes = [int(n) for n in shape.split("x")]
        state[key] = torch.zeros(()).expand(sizes) if key.startswith(HEADS) else torch.rand(sizes, generator=generator)
        if counts and key.endswith("running_var"):
            state[key.replace("running_var", "num_batches_tracked")] = torch.tensor(7)
    return state


@pytest.mark.parametrize("counts", [False, True])
@pytest.mark.parametrize("name", ENCODERS)
def test_the_published_file_fills_every_weight(name: str, counts: bool, tmp_path: Path) -> None:
    state = published(name, counts=counts)
    torch.save(state, tmp_path / "weights.pth")
    model = build("unet", encoder=name, classes=2, encoder_weights=str(tmp_path / "weights.pth"))
    loaded = {key: value for key, value in model.encoder.state_dict().items() if "num_batches" not in key}
    wanted = {key: value for key, value in state.items() if not key.startswith(HEADS) and "num_batches" not in key}
    assert len(loaded) == len(wanted)
    for (key, value), (other, given) in zip(loaded.items(), wanted.items(), strict=True):
        assert torch.equal(value, given), (key, other)  # the order of the file, so also under an older naming
    assert next(iter(loaded)) == next(iter(wanted)).lstrip("_")


@pytest.mark.parametrize("name", ENCODERS)
def test_every_listed_encoder_has_a_published_file_with_a_checksum_in_its_name(name: str) -> None:
    file = {**sources.PUBLISHED, **sources.WHEELS}[name].rpartition("/")[2]
    assert file.removesuffix(".pth").rpartition("-")[0].replace("-", "_") == name
    assert len(bytes.fromhex(file.removesuffix(".pth").rpartition("-")[2])) == 4
    assert (FILES / f"{name}.txt").read_text().startswith(f"# {file} ")


@pytest.mark.parametrize(("bands", "answer"), [(1, 3.0), (2, 3.0), (3, 3.0), (4, 3.0), (7, 3.0)])
def test_the_first_convolution_fits_other_bands(bands: int, answer: float) -> None:
    """A grey image in all bands meets the same response: the sum over bands is kept where planes are alike."""
    weight = torch.ones(8, 3, 3, 3)
    fitted = weights.fit_bands(weight, bands)
    assert fitted.shape == (8, bands, 3, 3)
    torch.testing.assert_close(fitted.sum(1), torch.full((8, 3, 3), answer))
    planes = torch.arange(3.0).reshape(1, 3, 1, 1)
    assert weights.fit_bands(planes, 4).flatten().tolist() == [0.0, 0.75, 1.5, 0.0]
    assert weights.fit_bands(planes, 1).flatten().tolist() == [3.0]


def test_encoder_weights_meet_bands_of_the_model(tmp_path: Path) -> None:
    state = published("mobilenet_v2")
    torch.save(state, tmp_path / "w.pth")
    model = build("unet", encoder="mobilenet_v2", bands=1, classes=2, encoder_weights=str(tmp_path / "w.pth"))
    first = model.encoder.state_dict()["features.0.0.weight"]
    torch.testing.assert_close(first, state["features.0.0.weight"].sum(1, keepdim=True))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("features.3.conv.2.weight"), "lacks features.3.conv.2.weight"),
        (lambda s: s.update({"features.19.0.weight": torch.ones(1)}), "has, unlike the encoder, features.19.0.weight"),
        (lambda s: s.update({"features.0.1.bias": torch.ones(32).int()}), "in another shape features.0.1.bias"),
        (lambda s: s.update({"features.0.1.bias": torch.ones(7)}), "in another shape features.0.1.bias"),
        (lambda s: s.update({"features.0.1.bias": [1.0]}), "not a mapping of names to tensors"),
    ],
)
def test_weights_of_another_network_are_refused_by_name(change: Any, message: str, tmp_path: Path) -> None:
    state = published("mobilenet_v2")
    change(state)
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(DataError, match=message) as caught:
        weights.load_encoder(build_encoder("mobilenet_v2"), str(tmp_path / "w.pth"), KNOWN)
    assert caught.value.problem.file == str(tmp_path / "w.pth")


def saved(value: Any, **options: Any) -> bytes:
    out = BytesIO()
    torch.save(value, out, **options)
    return out.getvalue()


def zipped(name: str) -> bytes:
    out = BytesIO()
    with ZipFile(out, "w") as archive:
        archive.writestr(name, "x")
    return out.getvalue()


FOREIGN = {
    "nothing": b"",
    "a page": b"<html>not found</html>",
    "passwd": b"root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n",
    "words": b"hello world\n",
    "JSON": b'{"format": 1}',
    "pickle": pickle.dumps({"a": 1}),
    "zip": zipped("a"),
    "zip with a folder": zipped("a/b"),
    "cut": saved({"a": torch.ones(99)})[:300],
    "cut, old": saved({"a": torch.ones(9)}, _use_new_zipfile_serialization=False)[:-20],
    **{f"noise {n}": np.random.default_rng(n).bytes(50) for n in range(100)},
}
"""Bytes that torch did not save, or not to the end."""


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    encoder = build_encoder("mobilenet_v2")
    for name, data in FOREIGN.items():
        (tmp_path / "w.pth").write_bytes(data)
        with pytest.raises(DataError, match=r"not a file of weights: not a file that torch.save wrote") as caught:
            weights.load_encoder(encoder, str(tmp_path / "w.pth"), KNOWN)
        assert "\n" not in str(caught.value), name
        with pytest.raises(DatasetError, match=r"w.pth: not a checkpoint: not a file that torch.save wrote"):
            checkpoint.read(tmp_path / "w.pth")
    torch.save(encoder, tmp_path / "w.pth")
    with pytest.raises(DataError, match=r"it holds Python objects, such as a whole model: save only its state_dict"):
        weights.load_encoder(encoder, str(tmp_path / "w.pth"), KNOWN)
    with pytest.raises(OptionError, match="no such file; name one, or `imagenet`"):
        weights.load_encoder(encoder, str(tmp_path / "none.pth"), KNOWN)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A published file of our own on a server that is a folder, and an empty hub cache."""
    (tmp_path / "server").mkdir()
    torch.save(published("mobilenet_v2"), tmp_path / "server" / "w.pth")
    digest = hashlib.sha256((tmp_path / "server" / "w.pth").read_bytes()).hexdigest()[:8]
    file = (tmp_path / "server" / "w.pth").rename(tmp_path / "server" / f"mobilenet_v2-{digest}.pth")
    monkeypatch.setitem(sources.PUBLISHED, "mobilenet_v2", file.as_uri())
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "hub" / "checkpoints" / file.name


def test_published_weights_are_fetched_once_with_their_checksum(hub: Path) -> None:
    weights.load_encoder(build_encoder("mobilenet_v2"), "imagenet", KNOWN)
    assert hub.is_file()
    Path(sources.PUBLISHED["mobilenet_v2"].removeprefix("file://")).unlink()
    weights.load_encoder(build_encoder("mobilenet_v2"), "imagenet", KNOWN)
    hub.write_bytes(hub.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"SHA-256 begins .* delete it"):
        weights.load_encoder(build_encoder("mobilenet_v2"), "imagenet", KNOWN)


def test_a_file_that_arrives_damaged_is_not_kept(hub: Path) -> None:
    server = Path(sources.PUBLISHED["mobilenet_v2"].removeprefix("file://"))
    server.write_bytes(server.read_bytes() + b"!")
    with pytest.raises(DataError, match="another file, or cut off"):
        weights.load_encoder(build_encoder("mobilenet_v2"), "imagenet", KNOWN)
    assert not hub.exists()


def test_offline_the_error_says_what_to_do(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*args: Any, **kwargs: Any) -> None:
        raise URLError("Name or service not known")

    monkeypatch.setattr(sources, "download_url_to_file", offline)
    with pytest.raises(OptionError) as caught:
        weights.load_encoder(build_encoder("mobilenet_v2"), "imagenet", KNOWN)
    for part in (
        "Name or service not known",
        str(hub),
        "--encoder-weights FILE",
        "--encoder efficientnet_lite0",
        "random weights",
    ):
        assert part in str(caught.value)


def flat_mobilenet(state: dict[str, Any], last: str = "features.18") -> dict[str, Any]:
    """The names of the first public MobileNetV2, written out: layers of a block numbered through, ReLU6 among them."""
    out = {}
    for key, value in state.items():
        parts = key.split(".")
        if parts[0] == "features" and parts[1] == "18":
            key = ".".join([*last.split("."), *parts[2:]])
        elif len(parts) > 3 and parts[2] == "conv":
            first = ["0.0", "0.1", "1", "2"] if parts[1] == "1" else ["0.0", "0.1", "1.0", "1.1", "2", "3"]
            numbers = dict(zip(first, ["0", "1", "3", "4", "6", "7"], strict=False))
            key = ".".join([*parts[:3], numbers[".".join(parts[3:-1])], parts[-1]])
        out[key] = value
    return out


def prefixed(state: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {prefix + key: value for key, value in state.items()}


def bare(state: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in state.items() if not key.startswith(HEADS)}


STYLES: dict[str, Any] = {
    "flat": flat_mobilenet,
    "flat, conv at the end": lambda s: flat_mobilenet(s, "conv"),
    "flat, within module": lambda s: prefixed(flat_mobilenet(s), "module."),
    **{prefix: lambda s, prefix=prefix: prefixed(s, prefix) for prefix in (
        "module.", "backbone.", "encoder.", "model.", "_orig_mod.", "module.model.encoder.", "net.", "online_encoder.net.",
    )},
    **{name: lambda s, name=name: {name: s, "epoch": 3, "args": {"lr": 0.1}} for name in (
        "model", "state_dict", "model_state_dict", "net", "weights", "my_own", "teacher",
    )},
    "in two": lambda s: {"checkpoint": {"model": prefixed(s, "module."), "step": 3}},
    "beside an average": lambda s: {"model_ema": prefixed(s, "other."), "model": s},
    "beside an optimizer": lambda s: {"optimizer": {"state": {0: {"m": torch.ones(2)}}, "param_groups": []}, "model": s},
    "a segmentation net": lambda s: {
        **prefixed(bare(s), "backbone."), "classifier.0.weight": torch.ones(3), "aux_classifier.4.bias": torch.ones(3)
    },
    "unknown heads": lambda s: {**bare(s), "decode_head.conv.weight": torch.ones(3), "projection.weight": torch.ones(3)},
    "half": lambda s: {key: value.half() for key, value in s.items()},
}  # fmt: skip


@pytest.mark.parametrize("form", ["torch", "safetensors"])
@pytest.mark.parametrize("style", STYLES)
def test_weights_of_other_namings(style: str, form: str, tmp_path: Path) -> None:
    """Each tensor is in its place: the values of all are different."""
    state = published("mobilenet_v2", counts=True)
    saved = STYLES[style](state)
    if form == "torch":
        torch.save(saved, path := tmp_path / "w.pth")
    elif any(not isinstance(value, torch.Tensor) for value in saved.values()):
        return
    else:
        (path := tmp_path / "w.safetensors").write_bytes(as_safetensors(saved))
    encoder = build_encoder("mobilenet_v2")
    weights.load_encoder(encoder, str(path), KNOWN)
    for key, value in encoder.state_dict().items():
        wanted = state[key].half() if style == "half" else state[key]
        assert torch.equal(value, wanted.to(value.dtype)), key


@pytest.mark.parametrize("name", [name for name in ENCODERS if name != "mobilenet_v2"])
def test_other_namings_of_every_encoder(name: str, tmp_path: Path) -> None:
    state = published(name)
    torch.save({"model": prefixed(bare(state), "module.backbone.")}, tmp_path / "w.pth")
    encoder = build_encoder(name)
    weights.load_encoder(encoder, str(tmp_path / "w.pth"), KNOWN)
    loaded = [value for key, value in encoder.state_dict().items() if "num_batches" not in key]
    assert all(torch.equal(*pair) for pair in zip(loaded, bare(state).values(), strict=True))


def as_safetensors(state: dict[str, Any]) -> bytes:
    """The bytes of a safetensors file as its specification says, names sorted as that library does."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data, names = b"", {torch.float32: "F32", torch.float16: "F16", torch.int64: "I64", torch.bfloat16: "BF16"}
    for key in sorted(state):
        raw = state[key].contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        shape, place = list(state[key].shape), [len(data), len(data) + len(raw)]
        header[key] = {"dtype": names[state[key].dtype], "shape": shape, "data_offsets": place}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data


def test_safetensors_are_read_as_their_specification_says() -> None:
    state = {"a": torch.randn(3, 4), "b": torch.tensor(3), "c": torch.randn(5).bfloat16(), "d": torch.empty(0, 3)}
    assert same(load_tensors(as_safetensors(state)), state)


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return sorted(one) == sorted(other) and all(
        one[key].dtype == other[key].dtype and torch.equal(one[key], other[key]) for key in one
    )


def test_damaged_safetensors_are_refused_in_one_line(tmp_path: Path) -> None:
    whole = as_safetensors({"a": torch.randn(3, 4), "b": torch.ones(2)})
    length = int.from_bytes(whole[:8], "little")

    def header(**entry: Any) -> bytes:
        text = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4], **entry}}).encode()
        return len(text).to_bytes(8, "little") + text + bytes(4)

    files = {
        "empty": b"", "cut in the header": whole[: length // 2], "cut in the data": whole[:-3], "a page": b"<html>no</html>",
        "long header": (2**63).to_bytes(8, "little") + whole[8:], "no JSON": whole[:8] + b"{" * length + whole[8 + length :],
        "beyond": header(data_offsets=[4, 8]), "backwards": header(data_offsets=[4, 0]), "below": header(data_offsets=[-4, 0]),
        "huge": header(shape=[2**40, 2**40]), "negative": header(shape=[-1]), "odd type": header(dtype="F8"),
        "other size": header(dtype="F64"), "deep": (8 + 10**5).to_bytes(8, "little") + b'{"a":' + b"[" * (10**5 + 3),
    }  # fmt: skip
    for name, data in files.items():
        (tmp_path / "w.safetensors").write_bytes(data)
        with pytest.raises(DataError, match=r"not a file of weights: ") as caught:
            weights.load_encoder(build_encoder("resnet18"), str(tmp_path / "w.safetensors"), KNOWN)
        assert "\n" not in str(caught.value), name


def test_what_a_file_has_instead_is_told(tmp_path: Path) -> None:
    """And if it is another encoder's, which; the way out runs."""
    state = published("resnet34")
    path = str(tmp_path / "w.pth")
    torch.save(prefixed(state, "module."), path)
    for name in ("mobilenet_v2", "resnet18", "resnet50"):
        with pytest.raises(
            DataError, match=r"it begins module.conv1.weight, .*those of resnet34: give --encoder resnet34"
        ):
            build("unet", encoder=name, classes=2, encoder_weights=path)
    build("unet", encoder="resnet34", classes=2, encoder_weights=path)
    del state["layer4.2.bn2.weight"]
    torch.save(state, path)
    with pytest.raises(
        DataError, match=r"lacks layer4.2.bn2.weight; .*the nearest encoder is resnet34, of which it has 99%"
    ):
        build("unet", encoder="resnet34", classes=2, encoder_weights=path)
    for saved, message in (
        ({"a.b": torch.ones(3), "c": torch.ones(1)}, "it begins a.b, c: none of mobilenet_v2, .* is near"),
        ({"one": {"a": torch.ones(1)}, "two": {"b": torch.ones(1)}}, r"holds several states \(one, two\)"),
        ({"epoch": 3, "lr": 0.1}, "not a mapping of names to tensors .*: it holds epoch, lr"),
        ({}, "not a mapping of names to tensors"),
        ({**prefixed(bare(state), "q."), **prefixed(bare(state), "k.")}, "lacks"),
    ):
        torch.save(saved, path)
        with pytest.raises(DataError, match=message):
            build("unet", encoder="resnet34", classes=2, encoder_weights=path)
    twice = bare(published("resnet34"))
    torch.save({**prefixed(twice, "q."), **prefixed(twice, "k.")}, path)
    with pytest.raises(
        DataError, match=r"weights of this encoder several times \(q.\*, k.\*\): save those to use alone"
    ):
        build("unet", encoder="resnet34", classes=2, encoder_weights=path)


def test_the_encoder_of_a_checkpoint(tmp_path: Path, capsys: Any) -> None:
    """Of another model over it, and of a plain U-Net, whose encoder has no name."""
    for number, (old, new) in enumerate((
        ({"model": "segnet", "encoder": "resnet18"}, {"model": "unet", "encoder": "resnet18"}),
        ({"model": "unet", "model_options": {"width": 4}}, {"model": "unet", "model_options": {"width": 4}}),
        ({"model": "train_files:small"}, {"model": "train_files:small"}),
    )):  # fmt: skip
        path = tmp_path / f"base{number}.pt"
        first = made(old, 5)
        labels = Labels.of("abcde")
        given = checkpoint.of(Training.of(old), first.state_dict(), labels=labels, bands=3, recipe={}, dataset="")
        checkpoint.write(path, given)
        second = made(new, 2, str(path))
        one, other = first.encoder.state_dict(), second.encoder.state_dict()
        assert all(torch.equal(other[key], one[key]) for key in one)
        assert f"tensors of {path} under " in capsys.readouterr().err


def made(options: dict[str, Any], classes: int, encoder_weights: str | None = None) -> Any:
    chosen = Training.of(options)
    more = {"encoder": chosen.encoder, "encoder_weights": encoder_weights, **chosen.model_options}
    return build(chosen.model, classes=classes, **more)
