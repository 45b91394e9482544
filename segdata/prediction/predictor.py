"""What predicts: anything that is called with pixels and gives probabilities, under a label contract."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from segdata.errors import DatasetError, MissingDependency, OptionError
from segdata.files.places import place
from segdata.files.remote import Place
from segdata.labels import Labels, must_agree
from segdata.words import some

if TYPE_CHECKING:
    from segdata.refinement.settings import Refinement

LOADERS = {
    ".pt": ("segdata.nn.predictor", "train"),
    ".onnx": ("segdata.prediction.onnx", "onnx"),
    ".pt2": ("segdata.nn.exported_program", "train"),
}
"""Suffix of a model's file -> the module, imported when asked, whose `load(path, device, trust_code=...)` reads it; its extra."""


class Predictor(Protocol):
    """A model with its label contract.

    Called with (N, h, w, C) pixels as they were read, at the size that its `recipe` (where it has one) asks for, it gives
    (N, K, h, w) float32 probabilities that sum to 1 over K; it takes any N, h and w. `bands`, where it has it, is C;
    `dtype` the type of pixels that it takes, if no other will do; `size` the largest (height, width), if there is one;
    `refinement` how its masks are to be refined, see `of_model`.
    """

    @property
    def labels(self) -> Labels:
        """The classes, in the order of K."""

    def __call__(self, images: NDArray[Any], /) -> NDArray[np.float32]:
        """(N, h, w, C) -> (N, K, h, w) float32."""


@runtime_checkable
class Embeds(Predictor, Protocol):
    """A predictor that may give embeddings too: `embedding`, D, is None if it does not after all, and then `both` is not called.

    The embedding of an image is the mean over height and width of the last, coarsest map of the model's encoder.
    """

    @property
    def embedding(self) -> int | None:
        """D."""

    def both(self, images: NDArray[Any], /) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(N, h, w, C) -> (N, K, h, w) and (N, D) float32."""


def load_predictor(path: str | Place, device: str = "cpu", *, trust_code: bool = False) -> Predictor:
    """The model of a file. Raises `DatasetError` for what is none, `MissingDependency`, `OptionError` for the device.

    `trust_code`: a model that the file describes as code from elsewhere may be called.
    """
    path = place(path)
    if path.is_dir():
        raise DatasetError(
            f"{path}: is a folder: give its best.pt; that of a cross-validation is for segdata predict --split folds"
        )
    if not path.is_file():
        raise DatasetError(f"{path}: there is no such file; a training writes its checkpoints into its run's folder")
    if path.suffix not in LOADERS:
        raise DatasetError(f"{path}: not a model's file: its name ends in none of {', '.join(LOADERS)}")
    module, extra = LOADERS[path.suffix]
    try:
        load = import_module(module).load
    except ModuleNotFoundError as error:
        raise MissingDependency(
            f"{path}: takes {error.name}, which is not installed: pip install 'segdata[{extra}]'"
        ) from error
    predictor: Predictor = load(path, device, trust_code=trust_code)
    return predictor


@dataclass(frozen=True, slots=True)
class Stored:
    """A model by its file, with the arguments of `load_predictor`: what goes to workers, each of which loads it once.

    `sha256` is of the file, so that another one of the same name is loaded anew.
    """

    path: str
    device: str
    trust_code: bool
    sha256: str

    def load(self) -> Predictor:
        """As `load_predictor`."""
        return _kept(self)


@lru_cache(maxsize=1)
def _kept(stored: Stored) -> Predictor:
    return load_predictor(stored.path, stored.device, trust_code=stored.trust_code)


def of_model(predictor: Predictor) -> Refinement | None:
    """How the masks of a predictor are to be refined, as its file says; None for as they are."""
    found: Refinement | None = getattr(predictor, "refinement", None)
    return found if found is not None and found.changes else None


def matched(model: Labels, dataset: Labels, root: Place, match_names: bool) -> tuple[int | None, ...]:
    """(K,) which class of the dataset each of the model's is, None for none. Raises `DatasetError` where they do not agree."""
    if not match_names:
        must_agree(model, dataset, "the model", str(root), "--match-names maps classes by name")
    ids = {label.name: label.id for label in dataset.classes}
    classes = tuple(ids.get(name) for name in model.names)
    if set(classes) == {None}:
        raise DatasetError(f"{root}: has no class of the model's: {some(model.names)}")
    return classes


def refuse_lacking(lacking: Sequence[str], scores: bool, refined: bool, by_model: bool = False) -> None:
    """Raise `OptionError` for what takes the scores of all classes of a model, of which the dataset lacks some.

    `refined`: masks are to be refined as a person says; `by_model`: as the model's file does.
    """
    what = f"the dataset has no class for the model's {some(lacking)}"
    if scores:
        raise OptionError(f"--scores: {what}: scores would not add up to 1")
    if refined:
        raise OptionError(f"--refine: {what}: refine what is predicted")
    if by_model:
        raise OptionError(f"the model's file has settings of a refinement, and {what}: give --no-refine")
