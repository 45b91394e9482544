"""What label files say of the sample that they were of may come from a stranger: no id of theirs leads out of a dataset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import segdata
from segdata import DataError


@pytest.mark.parametrize("id", ["../../evil", "/etc/evil", "a/../../evil"])
@pytest.mark.parametrize(("format", "file"), [("labelme", "images/a.json"), ("labelstudio", "tasks.json")])
def test_an_id_that_leads_out_is_refused(format: str, file: str, id: str, tmp_path: Path) -> None:
    for folder, pixels in (("images", np.zeros((4, 5, 3), np.uint8)), ("masks", np.eye(4, 5, dtype=np.uint8))):
        (tmp_path / "source" / folder).mkdir(parents=True)
        Image.fromarray(pixels).save(tmp_path / f"source/{folder}/a.png")
    dataset = segdata.convert("masks", tmp_path / "source", tmp_path / "set", values={"0": "background", "1": "line"})
    segdata.export(format, dataset, tmp_path / "out")
    path = tmp_path / "out" / file
    text = path.read_text()
    assert '"id":"a"' in text
    path.write_text(text.replace('"id":"a"', f'"id":"{id}"'))
    with pytest.raises(DataError, match="is not a path under the image folder"):
        segdata.convert("auto", tmp_path / "out", tmp_path / "back")
    assert not (tmp_path / "back").exists()
