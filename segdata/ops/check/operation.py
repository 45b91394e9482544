"""The integrity gate: what is wrong with a dataset, and the command that mends it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np

from segdata.dataset.crops import crop_links, image_encoder
from segdata.dataset.dataset import Dataset
from segdata.dataset.duplicates import FARTHEST, NEAR, Look, read_looks
from segdata.dataset.faults import depth_fault, fits, value_fault
from segdata.dataset.groups import CROPS, DUPLICATES
from segdata.dataset.sample import Images, Sample
from segdata.errors import DataError, OptionError, Problem
from segdata.executors.run import Run
from segdata.files.alignment import Ground, elsewhere, not_there, read_ground
from segdata.files.file import open_file
from segdata.files.opening import open_image, open_mask
from segdata.files.places import leads_out, links_out, only_gdal_opens
from segdata.files.png import is_palette_png
from segdata.files.reading import AS_IT_IS, Reading
from segdata.files.remote import Place, is_remote
from segdata.kernels.regions import region_areas, unequal_regions
from segdata.labels import Labels, Mask, tally
from segdata.ops.check.findings import SPOTS, Checked, Finding, Repairs, Seen, Spot
from segdata.ops.check.leaks import comparable, duplicates, leak_findings, unseen_leaks
from segdata.ops.check.manifest import manifest_findings
from segdata.ops.check.nodata import nodata_findings
from segdata.ops.check.overlaps import overlap_findings, pairs_to_compare
from segdata.ops.check.proposals import Proposals
from segdata.ops.check.wholes import whole_findings


@dataclass(frozen=True, slots=True)
class MaskFile:
    """A mask file as it is: (H, W) `values`, whether it is a palette PNG, and where it lies if it says so."""

    sha256: str
    values: Mask
    palette: bool
    ground: Ground | None


@dataclass(frozen=True, slots=True)
class Rules:
    """All that samples are checked against, apart from their manifest lines. Regions of fewer than `speck` pixels are specks.

    `thumbs` are the ids of images that are kept in small.
    """

    root: Place
    labels: Labels
    images: Images
    repairs: Repairs
    masks: bool
    speck: int
    thumbs: frozenset[str]
    reading: Reading = AS_IT_IS

    @property
    def dataset(self) -> Dataset:
        """The dataset, without its samples."""
        return Dataset(self.root, self.labels, (), {}, self.images, self.reading)


def check(
    dataset: Dataset | str | Path,
    *,
    splits_only: bool = False,
    void_share: float = 0.5,
    speck: int = 5,
    near: int = NEAR,
    crops: bool = False,
    run: Run | None = None,
) -> Checked:
    """Read every mask and image once and say what is wrong with them, with the manifest, the classes and the splits.

    The findings are the same whatever the executor. See `segdata.dataset.duplicates` for near duplicates, and
    `segdata.dataset.crops`. Raises `OptionError`, `DatasetError` if there is no dataset to check, and `MissingDependency`
    for `crops`.

    Args:
        dataset: The dataset, or its folder.
        splits_only: Only look for what leaks from one split into another, and for images that cannot be read for it. No
            mask is read.
        void_share: Warn of a mask if more than this share of its pixels is ignored.
        speck: Regions of fewer pixels are specks; 0 looks for none.
        near: In how many of 256 bits the hashes of near duplicates may differ, up to 31.
        crops: Look for images too that are cropped out of one another, or turned by any angle. Takes the extras train and
            weights, and more time.
    """
    if not 0 <= void_share <= 1 or speck < 0 or not 0 <= near <= FARTHEST:
        raise OptionError(f"--void-share must be 0 to 1, --speck 0 or more, --near 0 to {FARTHEST}")
    dataset = Dataset.of(dataset)
    run = run or Run()
    encode = image_encoder() if crops else None
    repairs = Repairs(dataset.root, dataset.made_by)
    ordered = sorted(dataset, key=lambda s: s.id)
    pairs = pairs_to_compare(ordered)
    thumbs = frozenset(ordered[i].id for pair in pairs for i in pair)
    rules = Rules(
        dataset.root, dataset.labels, dataset.images, repairs, not splits_only, speck, thumbs, dataset.reading
    )
    seen = read_all(dataset.samples, rules, run)
    looked = [(sample, seen[sample.id]) for sample in ordered]
    exact, alike = duplicates(looked, near)
    cropped = []
    if encode is not None:
        whole = replace(dataset, samples=ordered)
        cropped = crop_links(whole, *comparable(looked, [*exact, *alike]), encode, run)
    links = [*exact, *alike, *cropped]
    proposals = Proposals(dataset, looked, links, CROPS if crops else DUPLICATES)
    findings = leak_findings(looked, {"exact": exact, "near": alike, "crop": cropped}, proposals)
    findings += overlap_findings(looked, pairs, links)
    records = manifest_findings(dataset, repairs)
    if splits_only:  # what keeps images from being compared matters, duplicates inside a split do not
        findings = [one for one in findings if one.level != "warning" or one.code.startswith("leak.")]
        findings += [finding for _, one in looked if one.look is None for finding in one.findings]
        findings += [finding for finding in records if finding.code in ("path.outside", "manifest.images")]
    else:
        findings += [finding for _, one in looked for finding in one.findings]
        findings += records
        findings += whole_findings(dataset.labels, looked, [*exact, *alike], void_share, speck, proposals)
    splits = Counter(sample.split for sample in dataset)
    unseen = unseen_leaks(crops) if splits_only else ()
    return Checked(
        tuple(sorted(findings, key=lambda f: f.rank)), len(dataset), dict(sorted(splits.items(), key=str)), unseen
    )


def read_all(samples: Sequence[Sample], rules: Rules, run: Run) -> dict[str, Seen]:
    """What is seen of each sample, by id. Raises `DataError`."""
    seen: dict[str, Seen] = {}
    for some, result in run.map(partial(check_item, rules=rules), files_of(samples)):
        if isinstance(result, Problem):
            raise DataError(result)
        seen.update(zip((sample.id for sample in some), result, strict=True))
    return seen


def files_of(samples: Sequence[Sample]) -> list[tuple[Sample, ...]]:
    """The samples by the image (where there is none, the mask) that they are cut from, so that it is decoded once."""
    groups: dict[tuple[str, str | None], list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[(sample.image or sample.mask, sample.exif)].append(sample)
    return [tuple(group) for group in groups.values()]


def check_item(samples: tuple[Sample, ...], rules: Rules) -> list[Seen]:
    """Check the samples of one image file against their files."""
    read = cache(partial(_read_mask_file, rules.root))  # virtual tiles share it
    seen = []
    for sample, (look, findings) in zip(samples, check_images(samples, rules), strict=True):
        one = check_mask(sample, rules, read) if rules.masks else Seen()
        one.look = look
        one.findings += findings
        seen.append(one)
    return with_nodata(samples, seen, rules)


def with_nodata(samples: tuple[Sample, ...], seen: list[Seen], rules: Rules) -> list[Seen]:
    """The same, with what labels lie where the image has no data, of samples with which nothing else is wrong."""
    gaps = any(one.look is not None and one.look.facts.gaps for one in seen)
    if gaps and rules.masks and rules.reading.under_nodata == "ignore":
        whole = {s.id: one for s, one in zip(samples, seen, strict=True) if not one.findings}
        found = nodata_findings([s for s in samples if s.id in whole], rules.dataset, rules.repairs)
        for finding in found:
            whole[finding.samples[0]].findings.append(finding)
    return seen


def check_images(samples: tuple[Sample, ...], rules: Rules) -> list[tuple[Look | None, list[Finding]]]:
    """For each sample of one image file: its look, where it can be read, and what is wrong with it."""
    image = samples[0].image
    if image is None or rules.images == "none" or (rules.images == "copy" and leads_out(image)):
        return [(None, []) for _ in samples]  # whatever is wrong here, the manifest tells
    if only_gdal_opens(image):
        return [(None, []) for _ in samples]  # it is looked at where it is used
    try:
        if rules.images == "copy":
            refuse_link(rules.root, image, "image")
        looks = read_looks(image if is_remote(image) else rules.root / image, samples, rules.thumbs, rules.reading)
    except DataError as error:
        return [(None, [_error(sample, error.problem, image, "put the image back")]) for sample in samples]
    lacking = _lacking_bands(image, samples, rules)
    return [(look, lacking + _image_findings(one, look, rules)) for one, look in zip(samples, looks, strict=True)]


def _lacking_bands(image: str, samples: tuple[Sample, ...], rules: Rules) -> list[Finding]:
    """What is wrong with an image file that has not the bands which the dataset reads. It is not opened if it reads all."""
    if not rules.reading.bands:
        return []
    try:
        with open_image(image if is_remote(image) else rules.root / image, reading=rules.reading):
            return []
    except DataError as error:
        ids = tuple(sample.id for sample in samples)
        return [
            Finding(
                "error",
                error.problem.code,
                error.problem.message,
                f"put back an image that has it, or {rules.repairs.again}",
                ids,
            )
        ]


def _image_findings(sample: Sample, look: Look, rules: Rules) -> list[Finding]:
    findings = []
    facts = look.facts
    height, width = facts.upright if sample.exif == "upright" else (facts.height, facts.width)
    y, x, h, w = sample.crop or (0, 0, height, width)
    if not fits((height, width), sample):
        what = f"the image is {width} x {height}" + (
            f", cut to {w} x {h} at row {y}, column {x}" if sample.crop else ""
        )
        message = f"{what}, its mask {sample.width} x {sample.height} (width x height)"
        findings.append(
            Finding("error", "image.size", message, f"put the image back, or {rules.repairs.again}", (sample.id,))
        )
    if facts.orientation != 1 and sample.exif is None:
        message = f"its EXIF orientation is {facts.orientation}, and the manifest has not which way up its labels lie"
        findings.append(Finding("warning", "image.exif", message, rules.repairs.again, (sample.id,)))
    return findings


def check_mask(sample: Sample, rules: Rules, read: Callable[[str], MaskFile]) -> Seen:
    """Check a mask file against the manifest's line; `read` reads the file at a path."""
    if leads_out(sample.mask):
        return Seen()
    try:
        file = read(sample.mask)
    except DataError as error:
        return Seen([_error(sample, error.problem, sample.mask, rules.repairs.again)])
    mask = file.values if sample.crop is None else file.values[sample.crop.slices]
    if (view := sample.view) is not None and mask.shape == view.crop[2:]:
        mask = view.mask(mask, rules.labels.ignore)
    counts = tally(mask)
    faults = list(_mask_faults(sample, mask, counts, rules.labels).items())
    if file.sha256 != sample.sha256:
        what = "its bytes are not those that were written (sha256): edited, saved again, or replaced"
        faults.append(("mask.changed", what))
    if (fault := _place_fault(sample, file.ground, rules)) is not None:
        faults.append(("mask.elsewhere", fault))
    findings = [Finding("error", code, what, rules.repairs.again, (sample.id,)) for code, what in faults]
    specks, spots = (0, ()) if findings or rules.speck < 2 else _specks(sample, mask, rules)
    if file.palette:
        message = "a palette PNG, which other libraries open as colours: class ids are to be grey"
        findings.append(Finding("warning", "mask.palette", message, rules.repairs.again, (sample.id,)))
    return Seen(findings, counts=counts, mask=(file.sha256, sample.crop), specks=specks, spots=spots)


