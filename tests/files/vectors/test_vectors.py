"""Files of features in every format: the same features as in GeoJSON, whatever encoding, layer or damage."""

from __future__ import annotations

import json
import shutil
import sqlite3
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio.raw
import pytest
import rasterio
import shapely
from shapely.geometry import shape

from segdata.errors import DataError, MissingDependency, SegdataError
from segdata.files.geo import Geo
from segdata.files.vectors.geojson import PIXELS, Features, to_pixels
from segdata.files.vectors.opening import files_of, read_features

UTM = "EPSG:32632"
BOXES = [shapely.box(2, 3, 12, 9), shapely.box(20.5, 10, 30, 20), shapely.MultiPolygon([shapely.box(0, 0, 1, 1)])]
NUMBERS, WORDS = [1, 2, 10], ["roof", "Wald, Wiese", "été"]
PROJJSON = rasterio.crs.CRS.from_epsg(32632).to_dict(projjson=True)


def write_ogr(
    path: Path, driver: str, *, layer: str | None = None, append: bool = False, crs: str | None = UTM
) -> None:
    more = {} if layer is None else {"layer": layer}
    pyogrio.raw.write(
        str(path), geometry=shapely.to_wkb(np.array(BOXES, object)), field_data=[np.array(NUMBERS), np.array(WORDS, object)],
        fields=["class", "name"], geometry_type="Unknown" if driver != "ESRI Shapefile" else "Polygon", crs=crs,
        driver=driver, append=append, encoding="UTF-8", **more,
    )  # fmt: skip


def write_parquet(path: Path, crs: Any = PROJJSON, encoding: str = "WKB", geometries: Any = None) -> None:
    cells = [one.wkb for one in BOXES] if geometries is None else geometries
    table = pa.table({"class": NUMBERS, "geometry": cells, "name": WORDS})
    column = {"encoding": encoding, "geometry_types": [], **({} if crs == "absent" else {"crs": crs})}
    about = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
    pq.write_table(table.replace_schema_metadata({"geo": json.dumps(about)}), path)


def rows(geometries: Any = None) -> list[dict[str, Any]]:
    found = zip(
        geometries or [msgspec.json.decode(shapely.to_geojson(one)) for one in BOXES], NUMBERS, WORDS, strict=True
    )
    return [{"type": "Feature", "geometry": g, "properties": {"class": n, "name": w}} for g, n, w in found]


def collection() -> str:
    crs = {"type": "name", "properties": {"name": UTM}}
    return json.dumps({"type": "FeatureCollection", "crs": crs, "features": rows()}, ensure_ascii=False)


def by_ogr(driver: str) -> Callable[[Path], None]:
    return lambda path: write_ogr(path, driver)


FORMS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "geojson": (".geojson", lambda path: path.write_text(collection())),
    "mark": (".geojson", lambda path: path.write_text(collection(), "utf-8-sig")),
    "utf-16": (".json", lambda path: path.write_text(collection(), "utf-16")),
    "utf-16-le": (".json", lambda path: path.write_text(collection(), "utf-16-le")),
    "utf-16-be": (".json", lambda path: path.write_text(collection(), "utf-16-be")),
    "lines": (".ndjson", lambda path: path.write_text("\r\n".join(map(json.dumps, rows())) + "\n\n")),
    "records": (".geojsons", lambda path: path.write_text("".join(f"\x1e{json.dumps(row, indent=1)}\n" for row in rows()))),
    "list": (".json", lambda path: path.write_text(json.dumps(rows()))),
    "gpkg": (".gpkg", by_ogr("GPKG")),
    "shp": (".shp", by_ogr("ESRI Shapefile")),
    "fgb": (".fgb", by_ogr("FlatGeobuf")),
    "parquet": (".parquet", write_parquet),
    "odd name": (".a!b?c.GPKG", by_ogr("GPKG")),
}  # fmt: skip


def told(found: Features) -> list[tuple[Any, Any, Any]]:
    """Class, name and shape of every feature, in order of the class: FlatGeobuf has an order of its own."""
    whole = [(f.properties["class"], f.properties["name"], shape(f.geometry).normalize()) for f in found.features]
    return sorted(
        ((n, w, g.geoms[0] if g.geom_type == "MultiPolygon" else g) for n, w, g in whole), key=lambda row: row[0]
    )


