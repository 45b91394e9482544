"""What every metric must do. A new one is tested by being listed in METRICS."""

from __future__ import annotations

import inspect
import json
import math
import pickle
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import reduce
from importlib import import_module
from operator import add
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

import segdata
from carry_files import make
from segdata.cli import main
from segdata.errors import OptionError
from segdata.files.scores import write_scores
from segdata.labels import Labels
from segdata.metrics import METRICS, measures
from segdata.metrics.base import Case, Curve, Metric
from segdata.terminal.signatures import parameters

NAMES = ("road", "car", "sign")
LABELS = Labels.of(NAMES)
ON = {
    option.name: True
    for module in METRICS.values()
    for option in inspect.signature(import_module(module).measure).parameters.values()
    if option.default is False
}
"""Options under which every metric measures all that it can."""

Measure = Callable[[Case], Metric | None]


@pytest.fixture(params=list(METRICS))
def measure(request: pytest.FixtureRequest) -> Measure:
    """A metric with everything on."""
    return measures(**ON)[request.param]


def case(seed: int, *, ignored: float = 0.2, shape: tuple[int, int] = (18, 24)) -> Case:
    """An image with scores, which come in two parts that share four rows."""
    rng = np.random.default_rng(seed)
    small = rng.choice([0, 1, 2, 255], (shape[0] // 6, shape[1] // 6), p=[*[(1 - ignored) / 3] * 3, ignored])
    truth = np.kron(small, np.ones((6, 6))).astype(np.uint8)
    pred = np.where(rng.random(shape) < 0.3, rng.choice([0, 1, 2, 255], shape), truth % 255).astype(np.uint8)
    probs = rng.dirichlet(np.ones(3), shape).transpose(2, 0, 1).astype(np.float32)
    return with_scores(Case(truth, pred, LABELS), probs)


def with_scores(case: Case, probs: Any) -> Case:
    def scores() -> Iterator[tuple[Any, Any]]:
        middle = len(case.truth) // 2
        lower = case.truth[middle - 4 :].copy()
        lower[:4] = 255
        yield probs[:, :middle], case.truth[:middle]
        yield probs[:, middle - 4 :], lower

    return replace(case, scores=scores)


def said(value: Metric) -> dict[str, Any]:
    """All that a metric tells, plain."""
    classes = {score.key: [score.title, *score.values.tolist()] for score in value.by_class()}
    sections = [
        [s.title, s.text, [list(r) for r in s.table], s.curve and list(map(list, s.curve.points))]
        for s in value.sections()
    ]
    return {
        "classes": classes,
        "json": value.to_json(),
        "lines": list(value.lines()),
        "cards": value.cards(),
        "sections": sections,
    }


def agree(one: Any, two: Any) -> bool:
    """Equal, but for the last bits of floats; NaN is NaN."""
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(agree(one[key], two[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(two) and all(map(agree, one, two))
    if isinstance(one, float):
        return (math.isnan(one) and math.isnan(two)) or math.isclose(one, two, rel_tol=1e-9, abs_tol=1e-12)
    return bool(one == two)


def valued(measure: Measure, cases: Sequence[Case]) -> list[Metric]:
    found = [measure(one) for one in cases]
    assert all(value is not None for value in found), "not measured, with all of its options on"
    return found  # type: ignore[return-value]


def test_values_add_in_any_order_and_grouping(measure: Measure) -> None:
    values = valued(measure, [case(seed) for seed in range(6)])
    before = [said(value) for value in values]
    whole = said(reduce(add, values))
    assert agree(said(reduce(add, values[::-1])), whole)
    assert agree(said((values[0] + (values[1] + values[2])) + ((values[3] + values[4]) + values[5])), whole)
    assert agree(said((values[4] + values[1]) + (values[5] + values[0]) + (values[2] + values[3])), whole)
    assert not agree(said(values[0]), whole), "the other images count"
    assert agree([said(value) for value in values], before), "adding changes no part"


def test_an_image_without_pixels_is_zero(measure: Measure) -> None:
    (zero,) = valued(measure, [replace(Case.empty(LABELS), scores=list)])
    (value,) = valued(measure, [case(0)])
    assert agree(said(zero + value), said(value))
    assert agree(said(value + zero), said(value))
    assert agree(said(zero + zero), said(zero))
    begun = measure(Case.empty(LABELS))  # evaluate begins with it
    assert begun is not None or not value.intervals, "intervals need it"


def test_ignored_pixels_never_count(measure: Measure) -> None:
    """An image that is ignored everywhere is zero; and far from labelled pixels nothing that the model says matters."""
    zero, nothing = valued(measure, [replace(Case.empty(LABELS), scores=list), case(1, ignored=1.0)])
    assert agree(said(nothing), said(zero))
    one, two = case(2, shape=(60, 60)), case(3, shape=(60, 60))
    truth = one.truth.copy()
    truth[:, 12:] = 255
    far = np.arange(60) >= 40
    shown = []
    for pred, seed in ((one.pred, 4), (np.where(far, two.pred, one.pred), 5)):
        rng = np.random.default_rng(6)
        probs = rng.dirichlet(np.ones(3), (60, 60)).transpose(2, 0, 1).astype(np.float32)
        probs[:, :, 40:] = np.random.default_rng(seed).dirichlet(np.ones(3), (60, 20)).transpose(2, 0, 1)
        shown.append(with_scores(Case(truth, pred, LABELS), probs))
    first, second = valued(measure, shown)
    assert said(first) != said(zero)
    assert agree(said(first), said(second))


def test_values_pickle(measure: Measure) -> None:
    (value,) = valued(measure, [case(0)])
    again = pickle.loads(pickle.dumps(value))
    assert type(again) is type(value)
    assert agree(said(again + value), said(value + value))
    assert pickle.loads(pickle.dumps(measure))(case(0)) is not None, "it travels to other processes"


def test_what_it_says_is_in_order(measure: Measure) -> None:
    """JSON without NaN, scores of every class, curves between 0 and 1; of nothing too."""
    for value in valued(measure, [case(0), case(1, ignored=1.0), replace(Case.empty(LABELS), scores=list)]):
        json.dumps(value.to_json(), allow_nan=False)
        assert all(isinstance(line, str) and "\n" not in line for line in value.lines())
        for score in value.by_class():
            assert re.fullmatch(r"[a-z0-9_]+", score.key)
            assert score.values.shape == (3,)
            assert score.values.dtype == np.float64
            assert not (score.values < 0).any()
            assert score.unit is not None or not (score.values > 1).any(), "a share"
            assert score.unit != ""
        for _, shown in value.cards():
            assert isinstance(shown, str | float)
        for section in value.sections():
            assert section.title
            assert section.text
            assert (section.curve is None) != (not section.table), "a table or a curve"
            if isinstance(section.curve, Curve):
                assert all(0 <= v <= 1 for x, y, _ in section.curve.points for v in (x, y))
    assert valued(measure, [case(0)])[0].by_class() or valued(measure, [case(0)])[0].to_json()


def test_options_belong_to_one_metric() -> None:
    """And not to evaluate; the command offers those that are listed, with the type of their default."""
    own = list(inspect.signature(segdata.evaluate).parameters)
    known = {}
    for name, module in METRICS.items():
        signature = inspect.signature(import_module(module).measure)
        first, *options = signature.parameters.values()
        assert first.name == "case"
        for option in options:
            assert option.kind is option.KEYWORD_ONLY
            assert option.default is not option.empty, f"{name}: {option.name} needs a default"
            assert option.name not in (*own, *known), f"{name}: {option.name} is taken"
            known[option.name] = option.default
        helps = {p.name: p.help for p in parameters(f"{module}:measure")}
        assert all(helps[option.name].endswith(".") for option in options)
    with pytest.raises(OptionError, match="no metric has an option 'boundry': did you mean boundary"):
        measures(boundry=True)


# In an evaluation


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Path, Path]:
    """A prediction with scores and its truth, in two splits."""
    cases = {f"{'val' if seed < 3 else 'test'}/{seed}": case(seed) for seed in range(5)}
    truth = make(tmp_path / "truth", {id: one.truth for id, one in cases.items()}, names=NAMES)
    pred = make(tmp_path / "pred", {id: one.pred for id, one in cases.items()}, names=NAMES)
    samples = []
    for number, sample in enumerate(pred):
        probs = np.random.default_rng(number).dirichlet(np.ones(3), sample.size).transpose(2, 0, 1).astype(np.float32)
        file = pred.root / f"scores/{sample.id}.tif"
        file.parent.mkdir(parents=True, exist_ok=True)
        write_scores(file, sample.size, 3, [(0, 0, probs)])
        samples.append(msgspec.structs.replace(sample, scores=f"scores/{sample.id}.tif"))
    replace(pred, samples=tuple(samples)).save()
    return pred.root, truth.root


@pytest.mark.parametrize("name", METRICS)
def test_evaluate_adds_it_and_shows_it(name: str, sides: tuple[Path, Path]) -> None:
    """The splits added are the whole, and no key of its JSON is another's."""
    whole, *parts = (segdata.evaluate(*sides, split=split, **ON) for split in (None, "val", "test"))
    assert agree(said(parts[0].metrics[name] + parts[1].metrics[name]), said(whole.metrics[name]))
    assert getattr(whole, name) is whole.metrics[name]
    shown, value = whole.to_json(), whole.metrics[name]
    assert {**shown, **value.to_json()} == shown
    for score in value.by_class():
        assert [agree(row[score.key], float(v)) for row, v in zip(shown["classes"], score.values, strict=True)]
        assert f"mean_{score.key}" in shown
    others = replace(whole, metrics={key: v for key, v in whole.metrics.items() if key != name}).to_json()
    keys = {*value.to_json(), *(f"mean_{score.key}" for score in value.by_class())}
    assert others.keys() == shown.keys() - keys, "a key is taken twice"
    assert getattr(replace(whole, metrics={}), name) is None
    text = CliRunner().invoke(main, ["evaluate", *map(str, sides), *(f"--{o.replace('_', '-')}" for o in ON)]).stdout
    assert all(line in text for line in value.lines())
    assert all(score.title in text for score in value.by_class())
