"""Which mask belongs to which image, decided once from names: folders, file name patterns, and pairs."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from posixpath import basename, dirname, join, splitext
from typing import NamedTuple, NoReturn

from segdata.dataset.ids import sample_ids
from segdata.errors import DataError, OptionError, Problem, Report
from segdata.files.places import files_below, matching, place
from segdata.files.remote import Place, Remote
from segdata.readers.source import Receipt, leave_out
from segdata.words import some

EXTENSIONS = (
    ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".mpo",
)  # fmt: skip

MASKS = (*EXTENSIONS, ".npy")

SPLIT, STEM = "{split}", "{stem}"

SPLIT_NAMES = {"train", "training", "trainval", "val", "valid", "validation", "test", "testing", "dev"}

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


class Folders(NamedTuple):
    """Where the images (None: none are wanted) and the masks of one split lie."""

    split: str | None
    images: Place | None
    masks: Place


class Pair(NamedTuple):
    """A sample: its id, its split, and its files."""

    id: str
    split: str | None
    image: str | None
    mask: str


@dataclass(frozen=True, slots=True)
class Pattern:
    """The form of a file name: `{stem}` (or `*`) is what an image and its mask share; no extension means any."""

    text: str = STEM

    @classmethod
    def of(cls, text: str | None, option: str) -> Pattern:
        """Raises `OptionError` where the text has no one `{stem}`, or a folder."""
        text = (text or STEM).replace("*", STEM)
        if text.count(STEM) != 1 or "/" in text or "\\" in text:
            raise OptionError(f"--{option} {text}: is no file name with one {STEM} in it, such as {STEM}_mask.png")
        return cls(text)

    def stem(self, name: str) -> str | None:
        """What `{stem}` is in a file name, or None where the name has another form."""
        before, after = (re.escape(part) for part in self.text.split(STEM))
        base, extension = splitext(name)
        whole = base if not self._extension and extension.lower() in MASKS else name
        match = re.fullmatch(f"{before}(.*){after}", whole, re.DOTALL)
        return match[1] if match else None

    def fill(self, key: str) -> str:
        """The name, without extension, that a key (folder/stem) has in this form."""
        return join(dirname(key), self.text.replace(STEM, basename(key)).removesuffix(self._extension))

    @property
    def _extension(self) -> str:
        extension = splitext(self.text)[1]
        return extension if extension.lower() in MASKS else ""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a source names things: its folders (as given), and the forms of its file names."""

    image_dir: str | None
    mask_dir: str
    images: Pattern
    masks: Pattern


# Folders


def choose_layout(
    root: Place, image_dir: str | None, mask_dir: str | None, patterns: tuple[Pattern, Pattern], *, images: bool
) -> tuple[Layout, bool]:
    """The folders to take, as given or, where one is not, the usual ones; and whether they had to be sought.

    Raises `DataError` (`masks.missing`) that lists what there is, `OptionError` where several would do.
    """
    if not root.is_dir():
        raise DataError(Problem("masks.missing", "there is no such folder", file=str(root)))
    if mask_dir is not None and (image_dir is not None or not images):
        if image_dir == mask_dir and patterns[0] == patterns[1]:
            raise OptionError(f"images and masks in one folder, {mask_dir}: tell them apart with --mask-pattern")
        return Layout(image_dir, mask_dir, *patterns), False
    sought = [Layout(a, b, *patterns) for a, b in USUAL if image_dir in (None, a) and mask_dir in (None, b)]
    found = [layout for layout in sought if _fits(root, layout)]
    if not found:
        here = some(sorted(f"{path.name}/" for path in root.iterdir() if path.is_dir() and path.name[:1] != "."))
        message = f"the folders of images and masks are not plain from their names (there are {here or 'none'})"
        raise DataError(Problem("masks.missing", f"{message}: --image-dir DIR --mask-dir DIR", file=str(root)))
    nested = [layout for layout in found if SPLIT in layout.mask_dir]
    chosen = nested or found
    if len(chosen) > 1:
        names = some(f"--image-dir {layout.image_dir} --mask-dir {layout.mask_dir}" for layout in chosen)
        raise OptionError(f"{root}: several folders could be meant: give one of {names}")
    return chosen[0], True