@pytest.mark.parametrize("form", FORMS)
def test_every_format_holds_the_same(form: str, tmp_path: Path) -> None:
    ending, write = FORMS[form]
    path = tmp_path / f"a{ending}"
    write(tmp_path / "plain.gpkg" if form == "odd name" else path)
    if form == "odd name":
        (tmp_path / "plain.gpkg").rename(path)
    found = read_features(path)
    plain = [one.geoms[0] if one.geom_type == "MultiPolygon" else one for one in BOXES]
    assert told(found) == list(zip(NUMBERS, WORDS, [one.normalize() for one in plain], strict=True))
    assert found.crs == (None if form in ("lines", "records", "list") else UTM)


@pytest.mark.parametrize("driver", ["KML", "LIBKML"])
def test_kml(driver: str, tmp_path: Path) -> None:
    write_ogr(tmp_path / "a.kml", driver, crs="EPSG:4326")
    found = read_features(tmp_path / "a.kml")
    assert [float(feature.properties["class"]) for feature in found.features] == NUMBERS
    assert all(shape(f.geometry).equals(one) for f, one in zip(found.features, BOXES, strict=True))
    assert found.crs == "EPSG:4326"


@pytest.mark.parametrize("native", ["records", "pairs"])
def test_parquet_of_nested_lists(native: str, tmp_path: Path) -> None:
    rings = [[[list(point) for point in shapely.get_coordinates(one).tolist()]] for one in BOXES]
    cells = [[[{"x": x, "y": y} for x, y in ring] for ring in one] for one in rings] if native == "records" else rings
    write_parquet(tmp_path / "a.parquet", "absent", "polygon", cells)
    found = read_features(tmp_path / "a.parquet")
    assert [shape(feature.geometry).area for feature in found.features] == [one.area for one in BOXES]
    assert (found.crs, found.lonlat) == (None, True)


def test_columns_of_which_values_are_missing(tmp_path: Path) -> None:
    pyogrio.raw.write(
        str(tmp_path / "a.gpkg"), geometry=shapely.to_wkb(np.array([*BOXES[:2], None], object)), geometry_type="Polygon",
        field_data=[np.array([7, 0, 2**40]), np.array([True, False, True]), np.array(["2020-01-01", "NaT", "NaT"], "M8[ms]")],
        field_mask=[np.array([False, True, False]), np.array([False, False, True]), None], fields=["n", "yes", "day"],
        crs=UTM, driver="GPKG",
    )  # fmt: skip
    found = [feature.properties for feature in read_features(tmp_path / "a.gpkg").features]
    assert [(row["n"], row["yes"]) for row in found] == [(7, True), (None, False), (2**40, None)]
    assert [row["day"] and row["day"][:10] for row in found] == ["2020-01-01", None, None]
    assert read_features(tmp_path / "a.gpkg").features[2].geometry is None


# Layers


def test_layers_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.gpkg"
    write_ogr(path, "GPKG", layer="houses")
    with sqlite3.connect(path) as database:  # QGIS keeps its styles in such a table
        database.execute("CREATE TABLE layer_styles (id INTEGER PRIMARY KEY, styleQML TEXT)")
        database.execute(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier) VALUES ('layer_styles', 'attributes', 's')"
        )
    assert len(read_features(path).features) == 3
    write_ogr(path, "GPKG", layer="roads", append=True)
    with pytest.raises(DataError, match=r"a\.gpkg: has 2 layers, houses, roads: name one with --aoi-layer") as caught:
        read_features(path, option="--aoi-layer")
    assert caught.value.problem.code == "vector.layer"
    assert len(read_features(path, layer="roads").features) == 3
    with pytest.raises(DataError, match="--layer road: it has no such layer: did you mean roads"):
        read_features(path, layer="road")


