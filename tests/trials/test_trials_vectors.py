"""What trials found about files of vectors: each format and each oddity as a user gives it, from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio.raw
import pytest
import rasterio
import shapely
from rasterio.features import rasterize
from rasterio.warp import transform_geom

import segdata
from segdata.files.geo import Geo
from segdata.files.tiff import encode_tiff
from trial_files import run

UTM, CODE = (0.5, 0.0, 690000.0, 0.0, -0.5, 5334000.0), 32632
WKT = rasterio.crs.CRS.from_epsg(CODE).to_wkt()
SIZE = (40, 60)
BOXES = {1: (2, 3, 12, 9), 2: (20, 10, 30, 20), 10: (35, 5, 45, 15), 11: (50, 20, 58, 35)}
"""(left, top, right, bottom) in pixels of each class."""


def expected() -> Any:
    mask = np.zeros(SIZE, np.uint8)
    for i, (left, top, right, bottom) in enumerate(BOXES.values(), 1):
        mask[top:bottom, left:right] = i
    return mask


def ground(x: float, y: float) -> tuple[float, float]:
    return UTM[2] + UTM[0] * x, UTM[5] + UTM[4] * y


def on_ground(left: float, top: float, right: float, bottom: float) -> Any:
    return shapely.Polygon([ground(*p) for p in ((left, top), (right, top), (right, bottom), (left, bottom))])


def image(root: Path, name: str = "a", *, placed: bool = True, shift: float = 0) -> Path:
    (root / "images").mkdir(parents=True, exist_ok=True)
    geo = Geo(WKT, (*UTM[:2], UTM[2] + shift, *UTM[3:])) if placed else Geo()
    (root / f"images/{name}.tif").write_bytes(encode_tiff(np.zeros((*SIZE, 3), np.uint8), tags=geo.tags()))
    return root


def feature(geometry: Any, **properties: Any) -> dict[str, Any]:
    geometry = json.loads(shapely.to_geojson(geometry)) if isinstance(geometry, shapely.Geometry) else geometry
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def lonlat(geometry: Any) -> Any:
    return shapely.from_geojson(
        json.dumps(transform_geom(f"EPSG:{CODE}", "OGC:CRS84", shapely.geometry.mapping(geometry)))
    )


def write(
    path: Path, driver: str, shapes: Any = None, values: Any = None, *, kind: str = "Polygon", **more: Any
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    shapes = [on_ground(*box) for box in BOXES.values()] if shapes is None else shapes
    crs = more.pop("crs", f"EPSG:{CODE}")
    shapes = [lonlat(one) for one in shapes] if crs == "EPSG:4326" else shapes
    pyogrio.raw.write(
        str(path), geometry=shapely.to_wkb(np.array(shapes, object)), geometry_type=kind, driver=driver, crs=crs,
        field_data=[np.array(list(BOXES) if values is None else values)], fields=["class"], **more,
    )  # fmt: skip
    return path


def mask_of(root: Path, sample: int = 0) -> Any:
    dataset = segdata.Dataset.open(root)
    return dataset.read_mask(dataset.samples[sample])


def receipt_of(root: Path) -> Any:
    return segdata.Dataset.open(root).read_receipt()


FORMATS = {
    "a.gpkg": ("GPKG", f"EPSG:{CODE}"), "a.shp": ("ESRI Shapefile", f"EPSG:{CODE}"), "a.fgb": ("FlatGeobuf", f"EPSG:{CODE}"),
    "a.kml": ("LIBKML", "EPSG:4326"), "a.geojsonl": ("GeoJSONSeq", "EPSG:4326"), "a.geojson": ("GeoJSON", "EPSG:4326"),
    "a.GPKG": ("GPKG", "EPSG:4326"), "a.Shp": ("ESRI Shapefile", "EPSG:4326"),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("one_for_all", [True, False])
def test_formats(name: str, one_for_all: bool, tmp_path: Path) -> None:
    """Classes 1, 2, 10 and 11 became 1, 4, 2 and 3."""
    driver, crs = FORMATS[name]
    root = image(tmp_path / "s")
    written = write(root / f"labels/{name.lower()}", driver, crs=crs)
    for path in list(written.parent.iterdir()):
        path.rename(path.with_name(path.stem + (path.suffix.upper() if name != name.lower() else path.suffix)))
    path = next(p for p in written.parent.iterdir() if p.suffix.lower() == written.suffix)
    if one_for_all:
        image(tmp_path / "i")
        run("convert", "vector", tmp_path / "i", tmp_path / "d", "--vectors", path, code=0)
    else:
        run("convert", "auto", root, tmp_path / "d", code=0)
    np.testing.assert_array_equal(mask_of(tmp_path / "d"), expected())
    assert segdata.Dataset.open(tmp_path / "d").labels.names == ("background", "1", "2", "10", "11")


def test_geoparquet(tmp_path: Path) -> None:
    root = image(tmp_path / "s")
    (root / "labels").mkdir()
    about = {
        "version": "1.1.0",
        "primary_column": "shape",
        "columns": {"shape": {"encoding": "WKB", "geometry_types": []}},
    }
    table = pa.table(
        {"class": [float(n) for n in BOXES], "shape": [lonlat(on_ground(*box)).wkb for box in BOXES.values()]}
    )
    pq.write_table(table.replace_schema_metadata({"geo": json.dumps(about)}), root / "labels/a.parquet")
    run("convert", "vector", root, tmp_path / "d", code=0)
    np.testing.assert_array_equal(mask_of(tmp_path / "d"), expected())
    pq.write_table(table, root / "labels/a.parquet")
    said = run("convert", "vector", root, tmp_path / "e", code=1).output
    assert "a.parquet: a: no GeoParquet (it is a table without geometries)" in said


def test_files_of_several_formats_beside_each_other(tmp_path: Path) -> None:
    root = image(image(image(tmp_path / "s"), "b"), "c")
    write(root / "labels/a.gpkg", "GPKG")
    write(root / "labels/b.shp", "ESRI Shapefile")
    write(root / "labels/c.geojson", "GeoJSON", crs="EPSG:4326")
    (root / "labels/c.json").write_text('{"shapes": []}')  # of another program
    run("convert", "vector", root, tmp_path / "d", code=0)
    for sample in range(3):
        np.testing.assert_array_equal(mask_of(tmp_path / "d", sample), expected())
    names = {row["name"] for row in segdata.Dataset.open(tmp_path / "d").made_by["inputs"]}
    assert names == {"a.gpkg", "b.shp", "b.shx", "b.dbf", "b.prj", "b.cpg", "c.geojson"}
    write(root / "labels/b.gpkg", "GPKG")
    said = run("convert", "vector", root, tmp_path / "e", code=1).output
    assert "several files of labels have its name, b.gpkg, b.shp: keep one of them" in said


def test_a_bad_file_among_others(tmp_path: Path) -> None:
    root = image(image(tmp_path / "s"), "b")
    write(root / "labels/a.gpkg", "GPKG")
    write(root / "labels/b.shp", "ESRI Shapefile").with_suffix(".dbf").unlink()
    said = run("convert", "vector", root, tmp_path / "d", code=1).output
    assert "b.shp: b: there is no .dbf beside it: copy all files of the shapefile" in said
    said = run("convert", "vector", root, tmp_path / "d", "--on-error", "skip").output
    assert "2 in = 1 converted + 1 left out" in said
    np.testing.assert_array_equal(mask_of(tmp_path / "d"), expected())
    assert receipt_of(tmp_path / "d")["skipped_images"][0]["code"] == "vector.files"
    (root / "labels/b.shp").unlink()
    (root / "labels/b.geojson").write_text("{")
    said = run("convert", "vector", root, tmp_path / "e", "--on-error", "skip").output
    assert "2 in = 1 converted + 1 left out" in said


def test_a_shapefile_without_its_system(tmp_path: Path) -> None:
    root = image(tmp_path / "s")
    write(root / "labels/a.shp", "ESRI Shapefile").with_suffix(".prj").unlink()
    said = run("convert", "vector", root, tmp_path / "d", code=1).output
    assert (
        "a.shp: a: does not say which coordinate system it is in, as a shapefile without .prj: give --crs EPSG:..."
        in said
    )
    run("convert", "vector", root, tmp_path / "d", "--crs", f"EPSG:{CODE}", code=0)
    np.testing.assert_array_equal(mask_of(tmp_path / "d"), expected())
    said = run("tile", tmp_path / "d", tmp_path / "t", "--size", 20, "--aoi", root / "labels/a.shp", code=1).output
    assert "--aoi-crs EPSG:..." in said
    crs = ("--aoi-crs", f"EPSG:{CODE}")
    run("tile", tmp_path / "d", tmp_path / "t", "--size", 20, "--aoi", root / "labels/a.shp", *crs, code=0)


def test_layers(tmp_path: Path) -> None:
    root = image(tmp_path / "s")
    path = write(root / "all.gpkg", "GPKG", layer="houses")
    write(path, "GPKG", [on_ground(0, 0, 60, 40)], [7], layer="area", append=True)
    command = ("convert", "vector", root, tmp_path / "d", "--vectors", path)
    assert "has 2 layers, houses, area: name one with --layer" in run(*command, code=1).output
    assert (
        "--layer house: it has no such layer: did you mean houses?" in run(*command, "--layer", "house", code=1).output
    )
    run(*command, "--layer", "houses", code=0)
    np.testing.assert_array_equal(mask_of(tmp_path / "d"), expected())
    tiles = ("tile", tmp_path / "d", tmp_path / "t", "--size", 20, "--aoi", path)
    assert "name one with --aoi-layer" in run(*tiles, code=1).output
    assert "6 = 4 kept + 2 left out" in run(*tiles, "--aoi-layer", "houses", code=0).output
    assert "6 = 6 kept" in run(*tiles, "--aoi-layer", "area", "--overwrite", code=0).output


# Lines and points

ROADS = [shapely.LineString([ground(0, 20), ground(60, 20)]), shapely.LineString([ground(20, 0), ground(20, 40)])]


@pytest.mark.parametrize("form", ["roads.gpkg", "roads.shp", "roads.geojson"])
def test_roads(form: str, tmp_path: Path) -> None:
    """They gave all background with exit code 0."""
    driver, crs = FORMATS[f"a{Path(form).suffix}"]
    root = image(tmp_path / "s")
    path = write(root / form, driver, ROADS, [1, 2], kind="LineString", crs=crs)
    command = ("convert", "vector", root, tmp_path / "d", "--vectors", path)
    said = run(*command, code=1).output
    assert f"{form}: a: holds 2 LineString and no polygon: --width METRES paints them so wide" in said
    assert not (tmp_path / "d").exists()
    assert "every image was left out" in run(*command, "--on-error", "skip", code=1).output
    run(*command, "--width", 3, code=0)
    mask = mask_of(tmp_path / "d")
    assert (mask[17:23] > 0).all()
    assert (mask[:, 17:23] > 0).all()
    assert np.count_nonzero(mask) == 6 * 60 + 6 * 40 - 36
    geometry = [(one.buffer(1.5, quad_segs=16), i) for i, one in enumerate(ROADS, 1)]
    burnt = rasterize(geometry, SIZE, transform=rasterio.Affine(*UTM))
    np.testing.assert_array_equal(mask > 0, burnt > 0)
    assert "--width 0.0: must be more than 0" in run(*command, "--width", 0, "--overwrite", code=1).output


def test_points_and_lines_of_images_that_lie_nowhere(tmp_path: Path) -> None:
    """The width is in pixels there."""
    root = image(tmp_path / "s", placed=False)
    trees = {"type": "MultiPoint", "coordinates": [[10, 10], [30, 10]]}
    river = {"type": "MultiLineString", "coordinates": [[[0, 30], [60, 30]]]}
    data = {
        "type": "FeatureCollection",
        "features": [feature(trees, **{"class": "tree"}), feature(river, **{"class": "river"})],
    }
    (root / "all.json").write_text(json.dumps(data))
    run("convert", "vector", root, tmp_path / "d", "--vectors", root / "all.json", "--width", 6, code=0)
    mask = mask_of(tmp_path / "d")
    y, x = np.indices(SIZE) + 0.5
    discs = (np.hypot(x - 10, y - 10) <= 3) | (np.hypot(x - 30, y - 10) <= 3)
    np.testing.assert_array_equal(mask, np.where(abs(y - 30) <= 3, 1, 2 * discs))


def test_lines_among_polygons_are_told(tmp_path: Path) -> None:
    root = image(tmp_path / "s")
    features = [
        feature(lonlat(on_ground(2, 3, 12, 9)), **{"class": "roof"}),
        feature(lonlat(ROADS[0]), **{"class": "road"}),
    ]
    features += [feature(None, **{"class": "roof"}), feature(lonlat(on_ground(20, 10, 30, 20)))]
    (root / "all.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    command = ("convert", "vector", root, tmp_path / "d", "--vectors", root / "all.geojson")
    said = run(*command, code=0).output
    assert "annotations: 4 in = 1 painted + 3 left out" in said
    for line in ("LineString is no polygon (--width METRES paints it so wide)", "has no polygon", "has no 'class'"):
        assert f"1 left out: {line}" in said
    assert "lie on no image" not in said
    assert [row["annotation"] for row in receipt_of(tmp_path / "d")["skipped"]] == [1, 2, 3]
    assert "annotations: 4 in = 2 painted + 2 left out" in run(*command, "--width", 2, "--overwrite", code=0).output


# Kin of GeoJSON


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
def test_encodings(encoding: str, tmp_path: Path) -> None:
    root = image(tmp_path / "s")
    write(root / "labels/a.geojson", "GeoJSON", crs="EPSG:4326")
    (root / "labels/a.geojson").write_text((root / "labels/a.geojson").read_text(), encoding)
    run("convert", "vector", root, tmp_path / "d", code=0)
    np.testing.assert_array_equal(mask_of(tmp_path / "d"), expected())


def test_qupath(tmp_path: Path) -> None:
    """Coordinates are pixels, though the image lies somewhere; the class and its colour are in an object."""
    root = image(tmp_path / "s")
    (root / "labels").mkdir()
    about = {"1": [200, 0, 0], "2": [0, 200, 0], "10": [0, 0, 200], "11": [9, 9, 9]}
    rows = [
        feature(shapely.box(*box), objectType="annotation", classification={"name": str(n), "color": about[str(n)]})
        for n, box in BOXES.items()
    ]
    rows.append(feature(shapely.box(0, 30, 4, 34), objectType="annotation"))
    for text in (json.dumps(rows), json.dumps({"type": "FeatureCollection", "features": rows})):
        (root / "labels/a.geojson").write_text(text)
        said = run("convert", "vector", root, tmp_path / "d", "--overwrite", code=0).output
        np.testing.assert_array_equal(mask_of(tmp_path / "d"), expected())
        assert "1 left out: has no 'classification'" in said
        colors = {label.name: list(label.color) for label in segdata.Dataset.open(tmp_path / "d").labels.classes[1:]}
        assert colors == about


def test_topojson(tmp_path: Path) -> None:
    root = image(tmp_path / "s", placed=False)
    arcs = [[[10, 0], [10, 20]], [[10, 20], [0, 20], [0, 0], [10, 0]], [[10, 0], [25, 0], [25, 20], [10, 20]]]
    shapes = [{"type": "Polygon", "arcs": [[0, 1]], "properties": {"class": "left"}},
              {"type": "Polygon", "arcs": [[2, -1]], "properties": {"class": "right"}}]  # fmt: skip
    objects = {"lots": {"type": "GeometryCollection", "geometries": shapes}}
    (root / "labels").mkdir()
    (root / "labels/a.json").write_text(json.dumps({"type": "Topology", "objects": objects, "arcs": arcs}))
    run("convert", "vector", root, tmp_path / "d", code=0)
    mask = np.zeros(SIZE, np.uint8)
    mask[:20, :10], mask[:20, 10:25] = 1, 2
    np.testing.assert_array_equal(mask_of(tmp_path / "d"), mask)


# What is said of features


def test_each_feature_is_told_by_what_it_is(tmp_path: Path) -> None:
    """Small is not hidden; near, with a box that touches the image, is not on it; without a class is not far away."""
    root = image(tmp_path / "s", placed=False)
    corner = shapely.Polygon([(50, 60), (80, 30), (80, 60)])
    frame = shapely.box(-20, -20, 80, 60).difference(shapely.box(-5, -5, 65, 45))
    shapes = [shapely.box(5, 5, 10, 10), shapely.box(20.6, 5.6, 20.9, 5.9), shapely.box(6, 6, 8, 8), shapely.box(6, 6, 8, 8),
              corner, frame, shapely.box(30, 30, 35, 35), shapely.box(100, 100, 110, 110)]  # fmt: skip
    names = ["a", "a", "b", "c", "a", "a", None, "a"]
    rows = [feature(one, **{"class": name}) for one, name in zip(shapes, names, strict=True)]
    (root / "all.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": rows}))
    said = run("convert", "vector", root, tmp_path / "d", "--vectors", root / "all.geojson", code=0).output
    assert "annotations: 5 in = 3 painted, 1 of them wholly hidden under others + 2 left out" in said
    assert "1 left out: no pixel's middle is in it, as it is small or thin (--all-touched paints it)" in said
    assert "note:        all.geojson: 3 of 8 features lie on no image" in said
    receipt = receipt_of(tmp_path / "d")
    assert [row["annotation"] for row in receipt["hidden"]] == [2]
    assert [row["annotation"] for row in receipt["skipped"]] == [1, 6]
    run("convert", "vector", root, tmp_path / "e", "--vectors", root / "all.geojson", "--all-touched", code=0)
    assert mask_of(tmp_path / "e")[5, 20] == 1


def test_one_class_where_properties_tell_more(tmp_path: Path) -> None:
    root = image(tmp_path / "s")
    shape = lonlat(on_ground(2, 3, 12, 9))
    (root / "labels").mkdir()
    (root / "labels/a.geojson").write_text(json.dumps(feature(shape, landuse="forest", id=7)))
    said = run("convert", "vector", root, tmp_path / "d", code=0).output
    assert (
        "all features are of one class, object: --class-property names a property that tells them apart (id, landuse)"
        in said
    )
    run("convert", "vector", root, tmp_path / "e", "--class-property", "landuse", code=0)
    assert segdata.Dataset.open(tmp_path / "e").labels.names == ("background", "forest")


@pytest.mark.parametrize("name", ["roads.shp", "roads.gpkg"])
def test_auto_names_the_way(name: str, tmp_path: Path) -> None:
    root = image(tmp_path / "s")
    write(root / name, FORMATS[f"a{Path(name).suffix}"][0])
    said = run("convert", "auto", root, tmp_path / "d", code=1).output
    assert "convert vector reads it: give the folder of images, and --vectors FILE" in said
    run("convert", "vector", root, tmp_path / "d", "--vectors", root / name, code=0)
    run("convert", "auto", root / name, tmp_path / "e", code=0)
    np.testing.assert_array_equal(mask_of(tmp_path / "e"), expected())
