"""How a model is trained: every option with its default, its bounds and what it means.

One table for the Python function, the command and the configuration file, which cannot differ this way.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from segdata.errors import MissingDependency, OptionError
from segdata.files.places import place
from segdata.files.remote import Place

Positive = Annotated[int, Meta(ge=1)]

Count = Annotated[int, Meta(ge=0)]

Share = Annotated[float, Meta(gt=0, lt=1)]


def _about(text: str) -> Meta:
    """What an option means, as the command's help has it."""
    return Meta(description=text)


class Training(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The options of a training. `Training.of` makes one of plain values and checks them."""

    model: Annotated[str, _about("A name of `segdata models`, or package.module:factory.")] = "unet"
    encoder: Annotated[str | None, _about("The encoder of a model that has one.")] = None
    encoder_weights: Annotated[str | None, _about("'imagenet', or a file of torchvision's names.")] = None
    freeze_encoder: Annotated[bool, _about("Leave the encoder's weights as they are.")] = False
    unfreeze_at: Annotated[Positive | None, _about("Train the encoder too from this epoch on.")] = None
    head: Annotated[
        Literal["softmax", "sigmoid"], _about("softmax: an output per class; sigmoid: one for two classes.")
    ] = "softmax"
    model_options: Annotated[dict[str, Any], _about("An option of the model itself, such as width=32.")] = {}
    init: Annotated[str | None, _about("Start from the weights of this checkpoint.")] = None

    recipe: Annotated[str | dict[str, Any], _about("Preprocessing and augmentation: a preset or a YAML file.")] = (
        "light"
    )
    train_split: Annotated[str, _about("The split to train on.")] = "train"
    val_split: Annotated[str, _about("The split to validate on.")] = "val"
    val_share: Annotated[Share | None, _about("Hold out this part of the training split to validate on instead.")] = (
        None
    )
    allow_missing: Annotated[tuple[str, ...], _about("A class that may have no pixel in a split; all for any.")] = ()
    sampler: Annotated[
        Literal["uniform", "class_aware"], _about("class_aware: draw a class, then an image that holds it.")
    ] = "uniform"
    resize: Annotated[
        tuple[Positive, Positive] | None,
        _about("Height and width of images for the model; masks keep their own size."),
    ] = None
    short_side: Annotated[Positive | None, _about("Resize images so that their short side has this length.")] = None
    crop: Annotated[
        tuple[Positive, Positive] | None,
        _about("Train on random windows of this height and width, read straight from large files."),
    ] = None
    crops: Annotated[Positive | None, _about("Windows per sample and epoch; otherwise as many as cover it.")] = None

    loss: Annotated[str, _about("The loss, such as ce, focal, ce+dice or 0.5*ce+0.5*lovasz.")] = "ce"
    class_weights: Annotated[str | None, _about("Weigh classes by a scheme of `segdata stats`.")] = None
    weights_file: Annotated[str | None, _about("Class weights that `segdata stats --out` wrote.")] = None

    epochs: Annotated[Positive, _about("How many times to go through the training split.")] = 50
    steps: Annotated[Positive | None, _about("Updates per epoch; otherwise as many as the samples make.")] = None
    batch: Annotated[Positive, _about("Samples of one update, over all processes.")] = 8
    accumulate: Annotated[Positive, _about("Compute a batch in this many parts: less memory.")] = 1
    optimizer: Annotated[Literal["adamw", "adam", "sgd"], _about("What updates the weights.")] = "adamw"
    lr: Annotated[float, Meta(gt=0), _about("The highest learning rate; see --lr-find.")] = 1e-3
    momentum: Annotated[float, Meta(ge=0, lt=1), _about("The momentum of sgd.")] = 0.9
    weight_decay: Annotated[float, Meta(ge=0), _about("The weight decay; not for biases and normalisation.")] = 1e-4
    schedule: Annotated[Literal["poly", "cosine", "onecycle", "constant"], _about("How the learning rate falls.")] = (
        "poly"
    )
    warmup: Annotated[float, Meta(ge=0), _about("Epochs in which the learning rate rises from 0.")] = 0.0
    clip: Annotated[Annotated[float, Meta(gt=0)] | None, _about("The longest gradient; longer ones are cut.")] = None
    ema: Annotated[Share | None, _about("Keep a moving average of the weights, such as 0.999, and use that.")] = None
    patience: Annotated[Positive | None, _about("Stop after so many validations without a better one.")] = None
    best: Annotated[
        Literal["mean_iou", "pixel_accuracy", "class_accuracy", "loss"], _about("What best.pt is chosen by.")
    ] = "mean_iou"
    val_every: Annotated[Positive, _about("Validate every so many epochs, and after the last.")] = 1
    val_batch: Annotated[Positive | None, _about("Images validated at once; otherwise as many as trained at once.")] = (
        None
    )

    precision: Annotated[Literal["float32", "bf16", "fp16"], _about("bf16 and fp16: mixed precision.")] = "float32"
    channels_last: Annotated[bool, _about("Lay images out as (N, H, W, C).")] = False
    compile: Annotated[bool, _about("torch.compile: minutes at the start, faster afterwards.")] = False
    seed: Annotated[Count, _about("Another seed, another training.")] = 0
    device: Annotated[str, _about("cpu, cuda, cuda:1 ...; auto: a GPU if there is one.")] = "auto"
    threads: Annotated[Positive | None, _about("CPU threads of one process.")] = None
    workers: Annotated[
        Count | None, _about("Processes that load samples; otherwise 0 on a CPU, up to 8 for a GPU.")
    ] = None
    cache: Annotated[
        Literal["auto", "yes", "no"],
        _about("Keep decoded images in memory; auto: if they fit and are not tiled files."),
    ] = "auto"
    images: Annotated[Count, _about("Validation samples whose predictions are shown each epoch.")] = 4
    save_minutes: Annotated[float, Meta(gt=0), _about("Write last.pt at least this often.")] = 10.0
    tensorboard: Annotated[bool, _about("Write event files too.")] = True

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Training:
        """Checked options of plain values. Raises `OptionError` for one that does not exist, or has no such value."""
        from segdata.words import suggest

        for name in given:
            if name not in cls.__struct_fields__:
                raise OptionError(f"training has no option {name!r}: {suggest(name, cls.__struct_fields__)}")
        try:
            options = msgspec.convert(dict(given), cls)
        except msgspec.ValidationError as error:
            message, _, place = str(error).partition(" - at `$.")
            raise OptionError(f"--{place.rstrip('`').replace('_', '-')}: {message[0].lower()}{message[1:]}") from error
        options._refuse_contradictions()
        same = options.val_share is None and options.train_split == options.val_split
        if same and not {"train_split", "val_split"} <= given.keys():
            raise OptionError(
                f"--train-split and --val-split are both {options.val_split!r}, and what was trained on says nothing of "
                "other images: validate on another, hold out a part with --val-share 0.2, or say it by giving both"
            )
        return options

    @classmethod
    def choose(cls, config: str | Path | None, options: Mapping[str, Any]) -> Training:
        """`options` before those of a YAML file. Raises `OptionError`, as `of`."""
        chosen = cls.of({**(read_config(config) if config else {}), **options})
        if "val_split" in options and chosen.val_share is not None:
            raise OptionError("--val-split and --val-share: give one of them")
        return chosen

    def _refuse_contradictions(self) -> None:
        """Raise `OptionError` for options that cannot go together."""
        if self.batch % self.accumulate:
            raise OptionError(f"--batch {self.batch} cannot be computed in --accumulate {self.accumulate} equal parts")
        if self.class_weights is not None and self.weights_file is not None:
            raise OptionError("--class-weights and --weights-file: give one of them")
        if self.resize is not None and self.short_side is not None:
            raise OptionError("--resize and --short-side: give one of them")
        if self.unfreeze_at is not None and not self.freeze_encoder:
            raise OptionError("--unfreeze-at: only with --freeze-encoder")
        own = ":" in self.model and not self.model.startswith("smp:")  # which may load weights by itself
        if self.freeze_encoder and not own and self.encoder_weights is None and self.init is None:
            raise OptionError("--freeze-encoder: would keep random weights: give --encoder-weights or --init")
        if self.warmup > self.epochs:
            raise OptionError(f"--warmup {self.warmup:g}: is longer than all of --epochs {self.epochs}")

    def to_json(self) -> dict[str, Any]:
        """Plain values, all of them."""
        return dict(msgspec.to_builtins(self))


FREE = frozenset({"device", "threads", "workers", "cache", "images", "save_minutes", "tensorboard"})
"""Options that a run may go on with changed: they change where and how it computes, not what."""


def read_config(path: str | Place) -> dict[str, Any]:
    """The options in a YAML file. Raises `OptionError` where it is none."""
    import yaml

    try:
        found = yaml.safe_load(place(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise OptionError(f"{path}: not a configuration: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise OptionError(f"{path}: not a configuration: must be lines such as `epochs: 50`")
    return found


def config_text(options: Training) -> str:
    """The options as YAML that `read_config` reads."""
    import yaml

    return str(yaml.safe_dump(options.to_json(), sort_keys=False, allow_unicode=True))


def need_extra() -> None:
    """Raise `MissingDependency` where the extra `train` is not installed."""
    from importlib.util import find_spec

    missing = [name for name in ("torch", "albumentations", "yaml", "matplotlib") if find_spec(name) is None]
    if missing:
        raise MissingDependency(f"training needs {', '.join(missing)}: pip install 'segdata[train]'")