@pytest.mark.parametrize("form", ["geojson", "shp", "parquet"])
def test_layers_of_formats_without(form: str, tmp_path: Path) -> None:
    ending, write = FORMS[form]
    write(tmp_path / f"a{ending}")
    with pytest.raises(DataError, match="has no layers: leave --layer out"):
        read_features(tmp_path / f"a{ending}", layer="x")


# Where coordinates lie


@pytest.mark.filterwarnings("ignore:'crs' was not provided")
@pytest.mark.parametrize("form", ["shp", "gpkg", "parquet"])
def test_what_does_not_say_where_it_lies(form: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{FORMS[form][0]}"
    if form == "parquet":
        write_parquet(path, None)
    else:
        write_ogr(path, {"shp": "ESRI Shapefile", "gpkg": "GPKG"}[form], crs=None)
    found = read_features(path)
    assert (found.crs, found.lonlat) == (None, False)
    placed = Geo(rasterio.crs.CRS.from_epsg(32632).to_wkt(), (1, 0, 0, 0, -1, 40))
    with pytest.raises(DataError, match=r"does not say which .* give --aoi-crs EPSG:\.\.\., or --aoi-crs pixel"):
        to_pixels(found, placed, "a", size=(40, 40), option="--aoi-crs")
    for crs in (UTM, PIXELS):
        polygons, _ = to_pixels(found, placed, "a", size=(40, 40), crs=crs)
        top = 31 if crs == UTM else 3
        assert shape(polygons[0][1]).bounds == pytest.approx((2, top, 12, top + 6))
    polygons, _ = to_pixels(found, Geo(), "a", size=(40, 40))
    assert shape(polygons[0][1]).bounds == (2, 3, 12, 9)


# Shapefiles


def test_a_shapefile_is_several_files(tmp_path: Path) -> None:
    write_ogr(tmp_path / "a.shp", "ESRI Shapefile")
    for path in list(tmp_path.iterdir()):
        path.rename(tmp_path / f"A{path.suffix.upper()}")
    assert told(read_features(tmp_path / "A.SHP"))[2][1] == "été"
    assert [path.name for path in files_of(tmp_path / "A.SHP")] == ["A.SHP", "A.SHX", "A.DBF", "A.PRJ", "A.CPG"]
    with pytest.raises(DataError, match=r"A\.DBF: is a part of a shapefile: give its \.shp"):
        read_features(tmp_path / "A.DBF")
    for name in ("A.DBF", "A.SHX"):
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) * 2 // 3])
        with pytest.raises(DataError, match=rf"{name}: its end is missing"):
            read_features(tmp_path / "A.SHP")
        (tmp_path / name).unlink()
        with pytest.raises(DataError, match=rf"there is no {name[1:].lower()} beside it: copy all files"):
            read_features(tmp_path / "A.SHP")
        (tmp_path / name).write_bytes(whole)
    assert len(read_features(tmp_path / "A.SHP").features) == 3


# Geometries


def test_heights_and_collections(tmp_path: Path) -> None:
    square = {"type": "Polygon", "coordinates": [[[0, 0, 5], [4, 0, 5], [4, 4, 6], [0, 4, 5], [0, 0, 5]]]}
    other = {"type": "Polygon", "coordinates": [[[2, 0], [6, 0], [6, 4], [2, 4], [2, 0]]]}
    line, point = {"type": "LineString", "coordinates": [[0, 0], [9, 9]]}, {"type": "Point", "coordinates": [1, 1]}
    inner = {"type": "GeometryCollection", "geometries": [other, line]}
    many: list[Any] = [
        {"type": "GeometryCollection", "geometries": [square, point, inner, point]}, square,
        {"type": "GeometryCollection", "geometries": []},
    ]  # fmt: skip
    (tmp_path / "a.json").write_text(json.dumps(rows(many)))
    found = read_features(tmp_path / "a.json").features
    assert [(f.number, f.geometry and f.geometry["type"]) for f in found] == [
        (0, "MultiPoint"), (0, "LineString"), (0, "Polygon"), (1, "Polygon"), (2, None),
    ]  # fmt: skip
    assert shape(found[2].geometry).area == 24  # where both are counts once
    polygons, _ = to_pixels(Features(found[3:4], None), Geo(), "a", size=(40, 40))
    assert shape(polygons[0][1]).area == 16


