"""A service in a process of its own, asked by a real client: masks are those of `predict`, and nothing bad gets through."""

from __future__ import annotations

import io
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from segdata import predict
from segdata.errors import MissingDependency
from segdata.files.colors import encode_coloured
from segdata.files.geo import Geo
from segdata.files.images import read_mask
from segdata.files.tiff import TiffWriter
from segdata.files.vectors.geojson import burn
from segdata.prediction.profile import read_profile
from segdata.windows import Window
from serving import COLORS, NAMES, PATIENCE, ROOT, Serving, predictor, serving, started, wait_for

httpx = pytest.importorskip("httpx")
for package in ("fastapi", "uvicorn", "python_multipart", "prometheus_client"):
    pytest.importorskip(package)

pytestmark = [pytest.mark.process, pytest.mark.net]

SMALL = {"size": [16, 16], "overlap": 0.25}


def scene(seed: int = 0, size: tuple[int, int] = (40, 56)) -> NDArray[np.uint8]:
    """(h, w, 3) uint8 blocks in the colours of the classes, each a little off."""
    random = np.random.default_rng(seed)
    ids = random.integers(0, 3, (-(-size[0] // 8), -(-size[1] // 8))).repeat(8, 0).repeat(8, 1)[: size[0], : size[1]]
    return (np.array(COLORS)[ids] + random.integers(-20, 20, (*size, 3))).clip(1, 255).astype(np.uint8)


def encoded(pixels: NDArray[Any], format: str = "PNG", **more: Any) -> bytes:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, format, **more)
    return data.getvalue()


def tiff(folder: Path, values: NDArray[Any], geo: Geo | None = None) -> bytes:
    """(h, w, C) as a tiled TIFF."""
    path = folder / "made.tif"
    with TiffWriter(path, *values.shape, values.dtype, tags=(geo or Geo()).tags()) as file:
        file.write(0, 0, values.transpose(2, 0, 1))
    return path.read_bytes()


def mask_in(data: bytes) -> NDArray[Any]:
    return np.asarray(Image.open(io.BytesIO(data)))


def predicted(folder: Path, name: str, data: bytes, ending: str, **options: Any) -> NDArray[Any]:
    """The mask that `predict` writes of the same image in a file."""
    folder.mkdir()
    (folder / f"image{ending}").write_bytes(data)
    made = predict(predictor(name), folder / f"image{ending}", folder / "out", images="none", **options)
    return made.read_mask(made.samples[0])


@pytest.fixture(scope="module")
def plain() -> Iterator[Serving]:
    with serving("surroundings", **SMALL, max_bytes=200_000, max_pixels=20_000, concurrency=2) as service:
        yield service


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with httpx.Client(timeout=PATIENCE) as one:
        yield one


def test_masks_are_those_of_predict(plain: Serving, client: Any, tmp_path: Path) -> None:
    """Images larger than a window, of every kind that people send."""
    pixels = scene()
    turned, clear = Image.Exif(), np.full((40, 56, 1), 255, np.uint8)
    turned[0x0112] = 6
    clear[:9] = 0
    grey = pixels[..., 0].astype(np.uint16) * 257
    holes = pixels.copy()
    holes[30:] = 0
    nodata = Geo(None, (2.0, 0.0, 100.0, 0.0, -2.0, 900.0), 0.0)
    images = {
        "rgb": (encoded(pixels), ".png"), "jpeg": (encoded(pixels, "JPEG", quality=90), ".jpg"),
        "turned": (encoded(pixels, "JPEG", exif=turned), ".jpg"), "grey": (encoded(pixels[..., 0]), ".png"),
        "deep": (encoded(grey), ".png"), "palette": (encode_coloured(pixels[..., 0] % 3, predictor("colour").labels), ".png"),
        "clear": (encoded(np.concatenate([pixels, clear], 2)), ".png"), "webp": (encoded(pixels, "WEBP"), ".webp"),
        "bmp": (encoded(pixels, "BMP"), ".bmp"), "tiff": (tiff(tmp_path, pixels), ".tif"),
        "nodata": (tiff(tmp_path, holes, nodata), ".tif"), "one": (encoded(pixels[:1, :1]), ".png"),
        "turned tiff": (encoded(pixels, "TIFF", exif=turned), ".tif"), "jp2": (encoded(pixels, "JPEG2000"), ".jp2"),
    }  # fmt: skip
    for name, (data, ending) in images.items():
        answer = client.post(f"{plain.url}/predict", content=data)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png"), (name, answer.text)
        wanted = predicted(tmp_path / name, "surroundings", data, ending, size=(16, 16))
        assert np.array_equal(mask_in(answer.content), wanted), name
        if name in ("clear", "nodata"):
            assert (wanted == 255).any()
        by_form = client.post(f"{plain.url}/predict", files={"image": (f"a{ending}", data)})
        assert by_form.content == answer.content, name


@pytest.mark.parametrize("no_refine", [False, True])
def test_masks_are_refined_as_predict_refines_them(client: Any, tmp_path: Path, no_refine: bool) -> None:
    """By the settings that a predictor has; of images that are turned, wide, grey in 16 bits, and without data somewhere."""
    pixels, clear, turned = scene(3), np.full((40, 56, 1), 255, np.uint8), Image.Exif()
    turned[0x0112] = 6
    clear[:9] = 0
    images = {
        "rgb": (encoded(pixels), ".png"), "turned": (encoded(pixels, "JPEG", exif=turned), ".jpg"),
        "deep": (encoded(pixels[..., 0].astype(np.uint16) * 257), ".png"),
        "clear": (encoded(np.concatenate([pixels, clear], 2)), ".png"),
    }  # fmt: skip
    with serving("refining", **SMALL, no_refine=no_refine) as service:
        for name, (data, ending) in images.items():
            answer = client.post(f"{service.url}/predict", content=data)
            wanted = predicted(tmp_path / name, "refining", data, ending, size=(16, 16), no_refine=no_refine)
            assert np.array_equal(mask_in(answer.content), wanted), name
            shares = client.post(f"{service.url}/predict?format=shares", content=data).json()
            assert [one["pixels"] for one in shares["classes"]] == [np.count_nonzero(wanted == i) for i in range(3)]
        about = client.get(f"{service.url}/model").json()
    bare = predicted(tmp_path / "bare", "refining", *images["rgb"], size=(16, 16), no_refine=True)
    refined = predicted(tmp_path / "refined", "refining", *images["rgb"], size=(16, 16))
    assert (bare != refined).any()
    assert (about["refinement"] is None) == no_refine


def test_every_format_says_the_same(plain: Serving, client: Any, tmp_path: Path) -> None:
    data = encoded(np.concatenate([scene(1), np.full((40, 56, 1), 255, np.uint8)], 2))
    labels = predictor("surroundings").labels

    def ask(query: str) -> Any:
        answer = client.post(f"{plain.url}/predict{query}", content=data)
        assert answer.status_code == 200, answer.text
        assert answer.headers["segdata-labels"] == labels.digest
        return answer

    mask = mask_in(ask("").content)
    (tmp_path / "mask.png").write_bytes(ask("?format=mask").content)
    assert np.array_equal(read_mask(tmp_path / "mask.png"), mask)
    image = Image.open(io.BytesIO(ask("?format=palette").content))
    assert np.array_equal(np.asarray(image), mask)
    assert np.array_equal(np.asarray(image.convert("RGB")), labels.palette()[mask])
    shares = ask("?format=shares").json()
    assert (shares["height"], shares["width"]) == mask.shape
    for one in [*shares["classes"], {"id": 255, **shares["ignore"]}]:
        assert one["pixels"] == np.count_nonzero(mask == one["id"])
        assert one["share"] == one["pixels"] / mask.size
    assert [one["name"] for one in shares["classes"]] == NAMES
    features = ask("?format=polygons").json()["features"]
    shapes = [(one["geometry"], one["properties"]["class_id"]) for one in features]
    assert np.array_equal(burn(shapes, Window(0, 0, *mask.shape), fill=255), mask), "the polygons cover it all"
    assert all(one["properties"]["class"] == NAMES[one["properties"]["class_id"]] for one in features)
    fewer = ask("?format=polygons&min_area=30").json()["features"]
    assert 0 < len(fewer) < len(features)


def test_bands_and_types_are_those_of_the_model(client: Any, tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 65536, (33, 21, 4)).astype(np.uint16)
    data = tiff(tmp_path, values)
    with serving("bands", **SMALL) as service:
        answer = client.post(f"{service.url}/predict", content=data)
        assert np.array_equal(mask_in(answer.content), predicted(tmp_path / "a", "bands", data, ".tif", size=(16, 16)))
        three = client.post(f"{service.url}/predict", content=tiff(tmp_path, values[..., :3]))
        assert (three.status_code, three.json()["error"]["code"]) == (422, "image.bands")
        assert "for whoever runs it" in three.json()["error"]["message"], "a client has no options"
        bright = tiff(tmp_path, (values // 256).astype(np.uint8))
        other = client.post(f"{service.url}/predict", content=bright)
        assert (other.status_code, other.json()["error"]["code"]) == (422, "image.type")
    with serving("bands", **SMALL, scale_values=[0, 200], bands="3,2,1,4") as service:  # the way out
        answer = client.post(f"{service.url}/predict", content=bright)
        wanted = predicted(
            tmp_path / "b", "bands", bright, ".tif", size=(16, 16), scale_values=(0, 200), bands="3,2,1,4", alpha="no"
        )
        assert np.array_equal(mask_in(answer.content), wanted)


BAD: dict[str, tuple[dict[str, Any], int, str]] = {
    "nothing": ({"content": b""}, 400, "empty"),
    "text": ({"content": b"hello, is this an image?"}, 415, "image.unreadable"),
    "zeros": ({"content": bytes(1000)}, 415, "image.unreadable"),
    "html": ({"content": b"<html><body>no</body></html>"}, 415, "image.unreadable"),
    "vrt": ({"content": b'<VRTDataset rasterXSize="9" rasterYSize="9"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>'
                        b'<SourceFilename>/etc/hostname</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>'},
            415, "image.unreadable"),
    "postscript": ({"content": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"}, 415, "image.unreadable"),
    "hdf5": ({"content": b"\x89HDF\r\n\x1a\n" + bytes(99)}, 415, "image.unreadable"),
    "cut png": ({"content": encoded(scene())[:2000]}, 400, "image.unreadable"),
    "cut jpeg": ({"content": encoded(scene(), "JPEG")[:700]}, 400, "image.unreadable"),
    "cut tiff": ({"content": encoded(scene(), "TIFF")[:99]}, 400, "image.unreadable"),
    "too many pixels": ({"content": encoded(scene(size=(150, 150)))}, 413, "image.too_large"),
    "too many pixels in a tiff": ({"content": encoded(scene(size=(150, 150)) * 0, "TIFF", compression="tiff_lzw")}, 413,
                                  "image.too_large"),
    "too many bytes": ({"content": b"x" * 200_001}, 413, "too_long"),
    "too many bytes, untold": ({"content": (b"x" * 50_000 for _ in range(5))}, 413, "too_long"),
    "gzip": ({"content": encoded(scene()), "headers": {"Content-Encoding": "gzip"}}, 415, "encoding"),
    "a field": ({"data": {"format": "shares"}, "files": {"file": encoded(scene())}}, 400, "form"),
    "a field alone": ({"files": {"file": (None, encoded(scene()))}}, 400, "form"),
    "two files": ({"files": [("a", encoded(scene())), ("b", encoded(scene()))]}, 400, "form"),
    "an empty file": ({"files": {"file": b""}}, 400, "empty"),
    "no boundary": ({"content": b"abc", "headers": {"Content-Type": "multipart/form-data"}}, 400, "form"),
    "no form": ({"content": b"abc", "headers": {"Content-Type": "multipart/form-data; boundary=x"}}, 400, "form"),
    "format": ({"content": encoded(scene()), "params": {"format": "jpeg"}}, 422, "query"),
    "misspelt": ({"content": encoded(scene()), "params": {"fromat": "mask"}}, 422, "query"),
    "not for masks": ({"content": encoded(scene()), "params": {"min_area": 3}}, 422, "query"),
    "negative": ({"content": encoded(scene()), "params": {"format": "polygons", "simplify": -1}}, 422, "query"),
    "infinite": ({"content": encoded(scene()), "params": {"format": "polygons", "simplify": "inf"}}, 422, "query"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_has_one_clear_error(plain: Serving, client: Any, kind: str) -> None:
    request, status, code = BAD[kind]
    before = plain.figures().get(f'segdata_errors_total{{code="{code}"}}', 0)
    answer = client.post(f"{plain.url}/predict", **request)
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["code"] == code
    assert error["message"]
    assert not re.search(r"/tmp|/vsi|memory:|Traceback|[0-9a-f]{8}-", error["message"]), "nothing of the machine"
    again = client.post(f"{plain.url}/predict", content=encoded(scene()))
    assert again.status_code == 200, "the next one is answered"
    if code != "query" or "min_area" in str(request):
        assert plain.figures()[f'segdata_errors_total{{code="{code}"}}'] == before + 1


def test_what_is_not_there(plain: Serving, client: Any) -> None:
    for method, path, status in (("GET", "/predict", 405), ("GET", "/docs", 404), ("GET", "/../etc/passwd", 404),
                                 ("DELETE", "/model", 405)):  # fmt: skip
        answer = client.request(method, plain.url + path)
        assert answer.status_code == status
        assert set(answer.json()["error"]) == {"code", "message"}


def test_what_is_no_http(plain: Serving, client: Any) -> None:
    for text in (b"\x16\x03\x01\x02\x00\x01\x00", b"GET\r\n\r\n", b"POST /predict HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
                 b"GET / HTTP/1.1\r\nX: " + b"y" * 100_000 + b"\r\n\r\n"):  # fmt: skip
        with socket.create_connection(("127.0.0.1", plain.port), PATIENCE) as raw:
            raw.sendall(text)
            raw.shutdown(socket.SHUT_WR)
            assert raw.recv(99)[:12] in (b"HTTP/1.1 400", b"")
    assert client.get(f"{plain.url}/health").json() == {"status": "ok"}


def test_what_the_service_says_of_itself(plain: Serving, client: Any) -> None:
    about = client.get(f"{plain.url}/model").json()
    assert [one["name"] for one in about["classes"]] == NAMES
    assert about["labels"] == predictor("surroundings").labels.digest
    assert about["limits"]["pixels"] == 20_000
    described = client.get(f"{plain.url}/openapi.json").json()
    assert set(described["paths"]) == {"/predict", "/model", "/health", "/ready", "/metrics"}
    assert described["paths"]["/predict"]["post"]["parameters"][0]["schema"]["enum"] == [
        "mask",
        "palette",
        "polygons",
        "shares",
    ]
    assert client.get(f"{plain.url}/ready").json() == {"status": "ready"}


def test_figures_add_up(client: Any) -> None:
    with serving("colour", **SMALL) as service:
        total: dict[str, int] = dict.fromkeys([*NAMES, "ignore"], 0)
        for seed in range(3):
            answer = client.post(f"{service.url}/predict?format=shares", content=encoded(scene(seed))).json()
            for one in answer["classes"]:
                total[one["name"]] += one["pixels"]
        client.post(f"{service.url}/predict", content=b"no")
        found = service.figures()
        for name, pixels in total.items():
            assert found[f'segdata_pixels_total{{class="{name}"}}'] == pixels, (
                "the image before the first is not counted"
            )
        assert found['segdata_request_seconds_count{format="shares",status="200"}'] == 3
        assert found['segdata_request_seconds_count{format="mask",status="415"}'] == 1
        assert found["segdata_wait_seconds_count"] == 4
        assert found["segdata_queue"] == found["segdata_at_work"] == 0
        assert found["process_resident_memory_bytes"] > 0


def test_many_clients_get_their_own_masks(client: Any) -> None:
    """Under load, of one image each."""
    with serving("surroundings", **SMALL, concurrency=4, queue=100) as service:
        images = [encoded(scene(seed, (17 + seed, 60 - seed))) for seed in range(12)]
        wanted = [client.post(f"{service.url}/predict", content=data).content for data in images]

        def ask(number: int) -> bytes:
            answer = httpx.post(f"{service.url}/predict", content=images[number % 12], timeout=PATIENCE)
            return bytes(answer.content)

        with ThreadPoolExecutor(12) as pool:
            found = list(pool.map(ask, range(120)))
        assert found == [wanted[i % 12] for i in range(120)]


def test_signals_are_those_of_predict(tmp_path: Path, client: Any) -> None:
    """One row per mask, for images in any order and from any number of clients; a service goes on in the file."""
    images = {}
    for seed in range(6):
        values = np.random.default_rng(seed).integers(0, 65536, (30 + seed, 21, 4)).astype(np.uint16)
        images[seed] = tiff(tmp_path, values)
    out = tmp_path / "kept/signals.jsonl"
    for part in (range(3), range(3, 6)):
        with serving("bands", **SMALL, signals=str(out), concurrency=2) as service, ThreadPoolExecutor(2) as pool:
            for answer in pool.map(
                lambda i: httpx.post(f"{service.url}/predict", content=images[i], timeout=PATIENCE), part
            ):
                assert answer.status_code == 200
            client.post(f"{service.url}/predict", content=b"no image")
            assert service.stop() == 0
    found = read_profile(out)
    (tmp_path / "images").mkdir()
    for data in images.values():
        (tmp_path / f"images/{sha256(data).hexdigest()[:16]}.tif").write_bytes(data)
    predict(predictor("bands"), tmp_path / "images", tmp_path / "out", images="none", size=(16, 16))
    wanted = read_profile(tmp_path / "out/signals.jsonl")
    assert found.about == wanted.about
    assert sorted(found.rows, key=lambda row: row.id) == sorted(wanted.rows, key=lambda row: row.id)
    assert all(row.vector is not None for row in found.rows)


def test_signals_of_another_model_are_refused(tmp_path: Path) -> None:
    (tmp_path / "s.jsonl").write_text("no signals")
    with (
        pytest.raises(AssertionError, match="not a file of signals"),
        serving("colour", signals=str(tmp_path / "s.jsonl")),
    ):
        pass
    with serving("colour", signals=str(tmp_path / "t.jsonl")):
        pass
    with pytest.raises(AssertionError, match="another model"), serving("many", signals=str(tmp_path / "t.jsonl")):
        pass


def test_a_mask_comes_also_when_its_signals_find_no_room(tmp_path: Path, client: Any) -> None:
    pytest.importorskip("resource")
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))\n"
    limited += "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    (tmp_path / "hooks").mkdir()
    (tmp_path / "hooks/sitecustomize.py").write_text(limited)
    settings = {"env": {"PYTHONPATH": str(tmp_path / "hooks")}}
    with serving("colour", settings=settings, signals=str(tmp_path / "s.jsonl")) as service:
        for _ in range(5):
            assert client.post(f"{service.url}/predict", content=encoded(scene())).status_code == 200
        assert service.figures()["segdata_signals_lost_total"] >= 3


# Limits


def test_a_full_queue_sends_away_and_says_when_to_come_again(tmp_path: Path, client: Any) -> None:
    with serving("held", tmp_path / "go", queue=1) as service, ThreadPoolExecutor(2) as pool:

        def ask() -> Any:
            return httpx.post(f"{service.url}/predict", content=encoded(scene()), timeout=PATIENCE)

        inside = [pool.submit(ask)]
        wait_for(lambda: service.figures()["segdata_at_work"] == 1)
        inside.append(pool.submit(ask))
        wait_for(lambda: service.figures()["segdata_queue"] == 1)
        for _ in range(3):
            answer = client.post(f"{service.url}/predict", content=encoded(scene()))
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "busy")
            assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert client.get(f"{service.url}/ready").status_code == 503
        assert client.get(f"{service.url}/health").status_code == 200
        (tmp_path / "go").touch()
        assert [one.result().status_code for one in inside] == [200, 200]
        assert ask().status_code == 200
        assert client.get(f"{service.url}/ready").status_code == 200


def test_what_takes_too_long_is_given_up(tmp_path: Path, client: Any) -> None:
    """An image of many windows: its work ends with the window at which it is, and the next image has its turn."""
    with serving("held", tmp_path / "go", **{**SMALL, "batch": 1}, queue=1, seconds=3.0) as service:
        answer = client.post(f"{service.url}/predict", content=encoded(scene(size=(400, 400))))
        assert (answer.status_code, answer.json()["error"]["code"]) == (504, "time")
        waiting = client.post(f"{service.url}/predict", content=encoded(scene()))
        assert waiting.status_code == 504, "behind it"
        (tmp_path / "go").touch()
        wait_for(lambda: service.figures()["segdata_at_work"] == 0)
        assert wait_for(lambda: client.post(f"{service.url}/predict", content=encoded(scene())).status_code == 200)
        assert sum(v for k, v in service.figures().items() if k.startswith("segdata_pixels_total")) % (40 * 56) == 0


def test_a_body_that_does_not_come_is_not_waited_for(client: Any) -> None:
    with serving("colour", queue=0, seconds=1.0) as service:
        with socket.create_connection(("127.0.0.1", service.port), PATIENCE) as raw:
            raw.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc")
            assert raw.recv(12) == b"HTTP/1.1 408"
        assert wait_for(lambda: client.post(f"{service.url}/predict", content=encoded(scene())).status_code == 200)


def test_the_place_of_a_client_that_leaves_is_free_again(tmp_path: Path, client: Any) -> None:
    data = encoded(scene())
    with serving("held", tmp_path / "go", queue=0) as service:
        with socket.create_connection(("127.0.0.1", service.port), PATIENCE) as raw:
            raw.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
            wait_for(lambda: service.figures()["segdata_at_work"] == 1)
        wait_for(lambda: service.figures().get('segdata_errors_total{code="gone"}') == 1)
        assert client.post(f"{service.url}/predict", content=data).status_code == 503, "the model is still at it"
        (tmp_path / "go").touch()
        wait_for(lambda: service.figures()["segdata_at_work"] == 0)
        assert wait_for(lambda: client.post(f"{service.url}/predict", content=data).status_code == 200)


def test_a_model_that_fails_is_an_error_of_the_service(client: Any) -> None:
    for name, code in (("never", "model"), ("broken", "internal")):
        with serving(name) as service:
            for _ in range(2):
                answer = client.post(f"{service.url}/predict", content=encoded(scene()))
                assert (answer.status_code, answer.json()["error"]["code"]) == (500, code)
                assert "ZeroDivision" not in answer.text
            assert service.figures()[f'segdata_errors_total{{code="{code}"}}'] == 2
            service.process.terminate()
            log = service.process.communicate(timeout=PATIENCE)[1]
            assert ("a bug" in log) == (name == "broken"), "a bug is told in the log"


def test_a_palette_has_256_colours(client: Any) -> None:
    with serving("many") as service:
        answer = client.post(f"{service.url}/predict?format=palette", content=encoded(scene()))
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "query")
        assert "format=mask" in answer.json()["error"]["message"]
        mask = mask_in(client.post(f"{service.url}/predict", content=encoded(scene())).content)
        assert mask.dtype.itemsize > 1
        assert mask.max() > 0


# Starting and stopping


def test_what_has_begun_is_answered_when_the_service_stops(tmp_path: Path) -> None:
    with serving("held", tmp_path / "go") as service, ThreadPoolExecutor(2) as pool:
        asked = [
            pool.submit(httpx.post, f"{service.url}/predict", content=encoded(scene()), timeout=PATIENCE)
            for _ in range(2)
        ]
        wait_for(lambda: service.figures()["segdata_queue"] == 1)
        service.process.terminate()

        def refused() -> bool:
            try:
                socket.create_connection(("127.0.0.1", service.port), 5).close()
            except ConnectionRefusedError:
                return True
            return False

        wait_for(refused)
        assert service.process.poll() is None
        (tmp_path / "go").touch()
        assert [one.result().status_code for one in asked] == [200, 200]
        assert service.process.wait(PATIENCE) == 0


def test_nothing_is_written(tmp_path: Path, client: Any) -> None:
    """Not even of a form of some megabytes, which others keep in a file."""
    places = [tmp_path / "here", tmp_path / "temporary"]
    for place in places:
        place.mkdir()
    settings = {"cwd": places[0], "env": {"TMPDIR": str(places[1])}}
    watched = (
        "import sys\n"
        "def hook(event, arguments):\n"
        "    if event == 'open' and isinstance(arguments[1], str) and set(arguments[1]) & set('wax+'):\n"
        "        print('WRITES', arguments[0], file=sys.stderr, flush=True)\n"
    )
    (tmp_path / "hooks").mkdir()
    (tmp_path / "hooks/sitecustomize.py").write_text(f"{watched}sys.addaudithook(hook)\n")
    settings["env"]["PYTHONPATH"] = str(tmp_path / "hooks")
    with serving("colour", settings=settings) as service:
        noise = np.random.default_rng(0).integers(0, 256, (900, 1200, 3)).astype(np.uint8)
        for query in ("", "?format=palette", "?format=shares"):
            answer = client.post(f"{service.url}/predict{query}", files={"file": ("a.png", encoded(noise))})
            assert answer.status_code == 200
        client.post(f"{service.url}/predict?format=polygons", content=tiff(tmp_path, scene()))
        assert service.stop() == 0
        assert service.process.stderr is not None
        written = [line for line in service.process.stderr.read().splitlines() if line.startswith("WRITES")]
    assert not [line for line in written if not re.search(r"__pycache__|numba|\.nb[ic]|/dev/null", line)], written
    assert [list(place.iterdir()) for place in places] == [[], []]


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    """`segdata serve` that must not come to serve."""
    return subprocess.run(
        [sys.executable, "-m", "segdata", "serve", *map(str, arguments)], capture_output=True, text=True, cwd=ROOT,
        timeout=PATIENCE, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


@pytest.mark.parametrize("missing", ["fastapi", "uvicorn", "python_multipart", "prometheus_client"])
def test_a_package_that_is_missing_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    for name in [name for name in sys.modules if name.startswith(("segdata.ops.serve.", f"{missing}."))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    from segdata.ops.serve.operation import serve

    with pytest.raises(MissingDependency, match=rf"{missing}\b.*pip install 'segdata\[serve\]'"):
        serve(tmp_path / "model.pt")


def test_a_port_in_use_is_one_message(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = command(tmp_path / "model.pt", "--port", port)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"error: --port {port}: is in use at 127.0.0.1: give another one, or stop what uses it; --port 0 takes a free one"
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--port", "70000"], "--port 70000: must be 0 to 65535"),
        (["--host", "no.such.host.invalid"], "--host no.such.host.invalid: is no address of this machine"),
        (["--host", "192.0.2.1", "--port", "0"], "--host 192.0.2.1: is no address of this machine"),
        (["--queue", "-1"], "--queue -1: must be 0 to"),
        (["--concurrency", "0"], "--concurrency 0: must be 1 to"),
        (["--seconds", "0"], "--seconds 0: must be above 0"),
        (["--seconds", "nan"], "--seconds nan: must be above 0"),
        (["--max-bytes", "0"], "--max-bytes 0: must be 1 to"),
        (["--max-pixels", str(2**40)], f"--max-pixels {2**40}: must be 1 to"),
        (["--reject-below", "2"], "--reject-below 2: must be 0 to 1"),
        (["--port", "0"], "there is no such file"),
    ],
)
def test_bad_options_are_one_message(tmp_path: Path, options: list[str], message: str) -> None:
    done = command(tmp_path / "model.pt", *options)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert message in line


@pytest.mark.parametrize("size", [None, (16, 24)])
def test_an_exported_model_is_served_without_torch(tmp_path: Path, client: Any, size: tuple[int, int] | None) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    from onnx_files import about, write_onnx

    model = write_onnx(tmp_path / "model.onnx", about(embedding=3, size=size))
    (tmp_path / "hooks").mkdir()
    names = ("torch", "albumentations", "onnx", "yaml")
    (tmp_path / "hooks/sitecustomize.py").write_text(f"import sys\nfor name in {names}: sys.modules[name] = None\n")
    line = [sys.executable, "-m", "segdata", "serve", str(model), "--port", "0", "--signals", str(tmp_path / "s.jsonl")]
    data = encoded(scene())
    with started([*line, "--device", "cpu"], cwd=ROOT, env={"PYTHONPATH": str(tmp_path / "hooks")}) as service:
        mask = mask_in(client.post(f"{service.url}/predict", content=data).content)
        assert service.stop() == 0
    (tmp_path / "image.png").write_bytes(data)
    made = predict(model, tmp_path / "image.png", tmp_path / "out", device="cpu")
    assert np.array_equal(mask, made.read_mask(made.samples[0]))
    found, wanted = read_profile(tmp_path / "s.jsonl"), read_profile(tmp_path / "out/signals.jsonl")
    assert found.about == wanted.about
    assert (
        [row.vector.tolist() for row in found.rows if row.vector is not None]
        == [row.vector.tolist() for row in wanted.rows if row.vector is not None]
        != []
    )


@pytest.mark.torch
@pytest.mark.slow
def test_a_checkpoint_is_served(tmp_path: Path, client: Any) -> None:
    """By the command, as `segdata predict` predicts it."""
    pytest.importorskip("torch")
    import segdata
    from train_files import QUICK, scenes

    data = scenes(tmp_path / "data", train=4, val=1)
    segdata.train(data, tmp_path / "run", **QUICK)
    model = tmp_path / "run/best.pt"
    image = next(one for one in data if one.split == "val")
    path = Path(data.image_path(image))
    line = [sys.executable, "-m", "segdata", "serve", str(model), "--port", "0", "--size", "16", "--trust-code"]
    with started(line, cwd=ROOT) as service:
        mask = mask_in(client.post(f"{service.url}/predict", content=path.read_bytes()).content)
        about = client.get(f"{service.url}/model").json()
        assert service.stop() == 0
    made = predict(model, path, tmp_path / "out", size=(16, 16), trust_code=True)
    assert np.array_equal(mask, made.read_mask(made.samples[0]))
    assert about["model"] == "best.pt"
    assert json.loads((tmp_path / "run/run.json").read_text())["labels"] == about["labels"]
