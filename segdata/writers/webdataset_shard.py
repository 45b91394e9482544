"""One tar shard: which files of each sample it gets, and where they lie in it."""

from __future__ import annotations

import hashlib
import os
import tarfile
from contextlib import closing
from dataclasses import dataclass
from io import BytesIO
from typing import NamedTuple

import msgspec

from segdata.dataset.dataset import Dataset, Openings
from segdata.dataset.inputs import sample_files, stamps
from segdata.dataset.job import Made
from segdata.dataset.sample import Sample
from segdata.errors import DataError, Problem, located, raise_exhausted, writing
from segdata.files.drafts import Draft
from segdata.files.members import member_path
from segdata.files.places import file_digest, read_bytes
from segdata.files.png import encode_mask
from segdata.files.rasters import Raster
from segdata.files.remote import Place
from segdata.labels import Labels, Mask, tally
from segdata.writers.images import as_it_is, encode_image_of
from segdata.writers.masks import refuse_changed

SHARDS, INDEX = "shards", "index.json"


@dataclass(frozen=True, slots=True)
class Shard:
    """The plan of one tar file: its `samples`, and the number `first` of the first of them among all exported samples."""

    name: str
    split: str | None
    first: int
    samples: tuple[Sample, ...]


class Written(Made, frozen=True):
    """A written shard: the lines of its samples, and the problems of those that could not be read. Also a line of the journal."""

    split: str | None
    sha256: str
    size: int
    left_out: list[Problem]


@dataclass(frozen=True, slots=True)
class Target:
    """Everything needed to write a shard, apart from its samples. `source` has no samples here."""

    source: Dataset
    root: Place


class Contents(NamedTuple):
    """A sample's files, each as (extension, bytes), and its manifest line, which does not say yet where they lie."""

    image: tuple[str, bytes] | None
    mask: tuple[str, bytes]
    line: Sample


def write_shard(shard: Shard, target: Target) -> Written:
    """Write a shard; it gets its name when it is complete. Samples that cannot be read are left out and listed."""
    path = target.root / SHARDS / shard.name
    lines: list[Sample] = []
    left_out: list[Problem] = []
    openings = Openings(target.source)
    inputs = stamps(sample_files(target.source, shard.samples))
    with writing(path), Draft(path) as draft, closing(openings):
        with tarfile.open(fileobj=draft.file, mode="w", format=tarfile.GNU_FORMAT) as tar:
            for number, sample in enumerate(shard.samples, shard.first):
                try:
                    with located(sample=sample.id):
                        contents = read_contents(sample, target.source, openings)
                except DataError as error:
                    left_out.append(error.problem)
                    continue
                lines.append(add(tar, shard.name, f"{number:09d}", contents, target.source.labels))
        draft.file.flush()
        digest, size = file_digest(draft.beside), draft.beside.stat().st_size
        if not lines:
            draft.discard()
    return Written(shard.name, lines, shard.split, digest, size, left_out, inputs=inputs)


def read_contents(sample: Sample, dataset: Dataset, openings: Openings) -> Contents:
    """Read a sample's files as they are, or its part of larger files, also where files beside it say where it lies.

    Raises `DataError`, `DatasetError`.
    """
    path = dataset.image_path(sample) if sample.image is not None and dataset.images != "none" else None
    line = msgspec.structs.replace(sample, crop=None, scores=None)
    if not as_it_is(sample, dataset):
        if path is None:
            return cut_contents(line, None, dataset.read_mask(sample))
        image, ids = openings(sample)
        return cut_contents(line, image, ids.read())
    file = dataset.inside(sample.mask)
    data = _read(file, "mask")
    refuse_changed(sample, hashlib.sha256(data).hexdigest())
    whole = None if path is None else (os.path.splitext(path)[1].lower() or ".image", _read(path))
    return Contents(whole, (file.suffix.lower(), data), line)


def cut_contents(line: Sample, image: Raster | None, ids: Mask) -> Contents:
    """Encode a sample's pixels as PNG, or as TIFF if they are not 8-bit RGB or have coordinates, and its ids as PNG."""
    data = encode_mask(ids)
    line = msgspec.structs.replace(line, exif=None, counts=tally(ids), sha256=hashlib.sha256(data).hexdigest())
    if image is None:
        return Contents(None, (".png", data), line)
    ending, data_of_image = encode_image_of(image)
    return Contents((ending, data_of_image), (".png", data), line)


def add(tar: tarfile.TarFile, shard: str, key: str, contents: Contents, labels: Labels) -> Sample:
    """Put a sample's files and metadata into a shard. Returns its manifest line."""
    line, names = contents.line, {}
    for field, part, extension in (("image", contents.image, ""), ("mask", contents.mask, ".mask")):
        if part is not None:
            names[field] = f"{key}{extension}{part[0]}"
            at = put(tar, names[field], part[1])
            path = member_path(f"{SHARDS}/{shard}", at, len(part[1]), part[0] and names[field])
            line = msgspec.structs.replace(line, **{field: path})
    put(tar, f"{key}.json", metadata(msgspec.structs.replace(line, **{"image": None, **names}), labels))
    return line if contents.image is not None else msgspec.structs.replace(line, image=None)


def metadata(line: Sample, labels: Labels) -> bytes:
    """The JSON of a sample's line with the label contract, so that a shard can be read alone."""
    fields = {name: value for name, value in msgspec.to_builtins(line, str_keys=True).items() if value is not None}
    return msgspec.json.encode({**fields, "classes": labels.names, "ignore": labels.ignore, "labels": labels.digest})


def put(tar: tarfile.TarFile, name: str, data: bytes) -> int:
    """Append a member without times or owners. Returns the position of its bytes."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, BytesIO(data))
    return tar.offset - -(-len(data) // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE


def _read(path: str | Place, kind: str = "image") -> bytes:
    try:
        return read_bytes(path)
    except OSError as error:
        raise_exhausted(error, path)
        gone = isinstance(error, FileNotFoundError)
        what = "there is no such file" if gone else f"cannot be read: {error.strerror}"
        raise DataError(Problem(f"{kind}.missing", what, file=str(path))) from error