def find_folders(root: Place, layout: Layout, split: str | None, *, images: bool) -> list[Folders]:
    """The folders of each split, or of none. Raises `DataError` (`masks.missing`), `OptionError`."""
    in_both = SPLIT in layout.mask_dir and (not images or SPLIT in (layout.image_dir or ""))
    if split is not None and not in_both:
        raise OptionError(f"--split {split}: there are splits only where {SPLIT} stands in --image-dir and --mask-dir")
    if images and SPLIT in layout.mask_dir + (layout.image_dir or "") and not in_both:
        raise OptionError(f"{SPLIT} must stand in both --image-dir and --mask-dir, or in neither")
    masks = expand(root, layout.mask_dir)
    if not masks:
        raise DataError(Problem("masks.missing", f"there is no folder {layout.mask_dir}/ (--mask-dir)", file=str(root)))
    image_folders = expand(root, layout.image_dir) if images and layout.image_dir is not None else {}
    if split is not None:
        if split not in masks:
            raise OptionError(f"no split {split!r} in {root}: there are {some(sorted(str(s) for s in masks))}")
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
    for folder in matching(base, "*") if base else ():
        match = re.fullmatch(form, folder.name)
        if match and folder.name[:1] != "." and (folder / below.replace(SPLIT, match[1])).is_dir():
            found[match[1]] = folder / below.replace(SPLIT, match[1])
    return found


def _fits(root: Place, layout: Layout) -> bool:
    """Whether folders of usual names are there and pair up; `{split}` stands only for usual names of splits here."""
    masks = expand(root, layout.mask_dir)
    images = expand(root, layout.image_dir or "")
    for split in masks.keys() & images.keys():
        if split is None or split in SPLIT_NAMES:
            folders = Folders(split, images[split], masks[split])
            if keys_in(folders, layout, images=True).keys() & keys_in(folders, layout, images=False).keys():
                return True
    return False


# Files


def files_in(folder: Place, without: Place | None = None) -> list[str]:
    """The POSIX paths of all files below a folder, sorted, but for hidden ones and those under another folder."""
    if isinstance(folder, Remote):
        inner = None if without is None else f"{without}/"
        shown = (name for name in files_below(folder) if name[:1] != "." and "/." not in name)
        return sorted(name for name in shown if inner is None or not f"{folder}/{name}".startswith(inner))
    found: list[str] = []
    for base, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if name[:1] != "." and Path(base, name) != without]
        under = os.path.relpath(base, folder).replace(os.sep, "/")
        found += [name if under == "." else f"{under}/{name}" for name in files if name[:1] != "."]
    return sorted(found)


def keys_in(folders: Folders, layout: Layout, *, images: bool) -> dict[str, list[str]]:
    """Key (folder/stem) -> the files of that key, of the images or of the masks.

    Where both lie in one folder, a file that has both forms is of the longer one.
    """
    here, other = (folders.images, folders.masks) if images else (folders.masks, folders.images)
    mine, theirs = (layout.images, layout.masks) if images else (layout.masks, layout.images)
    stronger = layout.image_dir == layout.mask_dir and len(theirs.text) > len(mine.text)
    found: dict[str, list[str]] = defaultdict(list)
    for path in files_in(here, other) if here is not None else ():
        name = basename(path)
        stem = mine.stem(name)
        known = splitext(name)[1].lower() in (EXTENSIONS if images else MASKS)
        if stem is None or not known or (stronger and theirs.stem(name) is not None):
            continue
        found[join(dirname(path), stem)].append(path)
    return found


def pair(folders: Folders, layout: Layout, report: Report, receipt: Receipt) -> list[Pair]:
    """The pairs of one split, in order of key. Whatever has no partner, or several, is a problem, and in the receipt.

    Raises `DataError` (`masks.unpaired`) where not one name fits another.
    """
    masks = keys_in(folders, layout, images=False)
    images = keys_in(folders, layout, images=True) if folders.images else {key: [] for key in masks}
    if not masks.keys() & images.keys():
        _refuse_all(folders, masks, images)
    if folders.images and folders.images != folders.masks:
        receipt.notes += _unread(folders.images, folders.masks, images)
        receipt.notes += _unread(folders.masks, folders.images, masks)
    keys = sorted(masks.keys() | images.keys())
    paths = [min(images.get(key, ()), default="") or layout.images.fill(key) + ".png" for key in keys]
    ids, _ = sample_ids(folders.split, paths)
    pairs: list[Pair] = []
    for key, id in zip(keys, ids, strict=True):
        here, there = images.get(key, []), masks.get(key, [])
        problem = id if isinstance(id, Problem) else _misfit(id, here, there, folders)
        if problem is not None:
            leave_out(problem, [basename(path) for path in there], report, receipt, sample=problem.sample or key)
        elif isinstance(id, str):
            image = str(folders.images / here[0]) if folders.images else None
            pairs.append(Pair(id, folders.split, image, str(folders.masks / there[0])))
    return pairs


