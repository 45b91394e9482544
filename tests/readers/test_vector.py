"""`convert vector`: polygons against other ways to burn them, coordinate systems, and what is left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from rasterio.warp import transform_geom

import segdata
from segdata.errors import DataError, OptionError, Report
from segdata.files.geo import Geo
from segdata.files.tiff import Tag, encode_tiff
from segdata.files.vectors.geojson import Feature, Features, burn, to_pixels
from segdata.files.vectors.opening import read_features
from segdata.files.vectors.polygon_files import write_polygons
from segdata.files.vectors.polygons import Polygons
from segdata.readers.vector.reader import area, read
from segdata.windows import Window

UTM = (0.5, 0.0, 690000.0, 0.0, -0.5, 5334000.0)
WKT = rasterio.crs.CRS.from_epsg(32632).to_wkt()


def box(left: float, top: float, right: float, bottom: float) -> dict[str, Any]:
    ring = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
    return {"type": "Polygon", "coordinates": [ring]}


def feature(geometry: Any, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def collection(*features: Any, crs: str | None = None) -> dict[str, Any]:
    named = {} if crs is None else {"crs": {"type": "name", "properties": {"name": crs}}}
    return {"type": "FeatureCollection", **named, "features": list(features)}


def source(root: Path, data: dict[str, Any], geo: Geo | None = None, name: str = "a") -> Path:
    (root / "images").mkdir(parents=True, exist_ok=True)
    (root / "labels").mkdir(exist_ok=True)
    tags = geo.tags() if geo else ()
    (root / f"images/{name}.tif").write_bytes(encode_tiff(np.zeros((20, 30, 3), np.uint8), tags=tags))
    (root / f"labels/{name}.geojson").write_text(json.dumps(data))
    return root


def mask_of(root: Path, out: Path, **options: Any) -> tuple[Any, Any]:
    dataset = segdata.convert("vector", root, out, overwrite=True, **options)
    return dataset, dataset.read_mask(dataset.samples[0])


def test_boxes_are_burnt_where_they_lie(tmp_path: Path) -> None:
    data = collection(feature(box(2, 3, 10, 8), **{"class": "roof"}), feature(box(5, 5, 7, 7), **{"class": "hole"}))
    dataset, mask = mask_of(source(tmp_path / "s", data), tmp_path / "d")
    assert dataset.labels.names == ("background", "hole", "roof")
    expected = np.zeros((20, 30), np.uint8)
    expected[3:8, 2:10] = 2
    expected[5:7, 5:7] = 1
    np.testing.assert_array_equal(mask, expected)
    receipt = dataset.read_receipt()
    assert receipt["annotations"] == {"in": 2, "painted": 2, "skipped": 0, "hidden": 0}
    assert receipt["contested"]["pixels"] == 4
    assert receipt["contested"]["pairs"][0] == {"classes": ["hole", "roof"], "winner": "hole", "pixels": 4}


@pytest.mark.parametrize(("overlap", "value"), [("smallest", 1), ("first", 2), ("last", 1), ("ignore", 255)])
def test_which_one_is_on_top(tmp_path: Path, overlap: str, value: int) -> None:
    data = collection(feature(box(0, 0, 20, 20), **{"class": "b"}), feature(box(5, 5, 7, 7), **{"class": "a"}))
    dataset, mask = mask_of(source(tmp_path / "s", data), tmp_path / "d", overlap=overlap)
    assert (mask[5:7, 5:7] == value).all()
    receipt = dataset.read_receipt()
    assert receipt["contested"]["pixels"] == sum(pair["pixels"] for pair in receipt["contested"]["pairs"]) == 4
    assert receipt["contested"]["pairs"][0]["winner"] == {1: "a", 2: "b", 255: "ignore"}[value]
    hidden = [line["annotation"] for line in receipt["hidden"]]
    assert hidden == ([1] if overlap == "first" else [])


def test_coordinates_of_any_system_are_the_same_pixels(tmp_path: Path) -> None:
    rings = [(690001.1, 5333998.2, 690009.7, 5333992.4), (690004.0, 5333997.0, 690012.6, 5333991.0)]
    shapes = [box(*ring) for ring in rings]
    utm = collection(*(feature(s, **{"class": "x"}) for s in shapes), crs="urn:ogc:def:crs:EPSG::32632")
    moved = {name: [transform_geom("EPSG:32632", name, s) for s in shapes] for name in ("OGC:CRS84", "EPSG:3857")}
    geo = Geo(WKT, UTM)
    _, expected = mask_of(source(tmp_path / "utm", utm, geo), tmp_path / "d")
    assert 0 < (expected == 1).sum() < expected.size
    plain = collection(*(feature(s, **{"class": "x"}) for s in moved["OGC:CRS84"]))
    np.testing.assert_array_equal(mask_of(source(tmp_path / "ll", plain, geo), tmp_path / "d")[1], expected)
    web = collection(*(feature(s, **{"class": "x"}) for s in moved["EPSG:3857"]))
    options = {"crs": "EPSG:3857"}
    np.testing.assert_array_equal(mask_of(source(tmp_path / "web", web, geo), tmp_path / "d", **options)[1], expected)
    pixel = [box(*((v - o) * s for v, o, s in zip(r, UTM[2::3] * 2, (2, -2, 2, -2), strict=True))) for r in rings]
    data = collection(*(feature(s, **{"class": "x"}) for s in pixel))
    np.testing.assert_array_equal(mask_of(source(tmp_path / "px", data, geo), tmp_path / "d", crs="pixel")[1], expected)
    np.testing.assert_array_equal(mask_of(source(tmp_path / "no", data), tmp_path / "d")[1], expected)


@pytest.mark.parametrize("geo", [Geo(WKT, UTM), None])
def test_places_on_earth_are_those_of_the_raw_pixels(tmp_path: Path, geo: Geo | None) -> None:
    """An orientation of 180 degrees, which sizes cannot tell: the coordinates do."""
    data = collection(feature(box(690001, 5333992, 690009, 5333998)), crs="urn:ogc:def:crs:EPSG::32632")
    root = source(tmp_path / "s", data if geo else collection(feature(box(2, 4, 18, 16))), geo)
    pixels = np.random.default_rng(0).integers(0, 255, (20, 30, 3)).astype(np.uint8)
    tags = [Tag(0x0112, "H", [3]), *(geo.tags() if geo else ())]
    (root / "images/a.tif").write_bytes(encode_tiff(pixels, tags=tags))
    dataset, mask = mask_of(root, tmp_path / "d")
    assert mask[4:16, 2:18].all()
    assert mask.sum() == 12 * 16
    assert dataset.samples[0].exif == ("raw" if geo else "upright")
    assert len(dataset.read_receipt()["exif"]) == (0 if geo else 1)
    np.testing.assert_array_equal(dataset.read_image(dataset.samples[0]), pixels if geo else pixels[::-1, ::-1])


def test_properties_classes_and_background(tmp_path: Path) -> None:
    data = collection(
        feature(box(0, 0, 5, 5), use="home", n=1), feature(box(10, 0, 15, 5), use="shop"),
        feature(box(20, 0, 25, 5), use="ignore"), feature(box(0, 10, 5, 15), use=None),
    )  # fmt: skip
    root = source(tmp_path / "s", data)
    dataset, mask = mask_of(root, tmp_path / "d", class_property="use")
    assert dataset.labels.names == ("background", "home", "shop")
    assert [mask[2, x] for x in (2, 12, 22, 28)] == [1, 2, 255, 0]
    assert dataset.read_receipt()["annotations"] == {"in": 4, "painted": 3, "skipped": 1, "hidden": 0}
    dataset, mask = mask_of(root, tmp_path / "d", class_property="use", classes=["shop", "home"], background="ignore")
    assert dataset.labels.names == ("shop", "home")
    assert [mask[2, x] for x in (2, 12, 22, 28)] == [1, 0, 255, 255]
    (tmp_path / "names.txt").write_text("home\nfarm\n")
    with pytest.raises(DataError, match=r"'shop' is no class") as caught:
        mask_of(root, tmp_path / "d", class_property="use", classes=tmp_path / "names.txt")
    assert caught.value.problem.annotation == 1
    skipping = segdata.Run(report=Report("skip"))
    dataset, mask = mask_of(root, tmp_path / "d", class_property="use", classes=tmp_path / "names.txt", run=skipping)
    assert dataset.read_receipt()["annotations"] == {"in": 4, "painted": 2, "skipped": 2, "hidden": 0}
    dataset, mask = mask_of(root, tmp_path / "d")
    assert dataset.labels.names == ("background", "object")
    with pytest.raises(OptionError, match="did you mean use"):
        mask_of(root, tmp_path / "d", class_property="uses")


def test_one_file_for_all_images(tmp_path: Path) -> None:
    left, right = Geo(WKT, UTM), Geo(WKT, (0.5, 0.0, 690015.0, 0.0, -0.5, 5334000.0))
    crs = "EPSG:32632"
    data = collection(
        feature(box(690010, 5333998, 690020, 5333995)), feature(box(0, 0, 1, 1)),
        feature({"type": "Point", "coordinates": [690001, 5333999]}), crs=crs,
    )  # fmt: skip
    source(tmp_path / "s", collection(), left, "a")
    source(tmp_path / "s", collection(), right, "b")
    (tmp_path / "all.geojson").write_text(json.dumps(data))
    dataset = segdata.convert("vector", tmp_path / "s", tmp_path / "d", vectors=tmp_path / "all.geojson")
    masks = [dataset.read_mask(sample) for sample in dataset]
    assert np.hstack(masks)[4:10, 20:40].all()
    assert np.hstack(masks).sum() == 6 * 20
    receipt = dataset.read_receipt()
    assert receipt["annotations"] == {"in": 3, "painted": 2, "skipped": 1, "hidden": 0}
    assert receipt["notes"] == ["all.geojson: 1 of 3 features lie on no image"]
    again = segdata.convert("vector", tmp_path / "all.geojson", tmp_path / "e", image_dir="s/images")
    assert [s.sha256 for s in again] == [s.sha256 for s in dataset]


def test_all_touched(tmp_path: Path) -> None:
    root = source(tmp_path / "s", collection(feature(box(2.6, 3.6, 5.4, 6.4))))
    assert mask_of(root, tmp_path / "d")[1].sum() == 2 * 2
    assert mask_of(root, tmp_path / "d", all_touched=True)[1].sum() == 4 * 4


@pytest.mark.parametrize("corner", [(30.0, -12.5), (30.0, -59.5), (30.0, 0.0), (30.0, 45.0), (31.0, -9.0)])
def test_all_touched_with_a_corner_at_the_edge_above_the_image(tmp_path: Path, corner: tuple[float, float]) -> None:
    """GDAL draws the line from it, which never comes to the image, into the next row (and beyond the end of the last one)."""
    far = {"type": "Polygon", "coordinates": [[[*corner], [37, 30], [60, 30], [60, -60], [*corner]]]}
    root = source(tmp_path / "s", collection(feature(far), feature(box(3, 3, 5, 5)), feature(box(28, 18, 30, 20))))
    expected = np.zeros((20, 30), np.uint8)
    expected[3:5, 3:5] = expected[18:, 28:] = 1
    whole = [[geometry, 1] for geometry in (far, box(3, 3, 5, 5), box(28, 18, 30, 20))]
    np.testing.assert_array_equal(burn(whole, Window(0, 0, 20, 30), all_touched=True)[:2], expected[:2])  # type: ignore[arg-type]
    _, mask = mask_of(root, tmp_path / "d", all_touched=True)
    assert not mask[:2].any()
    assert not mask[7:17].any()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "geojson.unreadable"), ("[]", "geojson.unreadable"), ('{"type": "FeatureCollection"}', "geojson.unreadable"),
        (json.dumps(collection(feature(box(400, 95, 500, 99)), crs="EPSG:99999999")), "geojson.crs"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_read(tmp_path: Path, text: str, code: str) -> None:
    root = source(tmp_path / "s", collection(), Geo(WKT, UTM))
    (root / "labels/a.geojson").write_text(text)
    with pytest.raises(DataError) as caught:
        mask_of(root, tmp_path / "d")
    assert caught.value.problem.code == code


@pytest.mark.parametrize(
    ("geometry", "crs", "geo"),
    [
        (box(690000, 5333990, 690015, 5334000), "EPSG:4326", Geo(WKT, UTM)),
        (box(690000, 5333990, 690015, 5334000), None, Geo(WKT, UTM)),
        (box(100, 50, 250, 150), None, Geo(WKT, UTM)),
        (box(1, 1, 5, 5), "EPSG:32632", None),
        (box(1, 1, 5, 5), "nonsense", None),
    ],
)
def test_coordinates_that_do_not_fit_the_image(tmp_path: Path, geometry: Any, crs: str | None, geo: Geo | None) -> None:
    root = source(tmp_path / "s", collection(feature(geometry)), geo)
    with pytest.raises(DataError, match=r"--crs .*pixel") as caught:
        mask_of(root, tmp_path / "d", crs=crs)
    assert caught.value.problem.code == "geojson.crs"
    assert not (tmp_path / "d").exists()
    whole = segdata.convert("vector", root, tmp_path / "w", crs="pixel", allow_empty=True)
    with pytest.raises(DataError, match=r"--aoi-crs .*pixel") as caught:
        segdata.tile(whole, tmp_path / "t", aoi=root / "labels/a.geojson", aoi_crs=crs)
    assert caught.value.problem.code == "geojson.crs"
    assert not (tmp_path / "t").exists()


def test_images_without_coordinates_take_pixels(tmp_path: Path) -> None:
    """Whatever the file calls them, as solaris calls its own. What lies by a transform alone takes that of any name."""
    data = collection(feature(box(2, 3, 10, 8)), crs="urn:ogc:def:crs:EPSG::32616")
    root = source(tmp_path / "s", data)
    expected = np.zeros((20, 30), np.uint8)
    expected[3:8, 2:10] = 1
    np.testing.assert_array_equal(mask_of(root, tmp_path / "d")[1], expected)
    np.testing.assert_array_equal(mask_of(root, tmp_path / "d", crs="pixel")[1], expected)
    there = collection(feature(box(690001, 5333996, 690005, 5333998.5)))
    root = source(tmp_path / "p", there, Geo(None, UTM))
    np.testing.assert_array_equal(mask_of(root, tmp_path / "d", crs="EPSG:32632")[1], expected)


def test_what_has_no_partner_is_told(tmp_path: Path) -> None:
    root = source(tmp_path / "s", collection(feature(box(1, 1, 5, 5))))
    source(tmp_path / "s", collection(feature(box(1, 1, 5, 5)), feature(box(1, 1, 5, 5))), name="b")
    (root / "images/b.tif").unlink()
    Image.new("RGB", (9, 9)).save(root / "images/c.png")
    with pytest.raises(DataError, match=r"vector\.missing"):
        read(root)
    found = read(root, report=Report("skip"))
    assert [item.id for item in found.items] == ["a"]
    assert {p.sample for p in found.receipt.skipped_images} == {"b", "c"}
    assert [p.annotation for p in found.receipt.skipped] == [0, 1]


def test_impossible_options(tmp_path: Path) -> None:
    root = source(tmp_path / "s", collection())
    for options in ({"split": "train"}, {"background": "x"}, {"overlap": "x"}):
        with pytest.raises(OptionError):
            read(root, **options)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="--image-dir"):
        read(root, image_dir="nowhere")
    with pytest.raises(DataError, match="--vectors"):
        read(root, vectors="nowhere")


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_polygons_have_the_pixels_whose_middles_are_inside(seed: int) -> None:
    """Against OpenCV's test of a point in a polygon, away from the edges."""
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 7))
    points = rng.uniform(5, 15, 2) + rng.uniform(3, 12, (7, 1)) * np.stack([np.cos(angles), np.sin(angles)], 1)
    geometry = {"type": "Polygon", "coordinates": [[*points.tolist(), points[0].tolist()]]}
    found = burn([(geometry, 1)], Window(2, 3, 16, 15))
    for y in range(16):
        for x in range(15):
            distance = cv2.pointPolygonTest(points.astype(np.float32)[:, None], (x + 3.5, y + 2.5), True)
            if abs(distance) > 1e-2:
                assert found[y, x] == (distance > 0)
    assert area(geometry) == pytest.approx(cv2.contourArea(points.astype(np.float32)), rel=1e-3)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_a_mask_traced_and_burnt_is_the_mask(tmp_path_factory: Any, seed: int, placed: bool) -> None:
    labels = segdata.Labels.of(["a", "b", "c"])
    mask = np.random.default_rng(seed).choice([0, 1, 2, 255], (12, 17)).astype(np.uint8)
    geo = Geo(WKT, UTM) if placed else Geo()
    path = tmp_path_factory.mktemp("trace") / "vectors/x.geojson"
    count = write_polygons(path.parents[1], "x", mask, labels, geo, Polygons()).polygons
    found = read_features(path)
    assert len(found.features) == count
    polygons, problems = to_pixels(found, geo, "x", size=mask.shape)
    assert not problems
    burnt = burn([(g, f.properties["class_id"]) for f, g in polygons], Window(0, 0, 12, 17), fill=255)
    np.testing.assert_array_equal(burnt, mask)


