"""Cut an image and its mask into tiles in one of the usual ways, as a separate process.

    PYTHON tile_with.py sahi|patchify|rasterio|limit IMAGE MASK OUT SIZE png|jpg|tif

`limit` reads strips and encodes tiles with segdata's own codecs, and does nothing else: no windows, rules, counts or manifest.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def sahi(image: str, mask: str, out: Path, size: int, ext: str) -> None:
    """SAHI's slicing, of the image and of the mask. Its files have the quality that Pillow gives by default."""
    from sahi.slicing import slice_image  # type: ignore[import-not-found]

    for path, folder, suffix in ((image, "images", f".{ext}"), (mask, "masks", ".png")):
        slice_image(
            image=path, output_file_name="x", output_dir=str(out / folder), slice_height=size, slice_width=size,
            overlap_height_ratio=0, overlap_width_ratio=0, out_ext=suffix,
        )  # fmt: skip


def patchify(image: str, mask: str, out: Path, size: int, ext: str) -> None:
    """patchify over the decoded image, each patch saved by Pillow."""
    import numpy as np
    from patchify import patchify as cut  # type: ignore[import-not-found]
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None
    pixels, ids = np.array(Image.open(image)), np.array(Image.open(mask))
    options: dict[str, Any] = {"quality": 95} if ext == "jpg" else {}
    for folder, patches, suffix in (
        ("images", cut(pixels, (size, size, 3), step=size)[:, :, 0], ext),
        ("masks", cut(ids, (size, size), step=size), "png"),
    ):
        (out / folder).mkdir(parents=True)
        for y in range(patches.shape[0]):
            for x in range(patches.shape[1]):
                Image.fromarray(patches[y, x]).save(out / folder / f"{y}_{x}.{suffix}", **options)


def by_hand(image: str, mask: str, out: Path, size: int, ext: str) -> None:
    """rasterio's windows, saved by Pillow."""
    import numpy as np
    import rasterio
    from PIL import Image
    from rasterio.windows import Window

    options: dict[str, Any] = {"quality": 95} if ext == "jpg" else {}
    for path, folder, suffix in ((image, "images", ext), (mask, "masks", "png")):
        (out / folder).mkdir(parents=True)
        with rasterio.open(path) as file:
            for y in range(0, file.height, size):
                for x in range(0, file.width, size):
                    part = file.read(window=Window(x, y, size, size))
                    tile = np.ascontiguousarray(part.transpose(1, 2, 0)) if part.shape[0] > 1 else part[0]
                    more = options if folder == "images" else {}
                    Image.fromarray(tile).save(out / folder / f"{y}_{x}.{suffix}", **more)


def limit(image: str, mask: str, out: Path, size: int, ext: str) -> None:
    """Plain decoding and encoding of the same pixels."""
    import numpy as np

    from segdata.files.images import encode_image
    from segdata.files.opening import open_image, open_mask
    from segdata.files.png import encode_mask
    from segdata.files.tiff import encode_tiff
    from segdata.windows import Window

    encode: dict[str, Callable[[Any], bytes]] = {
        "png": lambda tile: encode_image(tile, "png"),
        "jpg": lambda tile: encode_image(tile, "jpeg"),
        "tif": encode_tiff,
    }
    for folder in ("images", "masks"):
        (out / folder).mkdir(parents=True)
    with open_image(image) as pixels, open_mask(mask) as ids:
        for y in range(0, pixels.height, size):
            strip = pixels.read(Window(y, 0, size, pixels.width))
            values = ids.read(Window(y, 0, size, pixels.width))
            for x in range(0, pixels.width, size):
                name = f"{y}_{x}"
                (out / f"images/{name}.{ext}").write_bytes(encode[ext](strip[:, x : x + size]))
                part = np.ascontiguousarray(values[:, x : x + size])
                (out / f"masks/{name}.png").write_bytes(encode_mask(part))


WAYS = {"sahi": sahi, "patchify": patchify, "rasterio": by_hand, "limit": limit}

if __name__ == "__main__":
    way, image, mask, out, size, ext = sys.argv[1:]
    WAYS[way](image, mask, Path(out), int(size), ext)
