"""Exporting the samples of a list is exporting the dataset of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

import segdata
from carry_files import contents, make, random_masks
from segdata.cli import main
from segdata.errors import OptionError
from segdata.writers import WRITERS, writer_options

IDS = ["train/001", "val/005"]


@pytest.mark.parametrize("format", [name for name in WRITERS if name not in ("geojson", "webdataset")])
def test_files_are_those_of_a_dataset_of_them(tmp_path: Path, format: str) -> None:
    masks = random_masks(4, prefix="train/") | random_masks(3, prefix="val/", first=4, seed=1)
    source = make(tmp_path / "d", masks, images="copy")
    options = {"ignored": "class"} if "ignored" in writer_options(format) else {}
    segdata.export(format, source, tmp_path / "of ids", ids=IDS, **options)
    few = segdata.Dataset(source.root, source.labels, [s for s in source if s.id in IDS], source.made_by, source.images)
    segdata.export(format, few, tmp_path / "of few", **options)
    assert contents(tmp_path / "of ids") == contents(tmp_path / "of few")


def test_the_option(tmp_path: Path) -> None:
    source = make(tmp_path / "d", random_masks(4))
    (tmp_path / "few.txt").write_text("001\n")
    for name, text in (("few.txt", "1 in = 1 exported"), ("none.txt", "none.txt: cannot be read")):
        words = ["export", "folders", str(source.root), str(tmp_path / "o"), "--images", "none", "--ids"]
        assert text in CliRunner().invoke(main, [*words, str(tmp_path / name)]).output
    with pytest.raises(OptionError, match="there are no ids in it"):
        segdata.export("folders", source, tmp_path / "x", ids=[], images="none")
    with pytest.raises(OptionError, match=r"1 of 2 ids are not of .*: 0001: did you mean 001"):
        segdata.export("folders", source, tmp_path / "x", ids=["001", "0001"], images="none")
