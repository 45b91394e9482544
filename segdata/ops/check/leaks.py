"""What is on both sides of a split, and images that a split has twice."""

from __future__ import annotations

import posixpath
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from itertools import combinations

import numpy as np

from segdata.dataset.duplicates import Link, clusters, copies, near_links
from segdata.dataset.sample import Sample
from segdata.ops.check.findings import Finding, Looked, among
from segdata.ops.check.frames import frame_findings
from segdata.ops.check.proposals import Proposals

WHAT = {
    "exact": "the same image (byte for byte)",
    "near": "nearly the same image (it may be mirrored or turned)",
    "crop": "parts of one image (it may be turned)",
}
"""What links of each kind join."""


def unseen_leaks(crops: bool) -> tuple[str, ...]:
    """What leaks between splits and is not looked for; `crops`: crops were."""
    cropped = "crops of one scene that share less than a quarter, or show little detail"
    if not crops:
        how = "scaled, or turned by other than right angles, or share less than a fifth"
        cropped = f"crops of one scene that were {how} (of pairs, some are compared; --crops compares them all)"
    return (
        cropped,
        "one person, place or day in several images without a group",
        "frames that are further apart than 5, are in two stated groups (blocks too), or have ids that do not run on",
    )


def leak_findings(looked: Looked, links: Mapping[str, list[Link]], proposals: Proposals) -> list[Finding]:
    """Groups, parents, images and frames that several splits share, what is linked across splits, and inside one.

    `links`: by their kind in `WHAT`, of samples by position.
    """
    samples = [sample for sample, _ in looked]
    findings = _shared(_by(samples, lambda s: s.group), "leak.group", "the group {} is", proposals)
    parents = {sample.parent for sample in samples}
    tiles = _by(samples, lambda s: s.parent or (s.id if s.id in parents else None))
    blocks = {parent: tiles.pop(parent) for parent, group in list(tiles.items()) if _are_blocks(group)}
    findings += _shared(tiles, "leak.parent", "tiles of {} are", proposals)
    findings += [_blocks(parent, group) for parent, group in blocks.items()]
    findings += _shared(_by(samples, _file), "leak.image", "the image {} is", proposals)
    findings += frame_findings(looked, proposals)
    for code, own in links.items():
        findings += [_duplicate(cluster, looked, code, proposals) for cluster in clusters(own)]
    return findings + _split_notes(samples, proposals)


def duplicates(looked: Looked, near: int) -> tuple[list[Link], list[Link]]:
    """Links of exact copies and of near duplicates, by position: of images with nothing to see neither, with little exact ones.

    Of exact copies only the first takes part in the near ones, one that is in a split if there is any. Samples that are
    related (see `_related`) are not near duplicates, and where they are in different splits no exact ones either: that they
    are is a finding of its own.
    """
    order = sorted(range(len(looked)), key=lambda i: looked[i][0].split is None)
    looks = [looked[i][1].look for i in order]
    same = [(order[a], order[b]) for _, a, b in copies(look and look.key for look in looks)]
    same = [pair for pair in same if not (_related(looked, *pair) and len(_splits(looked, pair)) > 1)]
    later = {second for _, second in same}
    rest = {i: look.prints for i, look in zip(order, looks, strict=True) if look and not look.plain and i not in later}
    place = list(rest)
    near_ones = [(d, place[a], place[b]) for d, a, b in near_links(np.array(list(rest.values())), near)]
    exact = [Link(0, min(pair), max(pair)) for pair in same]
    return exact, [Link(d, min(a, b), max(a, b)) for d, a, b in near_ones if not _related(looked, a, b)]


def comparable(looked: Looked, known: list[Link]) -> tuple[list[int], list[list[Hashable]]]:
    """The samples, by position, in which crops may be looked for, and by what samples are related already (see `crop_links`).

    They are related by a group, a parent, an image file, or by `known` links.
    """
    samples = [sample for sample, _ in looked]
    joined: list[Hashable] = [None] * len(samples)
    for number, cluster in enumerate(clusters(known)):
        for link in cluster:
            joined[link.first] = joined[link.second] = number
    related: list[list[Hashable]] = [
        [s.group for s in samples], [s.parent or s.id for s in samples], [s.image for s in samples], joined
    ]  # fmt: skip
    return [i for i, (_, seen) in enumerate(looked) if seen.look and not seen.look.plain], related


def _related(looked: Looked, first: int, second: int) -> bool:
    """Whether two samples are known to belong together: of one group, one parent, or one image file."""
    a, b = looked[first][0], looked[second][0]
    return any(x is not None and x == y for x, y in ((a.group, b.group), (a.parent, b.parent), (a.image, b.image)))


def _splits(looked: Looked, places: Iterable[int]) -> dict[str, int]:
    """The splits that samples are in, and the first sample in each."""
    found: dict[str, int] = {}
    for i in places:
        if (name := looked[i][0].split) is not None:
            found.setdefault(name, i)
    return found


def _file(sample: Sample) -> str | None:
    return None if sample.image is None or sample.parent is not None else posixpath.normpath(sample.image)


