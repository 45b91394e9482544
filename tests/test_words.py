"""One form for each kind of number."""

from __future__ import annotations

import pytest

from segdata.words import percent, points, share, span, whole

NAN = float("nan")


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (share(0.62084), "62.08"), (share(1), "100.00"), (share(0), "0.00"), (share(NAN), "-"),
        (span(0.618, 0.9349), "61.80 to 93.49"), (span(NAN, 1), "-"), (span(0, NAN), "-"),
        (points(0.0205), "+2.05"), (points(-0.1), "-10.00"), (points(0), "+0.00"), (points(NAN), "-"),
        (span(-0.01, 0.02, signed=True), "-1.00 to +2.00"),
        (percent(1, 3), "33.3 %"), (percent(0, 3), "0.0 %"), (percent(1, 3000), "0.033 %"), (percent(0, 0), "-"),
        (whole(0.625), "62"), (whole(1), "100"),
    ],
)  # fmt: skip
def test_numbers(said: str, text: str) -> None:
    assert said == text
