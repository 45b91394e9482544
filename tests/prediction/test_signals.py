"""Signals of images: against formulas written down once more, whatever the windows; and the files that hold them."""

from __future__ import annotations

import errno
import json
import math
import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predictors import ByColour, Plain, surroundings
from segdata.errors import DatasetError, OptionError, Problem
from segdata.files.rasters import WholeRaster
from segdata.labels import Labels
from segdata.prediction.light import Light, LightMeter
from segdata.prediction.profile import About, Profile, Stream, line_of, read_profile, streamed
from segdata.prediction.signals import BINS, EDGES, Measure, Signals, decoded, encoded, measured
from segdata.prediction.sliding import Band, Failed, Input, slide
from segdata.prediction.windows import Sliding

LABELS = Labels.of(["a", "b", "c"])


def image(array: np.ndarray, opaque: np.ndarray | None = None, key: Any = "x", **options: Any) -> Input[Any]:
    @contextmanager
    def opened() -> Any:
        yield WholeRaster(array, opaque)

    return Input(key, opened, **options)


def noise(height: int, width: int, seed: int = 0, bands: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, bands)).astype(np.uint8)


def named(key: str) -> tuple[str, None]:
    return key, None


# What an image looks like


def light_of(array: np.ndarray, known: np.ndarray, span: tuple[float, float] = (0, 255)) -> Light:
    """By whole arrays, pixel by pixel."""
    grey = (array.astype(float).mean(axis=2) - span[0]) / (span[1] - span[0])
    edges = [
        grey[y - 1, x] + grey[y + 1, x] + grey[y, x - 1] + grey[y, x + 1] - 4 * grey[y, x]
        for y in range(1, len(grey) - 1)
        for x in range(1, grey.shape[1] - 1)
        if known[y, x] and known[y - 1, x] and known[y + 1, x] and known[y, x - 1] and known[y, x + 1]
    ]
    if not known.any():
        return Light(None, None, None)
    return Light(grey[known].mean(), grey[known].std(), float(np.var(edges)) if edges else None)


@settings(max_examples=40)
@given(
    st.integers(1, 12), st.integers(1, 12), st.integers(1, 4), st.integers(1, 5), st.floats(0, 1), st.integers(0, 99)
)
def test_light_is_that_of_the_whole_image(
    height: int, width: int, bands: int, rows: int, share: float, seed: int
) -> None:
    """However many rows come at once, and whichever pixels are unknown."""
    array = noise(height, width, seed, bands)
    known = np.random.default_rng(seed).random((height, width)) < share
    meter = LightMeter()
    for y in range(0, height, rows):
        meter.add(array[y : y + rows], known[y : y + rows])
    for mine, theirs in zip(meter.light(), light_of(array, known), strict=True):
        assert mine == (None if theirs is None else pytest.approx(theirs, rel=1e-4, abs=1e-6))


def test_light_in_a_span_of_other_types() -> None:
    array = np.array([[[100], [300]]], np.uint16)
    meter = LightMeter((100, 300))
    meter.add(array, np.ones((1, 2), bool))
    assert meter.light() == Light(0.5, 0.5, None)
    meter = LightMeter()
    meter.add(np.array([[[np.nan], [np.inf], [0.25], [0.75]]], np.float32), np.ones((1, 4), bool))
    assert meter.light()[:2] == (0.5, 0.25), "what is no number is not known"


def test_padding_does_not_count() -> None:
    array = noise(8, 9)
    padded = np.pad(array, ((0, 5), (0, 7), (0, 0)))
    meter = LightMeter(content=(8, 9))
    for y in range(0, 13, 3):
        meter.add(padded[y : y + 3], np.ones(padded[y : y + 3].shape[:2], bool))
    plain = LightMeter()
    plain.add(array, np.ones((8, 9), bool))
    assert meter.light() == plain.light()


def test_blur_falls_as_an_image_is_blurred() -> None:
    import cv2

    array = noise(60, 60)
    found = []
    for sigma in (0.01, 0.7, 1.5, 3):
        (row,) = measured([image(cv2.GaussianBlur(array, (0, 0), sigma))], ByColour(LABELS), Sliding(), name=named)
        assert isinstance(row, Signals)
        found.append(row.blur or 0)
    assert found == sorted(found, reverse=True)
    assert found[-1] < found[0] / 100


