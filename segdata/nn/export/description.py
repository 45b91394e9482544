"""What an exported file says of itself: the description that `segdata predict` reads, and plain values for people."""

from __future__ import annotations

from typing import Any

from segdata.nn.export.network import Gives, Size
from segdata.nn.predictor import TorchPredictor
from segdata.prediction.exported import FORMAT, REFINING, Exported, Precision


def described(
    predictor: TorchPredictor, checkpoint: str, *, gives: Gives, precision: Precision, size: Size | None, least: int,
    embedding: int | None,
) -> Exported:  # fmt: skip
    """The description; `checkpoint` is the SHA-256 of the file."""
    labels, refinement = predictor.labels, predictor.refinement
    return Exported(
        format=FORMAT if refinement is None else REFINING,
        checkpoint=checkpoint,
        labels=labels.to_json(),
        digest=labels.digest,
        recipe=predictor.recipe.to_dict(),
        head="sigmoid" if predictor.head == "sigmoid" else "softmax",
        gives=gives,
        temperature=predictor.temperature,
        precision=precision,
        bands=predictor.bands,
        names=predictor.names,
        dtype=predictor.dtype,  # type: ignore[arg-type]  # `checkpoint.Plain` has checked it
        reading=predictor.reading,
        chosen=predictor.chosen,
        size=size,
        least=least,
        embedding=embedding,
        members=predictor.members,
        refinement=None if refinement is None else refinement.to_json(labels),
        plan=predictor.plan,
    )


def for_people(predictor: TorchPredictor, gives: Gives) -> dict[str, Any]:
    """Classes, their colours, and how pixels become the input: (x / span - mean) / std, as values for JSON."""
    labels, standardise = predictor.labels, predictor.standardise
    return {
        "classes": list(labels.names),
        "palette": [list(label.color) for label in labels.classes],
        "ignore": labels.ignore,
        "bands": list(predictor.names) or predictor.bands,
        "mean": standardise.mean.tolist(),
        "std": standardise.std.tolist(),
        "span": None if standardise.span is None else list(standardise.span),
        "gives": gives,
        "head": predictor.head,
        "temperature": predictor.temperature,
        "layout": "image: (N, C, height, width) float32, (x in 0..1 of the span - mean) / std",
    }
