"""The options of training: each with its default, its bounds and its meaning.

The Python function, the command and the configuration file all use this one table, so they cannot differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from segdata.errors import MissingDependency, OptionError
from segdata.files.places import read_text
from segdata.files.reading import Alpha
from segdata.files.remote import Place
from segdata.files.yaml_text import load_yaml
from segdata.nn.models import default_encoder

Positive = Annotated[int, Meta(ge=1)]

Count = Annotated[int, Meta(ge=0)]

Share = Annotated[float, Meta(gt=0, lt=1)]


def _about(text: str) -> Meta:
    """The meaning of an option, for the help of the command."""
    return Meta(description=text)


class Training(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The options of a training. `Training.of` makes it from plain values and checks them."""

    model: Annotated[str, _about("A name of `segdata models`, or package.module:factory.")] = "unet"
    encoder: Annotated[str | None, _about("The encoder of a model that has one, or timm:NAME.")] = None
    encoder_weights: Annotated[
        str | None,
        _about(
            "'imagenet', a file, URL#sha256=..., or a checkpoint; imagenet alone gives unet the encoder efficientnet_lite0."
        ),
    ] = None
    freeze_encoder: Annotated[bool, _about("Leave the encoder's weights as they are.")] = False
    unfreeze_at: Annotated[Positive | None, _about("Train the encoder too from this epoch on.")] = None
    head: Annotated[
        Literal["softmax", "sigmoid"], _about("softmax: an output per class; sigmoid: one for two classes.")
    ] = "softmax"
    model_options: Annotated[dict[str, Any], _about("An option of the model itself, such as width=32.")] = {}
    init: Annotated[str | None, _about("Start from this checkpoint; classes are matched by name.")] = None

    recipe: Annotated[str | dict[str, Any], _about("Preprocessing and augmentation: a preset or a YAML file.")] = (
        "light"
    )
    train_split: Annotated[str, _about("The split to train on, several (fold1,fold2), or all but some (!fold0).")] = (
        "train"
    )
    val_split: Annotated[str, _about("The split to validate on, or several.")] = "val"
    val_share: Annotated[Share | None, _about("Hold out this part of the training split to validate on instead.")] = (
        None
    )
    allow_missing: Annotated[tuple[str, ...], _about("A class that may have no pixel in a split; all for any.")] = ()
    bands: Annotated[str | None, _about("Train on only these bands, in this order: 3,2,1, or names in the files.")] = (
        None
    )
    alpha: Annotated[
        Alpha,
        _about("Whether the last band is transparency (yes) or data (no). auto: as the dataset says, or as it looks."),
    ] = "auto"
    sampler: Annotated[
        Literal["uniform", "class_aware"], _about("class_aware: draw a class, then an image that holds it.")
    ] = "uniform"
    resize: Annotated[
        tuple[Positive, Positive] | None,
        _about("Height and width of images for the model; masks keep their own size."),
    ] = None
    short_side: Annotated[Positive | None, _about("Resize images for the model to this short side instead.")] = None
    mask_scale: Annotated[
        Positive,
        _about("Learn from masks this many times as high and wide as the resized images, for thin objects."),
    ] = 1
    scale_values: Annotated[
        tuple[float, ...],
        _about(
            "LOW,HIGH, such as -1000,3000: the values that become 0 and 1. By default 0 and the largest value of 8 and 16 bits."
        ),
    ] = ()
    crop: Annotated[
        tuple[Positive, Positive] | None,
        _about("Train on random windows of this height and width, read straight from large files."),
    ] = None
    crops: Annotated[Positive | None, _about("Windows per sample and epoch; by default as many as cover it.")] = None

    loss: Annotated[str, _about("The loss, such as ce, focal, ce+dice or 0.5*ce+0.5*lovasz.")] = "ce"
    class_weights: Annotated[str | None, _about("Weight classes by a scheme of `segdata stats`.")] = None
    weights_file: Annotated[str | None, _about("A file of class weights from `segdata stats --out`.")] = None

    epochs: Annotated[Positive, _about("Passes over the training split.")] = 50
    steps: Annotated[Positive | None, _about("Updates per epoch; by default enough to use all samples.")] = None
    batch: Annotated[Positive, _about("Samples per update, over all processes.")] = 8
    accumulate: Annotated[
        Positive,
        _about("Compute a batch in this many parts, to save memory; losses of regions see each part alone."),
    ] = 1
    optimizer: Annotated[Literal["adamw", "adam", "sgd"], _about("The method that updates the weights.")] = "adamw"
    lr: Annotated[float, Meta(gt=0), _about("The highest learning rate; --lr-find suggests one.")] = 1e-3
    momentum: Annotated[float, Meta(ge=0, lt=1), _about("Momentum of sgd.")] = 0.9
    weight_decay: Annotated[float, Meta(ge=0), _about("Weight decay, not for biases and normalisation.")] = 1e-4
    encoder_rate: Annotated[
        float,
        Meta(gt=0, le=1),
        _about("The factor of --lr for the encoder, below 1 for a pretrained one."),
    ] = 1.0
    schedule: Annotated[
        Literal["poly", "cosine", "onecycle", "constant"],
        _about("How the learning rate falls; onecycle rises first, and leaves the momentum alone."),
    ] = "poly"
    warmup: Annotated[float, Meta(ge=0), _about("Epochs in which the rate rises from 0.")] = 0.0
    clip: Annotated[
        Annotated[float, Meta(gt=0)] | None, _about("The largest norm of the gradient; larger ones are scaled down.")
    ] = None
    ema: Annotated[Share | None, _about("Use a moving average of the weights; its decay, such as 0.999.")] = None
    patience: Annotated[Positive | None, _about("Stop after this many validations without improvement.")] = None
    best: Annotated[
        Literal["mean_iou", "pixel_accuracy", "class_accuracy", "loss"],
        _about("The measure by which best.pt is chosen."),
    ] = "mean_iou"
    calibrate: Annotated[
        bool,
        _about("In the end, fit a temperature on half of the validation images; keep it if ECE falls on the others."),
    ] = True
    val_every: Annotated[Positive, _about("Validate once per this many epochs, and after the last.")] = 1
    val_batch: Annotated[Positive | None, _about("Images validated at once; by default as many as in training.")] = None

    precision: Annotated[Literal["float32", "bf16", "fp16"], _about("bf16 and fp16: mixed precision.")] = "float32"
    channels_last: Annotated[bool, _about("Store images in memory as (N, H, W, C).")] = False
    compile: Annotated[bool, _about("Use torch.compile: minutes at the start, faster afterwards.")] = False
    seed: Annotated[Count, _about("Seed of all random numbers.")] = 0
    deterministic: Annotated[
        bool, _about("Give the same weights bit for bit on a GPU too, more slowly; a CPU always does.")
    ] = False
    device: Annotated[str, _about("cpu, cuda, cuda:1 ...; auto: a GPU if there is one.")] = "auto"
    threads: Annotated[Positive | None, _about("CPU threads per process.")] = None
    workers: Annotated[Count | None, _about("Loading processes; by default 0 on a CPU, up to 8 for a GPU.")] = None
    cache: Annotated[
        Literal["auto", "yes", "no"],
        _about("Keep decoded images in memory; auto: if they fit and are not tiled files."),
    ] = "auto"
    images: Annotated[Count, _about("Validation samples whose predictions are drawn each epoch.")] = 4
    save_minutes: Annotated[float, Meta(gt=0), _about("Write last.pt after this many minutes at the latest.")] = 10.0
    tensorboard: Annotated[bool, _about("Also write event files for TensorBoard.")] = True

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Training:
        """Check plain values. Raises `OptionError` for an option that does not exist, or a value that it cannot have."""
        from segdata.words import suggest

        for name in given:
            if name not in cls.__struct_fields__:
                raise OptionError(f"training has no option {name!r}: {suggest(name, cls.__struct_fields__)}")
        try:
            options = msgspec.convert(dict(given), cls)
        except msgspec.ValidationError as error:
            message, _, place = str(error).partition(" - at `$.")
            way = near(cls, place.rstrip("`"), given)
            raise OptionError(
                f"--{place.rstrip('`').replace('_', '-')}: {message[0].lower()}{message[1:]}{way}"
            ) from error
        encoder = default_encoder(options.model, options.encoder, options.encoder_weights)
        options = msgspec.structs.replace(options, encoder=encoder)
        options._refuse_contradictions()
        same = options.val_share is None and options.train_split == options.val_split
        if same and not {"train_split", "val_split"} <= given.keys():
            raise OptionError(
                f"--train-split and --val-split are both {options.val_split!r}, and training images say nothing about "
                "other images: validate on another split, hold out a part with --val-share 0.2, or give both options"
            )
        return options

    @classmethod
    def choose(cls, config: str | Path | None, options: Mapping[str, Any]) -> Training:
        """Combine `options` with those of a YAML file; `options` take precedence. Raises `OptionError` like `of`."""
        chosen = cls.of({**(read_config(config) if config else {}), **options})
        if "val_split" in options and chosen.val_share is not None:
            raise OptionError("--val-split and --val-share: give one of them")
        return chosen

    def _refuse_contradictions(self) -> None:
        """Check that options agree. Raises `OptionError` for options that exclude each other."""
        if self.batch % self.accumulate:
            raise OptionError(f"--batch {self.batch} cannot be computed in --accumulate {self.accumulate} equal parts")
        if self.class_weights is not None and self.weights_file is not None:
            raise OptionError("--class-weights and --weights-file: give one of them")
        if self.resize is not None and self.short_side is not None:
            raise OptionError("--resize and --short-side: give one of them")
        if self.unfreeze_at is not None and not self.freeze_encoder:
            raise OptionError("--unfreeze-at: only with --freeze-encoder")
        own = ":" in self.model and not self.model.startswith("smp:")  # such a model may load weights by itself
        if self.freeze_encoder and not own and self.encoder_weights is None and self.init is None:
            raise OptionError("--freeze-encoder: would keep random weights: give --encoder-weights or --init")
        if self.warmup > self.epochs:
            raise OptionError(f"--warmup {self.warmup:g}: is longer than all of --epochs {self.epochs}")

    def to_json(self) -> dict[str, Any]:
        """All options as plain values."""
        return dict(msgspec.to_builtins(self))


