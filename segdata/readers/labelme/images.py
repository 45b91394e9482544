"""Where the image of a label file of labelme is."""

from __future__ import annotations

import posixpath
from contextlib import suppress
from pathlib import PureWindowsPath

from segdata.errors import Problem
from segdata.files.places import lies_below
from segdata.files.remote import Place
from segdata.readers.labelme.files import Found
from segdata.readers.named_images import ImageFinder, tail


class Images:
    """Finds images: within the label file, or where it says, below the `folder` of the label files. If another folder is
    `given`, they are there. If they are not `wanted`, only those within label files are found, which tell the size.
    """

    def __init__(self, folder: Place, given: Place | None, wanted: bool) -> None:
        self.folder, self.given, self.wanted = folder, given, wanted
        self.finder = ImageFinder([given or folder])

    def path(self, one: Found) -> str:
        """The path of a label file."""
        return str(self.folder / one.name)

    def of(self, one: Found) -> str | Problem | None:
        """The path of a label file's image, or why there is none (`image.missing`, `.ambiguous`); None if it is not wanted.

        `imagePath` is a path from the label file; if there is no such file below the folder, the image may lie beside the
        label file, or anywhere below the folder: the file whose path has the longest end in common.
        """
        if one.inside is not None and self.given is None:
            return one.inside
        if not self.wanted:
            return None
        if not one.image:
            return Problem("image.missing", "holds no image (imageData) and names none (imagePath): add one of them")
        name = posixpath.normpath(PureWindowsPath(one.image).as_posix())
        beside = posixpath.dirname(one.name)
        there = posixpath.normpath(posixpath.join(beside, name))
        for path in (there, posixpath.join(beside, *tail(name)[-1:]), name):
            with suppress(OSError):  # such as of a name that is too long
                if lies_below(path) and (file := (self.given or self.folder) / path).is_file():
                    return str(file)
        found = self.finder.find(one.image if "://" in one.image else there)
        if isinstance(found, str):
            return found
        return Problem(found.code, f"its image is {one.image!r} (imagePath): {found.message}")
