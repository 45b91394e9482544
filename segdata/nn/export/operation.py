"""A checkpoint as an ONNX file or a torch.export program, which says of itself what prediction needs."""

from __future__ import annotations

from pathlib import Path

from segdata.dataset.dataset import Dataset
from segdata.errors import DatasetError, OptionError, one_of
from segdata.files.places import file_digest, place, real, size_of, write_whole
from segdata.files.remote import Place
from segdata.nn import checkpoint
from segdata.nn.export.agreement import Ask, least_size, refuse_difference
from segdata.nn.export.description import described, for_people
from segdata.nn.export.images import images_of, own_images, spread_over
from segdata.nn.export.network import Gives, Network, Size, trace
from segdata.nn.export.onnx_file import OPSET, describe, need_onnx, refuse_opset, to_onnx
from segdata.nn.export.parity import compared
from segdata.nn.export.result import ExportedModel, Parity
from segdata.nn.export.session import session
from segdata.nn.predictor import TorchPredictor, load
from segdata.prediction.exported import EMBEDDING, Precision

MOST_DIFFER = 1e-4
"""The largest part of the pixels whose class may differ in a file of full precision."""


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
    limit: float | None = None,
    trust_code: bool = False,
    overwrite: bool = False,
) -> ExportedModel:
    """Export the model of a checkpoint to an ONNX file, for `segdata predict` and for other programs.

    Its input `image` is (N, C, H, W) float32, normalised; its outputs are `probabilities` or `logits`, (N, K, H, W) float32,
    and, of a model with an encoder, `embedding` (N, D) float32. The file is written if its classes are those of the checkpoint
    on all but 0.01 % of the pixels of real images.

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
        split: Compare on this split of `verify`. By default val, if there is one.
        count: How many images to compare on.
        no_verify: Write the file without comparing it on images.
        limit: Write no file whose mIoU is lower than the checkpoint's by more than this many points. By default any fp16
            or int8 file is written.
        trust_code: Call the package.module:factory that the checkpoint names, which runs its code.
        overwrite: Replace a file at `destination`.
    """
    need_onnx()
    refuse_opset(opset)
    path = checked(model, destination, ".onnx", gives, size, overwrite)
    predictor = load(model, "cpu", trust_code=trust_code)
    images = None if no_verify else chosen(model, predictor, verify, split, count)
    network = Network(predictor.model, head=predictor.head, temperature=predictor.temperature, gives=gives)
    outputs = [gives] if network.embedding is None else [gives, EMBEDDING]
    made = to_onnx(trace(network, predictor.bands, size), outputs, opset)
    ask = session(made.SerializeToString())
    about = described(
        predictor, file_digest(str(model)), gives=gives, precision=precision, size=size,
        least=agreed(network, ask, predictor, size), embedding=network.embedding,
    )  # fmt: skip
    parity = None if images is None else compared(predictor, about, ask, images)
    refuse_other(parity, precision, limit)
    data = describe(made, about, for_people(predictor, gives))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, data)
    return ExportedModel(str(path), about, len(data), opset, size_of(place(model)), parity)


def checked(
    model: str | Path, destination: str | Path, suffix: str, gives: Gives, size: Size | None, overwrite: bool
) -> Place:
    """The place of the new file. Raises `OptionError` and `DatasetError` for what can be refused before the model is read."""
    one_of("gives", gives, Gives)
    path = place(destination)
    if path.suffix != suffix:
        raise OptionError(f"{path}: the name of such a file ends in {suffix}: call it {path.stem}{suffix}")
    if size is not None and min(size) < 1:
        raise OptionError(f"--size {size[0]}x{size[1]}: must be 1 or more")
    if path.is_dir() or (path.exists() and not overwrite):
        raise DatasetError(f"{path}: exists: choose another name, or --overwrite")
    if real(path) == real(model):
        raise OptionError(f"{path}: is what is read: choose another name")
    return path


def chosen(
    model: str | Path, predictor: TorchPredictor, verify: Dataset | str | Path | None, split: str | None, count: int
) -> Dataset:
    """The images to compare on. Raises `OptionError` and `DatasetError` for none."""
    if count < 1:
        raise OptionError(f"--count {count}: must be 1 or more: --no-verify compares on none")
    if verify is not None:
        return images_of(verify, split, "val", count, predictor)
    if split is not None:
        raise OptionError(f"--split {split}: of which dataset? Name it with --verify")
    return spread_over(own_images(model, checkpoint.read(model))[1], count)


def agreed(network: Network, ask: Ask, predictor: TorchPredictor, size: Size | None) -> int:
    """The smallest height and width that the exported network takes. Raises `OptionError` where it is another network."""
    if size is None:
        return least_size(network, ask, predictor.bands)
    for batch in (1, 2):
        refuse_difference(network, ask, predictor.bands, size, batch, "it cannot be exported")
    return 1


def refuse_other(parity: Parity | None, precision: Precision, limit: float | None) -> None:
    """Raise `OptionError` for an exported model that differs from its checkpoint by more than it may."""
    if parity is None:
        return
    if precision == "fp32" and parity.share > MOST_DIFFER:
        what = f"{parity.differ:,} of {parity.pixels:,} pixels ({100 * parity.share:.3g} %) have another class"
        raise OptionError(f"the exported model differs from the checkpoint: {what}: it is not written")
    change = parity.change
    if limit is not None and change is not None and 100 * change.value < -limit:
        what = f"mIoU {100 * change.exported:.2f}, the checkpoint has {100 * change.checkpoint:.2f}"
        raise OptionError(f"--limit {limit:g}: {what}: it is not written; take a larger limit, or --precision fp32")
