"""STAPLE: the truth that several labellings speak of, and how far each can be trusted, each estimated from the other.

Warfield, Zou and Wells, "Simultaneous Truth and Performance Level Estimation (STAPLE)", 2004, sections II-A and II-B, for two
classes; for several, Rohlfing, Russakoff and Maurer, "Performance-Based Classifier Combination in Atlas-Based Image
Segmentation Using Expectation-Maximization Parameter Estimation", 2004, section II. As ITK has both (itk::STAPLEImageFilter,
itk::MultiLabelSTAPLEImageFilter). With f(k) the prior of class k, and T_r(v, k) how often annotator r says v where the truth
is k:

    E:  W(p, k)   = f(k) * product over r of T_r(v_r(p), k), divided by its sum over k
    M:  T_r(v, k) = sum of W(p, k) over the pixels p with v_r(p) = v, divided by that over all p on which r votes

f is the part of the votes that class k has, and stays. Where the rounds begin is ITK's: of two classes, at a W that is the part
of the votes on a pixel; of several, at a T by which class has the most votes (see `_from_most`). Rounds end when no T changes
by more than 1e-7, as in ITK, of several classes 1e-9.

W is the same for all pixels of one pattern of votes, so patterns are what is summed over. An annotator that ignores a pixel has
no vote there: it is in neither product nor sum. Two annotators alone cannot tell who is right: what comes out then depends on
where the rounds begin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from segdata.errors import OptionError
from segdata.metrics.agreement import Patterns, Votes
from segdata.metrics.confusion import Floats, Ints, ratio
from segdata.words import briefly

CHANGE_OF_TWO, CHANGE, ROUNDS = 1e-7, 1e-9, 10_000
"""By how much no probability may change in the last round, of two classes as in ITK, and of more; and how many rounds there are
at most. ITK's filter of several classes ends at 1e-5 unless it is told otherwise, which may be far from where rounds lead."""

BLOCK = 2**22
"""How many probabilities are worked on together."""

TIE = 1e-9
"""Classes whose probabilities differ by less than this part of the larger are equally likely."""


@dataclass(frozen=True, slots=True, eq=False)
class Staple:
    """What `staple` finds. `prior` (K,) float64; `rates` (R, K, K) float64, how often each annotator gives a vote (first K) if
    the truth is a class (second K), 0 for a class that is nowhere true; `mass` (R, K) float64, the pixels of each true class
    on which it votes. `settled`: whether the last of so many `rounds` changed next to nothing.
    """

    __repr__ = briefly

    prior: Floats
    rates: Floats
    mass: Floats
    rounds: int
    settled: bool

    @property
    def sensitivity(self) -> Floats:
        """(R, K) float64: how often each annotator gives the class where it is true; NaN for one that is nowhere true."""
        return np.asarray(np.where(self.mass > 0, np.diagonal(self.rates, axis1=1, axis2=2), np.nan))

    @property
    def specificity(self) -> Floats:
        """(R, K) float64: how often each annotator does not give the class where another is true; NaN if none is."""
        given = self.rates * self.mass[:, None]  # pixels by vote and truth
        wrong = given.sum(axis=2) - np.diagonal(given, axis1=1, axis2=2)
        return 1 - ratio(wrong, self.mass.sum(axis=1, keepdims=True) - self.mass)

    def weights(self, patterns: Patterns) -> Floats:
        """(P, R) votes -> (P, K) float64: how likely each class is true, 0 for all if none can be; their prior without a vote."""
        with np.errstate(divide="ignore"):
            logs = np.log(self.rates)
            out = np.tile(np.log(self.prior), (len(patterns), 1))
        for log, votes in zip(logs, patterns.T, strict=True):
            voted = votes < len(self.prior)
            out[voted] += log[votes[voted]]
        most = out.max(axis=1, keepdims=True)
        out = np.exp(out - np.where(np.isfinite(most), most, 0))
        return np.asarray(out / np.maximum(out.sum(axis=1, keepdims=True), 1))

    def decide(self, patterns: Patterns) -> Ints:
        """(P, R) votes -> (P,) int64: the likeliest class; K if several are equally likely, and without a vote."""
        classes = len(self.prior)
        out = np.full(len(patterns), classes, np.int64)
        for rows in _blocks(len(patterns), classes):
            weights = self.weights(patterns[rows])
            most = weights.max(axis=1, keepdims=True)
            alone = (weights > (1 - TIE) * most).sum(axis=1) == 1
            held = alone & (patterns[rows] < classes).any(axis=1)
            out[rows][held] = weights.argmax(axis=1)[held]
        return out


