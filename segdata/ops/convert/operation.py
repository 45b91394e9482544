"""Foreign labels to a segdata dataset: the main job."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import msgspec

from segdata.dataset.contract import CONTRACT, Contract
from segdata.dataset.dataset import Dataset
from segdata.dataset.finished import finished
from segdata.dataset.group_rules import Rule, group_names, read_rule
from segdata.dataset.images import place_image, refuse_images
from segdata.dataset.inputs import Stamp, stamps
from segdata.dataset.job import Job, Made, made_of, resumable
from segdata.dataset.sample import Images, Sample
from segdata.dataset.transparency import settled
from segdata.errors import DataError, OptionError, Problem, located, one_of, refuse_nothing
from segdata.executors.run import Run
from segdata.files.images import Exif, ImageFacts, write_mask
from segdata.files.limits import MAX_PIXELS
from segdata.files.opening import open_image, read_facts
from segdata.files.places import absolute, place, real
from segdata.files.png import MaskWriter
from segdata.files.reading import Alpha, Reading, UnderNodata, told
from segdata.files.remote import Place
from segdata.files.scores import write_scores
from segdata.labels import Labels, Remap, Unlisted, choose_classes, tally
from segdata.ops.convert.nodata import over_data
from segdata.ops.convert.receipt import receipt_json, refuse_unpainted
from segdata.readers import reader, reader_options, takes_reading
from segdata.readers.contract import contract_of, through, with_contract
from segdata.readers.detect import format_of, pointing
from segdata.readers.source import (
    Banded,
    Drawn,
    Input,
    Item,
    LargeAnnotation,
    Receipt,
    ScoredAnnotation,
    Source,
    left_out,
    renamed,
)


class Converted(Made, frozen=True):
    """What one item became: its manifest line and its part of the receipt. Also the journal's line."""

    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Target:
    """All that an item needs to be converted, apart from itself."""

    root: Place
    remap: Remap
    images: Images
    exif: Exif
    max_pixels: int | None
    reading: Reading


