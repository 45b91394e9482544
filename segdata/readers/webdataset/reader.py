"""Tar shards as WebDataset has them: those of `segdata export webdataset`, and any with an image and a mask a sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from posixpath import dirname

import msgspec

from segdata.dataset.layout import CARD
from segdata.errors import DataError, OptionError, Problem, Report, reason, strict
from segdata.files.images import Exif
from segdata.files.members import read_stored_bytes
from segdata.files.places import file_digest, is_stored, lies_below, read_bytes
from segdata.files.remote import Place, is_remote
from segdata.labels import Labels
from segdata.readers.classes.files import given_classes
from segdata.readers.label_files import LabelFile, Meaning
from segdata.readers.source import Input, Item, Receipt, Source, SourceClass, leave_out, refuse_split
from segdata.readers.webdataset.members import IMAGES, find_roles, find_shards, lacking
from segdata.readers.webdataset.tar import Member, refuse, scan
from segdata.words import some

GLANCE = 100
"""So many members tell whether a tar file is a shard."""


class Metadata(msgspec.Struct):
    """What is read of the JSON of a sample that segdata wrote."""

    id: str
    labels: str
    classes: list[str]
    split: str | None = None
    group: str | None = None
    exif: Exif | None = None
    image: str | None = None


class Listed(msgspec.Struct):
    """A shard in the index that segdata writes."""

    shard: str
    sha256: str


class Index(msgspec.Struct):
    """shards/index.json."""

    shards: list[Listed]


@dataclass(slots=True)
class Record:
    """The files of one sample, by extension, and what its metadata says."""

    shard: Path
    key: str
    members: dict[str, Member] = field(default_factory=dict)
    metadata: Metadata | None = None

    @property
    def split(self) -> str | None:
        """As its metadata says, or else the shard's name before the number."""
        if self.metadata is not None:
            return self.metadata.split
        return self.shard.stem.rstrip("0123456789").rstrip("-_.") or None

    @property
    def id(self) -> str:
        """As its metadata says, or else split and key. Raises `DataError` for one that leads out of a dataset."""
        if self.metadata is None:
            return f"{self.split}/{self.key}" if self.split else self.key
        if not lies_below(self.metadata.id):
            refuse(self.shard, f"{self.key}.json", "outside", f"its id {self.metadata.id!r} leads out of a dataset")
        return self.metadata.id

    def first(self, extensions: Sequence[str]) -> str | None:
        """The path of its first member with one of these extensions."""
        return next((self.members[name].path for name in extensions if name in self.members), None)

    @property
    def reference(self) -> str | None:
        """The image that its metadata names, where that is no member."""
        image = None if self.metadata is None else self.metadata.image
        return None if image is None or image in {member.name for member in self.members.values()} else image


def fits(root: Place) -> str | None:
    """Why SRC is not this format; None for tar files, in it or its shards/, or one of them."""
    if root.is_file():
        shards = [root] if root.suffix == ".tar" else []
        return _unlike(shards[0]) if shards else "it is no .tar file"
    shards = [path for place in ("*.tar", "shards/*.tar") for path in root.glob(place) if path.is_file()]
    return _unlike(min(shards)) if shards else "there is no *.tar and no shards/*.tar"


def _unlike(shard: Place) -> str | None:
    """Why a tar file is no shard: of its first members no two are of one sample."""
    if not isinstance(shard, Path):
        return None
    keys: set[str] = set()
    try:
        for member in islice(scan(shard), GLANCE):
            if member.key in keys:
                return None
            keys.add(member.key)
    except DataError:
        return None  # which reading it says better
    return f"no two members of {shard.name} have one name: unpack it"


