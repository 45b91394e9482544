"""A checkpoint as an ONNX file or a torch.export program, which says of itself what prediction needs."""

from __future__ import annotations

from pathlib import Path

from segdata.errors import DatasetError, OptionError, one_of
from segdata.files.places import file_digest, place, real, write_whole
from segdata.files.remote import Place
from segdata.nn.export.agreement import Ask, least_size, refuse_difference
from segdata.nn.export.description import described, for_people
from segdata.nn.export.network import Gives, Network, Size, trace
from segdata.nn.export.onnx_file import OPSET, describe, need_onnx, refuse_opset, to_onnx
from segdata.nn.export.result import ExportedModel
from segdata.nn.export.session import session
from segdata.nn.predictor import TorchPredictor, load
from segdata.prediction.exported import Precision


def export_onnx(
    model: str | Path,
    destination: str | Path,
    *,
    gives: Gives = "probabilities",
    precision: Precision = "fp32",
    size: tuple[int, int] | None = None,
    opset: int = OPSET,
    trust_code: bool = False,
    overwrite: bool = False,
) -> ExportedModel:
    """Export the model of a checkpoint to an ONNX file, for `segdata predict` and for other programs.

    Its input `image` is (N, C, H, W) float32, normalised; its outputs are `probabilities` or `logits`, (N, K, H, W) float32,
    and, of a model with an encoder, `embedding` (N, D) float32. Raises `DatasetError` for what is no checkpoint and for a
    destination that exists, `OptionError` for a model that cannot be exported so, `MissingDependency`.

    Args:
        model: The file of a checkpoint.
        destination: The ONNX file to write.
        gives: What the first output has. probabilities are calibrated and sum to 1; logits are neither.
        precision: The numbers that the model computes with.
        size: Height and width of the images that the model takes. By default it takes any.
        opset: The version of ONNX's operators.
        trust_code: Call the package.module:factory that the checkpoint names, which runs its code.
        overwrite: Replace a file at `destination`.
    """
    need_onnx()
    refuse_opset(opset)
    path = checked(model, destination, ".onnx", gives, size, overwrite)
    predictor = load(model, "cpu", trust_code=trust_code)
    network = Network(predictor.model, head=predictor.head, temperature=predictor.temperature, gives=gives)
    traced = trace(network, predictor.bands, size)
    made = to_onnx(traced, gives, opset)
    least = agreed(network, session(made.SerializeToString()), predictor, size)
    about = described(
        predictor, file_digest(str(model)), gives=gives, precision=precision, size=size, least=least,
        embedding=traced.embedding,
    )  # fmt: skip
    data = describe(made, about, for_people(predictor, gives))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, data)
    return ExportedModel(str(path), about, len(data), opset)


def checked(
    model: str | Path, destination: str | Path, suffix: str, gives: Gives, size: Size | None, overwrite: bool
) -> Place:
    """The place of the new file. Raises `OptionError` and `DatasetError` for what can be refused before the model is read."""
    one_of("gives", gives, Gives)
    path = place(destination)
    if path.suffix != suffix:
        raise OptionError(f"{path}: the name of such a file ends in {suffix}: call it {path.stem}{suffix}")
    if size is not None and min(size) < 1:
        raise OptionError(f"--size {size[0]},{size[1]}: must be 1 or more")
    if path.is_dir() or (path.exists() and not overwrite):
        raise DatasetError(f"{path}: exists: choose another name, or --overwrite")
    if real(path) == real(model):
        raise OptionError(f"{path}: is what is read: choose another name")
    return path


def agreed(network: Network, ask: Ask, predictor: TorchPredictor, size: Size | None) -> int:
    """The smallest height and width that the exported network takes. Raises `OptionError` where it is another network."""
    if size is None:
        return least_size(network, ask, predictor.bands)
    for batch in (1, 2):
        refuse_difference(network, ask, predictor.bands, size, batch, "it cannot be exported")
    return 1
