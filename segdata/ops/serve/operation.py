"""A model behind HTTP until it is told to stop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from segdata.errors import MissingDependency, OptionError
from segdata.files.places import file_digest, place
from segdata.files.reading import Alpha
from segdata.files.values import span_given
from segdata.ops.serve.limits import Limits
from segdata.ops.serve.work import Work
from segdata.prediction.fitting import trained_reading, typed
from segdata.prediction.predictor import Predictor, load_predictor, of_model
from segdata.prediction.profile import About, Stream
from segdata.prediction.windows import Flip, Sliding, window_size
from segdata.refinement.settings import Refinement
from segdata.terminal.ports import bound
from segdata.tiling.stitcher import Blend


def serve(
    model: Predictor | str | Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    size: tuple[int, int] | None = None,
    overlap: float = 0.25,
    blend: Blend = "gaussian",
    batch: int = 4,
    flips: Sequence[Flip] = (),
    scales: Sequence[float] = (1.0,),
    reject_below: float | None = None,
    no_refine: bool = False,
    bands: str | None = None,
    alpha: Alpha = "auto",
    scale_values: Sequence[float] = (),
    max_bytes: int = 2**26,
    max_pixels: int = 2**25,
    seconds: float = 60.0,
    queue: int = 16,
    concurrency: int = 1,
    signals: str | Path | None = None,
    device: str = "auto",
    trust_code: bool = False,
    announce: Callable[[str], None] | None = None,
) -> None:
    """Answer images with masks over HTTP until SIGINT or SIGTERM; what has begun is answered then. Nothing is written but
    `signals`.

    Masks are those of `segdata.predict` with the same options. Routes: see docs/serve.md. `announce` is told the URL once the
    model is loaded. Raises `OptionError`, also for a port that is in use, `DatasetError` for what is no model,
    `MissingDependency`.

    Args:
        model: A `Predictor`, or the file of a checkpoint or of an exported model (.onnx).
        host: The address to listen at. 127.0.0.1: for this machine alone; 0.0.0.0: for everyone who reaches it.
        port: The port to listen at. 0: a free one.
        size: Height and width of the windows, in pixels of the model; one number is both. By default 512, or the size of a
            model that takes no other.
        overlap: The least part of a window that neighbours share.
        blend: How overlapping windows are weighed. crop takes the one whose edge is farthest.
        batch: How many windows of an image are predicted at once.
        flips: Average with the mirrored window: x left to right, y top to bottom, xy both.
        scales: Average over these scales, such as 0.75,1,1.25.
        reject_below: Ignore pixels whose likeliest class has less probability.
        no_refine: Leave masks as the model gives them, also if its file has settings of a refinement.
        bands: Read only these bands of images, in this order: numbers from 1 on (3,2,1), or names in the files (B4,B3,B2). By
            default those that the model was trained on.
        alpha: Whether the last band is transparency (yes) or data (no). auto: as the model was trained, or as it looks.
        scale_values: For images of another type than the model was trained on: the values LOW,HIGH that become the darkest and
            the brightest of that type.
        max_bytes: Refuse requests of more bytes.
        max_pixels: Refuse images of more pixels, before they are decoded.
        seconds: Give up a request that takes longer, its way in and its wait included.
        queue: How many requests may wait, or be on their way in, besides those at work; more are told to try again later.
        concurrency: How many images are worked on at once.
        signals: Append what is known of each image without labels to this file, for `monitor` and `pick`.
        device: Where the model runs: cpu, cuda, cuda:1, mps; auto: a GPU if there is one. An exported model takes no mps.
        trust_code: Call the package.module:factory that the checkpoint names, which runs its code.
    """
    limits = Limits(max_bytes, max_pixels, seconds, concurrency, queue)
    limits.check()
    given = Sliding(size or Sliding().size, overlap, blend, batch, tuple(flips), tuple(scales))
    given.check()
    if reject_below is not None and not 0 <= reject_below <= 1:
        raise OptionError(f"--reject-below {reject_below:g}: must be 0 to 1")
    span = span_given(scale_values)
    try:
        from segdata.ops.serve.app import make_app
        from segdata.ops.serve.listening import run
        from segdata.ops.serve.service import Service
    except ModuleNotFoundError as error:
        raise MissingDependency(
            f"serve takes {error.name}, which is not installed: pip install 'segdata[serve]'"
        ) from error
    with bound(host, port) as listening:
        predictor = load_predictor(model, device, trust_code=trust_code) if isinstance(model, str | Path) else model
        reading = trained_reading(predictor, bands).but(bands, alpha)
        sliding = replace(given, size=window_size(predictor, size))
        wanted = signals is not None
        retype, refinement = typed(predictor, span), None if no_refine else of_model(predictor)
        work = Work(predictor, sliding, reading, retype, reject_below or 0.0, max_pixels, wanted, refinement)
        named = about(model, predictor, refinement)
        with ExitStack() as stack:
            stream = None if signals is None else stack.enter_context(Stream(signals, told(named, predictor)))
            service = Service(work, limits, named, stream)
            service.warm()
            stack.callback(service.gate.close)
            run(make_app(service), listening, limits, announce or (lambda url: None))


def told(named: dict[str, Any], predictor: Predictor) -> About:
    """What the signals of a service are of: the same as those of `predict` with this model."""
    return About.by(predictor, named.get("sha256"))


def about(model: Predictor | str | Path, predictor: Predictor, refinement: Refinement | None) -> dict[str, Any]:
    """What `/model` says of a model, and by which settings its masks are refined."""
    named = {"model": place(model).name, "sha256": file_digest(place(model))} if isinstance(model, str | Path) else {}
    labels, recipe = predictor.labels, getattr(predictor, "recipe", None)
    return {
        **named, **labels.to_json(), "labels": labels.digest, "bands": getattr(predictor, "bands", None),
        "band_names": list(getattr(predictor, "names", ())), "dtype": getattr(predictor, "dtype", None),
        "temperature": getattr(predictor, "temperature", 1.0), "recipe": None if recipe is None else recipe.to_dict(),
        "models": getattr(predictor, "members", 1), "refinement": None if refinement is None else refinement.to_json(labels),
    }  # fmt: skip
