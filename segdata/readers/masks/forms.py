"""How the names of images and of their masks differ, told from the names alone: `a_sat.jpg` and `a_mask.png`.

Rules of thumb. A form counts only if what it adds to a name stands apart (`a_mask`, `7mask`, `aMask`, never `amber` for `a`).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from posixpath import basename, dirname, splitext
from typing import NamedTuple
from unicodedata import normalize

from segdata.files.endings import IMAGE_ENDINGS, MASK_ENDINGS, ending
from segdata.files.patterns import NAME, STEM, Pattern
from segdata.readers.words_in_names import IMAGE_WORDS, MASK_WORDS, words_of

JPEGS, LOSSLESS = (".jpg", ".jpeg", ".jpe", ".jfif"), (".png", ".tif", ".tiff", ".bmp", ".gif", ".npy")

MOST, SAMPLED, FORMS = 2000, 8, 60
"""So many names of either side are looked at, so many of one folder compared, and so many forms tried."""


class Form(NamedTuple):
    """The patterns of images and of masks; `certain` if nearly all pair under it, and under no other."""

    images: str
    masks: str
    certain: bool = False

    def options(self) -> str:
        """The options that say so."""
        given = (("--image-pattern", self.images), ("--mask-pattern", self.masks))
        return " ".join(f"{option} '{text}'" for option, text in given if text not in (STEM, NAME))


def find_form(images: Sequence[str], masks: Sequence[str], *, one: bool) -> Form | None:
    """The form under which most files pair up, POSIX paths below their folders; None if fewer than half of either side do.

    `one`: both are the files of one folder.
    """
    sides = (_files(images, IMAGE_ENDINGS), _files(masks, MASK_ENDINGS))
    if not all(sides):
        return None
    forms = list(dict.fromkeys(_forms_in_one(sides[1]) if one else _forms_in_two(*sides)))[:FORMS]
    fits = sorted((Fit.of(form, sides, one) for form in [*forms, *_numbered(forms)]), key=Fit.rank, reverse=True)
    if not fits or fits[0].share < 0.5:
        return None
    best = fits[0]
    rivals = [fit for fit in fits if fit.mark == best.mark and fit.pairs != best.pairs]
    certain = best.share >= 0.9 and (best.word or (not one and len(best.pairs) > 1)) and not rivals
    return best.form._replace(certain=certain)


@dataclass(frozen=True, slots=True)
class Fit:
    """What a form makes of some names: the masks of each image, the share of the better side that pairs up, and of both sides."""

    form: Form
    pairs: Mapping[str, tuple[str, ...]]
    share: float
    whole: float
    word: bool

    @classmethod
    def of(cls, form: Form, sides: tuple[list[str], list[str]], one: bool) -> Fit:
        """Of a form and the names of images and of masks. Keys of several images do not count."""
        found = _grouped(form, sides, one)
        pairs = {images[0]: tuple(masks) for images, masks in found.values() if len(images) == 1}
        used = sum(map(len, pairs.values()))
        if one:
            share = whole = (len(pairs) + used) / len(sides[0])
        else:
            parts = len(pairs) / len(sides[0]), used / len(sides[1])
            share, whole = max(parts), sum(parts)
        said = words_of(form.masks) & MASK_WORDS or words_of(form.images) & IMAGE_WORDS
        return cls(form, pairs, share, whole, bool(said) or NAME in form.masks or _by_endings(form))

    @property
    def mark(self) -> tuple[float, bool, float]:
        """How good it is."""
        return self.share, self.word, self.whole

    def rank(self) -> tuple[tuple[float, bool, float], int]:
        """The same, the shorter form first among equals."""
        return self.mark, -len(self.form.images + self.form.masks)


def _files(paths: Sequence[str], endings: Sequence[str]) -> list[str]:
    return [normalize("NFC", path) for path in paths if ending(path) in endings][:MOST]


def _grouped(form: Form, sides: tuple[list[str], list[str]], one: bool) -> dict[str, tuple[list[str], list[str]]]:
    """Key, case aside -> its images and its masks, of keys that have both."""
    patterns = Pattern(form.images), Pattern(form.masks, MASK_ENDINGS)
    found: dict[str, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for side, paths in enumerate(sides):
        mine, theirs = patterns[side], patterns[1 - side]
        for path in paths:
            if (key := mine.key_beside(path, theirs) if one else mine.key(path)) is not None:
                found[key.casefold()][side].append(path)
    return {key: files for key, files in found.items() if all(files)}


def _numbered(forms: Sequence[Form]) -> list[Form]:
    """Forms in which any number may stand where several have different ones: `{stem}_0` and `{stem}_1` are `{stem}_*`."""
    found = Counter(form._replace(masks=re.sub(r"\d+", "*", form.masks)) for form in forms)
    return [form for form, count in found.items() if count > 1]


def _by_endings(form: Form) -> bool:
    return ending(form.images) in JPEGS and ending(form.masks) in LOSSLESS


# Forms that would pair two names


def _forms_in_two(images: Sequence[str], masks: Sequence[str]) -> Iterator[Form]:
    for image in dict.fromkeys((images[0], images[len(images) // 2], images[-1])):
        for mask in masks:
            yield from _forms(basename(image), basename(mask))


def _forms_in_one(files: Sequence[str]) -> Iterator[Form]:
    """Of the files of one folder: names beside each other, names of two endings, and a folder for each sample."""
    folders: dict[str, list[str]] = defaultdict(list)
    for path in files:
        folders[dirname(path)].append(basename(path))
    for names in list(folders.values())[:SAMPLED]:
        for image in names[:SAMPLED]:
            for mask in names[: 4 * SAMPLED]:
                if image != mask:
                    yield from _forms(image, mask)
    yield from (Form(STEM + a, STEM + b) for a, b in _endings(files))
    yield from _forms_of_folders(files)


def _endings(files: Sequence[str]) -> list[tuple[str, str]]:
    """The pairs of endings, as they are written, of which one may be of images and the other of masks."""
    there = sorted({splitext(path)[1] for path in files})
    return [(a, b) for a in there if a.lower() in JPEGS for b in there if b.lower() in LOSSLESS]


def _forms_of_folders(files: Sequence[str]) -> Iterator[Form]:
    """`{stem}/image` and `{stem}/mask`, or `{stem}/images/*` and `{stem}/masks/*`."""
    tails: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
    for path in files:
        *above, folder, name = ("", "", *splitext(path)[0].split("/"))
        for tail in (f"{STEM}/{name}" if folder else "", f"{STEM}/{folder}/*" if above[-1] else ""):
            words = words_of(tail.removeprefix(STEM))
            if tail and words & (IMAGE_WORDS | MASK_WORDS):
                tails[bool(words & MASK_WORDS)][tail] += 1
    yield from (Form(a, b) for a, _ in tails[0].most_common(4) for b, _ in tails[1].most_common(4))


def _forms(image: str, mask: str) -> Iterator[Form]:
    """The forms that would pair two file names: one within the other, or both with a part in common."""
    a, b = splitext(image)[0], splitext(mask)[0]
    low, within = a.lower(), b.lower()
    if (at := b.find(image)) >= 0:
        text = b[:at] + NAME + b[at + len(image) :]
        yield Form(NAME, text + splitext(mask)[1] if text.endswith(NAME) else text)
    elif low != within and (at := within.find(low)) >= 0 and apart(b[:at], a, b[at + len(a) :]):
        yield Form(STEM, _written(b[:at] + STEM + b[at + len(a) :], mask))
    elif low != within and (at := low.find(within)) >= 0 and apart(a[:at], b, a[at + len(b) :]):
        yield Form(_written(a[:at] + STEM + a[at + len(b) :], image), STEM)
    else:
        yield from _forms_of_parts(a, b)


def _forms_of_parts(a: str, b: str) -> Iterator[Form]:
    """Two names with the same beginning or end: `{stem}_sat` and `{stem}_mask`, `image_{stem}` and `mask_{stem}`."""
    start = _alike(a, b)
    while start and not (apart("", a[:start], a[start:]) and apart("", b[:start], b[start:])):
        start -= 1
    start = len(a[:start].rstrip("_-. "))
    end = _alike(a[::-1], b[::-1])
    while end and not (apart(a[:-end], a[-end:], "") and apart(b[:-end], b[-end:], "")):
        end -= 1
    end = len(a[len(a) - end :].lstrip("_-. "))
    if start and _same_numbers(a[start:], b[start:]):
        yield Form(STEM + a[start:], STEM + b[start:])
    before = a[: len(a) - end], b[: len(b) - end]
    if end and _same_numbers(*before):
        yield Form(before[0] + STEM, before[1] + STEM)


def _alike(a: str, b: str) -> int:
    """How many characters two names begin with alike, but for case."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x.lower() != y.lower()), min(len(a), len(b)))


