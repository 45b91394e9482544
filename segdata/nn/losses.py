"""Losses that leave out ignored pixels: their logits change neither the value nor a gradient.

A loss is written as a sum: `ce`, `ce+dice`, `0.5*ce(smoothing=0.1)+0.5*lovasz`. It takes logits `(N, K, H, W)` of any float
type and a target `(N, H, W)` int64 of class ids and `ignore`, and returns a scalar float32. If all pixels of a batch are
ignored, the loss and its gradient are 0.

Losses of pixels (ce, bce, focal, ohem) are means over the labelled pixels, weighted by class as in torch: sum(w l) / sum(w).
Losses of regions (dice, iou, tversky, lovasz) are means over the classes that occur in the batch, weighted in the same way.

A batch that is computed in parts (`--accumulate`, several processes) has the mean of its parts' losses, each by its `mass`.
Of ce, bce and focal this is the loss of the whole batch. Of ohem and of the losses of regions it is not: each part is a batch.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from segdata.errors import OptionError
from segdata.words import suggest

_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Batch:
    """The labelled pixels: logits `(P, K)` float32, target `(P,)` of ids in 0..K-1, weights `(K,)` or None."""

    logits: Tensor
    target: Tensor
    weights: Tensor | None
    sigmoid: bool

    def probs(self) -> Tensor:
        """`(P, K)` float32 probabilities."""
        return self.logits.sigmoid() if self.sigmoid else self.logits.softmax(1)

    def truth(self) -> Tensor:
        """`(P, K)` float32: 1 for the true class of a pixel, otherwise 0."""
        return F.one_hot(self.target, self.logits.shape[1]).to(self.logits.dtype)

    def pixel_mean(self, losses: Tensor) -> Tensor:
        """The mean of `losses` `(P,)`, weighted by the class of each pixel; 0 if there are no pixels."""
        return self.pixel_sum(losses if self.weights is None else self.weights[self.target] * losses)

    def pixel_sum(self, losses: Tensor) -> Tensor:
        """The sum of `losses` `(P,)`, which are already weighted, over the divisor of `pixel_mean`."""
        if self.weights is None:
            return losses.sum() / max(losses.numel(), 1)
        return losses.sum() / self.weights[self.target].sum().clamp_min(_TINY)

    def class_mean(self, losses: Tensor) -> Tensor:
        """The weighted mean of `losses` `(K,)` over the classes that occur; 0 if none occurs."""
        present = torch.bincount(self.target, minlength=losses.numel()) > 0
        weights = present.to(losses.dtype) if self.weights is None else present * self.weights
        return (weights * losses).sum() / weights.sum().clamp_min(_TINY)


@dataclass(frozen=True, slots=True)
class Whole:
    """All pixels: logits `(N, K, H, W)`, target `(N, H, W)` of ids and `ignore`, weights `(K,)` or None."""

    logits: Tensor
    target: Tensor
    weights: Tensor | None
    ignore: int


def cross_entropy(whole: Whole, *, smoothing: float = 0.0) -> Tensor:
    """-log p of the true class; `smoothing` spreads that share over all classes (Szegedy et al., CVPR 2016, section 7).

    It takes whole images: picking out the labelled pixels would cost several times as much as this loss.
    """
    valid = whole.target != whole.ignore
    logits = whole.logits.float().masked_fill(~valid[:, None], 0)  # NaN and infinity there would spread
    each = torch.are_deterministic_algorithms_enabled()  # a GPU has no form of the sum that is
    total = F.cross_entropy(
        logits, whole.target, whole.weights, ignore_index=whole.ignore, reduction="none" if each else "sum",
        label_smoothing=smoothing,
    ).sum()  # fmt: skip
    share = valid if whole.weights is None else whole.weights[whole.target.where(valid, 0)] * valid
    return total / share.sum().clamp_min(_TINY)


def binary_cross_entropy(batch: Batch) -> Tensor:
    """One binary decision per class, on its own logit; for two classes, one decision on the difference of their logits."""
    if batch.logits.shape[1] == 2:
        z = batch.logits[:, 1] - batch.logits[:, 0]
        return batch.pixel_mean(F.binary_cross_entropy_with_logits(z, batch.target.to(z.dtype), reduction="none"))
    losses = F.binary_cross_entropy_with_logits(batch.logits, batch.truth(), reduction="none")
    return batch.pixel_mean(losses.mean(1))


def focal(batch: Batch, *, gamma: float = 2.0) -> Tensor:
    """(1 - p)^gamma times the cross-entropy (Lin et al., ICCV 2017, equation 4); the weights are its alpha (equation 5).

    Under a sigmoid head with more than two classes it is the focal loss of each class's binary decision, as in the paper.
    """
    if batch.sigmoid:
        losses = F.binary_cross_entropy_with_logits(batch.logits, batch.truth(), reduction="none")
        return batch.pixel_mean((_doubt(losses) ** gamma * losses).mean(1))
    losses = F.cross_entropy(batch.logits, batch.target, reduction="none")
    return batch.pixel_mean(_doubt(losses) ** gamma * losses)


def _doubt(losses: Tensor) -> Tensor:
    """1 - p from -log p; kept above 0, because a power below 1 has no finite slope at 0."""
    return (-torch.expm1(-losses)).clamp_min(_TINY)


def ohem(batch: Batch, *, threshold: float = 0.7, keep: float = 0.0625) -> Tensor:
    """Cross-entropy of the hard pixels: those whose true class has a probability below `threshold`, at least the share `keep`.

    Online hard example mining (Shrivastava et al., CVPR 2016), for pixels as in online bootstrapping (Wu et al., arXiv
    1605.06885, section 2.3).
    """
    losses = F.cross_entropy(batch.logits, batch.target, reduction="none")
    if losses.numel() == 0:
        return losses.sum()
    least = max(1, round(keep * losses.numel()))
    bound = losses.detach().topk(least).values[-1].clamp_max(-math.log(threshold))
    hard = losses.detach() >= bound
    return Batch(batch.logits, batch.target[hard], batch.weights, batch.sigmoid).pixel_mean(losses[hard])


def tversky(batch: Batch, *, alpha: float = 0.3, beta: float = 0.7, smooth: float = 1.0) -> Tensor:
    """1 - (TP + s) / (TP + alpha FP + beta FN + s) of each class, with probabilities (Salehi et al., MLMI 2017, equation 4).

    In the paper's notation alpha weighs false positives and beta false negatives. `smooth` is s, in pixels.
    """
    probs, truth = batch.probs(), batch.truth()
    hit, said, true = (probs * truth).sum(0), probs.sum(0), truth.sum(0)
    whole = hit + alpha * (said - hit) + beta * (true - hit) + smooth
    score = (hit + smooth) / whole.clamp_min(_TINY)  # would be 0 / 0 with s = 0 and an empty whole
    return batch.class_mean(1 - score)


def dice(batch: Batch, *, smooth: float = 1.0) -> Tensor:
    """1 - (2 TP + s) / (2 TP + FP + FN + s) (Milletari et al., V-Net, 3DV 2016, without its squares); s in pixels."""
    return tversky(batch, alpha=0.5, beta=0.5, smooth=smooth / 2)


def iou(batch: Batch, *, smooth: float = 1.0) -> Tensor:
    """1 - (TP + s) / (TP + FP + FN + s), the soft Jaccard index (Rahman and Wang, ISVC 2016, equation 3); s in pixels."""
    return tversky(batch, alpha=1.0, beta=1.0, smooth=smooth)


def lovasz(batch: Batch) -> Tensor:
    """Lovász-softmax over the batch and the classes that occur (Berman, Rannen Triki and Blaschko, CVPR 2018, equation 11).

    The errors of each class, largest first, times the gradient of the Lovász extension of its Jaccard loss (algorithm 1).
    """
    present = torch.bincount(batch.target, minlength=batch.logits.shape[1]).nonzero()[:, 0]
    if present.numel() == 0:
        return batch.logits.sum()
    truth = batch.truth()[:, present].T
    errors, order = (truth - batch.probs()[:, present].T).abs().sort(1, descending=True)
    truth = truth.gather(1, order)
    total = truth.sum(1, keepdim=True)
    jaccard = 1 - (total - truth.cumsum(1)) / (total + (1 - truth).cumsum(1))
    gradient = torch.diff(jaccard, dim=1, prepend=torch.zeros_like(total))
    losses = torch.zeros_like(batch.logits[0]).index_put((present,), (errors * gradient).sum(1))
    return batch.class_mean(losses)


LOSSES: dict[str, Callable[..., Tensor]] = {
    "ce": cross_entropy,
    "bce": binary_cross_entropy,
    "focal": focal,
    "dice": dice,
    "iou": iou,
    "tversky": tversky,
    "lovasz": lovasz,
    "ohem": ohem,
}

EXCLUSIVE = ("ce", "ohem")
"""Losses that need classes that exclude each other: not for a sigmoid head with more than two classes."""

_AMOUNT = (lambda v: 0 <= v < math.inf, "0 or more")

RANGES: dict[str, tuple[Callable[[float], bool], str]] = {
    "smoothing": (lambda v: 0 <= v < 1, "from 0 to below 1"),
    "gamma": _AMOUNT,
    "threshold": (lambda v: 0 < v <= 1, "above 0 and up to 1"),
    "keep": (lambda v: 0 <= v <= 1, "from 0 to 1"),
    "alpha": _AMOUNT,
    "beta": _AMOUNT,
    "smooth": _AMOUNT,
}
"""The allowed values of the options of losses, by name: a test, and its description."""


@dataclass(frozen=True, slots=True)
class Term:
    """One summand: `factor * LOSSES[name](..., **options)`."""

    factor: float
    name: str
    options: tuple[tuple[str, float], ...] = ()

    def __str__(self) -> str:
        options = ", ".join(f"{key}={value:g}" for key, value in self.options)
        return (f"{self.factor:g}*" * (self.factor != 1)) + self.name + f"({options})" * bool(options)


class Loss:
    """A sum of terms; the docstring of this module says what it takes and returns."""

    def __init__(
        self, terms: tuple[Term, ...], *, classes: int, ignore: int, weights: Sequence[float] | None, head: str
    ) -> None:  # fmt: skip
        self.terms, self.classes, self.ignore = terms, classes, ignore
        self.sigmoid = head == "sigmoid" and classes != 2  # two classes have the logits (0, z): softmax is its sigmoid
        self.weights = None if weights is None else torch.tensor(weights, dtype=torch.float32)

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        """Logits `(N, K, H, W)`, target `(N, H, W)` int64 -> a scalar float32."""
        if self.weights is not None and self.weights.device != logits.device:
            self.weights = self.weights.to(logits.device)
        whole = Whole(logits, target, self.weights, self.ignore)
        names = {term.name for term in self.terms}
        batch = self._labelled(logits, target) if names - {"ce"} else None
        parts = [t.factor * LOSSES[t.name](whole if t.name == "ce" else batch, **dict(t.options)) for t in self.terms]
        return torch.stack(parts).sum()

    def mass(self, target: Tensor) -> Tensor:
        """How much a target `(N, H, W)` counts beside others: its labelled pixels, each with its class's weight; float32."""
        labelled = target != self.ignore
        if self.weights is None:
            return labelled.sum().float()
        return self.weights.to(target.device)[target[labelled].long()].sum()

    def _labelled(self, logits: Tensor, target: Tensor) -> Batch:
        """The pixels that are not ignored."""
        pixels = logits.movedim(1, -1).reshape(-1, self.classes)
        labelled = target.reshape(-1)
        valid = labelled != self.ignore
        if not bool(valid.all()):
            pixels, labelled = pixels[valid], labelled[valid]
        return Batch(pixels.float(), labelled, self.weights, self.sigmoid)

    def __repr__(self) -> str:
        return f"Loss({'+'.join(map(str, self.terms))})"


