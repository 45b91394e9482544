"""Where encoder weights come from: URLs with checksums, `imagenet` alone, and the normalisation that fits them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from segdata.errors import DataError, OptionError  # noqa: E402
from segdata.nn.models import build, build_encoder, sources  # noqa: E402
from segdata.nn.names import refuse_unknown  # noqa: E402
from segdata.nn.options import Training  # noqa: E402
from segdata.nn.task import as_published  # noqa: E402
from segdata.recipes.recipe import Recipe  # noqa: E402
from segdata.recipes.settings import Normalise  # noqa: E402

LITE = Normalise((127 / 255,) * 3, (128 / 255,) * 3)


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Weights of a resnet18 on a server that is a folder, their SHA-256, and an empty cache."""
    (tmp_path / "server").mkdir()
    torch.save(build_encoder("resnet18").state_dict(), file := tmp_path / "server" / "w.pth")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    return file, sha256(file.read_bytes()).hexdigest(), tmp_path / "home" / "hub" / "checkpoints"


def loaded(source: str) -> Any:
    refuse_unknown(Training.of({"encoder": "resnet18", "encoder_weights": source}))
    return build("unet", encoder="resnet18", classes=2, encoder_weights=source).encoder.state_dict()


def test_a_url_with_its_checksum_is_fetched_once(served: Any) -> None:
    file, digest, cache = served
    state = torch.load(file, weights_only=True)
    for source in (f"{file.as_uri()}#sha256={digest}", f"{file.as_uri()}#sha256={digest[:8].upper()}"):
        assert all(torch.equal(value, state[key]) for key, value in loaded(source).items())
    assert sorted(path.name for path in cache.iterdir()) == sorted([f"w-{digest[:16]}.pth", f"w-{digest[:8]}.pth"])
    file.unlink()
    loaded(f"{file.as_uri()}#sha256={digest}")  # from the cache
    (cache / f"w-{digest[:16]}.pth").write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"SHA-256 begins .*: delete it"):
        loaded(f"{file.as_uri()}#sha256={digest}")
    (cache / f"w-{digest[:16]}.pth").unlink()
    with pytest.raises(OptionError, match=r"cannot be fetched .* put it at .*w-") as caught:
        loaded(f"{file.as_uri()}#sha256={digest}")
    assert "\n" not in str(caught.value)


def test_a_checksum_may_be_in_the_name(served: Any) -> None:
    file, digest, cache = served
    named = file.rename(file.with_name(f"resnet-{digest[:10]}.pth"))
    loaded(named.as_uri())
    assert [path.name for path in cache.iterdir()] == [named.name]
    other = named.rename(named.with_name("resnet-0123456789.pth"))
    with pytest.raises(
        DataError, match=r"what came is another file, or cut off .*: fetch it again, or correct the che"
    ):
        loaded(other.as_uri())
    assert [path.name for path in cache.iterdir()] == [named.name]


class Answers(BaseHTTPRequestHandler):
    """A server that answers each path in another way: whole, elsewhere, in half, and in no way that HTTP knows."""

    protocol_version = "HTTP/1.1"
    data = b""

    def log_message(self, *told: object) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        """The answer."""
        said = {
            "/whole": self.head(f"200 OK\r\nContent-Length: {len(self.data)}") + self.data,
            "/elsewhere": self.head("302 Found\r\nContent-Length: 0\r\nLocation: /whole"),
            "/inside": self.head("302 Found\r\nContent-Length: 0\r\nLocation: file:///etc/hostname"),
            "/half": self.head(f"200 OK\r\nContent-Length: {len(self.data)}") + self.data[:1000],
            "/chunk": self.head("200 OK\r\nTransfer-Encoding: chunked") + b"ffff\r\n" + self.data[:1000],
            "/noise": b"hello\r\n",
        }
        self.wfile.write(said[self.path])
        self.close_connection = True

    @staticmethod
    def head(said: str) -> bytes:
        """The first lines of an answer."""
        return f"HTTP/1.1 {said}\r\n\r\n".encode()


@pytest.fixture
def server(served: Any) -> Iterator[tuple[str, str]]:
    """The address of `Answers`, and the SHA-256 of its file."""
    Answers.data = served[0].read_bytes()
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{serving.server_port}", served[1]
        serving.shutdown()


@pytest.mark.net
def test_answers_of_servers_are_the_file_or_one_message(server: tuple[str, str], served: Any) -> None:
    base, digest = server
    for whole in ("whole", "elsewhere"):
        loaded(f"{base}/{whole}#sha256={digest}")
    for path, error, told in (
        ("inside", OptionError, "cannot be fetched .* is not allowed"),
        ("half", DataError, "another file, or cut off"),
        ("chunk", OptionError, "cannot be fetched .*put it at"),
        ("noise", OptionError, "cannot be fetched .*put it at"),
    ):
        with pytest.raises(error, match=told) as caught:
            loaded(f"{base}/{path}#sha256={digest}")
        assert "\n" not in str(caught.value)
    assert len([*served[2].iterdir()]) == 2, "nothing else is kept"