# What the model says


def expected(probs: np.ndarray, truth: np.ndarray | None = None) -> dict[str, Any]:
    """Pixel by pixel, of (K, H, W) probabilities."""
    classes = len(probs)
    out: dict[str, Any] = {name: [0.0] * classes for name in ("pixels", "confidence", "entropy")}
    bins = np.zeros((3, BINS), int)
    for y, x in np.ndindex(probs.shape[1:]):
        p = probs[:, y, x].astype(float)
        if not p.any():
            continue
        k = int(p.argmax())
        out["pixels"][k] += 1
        out["confidence"][k] += p[k]
        out["entropy"][k] += -sum(v * math.log(v) for v in p if v > 0) / math.log(classes)
        at = max(i for i in range(BINS) if np.float32(EDGES[i]) <= probs[k, y, x])
        bins[0, at] += 1
        if truth is not None and 0 <= truth[y, x] < classes:
            bins[1, at] += 1
            bins[2, at] += truth[y, x] == k
    return {**out, "histogram": bins[0].tolist(), "judged": bins[1].tolist(), "right": bins[2].tolist()}


@pytest.mark.parametrize("size", [(64, 64), (16, 24), (7, 5)])
@pytest.mark.parametrize("opaque", [False, True])
def test_signals_are_those_of_the_probabilities(size: tuple[int, int], opaque: bool) -> None:
    array = noise(40, 30)
    gaps = None if not opaque else np.random.default_rng(1).random((40, 30)) < 0.7
    model, sliding = Plain(LABELS, surroundings), Sliding(size)
    truth = np.random.default_rng(2).integers(0, 5, (40, 30)).astype(np.uint8)
    bands = [band for band in slide([image(array, gaps)], model, sliding) if isinstance(band, Band)]
    probs = np.zeros((3, 40, 30), np.float32)
    for band in slide([image(array, gaps)], model, sliding):
        assert isinstance(band, Band)
        probs[:, band.y : band.y + band.probs.shape[1]] = band.probs
        assert (band.light, band.embedding) == (None, None), "nobody asked"
    assert bands
    (row,) = measured([image(array, gaps)], model, sliding, name=named, truth=lambda _: truth)
    assert isinstance(row, Signals)
    wanted = expected(probs, truth)
    assert (row.pixels, row.histogram, row.judged, row.right) == tuple(
        wanted[name] for name in ("pixels", "histogram", "judged", "right")
    )
    assert row.confidence == pytest.approx(wanted["confidence"], abs=0.01)
    assert row.entropy == pytest.approx(wanted["entropy"], abs=0.01)
    assert row.total == (40 * 30 if gaps is None else gaps.sum())
    light = light_of(array, np.ones((40, 30), bool) if gaps is None else gaps)
    assert row.brightness == pytest.approx(light.brightness, rel=1e-4)
    assert row.blur == pytest.approx(light.blur, rel=1e-4)


def test_certain_and_uniform_pixels_have_entropy_zero_and_one() -> None:
    for confidence, entropy, at in ((1.0, 0.0, BINS - 1), (1 / 3, 1.0, 1)):
        (row,) = measured([image(noise(10, 10))], ByColour(LABELS, confidence), Sliding(), name=named)
        assert isinstance(row, Signals)
        assert sum(row.entropy) == pytest.approx(100 * entropy, abs=0.01)
        assert row.histogram[at] == 100


def test_padding_is_not_predicted() -> None:
    array = np.pad(noise(8, 9), ((0, 5), (0, 7), (0, 0)))
    found = []
    for content, padded in (((8, 9), array), ((0, 0), array[:8, :9])):
        measure = Measure(3, content)
        for band in slide([image(padded, content=content)], ByColour(LABELS), Sliding(), besides=True):
            assert isinstance(band, Band)
            measure.add(band)
        found.append(msgspec.structs.replace(measure.signals("x"), height=0, width=0))
    assert found[0] == found[1]