def read(
    root: str | Path,
    *,
    split: str | None = None,
    report: Report = strict,
    images: bool = True,
    classes: str | Path | Sequence[str] | None = None,
    mask_member: str | None = None,
    image_member: str | None = None,
    outside: bool = False,
) -> Source:
    """Read the shards of a folder (`*.tar` in it or in its shards/), one shard, or those of a name with braces,
    `train-{000..010}.tar`. Members stay in the shards.

    A sample's split is what its metadata says, or else the shard's name before the number. Images that the metadata names
    outside the shards are listed and refused, unless `outside` is given.

    Raises `DataError` (`classes.*`, `shard.*`, see `segdata.readers.webdataset.tar`) or adds to `report`: samples without
    mask or image.

    Args:
        classes: the class file (one name per line, CSV, a labelmap, JSON or YAML), or names in order of mask value; by default
            the classes of dataset.json beside the shards, or of the samples' own metadata.
        mask_member: which member is the mask, such as seg.png; by default the first of mask.png, mask.tif, seg.png and
            label.png that a sample has, or else what its name tells.
        image_member: which member is the image, such as image.png; by default the first of jpg, png and others that a sample
            has, or else what its name tells.
        outside: read images that the metadata names outside the shards.
    """
    if is_stored(root):
        raise OptionError(
            f"{root}: shards are scanned on this machine: copy them here first; what segdata exported opens as a dataset"
        )
    shards = find_shards(str(root))
    base = shards[0].parent.parent if shards[0].parent.name == "shards" else shards[0].parent
    every = [record for shard in shards for record in read_records(shard)]
    if not every:
        raise DataError(Problem("shard.none", f"no sample is in {some(shard.name for shard in shards)}", str(root)))
    receipt, items = Receipt(), []
    labels, values, inputs = find_labels(base, every, classes, receipt)
    records = chosen(every, split, root)
    if images and not outside:
        refuse_outside(records)
    meaning = Meaning({labels.ignore: None, **values})
    roles = find_roles((tuple(record.members) for record in records), image_member, mask_member)
    receipt.notes += [roles.note] if roles.note else []
    for record in records:
        mask, image = record.first(roles.masks), record.first(roles.images) if images else None
        if images and image is None and record.reference is not None:
            image = record.reference if is_remote(record.reference) else str(base / record.reference)
        if mask is not None and (image is not None or not images):
            made = record.metadata
            group, exif = (made.group, made.exif) if made else (None, None)
            items.append(Item(record.id, image, None, LabelFile(mask, meaning), record.split, group, exif))
            continue
        message = lacking(roles, list(record.members), image=mask is not None)
        problem = Problem("shard.unpaired", message, record.shard.name, record.id)
        leave_out(problem, (), report, receipt)
    tables = tuple(SourceClass(value, labels.name(id), id) for value, id in values.items() if id is not None)
    hashed = tuple(hash_shards(shards))
    options: dict[str, object] = {"classes": list(labels.names), "mask_member": mask_member, "outside": outside}
    if image_member is not None:
        options["image_member"] = image_member
    return Source(labels, items, (*inputs, *hashed), tables, receipt, options)


def hash_shards(shards: Sequence[Path]) -> Iterator[Input]:
    """Name and SHA-256 of each shard. Raises `DataError` where that is not as the index beside them has it."""
    index = shards[0].parent / "index.json"
    known: dict[str, str] = {}
    if index.is_file():
        with suppress(
            msgspec.DecodeError, UnicodeDecodeError, RecursionError
        ):  # of another program, which may mean anything
            known = {one.shard: one.sha256 for one in msgspec.json.decode(read_bytes(index), type=Index).shards}
    for shard in shards:
        digest = file_digest(shard)
        if known.get(shard.name, digest) != digest:
            refuse(shard, None, "changed", "its bytes are not those that index.json has (sha256): fetch it anew")
        yield Input(shard.name, digest)


