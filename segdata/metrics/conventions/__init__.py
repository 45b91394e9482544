"""What other libraries make of the same counts, so that numbers can be compared with published ones.

They differ in what they do with classes without a pixel and with pixels that are predicted as ignore, and in whether they
average images. A library is one module here and one line in CONVENTIONS. Each score has its formula and the function that it
follows, in the version that its module names; tests compare them with what the libraries themselves say, and with independent
implementations.
"""

from __future__ import annotations

from segdata.metrics.conventions import (
    cheng,
    cityscapes,
    fiftyone,
    huggingface,
    mmsegmentation,
    monai,
    smp,
    torchgeo,
    torchmetrics,
    ultralytics,
)
from segdata.metrics.conventions.counts import Counts, Library, Score

__all__ = ["CONVENTIONS", "Counts", "Library", "Score", "conventions", "with_version"]

CONVENTIONS: dict[str, Library] = {
    "torchmetrics": torchmetrics.LIBRARY,
    "segmentation_models_pytorch": smp.LIBRARY,
    "MMSegmentation": mmsegmentation.LIBRARY,
    "cityscapesScripts": cityscapes.LIBRARY,
    "Ultralytics": ultralytics.LIBRARY,
    "Hugging Face evaluate": huggingface.LIBRARY,
    "FiftyOne": fiftyone.LIBRARY,
    "MONAI": monai.LIBRARY,
    "torchgeo": torchgeo.LIBRARY,
    "Cheng et al. 2021": cheng.LIBRARY,
}
"""Each library under the name that people know."""


def conventions(counts: Counts) -> dict[str, dict[str, Score]]:
    """The scores of all `CONVENTIONS`."""
    return {name: library.answers(counts) for name, library in CONVENTIONS.items()}


def with_version(library: str) -> str:
    """The name of a library with the version whose source was read, such as torchmetrics 1.9."""
    return f"{library} {CONVENTIONS[library].version}".strip()
