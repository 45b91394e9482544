"""Several models as one: the mean of their probabilities, each after its own temperature.

The mean is given as its logarithm. A softmax of that is the mean again, so all that takes a model's logits takes an ensemble's:
prediction, calibration, export.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segdata.errors import DatasetError, OptionError
from segdata.files.remote import Place
from segdata.nn import checkpoint
from segdata.nn.models.base import Segmenter
from segdata.nn.standardise import Standardise
from segdata.recipes.recipe import Recipe


class Member(nn.Module):
    """One of the models: `(N, C, H, W)`, normalised as the ensemble's recipe says, to its probabilities `(N, K, H, W)`."""

    scale: Tensor
    shift: Tensor

    def __init__(
        self, model: nn.Module, head: str, temperature: float, given: Standardise, wanted: Standardise
    ) -> None:
        super().__init__()
        self.model, self.head, self.temperature = model, head, temperature
        scale, shift = given.std / wanted.std, (given.mean - wanted.mean) / wanted.std
        self.alike = bool((scale == 1).all() and (shift == 0).all())
        for name, values in (("scale", scale), ("shift", shift)):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32)[:, None, None])

    def forward(self, image: Tensor) -> Tensor:
        """See the class."""
        own = image if self.alike else image * self.scale + self.shift
        logits: Tensor = self.model(own).float() / self.temperature
        if self.head == "sigmoid" and logits.shape[1] > 2:  # as `probabilities`; onnxruntime's sigmoid ends at 1e-8
            logits = -F.softplus(-logits)
        return logits.softmax(1)


class Ensemble(Segmenter):
    """Models of one architecture. Its logits are the logarithm of the mean of their probabilities; its head is a softmax."""

    def __init__(self, members: Sequence[Member], classes: int) -> None:
        multiple = max(getattr(member.model, "multiple", 1) for member in members)
        super().__init__(classes=classes, head="softmax", multiple=multiple)
        self.members = nn.ModuleList(members)

    @property
    def first(self) -> nn.Module:
        """The first model, whose embeddings are the ensemble's."""
        return self.members[0].model  # type: ignore[return-value]  # a `Member`

    def forward(self, image: Tensor) -> Tensor:
        """`(N, C, H, W)` to `(N, K, H, W)`; the models pad images themselves."""
        total = torch.stack([member(image) for member in self.members]).mean(0)
        return total.clamp_min(torch.finfo(torch.float32).tiny).log()


def ensemble_of(found: Mapping[str, Any], path: str | Place, *, trust_code: bool = False) -> Ensemble:
    """The models of a checkpoint that has `members`. Raises `DatasetError` as `checkpoint.model_of`."""
    plain = checkpoint.plain_of(found, path)
    bands, given = plain.model.bands, standardise_of(found["recipe"], plain.model.bands, path)
    members = []
    for one in plain.members:
        model = checkpoint.model_of({**found, "state": one.state, "members": ()}, path, trust_code=trust_code)
        wanted = standardise_of(one.recipe, bands, path)
        members.append(Member(model, plain.model.head, one.temperature, given, wanted))
    return Ensemble(members, plain.model.classes)


def standardise_of(recipe: Mapping[str, Any], bands: int, path: str | Place) -> Standardise:
    """How images are normalised. Raises `DatasetError` for a recipe that is damaged, or of other bands."""
    try:
        made = Standardise(Recipe.from_dict(recipe, str(path)), bands)
    except OptionError as error:
        raise DatasetError(f"{path}: its recipe is damaged: {error}") from error
    if len(made.mean) != bands:
        raise DatasetError(
            f"{path}: its recipe is damaged: it normalises {len(made.mean)} bands, the model takes {bands}"
        )
    return made
