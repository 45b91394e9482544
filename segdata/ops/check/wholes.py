"""What can be told only of many samples together: classes that are absent, masks that are empty or alike, odd images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from segdata.dataset.duplicates import Link, clusters, copies
from segdata.dataset.sample import Sample
from segdata.labels import Labels
from segdata.ops.check.findings import Finding, Level, Looked, Seen, Spot, among
from segdata.ops.check.proposals import Proposals
from segdata.words import some

BY_HAND = "look at them (segdata preview), and label again or leave out what is wrong"

READ_AS = {
    1: "grey as red, green and blue",
    2: "grey as red, green and blue, alpha left out,",
    3: "red, green and blue",
    4: "red, green and blue, alpha left out or made from CMYK,",
}
"""What images of so many channels are read as."""


def whole_findings(
    labels: Labels, looked: Looked, alike: Sequence[Link], void_share: float, speck: int, proposals: Proposals
) -> list[Finding]:
    """The findings about a dataset's classes, masks and images as wholes; `alike` links samples of like images."""
    findings = _absent(labels, looked, proposals) if looked else []
    findings += _mask_findings(labels, looked, void_share, speck)
    return findings + _same_masks(looked, alike) + _odd_images(looked)


def _counts(sample: Sample, seen: Seen) -> dict[int, int]:
    """The mask's own counts; where it cannot be read, the manifest's."""
    return sample.counts if seen.counts is None else seen.counts


def _absent(labels: Labels, looked: Looked, proposals: Proposals) -> list[Finding]:
    """Classes without a pixel, in all and in a split."""
    held: dict[str | None, set[int]] = defaultdict(set)
    for sample, seen in looked:
        held[sample.split].update(value for value, n in _counts(sample, seen).items() if n > 0)
    everywhere = set().union(*held.values())
    absent = [label.name for label in labels.classes if label.id not in everywhere]
    findings = []
    if absent:
        message = f"{len(absent)} of {len(labels.classes)} classes without a pixel: {some(absent)}"
        findings.append(
            Finding("warning", "class.absent", message, "convert with --drop, or add images that have them")
        )
    for split in sorted({sample.split for sample, _ in looked if sample.split is not None}):
        missing = [label.name for label in labels.classes if label.id in everywhere - held[split]]
        if missing:
            message = f"without a pixel, though other splits have some: {some(missing)}"
            findings.append(Finding("warning", "class.split", message, proposals.reach(missing), split=split))
    return findings


def _mask_findings(labels: Labels, looked: Looked, void_share: float, speck: int) -> list[Finding]:
    """Masks of ignored pixels alone, of mostly ignored ones, of one value, and with specks."""
    empty, mostly, single, specked = [], [], [], []
    specks = 0
    spots: list[Spot] = []
    for sample, seen in looked:
        counts = {value: n for value, n in _counts(sample, seen).items() if n > 0}
        if counts.keys() == {labels.ignore}:
            empty.append(sample.id)
        elif counts.get(labels.ignore, 0) > void_share * sum(counts.values()):
            mostly.append(sample.id)
        elif len(counts) == 1 and len(labels.classes) > 1:
            single.append(sample.id)
        if seen.specks:
            specked.append(sample.id)
            specks += seen.specks
            spots += seen.spots
    noun = "speck" if specks == 1 else "specks"
    found: tuple[tuple[Level, str, str, list[str]], ...] = (
        ("warning", "mask.void", "all pixels are ignored (nothing is labelled)", empty),
        ("warning", "mask.mostly_void", f"more than {100 * void_share:g} % of the pixels are ignored", mostly),
        ("note", "mask.single", "one value only", single),
        ("note", "mask.specks", f"{specks:,} {noun} (regions of fewer than {speck} pixels)", specked),
    )
    where = {"mask.specks": tuple(spots)}
    return [
        Finding(level, code, what + among(ids), BY_HAND, tuple(ids), spots=where.get(code, ()))
        for level, code, what, ids in found
        if ids
    ]


def _same_masks(looked: Looked, alike: Sequence[Link]) -> list[Finding]:
    """Masks that images share which are not known to be alike; masks of one value say nothing."""
    images: dict[int, object] = {
        i: i if seen.look is None else (seen.look.sha256, seen.look.crop) for i, (_, seen) in enumerate(looked)
    }
    for cluster in clusters(alike):
        images.update({i: images[cluster[0].first] for link in cluster for i in (link.first, link.second)})
    keys = [seen.mask if seen.counts is not None and len(seen.counts) > 1 else None for _, seen in looked]
    findings = []
    for cluster in clusters(copies(keys)):
        places = sorted({i for link in cluster for i in (link.first, link.second)})
        if len({images[i] for i in places}) > 1:
            ids = tuple(looked[i][0].id for i in places)
            message = f"the same mask, but different images{among(ids)}"
            findings.append(Finding("warning", "mask.same", message, BY_HAND, ids))
    return findings


def _odd_images(looked: Looked) -> list[Finding]:
    """Images with another number of channels than most, and those with next to nothing on them."""
    bands: dict[int, list[str]] = defaultdict(list)
    for sample, seen in looked:
        if seen.look is not None:
            bands[seen.look.bands].append(sample.id)
    ranked = sorted(bands.items(), key=lambda kv: (-len(kv[1]), kv[0]))
    findings = []
    for n, ids in ranked[1:]:
        message = f"{n} colour channels where most have {ranked[0][0]}{among(ids)}"
        right = f"nothing, where {READ_AS[n]} is right; else " if n in READ_AS else ""
        how = f"{right}save them like the others"
        findings.append(Finding("warning", "image.channels", message, how, tuple(ids)))
    plain = tuple(sample.id for sample, seen in looked if seen.look is not None and seen.look.plain)
    if plain:
        message = f"a nearly empty image (hardly any contrast){among(plain)}"
        findings.append(Finding("warning", "image.plain", message, BY_HAND, plain))
    return findings
