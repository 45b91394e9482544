"""What belongs together, however long the chain of links between two things is (union-find: Galler & Fischer 1964)."""

from __future__ import annotations


class Forest:
    """Numbers, each in a group of its own until it is joined to others; a group goes by its smallest number."""

    def __init__(self) -> None:
        self._above: dict[int, int] = {}

    def root(self, i: int) -> int:
        """The smallest number of a number's group."""
        while (above := self._above.setdefault(i, i)) != i:
            self._above[i] = i = self._above[above]
        return i

    def join(self, i: int, j: int) -> bool:
        """Make one group of both numbers' groups; False if they were one."""
        a, b = self.root(i), self.root(j)
        self._above[max(a, b)] = min(a, b)
        return a != b
