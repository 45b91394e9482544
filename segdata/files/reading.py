"""How the images of a dataset are to be read: what no file can say of itself, or says wrong. Part of dataset.json."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import msgspec

Band = int | str
"""A band by its number, from 1 on, or by its name in the file."""

UnderNodata = Literal["ignore", "keep"]
"""What becomes of labels where an image has no data: they are ignored, or count like any other."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What is asked of every image of a dataset; by default each is read as its file says.

    `bands`: those bands alone, in this order (none: all). `alpha`: whether the last band is one of transparency (None: as it
    looks). `vrt`: whether a VRT may name other files, below its own folder. `under_nodata`: with "keep" an image has data
    everywhere, whatever its file says, for whoever asks because of labels.
    """

    bands: tuple[Band, ...] = ()
    alpha: bool | None = None
    vrt: bool = False
    under_nodata: UnderNodata = "ignore"

    def to_json(self) -> dict[str, Any]:
        """What differs from the default: {} for a dataset that is read as its files say."""
        usual = asdict(AS_IT_IS)
        return {name: value for name, value in asdict(self).items() if value != usual[name]}

    @property
    def of_tiles(self) -> Reading:
        """What is still to be asked of images that were written anew, such as tiles."""
        return Reading(under_nodata=self.under_nodata)

    @classmethod
    def from_json(cls, found: Any) -> Reading:
        """Raises `msgspec.ValidationError`."""
        return msgspec.convert(found, cls)


AS_IT_IS = Reading()
