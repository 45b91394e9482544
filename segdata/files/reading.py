"""How the images of a dataset are to be read: what no file can say of itself, or says wrong. Part of dataset.json."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import msgspec

from segdata.errors import OptionError, one_of

Band = int | str
"""A band by its number, from 1 on, or by its name in the file."""

Alpha = Literal["auto", "yes", "no"]
"""Whether a band is transparency: as it looks, always, or never."""
UnderNodata = Literal["ignore", "keep"]
"""What becomes of labels where an image has no data: they are ignored, or count like any other."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What is asked of every image of a dataset; by default each is read as its file says.

    `bands`: those bands alone, in this order (none: all). `alpha`: whether the band that a file calls alpha is one of
    transparency, or, if it calls none so, the last of 2 or of 4 and more (None: as it looks). `vrt`: whether a VRT may name
    other files, below its own folder. `under_nodata`: with "keep" an image has data everywhere, whatever its file says, for
    whoever asks because of labels. `subdataset`: which image of a file that holds several, by its name there.
    """

    bands: tuple[Band, ...] = ()
    alpha: bool | None = None
    vrt: bool = False
    under_nodata: UnderNodata = "ignore"
    subdataset: str | None = None

    def to_json(self) -> dict[str, Any]:
        """What differs from the default: {} for a dataset that is read as its files say."""
        usual = asdict(AS_IT_IS)
        return {name: value for name, value in asdict(self).items() if value != usual[name]}

    @classmethod
    def from_json(cls, found: Any) -> Reading:
        """Raises `msgspec.ValidationError`."""
        return msgspec.convert(found, cls)

    def but(
        self, bands: str | None = None, alpha: Alpha = "auto", vrt: bool = False, subdataset: str | None = None
    ) -> Reading:
        """The same with what the options of these names say. Numbers of `bands` (3,2,1 or names) count the bands read so far.

        Raises `OptionError` for bands that are not among those read so far.
        """
        one_of("alpha", alpha, Alpha)
        told = {"auto": self.alpha, "yes": True, "no": False}[alpha]
        chosen = self.bands if bands is None else tuple(self._among(band) for band in parse_bands(bands))
        image = self.subdataset if subdataset is None else subdataset
        return replace(self, bands=chosen, alpha=told, vrt=self.vrt or vrt, subdataset=image)

    def written(self) -> Reading:
        """How files are to be read that hold what this reads: as they say, but a single band stays one, and becomes no RGB."""
        return Reading(bands=(1,) if len(self.bands) == 1 else (), under_nodata=self.under_nodata)

    def _among(self, band: Band) -> Band:
        """The band of the file that is this one of those read so far."""
        if not self.bands:
            return band
        if isinstance(band, str) and (same := [one for one in self.bands if str(one).lower() == band.lower()]):
            return band if band in same else same[0]
        if isinstance(band, int) and band <= len(self.bands):
            return self.bands[band - 1]
        read = ",".join(map(str, self.bands))
        raise OptionError(
            f"--bands {band}: the dataset reads the bands {read} of its files: give their numbers, 1 to {len(self.bands)}"
        )


AS_IT_IS = Reading()


def parse_bands(text: str) -> tuple[Band, ...]:
    """`3,2,1` or `B4,B3,B2`: a number counts from 1, anything else is a name, also `0001`. Raises `OptionError`."""
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise OptionError(f"--bands {text}: must be numbers or names of bands, like 3,2,1 or B4,B3,B2")
    if zero := [part for part in parts if part == "0" or (part[0] == "-" and part[1:].isdecimal())]:
        raise OptionError(f"--bands {zero[0]}: bands are numbered from 1")
    return tuple(int(part) if part.isdecimal() and not part.startswith("0") else part for part in parts)


def told(
    bands: str | None = None, alpha: Alpha = "auto", vrt: bool = False, subdataset: str | None = None
) -> dict[str, Any]:
    """What of these options was given, as a job notes it."""
    given = {"bands": bands, "alpha": alpha, "vrt": vrt, "subdataset": subdataset}
    return {name: value for name, value in given.items() if value not in (None, "auto", False)}