def staple(votes: Votes, *, change: float | None = None, rounds: int = ROUNDS) -> Staple:
    """Estimate truth and annotators from all votes, until no probability changes by more than `change`, or `rounds` are over.

    By default `change` is `CHANGE_OF_TWO` for two classes, `CHANGE` for more. Raises `OptionError` if there is no vote, or if
    `rounds` is below 1.
    """
    change = (CHANGE_OF_TWO if votes.classes == 2 else CHANGE) if change is None else change
    if rounds < 1:
        raise OptionError(f"{rounds} rounds of STAPLE: must be 1 or more")
    held = votes.given > 0
    if not votes.pixels[held].any():
        raise OptionError("there is no vote: every pixel is ignored by all")
    votes = Votes(votes.patterns[held], votes.pixels[held], votes.classes)
    blocks = [_Block.of(votes, rows) for rows in _blocks(len(votes.pixels), votes.classes)]
    prior = np.sum([block.pixels @ block.shares for block in blocks], axis=0) / votes.pixels.sum()
    if votes.classes == 2:
        found = Staple(prior, *_maximise(blocks, None), 1, settled=False)
    else:
        found = Staple(prior, _from_most(votes), np.zeros((votes.annotators, votes.classes)), 0, settled=False)
    while not found.settled and found.rounds < rounds:
        rates, mass = _maximise(blocks, found)
        settled = bool(np.abs(rates - found.rates).max() <= change)
        found = Staple(prior, rates, mass, found.rounds + 1, settled)
    return found


def _from_most(votes: Votes) -> Floats:
    """(R, K, K) float64: the `rates` that rounds of several classes begin with, but each vote's sum over truth is 1, as in ITK.

    Truth is the class with the most votes. Of a tie ITK counts a vote v as one of v + 1, for class 0. It matters only where votes
    leave open who is right; as any beginning would do there, this one is kept, so that both come to the same.
    """
    voted = votes.patterns < votes.classes
    same = np.stack([(votes.patterns == column[:, None]).sum(axis=1) for column in votes.patterns.T], axis=1) * voted
    first = same == same.max(axis=1, keepdims=True)
    winner = np.where(first, votes.patterns, 0).max(axis=1)
    tied = winner != np.where(first, votes.patterns, votes.classes).min(axis=1)
    truth = np.where(tied, 0, winner)
    out = np.zeros((votes.annotators, votes.classes + 1, votes.classes))
    for rates, column, held in zip(out, votes.patterns.T, voted.T, strict=True):
        np.add.at(rates, ((column + tied)[held], truth[held]), votes.pixels[held])
    return np.nan_to_num(ratio(out, np.broadcast_to(out.sum(axis=2, keepdims=True), out.shape)))[:, :-1]


def _blocks(patterns: int, classes: int) -> list[slice]:
    """The patterns in blocks of about `BLOCK` probabilities."""
    rows = max(1, BLOCK // classes)
    return [slice(start, start + rows) for start in range(0, patterns, rows)]


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """Some patterns, with the order that brings equal votes of an annotator together: (order, starts, votes) of each."""

    patterns: Patterns
    pixels: Ints
    classes: int
    grouped: list[tuple[Ints, Ints, Patterns]] = field(default_factory=list)

    @classmethod
    def of(cls, votes: Votes, rows: slice) -> _Block:
        """Of some rows of all patterns."""
        patterns = votes.patterns[rows]
        grouped = []
        for column in patterns.T:
            order = np.argsort(column, kind="stable")
            given, starts = np.unique(column[order], return_index=True)
            grouped.append((order, starts, given))
        return cls(patterns, votes.pixels[rows], votes.classes, grouped)

    @property
    def shares(self) -> Floats:
        """(P, K) float64: the part of each pattern's votes that a class has."""
        out = np.zeros((len(self.patterns), self.classes + 1))
        for column in self.patterns.T:
            out[np.arange(len(column)), column] += 1
        out = out[:, :-1]
        return np.asarray(out / out.sum(axis=1, keepdims=True))

    def add_up(self, weights: Floats, sums: Floats) -> None:
        """Add (P, K) weights of all pixels to `sums` (R, K + 1, K), at each annotator's vote."""
        weighted = weights * self.pixels[:, None]
        for out, (order, starts, given) in zip(sums, self.grouped, strict=True):
            out[given] += np.add.reduceat(weighted[order], starts, axis=0)


def _maximise(blocks: Sequence[_Block], found: Staple | None) -> tuple[Floats, Floats]:
    """The M step: `rates` and `mass`, if truth is as likely as `found` says, or at first as the votes of each pixel do."""
    annotators, classes = blocks[0].patterns.shape[1], blocks[0].classes
    sums = np.zeros((annotators, classes + 1, classes))
    for block in blocks:
        block.add_up(block.shares if found is None else found.weights(block.patterns), sums)
    mass = sums[:, :-1].sum(axis=1)
    return np.nan_to_num(ratio(sums[:, :-1], np.broadcast_to(mass[:, None], (annotators, classes, classes)))), mass