def read_records(shard: Path) -> Iterator[Record]:
    """The samples of a shard; the files of one stand together. Raises `DataError`."""
    record: Record | None = None
    keys: set[str] = set()
    for member in scan(shard):
        if record is None or member.key != record.key:
            if record is not None:
                yield record
            if member.key in keys:
                refuse(
                    shard, member.name, "twice", f"its key {member.key!r} came before, and then others: pack it anew"
                )
            keys.add(member.key)
            record = Record(shard, member.key)
        if member.extension in record.members:
            refuse(shard, member.name, "twice", f"is the second {member.extension} of {member.key!r}")
        record.members[member.extension] = member
        if member.extension == "json":
            record.metadata = read_metadata(shard, member)
    if record is not None:
        yield record


def read_metadata(shard: Path, member: Member) -> Metadata | None:
    """What segdata wrote of a sample; None for JSON of others. Raises `DataError` where it is damaged."""
    data = read_stored_bytes(member.path)
    try:
        if "labels" not in msgspec.json.decode(data, type=dict[str, msgspec.Raw]):
            return None
        return msgspec.json.decode(data, type=Metadata)
    except msgspec.ValidationError as error:
        if not data.lstrip().startswith(b"{"):
            return None
        refuse(shard, member.name, "metadata", f"is not as segdata writes it: {error}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        refuse(shard, member.name, "metadata", f"is no JSON: {error}")


def find_labels(
    base: Path, records: Sequence[Record], classes: str | Path | Sequence[str] | None, receipt: Receipt
) -> tuple[Labels, dict[int, int | None], tuple[Input, ...]]:
    """The label contract, under which all samples must be, the class ids of mask values, and the file that it is from.

    Raises `DataError`, `OptionError`.
    """
    inputs: tuple[Input, ...] = ()
    first = next((record.metadata for record in records if record.metadata is not None), None)
    card = base / CARD
    if classes is not None:
        entries, given = given_classes(classes, base, receipt)
        kept = [entry for entry in entries if entry.is_class]
        labels = Labels.of([entry.name for entry in kept], [entry.color for entry in kept])
        return labels, {entry.value: labels.id(entry.name) if entry.is_class else None for entry in entries}, given
    if card.is_file():
        try:
            labels = Labels.from_json(msgspec.json.decode(read_bytes(card)))
        except (msgspec.DecodeError, KeyError, TypeError, ValueError, OptionError) as error:
            raise DataError(Problem("shard.labels", f"holds no label contract ({reason(error)})", file=CARD)) from error
        inputs = (Input.of(card),)
    elif first is not None:
        labels = Labels.of(first.classes)
    else:
        raise OptionError(f"{base}: neither {CARD} nor the samples name the classes: --classes FILE, one name a line")
    for record in records:
        if record.metadata is not None and record.metadata.labels != labels.digest:
            what = "is under other classes than the samples before it, or dataset.json: convert its shards apart"
            refuse(record.shard, f"{record.key}.json", "labels", what)
    return labels, {label.id: label.id for label in labels.classes}, inputs


def chosen(records: Sequence[Record], split: str | None, root: str | Path) -> list[Record]:
    """Those of a split, in order of id. Raises `OptionError` where there are none, `DataError` where two have one id."""
    by_id: dict[str, Record] = {}
    for record in records:
        if by_id.setdefault(record.id, record) is not record:
            refuse(record.shard, record.key, "twice", f"is the second sample with the id {record.id!r}")
    kept = [by_id[id] for id in sorted(by_id) if split is None or by_id[id].split == split]
    if split is not None and not kept:
        refuse_split(split, root, (record.split for record in records))
    return kept


def refuse_outside(records: Sequence[Record]) -> None:
    """Raise `DataError` that lists where the images are which an archive names outside itself."""
    paths = [record.reference for record in records if record.reference is not None and not record.first(IMAGES)]
    if paths:
        roots = some(sorted({dirname(path) or "." for path in paths}))
        message = (
            f"{len(paths):,} samples name images outside the shards, in {roots}: look whether these are yours, then "
            "--outside reads them there, and --images none makes masks alone"
        )
        raise DataError(Problem("shard.outside", message, file=records[0].shard.name))
