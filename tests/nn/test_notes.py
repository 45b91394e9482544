"""Notes of a training: of several processes that torchrun started, the first alone speaks."""

from __future__ import annotations

import pytest

from segdata.nn.notes import note_once


@pytest.mark.parametrize(("rank", "said"), [(None, True), ("0", True), ("1", False)])
def test_the_first_process_speaks(
    rank: str | None, said: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("RANK", raising=False)
    if rank is not None:
        monkeypatch.setenv("RANK", rank)
    note_once(f"something by {rank}")
    assert ("something" in capsys.readouterr().err) == said