def test_curves_become_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.gpkg"
    write_ogr(path, "GPKG", layer="a")
    ring = [(0, 0), (1000, 1000), (2000, 0), (1000, -1000), (0, 0)]
    curve = struct.pack("<BIIBII", 1, 10, 1, 1, 8, 5) + b"".join(struct.pack("<dd", *point) for point in ring)
    with sqlite3.connect(path) as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f'DROP TRIGGER "{name}"')
        database.execute("UPDATE a SET geom = ? WHERE fid = 1", (b"GP\0\1" + struct.pack("<i", 32632) + curve,))
    circle = shape(read_features(path).features[0].geometry)
    assert circle.symmetric_difference(shapely.Point(1000, 0).buffer(1000, quad_segs=1000)).area < 0.1 * circle.length
    assert circle.hausdorff_distance(shapely.Point(1000, 0).buffer(1000, quad_segs=1000)) < 0.02


def test_topojson(tmp_path: Path) -> None:
    """Two squares that share a border, of differences, and the same in plain positions."""
    shared, left, right = (
        [[10, 0], [10, 20]],
        [[10, 20], [0, 20], [0, 0], [10, 0]],
        [[10, 0], [25, 0], [25, 20], [10, 20]],
    )
    objects = {
        "a": {"type": "GeometryCollection", "geometries": [
            {"type": "Polygon", "arcs": [[0, 1]], "properties": {"class": "left"}},
            {"type": "MultiPolygon", "arcs": [[[2, -1]]], "properties": {"class": "right"}},
            {"type": "Point", "coordinates": [4, 6]}, {"type": None},
        ]},
    }  # fmt: skip
    plain = {"type": "Topology", "objects": objects, "arcs": [shared, left, right]}
    steps = [np.diff(np.array(arc) * 2, axis=0, prepend=[[0, 0]]).tolist() for arc in (shared, left, right)]
    moved = {**plain, "arcs": steps, "transform": {"scale": [0.5, 0.5], "translate": [0, 0]}}
    for topology in (plain, moved):
        (tmp_path / "a.json").write_text(json.dumps(topology))
        found = read_features(tmp_path / "a.json").features
        assert shape(found[0].geometry).equals(shapely.box(0, 0, 10, 20))
        assert shape(found[1].geometry).equals(shapely.box(10, 0, 25, 20))
        assert [feature.properties.get("class") for feature in found] == ["left", "right", None, None]
        assert found[3].geometry is None
    assert found[2].geometry == {"type": "Point", "coordinates": [2.0, 3.0]}
    (tmp_path / "a.json").write_text(json.dumps({**plain, "objects": {**objects, "b": objects["a"]}}))
    with pytest.raises(DataError, match="has 2 layers, a, b: name one with --layer"):
        read_features(tmp_path / "a.json")
    assert len(read_features(tmp_path / "a.json", layer="b").features) == 4


@pytest.mark.parametrize(
    ("row", "pixels"),
    [
        ({"properties": {"objectType": "annotation"}}, True),
        ({"properties": {"objectType": "building"}}, False),
        ({"properties": {"classification": {"name": "Tumor", "color": [200, 0, 0]}}}, True),
        ({"properties": {"classification": {"names": ["Tumor", "Positive"]}}}, True),
        ({"properties": {"classification": "forest"}}, False),
        ({"properties": {"isLocked": False}, "id": "PathAnnotationObject"}, True),
        ({"properties": {}, "id": 7}, False),
    ],
)
def test_coordinates_of_qupath_are_pixels(row: dict[str, Any], pixels: bool, tmp_path: Path) -> None:
    (tmp_path / "a.geojson").write_text(json.dumps([{**rows()[0], **row}]))
    assert (read_features(tmp_path / "a.geojson").crs == PIXELS) == pixels


# What cannot be read