def test_odd_geometries_are_listed() -> None:
    odd: list[Any] = [
        None, {"type": "Point", "coordinates": [1, 2]}, {"type": "Polygon", "coordinates": []},
        {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [0, 0]]]}, {"type": "Polygon", "coordinates": [[["a", 0]] * 4]},
        "Polygon", {"type": "MultiPolygon", "coordinates": []}, {"type": "MultiPolygon", "coordinates": [[]]},
        {"type": ["Polygon"]}, {"type": "Polygon", "coordinates": [[[1e308, -1e308], [0, 1e308], [1, 1], [0, 0]]]},
    ]  # fmt: skip
    features = tuple(Feature(i, g, {}) for i, g in enumerate([*odd, box(0, 0, 1, 1)]))
    good, bad = to_pixels(Features(features, None), Geo(None, (1e-3, 0, 0, 0, 1e-3, 0)), "x", size=(9, 9))
    assert [f.number for f, _ in good] == [10]
    assert sorted(int(p.annotation or 0) for p in bad) == [*range(10)]


@pytest.mark.parametrize(
    "odd",
    [
        {"type": "Polygon", "coordinates": []}, {"type": "MultiPolygon", "coordinates": []}, {"type": "Polygon"},
        {"type": "MultiPolygon", "coordinates": [[]]}, {"type": "Polygon", "coordinates": [[["east", "north"]] * 4]},
        {"type": "Polygon", "coordinates": [[[11.5, 48.1], [11.6, 48.1]]]}, {"type": "Polygon", "coordinates": None},
    ],
)  # fmt: skip
def test_one_odd_polygon_does_not_spoil_the_others(tmp_path: Path, odd: Any) -> None:
    """Of images with a coordinate system, to which all polygons of a file are projected."""
    good = transform_geom("EPSG:32632", "OGC:CRS84", box(690002, 5333998, 690008, 5333993))
    root = source(tmp_path / "s", collection(feature(odd), feature(good)), Geo(WKT, UTM))
    dataset, mask = mask_of(root, tmp_path / "d")
    assert mask.sum() == 12 * 10
    skipped = dataset.read_receipt()["skipped"]
    assert [(line["code"].split(".")[1], line["annotation"], line["sample"]) for line in skipped] == [
        ("geometry", 0, "a")
    ]
