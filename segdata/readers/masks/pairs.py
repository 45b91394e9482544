"""Which masks belong to which image, decided once from names, and what is told where that is not plain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from posixpath import basename, dirname, join, splitext
from typing import NamedTuple, NoReturn

from segdata.dataset.ids import sample_ids
from segdata.errors import DataError, Problem, Report
from segdata.files.endings import MASK_ENDINGS, ending
from segdata.files.forms import SAID, VRT
from segdata.files.listing import files_in, kinds_in
from segdata.files.patterns import STEM, Pattern
from segdata.files.remote import Place
from segdata.files.sidecars import world_files
from segdata.readers.masks.forms import apart, find_form
from segdata.readers.masks.keys import Files, Folders, Keys, Layout, folded, keys_in
from segdata.readers.source import Receipt, leave_out
from segdata.readers.words_in_names import MASK_WORDS, words_of
from segdata.words import some


class Pair(NamedTuple):
    """A sample: its id, its split, its image (None: none is wanted), and its masks (none: it is all one class)."""

    id: str
    split: str | None
    image: str | None
    masks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lacking:
    """What becomes of an image that has no mask, or several: `blank` if one may lack its mask, `several` if it may have more.

    `empty` is the class that a message proposes for images without a mask.
    """

    blank: bool = False
    several: bool = False
    empty: str = "background"


def pair(folders: Folders, layout: Layout, lacking: Lacking, report: Report, receipt: Receipt) -> list[Pair]:
    """The pairs of one split, in order of key. Whatever has no partner, or several, is a problem, and in the receipt.

    Raises `DataError` (`masks.unpaired`) where not one name fits another.
    """
    found = keys_in(folders, layout)
    if not found.pairs:
        refuse_all(folders, layout, found)
    if folders.images and folders.images != folders.masks:
        receipt.notes += _unread(folders.images, folders.masks, found.images.values())
        receipt.notes += _unread(folders.masks, folders.images, found.masks.values())
    if found.alike:
        names = some(found.alike, 3)
        receipt.notes.append(
            f"names that differ from their image's in case or accents, {len(found.alike)} in all: {names}"
        )
    keys = sorted(found.masks.keys() | found.images.keys())
    bare = [key for key in keys if key not in found.masks]
    strays = find_strays(bare, folders, found) if bare and folders.images else {}
    if bare and lacking.blank:
        receipt.notes.append(f"no mask, so all {lacking.empty}, {len(bare)} in all: {some(bare)}")
    ids, _ = sample_ids(folders.split, [_id_path(layout, key, found) for key in keys])
    pairs: list[Pair] = []
    for key, id in zip(keys, ids, strict=True):
        images, masks = found.images.get(key, ()), found.masks.get(key, ())
        if isinstance(id, Problem):
            problem: Problem | None = id
        elif key in strays:
            problem = _astray(id, images[0], strays[key], folders, layout)
        else:
            problem = _twice(id, found, key, layout, lacking) or _alone(id, images, masks, folders, lacking, len(bare))
        if problem is not None:
            leave_out(problem, [basename(path) for path in masks], report, receipt, sample=problem.sample or key)
        elif isinstance(id, str):
            image = str(folders.images / images[0]) if folders.images else None
            pairs.append(Pair(id, folders.split, image, tuple(str(folders.masks / path) for path in masks)))
    return pairs


def _id_path(layout: Layout, key: str, found: Keys) -> str:
    """The path that a sample's id is made from: the image's, or the one that it would have."""
    image = min(found.images.get(key, ()), default="")
    return image if image and "/" not in layout.images.text else layout.images.fill(key) + ".png"


def _twice(id: str, found: Keys, key: str, layout: Layout, lacking: Lacking) -> Problem | None:
    """That there are several images of one key, or masks if there may be one alone."""
    images, masks = found.images.get(key, ()), found.masks.get(key, ())
    if len(images) > 1:
        message = f"{len(images)} images have this name, {some(images)}"
        way_out = _by_ending("image", layout.images, images, found.images)
        return Problem("masks.twice", f"{message}: remove one, or {way_out}", None, id)
    if len(masks) > 1 and not lacking.several:
        message = f"{len(masks)} masks are of this image, {some(map(basename, masks), 3)}"
        alike = len({splitext(path)[0] for path in masks}) == 1
        by_ending = _by_ending("mask", layout.masks, masks, found.masks) if alike else ""
        way_out = f"remove one, or {by_ending}" if alike else "--overlap smallest merges them"
        return Problem("masks.twice", f"{message}: {way_out}", None, id)
    return None


def _alone(
    id: str, images: Sequence[str], masks: Sequence[str], folders: Folders, lacking: Lacking, bare: int
) -> Problem | None:
    """That an image has no mask, or a mask no image."""
    if not masks and not (lacking.blank and images):
        others = f" ({bare} images have none)" if bare > 1 else ""
        odd = _odd_folder(folders.masks, basename(images[0]))
        message = f"the image has no mask of its name in {folders.masks.name}/{others}{odd}"
        return Problem("masks.unpaired", f"{message}: --without-mask {lacking.empty}", images[0], id)
    if folders.images and not images:
        message = f"the mask has no image of its name in {folders.images.name}/: put it there, or take the mask away"
        return Problem("masks.unpaired", message, masks[0], id)
    return None


def find_strays(bare: Sequence[str], folders: Folders, found: Keys) -> dict[str, str]:
    """Images without a mask -> what may be their mask by its name, but is not of the form of the others: `7_MASK.png` for 7.

    In one folder such a file may be taken for an image: then it stands for itself.
    """
    strays: dict[str, str] = {}
    taken = {path for key, paths in found.masks.items() if key in found.images for path in paths}
    if folders.images == folders.masks:
        taken |= {path for paths in found.images.values() for path in paths}
        for key in bare:
            if any(key[:i] in found.images and words_of(key[i:]) & MASK_WORDS for i in range(len(key))):
                strays[key] = found.images[key][0]
    keys = {folded(key): key for key in bare}
    for path in sorted(set(files_in(folders.masks, folders.images)) - taken):
        inside = _within(path) if ending(path) in MASK_ENDINGS else ()
        for part in [part for part in inside if part in keys][:1]:
            strays.setdefault(keys[part], path)
    return strays


def _within(path: str) -> Iterator[str]:
    """The folded keys of images whose names a file's name begins or ends with, the longest first."""
    folder, stem = dirname(path), splitext(basename(path))[0]
    for length in range(len(stem), 0, -1):
        for at in dict.fromkeys((0, len(stem) - length)):
            part = stem[at : at + length]
            if length == len(stem) or apart(stem[:at], part, stem[at + length :]):
                yield folded(join(folder, part))