@pytest.mark.parametrize("url", ["http://[::1/w.pth", "https://a host/w.pth", "http://localhost:port/w.pth"])
def test_what_is_no_address_is_told_in_one_message(served: Any, url: str) -> None:
    with pytest.raises(OptionError, match=r"no address|cannot be fetched"):
        loaded(f"{url}#sha256={served[1]}")


def test_a_long_name_fits_into_the_cache(served: Any) -> None:
    """Such as that of an address with a key in it."""
    file, digest, cache = served
    long = file.rename(file.with_name("w" * 240 + ".pth"))
    loaded(f"{long.as_uri()}#sha256={digest}")
    assert [path.suffix for path in cache.iterdir()] == [".pth"]


@pytest.mark.parametrize("suffix", ["", "#", "#sha256=", "#sha256=xyz", "#sha256=0123", "#md5=0123456789abcdef"])
def test_a_url_without_a_checksum_is_refused_and_nothing_is_fetched(served: Any, suffix: str) -> None:
    """Before the dataset is read; the way out runs."""
    file, digest, cache = served
    with pytest.raises(
        OptionError, match=r"without a checksum nothing is fetched: .*w\.pth#sha256=\.\.\., or fetch it"
    ):
        refuse_unknown(Training.of({"encoder": "resnet18", "encoder_weights": file.as_uri() + suffix}))
    assert not cache.exists()
    loaded(f"{file.as_uri()}#sha256={digest}")
    loaded(str(file))


def test_other_schemes_are_refused() -> None:
    with pytest.raises(OptionError, match=r"s3://bucket/w-01234567.pth: only https, http, file are fetched"):
        refuse_unknown(Training.of({"encoder": "resnet18", "encoder_weights": "s3://bucket/w-01234567.pth"}))


def test_imagenet_alone_is_a_unet_over_the_lightest_encoder() -> None:
    """The options say it, so that config.yaml and checkpoints do."""
    assert Training.of({"encoder_weights": "imagenet"}).encoder == "efficientnet_lite0"
    assert Training.of({"encoder_weights": "imagenet", "encoder": "resnet18"}).encoder == "resnet18"
    assert Training.of({"encoder_weights": "imagenet", "model": "pspnet"}).encoder is None
    assert Training.of({"encoder_weights": "w.pth"}).encoder is None
    assert Training.of({}).encoder is None


def test_the_recipe_normalises_as_the_weights_want() -> None:
    """`normalise: imagenet` follows the encoder; others stay, and that is told if the weights are published ones."""
    lite, resnet = (
        Training.of({"encoder_weights": "imagenet", "encoder": name}) for name in ("efficientnet_lite1", "resnet18")
    )
    light = Recipe.read("light")
    assert as_published(light, lite, 3) == (replace(light, normalise_by=LITE), None)
    assert as_published(light, resnet, 3) == (light, None)
    image = torch.randint(0, 256, (4, 5, 3), dtype=torch.uint8).numpy()
    fitted = as_published(light, lite, 3)[0].normalise(image)
    torch.testing.assert_close(torch.from_numpy(fitted), (torch.from_numpy(image).permute(2, 0, 1).float() - 127) / 128)
    assert as_published(replace(light, normalise_by=LITE), lite, 3)[1] is None
    for other, told in (
        (Normalise((0.5,) * 3, (0.2,) * 3), "mean 0.500, 0.500"),
        ("dataset", "`dataset`"),
        ("none", "`none`"),
    ):
        recipe, note = as_published(replace(light, normalise_by=other), lite, 3)
        assert recipe.normalise_by == other
        assert note is not None
        assert f"light: normalises by {told}" in note
        assert "`normalise: imagenet` in the recipe" in note
        random = replace(light, normalise_by=other), Training.of({"encoder": "efficientnet_lite1"}), 3
        assert as_published(*random)[1] is None
    assert as_published(replace(light, normalise_by="dataset"), lite, 4)[1] is None


def test_layouts_of_others_are_recognised_or_refused_by_name(tmp_path: Path) -> None:
    """EfficientNets of timm have other padding than the wheel's under the same shapes: its own adapter takes them."""
    state = {"conv_stem.weight": torch.ones(32, 3, 3, 3), "blocks.0.0.conv_dw.weight": torch.ones(32, 1, 3, 3)}
    torch.save(state, tmp_path / "w.pth")
    for name in ("efficientnet_lite0", "resnet18"):
        with pytest.raises(DataError, match=r"these are timm's names: give --encoder timm:NAME"):
            build("unet", encoder=name, classes=2, encoder_weights=str(tmp_path / "w.pth"))
    torch.save({"stages.0.blocks.0.conv_dw.weight": torch.ones(4)}, tmp_path / "w.pth")
    with pytest.raises(DataError, match=r"is near \(a file of timm's networks: give --encoder timm:NAME\)"):
        build("unet", encoder="resnet18", classes=2, encoder_weights=str(tmp_path / "w.pth"))


def test_every_listed_encoder_has_published_weights() -> None:
    from segdata.nn.models import ENCODERS

    assert {*sources.PUBLISHED, *sources.WHEELS} == {*ENCODERS}
