"""Bands in files of their own become one GeoTIFF per scene, whose pixels and places are those of the files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

import trial_files
from segdata.ops.stack import operation

RNG = np.random.default_rng(3)

HEIGHT, WIDTH = 60, 80


def band(path: Path, coarse: int = 1, shift: float = 0, **profile: Any) -> Any:
    """Write a file of one band, `coarse` times coarser; its (h, w) pixels."""
    values = RNG.integers(0, 4000, (HEIGHT // coarse, WIDTH // coarse)).astype(profile.pop("dtype", "uint16"))
    place = rasterio.Affine(10 * coarse, 0, 5e5 + shift, 0, -10 * coarse, 5e6)
    given = {"crs": "EPSG:32633", "transform": place, **profile}
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(path, "w", driver="GTiff", count=1, height=values.shape[0], width=values.shape[1],
                       dtype=values.dtype, **given) as file:  # fmt: skip
        file.write(values, 1)
    return values


NAMES = {
    "S2_{}.tif": "S2.tif",
    "deep/er/{}.TIF": "deep/er.tif",
    "T32_2020-{}-10m.tif": "T32_2020_10m.tif",
    "a {}.tiff": "a.tif",
}


@pytest.mark.parametrize("form", NAMES)
def test_bands_are_put_together(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operation, "PIXELS", 1)  # one row of tiles at a time
    truth = [band(tmp_path / "s" / form.format(name), nodata=0) for name in ("B04", "b03", "B8A")]
    band(tmp_path / "s" / form.format("B04X"))
    band(tmp_path / "s" / form.format("B02"))
    said = trial_files.run("stack", tmp_path / "s", tmp_path / "o", "--bands", "B04,B03,B8A", code=0).output
    assert "wrote 1 scenes of 3 bands" in said
    with rasterio.open(tmp_path / "o" / NAMES[form]) as file:
        np.testing.assert_array_equal(file.read(), np.stack(truth))
        assert file.descriptions == ("B04", "B03", "B8A")
        assert (file.nodata, file.crs.to_epsg()) == (0, 32633)
        assert file.transform == rasterio.Affine(10, 0, 5e5, 0, -10, 5e6)
    trial_files.run("stack", tmp_path / "s", tmp_path / "o", "--bands", "B04,B03,B8A", code=1)
    trial_files.run("stack", tmp_path / "s", tmp_path / "o", "--bands", "B04,B03,B8A", "--overwrite", code=0)


@pytest.mark.parametrize("scene", ["case_0000", "case_0001", "0002", "0000_0001_x", "a"])
def test_the_last_name_of_a_band_is_that_of_the_file(scene: str, tmp_path: Path) -> None:
    """Channels of nnU-Net are numbers, which the names of cases may hold too."""
    truth = [band(tmp_path / f"s/{scene}_{name}.tif") for name in ("0000", "0001", "0002")]
    assert operation.stack(tmp_path / "s", tmp_path / "o", bands="0000,0001,0002") == [str(tmp_path / f"o/{scene}.tif")]
    with rasterio.open(tmp_path / f"o/{scene}.tif") as file:
        np.testing.assert_array_equal(file.read(), np.stack(truth))
        assert file.descriptions == ("0000", "0001", "0002")


def test_coarser_bands_are_repeated(tmp_path: Path) -> None:
    truth = [band(tmp_path / "s/x_B04.tif", 2), band(tmp_path / "s/x_B03.tif"), band(tmp_path / "s/x_B01.tif", 4)]
    call = ("stack", tmp_path / "s", tmp_path / "o", "--bands", "B04,B03,B01")
    assert "--upsample" in trial_files.run(*call, code=1).output
    trial_files.run(*call, "--upsample", code=0)
    with rasterio.open(tmp_path / "o/x.tif") as file:
        for found, values, factor in zip(file.read(), truth, (2, 1, 4), strict=True):
            np.testing.assert_array_equal(found, values.repeat(factor, 0).repeat(factor, 1))


@pytest.mark.parametrize(
    ("profile", "said"),
    [
        ({"dtype": "uint8"}, "is uint8"),
        ({"shift": 5}, "lies elsewhere"),
        ({"crs": "EPSG:32632"}, "lies elsewhere"),
        ({"nodata": 7}, "has nodata 7"),
        ({"coarse": 3}, "is 26 x 20"),
    ],
)
def test_bands_that_are_unlike(profile: dict[str, Any], said: str, tmp_path: Path) -> None:
    band(tmp_path / "s/x_B04.tif")
    band(tmp_path / "s/x_B03.tif", **profile)
    band(tmp_path / "s/y_B04.tif")
    band(tmp_path / "s/y_B03.tif")
    band(tmp_path / "s/z_B03.tif")
    call = ("stack", tmp_path / "s", tmp_path / "o", "--bands", "B04,B03", "--upsample")
    assert said in trial_files.run(*call, code=1).output
    skipped = trial_files.run(*call, "--on-error", "skip", "--overwrite", code=0).output
    assert said in skipped
    assert "z: has no file of band B04" in skipped
    assert [path.name for path in (tmp_path / "o").iterdir()] == ["y.tif"]


def test_nothing_to_stack(tmp_path: Path) -> None:
    band(tmp_path / "s/x_B04.tif")
    call = ("stack", tmp_path / "s", tmp_path / "o", "--bands")
    assert (
        "no file is called after a band of red, nir: there are x_B04.tif"
        in trial_files.run(*call, "red,nir", code=1).output
    )
    assert "names B04 twice" in trial_files.run(*call, "B04,B04", code=1).output
    band(tmp_path / "s/x-B04.tif")
    assert "are both band B04 of x" in trial_files.run(*call, "B04", code=1).output