def convert(
    format: str,
    source: str | Path,
    destination: str | Path,
    *,
    split: str | None = None,
    group: str | None = None,
    images: Images = "reference",
    bands: str | None = None,
    alpha: Alpha = "auto",
    map: Mapping[str, str] | None = None,
    only: Sequence[str] = (),
    drop: Sequence[str] = (),
    unlisted: Unlisted | None = None,
    exif: Exif = "upright",
    under_nodata: UnderNodata = "ignore",
    max_pixels: int | None = None,
    vrt: bool = False,
    subdataset: str | None = None,
    allow_empty: bool = False,
    overwrite: bool = False,
    run: Run | None = None,
    **options: Any,
) -> Dataset:
    """Convert labels of a format into one dataset of grey masks, with a receipt.

    A conversion that was stopped goes on where it was when the same call is repeated. `options` are those of the format's
    reader, `segdata.readers.reader(format)`.

    Raises `DataError` for the first bad file or annotation (`run.report` may skip instead: images whose labels or pixels
    are bad are then left out whole and listed, but not all of them), `OptionError` for options, `DatasetError` for the
    destination.

    Args:
        format: A format of `segdata.readers.READERS`, or `auto`: the one that the source is in.
        source: The folder or file with the labels.
        destination: The folder of the new dataset.
        split: Convert this split only.
        group: Which images belong together, such as those of one video, person or place: regex:PATTERN takes what the first
            parentheses match in the id, csv:FILE a table with the columns id,group or image,group.
        images: What becomes of the images: masks refer to them where they are (reference), through symbolic links (link), as
            copies (copy), or there are none (none).
        bands: Read only these bands of the images, in this order: numbers from 1 on (3,2,1), or names in the files (B4,B3,B2).
            The dataset keeps this, and every command reads its images so.
        alpha: Whether the last band is transparency (yes) or data (no). auto: a band that the files call alpha is transparency
            if it is only 0 or opaque in all images, or if the format has no other use for it (PNG).
        map: Rename a class, or merge it into another of that name; ignore makes its pixels ignored.
        only: Keep these classes.
        drop: Make the pixels of these classes ignored.
        unlisted: What becomes of classes that `map` (default: keep) or `only` (default: ignore) does not name.
        exif: Which way up the labels are, if the image's size cannot tell.
        under_nodata: What becomes of labels where the image has no data, by its nodata value, alpha or mask. ignore: they are
            ignored. keep: they stay, and the images count as having data everywhere.
        max_pixels: Refuse images of more pixels. By default only images that must be decoded at once are refused, from 2^28
            pixels on; TIFFs need not be.
        vrt: Read images that are VRTs. Their sources must lie below the folder of the VRT.
        subdataset: Read this image of files that hold several (NetCDF, HDF5, Zarr): its name there.
        allow_empty: Accept a set whose masks hold nothing but background. By default that is an error.
        overwrite: Replace a dataset at `destination`.
    """
    run = run or Run()
    one_of("images", images, Images)
    one_of("exif", exif, Exif)
    one_of("under-nodata", under_nodata, UnderNodata)
    reading = Reading(under_nodata=under_nodata).but(bands, alpha, vrt, subdataset)
    format = format_of(source) if format == "auto" else format
    contract = contract_of(source, format)
    options = options if contract is None else {**contract.options, **options}
    alone = contract is not None and contract.images == "none" and images != "none" and "image_dir" not in options
    images = "none" if alone else images
    known = reader_options(format)
    if foreign := [name for name in options if name not in known]:
        raise OptionError(f"format {format} has no option {foreign[0]!r}: it has {', '.join(known) or 'none'}")
    passed = {**options, "reading": reading} if takes_reading(format) else options
    rule = None if group is None else read_rule(group, "--group")
    with pointing(format, source):
        found = renamed(reader(format)(source, split=split, report=run.report, images=images != "none", **passed))
    found = found if rule is None else grouped(found, rule)
    if alone:
        found.receipt.notes.append(
            f"no images: {CONTRACT} says that they were left out; without it they are looked for"
        )
    remap = choose(found, contract, map or {}, only, drop, unlisted)
    chosen = {"map": dict(map or {}), "only": sorted(only), "drop": sorted(drop), "unlisted": unlisted, "exif": exif}
    chosen["under_nodata"] = under_nodata
    if not found.items:
        refuse_nothing(found.receipt.skipped_images, "convert.nothing")
    if images != "none":
        reading, notes = settled(reading, [item.image for item in found.items if item.image is not None], run)
        found.receipt.notes += notes
    ruled = {} if rule is None else {"group": group, **rule.facts}
    options_used = {
        "format": format, "split": split, **found.options, **chosen, **ruled, **told(bands, alpha, vrt, subdataset),
    }  # fmt: skip
    read = [*found.inputs, *([] if contract is None else [Input.of(place(source) / CONTRACT)])]
    made_by = made_of("convert", options_used, [msgspec.structs.asdict(one) for one in read])
    root = place(destination)
    refuse_images(root, images, (item.image for item in found.items if item.image is not None))
    dataset = Dataset(root, remap.labels, (), made_by, images, reading)
    given = {"source": absolute(source), "given": {name: str(value) for name, value in options.items()}}
    inputs = list(read_files(source, {**options, "group": None if rule is None else rule.table}, found.items))
    if (there := finished(dataset, inputs, partial(is_same, items=found.items), overwrite=overwrite)) is not None:
        return there
    with resumable(dataset, Converted, given, inputs, overwrite=overwrite, run=run) as job:
        work = partial(convert_item, target=Target(job.root, remap, images, exif, max_pixels, reading))
        job.work(work, found.items, lambda item: item.id, reads=read_stamps)
        receipt = closed_receipt(found, job)
        if not (allow_empty or found.predicted):
            refuse_unpainted(receipt, job.samples, remap.labels, source)
        digest = labels_digest((one.name, one.inputs) for one in job.done.values())
        return job.save(lambda whole: receipt_json(receipt, found, remap, whole, digest))


