"""Weights in a file: what they were made from, and for which training they are."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest

from carry_files import make, random_masks
from segdata.dataset.dataset import Dataset
from segdata.dataset.weights_file import read_weights_file
from segdata.errors import DatasetError, OptionError
from segdata.ops.stats.operation import stats
from trial_files import run


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    masks = random_masks(12)
    return make(tmp_path / "d", {f"fold{i % 3}/{id}": mask for i, (id, mask) in enumerate(masks.items())})


def written(dataset: Dataset, split: str | None, **options: object) -> Path:
    path = Path(str(dataset.root)).parent / "w.json"
    path.write_text(json.dumps(stats(dataset, split=split, **options).weights_json("enet")))  # type: ignore[arg-type]
    return path


def test_what_is_written(dataset: Dataset) -> None:
    found = json.loads(written(dataset, "!fold0", clamp=(0.5, 2.0), normalise="mean").read_text())
    counts = stats(dataset.split("!fold0")).whole.counts
    assert found["schema"] == 1
    assert (found["scheme"], found["split"], found["counts"]) == ("enet", "!fold0", counts.digest)
    assert (found["weighting"]["clamp"], found["weighting"]["normalise"]) == ([0.5, 2.0], "mean")
    assert list(found["weights"].values()) == counts.weights("enet", clamp=(0.5, 2.0), normalise="mean").tolist()


def test_what_is_told(dataset: Dataset) -> None:
    file = read_weights_file(written(dataset, "!fold0", clamp=(0.5, 2.0), normalise="mean"), dataset.labels)
    assert file.told == "enet, of split !fold0, normalised to a mean of 1, clamped to 0.5 to 2"
    assert file.fit(dataset.split("!fold0"), "!fold0", "w.json") == file.told
    assert file.fit(dataset.split("!fold0"), "fold1,fold2", "w.json") == file.told, "other words for the same"
    part = dataset.split("!fold0").select(lambda sample: sample.split == "fold1")
    assert file.fit(part, "!fold0", "w.json").endswith("counted on other samples than those that are trained on")
    with pytest.raises(
        DatasetError, match=r"of split '!fold0', and the training is on '!fold1': .* --split '!fold1' --scheme enet"
    ):
        file.fit(dataset.split("!fold1"), "!fold1", "w.json")
    whole = read_weights_file(written(dataset, None), dataset.labels)
    assert whole.fit(dataset.split("fold1"), "fold1", "w.json").startswith(
        "enet, of all splits; counted on other samples"
    )


@pytest.mark.parametrize(
    ("scheme", "options"),
    [
        ("enet", ["--normalise", "sum", "--clamp", "0.1", "0.5"]),
        ("effective_number", ["--count", "pixels", "--beta", "0.999"]),
        ("median_frequency", []),
    ],
)
def test_the_way_out_writes_the_same_kind_of_weights(
    dataset: Dataset, tmp_path: Path, scheme: str, options: list[str]
) -> None:
    """A command that left an option out would run, and train with other weights in silence."""
    root, path = str(dataset.root), str(tmp_path / "w.json")
    run("stats", root, "--split", "!fold0", "--scheme", scheme, *options, "--out", path, code=0)
    first = read_weights_file(path, dataset.labels)
    with pytest.raises(DatasetError) as caught:
        first.fit(dataset.split("!fold1"), "!fold1", path)
    _, *words = shlex.split(str(caught.value).partition("write them for this one: ")[2])
    run(*words, code=0)
    second = read_weights_file(path, dataset.labels)
    assert (second.scheme, second.split, second.weighting) == (scheme, "!fold1", first.weighting)
    assert second.fit(dataset.split("!fold1"), "!fold1", path) == second.told


def test_files_of_older_versions(dataset: Dataset, tmp_path: Path) -> None:
    found = json.loads(written(dataset, "fold0").read_text())
    old = {key: found[key] for key in ("labels", "scheme", "weights")}
    (tmp_path / "old.json").write_text(json.dumps(old))
    file = read_weights_file(tmp_path / "old.json", dataset.labels)
    assert file.fit(dataset.split("fold1"), "fold1", "old.json") == "enet (of which split, the file does not say)"
    assert list(file.weights.values()) == list(found["weights"].values())


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"labels": "0"}, DatasetError, "has weights of other classes: write them for this dataset"),
        ({"weights": {"car": 1.0}}, DatasetError, "has weights of other classes"),
        ({"weights": {"road": -1, "car": 1, "sign": 1}}, OptionError, "not what `segdata stats --out` writes: .*>= 0"),
        ({"weights": None}, OptionError, "not what `segdata stats --out` writes"),
        ({"schema": 9}, OptionError, "of schema 9, this segdata reads 1: upgrade segdata"),
    ],
)
def test_files_that_do_not_do(dataset: Dataset, change: dict[str, object], error: type[Exception], words: str) -> None:
    path = written(dataset, "fold0")
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(error, match=words):
        read_weights_file(path, dataset.labels)


def test_files_that_are_none(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "n.json").write_text("[1]")
    (tmp_path / "nan.json").write_text(json.dumps({"labels": "", "scheme": "x", "weights": {"a": np.nan}}))
    for name, words in (
        ("n.json", "not what"),
        ("nan.json", "not what"),
        ("none.json", "cannot be read: No such file"),
    ):
        with pytest.raises(OptionError, match=words):
            read_weights_file(tmp_path / name, dataset.labels)
