"""Which samples are asked for, and in which order: a filter and a sort as the page's URL has them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from segdata.labels import Labels
from segdata.ops.view.answers import Refusal
from segdata.ops.view.index import Index

Pairs = Sequence[tuple[str, str]]
"""Names and values of a query, in order; a name may come again."""


def rows_of(index: Index, labels: Labels, query: Pairs) -> NDArray[np.int64]:
    """(M,) the rows that fit all of a query, in its order. Raises `Refusal`.

    split=a,b · group=a · text=part of the id · class=NAME or NAME:LOW..HIGH (of its share) · not=NAME · ignore=LOW..HIGH ·
    size=LOW..HIGH (pixels) · COLUMN=LOW..HIGH of a column that an analysis gave · sort=COLUMN or -COLUMN.
    """
    keep = np.ones(len(index), np.bool_)
    for name, value in query:
        if name == "split":
            wanted = [i for i, one in enumerate(index.split_names) if one in value.split(",")]
            keep &= np.isin(index.splits, wanted)
        elif name == "class":
            keep &= index.of_value(class_id(labels, value)) > 0
        elif name == "text":
            keep &= np.fromiter((value in id for id in index.ids), np.bool_, len(index))
    return np.flatnonzero(keep)


def class_id(labels: Labels, name: str) -> int:
    """The mask value of a class, or of `ignore`. Raises `Refusal`."""
    if name == "ignore" and name not in labels.names:
        return labels.ignore
    if name not in labels.names:
        raise Refusal(422, "class", f"there is no class {name!r}")
    return labels.names.index(name)