def choose(
    found: Source,
    contract: Contract | None,
    renames: Mapping[str, str],
    only: Sequence[str],
    drop: Sequence[str],
    unlisted: Unlisted | None,
) -> Remap:
    """The remap to the chosen classes, of those of the contract if there is one. Raises `OptionError` as `choose_classes`."""
    if contract is None:
        return choose_classes(found.labels, renames, only, drop, unlisted)
    labels, ids = with_contract(found, contract)
    return through(ids, choose_classes(labels, renames, only, drop, unlisted))


def grouped(found: Source, rule: Rule) -> Source:
    """The same source, with groups by a rule, and a note of what they came to. Raises `OptionError`."""
    names = group_names(rule, found.items)
    sizes = Counter(name for name in names if name is not None)
    if sizes:
        name, most = max(sizes.items(), key=lambda size: size[1])
        found.receipt.notes.append(f"{len(sizes):,} groups of images, the largest {name!r} of {most:,}")
    items = [item._replace(group=name) for item, name in zip(found.items, names, strict=True)]
    return replace(found, items=items)


def read_files(source: str | Path, options: Mapping[str, Any], items: Sequence[Item]) -> Iterator[str | Path]:
    """All files and folders that a conversion reads."""
    yield source
    named = [one for value in options.values() for one in (value.values() if isinstance(value, Mapping) else [value])]
    yield from (value for value in named if isinstance(value, str | Path) and place(value).is_file())
    for item in items:
        yield from (path for path in (item.image, *item.annotation.files) if path is not None)


def read_stamps(item: Item) -> list[Stamp]:
    """The files that an item is made from: label files with their SHA-256."""
    return [*stamps(item.annotation.files, digest=True), *stamps([item.image])]


def labels_digest(items: Iterable[tuple[str, Sequence[Stamp]]]) -> str | None:
    """SHA-256 of the label files of all items, by the items' names; None if no file holds the labels of a single item."""
    lines = sorted(f"{name} {stamp.sha256}" for name, inputs in items for stamp in inputs if stamp.sha256 is not None)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest() if lines else None


def is_same(there: Dataset, items: Sequence[Item]) -> bool:
    """Whether a dataset has been converted from exactly these label files and images."""
    made, images = {sample.id for sample in there}, {item.id: item.image for item in items}
    kept = (item for item in items if item.id in made)  # the others were left out
    digest = labels_digest((item.id, stamps(item.annotation.files, digest=True)) for item in kept)
    if there.read_receipt().get("label_files") != digest or made - images.keys():
        return False
    return there.images in ("none", "copy") or all(
        images[sample.id] is not None and real(there.image_path(sample)) == real(str(images[sample.id]))
        for sample in there
        if sample.image is not None
    )


def closed_receipt(found: Source, job: Job[Converted]) -> Receipt:
    """What the reader has found, and what came of each item. Raises `DataError` if every one was left out."""
    receipt = found.receipt
    for item in found.items:
        if (problem := job.failed.get(item.id)) is not None:
            receipt.add(left_out(item.id, item.annotation.ids, problem))
    for entry in job.done.values():
        receipt.add(entry.receipt)
    receipt.close()
    if receipt.alphas:
        what = "data" if job.dataset.reading.alpha is False else "transparency"
        receipt.notes.append(
            f"images of formats that have alpha, such as PNG: {receipt.alphas:,}, it is taken for {what} (--alpha)"
        )
    if not job.done:
        refuse_nothing(receipt.skipped_images, "convert.nothing")
    return receipt


