"""A checkpoint as an ONNX file or a torch.export program, which says of itself what prediction needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from segdata.dataset.dataset import Dataset
from segdata.errors import OptionError, one_of
from segdata.nn.export.images import shown_images, trained_images
from segdata.nn.export.job import Job
from segdata.nn.export.network import Gives
from segdata.nn.export.onnx_file import OPSET, describe, need_onnx, refuse_opset, to_onnx
from segdata.nn.export.precision import half, quantised, windows_of
from segdata.nn.export.program import saved
from segdata.nn.export.result import ExportedModel
from segdata.prediction.exported import Precision

if TYPE_CHECKING:
    from onnx import ModelProto


def export_onnx(
    model: str | Path,
    destination: str | Path,
    *,
    gives: Gives = "probabilities",
    precision: Precision = "fp32",
    size: tuple[int, int] | None = None,
    opset: int = OPSET,
    verify: Dataset | str | Path | None = None,
    split: str | None = None,
    count: int = 32,
    no_verify: bool = False,
    ranges_from: Dataset | str | Path | None = None,
    ranges_count: int = 64,
    limit: float | None = None,
    trust_code: bool = False,
    overwrite: bool = False,
) -> ExportedModel:
    """Export the model of a checkpoint to an ONNX file, for `segdata predict` and for other programs.

    Its input `image` is (N, C, H, W) float32, normalised; its outputs are `probabilities` or `logits`, (N, K, H, W) float32,
    and, of a model with an encoder, `embedding` (N, D) float32. In fp32 the file is written only if its classes are those of
    the checkpoint on all but 0.01 % of the pixels of real images.

    Raises `DatasetError` for what is no checkpoint and for a destination that exists, `OptionError` for a model that cannot be
    exported so and for one that differs, `MissingDependency`.

    Args:
        model: The file of a checkpoint.
        destination: The file to write.
        gives: What the first output has. probabilities are calibrated and sum to 1; logits are neither.
        precision: The numbers that the model computes with.
        size: Height and width of the images that the model takes. By default it takes any.
        opset: The version of ONNX's operators.
        verify: Compare with the checkpoint on images of this dataset. By default on those that the checkpoint was validated on.
        split: Compare on this split of `verify`. By default val, if there is one, or else all.
        count: How many images to compare on.
        no_verify: Write the file without comparing it on images.
        ranges_from: For int8: images of this dataset (its split train, if there is one) show how large values inside the model
            get. By default those of `verify`, or else those that the checkpoint was trained on.
        ranges_count: For int8: how many images show that.
        limit: Write no file whose mIoU is lower than the checkpoint's by more than this many points. By default none is
            refused for its mIoU.
        trust_code: Call the package.module:factory that the checkpoint names, which runs its code.
        overwrite: Replace a file at `destination`.
    """
    need_onnx()
    refuse_opset(opset)
    one_of("precision", precision, Precision)
    job = Job.begin(model, destination, ".onnx", gives, size, trust_code=trust_code, overwrite=overwrite)
    images = None if no_verify else shown_images(model, job.predictor, verify, split, count)
    refuse_limit(limit, no_verify)
    ranges = None
    if precision == "int8":
        ranges = trained_images(model, job.predictor, ranges_from, verify, ranges_count)
    made = to_onnx(job.trace(), job.outputs, opset)
    plain = job.for_people()
    least = job.agreed(job.loaded(describe(made, job.about(), plain)).ask)
    if precision != "fp32":
        made = fewer_bits(made, job, ranges)
    about = job.about(precision, least)
    data = describe(made, about, plain)
    return job.write(data, about, job.compared(data, precision, images, limit), opset)


def export_torch(
    model: str | Path,
    destination: str | Path,
    *,
    gives: Gives = "probabilities",
    size: tuple[int, int] | None = None,
    verify: Dataset | str | Path | None = None,
    split: str | None = None,
    count: int = 32,
    no_verify: bool = False,
    trust_code: bool = False,
    overwrite: bool = False,
) -> ExportedModel:
    """Export the model of a checkpoint to a program of torch.export, with the inputs and outputs of `export_onnx`.

    Raises as `export_onnx`.

    Args:
        model: The file of a checkpoint.
        destination: The file to write.
        gives: What the first output has. probabilities are calibrated and sum to 1; logits are neither.
        size: Height and width of the images that the model takes. By default it takes any.
        verify: Compare with the checkpoint on images of this dataset. By default on those that the checkpoint was validated on.
        split: Compare on this split of `verify`. By default val, if there is one, or else all.
        count: How many images to compare on.
        no_verify: Write the file without comparing it on images.
        trust_code: Call the package.module:factory that the checkpoint names, which runs its code.
        overwrite: Replace a file at `destination`.
    """
    job = Job.begin(model, destination, ".pt2", gives, size, trust_code=trust_code, overwrite=overwrite)
    images = None if no_verify else shown_images(model, job.predictor, verify, split, count)
    program, plain = job.trace(), job.for_people()
    least = job.agreed(job.loaded(saved(program, job.about(), plain)).ask)
    about = job.about(least=least)
    data = saved(program, about, plain)
    return job.write(data, about, job.compared(data, "fp32", images))


def refuse_limit(limit: float | None, no_verify: bool) -> None:
    """Raise `OptionError` for a limit that cannot be, or that nothing would be held to."""
    if limit is None:
        return
    if not 0 <= limit <= 100:
        raise OptionError(f"--limit {limit:g}: must be 0 to 100 points of mIoU")
    if no_verify:
        raise OptionError("--limit: nothing is measured with --no-verify: give one of them")


def fewer_bits(model: ModelProto, job: Job, ranges: Dataset | None) -> ModelProto:
    """The model in fp16, or, with images that show the ranges of its values, in int8."""
    return half(model) if ranges is None else quantised(model, windows_of(job.predictor, ranges, job.size))