def near(options: type[Training], name: str, given: Mapping[str, Any]) -> str:
    """The way out of a word that an option does not take: near ones, or all; empty for an option that takes no words."""
    from segdata.words import suggest

    kind = get_type_hints(options).get(name)
    return f": {suggest(str(given[name]).lower(), get_args(kind))}" if get_origin(kind) is Literal else ""


FREE = frozenset({"device", "threads", "workers", "cache", "images", "save_minutes", "tensorboard"})
"""Options that may change when a run is resumed: they change where and how it computes, not the result."""


def read_config(path: str | Place) -> dict[str, Any]:
    """The options in a YAML file. Raises `OptionError` if it is no configuration."""
    import yaml

    try:
        found = load_yaml(read_text(path))
    except OSError as error:
        raise OptionError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise OptionError(f"{path}: not a configuration: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise OptionError(f"{path}: not a configuration: must be lines such as `epochs: 50`")
    return found


def config_text(options: Training) -> str:
    """The options as YAML, for `read_config`."""
    import yaml

    return str(yaml.safe_dump(options.to_json(), sort_keys=False, allow_unicode=True))


def need_extra() -> None:
    """Check that the extra `train` is installed. Raises `MissingDependency` if not."""
    from importlib.util import find_spec

    missing = [name for name in ("torch", "albumentations", "yaml", "matplotlib") if find_spec(name) is None]
    if missing:
        raise MissingDependency(f"training needs {', '.join(missing)}: pip install 'segdata[train]'")