def _same_numbers(a: str, b: str) -> bool:
    """Whether two different rests of names may be of one sample: `_1` and `_2` are not, `_training` and `_manual1` are."""
    if a.lower() == b.lower():
        return False
    said = words_of(b) & MASK_WORDS and all(re.match(r"[^A-Za-z0-9]*[A-Za-z]", rest) for rest in (a, b))
    return bool(said) or re.findall(r"\d+", a) == re.findall(r"\d+", b)


def apart(before: str, stem: str, after: str) -> bool:
    """Whether what surrounds a stem stands apart from it, and says something: letters."""
    if not stem or not (re.search("[A-Za-z]", before + after) or re.fullmatch(r"[^A-Za-z0-9]+\d+", after)):
        return False
    words = IMAGE_WORDS | MASK_WORDS
    first, last = re.match("[A-Za-z]+", after), re.search("[A-Za-z]+$", before)
    starts = not after or _joint(stem[-1], after[0]) or (first is not None and first[0].lower() in words)
    ends = not before or _joint(before[-1], stem[0]) or (last is not None and last[0].lower() in words)
    return starts and ends


def _joint(left: str, right: str) -> bool:
    """Whether a name has a joint between two characters: a separator, a digit beside a letter, or a capital."""
    if not (left.isalnum() and right.isalnum()):
        return True
    return left.isdigit() != right.isdigit() or (left.islower() and right.isupper())


def _written(form: str, name: str) -> str:
    """A pattern that ends as a file would is written with the ending of its file."""
    return form + splitext(name)[1] if ending(form) in MASK_ENDINGS else form
