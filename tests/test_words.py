"""One form for each kind of number."""

from __future__ import annotations

import pytest

from segdata.words import distance, part, percent, points, share, short, span, whole

NAN = float("nan")


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (share(0.62084), "62.08"), (share(1), "100.00"), (share(0), "0.00"), (share(NAN), "-"),
        (span(0.618, 0.9349), "61.80 to 93.49"), (span(NAN, 1), "-"), (span(0, NAN), "-"),
        (points(0.0205), "+2.05"), (points(-0.1), "-10.00"), (points(0), "+0.00"), (points(NAN), "-"),
        (points(-0.00001), "+0.00"),
        (span(-0.01, 0.02, told=points), "-1.00 to +2.00"),
        (distance(3.2), "3.20"), (distance(0), "0.00"), (distance(0.776), "0.78"), (distance(0.01234), "0.012"),
        (distance(NAN), "-"),
        (span(0.5, 12, told=distance), "0.50 to 12.00"),
        (percent(1, 3), "33.3 %"), (percent(0, 3), "0.0 %"), (percent(1, 3000), "0.03 %"), (percent(264, 10**7), "0.003 %"),
        (percent(0.0999, 100), "0.1 %"), (percent(0.00999, 100), "0.01 %"),
        (percent(1, 300), "0.3 %"), (percent(1, 8), "12.5 %"), (part(0.10849), "10.8"), (part(0.00004), "0.0"),
        (percent(0, 0), "-"),
        (whole(0.625), "62.5"), (whole(1), "100"), (whole(0.001), "0.1"),
        (short(0.0), "0"), (short(0.25), "0.25"), (short(999), "999"), (short(1e3), "1k"),
        (short(-25e5), "-2.5M"), (short(1e10), "10G"),
    ],
)  # fmt: skip
def test_numbers(said: str, text: str) -> None:
    assert said == text
