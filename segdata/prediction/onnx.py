"""A model in an ONNX file as a `Predictor`, through onnxruntime: from pixels as read to probabilities, without torch.

Sessions, providers and their options: https://onnxruntime.ai/docs/api/python/api_summary.html and .../docs/execution-providers.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state

from segdata.errors import DatasetError, OptionError
from segdata.files.places import read_bytes
from segdata.files.reading import AS_IT_IS, Reading
from segdata.files.remote import Place
from segdata.labels import Labels
from segdata.prediction.exported import EMBEDDING, IMAGE, KEY, Exported, read_exported
from segdata.prediction.onnx_file import OnnxFile, look_through
from segdata.recipes.recipe import Recipe
from segdata.resize import Pixels
from segdata.words import briefly

FAULTS: tuple[type[Exception], ...] = (
    ValueError,
    RuntimeError,
    *(
        kind
        for kind in vars(onnxruntime_pybind11_state).values()
        if isinstance(kind, type) and issubclass(kind, Exception)
    ),
)
"""What onnxruntime raises; these have no base class of their own."""

LONG = 600
"""So much of what onnxruntime says is told; its own reason comes last."""

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class OnnxPredictor:
    """An exported model with its label contract and its recipe. `load` makes it."""

    __repr__ = briefly

    path: str
    device: str
    session: onnxruntime.InferenceSession
    labels: Labels
    recipe: Recipe
    bands: int
    head: str
    gives: str = "probabilities"
    temperature: float = 1.0
    reading: Reading = AS_IT_IS
    names: tuple[str, ...] = ()
    dtype: str | None = None
    chosen: str | None = None
    size: tuple[int, int] | None = None
    """(height, width) of the windows, if it takes no others; smaller ones are padded to it."""
    least: int = 1
    embedding: int | None = None

    def __call__(self, images: Pixels) -> Floats:
        """(N, h, w, C) pixels as read, already resized by `recipe.prepare` -> (N, K, h, w) float32 that sum to 1 over K.

        Raises `OptionError` for images of other bands than the model's, or larger than it takes.
        """
        return self._run(images, 1)[0]

    def both(self, images: Pixels) -> tuple[Floats, Floats]:
        """The same, and (N, D) float32 embeddings. Raises `OptionError` also if the model gives none."""
        if self.embedding is None:
            raise OptionError(f"{self.path}: gives no embeddings: its model has no encoder")
        probs, embeddings = self._run(images, 2)
        return probs, embeddings

    def __reduce__(self) -> tuple[Callable[..., OnnxPredictor], tuple[str, str]]:
        """As what travels to another process, which makes its own session of the file."""
        return load, (self.path, self.device)

    def _run(self, images: Pixels, outputs: int) -> list[Floats]:
        """The probabilities, and with two `outputs` the embeddings."""
        if images.ndim != 4 or images.shape[3] != self.bands:
            raise OptionError(f"pixels of shape {images.shape}: the model takes (N, h, w, {self.bands})")
        height, width = images.shape[1:3]
        batch = padded(np.stack([self.recipe.normalise(image) for image in images]), self._padded_to(height, width))
        names = [output.name for output in self.session.get_outputs()][:outputs]
        alone = isinstance(self.session.get_inputs()[0].shape[0], int)  # exported for one image at a time
        try:
            parts = [self.session.run(names, {IMAGE: part}) for part in (batch[:, None] if alone else [batch])]
        except FAULTS as error:
            self._refuse_run(error, batch.shape)
        first, *more = (np.concatenate(each).astype(np.float32, copy=False) for each in zip(*parts, strict=True))
        first = first[:, :, :height, :width]
        if self.gives == "logits":
            first = probabilities(first / np.float32(self.temperature), self.head)
        return [first, *more]

    def _padded_to(self, height: int, width: int) -> tuple[int, int]:
        """The size at which an image goes to the model."""
        if self.size is None:
            return max(height, self.least), max(width, self.least)
        if height > self.size[0] or width > self.size[1]:
            most = f"the model takes no more than {self.size[0]} x {self.size[1]}"
            raise OptionError(f"windows of {height} x {width}: {most}: take a smaller --size, or --scales up to 1")
        return self.size

    def _refuse_run(self, error: Exception, shape: tuple[int, ...]) -> NoReturn:
        """Raise what a failure means: `MemoryError`, or `DatasetError`."""
        text = _first_line(error)
        if "Failed to allocate memory" in text or "out of memory" in text:
            raise MemoryError("onnxruntime fails to allocate memory") from error
        raise DatasetError(f"{self.path}: onnxruntime cannot run it on {shape} float32: {text}") from error


def load(path: str | Place, device: str = "cpu", *, trust_code: bool = False) -> OnnxPredictor:
    """Load an exported model. `trust_code` changes nothing: such a file has no code.

    Raises `DatasetError` for a file that is damaged, somebody else's, or that asks for more than this onnxruntime has,
    `OptionError` for a device that does not exist.
    """
    wanted = providers(device)
    try:
        data = read_bytes(path)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror or error}") from error
    file = look_through(data, path)
    about = read_exported(file.metadata.get(KEY), path)
    file.refuse(path)
    recipe = _recipe(about, path)
    session = _session(data, path, wanted, file)
    _refuse_other(session, about, path)
    return OnnxPredictor(
        str(path), device, session, about.contract, recipe, about.bands, about.head, about.gives, about.temperature,
        replace(about.reading, vrt=False), about.names, about.dtype, about.chosen, about.size, about.least,
        about.embedding,
    )  # fmt: skip


def _recipe(about: Exported, path: str | Place) -> Recipe:
    """The preprocessing, once it is known to fit the bands."""
    try:
        recipe = Recipe.from_dict(about.recipe, str(path))
        recipe.normalise(np.zeros((1, 1, about.bands), np.uint8))
    except OptionError as error:
        raise DatasetError(f"{path}: what it says of itself is damaged: {error}") from error
    return recipe


def providers(device: str) -> list[tuple[str, dict[str, Any]]]:
    """What runs a model on a device: cpu, cuda, cuda:1; auto: a GPU if onnxruntime has one. Raises `OptionError`."""
    there = onnxruntime.get_available_providers()
    if device == "auto":
        device = "cuda" if CUDA in there else "cpu"
    if device == "cpu":
        return [(CPU, {})]
    match = re.fullmatch(r"cuda(?::(\d+))?", device)
    if match is None:
        raise OptionError(f"--device {device}: onnxruntime runs models on cpu, cuda or cuda:1 here")
    if CUDA not in there:
        raise OptionError(
            f"--device {device}: this onnxruntime {onnxruntime.__version__} is a build for CPUs: use --device cpu, or "
            "install the other build: pip uninstall onnxruntime, then pip install onnxruntime-gpu"
        )
    # as exact as on a CPU; and no search over all algorithms for each new size of windows
    exact = {"device_id": match[1] or "0", "use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}
    return [(CUDA, exact), (CPU, {})]


def threads() -> int:
    """How many threads a model runs on: OMP_NUM_THREADS, which workers have at 1; by default one per core of this process."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    if given.isdigit() and int(given):
        return int(given)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _session(
    data: bytes, path: str | Place, wanted: Sequence[tuple[str, dict[str, Any]]], file: OnnxFile
) -> onnxruntime.InferenceSession:
    """A session of the file. Raises `DatasetError` for what this onnxruntime does not run, `OptionError` without the GPU."""
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors are told once, by what is raised
    options.intra_op_num_threads = threads()
    options.add_session_config_entry("session.load_model_format", "ONNX")  # it has another format, with its own rules
    try:
        session = onnxruntime.InferenceSession(data, options, wanted, enable_fallback=0)
    except FAULTS as error:
        raise DatasetError(f"{path}: {_why_not(error, file)}") from error
    if session.get_providers()[0] != wanted[0][0]:
        raise OptionError(
            "--device cuda: onnxruntime finds no GPU that it can use, or no CUDA for it: use --device cpu"
        )
    return session


