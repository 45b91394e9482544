"""A segdata dataset: the manifest and the label contract, in a folder of this machine or in object storage.

On disk: dataset.json, manifest.jsonl, receipt.json, masks/<id>.png. The manifest is written last, by rename, so a dataset
is whole or absent.
"""

from __future__ import annotations

import gc
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import msgspec

from segdata.errors import DatasetError, OptionError, reason
from segdata.images import Exif, Picture
from segdata.journal import CARD, JOURNAL, LOG, MANIFEST, RECEIPT, UNDECODABLE
from segdata.labels import Labels, Mask, suggest
from segdata.members import holder
from segdata.parts import AGAIN, FOLDER, MARK, PART, Parts, parts_of, read_index
from segdata.rasters import Raster, Values, open_mask, open_raster, to_rgb
from segdata.remote import Place, is_remote
from segdata.safety import leads_out, refuse_outside
from segdata.storage import place, real, write_whole
from segdata.views import Masks, View, ViewedImage, ViewedMask
from segdata.windows import Pad, Window

FORMAT = 2
"""1: the manifest is whole. 2: it is in parts."""
MANY = 1_000_000
"""From so many samples on, a manifest is written in parts."""

Images = Literal["reference", "link", "copy", "none"]


def split_name(split: str | None) -> str:
    """What a split is called where samples without one are counted too."""
    return "(no split)" if split is None else split


