"""A model in an ONNX file as a `Predictor`, through onnxruntime: from pixels as read to probabilities, without torch.

Sessions, providers and their options: https://onnxruntime.ai/docs/api/python/api_summary.html and .../docs/execution-providers.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state

from segdata.errors import DatasetError, OptionError
from segdata.files.places import read_bytes
from segdata.files.remote import Place
from segdata.prediction.exported import EMBEDDING, IMAGE, KEY, Exported, read_exported
from segdata.prediction.exported_predictor import ExportedPredictor, Floats, predictor_of
from segdata.prediction.onnx_file import OnnxFile, look_through

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

LOWEST = 18
"""The opset that is advised if one is too new: the lowest that `segdata export onnx` writes."""

NO_MEMORY = ("Failed to allocate memory", "out of memory")
"""Of the messages with which it says that there is too little."""

FLOATS = "tensor(float)"
"""What it calls the type of float32."""

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


@dataclass(frozen=True, slots=True)
class Session:
    """A model that onnxruntime has loaded. `alone`: it was exported for one image at a time."""

    path: str
    inner: onnxruntime.InferenceSession
    names: tuple[str, ...]
    alone: bool

    def __call__(self, batch: Floats, outputs: int) -> list[Floats]:
        """(N, C, h, w) float32 -> the first so many outputs. Raises `DatasetError` for what it fails on, `MemoryError`."""
        parts = batch[:, None] if self.alone else [batch]
        try:
            found = [self.inner.run(self.names[:outputs], {IMAGE: part}) for part in parts]
        except FAULTS as error:
            text = _first_line(error)
            if any(sign in text for sign in NO_MEMORY):
                raise MemoryError("onnxruntime fails to allocate memory") from error
            raise DatasetError(
                f"{self.path}: onnxruntime cannot run it on {batch.shape} float32: {text}: export it again"
            ) from error
        return [_joined(each).astype(np.float32, copy=False) for each in zip(*found, strict=True)]


def load(path: str | Place, device: str = "cpu", *, trust_code: bool = False) -> ExportedPredictor:
    """Load an exported model. `trust_code` changes nothing: such a file has no code.

    Raises `DatasetError` for a file that is damaged, somebody else's, or that asks for more than this onnxruntime has,
    `OptionError` for a device that does not exist.
    """
    providers(device)
    try:
        data = read_bytes(path)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror or error}") from error
    file = look_through(data, path)
    about = read_exported(file.metadata.get(KEY), path)
    file.refuse(path)
    inner = _session(data, path, device, file)
    try:
        _refuse_other(inner, about, path)
    except UnicodeDecodeError as error:  # names, as onnxruntime gives them
        raise DatasetError(f"{path}: a damaged ONNX file: export it again") from error
    names = tuple(output.name for output in inner.get_outputs())
    alone = isinstance(inner.get_inputs()[0].shape[0], int)
    return predictor_of(about, path, device, data, Session(str(path), inner, names, alone))


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


def _session(data: bytes, path: str | Place, device: str, file: OnnxFile) -> onnxruntime.InferenceSession:
    """A session of the file. Raises `DatasetError` for what this onnxruntime does not run, `OptionError` without the GPU."""
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors are told once, by what is raised
    options.intra_op_num_threads = threads()
    options.add_session_config_entry("session.load_model_format", "ONNX")  # it has another format, with its own rules
    wanted = providers(device)
    try:
        session = onnxruntime.InferenceSession(data, options, wanted, enable_fallback=0)
    except FAULTS as error:
        if device == "auto" and wanted != providers("cpu"):
            return _session(data, path, "cpu", file)
        raise DatasetError(f"{path}: {_why_not(error, file)}") from error
    if session.get_providers()[0] != wanted[0][0] and device != "auto":
        raise OptionError(
            f"--device {device}: onnxruntime finds no such GPU, or no CUDA that fits it: use --device cpu"
        )
    return session


def _why_not(error: Exception, file: OnnxFile) -> str:
    """Why onnxruntime does not take a file, and the way out."""
    text, version = _first_line(error), f"onnxruntime {onnxruntime.__version__}"
    upgrade = "upgrade it (pip install -U onnxruntime), or export the model again"
    if match := re.search(r"Opset (\d+) is under development.* for domain (\S+) is till opset (\d+)", text):
        return f"of opset {match[1]}, and this {version} reads up to {match[3]}: {upgrade} with --opset {LOWEST}"
    if match := re.search(r"Unsupported model IR version: (\d+), max supported IR version: (\d+)", text):
        return f"of ONNX's format {match[1]}, and this {version} reads up to {match[2]}: {upgrade}"
    opset = file.opsets.get("", file.opsets.get("ai.onnx", 0))
    return f"this {version} does not run it (opset {opset}): {text}: export it again"


def _refuse_other(session: onnxruntime.InferenceSession, about: Exported, path: str | Place) -> None:
    """Raise `DatasetError` unless inputs and outputs are those that the file says it has."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    why: str | None
    if [(one.name, one.type, len(one.shape)) for one in inputs] != [(IMAGE, FLOATS, 4)]:
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
    if [(one.type, len(one.shape)) for one in outputs[: len(wanted)]] != [(FLOATS, 4), (FLOATS, 2)][: len(wanted)]:
        return "its outputs are not (N, K, H, W) float32, and (N, D)"
    given = outputs[0].shape[1]
    if isinstance(given, int) and given != classes:
        return f"it gives {given} classes, and it says {classes}"
    return None


def _joined(parts: Sequence[Floats]) -> Floats:
    """The outputs of all images, without a copy of those of a single run."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _first_line(error: Exception) -> str:
    """What an exception of onnxruntime says, without its code."""
    text = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", text).strip()
    return text if len(text) <= LONG else f"... {text[-LONG:]}"
