"""The masks of the full ADE20K: red and green are the class, blue is the object.

A class index is red // 10 * 256 + green, 0 where nothing is labelled. The values of blue are spread over 0 to 255: object k of n
has the value k * 255 / n, rounded. Source: `loadAde20K` in https://github.com/CSAILVision/ADE20K, and the masks there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from segdata.errors import DataError, Problem, located
from segdata.files.images import read_stored
from segdata.labels import Mask, Remap, tally
from segdata.readers.ade20k.names import BY_HAND, read_names
from segdata.readers.label_files import Meaning, ids_of
from segdata.readers.source import Drawn, InFile, Receipt
from segdata.words import some

HUNDREDS = (np.arange(256) // 10 * 256).astype(np.uint16)
"""What each value of red adds to the index."""


@dataclass(frozen=True, slots=True)
class CodedMask(InFile):
    """A coded mask. `meaning.values` has the class ids by index.

    `info`: the _atr.txt, if that alone names the classes, by the objects of a `level`; then `names` are the class ids by name.
    """

    meaning: Meaning
    info: str | None = None
    level: int = 0
    names: Mapping[str, int | None] | None = None

    @property
    def files(self) -> Sequence[str]:
        """See `Annotation`."""
        return (self.path,) if self.info is None else (self.path, self.info)

    def draw(self, remap: Remap) -> Drawn:
        """Its class indices, or the classes of its objects, as class ids. Raises `DataError` (`mask.*`, `ade20k.*`)."""
        receipt = Receipt(annotations=1, painted=1)
        with located(file=self.path):
            pixels = read_coded(self.path)
            odd = [red for red in tally(pixels[..., 0]) if red % 10]
            indices = HUNDREDS[pixels[..., 0]]
            indices += pixels[..., 1]
            if self.info is None or self.names is None:
                mask = ids_of(indices, self._seen(indices), remap)
            else:
                mask = ids_of(pixels[..., 2], self._by_object(self.info, self.names, indices, pixels[..., 2]), remap)
        if odd:
            what = f"red is {some(odd)} and no multiple of 10: read as the 10 below it, as ADE20K's own program does"
            receipt.repaired.append(Problem("ade20k.red", what, self.path, None, self.ids[0]))
        return Drawn(mask, receipt)

    def _seen(self, indices: Mask) -> Meaning:
        """What the indices on the image mean: to translate the thousands of others takes longer than the image."""
        known = self.meaning.values or {}
        return replace(self.meaning, values={index: known[index] for index in tally(indices) if index in known})

    def _by_object(self, info: str, names: Mapping[str, int | None], indices: Mask, blue: NDArray[np.uint8]) -> Meaning:
        """Class ids by blue. Raises `DataError` (`ade20k.objects`) where objects of one class index differ in class."""
        objects = {one.number: one.name for one in read_names(info) if one.level == self.level}
        numbers = {0: 0, **object_numbers([value for value in tally(blue) if value], max(objects, default=0), info)}
        values = {0: (self.meaning.values or {})[0]}
        by_index: dict[int, str] = {}
        for pair in tally(indices.astype(np.int32) * 256 + blue):
            index, value = divmod(pair, 256)
            name = objects.get(numbers[value])
            if name is not None and (not index or by_index.setdefault(index, name) == name):
                values[value] = names[name]
            elif index or value:
                told = (
                    "is not in it"
                    if name is None
                    else f"is {name!r} in it, and others of its index {by_index[index]!r}"
                )
                what = f"object {numbers[value]} of the mask, of class index {index}, {told}"
                raise DataError(Problem("ade20k.objects", f"{what}: correct it, or {BY_HAND}", info))
        return Meaning(values, way_out=BY_HAND)


def object_numbers(blue: Sequence[int], count: int, info: str) -> dict[int, int]:
    """The numbers of objects by the values of blue, ascending, where there are `count` objects.

    If all are seen it is their order. If some are hidden, values are spread over 0 to 255, or are the numbers themselves.
    Raises `DataError` (`ade20k.objects`) for other values.
    """
    if len(blue) == count:
        return {value: number for number, value in enumerate(blue, 1)}
    spread = {int(number * 255 / count + 0.5): number for number in range(1, count + 1)}
    found = spread if set(blue) <= spread.keys() else {value: value for value in range(1, count + 1)}
    if not set(blue) <= found.keys():
        what = f"has {count} objects, and the mask {len(blue)}, whose numbers cannot be told"
        raise DataError(Problem("ade20k.objects", f"{what}: correct it, or {BY_HAND}", info))
    return {value: found[value] for value in blue}


def read_coded(path: str) -> NDArray[np.uint8]:
    """(H, W, 4) uint8 of a coded mask. Raises `DataError` (`mask.*`) for what does not keep values."""
    pixels, lossy = read_stored(path, expand=True)
    if lossy is not None or pixels.ndim == 2:
        what = f"was saved as {lossy}" if lossy else "holds numbers and no colours"
        raise DataError(
            Problem("mask.coded", f"{what}, so that it has no class indices: take it as it was published", path)
        )
    return pixels
