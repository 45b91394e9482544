"""How the images of a dataset are to be read: what no file can say of itself, or says wrong. Part of dataset.json."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import msgspec

Band = int | str
"""A band by its number, from 1 on, or by its name in the file."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What is asked of every image of a dataset; by default each is read as its file says.

    `bands`: those bands alone, in this order (none: all). `alpha`: whether the last band is one of transparency (None: as it
    looks). `vrt`: whether a VRT may name other files, below its own folder. `subdataset`: which image of a file that holds
    several, by its name there.
    """

    bands: tuple[Band, ...] = ()
    alpha: bool | None = None
    vrt: bool = False
    subdataset: str | None = None

    def to_json(self) -> dict[str, Any]:
        """What differs from the default: {} for a dataset that is read as its files say."""
        usual = asdict(AS_IT_IS)
        return {name: value for name, value in asdict(self).items() if value != usual[name]}

    def asked(self, *, vrt: bool = False, subdataset: str | None = None) -> Reading:
        """The same, but for what is asked for."""
        return replace(self, vrt=self.vrt or vrt, subdataset=self.subdataset if subdataset is None else subdataset)

    @property
    def option(self) -> dict[str, Any]:
        """How the options of an operation tell it: nothing of the default."""
        found = self.to_json()
        return {"reading": found} if found else {}

    @classmethod
    def from_json(cls, found: Any) -> Reading:
        """Raises `msgspec.ValidationError`."""
        return msgspec.convert(found, cls)


AS_IT_IS = Reading()
