"""What every export of a model does: read the checkpoint, trace it, compare, and write the file if it is worth it."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from torch.export import ExportedProgram

from segdata.dataset.dataset import Dataset
from segdata.errors import DatasetError, OptionError, one_of
from segdata.files.places import file_digest, place, real, size_of, write_whole
from segdata.files.remote import Place
from segdata.nn.export.agreement import least_size, refuse_difference
from segdata.nn.export.description import described, for_people
from segdata.nn.export.network import Gives, Network, Size, trace
from segdata.nn.export.parity import compared
from segdata.nn.export.result import ExportedModel, Parity
from segdata.nn.predictor import TorchPredictor, load
from segdata.prediction.exported import EMBEDDING, Exported, Precision
from segdata.prediction.exported_predictor import Ask, ExportedPredictor
from segdata.prediction.predictor import load_predictor

MOST_DIFFER = 1e-4
"""The largest part of the pixels whose class may differ in a file of full precision."""


@dataclass(frozen=True, slots=True)
class Job:
    """The checkpoint at `model`, what becomes of it at `path`; `size` is (height, width) if it shall take no other."""

    model: str
    path: Place
    predictor: TorchPredictor
    network: Network
    size: Size | None

    @classmethod
    def begin(
        cls, model: str | Path, destination: str | Path, suffix: str, gives: Gives, size: Size | None, *, trust_code: bool,
        overwrite: bool,
    ) -> Job:  # fmt: skip
        """Read the checkpoint. Raises `OptionError` and `DatasetError` for what can be refused before the work begins."""
        one_of("gives", gives, Gives)
        path = free(model, destination, suffix, overwrite)
        if size is not None and not all(1 <= n <= LARGEST for n in size):
            raise OptionError(f"--size {size[0]}x{size[1]}: must be 1 to {LARGEST:,}")
        predictor = load(model, "cpu", trust_code=trust_code)
        network = Network(predictor.model, head=predictor.head, temperature=predictor.temperature, gives=gives)
        return cls(str(model), path, predictor, network, size)

    @property
    def outputs(self) -> list[str]:
        """The names of the outputs."""
        return [self.network.gives] if self.network.embedding is None else [self.network.gives, EMBEDDING]

    def trace(self) -> ExportedProgram:
        """See `network.trace`."""
        return trace(self.network, self.predictor.bands, self.size)

    def loaded(self, data: bytes) -> ExportedPredictor:
        """The file of these bytes as `segdata predict` takes it. Raises `OptionError` if what is installed here does not."""
        with tempfile.TemporaryDirectory(prefix="segdata-") as folder:
            draft = Path(folder) / self.path.name
            draft.write_bytes(data)
            try:
                made = load_predictor(draft, trust_code=True)
            except DatasetError as error:
                raise OptionError(str(error).replace(str(draft), str(self.path))) from error
        return cast("ExportedPredictor", made)

    def agreed(self, ask: Ask) -> int:
        """The smallest height and width that the exported network takes. Raises `OptionError` if it is another network."""
        if self.size is None:
            return least_size(self.network, ask, self.predictor.bands)
        for batch in (1, 2):
            refuse_difference(self.network, ask, self.predictor.bands, self.size, batch, "it cannot be exported so")
        return 1

    def about(self, precision: Precision = "fp32", least: int = 1) -> Exported:
        """What the file says of itself."""
        checkpoint = self.predictor.checkpoint or file_digest(self.model)
        return described(
            self.predictor, checkpoint, gives=self.network.gives, precision=precision, size=self.size, least=least,
            embedding=self.network.embedding,
        )  # fmt: skip

    def for_people(self) -> dict[str, Any]:
        """See `description.for_people`."""
        return for_people(self.predictor, self.network.gives)

    def compared(
        self, data: bytes, precision: Precision, images: Dataset | None, limit: float | None = None
    ) -> Parity | None:
        """How the file of these bytes predicts images. Raises `OptionError` if it differs by more than it may."""
        if images is None:
            return None
        try:
            parity = compared(self.predictor, self.loaded(data), images)
        except OptionError as error:
            if precision == "fp32":
                raise
            raise OptionError(f"--precision {precision}: {error}; it is not written: take --precision fp32") from error
        refuse_other(parity, precision, limit)
        return parity

    def write(self, data: bytes, about: Exported, parity: Parity | None, opset: int | None = None) -> ExportedModel:
        """Write the file."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self.path, data)
        return ExportedModel(str(self.path), about, len(data), opset, size_of(place(self.model)), parity)


LARGEST = 2**14
"""The largest height and width of a model that takes one size only."""


def free(model: str | Path, destination: str | Path, suffix: str, overwrite: bool) -> Place:
    """The place of a new file. Raises `OptionError` for another kind of file, `DatasetError` for one that exists."""
    path = place(destination)
    if path.suffix != suffix:
        raise OptionError(f"{path}: the name of such a file ends in {suffix}: call it {path.stem}{suffix}")
    if real(path) == real(model):
        raise OptionError(f"{path}: is what is read: choose another name")
    if path.is_dir():
        raise DatasetError(f"{path}: is a folder: choose another name")
    if path.exists() and not overwrite:
        raise DatasetError(f"{path}: exists: choose another name, or --overwrite")
    if isinstance(path, Path):
        refuse_folder(path)
    return path


def refuse_folder(path: Path) -> None:
    """Raise `DatasetError` for a file in a folder that cannot be made or written to: it would be found out after the work."""
    above = next((folder for folder in path.absolute().parents if os.path.lexists(folder)), path.parent)
    if not above.is_dir():
        raise DatasetError(f"{path}: {above} is no folder: choose another name")
    if not os.access(above, os.W_OK | os.X_OK):
        raise DatasetError(f"{path}: {above} cannot be written to: choose another folder")


def refuse_other(parity: Parity, precision: Precision, limit: float | None) -> None:
    """Raise `OptionError` for an exported model that differs from its checkpoint by more than it may."""
    if precision == "fp32" and parity.share > MOST_DIFFER:
        what = f"{parity.differ:,} of {parity.pixels:,} pixels ({100 * parity.share:.3g} %) have another class"
        raise OptionError(
            f"the exported model differs from the checkpoint: {what}: it is not written; --no-verify writes it all the same"
        )
    change = parity.change
    if limit is None:
        return
    if change is None:
        raise OptionError("--limit: the images have no masks, so there is no mIoU: --verify a dataset with masks")
    if 100 * change.value < -limit:
        what = f"mIoU {100 * change.exported:.2f}, the checkpoint has {100 * change.checkpoint:.2f}"
        raise OptionError(f"--limit {limit:g}: {what}: it is not written; take a larger limit, or --precision fp32")
