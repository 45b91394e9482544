"""A segdata dataset: the manifest and the label contract, in a folder of this machine or in object storage.

On disk: dataset.json, manifest.jsonl, receipt.json, masks/<id>.png. The manifest is written last, by rename, so a dataset
is whole or absent, after a power cut too: all other files are on disk before it.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from segdata.dataset.choosing import chosen_splits
from segdata.dataset.contract import Contract
from segdata.dataset.destination import finish_swap
from segdata.dataset.faults import KnownMask, refuse_scores, view_image, view_mask
from segdata.dataset.layout import CARD, JOURNAL, LOG, MANIFEST, RECEIPT, UNDECODABLE
from segdata.dataset.manifest import AGAIN, FOLDER, PART, Parts, parts_of, read_manifest
from segdata.dataset.notebook import notebook_html
from segdata.dataset.sample import Images, Sample
from segdata.errors import DatasetError, OptionError, located, reason
from segdata.files.changes import Changes
from segdata.files.colors import to_rgb
from segdata.files.durable import sync_tree
from segdata.files.images import ImageArray
from segdata.files.opening import open_image, open_mask
from segdata.files.places import links_out, place, read_bytes, write_whole
from segdata.files.rasters import Raster, Values, WholeMask, WholeRaster, bands_of
from segdata.files.reading import AS_IT_IS, Alpha, Reading
from segdata.files.remote import Place, Remote, is_remote
from segdata.files.scores import Scores, open_scores
from segdata.files.views import Masks
from segdata.labels import Labels, Mask, occurring, tally
from segdata.words import some, suggest

FORMAT = 2
"""1: the manifest is whole. 2: it is in parts."""

MANY = 1_000_000
"""From so many samples on, a manifest is written in parts."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Samples under one label contract. Methods return copies; pixels load only through `read_image` and `read_mask`."""

    root: Place
    labels: Labels
    samples: Sequence[Sample]
    made_by: dict[str, Any] = field(default_factory=dict)
    images: Images = "none"
    reading: Reading = AS_IT_IS

    def __repr__(self) -> str:
        return f"Dataset({str(self.root)!r}, {len(self):,} samples, classes {some(self.labels.names, 5)})"

    def _repr_html_(self) -> str:
        """What a notebook shows: a few images under their masks, the classes and the splits."""
        return notebook_html(self)

    @classmethod
    def of(cls, dataset: Dataset | str | Place) -> Dataset:
        """A dataset as it is, or the one at a path or URL. Raises as `open`."""
        return dataset if isinstance(dataset, Dataset) else cls.open(dataset)

    @classmethod
    def open(cls, root: str | Place) -> Dataset:
        """Open a dataset's folder, or its URL in object storage.

        Raises `DatasetError` where there is none, it is unfinished, damaged or of a newer format, `StorageError`.
        """
        root = place(root)
        finish_swap(root)
        refuse_absent(root)
        try:
            card = msgspec.json.decode(read_bytes(root / CARD))
            if type(card["format"]) is not int or card["format"] < 1:
                raise ValueError(f"format is {json.dumps(card['format'])}, must be 1 or {FORMAT} as written")
            if card["format"] > FORMAT:
                raise DatasetError(f"{root}: of format {card['format']}, this segdata reads {FORMAT}: upgrade segdata")
            labels = Labels.from_json(card)
            made_by, images = dict(card["made_by"]), msgspec.convert(card["images"], Images)
            reading = Reading.from_json(card.get("reading", {}))
        except FileNotFoundError as error:
            raise DatasetError(f"{root}: {CARD} is missing; convert again") from error
        except (*UNDECODABLE, KeyError, TypeError, ValueError, AttributeError, OptionError) as error:
            raise DatasetError(f"{root / CARD}: not a dataset card ({reason(error)}); convert again") from error
        return cls(root, labels, read_manifest(root / MANIFEST, labels), made_by, images, reading)

    def __len__(self) -> int:
        return len(self.samples)

    def __iter__(self) -> Iterator[Sample]:
        return iter(self.samples)

    def save(self, receipt: dict[str, Any] | None = None, *, part: int | None = None) -> None:
        """Write card, receipt and, last, the manifest. Masks and images must be in place; they are on disk before it.

        The manifest is in parts of `part` samples; by default only where there are more than a million (0: never).
        """
        size = (PART if len(self) > MANY else 0) if part is None else part
        card = {
            "format": FORMAT if size else 1,
            **self.labels.to_json(),
            "images": self.images,
            **({"reading": reading} if (reading := self.reading.to_json()) else {}),
            "made_by": self.made_by,
        }
        if isinstance(self.root, Path) and self.root.is_dir():
            sync_tree(self.root)
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
        """The samples of one split, of several (`fold1,fold2`), or of all but some (`!fold0`): see `chosen_splits`.

        Samples without a split are in none. Raises `DatasetError` that lists the splits there are.
        """
        try:
            names = chosen_splits(name, self.splits)
        except OptionError as error:
            raise DatasetError(f"{self.root}: {error}") from error
        if isinstance(self.samples, Parts):
            return replace(self, samples=self.samples.of_splits(names))
        return self.select(lambda sample: sample.split in names)

    def read_as(
        self, bands: str | None = None, alpha: Alpha = "auto", vrt: bool = False, subdataset: str | None = None
    ) -> Dataset:
        """The same samples, whose images are read as these options say: see `Reading.but`. Raises `OptionError`."""
        return replace(self, reading=self.reading.but(bands, alpha, vrt, subdataset))

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
        if links_out(self.root, path):
            raise DatasetError(f"{self.root}: the manifest names {path!r}, which is outside the dataset")
        return self.root / path

    def image_path(self, sample: Sample) -> str:
        """Where a sample's image file is, or its URL. Only where dataset.json says `reference` or `link` may it be outside.

        Raises `DatasetError` where it is outside all the same, and where there is none.
        """
        if sample.image is None:
            raise DatasetError(f"{self.root}: {sample.id} has no image (made with --images none)")
        if self.images not in ("reference", "link"):
            return str(self.inside(sample.image))
        return sample.image if is_remote(sample.image) else str(self.root / sample.image)

    def read_mask(self, sample: Sample) -> Mask:
        """(height, width) class ids of a sample, cut out of its file as its crop says. Raises as `open_mask`."""
        with self.open_mask(sample) as mask:
            return mask.read()

    def read_lazily(self, sample: Sample) -> Mask | Changes:
        """What `read_mask` gives; masks that are whole files of segdata's are not drawn yet. Raises as `open_mask`."""
        with self.open_mask(sample) as mask:
            changes = mask.changes if isinstance(mask, KnownMask) else None
            return mask.read() if changes is None else changes

    def read_counts(self, sample: Sample) -> dict[int, int]:
        """How often each value occurs in a sample's mask, read by rows. Raises as `open_mask`."""
        with self.open_mask(sample) as mask:
            if isinstance(mask, KnownMask) and (changes := mask.changes) is not None:
                return occurring(changes.counts)
            counts = sum((Counter(tally(rows)) for rows in bands_of(mask)), Counter[int]())
        return dict(sorted(counts.items()))

    def read_image(self, sample: Sample) -> Values:
        """(height, width, C): the pixels that lie under the sample's mask. Raises as `open_image`.

        uint8 RGB of ordinary images; TIFFs of other types or bands as they are.
        """
        with self.open_image(sample) as image:
            return image.read()

    def read_rgb(self, sample: Sample) -> ImageArray:
        """(height, width, 3) uint8 RGB, to look at: see `segdata.files.colors.to_rgb`. Raises as `open_image`."""
        with self.open_image(sample) as image:
            return to_rgb(image.read(), nodata=image.geo.nodata)

    @contextmanager
    def open_image(self, sample: Sample, *, small: bool = False) -> Iterator[Raster]:
        """A sample's image open for reading by windows of the sample: `.height .width .bands .dtype .read(window)`.

        `small`: to look at it in small alone, as `open_image` of `segdata.files.opening` has it.

        Memory does not grow with the image (see `segdata.files.opening`). Raises `DataError` for a file that cannot be read,
        or is not of the manifest's size (`image.*`), `DatasetError`.
        """
        path = self.image_path(sample)
        with located(sample=sample.id), open_image(path, exif=sample.exif, reading=self.reading, small=small) as raster:
            yield view_image(raster, sample, path)

    @contextmanager
    def open_mask(self, sample: Sample) -> Iterator[Masks]:
        """A sample's mask open for reading by windows of the sample, (h, w) ids each.

        Raises `DataError` for a file that cannot be read, or is not of the manifest's size or the labels' dtype (`mask.*`);
        so does a read of values that are no class. Raises `DatasetError`.
        """
        path = self.inside(sample.mask)
        with located(sample=sample.id), open_mask(path) as mask:
            yield view_mask(mask, sample, self.labels, str(path))

    @contextmanager
    def open_scores(self, sample: Sample) -> Iterator[Scores]:
        """A sample's scores open for reading by windows. Raises `DataError` (`scores.*`), `DatasetError`."""
        path = self.inside(str(sample.scores))
        with located(sample=sample.id), open_scores(path) as scores:
            refuse_scores(scores, self.labels, sample, str(path))
            yield scores

    def read_receipt(self) -> dict[str, Any]:
        """receipt.json, or {} where the dataset has none. Raises `DatasetError` where it is something else."""
        path = self.root / RECEIPT
        try:
            return msgspec.json.decode(read_bytes(path), type=dict[str, Any])
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