def _specks(sample: Sample, mask: Mask, rules: Rules) -> tuple[int, tuple[Spot, ...]]:
    """How many specks a mask has, and where the first ones are."""
    areas, values = region_areas(mask)
    count = int(np.count_nonzero((areas < rules.speck) & (values != rules.labels.ignore)))
    if not count:
        return 0, ()
    regions = unequal_regions(mask, mask + mask.dtype.type(1))  # each region is unequal to it, and to it alone
    tiny = regions[(regions[:, 6] < rules.speck) & (regions[:, 0] != rules.labels.ignore)][:SPOTS]
    name = rules.labels.name
    return count, tuple(Spot(sample.id, name(v), n, y, x, h, w) for v, _, y, x, h, w, n in tiny.tolist())


def _mask_faults(sample: Sample, mask: Mask, counts: dict[int, int], labels: Labels) -> dict[str, str]:
    """Code and message of what a mask's values have wrong."""
    faults = {}
    if (fault := depth_fault(8 * mask.itemsize, labels)) is not None:
        faults["mask.depth"] = fault
    if mask.shape != sample.size:
        size = f"{mask.shape[1]} x {mask.shape[0]}"
        faults["mask.size"] = f"is {size}, the manifest has {sample.width} x {sample.height} (width x height)"
    if (fault := value_fault(counts, labels)) is not None:
        faults["mask.values"] = fault
    listed_counts = {value: n for value, n in sample.counts.items() if n}
    if not faults and counts != listed_counts:
        value = min(v for v in counts.keys() | listed_counts.keys() if counts.get(v) != listed_counts.get(v))
        both = f"{counts.get(value, 0):,} pixels of value {value}, the manifest has {listed_counts.get(value, 0):,}"
        faults["mask.counts"] = f"holds {both}"
    return faults


def _place_fault(sample: Sample, mask: Ground | None, rules: Rules) -> str | None:
    """What is wrong with the place of a mask file: it is another than the image file's."""
    path = sample.image
    if mask is None or path is None or rules.images == "none" or (rules.images == "copy" and leads_out(path)):
        return None
    grounds = elsewhere(mask, path if is_remote(path) else rules.root / path)
    return None if grounds is None else not_there(*grounds)


def _read_mask_file(root: Place, path: str) -> MaskFile:
    refuse_link(root, path, "mask")
    with open_file(root / path, "mask") as file, open_mask(file) as opened:
        palette = is_palette_png(file.head)
        return MaskFile(file.sha256, opened.read(), palette, read_ground(file) if file.access == "windows" else None)


def refuse_link(root: Place, path: str, kind: str) -> None:
    """Raise `DataError` for a link that leads out of the dataset, as every command that reads the file does."""
    if links_out(root, path):
        raise DataError(Problem(f"{kind}.outside", "is a link that leads out of the dataset"))


def _error(sample: Sample, problem: Problem, file: str, repair: str) -> Finding:
    return Finding("error", problem.code, f"{file}: {problem.message}", repair, (sample.id,))
