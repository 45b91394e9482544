"""How a dataset's samples refer to image files: linked, copied, or left where they are."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Literal

from segdata.dataset.sample import Images
from segdata.errors import DataError, OptionError, Problem
from segdata.files.file import open_file
from segdata.files.forms import parts_elsewhere
from segdata.files.members import member_of
from segdata.files.places import copy_file, is_stored, only_gdal_opens, place, real, relative
from segdata.files.remote import Place, is_remote
from segdata.files.sidecars import sidecars


def refuse_images(destination: Place, images: Images, files: Iterable[str | Place]) -> None:
    """Raise `OptionError` where a dataset in object storage would refer to images of this machine, or link to any."""
    if isinstance(destination, Path):
        return
    if images == "link" or (images == "reference" and not all(map(is_remote, files))):
        what = "cannot hold links" if images == "link" else "cannot refer to images of this machine"
        raise OptionError(f"{destination}: object storage {what}: give --images copy (or none)")


def place_image(image: str, id: str, root: Place, images: Images) -> str | None:
    """The manifest's path of an image file, once it is linked or copied into the dataset at `root` where that is asked.

    Files beside it that say where it lies are then copied, too.

    An image in another bucket, or in storage where the dataset is not, is referred to by its URL.
    Raises `DataError` where a link to a member of a shard is asked for, or a copy of an image that is in several files;
    `OptionError` for other links that there cannot be.
    """
    if images == "none":
        return None
    if images == "reference" and only_gdal_opens(image):
        return image
    there, name = _there(image), os.path.basename(image)
    refuse_images(root, images, [there])
    if images == "reference":
        found = relative(there, place(real_folder(str(root))))
        if not found.isascii() and found.encode(errors="replace").decode() != found:
            raise DataError(
                Problem("image.name", "its path is not UTF-8: rename it, or use --images copy or link", image)
            )
        return found
    kept = os.path.basename(id) == name  # as ids do that would collide without the extension
    here = f"images/{id}{'' if kept else os.path.splitext(name)[1]}"
    put_image(image, root, here, images)
    return here


def put_image(image: str, root: Place, here: str, images: Literal["link", "copy"], others: str = "reference") -> None:
    """Link or copy an image file, with the files beside it that say where it lies, to `here` below `root`.

    Raises `DataError` where a link to a member of a shard is asked for, or a copy of an image that is in several files;
    `OptionError` for other links that there cannot be. `others`: what else --images may be, besides copy and none.
    """
    there, path = _there(image), root / here
    refuse_parts(there)
    if images == "copy":
        copy_file(there, path)
    elif (member := member_of(there)) is not None:
        what = {"base64": "a text in JSON", "parquet": "a table"}.get(member.coding, "a shard")
        ways = f"{others} or copy" if others else "copy"
        raise DataError(Problem("image.member", f"no link leads into {what}: --images {ways}", image))
    elif isinstance(path, Path) and not is_stored(there):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(os.path.relpath(there, real_folder(str(path.parent))))
    else:
        raise OptionError(
            f"{there}: object storage has no links: --images copy{f', {others}' if others else ''} or none"
        )
    for beside, copied in sidecars(str(there), here):
        copy_file(beside, root / copied)


def _there(image: str) -> str:
    """The image's file, its folder without symbolic links."""
    folder, name = os.path.split(image)
    return image if is_stored(image) else os.path.join(real_folder(folder), name)


def refuse_parts(image: str) -> None:
    """Raise `DataError` (`image.parts`) for an image that is nothing without the files beside it, which no copy has."""
    with open_file(image) as file:
        if parts_elsewhere(image, file.form):
            what = "parts of it are in other files, which are neither copied nor linked: --images reference"
            raise DataError(Problem("image.parts", what, image))


@lru_cache(maxsize=1024)
def real_folder(folder: str) -> str:
    """A folder without symbolic links: `..` in a relative path means what it says only from there."""
    return real(folder)