def build(
    spec: str, *, classes: int, ignore: int, weights: Sequence[float] | None = None, head: str = "softmax"
) -> Loss:  # fmt: skip
    """Build the loss that `spec` describes, such as `0.5*ce+0.5*lovasz` or `tversky(alpha=0.2,beta=0.8)`.

    `weights` are K numbers, one per class. Raises `OptionError`, which lists the losses or options that exist.
    """
    if weights is not None and len(weights) != classes:
        raise OptionError(f"{len(weights)} class weights for {classes} classes")
    if weights is not None and not (all(0 <= w < float("inf") for w in weights) and sum(weights) > 0):
        raise OptionError("class weights must be finite, none below 0 and not all 0")
    terms = parse(spec)
    if head == "sigmoid" and classes > 2 and (wrong := [t.name for t in terms if t.name in EXCLUSIVE]):
        raise OptionError(
            f"loss {wrong[0]} needs classes that exclude each other: with --head sigmoid use bce or focal"
        )
    return Loss(terms, classes=classes, ignore=ignore, weights=weights, head=head)


_TERM = re.compile(r"(?:(?P<factor>[\d.]+(?:e-?\d+)?)\*)?(?P<name>[a-z_]+)(?:\((?P<options>[^()]*)\))?")


def parse(spec: str) -> tuple[Term, ...]:
    """The terms of a sum. Raises `OptionError`, which names the wrong part."""
    return tuple(_term(part) for part in re.split(r"\+(?![^(]*\))", spec.replace(" ", "")))


def _term(text: str) -> Term:
    found = _TERM.fullmatch(text)
    if found is None:
        raise OptionError(f"loss {text!r}: write NAME, 0.5*NAME or NAME(option=number), summed with +")
    name, factor = found["name"], _number(text, found["factor"] or "1")
    if name not in LOSSES:
        raise OptionError(f"no loss {name!r}: {suggest(name, LOSSES)}")
    if not 0 < factor < math.inf:
        raise OptionError(f"loss {text!r}: the factor must be above 0, not {factor:g}")
    known = list(inspect.signature(LOSSES[name]).parameters)[1:]
    options: dict[str, Any] = {}
    for pair in filter(None, (found["options"] or "").split(",")):
        key, _, value = pair.partition("=")
        if key not in known:
            raise OptionError(f"loss {name} has no option {key!r}: it takes {', '.join(known) or 'none'}")
        options[key] = _number(text, value)
        within, told = RANGES[key]
        if not within(options[key]):
            raise OptionError(f"loss {name}: {key} must be {told}, not {value}")
    return Term(factor, name, tuple(options.items()))


def _number(text: str, value: str) -> float:
    try:
        return float(value)
    except ValueError as error:
        raise OptionError(f"loss {text!r}: {value!r} is not a number") from error
