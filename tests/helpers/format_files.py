"""Images in the forms that are opened each in its own way, made small."""

from __future__ import annotations

import json
import struct
import warnings
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from PIL import Image

BANDS = {1: ("Gray",), 3: ("Red", "Green", "Blue")}


def pixels(height: int = 40, width: int = 60, bands: int = 3, dtype: str = "uint8") -> NDArray[Any]:
    """(h, w, C), no two neighbours alike."""
    return (np.arange(height * width * bands).reshape(height, width, bands) * 7 % 251).astype(dtype)


def write(path: Path, values: NDArray[Any], driver: str = "GTiff", **profile: Any) -> Path:
    """Write (h, w, C) by one of GDAL's drivers, making folders as needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width, count = values.shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.open(
            path, "w", driver=driver, height=height, width=width, count=count, dtype=values.dtype, **profile
        ) as file:
            file.write(values.transpose(2, 0, 1))
    return path


def vrt(
    sources: Sequence[tuple[str, int, int]], size: tuple[int, int], bands: int = 3, head: str = "", relative: int = 1
) -> str:
    """The text of a VRT of `size` (height, width) whose sources (name, y, x) lie side by side."""
    parts = []
    for band, colour in enumerate(BANDS[bands], 1):
        inner = "".join(
            f'<SimpleSource><SourceFilename relativeToVRT="{relative}">{name}</SourceFilename><SourceBand>{band}</SourceBand>'
            f'<SrcRect xOff="0" yOff="0" xSize="{size[1] - x}" ySize="{size[0] - y}"/>'
            f'<DstRect xOff="{x}" yOff="{y}" xSize="{size[1] - x}" ySize="{size[0] - y}"/></SimpleSource>'
            for name, y, x in sources
        )
        parts.append(
            f'<VRTRasterBand dataType="Byte" band="{band}"><ColorInterp>{colour}</ColorInterp>{inner}</VRTRasterBand>'
        )
    return f'<VRTDataset rasterXSize="{size[1]}" rasterYSize="{size[0]}">{head}{"".join(parts)}</VRTDataset>'


def write_zarr(path: Path, arrays: Mapping[str, NDArray[Any]]) -> Path:
    """Write a Zarr folder (version 2) of arrays, each in one chunk."""
    for name, values in arrays.items():
        (path / name).mkdir(parents=True)
        head = {"zarr_format": 2, "shape": values.shape, "chunks": values.shape, "dtype": values.dtype.str, "order": "C",
                "compressor": None, "fill_value": 0, "filters": None}  # fmt: skip
        (path / name / ".zarray").write_text(json.dumps(head))
        (path / name / ".".join("0" * values.ndim)).write_bytes(values.tobytes())
    (path / ".zgroup").write_text('{"zarr_format": 2}')
    return path


def write_netcdf(path: Path, arrays: Mapping[str, NDArray[Any]]) -> Path:
    """Write a classic NetCDF file of (h, w) or (C, h, w) arrays."""
    from scipy.io import netcdf_file

    path.parent.mkdir(parents=True, exist_ok=True)
    with netcdf_file(path, "w") as file:
        for name, values in arrays.items():
            axes = [f"{axis}{size}" for axis, size in zip("zyx"[-values.ndim :], values.shape, strict=True)]
            for axis, size in zip(axes, values.shape, strict=True):
                if axis not in file.dimensions:
                    file.createDimension(axis, size)
            file.createVariable(name, values.dtype.newbyteorder(">"), axes)[:] = values
    return path


def write_slide(path: Path, values: NDArray[Any], mpp: float | None = 0.25, levels: int = 2) -> Path:
    """Write (h, w, 3) uint8 as Aperio's scanner would, uncompressed, with levels that are 4 times smaller each."""
    import tifffile

    path.parent.mkdir(parents=True, exist_ok=True)
    height, width, _ = values.shape
    said = "" if mpp is None else f"|AppMag = 40|MPP = {mpp}"
    text = f"Aperio Image Library v12.0.0\n{width}x{height} [0,0 {width}x{height}] (256x256) RAW{said}"
    with tifffile.TiffWriter(path) as file:
        for level in range(levels):
            part = values[:: 4**level, :: 4**level]
            file.write(part, tile=(256, 256), photometric="rgb", description=text, metadata=None)
    return path


