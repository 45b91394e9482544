"""One form for each kind of number."""

from __future__ import annotations

import pytest

from segdata.words import distance, percent, points, share, span, whole

NAN = float("nan")


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (share(0.62084), "62.08"), (share(1), "100.00"), (share(0), "0.00"), (share(NAN), "-"),
        (span(0.618, 0.9349), "61.80 to 93.49"), (span(NAN, 1), "-"), (span(0, NAN), "-"),
        (points(0.0205), "+2.05"), (points(-0.1), "-10.00"), (points(0), "+0.00"), (points(NAN), "-"),
        (span(-0.01, 0.02, told=points), "-1.00 to +2.00"),
        (distance(3.2), "3.20"), (distance(0), "0.00"), (distance(0.776), "0.78"), (distance(0.01234), "0.012"),
        (distance(NAN), "-"),
        (span(0.5, 12, told=distance), "0.50 to 12.00"),
        (percent(1, 3), "33.3 %"), (percent(0, 3), "0.0 %"), (percent(1, 3000), "0.033 %"), (percent(0, 0), "-"),
        (whole(0.625), "62"), (whole(1), "100"),
    ],
)  # fmt: skip
def test_numbers(said: str, text: str) -> None:
    assert said == text
