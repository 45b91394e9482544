"""Picking: the formulas by hand, the order by brute force, what is labelled left alone, and what is written."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

import segdata
from carry_files import contents, make
from operations import toy_models
from predictors import ByColour
from segdata.cli import main
from segdata.dataset.dataset import Dataset
from segdata.errors import DataError, DatasetError, OptionError, Report
from segdata.executors.run import Run
from segdata.files.geo import Geo
from segdata.labels import Labels
from segdata.ops.pick import operation
from segdata.ops.pick.choose import Room, farthest, heaviest, nearest, unit
from segdata.ops.pick.operation import pick
from segdata.ops.pick.weigh import class_rarity, weigh
from segdata.prediction.signals import Measure, Signals
from segdata.prediction.sliding import Band
from signal_files import NAMES, save, signals


def pool_of(root: Path, rows: Sequence[Signals], **fields: Any) -> Dataset:
    """Predictions of 2 x 3 pixels with these signals."""
    masks = {row.id: np.full((2, 3), number % 3) for number, row in enumerate(rows)}
    made = make(root, masks, names=NAMES, images="reference", **fields)
    save(root, rows)
    return made


def random_rows(count: int, seed: int = 0, size: int = 4) -> list[Signals]:
    rng = np.random.default_rng(seed)
    return [
        signals(
            f"im{i:04d}",
            rng.integers(1, 50, 3).tolist(),
            float(rng.uniform(0.01, 0.99)),
            rng.normal(size=size).tolist(),
        )
        for i in range(count)
    ]


def ids(picked: operation.Picked) -> list[str]:
    return [one.id for one in picked.images]


# The formulas


def test_uncertainty_and_rarity_are_those_of_the_pixels() -> None:
    """Measured on probabilities, and computed from all of them at once."""
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(5, 4, 6, 7)) * 2
    probs = (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32)
    rows = []
    for number, one in enumerate(probs):
        measure = Measure(4)
        measure.add(Band(number, (6, 7), Geo(), 0, one))
        rows.append(measure.signals(str(number)))
    found = weigh(lambda: iter(rows), 4, {"3"}, seed=0)
    likeliest = probs.argmax(axis=1)
    share = np.bincount(likeliest.ravel(), minlength=4) / likeliest.size
    rare = share**-0.5 / (share**-0.5)[likeliest].mean()
    entropy = -(probs * np.log(probs)).sum(axis=1) / np.log(4)
    assert sorted(found.ids) == ["0", "1", "2", "4"]
    for id, uncertainty, rarity in zip(found.ids, found.uncertainty, found.rarity, strict=True):
        assert uncertainty == pytest.approx(entropy[int(id)].mean(), abs=1e-4)
        assert rarity == pytest.approx(rare[likeliest[int(id)]].mean(), rel=1e-9)


def test_a_class_that_nobody_predicts_weighs_nothing() -> None:
    roots = 0.9**0.5, 0.1**0.5
    expected = [1 / (root * sum(roots)) for root in roots]
    assert class_rarity(np.array([9.0, 1.0, 0.0])).tolist() == pytest.approx([*expected, 0])
    assert class_rarity(np.zeros(3)).tolist() == [0, 0, 0]


@given(st.integers(1, 12), st.integers(1, 14), st.integers(0, 3), st.integers(0, 2**32 - 1))
def test_the_order_is_that_of_brute_force(images: int, count: int, most: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors, weights = unit(rng.normal(size=(images, 3))), rng.uniform(0.1, 1, images)
    known = unit(rng.normal(size=(rng.integers(0, 4), 3)))
    groups = rng.integers(0, 3, images) if most else None
    distance = nearest(vectors, [known[:1], known[1:]])
    taken, gaps = farthest(weights, vectors, distance, count, Room(groups, most or None))
    slow: list[int] = []
    while len(slow) < count:
        others = [*known, *(vectors[i] for i in slow)]
        gap = [min([max(0.0, 1 - float(vectors[i] @ v)) for v in others], default=2.0) for i in range(images)]
        times = Counter(() if groups is None else groups[slow].tolist())
        free = [i for i in range(images) if i not in slow and (groups is None or times[groups[i]] < most)]
        if not free:
            break
        assert gaps[len(slow)] == pytest.approx(gap[taken[len(slow)]], abs=1e-5)
        best = max(weights[i] * gap[i] for i in free)
        assert weights[taken[len(slow)]] * gap[taken[len(slow)]] == pytest.approx(best, abs=1e-5)
        slow.append(taken[len(slow)])
    assert taken == slow
    by_weight = heaviest(weights, count, Room(groups, most or None))
    assert len(by_weight) == len(taken)
    assert [weights[i] for i in by_weight] == sorted((weights[i] for i in by_weight), reverse=True)


# What is picked


def test_each_strategy_takes_what_it_looks_at(tmp_path: Path) -> None:
    rows = [
        signals("sure", [9, 1, 0], 0.1, [1, 0]),
        signals("unsure", [9, 1, 0], 0.9, [1, 0.01]),
        signals("rare", [0, 0, 2], 0.05, [1, 0.02]),
        signals("far", [9, 1, 0], 0.2, [-1, 0]),
    ]
    pool = pool_of(tmp_path / "pool", rows)
    first = {
        s: ids(pick(pool, tmp_path / f"{s}.txt", n=1, strategy=s))[0] for s in ("uncertainty", "rarity", "combined")
    }
    assert first == {"uncertainty": "unsure", "rarity": "rare", "combined": "unsure"}
    assert set(ids(pick(pool, tmp_path / "d.txt", n=2, strategy="diversity"))) & {"far"}
    assert ids(pick(pool, tmp_path / "c.txt", n=2))[1] == "far"
    assert (tmp_path / "c.txt").read_text() == "unsure\nfar\n"


def test_random_draws_each_as_often_and_the_same_again(tmp_path: Path) -> None:
    pool = pool_of(tmp_path / "pool", random_rows(10))
    again = [tuple(ids(pick(pool, tmp_path / "l.txt", n=3, strategy="random", seed=7, overwrite=True))) for _ in "ab"]
    assert again[0] == again[1]
    times: Counter[str] = Counter()
    rows = random_rows(10)
    for seed in range(400):
        times.update(weigh(lambda: iter(rows), 3, (), seed).ids[:3])
    assert weigh(lambda: iter(rows), 3, (), 7).ids[:3] == list(again[0])
    assert sum(times.values()) == 1200
    assert max(abs(n - 120) for n in times.values()) < 5 * (120 * 0.7) ** 0.5  # five deviations of a binomial


@pytest.mark.parametrize("strategy", ["combined", "uncertainty", "rarity", "diversity", "random"])
def test_the_order_of_the_rows_does_not_matter(tmp_path: Path, strategy: Any) -> None:
    rows = random_rows(30)
    there = []
    for number, order in enumerate((rows, rows[::-1])):
        path = tmp_path / f"{number}.jsonl"
        lines = [msgspec.json.encode(one) for one in order]
        head = save(path, rows).read_bytes().splitlines()[0]
        path.write_bytes(b"\n".join([head, *lines]) + b"\n")
        there.append(ids(pick(path, tmp_path / f"{number}.txt", n=9, strategy=strategy)))
    assert there[0] == there[1]
    assert len(set(there[0])) == 9


def test_what_is_labelled_is_not_picked_and_its_neighbours_are_avoided(tmp_path: Path) -> None:
    around = {"a": [1, 0, 0], "b": [0, 1, 0], "c": [0, 0, 1]}
    rng = np.random.default_rng(0)
    rows = [
        signals(f"{name}{i}", [5, 5, 5], 0.5, (np.array(centre) + rng.normal(scale=0.01, size=3)).tolist())
        for name, centre in around.items()
        for i in range(5)
    ]
    pool = pool_of(tmp_path / "pool", rows)
    labelled = pool.select(lambda sample: sample.id in ("a0", "b3"))
    found = pick(pool, tmp_path / "l.csv", n=3, strategy="diversity", labelled=labelled)
    assert found.labelled == 2
    assert ids(found)[0][0] == "c"
    assert not {"a0", "b3"} & set(ids(pick(pool, tmp_path / "all.csv", n=99, labelled=labelled)))


def test_labelled_images_are_known_by_their_image(tmp_path: Path) -> None:
    """The labels have come back under other ids, as `split` gives them."""
    pool = pool_of(tmp_path / "pool", random_rows(6))
    other = msgspec.structs.replace(pool.samples[2], id="train/x")
    labelled = Dataset(tmp_path / "pool", pool.labels, [other], {}, "reference")
    found = pick(pool, tmp_path / "l.txt", n=99, labelled=labelled)
    assert found.labelled == 1
    assert set(ids(found)) == {sample.id for sample in pool} - {pool.samples[2].id}


def test_labelled_images_outside_the_pool_need_signals_of_the_same_model(tmp_path: Path) -> None:
    pool = pool_of(tmp_path / "pool", [signals("a", [1, 1, 1], 0.5, [1, 0]), signals("b", [1, 1, 1], 0.5, [0, 1])])
    labelled = make(tmp_path / "labelled", {"old": np.zeros((2, 3))}, names=NAMES)
    with pytest.raises(OptionError, match=r"segdata predict MODEL .*labelled PRED"):
        pick(pool, tmp_path / "l.txt", n=1, labelled=labelled)
    assert not (tmp_path / "l.txt").exists()
    save(labelled.root, [signals("old", [1, 1, 1], 0.5, [1, 0.1])])
    assert ids(pick(pool, tmp_path / "l.txt", n=1, labelled=labelled)) == ["b"]
    save(labelled.root, [signals("old", [1, 1, 1], 0.5, [1, 0.1])], model="b" * 64)
    with pytest.raises(DatasetError, match="of another model"):
        pick(pool, tmp_path / "m.txt", n=1, labelled=labelled)


def test_a_part_of_the_labelled_images_without_embedding_is_told(tmp_path: Path) -> None:
    pool = pool_of(tmp_path / "pool", random_rows(5))
    fields = make(tmp_path / "labelled", {pool.samples[0].id: np.zeros((2, 3)), "old": np.zeros((2, 3))}, names=NAMES)
    found = pick(pool, tmp_path / "l.txt", n=2, labelled=fields)
    assert (found.labelled, found.unknown) == (1, 1)


def test_groups_have_a_limit(tmp_path: Path) -> None:
    rows = random_rows(30)
    fields: Mapping[str, Any] = {row.id: {"group": f"drive{i % 3}"} for i, row in enumerate(rows)}
    pool = pool_of(tmp_path / "pool", rows, fields=fields)
    for strategy in ("combined", "uncertainty", "random"):
        found = pick(pool, tmp_path / "l.csv", n=6, strategy=strategy, per_group=2, overwrite=True)  # type: ignore[arg-type]
        assert Counter(one.group for one in found.images) == {"drive0": 2, "drive1": 2, "drive2": 2}
    assert found.images[0].distance is None
    few = pick(pool, tmp_path / "l.csv", n=9, per_group=1, overwrite=True)
    assert (len(few.images), few.asked) == (3, 9)
    ruled = pick(pool, tmp_path / "r.csv", n=9, per_group=4, group_by="regex:^(im0)", strategy="random")
    assert len(ruled.images) == 4
    assert {one.group for one in ruled.images} == {"im0"}


def test_a_limit_that_does_nothing_is_refused(tmp_path: Path) -> None:
    pool = pool_of(tmp_path / "pool", random_rows(5))
    with pytest.raises(OptionError, match="no two images are in one group: --group-by sequence"):
        pick(pool, tmp_path / "l.txt", n=3, per_group=2)
    pick(pool, tmp_path / "l.txt", n=3, per_group=2, group_by="sequence")
    with pytest.raises(OptionError, match="give --per-group too"):
        pick(pool, tmp_path / "l.txt", n=3, group_by="sequence")


def test_of_many_images_the_heaviest_are_candidates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operation, "MOST", 20)
    rows = random_rows(60)
    pool = pool_of(tmp_path / "pool", rows, fields={row.id: {"group": f"g{i % 2}"} for i, row in enumerate(rows)})
    left = weigh(lambda: iter(rows), 3, (), 0)
    heavy = {left.ids[i] for i in np.argsort(-left.uncertainty * left.rarity)[:20]}
    assert set(ids(pick(pool, tmp_path / "l.txt", n=5))) <= heavy
    counts = Counter(one.group for one in pick(pool, tmp_path / "g.txt", n=4, per_group=1).images)
    assert counts == {"g0": 1, "g1": 1}


def test_images_without_data_and_twice_the_same_are_not_picked(tmp_path: Path) -> None:
    rows = [signals("a", [1, 1, 1], 0.5, [1, 0]), signals("blank", [0, 0, 0], 0.0, None)]
    path = save(tmp_path / "stream.jsonl", [*rows, rows[0]])
    with path.open("ab") as file:
        file.write(b'{"id": "half')
    assert ids(pick(path, tmp_path / "l.txt", n=9)) == ["a"]


# A model that looks at the pool first


@dataclass
class Eyes(ByColour):
    """Knows colours, is as unsure as it is told, and its embedding is the mean colour."""

    embedding: int | None = 3

    def both(self, images: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return self(images), images.mean(axis=(1, 2)).astype(np.float32)


def colours(folder: Path, values: Mapping[str, Sequence[int]]) -> Path:
    for name, colour in values.items():
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 9, 3), colour, np.uint8)).save(path)
    return folder


def test_a_model_looks_at_a_folder_of_images(tmp_path: Path) -> None:
    """The same as of its predictions, without writing any."""
    eyes = Eyes(Labels.of(NAMES), 0.7)
    near = {f"a{i}": (200, 10 + i, 10) for i in range(4)}
    pool = colours(tmp_path / "new", {**near, "b": (10, 200, 10), "c": (10, 10, 200)})
    found = pick(pool, tmp_path / "l.csv", n=3, strategy="diversity", model=eyes)
    assert {id[0] for id in ids(found)} == {"a", "b", "c"}
    assert [Path(one.image or "").name for one in found.images] == [f"{one.id}.png" for one in found.images]
    predicted = segdata.predict(eyes, pool, tmp_path / "pred")
    assert pick(predicted, tmp_path / "m.csv", n=3, strategy="diversity").images == found.images
    assert {path.name for path in tmp_path.iterdir()} == {"new", "l.csv", "m.csv", "pred"}
    old = segdata.predict(eyes, colours(tmp_path / "old", {"x": (10, 190, 10)}), tmp_path / "labelled", signals=False)
    rest = pick(pool, tmp_path / "n.csv", n=2, strategy="diversity", model=eyes, labelled=old)
    assert (rest.labelled, rest.unknown) == (0, 0)
    assert {id[0] for id in ids(rest)} == {"a", "c"}


def test_padding_of_tiles_says_nothing(tmp_path: Path) -> None:
    """As of `predict`, which leaves it out."""
    eyes = Eyes(Labels.of(NAMES), 0.7)
    whole = make(tmp_path / "whole", {f"w{i}": np.zeros((10 + i, 24)) for i in range(3)}, names=NAMES, images="copy")
    tiles = segdata.tile(whole, tmp_path / "tiles", size=16)
    found = pick(tiles, n=99, model=eyes, strategy="uncertainty")
    predicted = segdata.predict(eyes, tiles, tmp_path / "pred")
    assert any(tile.tiling is not None and tile.window is not None for tile in tiles)
    by_id = {one.id: (one.uncertainty, one.rarity) for one in pick(predicted, n=99, strategy="uncertainty").images}
    assert {one.id: (one.uncertainty, one.rarity) for one in found.images} == by_id


def test_a_model_may_be_a_file(tmp_path: Path) -> None:
    pool = colours(tmp_path / "new", {"a": (200, 10, 10), "b": (10, 200, 10)})
    (tmp_path / "model.toy").write_text("\n".join(NAMES))
    with toy_models():
        found = pick(pool, model=tmp_path / "model.toy", strategy="uncertainty", n=1)
        with pytest.raises(OptionError, match="not every image has an embedding"):
            pick(pool, model=tmp_path / "model.toy", n=1)
    assert len(found.images) == 1


def test_what_a_model_cannot_do_is_refused(tmp_path: Path) -> None:
    eyes = Eyes(Labels.of(NAMES), 0.7)
    pool = colours(tmp_path / "new", {"a": (1, 2, 3)})
    with pytest.raises(OptionError, match=r"segdata predict .*new PRED, and then segdata pick PRED"):
        pick(pool, tmp_path / "next", model=eyes)
    with pytest.raises(DatasetError, match=r"is no dataset of predictions: segdata predict MODEL .*new PRED"):
        pick(pool, tmp_path / "l.txt")
    with pytest.raises(OptionError, match="has signals already"):
        pick(save(tmp_path / "s.jsonl", random_rows(3)), tmp_path / "l.txt", model=eyes)
    (pool / "b.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"b\.png"):
        pick(pool, tmp_path / "l.txt", model=eyes)
    assert not (tmp_path / "l.txt").exists()
    assert ids(pick(pool, tmp_path / "l.txt", model=eyes, run=Run(report=Report("skip")))) == ["a"]


# What is written


def test_a_dataset_has_the_predictions_and_can_be_exported(tmp_path: Path) -> None:
    pool = pool_of(tmp_path / "pool", random_rows(12))
    made = pick(pool, tmp_path / "next", n=4)
    assert made.dataset is not None
    assert {sample.id for sample in Dataset.open(tmp_path / "next")} == set(ids(made))
    for sample in made.dataset:
        np.testing.assert_array_equal(made.dataset.read_mask(sample), pool.read_mask(pool.sample(sample.id)))
        np.testing.assert_array_equal(made.dataset.read_image(sample), pool.read_image(pool.sample(sample.id)))
    receipt = made.dataset.read_receipt()
    assert receipt["images"] == {"in": 4, "picked": 4, "skipped": 0}
    assert [one["id"] for one in receipt["pick"]["images"]] == ids(made)
    before = contents(tmp_path / "next")
    pick(pool, tmp_path / "next", n=4)
    assert contents(tmp_path / "next") == before
    segdata.export("labelstudio", tmp_path / "next", tmp_path / "tasks", images="copy")
    tasks = [json.loads(path.read_text()) for path in (tmp_path / "tasks").glob("*.json") if "task" in path.name]
    assert len(tasks[0]) == 4


def test_a_list_is_not_written_over_another_file(tmp_path: Path) -> None:
    pool = pool_of(tmp_path / "pool", random_rows(6))
    pick(pool, tmp_path / "deep/l.csv", n=2)
    before = (tmp_path / "deep/l.csv").read_bytes()
    pick(pool, tmp_path / "deep/l.csv", n=2)
    with pytest.raises(DatasetError, match="exists already, with other contents"):
        pick(pool, tmp_path / "deep/l.csv", n=3)
    assert (tmp_path / "deep/l.csv").read_bytes() == before
    pick(pool, tmp_path / "deep/l.csv", n=3, overwrite=True)
    table = list(csv.DictReader((tmp_path / "deep/l.csv").read_text().splitlines()))
    assert [row["rank"] for row in table] == ["1", "2", "3"]
    assert Path(table[0]["image"]).is_file()
    rule = tmp_path / "groups.csv"
    rule.write_text("id,group\n" + "".join(f"{sample.id},g\n" for sample in pool))
    with pytest.raises(OptionError, match="is what is read"):
        pick(pool, rule, n=1, per_group=1, group_by=str(rule), overwrite=True)


def run(*arguments: object) -> Any:
    return CliRunner().invoke(main, [str(one) for one in ("pick", *arguments)])


def test_the_command_says_what_it_did_and_what_is_wrong(tmp_path: Path) -> None:
    pool = pool_of(tmp_path / "pool", random_rows(8))
    done = run(pool.root, tmp_path / "next", "--n", 3)
    assert done.exit_code == 0, done.output
    assert "pool:        8 images, 0 of them labelled" in done.output
    assert "picked:      3 by combined" in done.output
    as_json = json.loads(run(pool.root, tmp_path / "l.csv", "--n", 3, "--json").stdout)
    assert [one["rank"] for one in as_json["images"]] == [1, 2, 3]
    printed = run(pool.root, "--n", 3)
    assert printed.stdout.split() == [one["id"] for one in as_json["images"]]
    bare = make(tmp_path / "bare", {"a": np.zeros((2, 3))}, names=NAMES)
    stream = save(tmp_path / "s.jsonl", random_rows(3))
    flat = save(tmp_path / "flat.jsonl", [signals("a", [1, 1, 1], 0.5, None)])
    damaged = tmp_path / "damaged.jsonl"
    damaged.write_bytes(stream.read_bytes().replace(b'"pixels":[', b'"pixels":[-1,'))
    for arguments, text in {
        (bare.root, tmp_path / "x.txt"): "has no signals.jsonl, which says how sure a model is: segdata predict MODEL",
        (stream, tmp_path / "x"): "has no masks that a dataset could be made of: write a list (.txt or .csv)",
        (stream, tmp_path / "x.txt", "--split", "val"): "has no splits",
        (flat, tmp_path / "x.txt"): "--strategy uncertainty does without",
        (damaged, tmp_path / "x.txt"): "line 2 is damaged",
        (tmp_path / "none.jsonl", tmp_path / "x.txt"): "there is no such file",
        (stream, tmp_path / "x.txt", "--n", 0): "must be 1 or more",
        (pool.root, tmp_path / "x.txt", "--labelled", pool.root): "no image is left to pick: all 8 are labelled",
    }.items():
        wrong = run(*arguments)
        assert wrong.exit_code == 1, arguments
        assert wrong.output.count("\n") == 1
        assert text in wrong.output
        assert not (tmp_path / "x.txt").exists()
        assert not (tmp_path / "x").exists()
    assert run(flat, tmp_path / "x.txt", "--strategy", "uncertainty").exit_code == 0


def test_signals_of_fewer_images_than_the_predictions_are_refused(tmp_path: Path) -> None:
    rows = random_rows(4)
    pool = pool_of(tmp_path / "pool", rows)
    save(pool.root, rows[1:])
    with pytest.raises(DatasetError, match="has no line of im0000: predict again"):
        pick(pool, tmp_path / "l.txt", n=1)