def _why_not(error: Exception, file: OnnxFile) -> str:
    """Why onnxruntime does not take a file, and the way out."""
    text, version = _first_line(error), f"onnxruntime {onnxruntime.__version__}"
    upgrade = "upgrade it (pip install -U onnxruntime), or export the model again"
    if match := re.search(r"Opset (\d+) is under development.* for domain (\S+) is till opset (\d+)", text):
        return f"of opset {match[1]}, and this {version} reads up to {match[3]}: {upgrade} with --opset {match[3]}"
    if match := re.search(r"Unsupported model IR version: (\d+), max supported IR version: (\d+)", text):
        return f"of ONNX's format {match[1]}, and this {version} reads up to {match[2]}: {upgrade}"
    opset = file.opsets.get("", file.opsets.get("ai.onnx", 0))
    return f"this {version} does not run it (opset {opset}): {text}: export it again"


def _refuse_other(session: onnxruntime.InferenceSession, about: Exported, path: str | Place) -> None:
    """Raise `DatasetError` unless inputs and outputs are those that the file says it has."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    why: str | None
    if [(one.name, one.type, len(one.shape)) for one in inputs] != [(IMAGE, "tensor(float)", 4)]:
        why = f"its input is not {IMAGE} (N, C, H, W) float32 alone"
    else:
        why = _other_shape(inputs[0].shape, about) or _other_outputs(outputs, about)
    if why:
        raise DatasetError(f"{path}: not a model that segdata exported, or a damaged one: {why}")


def _other_shape(shape: Sequence[int | str | None], about: Exported) -> str | None:
    """Why an input (N, C, H, W) is not what the file says; a dimension that is no number is free."""
    images, bands, *size = (n if isinstance(n, int) else None for n in shape)
    if bands not in (None, about.bands):
        return f"its input has {bands} bands, and it says {about.bands}"
    if images not in (None, 1):
        return f"it takes {images} images at once, no more and no fewer"
    if size != list(about.size or (None, None)):
        return f"it takes {tuple(shape[2:])} pixels, and it says {about.size or 'any size'}"
    return None


def _other_outputs(outputs: Sequence[onnxruntime.NodeArg], about: Exported) -> str | None:
    """Why outputs are not what the file says."""
    names, classes = [one.name for one in outputs], len(about.contract.classes)
    wanted = [about.gives] if about.embedding is None else [about.gives, EMBEDDING]
    if names[: len(wanted)] != wanted:
        return f"its outputs are {', '.join(names)}, and it says {', '.join(wanted)}"
    given = outputs[0].shape[1] if len(outputs[0].shape) == 4 else None
    if isinstance(given, int) and given != classes:
        return f"it gives {given} classes, and it says {classes}"
    return None


def padded(images: Floats, size: tuple[int, int]) -> Floats:
    """(N, C, h, w) -> (N, C, *size): the last row and column are repeated, as `segdata.nn.models.base.pad` does."""
    bottom, right = size[0] - images.shape[2], size[1] - images.shape[3]
    return np.pad(images, ((0, 0), (0, 0), (0, bottom), (0, right)), "edge") if bottom or right else images


def probabilities(logits: Floats, head: str) -> Floats:
    """(N, K, h, w) logits to float32 that sum to 1 over K, as `segdata.nn.models.base.probabilities` gives them."""
    if head == "softmax" or logits.shape[1] == 2:  # two classes are (0, z)
        grown = np.exp(logits - logits.max(axis=1, keepdims=True))
    else:
        grown = np.maximum(1 / (1 + np.exp(np.minimum(-logits, 88))), np.finfo(np.float32).tiny)
    return np.asarray(grown / grown.sum(axis=1, keepdims=True), np.float32)


def _first_line(error: Exception) -> str:
    """What an exception of onnxruntime says, without its code."""
    text = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", text).strip()
    return text if len(text) <= LONG else f"... {text[-LONG:]}"
