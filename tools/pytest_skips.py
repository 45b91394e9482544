"""A pytest plugin: says how many tests were skipped for want of the real data or of a browser, so that none is lost."""

import pytest

MARKERS = {"data": "../shared/data is absent", "page": "Chromium is absent"}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print one line a marker, also when the count is 0: `.ci/run` reads them."""
    skipped = terminalreporter.stats.get("skipped", [])
    for marker, reason in MARKERS.items():
        # A test skipped for another reason counts too: what matters is that it did not run.
        count = sum(marker in getattr(report, "keywords", ()) for report in skipped)
        terminalreporter.write_line(f"{marker} tests skipped: {count}" + (f" ({reason}?)" if count else ""))
