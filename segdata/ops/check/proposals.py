"""Splits that repair a dataset, as commands: only such as can be made."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

from segdata.dataset.blocks import divide
from segdata.dataset.counts import ImageCounts
from segdata.dataset.dataset import Dataset
from segdata.dataset.duplicates import Link
from segdata.dataset.groups import DUPLICATES, SEQUENCE, Groups, group_samples
from segdata.errors import OptionError
from segdata.executors.run import Run
from segdata.ops.check.findings import Looked
from segdata.words import some

USUAL = {"train": 80, "val": 10, "test": 10}

GRIDS = ("4x4", "3x4", "4x3", "3x3", "2x3", "3x2", "2x2", "1x4", "4x1", "1x3", "3x1", "1x2", "2x1")

GAP = 10
"""How many numbers lie between frames of two splits, where a sequence is long enough."""

LARGE = 1024
"""Pixels of the sides of images that tiles in blocks may be made of."""

ODD = re.compile(r'[/\\:*?"<>|,=\x00-\x1f]|^\s|\s$|^\.{0,2}$')
"""What no name of a split may be, or could not be typed in --ratios."""


class Proposals:
    """What `segdata split` can make of a dataset. `links` are between samples that are alike, by position in `looked`.

    `kind`: what --group-by calls such samples.
    """

    def __init__(self, dataset: Dataset, looked: Looked, links: Sequence[Link], kind: str = DUPLICATES) -> None:
        self._dataset = replace(dataset, samples=[sample for sample, _ in looked])
        self._alike, self._kind = [(link.first, link.second) for link in links], kind
        self._readable = all(seen.look is not None for _, seen in looked)

    @cached_property
    def sizes(self) -> dict[str, int]:
        """The splits to aim at: those that there are, with their samples, or the usual ones in per cent."""
        sizes = Counter(sample.split for sample in self._dataset if sample.split is not None)
        named = {name: n for name, n in sorted(sizes.items()) if not ODD.search(name)}
        return named if len(named) == len(sizes) > 1 else USUAL

    @cached_property
    def table(self) -> ImageCounts | None:
        """What the samples hold; None if the manifest's counts cannot be."""
        try:
            return ImageCounts.of([sample.counts for sample in self._dataset], self._dataset.labels)
        except ValueError:
            return None

    @cached_property
    def related(self) -> str:
        """Keep groups together, and tiles of an image; or divide the image in blocks."""
        grouped = any(sample.group is not None for sample in self._dataset)
        kind = "group" if grouped else "parent"
        return self._made(kind) or (None if grouped else self._by_blocks(GRIDS)) or self._by_hand(kind)

    @cached_property
    def alike(self) -> str:
        """Keep images that are alike together too."""
        made = self._made(self._kind)
        return "keep one of them" if made is None else f"{made}, or keep one of them"

    @cached_property
    def frames(self) -> str:
        """Keep frames of a sequence together, or far from one another."""
        made = self._made(SEQUENCE)
        if made is None and all(sample.group is None for sample in self._dataset):
            made = self._by_blocks(("10", "5", *map(str, range(len(self.sizes), 1, -1))))
        return made or self._by_hand(SEQUENCE)

    @cached_property
    def anew(self) -> str:
        """Split it, every class in each split."""
        return self._made() or self._by_hand()

    def reach(self, missing: Sequence[str]) -> str:
        """Split it so that these classes are in every split."""
        lacking = self._lacking(self._groups())
        if rare := [name for name in missing if name in lacking]:
            return f"add images of {some(rare)}: too few hold them for all splits; or merge the classes (segdata remap)"
        return self.anew

    def _groups(self, *by: str) -> Groups | None:
        """The groups that a split has; None if it would be refused."""
        if self._kind in by and not self._readable:
            return None
        try:
            return group_samples(self._dataset, by, Run(), alike=self._alike if self._kind in by else ())
        except OptionError:
            return None

    def _lacking(self, groups: Groups | None) -> list[str]:
        """The classes in too few groups to be in every split."""
        if groups is None or self.table is None:
            return []
        holders = groups.holders(self.table)
        return [self._dataset.labels.names[i] for i, held in holders.items() if len(held) < len(self._aimed(groups))]

    def _aimed(self, groups: Groups) -> dict[str, int]:
        """The splits that so many groups can fill: of the usual ones two will do."""
        return {"train": 80, "val": 20} if self.sizes is USUAL and len(groups.names) == 2 else self.sizes

    def _made(self, *by: str) -> str | None:
        """The command; None if it would be refused."""
        groups = self._groups(*by)
        if groups is None or self.table is None or len(groups.names) < len(self._aimed(groups)):
            return None
        kinds = [word for kind in by for word in ("--group-by", kind)]
        return self._command(kinds, self._aimed(groups), self._lacking(groups))

    def _by_blocks(self, forms: Sequence[str]) -> str | None:
        """The command that divides scenes, or sequences; None if it would be refused."""
        for form in forms if self.table is not None else ():
            for gap in (0,) if "x" in form else (GAP, 0):
                try:
                    blocks = divide(self._dataset, f"block:{form}", gap)
                except OptionError:
                    return None
                if blocks.firm and len(blocks.groups.names) >= len(self.sizes):
                    words = ["--by", f"block:{form}", *(["--gap", str(gap)] if gap else [])]
                    return self._command(words, self.sizes, self._dataset.labels.names)
        return None

    def _command(self, words: Sequence[str], sizes: dict[str, int], missing: Sequence[str]) -> str:
        parts = {name: max(1, round(1000 * n / sum(sizes.values()))) for name, n in sizes.items()}
        parts[max(parts, key=lambda name: parts[name])] += 1000 - sum(parts.values())
        ratios = ",".join(f"{name}={part / 1000:g}" for name, part in parts.items())
        allowed = missing if len(missing) <= 3 else ["all"]
        more = [word for name in allowed for word in ("--allow-missing", name)]
        here = str(self._dataset.root)
        return shlex.join(["segdata", "split", here, "DST", *words, "--ratios", ratios, *more])

    def _by_hand(self, kind: str | None = None) -> str:
        """What is left to do if no split can be made."""
        if self.table is None:
            return "repair the manifest first"
        groups = self._groups(*([kind] if kind else [])) or self._groups()
        if groups is None:
            return "repair the manifest first"
        n = len(groups.names)
        what = "one group" if n == 1 else f"{n} groups"
        cannot = f"{what} ({some(groups.names, 3)}) cannot fill {len(self.sizes)} splits"
        large = all(s.parent is None and min(s.size) >= LARGE for s in self._dataset)
        or_tile = ", or tile them and divide each in blocks (segdata tile, then segdata split --by block:4x4)" * large
        return f"add images that are not related to these{or_tile}: {cannot}"
