"""What files of other formats say, if they have room for it, of the sample that labels are of: its id, split, group and size."""

from __future__ import annotations

from contextlib import suppress

import msgspec

from segdata.dataset.sample import Sample

KEY = "segdata"
"""The name under which it stands."""


class Origin(msgspec.Struct, frozen=True, omit_defaults=True):
    """The sample that labels were of when segdata wrote them. `height` and `width` are in pixels."""

    id: str
    height: int
    width: int
    split: str | None = None
    group: str | None = None

    @classmethod
    def of(cls, sample: Sample) -> Origin:
        """That of a sample."""
        return cls(sample.id, sample.height, sample.width, sample.split, sample.group)

    @classmethod
    def told(cls, value: object) -> Origin | None:
        """What a value of JSON says; None if it is of something else."""
        with suppress(msgspec.ValidationError):
            found = msgspec.convert(value, cls)
            return found if found.id and min(found.size) > 0 else None
        return None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.height, self.width
