"""Budgets: what is read as a time, and that what is planned fits into it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")

from segdata.errors import OptionError
from segdata.nn.auto import probe
from segdata.nn.auto.probe import Costs, length_in, seconds_of

SECONDS = st.floats(1e-4, 10)


@pytest.mark.parametrize(
    ("text", "seconds"), [("20m", 1200), ("90s", 90), ("1h30m", 5400), ("1.5h", 5400), (" 2M ", 120)]
)
def test_a_budget_is_a_time(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "20", "m", "-1m", "0s", "1d", "1..5h", "20 minutes"])
def test_what_is_no_budget_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="--budget"):
        seconds_of(text)


COSTS = st.builds(
    Costs, SECONDS, SECONDS, SECONDS, st.sampled_from([0.0, 1000.0]), st.integers(1, 500), st.integers(1, 32)
)


@given(st.floats(1, 1e5), COSTS)
def test_a_training_ends_within_its_budget_unless_one_update_is_too_long(seconds: float, costs: Costs) -> None:
    """Summed update by update; and with one update more in each part it would not, or validations would take too much."""
    found = length_in(seconds, costs)

    def spent(steps: int) -> float:
        again = min(steps, -(-512 // costs.batch)) * costs.again if costs.few else 0.0
        part = steps * costs.update + again + costs.images * costs.image
        return found.epochs * part + probe.ENDING * costs.images * costs.image

    assert 1 <= found.epochs <= probe.MOST
    assert found.steps >= 1
    if found.updates > 1:
        assert spent(found.steps) <= seconds * (1 + 1e-9)
        assert spent(found.steps + 1) > seconds * (1 - 1e-9)


def test_pixels_scale_costs() -> None:
    assert probe.scaled(Costs(1, 2, 3, 4, 5, 6), 0.5) == Costs(0.5, 1, 1.5, 4, 5, 6)
