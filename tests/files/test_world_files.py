"""Names of world files beside an image whose copy has another ending."""

from __future__ import annotations

from pathlib import Path

import pytest

from segdata.files.sidecars import read_world, sidecars


@pytest.mark.parametrize(
    ("image", "world", "new"),
    [
        ("a.JPG", "a.JGw", "b.jpg"),
        ("a.JPEG", "a.JPEGw", "b.jpeg"),
        ("a.JPG", "a.JGW", "b.jpg"),
        ("a.png", "a.pgw", "b.png"),
        ("a.png", "a.wld", "b.tif"),
        ("a.png", "a.pgw", "b.jpg"),
    ],
)
def test_the_copy_of_a_world_file_is_found_beside_the_copy_of_the_image(
    tmp_path: Path, image: str, world: str, new: str
) -> None:
    (tmp_path / world).write_text("2\n0\n0\n-2\n100\n200\n")
    ((old, there),) = sidecars(str(tmp_path / image), str(tmp_path / new))
    Path(old).rename(there)
    assert read_world(str(tmp_path / new)) == (2, 0, 99, 0, -2, 201)


def test_an_image_in_capitals_has_none(tmp_path: Path) -> None:
    assert sidecars(str(tmp_path / "a.JPG"), "b.jpg") == []
