"""What GDAL opens: the file alone, whatever it says and whatever lies beside it; where an image lies is as GDAL has it."""

from __future__ import annotations

import json
import threading
import warnings
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from rasterio.crs import CRS

from segdata.errors import DataError
from segdata.files.crs import parse_crs
from segdata.files.gdal import opened
from segdata.files.images import plain_tiff_size, read_mask, read_palette
from segdata.files.opening import open_image, open_mask, read_brightness, read_facts
from segdata.files.scores import open_scores
from segdata.files.vectors.geojson import to_pixels
from segdata.files.vectors.opening import read_features
from segdata.windows import Window

VRT = """<VRTDataset rasterXSize="32" rasterYSize="32"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>
<SourceFilename>{file}</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"""

PAM = """<PAMDataset><SRS>{crs}</SRS><GeoTransform>{transform}</GeoTransform>{more}
<PAMRasterBand band="1"><NoDataValue>{nodata}</NoDataValue></PAMRasterBand></PAMDataset>"""

ENDS = {"GTiff": ".tif", "JP2OpenJPEG": ".jp2", "PNG": ".png", "JPEG": ".jpg"}

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


class Listener(HTTPServer):
    """A server that counts what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        self.send_error(404)

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def listener() -> Iterator[Listener]:
    server = Listener()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def make(path: Path, driver: str = "GTiff", side: int = 64, **profile: Any) -> Path:
    bands = 3 if driver.startswith("JP") else 1
    values = np.random.default_rng(0).integers(0, 3, (bands, side, side)).astype(np.uint8)
    shape = {"height": side, "width": side, "count": bands, "dtype": "uint8"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.open(path, "w", driver=driver, **shape, **profile) as file:
            file.write(values)
    path.with_name(path.name + ".aux.xml").unlink(missing_ok=True)
    return path


def read_all(path: Path) -> None:
    """All that segdata does with an image or a mask."""
    read_facts(path)
    read_brightness(path, reduce=4)
    with open_image(path) as image:
        image.reduced((8, 8))
        window = Window(0, 0, 16, 16)
        image.valid(window, image.read(window))
    if path.suffix in (".tif", ".png"):
        with open_mask(path) as mask:
            mask.reduced((8, 8))
    with opened(path) as source:
        source.overviews(1)
        source.dataset_mask()


# Other files


@pytest.mark.net
@pytest.mark.parametrize("driver", ENDS)
def test_what_lies_beside_a_file_is_not_opened(tmp_path: Path, listener: Listener, driver: str) -> None:
    path = make(tmp_path / f"a{ENDS[driver]}", driver)
    read_all(path)
    more = f'<Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">/vsicurl/{listener.url}/aux.tif</MDI></Metadata>'
    pam = PAM.format(crs="EPSG:32631", transform="5,2,0,7,0,-2", nodata=9, more=more)
    (tmp_path / f"{path.name}.aux.xml").write_text(pam)
    for end in ("ovr", "msk"):
        (tmp_path / f"{path.name}.{end}").write_text(VRT.format(file=f"/vsicurl/{listener.url}/{end}.tif"))
    read_all(path)
    assert listener.asked == []
    with opened(path) as source:
        assert source.overviews(1) == []
    with rasterio.open(path) as source, pytest.raises(rasterio.errors.RasterioError):
        source.read(1, out_shape=(16, 16))
    assert listener.asked, "the trap works"


@pytest.mark.net
@pytest.mark.parametrize("band", [0, 1])
def test_a_tiff_that_names_its_overviews_elsewhere_is_refused(tmp_path: Path, listener: Listener, band: int) -> None:
    path = make(tmp_path / "a.tif")
    with rasterio.open(path, "r+") as file:
        file.update_tags(band, ns="OVERVIEWS", OVERVIEW_FILE=f"/vsicurl/{listener.url}/o.tif")
    for read in (open_image, open_mask, open_scores):
        with pytest.raises(DataError, match=r"a\.tif: names another file that holds smaller copies"), read(path):  # type: ignore[operator]
            pass
    for read in (read_facts, read_brightness):
        with pytest.raises(DataError, match=r"names another file"):
            read(path)
    assert listener.asked == []


def test_overviews_in_a_file_are_used(tmp_path: Path) -> None:
    path = make(tmp_path / "a.tif", side=512, tiled=True, blockxsize=64, blockysize=64)
    with rasterio.open(path, "r+") as file:
        file.build_overviews([2, 4], rasterio.enums.Resampling.mode)
    with rasterio.open(path) as file:
        expected = file.read(1, out_shape=(128, 128))
        every = file.read(1)[::4, ::4]
    with opened(path) as source, open_mask(path) as mask:
        assert source.overviews(1) == [2, 4]
        np.testing.assert_array_equal(mask.reduced((128, 128)), expected)
    assert (expected != every).any()


@pytest.mark.parametrize("name", ["a.vrt", "a.tif", "a.jp2"])
def test_a_vrt_is_refused_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    make(tmp_path / "b.tif")
    (tmp_path / name).write_text(VRT.format(file=tmp_path / "b.tif"))
    with pytest.raises(DataError, match=r"cannot be decoded: .a\.\w+. not recognized"), opened(tmp_path / name):
        pass


def test_a_file_name_is_no_more_than_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """GDAL knows names that mean other files; here they are those of files."""
    monkeypatch.chdir(tmp_path)
    secret = make(tmp_path / "secret.tif", side=32)
    name = Path(f"GTIFF_DIR:1:{secret.name}")
    name.write_bytes(make(tmp_path / "b.tif", side=16).read_bytes())
    with opened(str(name)) as source:
        assert source.shape == (16, 16)
    with pytest.raises(DataError, match="no such file"), opened("/vsimem/a.tif"):
        pass


# Where an image lies


@pytest.mark.parametrize(
    ("driver", "own"),
    [(driver, own) for driver in (*ENDS, "BMP", "GIF") for own in (False, True) if not own or driver in ("GTiff", "JP2OpenJPEG")],
)  # fmt: skip
@pytest.mark.parametrize("end", ["aux", "first", "whole", "wld", "FIRST", "none"])
def test_an_image_lies_where_gdal_has_it(tmp_path: Path, driver: str, end: str, own: bool) -> None:
    profile: dict[str, Any] = {}
    if own:
        profile = {"crs": "EPSG:4326", "transform": rasterio.Affine(0.5, 0, 10, 0, -0.5, 50)}
        profile |= {"nodata": 7} if driver == "GTiff" else {}
    path = make(tmp_path / f"a{ENDS.get(driver, f'.{driver.lower()}')}", driver, **profile)
    suffix = path.suffix[1:]
    if end == "aux":
        wkt = CRS.from_epsg(32631).to_wkt().replace('"', "&quot;")
        more = '<Metadata><MDI key="STATISTICS_MEAN">5</MDI></Metadata>'
        pam = PAM.format(crs=wkt, transform=" 5.5, 2, 0.25,  7,0.125,-2", nodata="9", more=more)
        (tmp_path / f"{path.name}.aux.xml").write_text(pam)
    elif end != "none":
        first = f"{suffix[0]}{suffix[-1]}w"
        name = {"first": first, "whole": f"{suffix}w", "wld": "wld", "FIRST": first.upper()}[end]
        (tmp_path / f"a.{name}").write_text("2.5\n0.125\n0.25\n-2,5\n100\n2e2\n")
    with rasterio.open(path) as file:
        expected = file.crs, tuple(file.transform)[:6], file.nodata
    with open_image(path) as image:
        crs = None if image.geo.crs is None else CRS.from_wkt(image.geo.crs)
        nodata = None if driver == "GIF" else image.geo.nodata  # GDAL takes a GIF's from the file alone
        if driver == "BMP" and end == "aux":  # an index of a palette is no value of what is shown, but it counts
            first = Window(0, 0, 1, 1)
            assert image.valid(first, image.read(first)) is not None
            nodata = 9
        assert (crs, image.geo.transform, nodata) == expected


@pytest.mark.parametrize("text", ["", "<PAM", "<PAMDataset/>", "1\n2\n3\n", "0\n0\n0\n-1\n5\n5\n", "a\n" * 6])
def test_a_damaged_sidecar_is_none(tmp_path: Path, text: str) -> None:
    path = make(tmp_path / "a.tif")
    for name in ("a.tif.aux.xml", "a.tfw"):
        (tmp_path / name).write_text(text)
    with open_image(path) as image:
        assert not image.geo.placed


@pytest.mark.parametrize(
    "text",
    ['<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><PAMDataset><SRS>&x;</SRS></PAMDataset>',
     "<PAMDataset><SRS>/etc/passwd</SRS></PAMDataset>",
     "<PAMDataset><SRS>+proj=longlat +nadgrids=/etc/passwd</SRS></PAMDataset>"],
)  # fmt: skip
def test_a_hostile_sidecar_is_named(tmp_path: Path, text: str) -> None:
    path = make(tmp_path / "a.tif")
    (tmp_path / "a.tif.aux.xml").write_text(text)
    with pytest.raises(DataError, match=r"a\.tif\.aux\.xml: .*\[image\.sidecar\]"), open_image(path):
        pass


# Coordinate systems

GOOD = [
    "EPSG:32631", "epsg:4326", "urn:ogc:def:crs:EPSG::32631", "urn:ogc:def:crs:EPSG:6.9:4326", "OGC:CRS84",
    "urn:ogc:def:crs:OGC:1.3:CRS84", "urn:ogc:def:crs:OGC::CRS84", "http://www.opengis.net/def/crs/EPSG/0/32631",
    "http://www.opengis.net/def/crs/OGC/1.3/CRS84", "https://www.opengis.net/def/crs/EPSG/0/3857", "ESRI:102001", "WGS84",
    "+proj=utm +zone=31 +datum=WGS84 +units=m +no_defs", "+init=epsg:32631", "  EPSG:4326 ",
    "+proj=merc +a=6378137 +b=6378137 +lat_ts=0 +lon_0=0 +units=m +nadgrids=@null +wktext +no_defs",
    CRS.from_epsg(32631).to_wkt(), CRS.from_epsg(3857).to_wkt(), CRS.from_epsg(27700).to_wkt(version="WKT2_2019"),
    CRS.from_epsg(27700).to_wkt(version="WKT1_ESRI"), CRS.from_epsg(2154).to_wkt().replace(",", ",\n  "),
]  # fmt: skip

BAD = [
    "{url}/x.prj", "http://www.opengis.net/gml/srs/epsg.xml#4326", "{url}/def/crs/EPSG/0/4326", "{file}", "file://{file}",
    "/vsicurl/{url}/x.prj", "x.prj", "DICT:{file},1", "+init={file}:1", "+proj=longlat +nadgrids={file}",
    "+proj=longlat +nadgrids=@{file}", "+proj=longlat +geoidgrids=x.gtx", "+proj=longlat +nadgrids=@null,{file}",
    "", "EPSG:", "EPSG:999999", "EPSG:-1", "IGNF:/etc/passwd", "GEOGCS[", "{{}}", '{{"type": "GeographicCRS"}}', "proj=",
    'GEOGCS["x",DATUM["x",SPHEROID["x",1,2]],EXTENSION["PROJ4","+proj=longlat +nadgrids={file}"]]', "WGS 84 / UTM zone 31N",
]  # fmt: skip


@pytest.mark.parametrize("text", GOOD)
def test_a_coordinate_system_is_a_code_or_a_definition(text: str) -> None:
    found = parse_crs(text)
    assert found == CRS.from_user_input(text.strip())
    assert parse_crs(found.to_wkt()) == found


def test_projjson_is_a_definition() -> None:
    text = '{"type":"GeographicCRS","name":"x","datum":{"type":"GeodeticReferenceFrame","name":"World Geodetic System 1984",' \
        '"ellipsoid":{"name":"WGS 84","semi_major_axis":6378137,"inverse_flattening":298.257223563}},"coordinate_system":' \
        '{"subtype":"ellipsoidal","axis":[{"name":"Lat","abbreviation":"lat","direction":"north","unit":"degree"},' \
        '{"name":"Lon","abbreviation":"lon","direction":"east","unit":"degree"}]}}'  # fmt: skip
    assert parse_crs(text).is_geographic


@pytest.mark.net
@pytest.mark.parametrize("text", BAD)
def test_a_coordinate_system_is_never_opened_or_fetched(tmp_path: Path, listener: Listener, text: str) -> None:
    prj = tmp_path / "x.prj"
    prj.write_text(CRS.from_epsg(32631).to_wkt())
    text = text.format(url=listener.url, file=prj)
    with pytest.raises(ValueError, match=r"."):
        parse_crs(text)
    path = make(tmp_path / "a.tif", crs="EPSG:4326", transform=rasterio.Affine(1, 0, 0, 0, -1, 0))
    ring = [[0, 0], [0, -4], [4, -4], [0, 0]]
    features = tmp_path / "a.geojson"
    crs = {"type": "name", "properties": {"name": text}}
    features.write_text(json.dumps({"type": "FeatureCollection", "crs": crs, "features": [
        {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}}]}))  # fmt: skip
    with open_image(path) as image:
        geo = image.geo
    if text:
        with pytest.raises(DataError, match=r"a\.geojson.*say which they are of"):
            to_pixels(read_features(features), geo, "a.geojson", size=(9, 9))
    assert listener.asked == []


@given(st.text(max_size=40))
def test_any_text_is_a_coordinate_system_or_is_none(text: str) -> None:
    with suppress(ValueError):
        parse_crs(text)


# Size


def test_a_tile_too_large_to_be_decoded_is_named(tmp_path: Path) -> None:
    """A window of 16 would take all of it."""
    path = tmp_path / "a.tif"
    shape = {"height": 60_000, "width": 60_000, "count": 1, "dtype": "uint8"}
    with rasterio.open(
        path, "w", driver="GTiff", **shape, tiled=True, blockxsize=60_000, blockysize=60_000, SPARSE_OK=True
    ):
        pass
    assert path.stat().st_size < 10_000
    for read, code in ((open_image, "image"), (open_mask, "mask"), (open_scores, "scores")):
        with pytest.raises(DataError, match=rf"a\.tif: .*stored in blocks.*\[{code}\.too_large\]"), read(path):  # type: ignore[operator]
            pass
    with pytest.raises(DataError, match=r"image\.too_large"):
        read_facts(path)


def test_bands_without_number_are_named(tmp_path: Path) -> None:
    """Stored pixel by pixel: a window of 65,535 of them takes GDAL minutes, of a file of 2 kB."""
    path = tmp_path / "a.tif"
    shape = {"height": 2, "width": 2, "count": 4097, "dtype": "uint8"}
    with rasterio.open(path, "w", driver="GTiff", **shape, interleave="pixel", SPARSE_OK=True):
        pass
    with pytest.raises(DataError, match=r"a\.tif: 4,097 bands.*\[image\.too_large\]"), open_image(path):
        pass


def test_complex_pixels_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with rasterio.open(path, "w", driver="GTiff", height=2, width=2, count=1, dtype="complex64") as file:
        file.write(np.ones((1, 2, 2), np.complex64))
    for read in (read_brightness, read_all):
        with pytest.raises(DataError, match=r"a\.tif: its pixels are complex numbers.*\[image\.type\]"):
            read(path)


# Damage

KINDS: dict[str, dict[str, Any]] = {
    "strips": {"nodata": 1, "crs": "EPSG:32631", "transform": rasterio.Affine(2, 0, 5, 0, -2, 7)},
    "tiles": {"tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "deflate"},
    "lzw": {"compress": "lzw", "predictor": 2}, "big": {"compress": "packbits", "BIGTIFF": "YES"}, "bits": {"nbits": 2},
}  # fmt: skip


def mangled(data: bytes, rng: np.random.Generator) -> bytes:
    """A TIFF that is cut off, or some of whose entries (those of the directory above all) are other numbers."""
    if rng.random() < 0.15:
        return data[: rng.integers(len(data))]
    big, out = data[2] == 43, bytearray(data)
    start = int.from_bytes(data[8:16] if big else data[4:8], "little")
    entries = int.from_bytes(data[start : start + (8 if big else 2)], "little")
    end = start + (8 + 20 * entries if big else 2 + 12 * entries)
    for _ in range(rng.integers(1, 5)):
        at = int(rng.integers(start, end) if rng.random() < 0.8 else rng.integers(len(data)))
        value = int(rng.choice([0, 1, 255, 65_536, 60_000, 2**31 - 1, 2**32 - 1, int(rng.integers(2**32))]))
        size = int(rng.choice([1, 2, 4]))
        out[at : at + size] = value.to_bytes(4, "little")[:size]
    return bytes(out)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_tiff_is_one_line(tmp_path: Path, kind: str) -> None:
    """Also where it is read lazily, long after it was opened."""
    data = make(tmp_path / "whole.tif", **KINDS[kind]).read_bytes()
    rng = np.random.default_rng(len(kind))
    path = tmp_path / "a.tif"
    told = []
    for _ in range(150):
        path.write_bytes(mangled(data, rng))
        for read in READS:
            try:
                read(path)
            except DataError as error:
                told.append(str(error))
    assert len(told) > 100
    assert [text for text in told if "\n" in text or "a.tif" not in text or "vsisubfile" in text] == []


def _windows(path: Path, opener: Any) -> None:
    with opener(path) as pixels:
        h, w = min(pixels.height, 16), min(pixels.width, 16)
        for y, x in ((0, 0), (pixels.height - h, pixels.width - w)):
            pixels.read(Window(y, x, h, w))


READS = (
    read_facts, lambda p: read_brightness(p, reduce=4), lambda p: _windows(p, open_image), lambda p: _windows(p, open_mask),
    lambda p: _windows(p, open_scores), read_mask, read_palette, lambda p: plain_tiff_size(p, palette=False),
)  # fmt: skip
