"""Where images and masks lie: in folders as given, or in folders of usual names, which are sought."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from functools import lru_cache
from posixpath import basename, dirname

from segdata.errors import DataError, OptionError, Problem
from segdata.files.endings import is_image
from segdata.files.listing import files_in, folders_in, glance, kinds_in
from segdata.files.patterns import STEM, Pattern
from segdata.files.places import matching, place
from segdata.files.remote import Place
from segdata.readers.masks.forms import find_form
from segdata.readers.masks.keys import Folders, Layout, keys_in
from segdata.readers.source import refuse_split
from segdata.readers.words_in_names import IMAGE_WORDS, MASK_WORDS, SPLIT_WORDS, words_of
from segdata.words import some

SPLIT = "{split}"

SIDES = (
    ("images", "masks"), ("images", "labels"), ("images", "annotations"), ("images", "annotations/trimaps"),
    ("images", "segmentations"), ("image", "mask"), ("image", "label"), ("imgs", "masks"), ("img", "mask"), ("img", "ann"),
    ("img_dir", "ann_dir"), ("JPEGImages", "SegmentationClass"),
)  # fmt: skip
"""Usual names of the folders of images and of masks."""

USUAL = (
    *((f"{a}/{SPLIT}", f"{b}/{SPLIT}") for a, b in SIDES),
    *((f"{SPLIT}/{a}", f"{SPLIT}/{b}") for a, b in SIDES),
    *((SPLIT, SPLIT + end) for end in ("annot", "_labels", "_masks", "_mask", "_annotations")),
    *SIDES,
)

ONE = ((SPLIT, SPLIT), (".", "."))
"""Images and masks in one folder, which their names must tell apart."""

DEEPEST = 3
"""So many levels below SRC folders of like names are sought."""


def choose_layout(
    root: Place, image_dir: str | None, mask_dir: str | None, patterns: tuple[Pattern, Pattern], *, images: bool
) -> Layout:
    """The folders and forms to take, as given or, where they are not, as found.

    Raises `DataError` (`masks.missing`) that lists what there is, `OptionError` where several would do.
    """
    if not root.exists():
        raise DataError(Problem("masks.missing", "there is no such folder", file=str(root)))
    if not root.is_dir():
        raise DataError(Problem("masks.missing", "is no folder", file=str(root)))
    _subfolders.cache_clear()
    if mask_dir is not None and (image_dir is not None or not images):
        layout = Layout(image_dir, mask_dir, *patterns)
        return _with_form(root, layout) or _told_apart(layout)
    names = [*USUAL, *(() if patterns[0].text == patterns[1].text else ONE)]
    asked = [Layout(a, b, *patterns, sought=True) for a, b in names if image_dir in (None, a) and mask_dir in (None, b)]
    fitting = [layout for layout in asked if not layout.one and _fits(root, layout)]
    fitting = fitting or [layout for layout in asked if layout.one and _fits(root, layout)]
    fitting = fitting or list(_like_names(root, image_dir, mask_dir, patterns))
    fitting = fitting or [layout for layout in asked if usual_splits(root, layout)][:1]
    if not fitting:
        raise DataError(Problem("masks.missing", _nothing_fits(root), file=str(root)))
    chosen = [layout for layout in fitting if SPLIT in layout.mask_dir] or fitting
    if len(chosen) > 1:
        options = some(f"--image-dir {layout.image_dir} --mask-dir {layout.mask_dir}" for layout in chosen)
        raise OptionError(f"{root}: several folders could be meant: give one of {options}")
    return chosen[0]


def _like_names(
    root: Place, image_dir: str | None, mask_dir: str | None, patterns: tuple[Pattern, Pattern]
) -> Iterator[Layout]:
    """Layouts of folders whose names are alike but for a word, or of one folder; file names may differ by a form."""
    places = [*USUAL, *like_folders(root)]
    for group in (places, ONE):
        found = False
        for a, b in dict.fromkeys(group):
            if image_dir not in (None, a) or mask_dir not in (None, b):
                continue
            layout = Layout(a, b, *patterns, sought=True)
            formed = layout if not layout.one and _fits(root, layout) else _with_form(root, layout)
            if formed is not None:
                found = True
                yield formed
        if found:
            return


def like_folders(root: Place) -> list[tuple[str, str]]:
    """Pairs of folders of images and of masks, `train_img` and `train_gt`: equal but for the word, splits as `{split}`."""
    sides: tuple[dict[str, set[str]], dict[str, set[str]]] = (defaultdict(set), defaultdict(set))
    for name in folders_in(root, DEEPEST):
        words = words_of(name)
        side = 1 if words & MASK_WORDS else 0 if words & IMAGE_WORDS else None
        if side is not None:
            spelt = re.sub(r"[A-Za-z]+", lambda word: SPLIT if word[0].lower() in SPLIT_WORDS else word[0], name)
            spelt = spelt if spelt.count(SPLIT) == 1 else name
            rest = re.sub(
                r"[A-Za-z]+", lambda word: "" if words_of(word[0]) & (MASK_WORDS | IMAGE_WORDS) else word[0], spelt
            )
            sides[side][re.sub(r"[^A-Za-z0-9{}/]+", "", rest).lower()].add(spelt)
    pairs = [(a, b) for rest in sides[0].keys() & sides[1].keys() for a in sides[0][rest] for b in sides[1][rest]]
    return sorted((a, b) for a, b in pairs if SPLIT in (last := basename(a)) or last != basename(b))


def other_masks(root: Place, folders: Sequence[Folders]) -> list[str]:
    """Folders beside those of images that hold images, and are called as masks are, but were not taken for them."""
    taken = {str(place) for one in folders for place in (one.images, one.masks) if place is not None}
    beside = {str(one.images.parent) for one in folders if one.images is not None}
    named = [name for name in folders_in(root, DEEPEST) if words_of(basename(name)) & MASK_WORDS]
    others = [n for n in named if str((root / n).parent) in beside and str(root / n) not in taken]
    return sorted(name for name in others if any(map(is_image, files_in(root / name))))


def find_folders(root: Place, layout: Layout, split: str | None, *, images: bool) -> list[Folders]:
    """The folders of each split, or of none. Raises `DataError` (`masks.missing`), `OptionError`."""
    in_both = SPLIT in layout.mask_dir and (not images or SPLIT in (layout.image_dir or ""))
    if split is not None and not in_both:
        raise OptionError(f"--split {split}: there are splits only where {SPLIT} stands in --image-dir and --mask-dir")
    if images and SPLIT in layout.mask_dir + (layout.image_dir or "") and not in_both:
        raise OptionError(f"{SPLIT} must stand in both --image-dir and --mask-dir, or in neither")
    _subfolders.cache_clear()
    masks = expand(root, layout.mask_dir)
    if layout.sought and (layout.image_dir, layout.mask_dir) not in USUAL:
        masks = {name: folder for name, folder in masks.items() if _is_split(name)}
    if not masks:
        raise DataError(Problem("masks.missing", f"there is no folder {layout.mask_dir}/ (--mask-dir)", file=str(root)))
    image_folders = expand(root, layout.image_dir) if images and layout.image_dir is not None else {}
    if split is not None:
        if split not in masks:
            refuse_split(split, root, masks)
        masks = {split: masks[split]}
    for its_split in masks:
        if images and its_split not in image_folders:
            name = (layout.image_dir or "").replace(SPLIT, its_split or "")
            message = f"there is no folder {name}/ (--image-dir) with the images of {masks[its_split].name}/"
            raise DataError(Problem("masks.missing", f"{message}: put it there, or --images none", file=str(root)))
    return [Folders(its_split, image_folders.get(its_split), folder) for its_split, folder in masks.items()]


def expand(root: Place, name: str) -> dict[str | None, Place]:
    """The folders that a name under SRC (or else a path) means: one of no split, or with `{split}` one a split."""
    if SPLIT not in name:
        whole = next((path for path in (root / name, place(name)) if path.is_dir()), None)
        return {} if whole is None else {None: whole}
    parts = name.split("/")
    at = next(i for i, part in enumerate(parts) if SPLIT in part)
    above, below = "/".join(parts[:at]), "/".join(parts[at + 1 :])
    before, *after = (re.escape(text) for text in parts[at].split(SPLIT))
    form = before + "(.+)" + r"(?:\1)".join(after)
    base = next((path for path in (root / above, place(above)) if path.is_dir()), None)
    found: dict[str | None, Place] = {}
    for folder in _subfolders(base) if base else ():
        match = re.fullmatch(form, folder.name)
        if match and folder.name[:1] != "." and (folder / below.replace(SPLIT, match[1])).is_dir():
            found[match[1]] = folder / below.replace(SPLIT, match[1])
    return found


@lru_cache(maxsize=1000)
def _subfolders(folder: Place) -> list[Place]:
    """The folders in a folder, while one layout is sought: a hundred are tried, and the folder may hold many files."""
    return matching(folder, "*/")


def usual_splits(root: Place, layout: Layout) -> list[Folders]:
    """The folders of a layout; `{split}` stands only for usual names of splits here."""
    return [folders for folders in given_splits(root, layout) if _is_split(folders.split)]


def given_splits(root: Place, layout: Layout) -> list[Folders]:
    """The folders of a layout that was given, whatever its splits are called."""
    masks, images = expand(root, layout.mask_dir), expand(root, layout.image_dir or "")
    return [Folders(name, images[name], folder) for name, folder in masks.items() if name in images]


def _is_split(name: str | None) -> bool:
    return name is None or name.lower() in SPLIT_WORDS


def _fits(root: Place, layout: Layout) -> bool:
    """Whether folders of a layout are there and pair up."""
    return any(keys_in(folders, layout).pairs for folders in usual_splits(root, layout))


def _with_form(root: Place, layout: Layout) -> Layout | None:
    """The layout with the form under which the names in its folders pair up, if they do not as they are."""
    if not layout.plain or layout.image_dir is None:
        return None
    splits = usual_splits(root, layout) if layout.sought else given_splits(root, layout)
    if not layout.one and any(keys_in(folders, layout).pairs for folders in splits):
        return None
    sides: tuple[list[str], list[str]] = ([], [])
    for folders in splits:
        for side, folder, other in ((0, folders.images, folders.masks), (1, folders.masks, folders.images)):
            above = f"{folders.split}/" if folders.split else ""
            if folder is not None:
                files = glance(folder) if layout.one else files_in(folder, other)
                sides[side].extend(above + path for path in files)
    form = find_form(*sides, one=layout.one)
    if form is None or not form.certain:
        return None
    formed = layout.formed(form)
    return formed if any(keys_in(one, formed).pairs for one in splits) else None


def _told_apart(layout: Layout) -> Layout:
    """Raises `OptionError` where images and masks are one and the same."""
    if layout.one and layout.images.text == layout.masks.text:
        message = f"images and masks in one folder, {layout.mask_dir}: tell them apart with --mask-pattern"
        raise OptionError(f"{message}, such as '{STEM}_mask'")
    return layout


def _nothing_fits(root: Place) -> str:
    """What there is where no folders fit, with the way out."""
    there = Counter(dirname(path) or "." for path in glance(root) if is_image(path))
    if len(there) > 1:
        return f"no folders pair by name ({some(sorted(there), 2)}): --image-dir, --mask-dir"
    if there:
        where = next(iter(there))
        return f"no name in {where} is of a mask: --mask-dir DIR, or --mask-pattern '{STEM}_mask'"
    return f"holds no image, but {kinds_in(glance(root))}"