class Tiling(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How a tile was cut: `parent` is the (height, width) of the picture it is of, `scale` by what both were resampled (1: not),
    `pad` what stands where the picture was smaller than the tile."""

    parent: tuple[int, int]
    scale: float = 1.0
    pad: Pad = "zero"


class Sample(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One line of the manifest. Paths are POSIX, relative to the dataset; `image` may lead outside it.

    `counts` lists how often each mask value occurs, `sha256` is of the mask file. `window` is the place in the parent in its
    own pixels, `tiling` how the tile was cut there. `crop` is what must be cut out of `image` and `mask`, and then scaled and
    padded as `tiling` says, to have the sample (None: the files are the sample).
    """

    id: str
    split: str | None = None
    image: str | None = None
    mask: str
    height: int
    width: int
    counts: dict[int, int]
    sha256: str
    group: str | None = None
    parent: str | None = None
    window: Window | None = None
    crop: Window | None = None
    exif: Exif | None = None
    scores: str | None = None
    tiling: Tiling | None = None

    @property
    def view(self) -> View | None:
        """How the sample is cut out of its files; None where they are the sample."""
        if self.crop is None:
            return None
        if self.tiling is None:
            return View(self.crop, (self.crop.height, self.crop.width))
        return View(self.crop, self.size, self.tiling.scale, self.tiling.pad)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.height, self.width


@dataclass(frozen=True, slots=True)
class Dataset:
    """Samples under one label contract. Methods return copies; pixels load only through `read_image` and `read_mask`."""

    root: Place
    labels: Labels
    samples: Sequence[Sample]
    made_by: dict[str, Any] = field(default_factory=dict)
    images: Images = "none"

    @classmethod
    def open(cls, root: str | Place) -> Dataset:
        """Open a dataset's folder, or its URL in object storage.

        Raises `DatasetError` where there is none, it is unfinished, damaged or of a newer format, `StorageError`.
        """
        root = place(root)
        if not root.is_dir():
            raise DatasetError(f"{root}: there is no such folder")
        if not (root / MANIFEST).exists():
            if (root / JOURNAL).exists() or (root / LOG).exists():
                raise DatasetError(f"{root}: unfinished; run the command that was making it once more to finish it")
            raise DatasetError(f"{root}: not a segdata dataset (no {MANIFEST}); `segdata convert` makes one")
        try:
            card = msgspec.json.decode((root / CARD).read_bytes())
            if type(card["format"]) is not int or card["format"] < 1:
                raise ValueError(f"format is {json.dumps(card['format'])}, must be 1 or {FORMAT} as written")
            if card["format"] > FORMAT:
                raise DatasetError(f"{root}: of format {card['format']}, this segdata reads {FORMAT}: upgrade segdata")
            labels = Labels.from_json(card)
            made_by, images = dict(card["made_by"]), msgspec.convert(card["images"], Images)
        except FileNotFoundError as error:
            raise DatasetError(f"{root}: {CARD} is missing; convert again") from error
        except (*UNDECODABLE, KeyError, TypeError, ValueError, AttributeError, OptionError) as error:
            raise DatasetError(f"{root / CARD}: not a dataset card ({reason(error)}); convert again") from error
        return cls(root, labels, read_manifest(root / MANIFEST), made_by, images)

    def __len__(self) -> int:
        return len(self.samples)

    def __iter__(self) -> Iterator[Sample]:
        return iter(self.samples)

    def save(self, receipt: dict[str, Any] | None = None, *, part: int | None = None) -> None:
        """Write card, receipt and, last, the manifest. Masks and pictures must be in place.

        The manifest is in parts of `part` samples; by default only where there are more than a million (0: never).
        """
        size = (PART if len(self) > MANY else 0) if part is None else part
        card = {
            "format": FORMAT if size else 1,
            **self.labels.to_json(),
            "images": self.images,
            "made_by": self.made_by,
        }
        write_whole(self.root / CARD, (json.dumps(card, indent=2) + "\n").encode())
        if receipt is not None:
            write_whole(self.root / RECEIPT, (json.dumps(receipt, indent=2) + "\n").encode())
        index = []
        for one, data in parts_of(self._batches(), size) if size else ():
            write_whole(self.root / one.part, data)
            index.append(one)
        write_whole(
            self.root / MANIFEST, msgspec.json.Encoder().encode_lines(index) if size else b"".join(self._data())
        )
        for path in (self.root / FOLDER).glob("*"):
            if f"{FOLDER}/{path.name}" not in {one.part for one in index}:
                path.unlink()

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that occur, in order of name; samples without one are in none."""
        if isinstance(self.samples, Parts):
            return tuple(sorted(self.samples.splits()))
        return tuple(sorted({s.split for s in self.samples if s.split is not None}))

    def split(self, name: str) -> Dataset:
        """The samples of one split. Raises `DatasetError` that lists the splits there are."""
        if name not in self.splits:
            known = f"there are {', '.join(self.splits)}" if self.splits else "it has no splits"
            raise DatasetError(f"{self.root}: no split {name!r}: {known}")
        if isinstance(self.samples, Parts):
            return replace(self, samples=self.samples.of_split(name))
        return self.select(lambda sample: sample.split == name)

    def select(self, keep: Callable[[Sample], bool]) -> Dataset:
        """The samples for which `keep(sample)` is true."""
        if isinstance(self.samples, Parts):
            return replace(self, samples=self.samples.select(keep))
        return replace(self, samples=[s for s in self.samples if keep(s)])

    def sample(self, id: str) -> Sample:
        """One sample by its id. Raises `DatasetError` that names near ones."""
        found: Sample | None
        if isinstance(self.samples, Parts):
            found = self.samples.find(id)
        else:
            found = next((sample for sample in self.samples if sample.id == id), None)
        if found is not None:
            return found
        raise DatasetError(f"{self.root}: no sample {id!r}: {suggest(id, (s.id for s in self.samples))}")

    @property
    def digest(self) -> str:
        """SHA-256 of the manifest as `save` writes it, by which datasets made of this one name it."""
        digest = hashlib.sha256()
        for data in self._data():
            digest.update(data)
        return digest.hexdigest()

    def inside(self, path: str) -> Place:
        """Where a file of the dataset's own is. Raises `DatasetError` for a path that leads out of the dataset."""
        outside = DatasetError(f"{self.root}: the manifest names {path!r}, which is outside the dataset")
        if leads_out(path):
            raise outside
        here = self.root
        for part in holder(path).split("/"):
            here = here / part
            if (
                isinstance(here, Path)
                and here.is_symlink()
                and not here.resolve().is_relative_to(Path(real(self.root)))
            ):
                raise outside
        return self.root / path

    def image_path(self, sample: Sample) -> str:
        """Where a sample's picture file is, or its URL. Only where dataset.json says `reference` or `link` may it be outside.

        Raises `DatasetError` where it is outside all the same, and where there is none.
        """
        if sample.image is None:
            raise DatasetError(f"{self.root}: {sample.id} has no picture (made with --images none)")
        if self.images not in ("reference", "link"):
            return str(self.inside(sample.image))
        return sample.image if is_remote(sample.image) else str(self.root / sample.image)

    def read_mask(self, sample: Sample) -> Mask:
        """(height, width) class ids of a sample, cut out of its file as its crop says. Raises `DataError`, `DatasetError`."""
        with self.open_mask(sample) as mask:
            return mask.read()

    def read_image(self, sample: Sample) -> Values:
        """(height, width, C): the pixels that lie under the sample's mask.

        uint8 RGB of ordinary pictures; TIFFs of other types or bands as they are. Raises `DataError`, `DatasetError`.
        """
        with self.open_image(sample) as image:
            return image.read()

    def read_rgb(self, sample: Sample) -> Picture:
        """(height, width, 3) uint8 RGB, to look at: see `segdata.rasters.to_rgb`. Raises `DataError`, `DatasetError`."""
        return to_rgb(self.read_image(sample))

    @contextmanager
    def open_image(self, sample: Sample) -> Iterator[Raster]:
        """A sample's picture open for reading by windows of the sample: `.height .width .bands .dtype .read(window)`.

        Memory does not grow with the picture (see `segdata.rasters`). Raises `DataError`, `DatasetError`.
        """
        with open_raster(self.image_path(sample), exif=sample.exif) as raster:
            yield raster if sample.view is None else ViewedImage(raster, sample.view)

    @contextmanager
    def open_mask(self, sample: Sample) -> Iterator[Masks]:
        """A sample's mask open for reading by windows of the sample, (h, w) ids each. Raises `DataError`, `DatasetError`."""
        with open_mask(self.inside(sample.mask)) as mask:
            yield mask if sample.view is None else ViewedMask(mask, sample.view, self.labels.ignore)

    def read_receipt(self) -> dict[str, Any]:
        """receipt.json, or {} where the dataset has none. Raises `DatasetError` where it is something else."""
        path = self.root / RECEIPT
        try:
            return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        except FileNotFoundError:
            return {}
        except UNDECODABLE as error:
            raise DatasetError(f"{path}: not a receipt ({reason(error)}); {AGAIN}") from error

    def _batches(self) -> Iterable[Sequence[Sample]]:
        """The samples sorted by id, some at a time."""
        if isinstance(self.samples, Parts):
            return self.samples.batches()
        return [sorted(self.samples, key=lambda sample: sample.id)]

    def _data(self) -> Iterator[bytes]:
        """The manifest: one line a sample, sorted by id; some at a time."""
        if isinstance(self.samples, Parts):
            return self.samples.data()
        return map(msgspec.json.Encoder().encode_lines, self._batches())


def _id_in(line: bytes) -> str:
    """The id of a line that is no sample, as the start of a sentence; nothing where it has none."""
    try:
        return f"{msgspec.json.decode(line)['id']}: "
    except (*UNDECODABLE, KeyError, TypeError):
        return ""


def read_manifest(path: Place) -> Sequence[Sample]:
    """The lines of a manifest, of one in parts as they are asked for.

    Raises `DatasetError` that names the first bad line, or an id that occurs twice.
    """
    data = path.read_bytes()
    if data.startswith(MARK):
        return Parts(path.parent, read_index(path, data), Sample)
    decoder = msgspec.json.Decoder(Sample)
    collecting = gc.isenabled()
    gc.disable()  # a million small objects and no cycle: collecting would double the time
    try:
        samples = decoder.decode_lines(data)
    except UNDECODABLE:
        for number, line in enumerate(data.split(b"\n"), 1):
            try:
                if line.strip():
                    decoder.decode(line)
            except UNDECODABLE as error:
                raise DatasetError(f"{path}: line {number}: {_id_in(line)}{reason(error)}: {AGAIN}") from error
        raise
    finally:
        if collecting:
            gc.enable()
    seen: set[str] = set()
    for number, sample in enumerate(samples, 1):
        if sample.id in seen:
            raise DatasetError(f"{path}: line {number}: the id {sample.id!r} occurs twice: {AGAIN}")
        seen.add(sample.id)
    refuse_outside(samples, path)
    return samples