def refuse_absent(root: Place) -> None:
    """Raise `DatasetError` if there is no whole dataset: it is being replaced, is unfinished, is an export, or there is none."""
    is_there = root.is_dir()
    if is_there and (root / MANIFEST).exists():
        return
    if isinstance(root, Remote) and (root.with_name(f"{root.name}.partial") / MANIFEST).exists():
        raise DatasetError(f"{root}: is being replaced: repeat the command that was replacing it to finish it")
    if not is_there:
        raise DatasetError(f"{root}: there is no such folder")
    if (root / JOURNAL).exists() or (root / LOG).exists():
        raise DatasetError(f"{root}: unfinished: repeat the command that was making it to finish it")
    if (contract := Contract.read(root)) is not None:
        what = f"is an export to {contract.format}, which is not a dataset"
        raise DatasetError(f"{root}: {what}: `segdata convert auto {root} DST` makes one of it")
    raise DatasetError(f"{root}: not a segdata dataset (no {MANIFEST}); `segdata convert` makes one")


class Openings:
    """Images and masks of samples, open for reading by windows. In each process its own; not for threads."""

    def __init__(
        self,
        dataset: Dataset,
        files: int = 32,
        pixels: int = 2**26,
        values_of: Callable[[Raster], Raster] | None = None,
    ) -> None:
        """At most `files` of each, and of those that had to be decoded at once at most so many pixels, but for one.

        `values_of` says how images are read, by default as they are.
        """
        self.dataset, self.files, self.pixels, self.values_of = dataset, files, pixels, values_of
        self._held: dict[tuple[str, str], tuple[Raster, Masks, int, ExitStack]] = {}

    def __call__(self, sample: Sample) -> tuple[Raster, Masks]:
        """Image and mask of a sample. Raises `DataError`."""
        files = str(self.dataset.image_path(sample)), str(self.dataset.inside(sample.mask))
        held = self._held.pop(files, None)
        if held is None:
            with ExitStack() as stack:
                raster = stack.enter_context(open_image(files[0], exif=sample.exif, reading=self.dataset.reading))
                ids = stack.enter_context(open_mask(files[1]))
                whole = isinstance(raster, WholeRaster) + isinstance(ids, WholeMask) / 3  # a third of the bytes
                held = raster, ids, round(raster.height * raster.width * whole), stack.pop_all()
        self._held[files] = held  # the last of the row
        while len(self._held) > 1 and (len(self._held) > self.files or self._decoded() > self.pixels):
            self._held.pop(next(iter(self._held)))[-1].close()
        image = view_image(held[0], sample, files[0])
        if self.values_of is not None:
            image = self.values_of(image)
        return image, view_mask(held[1], sample, self.dataset.labels, files[1])

    def close(self) -> None:
        """Close what is open."""
        while self._held:
            self._held.popitem()[1][-1].close()

    def _decoded(self) -> int:
        return sum(pixels for _, _, pixels, _ in self._held.values())

    def __reduce__(self) -> tuple[Any, ...]:
        return Openings, (self.dataset, self.files, self.pixels, self.values_of)
