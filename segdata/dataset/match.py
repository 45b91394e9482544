"""Which predictions belong to which truth if their ids differ: by a part of the name, or by the image itself.

Predictions of other programs have names of their own (`match_ids`). `split` and `join` rename samples, so that predictions of
the dataset from before have other ids: the image tells (`renamed_like`).
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from posixpath import basename, dirname
from unicodedata import normalize

import msgspec

from segdata.dataset.dataset import Dataset
from segdata.dataset.sample import Sample
from segdata.errors import DatasetError
from segdata.files.places import file_digest, real
from segdata.files.remote import is_remote
from segdata.words import some


def match_ids(keys: Iterable[str], ids: Collection[str], preferred: Collection[str] = ()) -> dict[str, str]:
    """Which id each key is, for those that are one.

    It is the same, or has the same last parts (`0001` for `val/0001`, or the other way), or is `val_0001`. Of several ids that
    fit a key, it is the one in `preferred`. Accents may be composed or not. Raises `DatasetError` for a key that may be several
    ids, and for an id of several keys.
    """
    plain = {name.replace("/", "_"): id for id in ids if "/" in (name := normalize("NFC", id))}
    plain |= {normalize("NFC", id): id for id in ids}
    ends: dict[str, list[str]] = defaultdict(list)
    for name, id in plain.items():
        for end in _ends(name):
            ends[end].append(id)
    found: dict[str, list[str]] = defaultdict(list)
    for key in keys:
        name = normalize("NFC", key)
        fitting = [plain[name]] if name in plain else ends.get(name, [])
        if not fitting:
            fitting = next(([plain[end]] for end in _ends(name) if end in plain), [])
        if len(fitting) > 1:
            fitting = [id for id in fitting if id in preferred] or fitting
        if len(fitting) > 1:
            way_out = "put it in a folder of that name, or give --split"
            raise DatasetError(f"the name {key} may be of {some(fitting, 3)}: {way_out}")
        if fitting:
            found[fitting[0]].append(key)
    return {_one(id, held): id for id, held in found.items()}


def _ends(name: str) -> list[str]:
    """A path without its first folders, the longest first: `b/c` and `c` of `a/b/c`."""
    parts = name.split("/")
    return ["/".join(parts[i:]) for i in range(1, len(parts))]


def _one(id: str, keys: list[str]) -> str:
    """The key that is the id, or the only one. Raises `DatasetError`."""
    same = [key for key in keys if normalize("NFC", key) == normalize("NFC", id)] or keys
    if len(same) > 1:
        raise DatasetError(f"several names may be of {id}: {some(same, 3)}: keep one, or choose by --match")
    return same[0]


def suggested_match(keys: Iterable[str], ids: Collection[str]) -> str | None:
    """The pattern under which most keys have the name of an id, such as `{stem}_pred`; None if there is none."""
    stems = sorted({form for id in ids for form in (basename(id), id.replace("/", "_"))}, key=len, reverse=True)
    looked = list(keys)[:20]
    forms = Counter(form for key in looked for form in _forms(key, stems))
    form, count = forms.most_common(1)[0] if forms else ("", 0)
    return form if count > len(looked) / 2 else None


def _forms(key: str, stems: Sequence[str]) -> Iterator[str]:
    """The patterns under which a key has one of the stems, the longest first: in its name, or as the folder above."""
    name, above = basename(key), basename(dirname(key))
    if above in stems:
        yield f"{{stem}}/{name}"
    inside = next((stem for stem in stems if stem in name), name)
    if inside != name:
        yield name.replace(inside, "{stem}", 1)


# By the image


def renamed_like(pred: Dataset, truth: Dataset) -> tuple[Dataset, dict[str, str]]:
    """`pred` under the ids of `truth` where it has the same image under another one; and each old id with its new one.

    The same image is the same file, or one of the same bytes. An image that several samples of a side have tells nothing.
    Raises `DatasetError` for paths that lead out of a dataset.
    """
    known, given = {sample.id for sample in truth}, {sample.id for sample in pred}
    lacking = {s.id: s for s in truth if s.id not in given and _whole(s)}
    spare = {s.id: s for s in pred if s.id not in known and _whole(s)}
    if not lacking or not spare:
        return pred, {}
    new = _same(_by_file(pred, spare), _by_file(truth, lacking))
    rest = {id: s for id, s in spare.items() if id not in new}
    left = {id: s for id, s in lacking.items() if id not in new.values()}
    new |= _same(*_by_bytes(pred, rest, truth, left)) if rest and left else {}
    return _under(pred, lacking, new), new


def same_masks(other: Dataset, dataset: Dataset) -> tuple[Dataset, dict[str, str]]:
    """`other` under the ids of `dataset` where it has the same mask, byte by byte, under another one; and what became of each id.

    A mask that several samples of a side have tells nothing, nor does one of a single value. Tiles keep their ids.
    """
    known, given = {sample.id for sample in dataset}, {sample.id for sample in other}
    lacking = {s.id: s for s in dataset if s.id not in given and _telling(s)}
    spare = {s.id: s for s in other if s.id not in known and _telling(s)}
    if not lacking or not spare:
        return other, {}
    new = _same(_by_mask(spare), _by_mask(lacking))
    return _under(other, lacking, new), new


def _telling(sample: Sample) -> bool:
    """Whether a sample is an image whose mask hardly any other one can have."""
    return sample.crop is None and sample.parent is None and bool(sample.sha256) and len(sample.counts) > 1


def _by_mask(samples: Mapping[str, Sample]) -> dict[str, list[str]]:
    """The ids by the digest of the mask."""
    found: dict[str, list[str]] = defaultdict(list)
    for id, sample in samples.items():
        found[sample.sha256].append(id)
    return found


def _under(dataset: Dataset, samples: Mapping[str, Sample], new: Mapping[str, str]) -> Dataset:
    """The dataset with new ids for old ones, those of `samples`; all else stays."""
    if not new:
        return dataset
    renamed = [_renamed(s, samples[new[s.id]]) if s.id in new else s for s in dataset]
    return replace(dataset, samples=sorted(renamed, key=lambda s: s.id))


def _whole(sample: Sample) -> bool:
    """Whether a sample has an image file of its own."""
    return sample.image is not None and sample.crop is None


def _renamed(sample: Sample, like: Sample) -> Sample:
    return msgspec.structs.replace(sample, id=like.id, parent=like.parent, window=like.window, tiling=like.tiling)


def _same(ours: Mapping[str, list[str]], theirs: Mapping[str, list[str]]) -> dict[str, str]:
    """Our id -> their id, of what one sample of each side has."""
    both = ((ours[what], theirs[what]) for what in ours.keys() & theirs.keys())
    return {mine[0]: other[0] for mine, other in both if len(mine) == len(other) == 1}


def _by_file(dataset: Dataset, samples: Mapping[str, Sample]) -> dict[str, list[str]]:
    """The ids by the file of the image."""
    found: dict[str, list[str]] = defaultdict(list)
    for id, sample in samples.items():
        found[real(dataset.image_path(sample))].append(id)
    return found


def _by_bytes(
    pred: Dataset, ours: Mapping[str, Sample], truth: Dataset, theirs: Mapping[str, Sample]
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """The ids of either side by the SHA-256 of the image, if files of its length are on both sides."""
    sizes = [{id: _length(d, s) for id, s in side.items()} for d, side in ((pred, ours), (truth, theirs))]
    shared = (set(sizes[0].values()) & set(sizes[1].values())) - {None}
    out: list[dict[str, list[str]]] = []
    for dataset, side, lengths in ((pred, ours, sizes[0]), (truth, theirs, sizes[1])):
        found: dict[str, list[str]] = defaultdict(list)
        for id, sample in side.items():
            if lengths[id] in shared:
                found[file_digest(dataset.image_path(sample))].append(id)
        out.append(found)
    return out[0], out[1]


def _length(dataset: Dataset, sample: Sample) -> int | None:
    """The bytes of a sample's image; None if it is not there, or not on this machine."""
    path = dataset.image_path(sample)
    try:
        return None if is_remote(path) else os.path.getsize(path)
    except OSError:
        return None