def encoded(values: NDArray[Any], format: str) -> bytes:
    """The bytes of (h, w, 3) uint8 as a JPEG of good quality, or as JPEG 2000 without loss."""
    data = BytesIO()
    how = {"quality": 98, "subsampling": 0} if format == "JPEG" else {"no_jp2": True, "irreversible": False}
    Image.fromarray(values).save(data, format, **how)
    return data.getvalue()


def write_jpeg2000_slide(path: Path, values: NDArray[Any], gap: int) -> Path:
    """Write what Aperio's scanner writes in JPEG 2000, which GDAL does not read; of tiles of 256 one, `gap`, is not there."""
    height, width, _ = values.shape
    padded = np.pad(values, ((0, -height % 256), (0, -width % 256), (0, 0)))
    corners = [(y, x) for y in range(0, height, 256) for x in range(0, width, 256)]
    tiles = [encoded(padded[y : y + 256, x : x + 256], "JPEG2000") for y, x in corners]
    tiles[gap] = b""
    text = (
        f"Aperio Image Library\n{width}x{height} [0,0 {width}x{height}] (256x256) J2K|AppMag = 20|MPP = 0.5\0".encode()
    )
    entries = {259: ("H", [33005]), 262: ("H", [2]), 270: ("s", text), 322: ("I", [256]), 323: ("I", [256])}
    path.write_bytes(_tiff(values.shape, entries, tiles, (324, 325)))
    return path


def write_ndpi(path: Path, values: NDArray[Any]) -> Path:
    """Write what Hamamatsu's scanner writes: all of it as one JPEG, 4,000 pixels per millimetre."""
    entries = {
        254: ("I", [0]), 259: ("H", [7]), 262: ("H", [6]), 271: ("s", b"Hamamatsu\0"), 278: ("I", [values.shape[0]]),
        282: ("f", [40_000.0]), 283: ("f", [40_000.0]), 296: ("H", [3]), 65420: ("I", [1]), 65421: ("f", [40.0]),
        65422: ("i", [0]), 65423: ("i", [0]), 65424: ("i", [0]), 65426: ("I", [0]),
    }  # fmt: skip
    path.write_bytes(_tiff(values.shape, entries, [encoded(values, "JPEG")], (273, 279)))
    return path


def _tiff(
    shape: tuple[int, ...], entries: Mapping[int, tuple[str, Any]], chunks: Sequence[bytes], where: tuple[int, int]
) -> bytes:
    """A TIFF of one image, whose chunks lie where the entries `where` say: their places and sizes."""
    out = bytearray(b"II*\0\0\0\0\0")
    starts = []
    for chunk in chunks:
        starts.append(len(out))
        out += chunk + b"\0" * (len(chunk) % 2)
    own = {256: ("I", [shape[1]]), 257: ("I", [shape[0]]), 258: ("H", [8, 8, 8]), 277: ("H", [3]), 284: ("H", [1])}
    table = {**own, **entries, where[0]: ("I", starts), where[1]: ("I", [len(chunk) for chunk in chunks])}
    struct.pack_into("<I", out, 4, len(out))
    behind, rows, end = bytearray(), b"", len(out) + 2 + 12 * len(table) + 4
    for tag, (kind, values) in sorted(table.items()):
        data = values if kind == "s" else struct.pack(f"<{len(values)}{kind}", *values)
        rows += struct.pack("<HHI", tag, {"s": 2, "H": 3, "I": 4, "i": 9, "f": 11}[kind], len(values))
        rows += data.ljust(4, b"\0") if len(data) <= 4 else struct.pack("<I", end + len(behind))
        behind += b"" if len(data) <= 4 else data + b"\0" * (len(data) % 2)
    return bytes(out + struct.pack("<H", len(table)) + rows + b"\0\0\0\0" + behind)


def png(values: NDArray[Any]) -> bytes:
    """The bytes of a PNG of (h, w) or (h, w, 3) uint8."""
    data = BytesIO()
    Image.fromarray(values).save(data, "PNG")
    return data.getvalue()
