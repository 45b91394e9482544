"""A pytest plugin that prints how many tests were skipped because the real data or a browser is missing."""

import pytest

MARKERS = {"data": "../shared/data is absent", "page": "Chromium is absent"}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print one line per marker, also if the count is 0: `.ci/run` reads these lines."""
    skipped = terminalreporter.stats.get("skipped", [])
    for marker, reason in MARKERS.items():
        # A test skipped for another reason counts too: it did not run
        count = sum(marker in getattr(report, "keywords", ()) for report in skipped)
        terminalreporter.write_line(f"{marker} tests skipped: {count}" + (f" ({reason}?)" if count else ""))