def convert_item(item: Item, target: Target) -> Converted:
    """Draw one item, write its mask (and link or copy its image), and return its line. Raises `DataError`."""
    limit = MAX_PIXELS if target.max_pixels is None else target.max_pixels
    with located(sample=item.id), ExitStack() as stack:
        if item.size is not None:
            refuse_larger(item.size, limit)
        facts = None
        if target.images != "none" and item.image is not None:
            facts = facts_of(item.image, target, limit)
        drawn: Drawn | Banded | None = None
        if hasattr(item.annotation, "bands"):  # isinstance of a protocol takes 30 microseconds
            drawn = stack.enter_context(cast(LargeAnnotation, item.annotation).bands(target.remap))
        if drawn is None:
            drawn = item.annotation.draw(target.remap)
        height, width = drawn.size
        if target.max_pixels is not None:
            refuse_larger(drawn.size, limit)
        receipt = drawn.receipt
        exif = None
        if facts is not None and item.image is not None:
            exif, doubtful = which_way_up(facts, drawn.size, item.exif or target.exif, item.image)
            if doubtful and item.exif is None:
                note = f"its size cannot tell whether labels are raw or upright: taken as {exif}"
                receipt.exif.append(Problem("image.exif", note, sample=item.id))
            receipt.alphas = int(facts.alpha)
        if facts is not None and (facts.gaps or target.reading.alpha) and item.image is not None:
            opening = open_image(item.image, exif=exif, reading=target.reading)
            drawn = over_data(drawn, opening, target.remap.labels.ignore)
        mask = f"masks/{item.id}.png"
        counts, sha256 = write_drawn(target.root / mask, drawn, target.remap.labels)
        scores = None
        if hasattr(item.annotation, "scores"):
            scores = f"scores/{item.id}.tif"
            parts = cast(ScoredAnnotation, item.annotation).scores()
            write_scores(target.root / scores, drawn.size, len(target.remap.labels.classes), parts)
    receipt.at(item.id)  # what is drawn by rows is told by then
    receipt.images = receipt.converted = 1
    sample = Sample(
        id=item.id,
        split=item.split,
        image=None if item.image is None else place_image(item.image, item.id, target.root, target.images),
        mask=mask,
        height=height,
        width=width,
        counts=counts,
        sha256=sha256,
        group=item.group,
        exif=exif,
        scores=scores,
    )
    return Converted(item.id, [sample], receipt)


def facts_of(image: str, target: Target, limit: int) -> ImageFacts:
    """What an image's file says of itself. Raises `DataError`, as where it is too large or has not the bands that are chosen."""
    facts = read_facts(image, max_pixels=limit, reading=target.reading)
    if target.max_pixels is not None:
        refuse_larger((facts.height, facts.width), limit, image)
    if target.reading.bands:
        with open_image(image, reading=target.reading):
            pass
    return facts


def refuse_larger(size: tuple[int, int], limit: int, file: str | None = None) -> None:
    """Raise `DataError` (`image.too_large`) for more pixels than `limit`."""
    if size[0] * size[1] > limit:
        what = f"{size[1]} x {size[0]} pixels are more than the limit of {limit} (--max-pixels)"
        raise DataError(Problem("image.too_large", what, file=file))


def write_drawn(path: Place, drawn: Drawn | Banded, labels: Labels) -> tuple[dict[int, int], str]:
    """Write a mask; how often each value occurs in it, and the SHA-256 of the file. The bytes are the same either way."""
    if isinstance(drawn, Drawn):
        data = write_mask(path, drawn.mask)
        counts = tally(drawn.mask) if drawn.counts is None else drawn.counts
        return counts, hashlib.sha256(data).hexdigest()
    total: Counter[int] = Counter()
    with MaskWriter(path, *drawn.size, labels.dtype) as writer:
        for rows in drawn.rows:
            total.update(tally(rows))
            writer.write(rows)
    return dict(sorted(total.items())), writer.sha256


def which_way_up(facts: ImageFacts, size: tuple[int, int], exif: Exif, file: str) -> tuple[Exif | None, bool]:
    """Whether labels of `size` (height, width) lie on the raw or the upright pixels, and whether that had to be assumed.

    Raises `DataError` (`image.size`) where they lie on neither.
    """
    raw, upright = (facts.height, facts.width), facts.upright
    if size not in (raw, upright):
        both = f"{raw[1]} x {raw[0]}" + (f" ({upright[1]} x {upright[0]} upright)" if upright != raw else "")
        message = (
            f"the image is {both} but its labels are {size[1]} x {size[0]} (width x height): are they of another copy?"
        )
        raise DataError(Problem("image.size", message, file=file))
    if facts.orientation == 1:
        return None, False
    if raw == upright:
        return exif, True
    return ("raw" if size == raw else "upright"), False