def _by(samples: Iterable[Sample], key: Callable[[Sample], str | None]) -> dict[str, list[Sample]]:
    """The samples that have a split, by a key that is not None."""
    groups: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        if sample.split is not None and (value := key(sample)) is not None:
            groups[value].append(sample)
    return groups


def _shared(groups: Mapping[str, list[Sample]], code: str, what: str, proposals: Proposals) -> list[Finding]:
    """A finding for each group whose samples are in several splits."""
    findings = []
    for value, group in groups.items():
        if len({sample.split for sample in group}) > 1:
            message = f"{what.format(repr(value))} in several splits: {_where(group)}"
            ids = tuple(sorted(sample.id for sample in group))
            findings.append(Finding("error", code, message, proposals.related, ids))
    return findings


def _where(samples: Iterable[Sample]) -> str:
    splits = Counter(str(sample.split) for sample in samples)
    return ", ".join(f"{name} ({n:,})" for name, n in sorted(splits.items()))


def _blocks(parent: str, tiles: Sequence[Sample]) -> Finding:
    message = f"tiles of {parent!r} are in several splits, in blocks that share no pixel: {_where(tiles)}"
    how = "nothing, where neighbours may be in two splits; else split again with a --gap"
    return Finding("note", "split.blocks", message, how, tuple(sorted(tile.id for tile in tiles)))


def _are_blocks(tiles: Sequence[Sample]) -> bool:
    """Whether tiles of an image in several splits are there in groups, one split each, and share no pixel across splits."""
    splits = {(tile.group, tile.split) for tile in tiles}
    if len({split for _, split in splits}) < 2 or len({group for group, _ in splits}) < len(splits):
        return False
    return all(tile.group is not None and tile.window is not None for tile in tiles) and not _overlap(tiles)


def _overlap(tiles: Sequence[Sample]) -> bool:
    """Whether windows of two splits share a pixel."""
    windows = np.array([tile.window for tile in tiles], np.int64)
    splits = np.unique([str(tile.split) for tile in tiles], return_inverse=True)[1]
    start, end = windows[:, :2], windows[:, :2] + windows[:, 2:]
    return any(
        bool(np.any((start < end[i]).all(axis=1) & (start[i] < end).all(axis=1) & (splits != splits[i])))
        for i in range(len(tiles))
    )


def _closeness(code: str, distance: int) -> str:
    """In words, how alike two linked images are; nothing for exact copies."""
    words = {"exact": "", "near": f"differ in {distance} of 256 bits", "crop": f"correlate by {1 - distance / 100:.2f}"}
    return words[code]


def _duplicate(cluster: list[Link], looked: Looked, code: str, proposals: Proposals) -> Finding:
    """The finding about images that are alike: an error where they are in several splits, linked directly or through others."""
    places = sorted({i for link in cluster for i in (link.first, link.second)})
    ids = tuple(looked[i][0].id for i in places)
    masks = {looked[i][1].mask for i in places} - {None}
    differ = ", and their masks differ" if code == "exact" and len(masks) > 1 else ""
    bits = "" if code == "exact" else f"; the closest {_closeness(code, cluster[0].distance)}"
    across = next((link for link in cluster if len(_splits(looked, link[1:])) > 1), None)
    pairs = combinations(_splits(looked, places).values(), 2) if across is None else [across[1:]]
    sides = next((pair for pair in pairs if not _related(looked, *pair)), None)
    if sides is None:
        message = f"{WHAT[code]}{among(ids)}{differ}{bits}"
        splits = {looked[i][0].split for i in places}
        return Finding(
            "warning", f"duplicate.{code}", message, "keep one of them", ids, splits.pop() if len(splits) == 1 else None
        )
    a, b = (looked[i][0] for i in sides)
    bits = "" if code == "exact" or across is None else f" (they {_closeness(code, across.distance)})"
    message = f"{WHAT[code]} in two splits: {a.id} in {a.split}, {b.id} in {b.split}{bits}{differ}"
    return Finding("error", f"leak.{code}", message, proposals.alike, ids)


def _split_notes(samples: Sequence[Sample], proposals: Proposals) -> list[Finding]:
    """What the names of the splits alone give away."""
    splits = {sample.split for sample in samples}
    none = tuple(sample.id for sample in samples if sample.split is None)
    notes = []
    unseen = tuple(sample.id for sample in samples if sample.image is None)
    if unseen:
        message = f"no image, so duplicates were not looked for{among(unseen)}"
        notes.append(Finding("note", "duplicate.unseen", message, "convert with images (--images reference)", unseen))
    if samples and len(none) == len(samples):
        notes.append(Finding("note", "split.none", "no sample is in a split", proposals.anew))
    elif none:
        notes.append(Finding("warning", "split.partial", f"no split{among(none)}", proposals.anew, none))
    elif len(splits) == 1:
        notes.append(Finding("note", "split.single", f"all samples are in one split, {splits.pop()!r}", proposals.anew))
    return notes
