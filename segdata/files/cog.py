"""Masks as Cloud Optimized GeoTIFFs: tiled, with smaller copies of themselves that come first, and the colours of the classes."""

from __future__ import annotations

import warnings
from contextlib import ExitStack
from uuid import uuid4

from segdata.files.drafts import local_draft
from segdata.files.gdal import damaged, load_rasterio, opened
from segdata.files.remote import Place
from segdata.labels import Labels

SETTINGS = {
    "COMPRESS": "DEFLATE", "LEVEL": "6", "BLOCKSIZE": "512", "BIGTIFF": "IF_SAFER",
    "OVERVIEWS": "IGNORE_EXISTING", "OVERVIEW_RESAMPLING": "MODE", "NUM_THREADS": "1",
}  # fmt: skip
"""GDAL's options: a pixel of a smaller copy has the class that most of its pixels have, and is ignored only if all are."""


def make_cog(path: Place, labels: Labels) -> None:
    """Make a TIFF of class ids a Cloud Optimized GeoTIFF (https://cogeo.org). The same mask gives the same bytes.

    Its nodata is the ignore value. Masks of 8 bits have a palette of the classes' colours; GDAL takes none of 16 bits.
    Raises `DataError` (`mask.unreadable`), `OSError`, `StorageError`.
    """
    import rasterio.shutil

    rasterio = load_rasterio()
    view = f"/vsimem/{uuid4().hex}.vrt"  # takes a palette without a second copy of the pixels
    with ExitStack() as stack:
        here = stack.enter_context(local_draft(path))
        source = stack.enter_context(opened(path, "mask"))
        stack.enter_context(damaged(str(path), "mask"))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        stack.callback(rasterio.shutil.delete, view, driver="VRT")
        rasterio.shutil.copy(source, view, driver="VRT")
        with rasterio.open(view, "r+") as mask:
            mask.nodata = labels.ignore
            if source.dtypes[0] == "uint8":
                mask.write_colormap(1, dict(enumerate(map(tuple, labels.palette().tolist()))))
        with rasterio.open(view) as mask:
            rasterio.shutil.copy(mask, str(here), driver="COG", **SETTINGS)