def _astray(id: str, image: str, stray: str, folders: Folders, layout: Layout) -> Problem:
    """That an image without a mask, or what was taken for an image, has a file that may be one."""
    if image == stray:
        wider = f"--mask-pattern '{splitext(layout.masks.text)[0]}*' --overlap smallest takes it as one more mask"
        message = f"its name is that of a mask, but not of the form {layout.masks.text}: {wider}, or take it away"
    else:
        message = f"the image has no mask of the form {layout.masks.text} in {folders.masks.name}/, but {basename(stray)} may be"
        message = f"{message} its mask: name it as the others are, or take it away"
    return Problem("masks.unpaired", message, image, id)


def _odd_folder(folder: Place, name: str = "") -> str:
    """The folder that lies there under the name of a mask (of this image), for a message."""
    stem = splitext(name)[0]
    for path in folder.iterdir():
        if ending(path.name) in MASK_ENDINGS and stem in ("", splitext(path.name)[0]) and path.is_dir():
            return f" ({path.name} is a folder and no file)"
    return ""


def _by_ending(kind: str, form: Pattern, files: Sequence[str], all: Files) -> str:
    """The option that chooses among files that differ in their ending: the one that most files have."""
    times = Counter(splitext(path)[1] for paths in all.values() for path in paths)
    return f"--{kind}-pattern '{splitext(form.text)[0]}{max((splitext(path)[1] for path in files), key=lambda end: times[end])}'"


def refuse_all(folders: Folders, layout: Layout, found: Keys) -> NoReturn:
    """Raise `DataError` where there is not one pair: which names there are, and the patterns that would pair them."""
    for kind, files, folder, form, option in (
        ("mask", found.masks, folders.masks, layout.masks, "--mask-dir, --mask-pattern"),
        ("image", found.images, folders.images, layout.images, "--image-dir, --image-pattern, or --images none"),
    ):
        if not files and folder is not None:
            way_out = _form_of(folders) or _said(folders, found) or option
            message = f"{held(folder, kind, form)}{_odd_folder(folder)}: {way_out}"
            raise DataError(Problem("masks.missing", message, file=str(folder)))
    a, b = min(found.images), min(found.masks)
    names = f"{basename(found.images[a][0])} and {basename(found.masks[b][0])}"
    way_out = (
        _form_of(folders)
        or _said(folders, found)
        or f"--image-pattern and --mask-pattern say how they differ, such as '{STEM}_mask'"
    )
    message = f"no mask has the name of an image ({names}){_odd_folder(folders.masks)}: {way_out}"
    raise DataError(Problem("masks.unpaired", message, file=str(folders.masks)))


def _form_of(folders: Folders) -> str | None:
    """The options under which the names of a split pair up."""
    if folders.images is None:
        return None
    one = folders.images == folders.masks
    form = find_form(files_in(folders.images, folders.masks), files_in(folders.masks, folders.images), one=one)
    return form.options() if form is not None else None


def _said(folders: Folders, found: Keys) -> str | None:
    """The options that take files for images which are so only where that is said, if masks have their names."""
    files = [] if folders.images is None else files_in(folders.images, folders.masks)
    ends = [ending(path) for path in files if ending(path) in SAID and splitext(path)[0] in found.masks]
    if not ends:
        return None
    return f"--image-pattern '{STEM}{ends[0]}'" + " --vrt" * (ends[0] == VRT)


def held(folder: Place, kind: str, form: Pattern) -> str:
    """What a folder holds that has no image or mask of this form."""
    files = files_in(folder)
    if form.text != STEM and (odd := [name for name in files if ending(name) in form.endings]):
        return f"holds no {kind} of the form {form.text} ({some(odd, 2)})"
    return f"holds no {kind}, but {kinds_in(files)}"


def _unread(folder: Place, without: Place | None, taken: Iterable[Sequence[str]]) -> list[str]:
    """A note of the files in a folder that are not of the form asked for, and that do not say where one of these lies."""
    read = {path for paths in taken for path in paths}
    left = set(files_in(folder, without)) - read
    if left:  # but for the headers of ENVI images, which are read with them
        left -= {name for path in read for name in (f"{path}.aux.xml", *world_files(path), f"{splitext(path)[0]}.hdr")}
    return [f"{folder.name}/: not read: {some(sorted(left), 3)}"] if left else []