@pytest.mark.parametrize("form", [form for form in FORMS if form != "odd name"])
def test_damage_is_told_in_a_line(form: str, tmp_path: Path) -> None:
    ending, write = FORMS[form]
    path = tmp_path / f"a{ending}"
    write(path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for part in (0.3, 0.9, 1, 1, 1, 1, 1, 1):
        data = np.frombuffer(whole[: int(len(whole) * part)], np.uint8).copy()
        if part == 1:
            data[rng.integers(0, len(data), 5)] = rng.integers(0, 256, 5)
        path.write_bytes(data.tobytes())
        try:
            read_features(path)
            said = ""
        except SegdataError as error:
            said = str(error)
        assert said.startswith(str(tmp_path)) if said else part == 1
        assert "\n" not in said


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PK\3\4", "is a ZIP archive: unpack it"),
        (b"\x89PNG\r\n", "is none of GeoJSON, TopoJSON, GeoPackage"),
        (b"", "not a GeoJSON FeatureCollection"),
        (b'{"type": "Feature", "geometry": null}\n{"type": "Feature"', "line 2: Input data was truncated"),
        (b'{"type": "instances"}', "its type is 'instances'"),
        (b'{"type": "Topology", "arcs": [[[0, 0], [1, 1]]], "objects": {"a": {"type": "Polygon", "arcs": [[7]]}}}', "Collection"),
    ],
)  # fmt: skip
def test_files_that_are_none(data: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.geojson").write_bytes(data)
    with pytest.raises(DataError, match=message):
        read_features(tmp_path / "a.geojson")


@pytest.mark.parametrize("text", [
    "CREATE VIRTUAL TABLE evil USING VirtualShape('{other}', 'UTF-8', 32632)",
    "CREATE VIRTUAL TABLE \"x using rtree(\" USING VirtualText('{other}', 'UTF-8', 0)",
    "create /* rtree( */ virtual table evil using VirtualOGR('{other}')",
])  # fmt: skip
def test_a_geopackage_reads_no_other_file(text: str, tmp_path: Path) -> None:
    write_ogr(tmp_path / "other.shp", "ESRI Shapefile")
    write_ogr(tmp_path / "a.gpkg", "GPKG")
    with sqlite3.connect(tmp_path / "a.gpkg") as database:
        database.execute("PRAGMA writable_schema = on")
        name = "x using rtree(" if 'rtree("' in text else "evil"
        row = ("table", name, name, 0, text.format(other=tmp_path / "other"))
        database.execute("INSERT INTO sqlite_master (type, name, tbl_name, rootpage, sql) VALUES (?, ?, ?, ?, ?)", row)
    for layer in (None, "a", "evil"):
        with pytest.raises(DataError, match=r"its table .* lies in another file"):
            read_features(tmp_path / "a.gpkg", layer=layer)


def test_kml_reads_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    ring = "<LinearRing><coordinates>0,0 1,0 1,1 0,0</coordinates></LinearRing>"
    mark = f"<Placemark><name>&x;</name><Polygon><outerBoundaryIs>{ring}</outerBoundaryIs></Polygon></Placemark>"
    text = f'<!DOCTYPE kml [<!ENTITY x SYSTEM "{(tmp_path / "secret").as_uri()}">]>'
    text += f'<kml xmlns="http://www.opengis.net/kml/2.2"><Document>{mark}</Document></kml>'
    (tmp_path / "a.kml").write_text(text)
    with pytest.raises(DataError, match="cannot be read"):
        read_features(tmp_path / "a.kml")


@pytest.mark.parametrize(("form", "package"), [("gpkg", "pyogrio"), ("parquet", "pyarrow")])
def test_a_missing_extra_is_named(form: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ending, write = FORMS[form]
    write(tmp_path / f"a{ending}")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependency, match=rf'needs {package}: pip install "segdata\[vectors\]"'):
        read_features(tmp_path / f"a{ending}")


def test_nothing_is_left_beside_a_file(tmp_path: Path) -> None:
    write_ogr(tmp_path / "a.gpkg", "GPKG")
    shutil.copy(tmp_path / "a.gpkg", tmp_path / "b.gpkg")
    (tmp_path / "a.gpkg").chmod(0o444)
    read_features(tmp_path / "a.gpkg")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.gpkg", "b.gpkg"]
    assert (tmp_path / "a.gpkg").read_bytes() == (tmp_path / "b.gpkg").read_bytes()
