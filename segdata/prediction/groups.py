"""Which samples' windows share batches, whatever was predicted before, and by whichever worker."""

from __future__ import annotations

from collections.abc import Iterable

from segdata.dataset.sample import Sample
from segdata.prediction.windows import Sliding

Group = tuple[Sample, ...]
"""Samples whose windows may share batches."""


def grouped(samples: Iterable[Sample], sliding: Sliding) -> list[Group]:
    """Samples in order of size, as many together as fill batches; one that fills batches by itself is alone.

    Batches are of one group, so that the same ones come up whatever was predicted before, and by whichever worker.
    """
    alone = sliding.batch * sliding.size[0] * sliding.size[1]
    groups: list[list[Sample]] = []
    for sample in sorted(samples, key=lambda s: (s.size, s.id)):
        if not groups or len(groups[-1]) == sliding.batch or sample.height * sample.width > alone:
            groups.append([])
        groups[-1].append(sample)
    return [tuple(group) for group in groups]
