"""What is on both sides of a split, and pictures that a split has twice."""

from __future__ import annotations

import posixpath
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence

import numpy as np

from segdata.dataset import Sample
from segdata.duplicates import Link, clusters, copies, near_links
from segdata.findings import Finding, Looked, Repairs, among


def leak_findings(looked: Looked, exact: list[Link], alike: list[Link], repairs: Repairs) -> list[Finding]:
    """Groups, parents, pictures and duplicates (see `duplicates`) that several splits share, and duplicates inside one."""
    samples = [sample for sample, _ in looked]
    parents = {sample.parent for sample in samples}
    by_parent = repairs.split("parent")
    findings = _shared(samples, lambda s: s.group, "leak.group", "the group {} is", repairs.split("group"))
    findings += _shared(
        samples, lambda s: s.parent or (s.id if s.id in parents else None), "leak.parent", "tiles of {} are", by_parent
    )
    findings += _shared(samples, _file, "leak.image", "the picture {} is", by_parent)
    for links, code, what in (
        (exact, "exact", "the same picture (byte for byte)"),
        (alike, "near", "nearly the same picture (or its mirror image)"),
    ):
        findings += [_duplicate(cluster, looked, code, what, repairs) for cluster in clusters(links)]
    return findings + _split_notes(samples, repairs)


def duplicates(looked: Looked, near: int) -> tuple[list[Link], list[Link]]:
    """Links of exact copies and of near duplicates, by position. Pictures with nearly nothing to see are in neither.

    Of exact copies only the first takes part in the near ones. Samples that are related (see `_related`) are not near
    duplicates, and where they are in different splits no exact ones either: that they are is a finding of its own.
    """
    looks = [None if seen.look is None or seen.look.plain else seen.look for _, seen in looked]
    exact = [
        link
        for link in copies(None if look is None else (look.sha256, look.crop) for look in looks)
        if not (_related(looked, link) and _splits(looked, link))
    ]
    later = {link.second for link in exact}
    rest = {i: look.prints for i, look in enumerate(looks) if look is not None and i not in later}
    place = list(rest)
    alike = [Link(d, place[a], place[b]) for d, a, b in near_links(np.array(list(rest.values())), near)]
    return exact, [link for link in alike if not _related(looked, link)]


def _related(looked: Looked, link: Link) -> bool:
    """Whether two samples are known to belong together: of one group, one parent, or one picture file."""
    a, b = looked[link.first][0], looked[link.second][0]
    return any(x is not None and x == y for x, y in ((a.group, b.group), (a.parent, b.parent), (a.image, b.image)))


def _splits(looked: Looked, link: Link) -> list[str]:
    """The splits of two samples, where they are two."""
    both = {s for i in (link.first, link.second) if (s := looked[i][0].split) is not None}
    return sorted(both) if len(both) == 2 else []


def _file(sample: Sample) -> str | None:
    return None if sample.image is None or sample.parent is not None else posixpath.normpath(sample.image)


def _shared(
    samples: Sequence[Sample], key: Callable[[Sample], Hashable], code: str, what: str, repair: str
) -> list[Finding]:
    """A finding for each key that samples of several splits have."""
    groups: dict[Hashable, list[Sample]] = defaultdict(list)
    for sample in samples:
        if sample.split is not None and (value := key(sample)) is not None:
            groups[value].append(sample)
    findings = []
    for value, group in groups.items():
        splits = Counter(str(sample.split) for sample in group)
        if len(splits) > 1:
            where = ", ".join(f"{name} ({n:,})" for name, n in sorted(splits.items()))
            ids = tuple(sorted(sample.id for sample in group))
            findings.append(
                Finding("error", code, f"{what.format(repr(value))} in several splits: {where}", repair, ids)
            )
    return findings


def _duplicate(cluster: list[Link], looked: Looked, code: str, what: str, repairs: Repairs) -> Finding:
    """The finding about pictures that are alike: an error where a link of theirs leads from one split into another."""
    places = sorted({i for link in cluster for i in (link.first, link.second)})
    ids = tuple(looked[i][0].id for i in places)
    masks = {looked[i][1].mask for i in places} - {None}
    differ = ", and their masks differ" if code == "exact" and len(masks) > 1 else ""
    bits = "" if code == "exact" else f"; the closest differ in {cluster[0].distance} of 256 bits"
    across = next((link for link in cluster if _splits(looked, link)), None)
    if across is None:
        message = f"{what}{among(ids)}{differ}{bits}"
        splits = {looked[i][0].split for i in places}
        return Finding(
            "warning", f"duplicate.{code}", message, "keep one of them", ids, splits.pop() if len(splits) == 1 else None
        )
    a, b = (looked[i][0] for i in (across.first, across.second))
    bits = "" if code == "exact" else f" ({across.distance} of 256 bits differ)"
    message = f"{what} in two splits: {a.id} in {a.split}, {b.id} in {b.split}{bits}{differ}"
    return Finding("error", f"leak.{code}", message, f"{repairs.split('duplicates')}, or keep one of them", ids)


def _split_notes(samples: Sequence[Sample], repairs: Repairs) -> list[Finding]:
    """What the names of the splits alone give away."""
    splits = {sample.split for sample in samples}
    none = tuple(sample.id for sample in samples if sample.split is None)
    repair = f"segdata split {repairs.here} DST --ratios train=0.8,val=0.1,test=0.1"
    notes = []
    unseen = tuple(sample.id for sample in samples if sample.image is None)
    if unseen:
        message = f"no picture, so duplicates were not looked for{among(unseen)}"
        notes.append(Finding("note", "duplicate.unseen", message, "convert with pictures (--images reference)", unseen))
    if samples and len(none) == len(samples):
        notes.append(Finding("note", "split.none", "no sample is in a split", repair))
    elif none:
        notes.append(Finding("warning", "split.partial", f"no split{among(none)}", repair, none))
    elif len(splits) == 1:
        notes.append(Finding("note", "split.single", f"all samples are in one split, {splits.pop()!r}", repair))
    return notes
