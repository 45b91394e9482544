"""What was picked, and by which figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from segdata.dataset.dataset import Dataset
from segdata.words import briefly


class PickedImage(msgspec.Struct, frozen=True, kw_only=True):
    """An image, in the order of picking. `uncertainty`, 0 to 1: the mean entropy of its pixels; `rarity`: 1 in the mean over
    the pool's pixels; `distance`: how far its embedding was from all labelled and picked before, 0 to 2; None if not asked."""

    rank: int
    id: str
    image: str | None
    group: str | None
    uncertainty: float
    rarity: float
    distance: float | None


@dataclass(frozen=True, slots=True)
class Picked:
    """What was picked of `pool` images, of which `labelled` were labelled already. `asked` is how many were wanted.

    `unknown`: labelled images without an embedding, whose neighbours may have been picked. `dataset` is what was written of it,
    if that is a dataset.
    """

    __repr__ = briefly

    images: tuple[PickedImage, ...]
    asked: int
    pool: int
    labelled: int
    unknown: int
    uncertainty: float
    """The mean over the pool, without what is labelled."""
    strategy: str
    dataset: Dataset | None = None

    def to_json(self) -> dict[str, Any]:
        """All of it but the dataset."""
        counts = {
            key: getattr(self, key) for key in ("asked", "pool", "labelled", "unknown", "uncertainty", "strategy")
        }
        return {**counts, "images": msgspec.to_builtins(self.images)}
