"""Published encoder weights: the key and shape lists of the files themselves, checksums, bands, and what is refused."""

from __future__ import annotations

import hashlib
import pickle
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.error import URLError
from zipfile import ZipFile

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from segdata.errors import DataError, DatasetError, OptionError  # noqa: E402
from segdata.nn import checkpoint  # noqa: E402
from segdata.nn.models import ENCODERS, build, build_encoder, weights  # noqa: E402

FILES = Path(__file__).parent / "published"
HEADS = ("classifier.", "fc.")


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
    assert next(iter(loaded)) == next(iter(wanted))


@pytest.mark.parametrize("name", ENCODERS)
def test_every_listed_encoder_has_a_published_file_with_a_checksum_in_its_name(name: str) -> None:
    file = weights.PUBLISHED[name].rpartition("/")[2]
    assert file.removesuffix(".pth").rpartition("-")[0] == name
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
        (lambda s: s.update({"layer1.0.weight": torch.ones(1)}), "has, unlike the encoder, layer1.0.weight"),
        (lambda s: s.update({"features.0.1.bias": torch.ones(7)}), "in another shape features.0.1.bias"),
        (lambda s: s.update({"features.0.1.bias": [1.0]}), "not a mapping of names to tensors"),
    ],
)
def test_weights_of_another_network_are_refused_by_name(change: Any, message: str, tmp_path: Path) -> None:
    state = published("mobilenet_v2")
    change(state)
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(DataError, match=message) as caught:
        weights.load_encoder(build_encoder("mobilenet_v2"), str(tmp_path / "w.pth"))
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
            weights.load_encoder(encoder, str(tmp_path / "w.pth"))
        assert "\n" not in str(caught.value), name
        with pytest.raises(DatasetError, match=r"w.pth: not a checkpoint: not a file that torch.save wrote"):
            checkpoint.read(tmp_path / "w.pth")
    torch.save(encoder, tmp_path / "w.pth")
    with pytest.raises(DataError, match=r"it holds Python objects, such as a whole model: save only its state_dict"):
        weights.load_encoder(encoder, str(tmp_path / "w.pth"))
    with pytest.raises(OptionError, match="no such file; name one, or `imagenet`"):
        weights.load_encoder(encoder, str(tmp_path / "none.pth"))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A published file of our own on a server that is a folder, and an empty hub cache."""
    (tmp_path / "server").mkdir()
    torch.save(published("mobilenet_v2"), tmp_path / "server" / "w.pth")
    digest = hashlib.sha256((tmp_path / "server" / "w.pth").read_bytes()).hexdigest()[:8]
    file = (tmp_path / "server" / "w.pth").rename(tmp_path / "server" / f"mobilenet_v2-{digest}.pth")
    monkeypatch.setitem(weights.PUBLISHED, "mobilenet_v2", file.as_uri())
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "hub" / "checkpoints" / file.name


def test_published_weights_are_fetched_once_with_their_checksum(hub: Path) -> None:
    weights.load_encoder(build_encoder("mobilenet_v2"), "imagenet")
    assert hub.is_file()
    Path(weights.PUBLISHED["mobilenet_v2"].removeprefix("file://")).unlink()
    weights.load_encoder(build_encoder("mobilenet_v2"), "imagenet")
    hub.write_bytes(hub.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"SHA-256 begins .* delete it"):
        weights.load_encoder(build_encoder("mobilenet_v2"), "imagenet")


def test_a_file_that_arrives_damaged_is_not_kept(hub: Path) -> None:
    server = Path(weights.PUBLISHED["mobilenet_v2"].removeprefix("file://"))
    server.write_bytes(server.read_bytes() + b"!")
    with pytest.raises(OptionError, match="cannot be fetched"):
        weights.load_encoder(build_encoder("mobilenet_v2"), "imagenet")
    assert not hub.exists()


def test_offline_the_error_says_what_to_do(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*args: Any, **kwargs: Any) -> None:
        raise URLError("Name or service not known")

    monkeypatch.setattr(weights, "download_url_to_file", offline)
    with pytest.raises(OptionError) as caught:
        weights.load_encoder(build_encoder("mobilenet_v2"), "imagenet")
    for part in ("Name or service not known", str(hub), "--encoder-weights FILE", "start with random weights"):
        assert part in str(caught.value)
