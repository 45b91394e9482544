"""What trial users met in `evaluate` and in commands that read a dataset as it does, from the command line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from carry_files import make
from segdata.cli import main


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(one) for one in arguments])


@pytest.fixture(scope="session")
def statistics(shared_data: Path) -> Path:
    """The small datasets of the trial; the test is skipped where they are absent."""
    folder = shared_data.parent / "trials" / "statistics"
    if not folder.is_dir():
        pytest.skip("../shared/trials is not here")
    return folder


@pytest.mark.data
@pytest.mark.parametrize("more", [(), ("--json",), ("--csv",), ("--missing", "miss"), ("--boundary-f",)])
def test_every_image_left_out_is_one_error(statistics: Path, more: tuple[str, ...]) -> None:
    result = run("evaluate", statistics / "e_half", statistics / "et", "--on-error", "skip", *more)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "error: p0: every image was left out, 6 in all" in result.stderr
    assert "the prediction is 30 x 20, truth 60 x 40" in result.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("evaluate", "bad", "good"), ("evaluate", "good", "bad"), ("stats", "bad", "--recount"), ("stats", "bad", "--objects"),
        ("refine", "bad", "out"), ("tile", "bad", "out", "--size", "4"), ("remap", "bad", "out", "--map", "road=car"),
        ("export", "webdataset", "bad", "out"),
    ],
    ids=lambda command: " ".join(command[:3]),
)  # fmt: skip
def test_nothing_that_can_be_read_is_an_error_of_every_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("good", "bad"):
        make(tmp_path / name, {id: [[0, 1, 2, 255]] * 4 for id in ("a", "b")}, images="copy")
    shutil.rmtree(tmp_path / "bad/masks")
    result = run(*command, "--on-error", "skip")
    assert result.exit_code == 1, result.output
    assert "every image was left out, 2 in all" in result.stderr
    assert not (tmp_path / "out").exists()
