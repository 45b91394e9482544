"""What an exported model says of itself: all that is needed to predict as its checkpoint did, without torch.

An ONNX file holds it as JSON under `KEY` in its metadata, a `.pt2` file in its extra files. Its input `image` is `(N, C, H, W)`
float32, normalised as `recipe` says; its first output has the logits or the probabilities `(N, K, H, W)` float32, and its second,
if there is one, the embedding `(N, D)` float32, the means of the encoder's last map.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from segdata.errors import DatasetError, OptionError, reason
from segdata.files.reading import AS_IT_IS, Reading
from segdata.files.remote import Place
from segdata.labels import MAX_CLASSES, Labels
from segdata.version import __version__

FORMAT, REFINING = 1, 2
"""The format of files, and of those whose masks are to be refined, which no older segdata may leave out. None later is read."""

KEY = "segdata"
"""The name of this description in an exported file."""

IMAGE, PROBABILITIES, LOGITS, EMBEDDING = "image", "probabilities", "logits", "embedding"
"""The names of inputs and outputs."""

Precision = Literal["fp32", "fp16", "int8"]

Positive = Annotated[int, Meta(ge=1, le=2**16)]


class Exported(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The description of an exported model. `size` is (height, width) if it takes no other, `least` the smallest it takes."""

    format: Annotated[int, Meta(ge=1)] = FORMAT
    segdata: str = __version__
    checkpoint: str
    """The SHA-256 of the checkpoint."""
    labels: dict[str, Any]
    digest: str
    """That of the label contract."""
    recipe: dict[str, Any]
    head: Literal["softmax", "sigmoid"] = "softmax"
    gives: Literal["probabilities", "logits"] = "probabilities"
    temperature: Annotated[float, Meta(gt=0, le=2**14)] = 1.0
    """What logits are divided by before the softmax. Probabilities have it in them already."""
    precision: Precision = "fp32"
    bands: Positive
    names: tuple[str, ...] = ()
    dtype: Literal["uint8", "uint16", "float32"] | None = None
    reading: Reading = AS_IT_IS
    chosen: str | None = None
    size: tuple[Positive, Positive] | None = None
    least: Positive = 1
    embedding: Positive | None = None
    """D, the length of the embedding; None without."""
    members: Annotated[int, Meta(ge=1)] = 1
    """Of how many models the first output is the mean."""
    refinement: dict[str, Any] | None = None
    """How masks are to be refined, as `Refinement.to_json` gives it."""
    plan: Annotated[str, Meta(max_length=2**20)] | None = None
    """How the model was trained: the text of plan.yaml."""

    def to_json(self) -> str:
        """The JSON under `KEY`: format and version are always in it, other values if they are not the usual ones."""
        always = {"format": self.format, "segdata": self.segdata}
        return msgspec.json.encode(always | msgspec.to_builtins(self)).decode()

    @property
    def contract(self) -> Labels:
        """The label contract."""
        return Labels.from_json(self.labels)


def read_exported(text: str | None, path: str | Place) -> Exported:
    """The description in a file, from the JSON under `KEY`. Raises `DatasetError` for somebody else's file, or a damaged one."""
    if text is None:
        raise DatasetError(f"{path}: does not say which classes it knows: segdata export writes files that do")
    try:
        found = msgspec.json.decode(text, type=Exported)
        labels = found.contract
    except (
        msgspec.MsgspecError,
        RecursionError,
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        OptionError,
    ) as error:
        raise DatasetError(f"{path}: what it says of itself is damaged: {reason(error)}") from error
    if found.format > REFINING:
        raise DatasetError(f"{path}: of format {found.format}, this segdata reads {REFINING}: upgrade segdata")
    if labels.digest != found.digest or len(labels.classes) > MAX_CLASSES:
        raise DatasetError(f"{path}: its label contract is damaged: export it again")
    return found