def _misfit(id: str, images: Sequence[str], masks: Sequence[str], folders: Folders) -> Problem | None:
    """What is wrong with the files of one key."""
    for kind, files in (("image", images), ("mask", masks)):
        if len(files) > 1:
            way_out = f"remove one, or choose by name, such as --{'image' if kind == 'image' else 'mask'}-pattern {{stem}}.png"
            return Problem("masks.twice", f"{len(files)} {kind}s have this name, {some(files)}: {way_out}", None, id)
    if not masks:
        odd = _odd_folder(folders.masks, basename(images[0]))
        message = f"the image has no mask of its name in {folders.masks.name}/{odd}: label it, or take it away"
        return Problem("masks.unpaired", message, images[0], id)
    if folders.images and not images:
        message = f"the mask has no image of its name in {folders.images.name}/: put it there, or take the mask away"
        return Problem("masks.unpaired", message, masks[0], id)
    return None


def _odd_folder(folder: Place, name: str = "") -> str:
    """The folder that lies there under the name of a mask (of this image), for a message."""
    stem = splitext(name)[0]
    for path in folder.iterdir():
        if splitext(path.name)[1].lower() in MASKS and stem in ("", splitext(path.name)[0]) and path.is_dir():
            return f" ({path.name} is a folder and no file)"
    return ""


def _refuse_all(folders: Folders, masks: Mapping[str, list[str]], images: Mapping[str, list[str]]) -> NoReturn:
    """Not one pair: say which names there are, and the patterns that would pair them."""
    if not masks:
        there = Counter(splitext(name)[1] or name for name in files_in(folders.masks))
        held = f"only {some(sorted(there))} files" if there else "nothing" + _odd_folder(folders.masks)
        message = f"holds no mask, but {held}: --mask-dir, --mask-pattern"
        raise DataError(Problem("masks.missing", message, file=str(folders.masks)))
    if not images:
        message = "holds no image: --image-dir, --image-pattern, or --images none"
        raise DataError(Problem("masks.missing", message, file=str(folders.images)))
    a, b = min(images), min(masks)
    way_out = _suggest(images, masks) or "--image-pattern and --mask-pattern say how names differ, as {stem}_mask"
    odd = _odd_folder(folders.masks)
    message = f"no mask has the name of an image ({basename(a)} and {basename(b)}){odd}: {way_out}"
    raise DataError(Problem("masks.unpaired", message, file=str(folders.masks)))


def _suggest(images: Mapping[str, list[str]], masks: Mapping[str, list[str]]) -> str | None:
    """The patterns under which most names would pair: what images and masks have around the stem."""
    sides = [sorted({basename(files[0]) for files in side.values()})[:200] for side in (images, masks)]
    forms = dict.fromkeys(form for image in sides[0][:3] for mask in sides[1] for form in _forms(image, mask))

    def fitting(form: tuple[str, str]) -> int:
        stems = [{Pattern(part).stem(name) for name in side} - {None} for part, side in zip(form, sides, strict=True)]
        return len(stems[0] & stems[1])

    best = max(list(forms)[:50], key=fitting, default=(STEM, STEM))
    if fitting(best) < min(len(side) for side in sides) / 2:
        return None
    given = zip(("--image-pattern", "--mask-pattern"), best, strict=True)
    return " ".join(f"{option} '{form}'" for option, form in given if form != STEM)


def _forms(image: str, mask: str) -> Iterator[tuple[str, str]]:
    """The patterns that would pair two file names: one within the other, or both with a common beginning."""
    a, b = splitext(image)[0], splitext(mask)[0]
    if a in b:
        form = b.replace(a, STEM, 1)
        yield STEM, form + (splitext(mask)[1] if splitext(form)[1].lower() in EXTENSIONS else "")
    elif b in a:
        yield a.replace(b, STEM, 1), STEM
    elif common := re.match(r"(.*[^A-Za-z])[A-Za-z]+\n\1[A-Za-z]+$", f"{a}\n{b}"):
        yield STEM + a[len(common[1]) :], STEM + b[len(common[1]) :]


def _unread(folder: Place, without: Place | None, taken: Mapping[str, Sequence[str]]) -> list[str]:
    """A note of the files in a folder that are not of the form asked for."""
    left = sorted(set(files_in(folder, without)) - {path for paths in taken.values() for path in paths})
    return [f"{folder.name}/: not read: {some(left, 3)}"] if left else []