def test_a_file_that_cannot_be_read_is_told_and_the_next_is_measured() -> None:
    from segdata.errors import DataError

    @contextmanager
    def broken() -> Any:
        raise DataError(Problem("image.unreadable", "torn"))
        yield

    images = [image(noise(9, 9), key="a"), Input("b", broken), image(noise(9, 9), key="c")]
    first, failed, last = measured(images, ByColour(LABELS), Sliding(), name=named)
    assert isinstance(failed, Failed)
    assert failed.key == "b"
    assert isinstance(first, Signals)
    assert isinstance(last, Signals)
    assert msgspec.structs.replace(first, id="c") == last


# Embeddings


@dataclass
class Embedder(ByColour):
    """Its embedding is the mean colour of a window. It takes note of how it was asked."""

    embedding: int | None = 3

    def both(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self(images), images.astype(np.float32).mean(axis=(1, 2))


def test_an_embedding_is_the_mean_over_windows_by_their_pixels() -> None:
    array = noise(40, 30)
    model = Embedder(LABELS)
    sliding = Sliding((10, 15), overlap=0.0, batch=3, flips=("x",), scales=(1.0, 2.0))
    rows = list(measured([image(array), image(array // 2, key="y")], model, sliding, name=named))
    for row, pixels in zip(rows, (array, array // 2), strict=True):
        assert isinstance(row, Signals)
        vector = row.vector
        assert vector is not None
        np.testing.assert_allclose(vector, pixels.mean(axis=(0, 1)), rtol=1e-3)
    opaque = np.zeros((40, 30), bool)
    opaque[:10, :15] = opaque[10:20, :3] = True
    (row,) = measured([image(array, opaque)], model, sliding, name=named)
    assert isinstance(row, Signals)
    windows = array[:10, :15].mean(axis=(0, 1)) * 150 + array[10:20, :15].mean(axis=(0, 1)) * 30
    assert row.vector is not None
    np.testing.assert_allclose(row.vector, windows / 180, rtol=1e-3)


def test_a_predictor_without_embeddings_is_only_called() -> None:
    for model in (ByColour(LABELS), Embedder(LABELS, embedding=None)):
        (row,) = measured([image(noise(9, 9))], model, Sliding(), name=named)
        assert isinstance(row, Signals)
        assert row.vector is None


def test_embeddings_of_another_shape_are_refused() -> None:
    class Wrong(Embedder):
        def both(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return self(images), np.zeros(3, np.float32)

    with pytest.raises(OptionError, match=r"embeddings of \(3,\) where it should be \(1, D\)"):
        list(slide([image(noise(9, 9))], Wrong(LABELS), Sliding(), besides=True))


@given(st.lists(st.floats(-1e6, 1e6), max_size=20))
def test_embeddings_survive_their_text(values: list[float]) -> None:
    vector = np.array(values, np.float32)
    np.testing.assert_array_equal(decoded(encoded(vector)), vector.clip(-65504, 65504).astype(np.float16))


# Files


def rows_of(count: int, labels: Labels = LABELS) -> list[Signals]:
    model = Embedder(labels)
    images = [image(noise(9, 9, i), key=f"{i:03}") for i in range(count)]
    return [row for row in measured(images, model, Sliding(), name=named) if isinstance(row, Signals)]


def test_a_profile_comes_back(tmp_path: Path) -> None:
    rows = rows_of(5)
    profile = Profile(About.of(LABELS, "ab" * 32, 1.5), tuple(rows[::-1]))
    profile.save(tmp_path / "p.jsonl")
    back = read_profile(tmp_path / "p.jsonl")
    assert list(back.rows) == rows, "sorted by id"
    assert (back.about, back.labels) == (profile.about, LABELS)
    with streamed(tmp_path / "p.jsonl") as (about, found):
        assert next(found) == rows[0]
        assert about.temperature == 1.5
    back.save(tmp_path / "q.jsonl")
    assert (tmp_path / "q.jsonl").read_bytes() == (tmp_path / "p.jsonl").read_bytes()


def test_a_stream_goes_on_after_a_torn_line(tmp_path: Path) -> None:
    about, rows, path = About.of(LABELS), rows_of(4), tmp_path / "deep/s.jsonl"
    with Stream(path, about) as stream:
        stream.append(rows[0])
        stream.append(rows[1])
        assert read_profile(path).rows == tuple(rows[:2]), "what is appended can be read at once"
        with pytest.raises(DatasetError, match="another run is writing there"):
            Stream(path, about)
    with path.open("ab") as file:
        file.write(line_of(rows[2])[:40])
    assert read_profile(path).rows == tuple(rows[:2])
    with Stream(path, about) as stream:
        stream.append(rows[3])
    assert read_profile(path).rows == (rows[0], rows[1], rows[3])


def test_a_row_without_room_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    about, rows, path = About.of(LABELS), rows_of(4), tmp_path / "s.jsonl"
    write, left = os.write, [0]

    def with_room(number: int, data: bytes) -> int:
        if not left[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = write(number, data[: left[0]])
        left[0] -= written
        return written

    with Stream(path, about) as stream:
        stream.append(rows[0])
        monkeypatch.setattr(os, "write", with_room)
        for room in (0, 1, 50, len(line_of(rows[1])) - 1):
            left[0] = room
            with pytest.raises(OSError, match="No space") as told:
                stream.append(rows[1])
            assert told.value.filename == str(path)
        monkeypatch.undo()
        for row in rows[2:]:
            stream.append(row)
    assert read_profile(path).rows == (rows[0], *rows[2:])


def test_a_stream_of_another_model_is_refused(tmp_path: Path) -> None:
    with Stream(tmp_path / "s.jsonl", About.of(LABELS, "a")):
        pass
    for other in (About.of(LABELS, "b"), About.of(Labels.of(["a"]), "a"), About.of(LABELS, "a", 2.0)):
        with pytest.raises(DatasetError, match="of another model, or of other classes: choose another file"):
            Stream(tmp_path / "s.jsonl", other)
    (tmp_path / "t.jsonl").write_text("mine\n")
    with pytest.raises(DatasetError, match="not a file of signals"):
        Stream(tmp_path / "t.jsonl", About.of(LABELS))
    assert (tmp_path / "t.jsonl").read_text() == "mine\n"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pixels": [1]}, "of 3 classes"),
        ({"histogram": [1]}, "49 bins"),
        ({"pixels": [1, 2, 3]}, "other pixels than the classes"),
        ({"right": [0] * 49}, "come together"),
        ({"right": [1] * 49, "judged": [0] * 49}, "more pixels are right"),
        ({"embedding": "*"}, "no base64"),
        ({"embedding": encoded(np.zeros(2))}, "an embedding of 2 numbers, after others of 3"),
        ({"id": 7}, "id: expected str"),
        ({"entropy": [-1, 0, 0]}, "expected float >= 0"),
    ],
)
def test_a_damaged_line_is_told_with_its_number(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = tmp_path / "p.jsonl"
    Profile(About.of(LABELS), tuple(rows_of(3))).save(path)
    lines = path.read_text().splitlines()
    lines[2] = json.dumps({**json.loads(lines[2]), **change})
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(DatasetError, match=message) as found:
        read_profile(path)
    assert "line 3 is damaged" in str(found.value)


@pytest.mark.parametrize(
    "text", ["", "{}\n", "[1]\n", "\x00\n", '{"signals":1}\n', "[" * 10_000 + "\n", "a" * 10_000], ids=range(7)
)
def test_files_of_others_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "p.jsonl").write_text(text)
    with pytest.raises(DatasetError, match="not a file of signals"):
        read_profile(tmp_path / "p.jsonl")
    with pytest.raises(DatasetError, match="there is no such file"):
        read_profile(tmp_path)


def test_a_later_format_is_refused(tmp_path: Path) -> None:
    about = json.loads(line_of(About.of(LABELS)))
    (tmp_path / "p.jsonl").write_text(json.dumps({**about, "signals": 2}) + "\n")
    with pytest.raises(DatasetError, match="of format 2, this segdata reads 1: upgrade segdata"):
        read_profile(tmp_path / "p.jsonl")
