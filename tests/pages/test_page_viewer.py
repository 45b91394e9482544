"""What pages say of the viewer: where it runs, or which command starts it; and colours that both share."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from carry_files import make
from segdata import Dataset, check, check_page, evaluate, evaluate_page, stats, stats_page
from segdata.pages.running import announced


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return make(
        tmp_path / "my data",
        {
            f"val/a#{n}": np.kron(np.random.default_rng(n).integers(0, 3, (4, 5)), np.ones((20, 20), int))
            for n in range(2)
        },
        images="copy",
    )


def pages_of(dataset: Dataset, out: Path) -> list[str]:
    found = evaluate(dataset, dataset)
    written = (
        evaluate_page(found, dataset, dataset, out / "evaluate.html"),
        check_page(check(dataset), dataset, out / "check.html"),
        stats_page(stats(dataset), dataset, out / "stats.html"),
    )
    return [Path(str(page)).read_text() for page in written]


def test_pages_name_the_command(dataset: Dataset, tmp_path: Path) -> None:
    for text in pages_of(dataset, tmp_path):
        assert "<code>segdata view &#39;my data&#39;" in text
        assert "127.0.0.1" not in text


def test_pages_lead_to_the_viewer_that_runs(dataset: Dataset, tmp_path: Path) -> None:
    with announced(dataset.root, 8912):
        texts = pages_of(dataset, tmp_path)
    for text in texts:
        assert '<a href="http://127.0.0.1:8912/">' in text
        assert "segdata view" not in text
        assert "token" not in text
    assert '<h3><a href="http://127.0.0.1:8912/#open=val%2Fa%230">val/a#0</a>' in texts[0]


def test_the_viewer_and_the_pages_have_one_look(dataset: Dataset, tmp_path: Path) -> None:
    look = (files("segdata.pages") / "templates" / "look.css").read_text()
    assert not (files("segdata.ops.view") / "static" / "look.css").is_file()
    colors = re.findall(r"--\w+: #\w+;", look)
    assert len(colors) >= 28
    for text in pages_of(dataset, tmp_path):
        assert look in text
