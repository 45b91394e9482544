"""Which masks belong to which image, decided once from names, and what is told where that is not plain."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from posixpath import basename, splitext
from typing import NamedTuple, NoReturn

from segdata.dataset.ids import sample_ids
from segdata.errors import DataError, Problem, Report
from segdata.files.endings import MASK_ENDINGS, ending
from segdata.files.listing import files_in, kinds_in
from segdata.files.patterns import STEM, Pattern
from segdata.files.remote import Place
from segdata.readers.masks_forms import find_form
from segdata.readers.masks_keys import Folders, Keys, Layout, keys_in
from segdata.readers.source import Receipt, leave_out
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
    if bare and lacking.blank:
        receipt.notes.append(f"no mask, so all {lacking.empty}, {len(bare)} in all: {some(bare)}")
    ids, _ = sample_ids(folders.split, [_id_path(layout, key, found) for key in keys])
    pairs: list[Pair] = []
    for key, id in zip(keys, ids, strict=True):
        images, masks = found.images.get(key, ()), found.masks.get(key, ())
        problem = id if isinstance(id, Problem) else _misfit(id, images, masks, folders, lacking, len(bare))
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


def _misfit(
    id: str, images: Sequence[str], masks: Sequence[str], folders: Folders, lacking: Lacking, bare: int
) -> Problem | None:
    """What is wrong with the files of one key."""
    if len(images) > 1:
        message = f"{len(images)} images have this name, {some(images)}"
        return Problem("masks.twice", f"{message}: remove one, or {_by_ending('image', images)}", None, id)
    if len(masks) > 1 and not lacking.several:
        message = f"{len(masks)} masks are of this image, {some(map(basename, masks), 3)}"
        alike = len({splitext(path)[0] for path in masks}) == 1
        way_out = f"remove one, or {_by_ending('mask', masks)}" if alike else "--overlap smallest merges them"
        return Problem("masks.twice", f"{message}: {way_out}", None, id)
    if not masks and not (lacking.blank and images):
        others = f" ({bare} images have none)" if bare > 1 else ""
        odd = _odd_folder(folders.masks, basename(images[0]))
        message = f"the image has no mask of its name in {folders.masks.name}/{others}{odd}"
        return Problem("masks.unpaired", f"{message}: --without-mask {lacking.empty}", images[0], id)
    if folders.images and not images:
        message = f"the mask has no image of its name in {folders.images.name}/: put it there, or take the mask away"
        return Problem("masks.unpaired", message, masks[0], id)
    return None


def _odd_folder(folder: Place, name: str = "") -> str:
    """The folder that lies there under the name of a mask (of this image), for a message."""
    stem = splitext(name)[0]
    for path in folder.iterdir():
        if ending(path.name) in MASK_ENDINGS and stem in ("", splitext(path.name)[0]) and path.is_dir():
            return f" ({path.name} is a folder and no file)"
    return ""


def _by_ending(kind: str, files: Sequence[str]) -> str:
    """The option that chooses among files that differ in their ending."""
    return f"--{kind}-pattern '{STEM}{splitext(files[0])[1]}'"


def refuse_all(folders: Folders, layout: Layout, found: Keys) -> NoReturn:
    """Raise `DataError` where there is not one pair: which names there are, and the patterns that would pair them."""
    for kind, files, folder, form, option in (
        ("mask", found.masks, folders.masks, layout.masks, "--mask-dir, --mask-pattern"),
        ("image", found.images, folders.images, layout.images, "--image-dir, --image-pattern, or --images none"),
    ):
        if not files and folder is not None:
            way_out = _form_of(folders) or option
            message = f"{held(folder, kind, form)}{_odd_folder(folder)}: {way_out}"
            raise DataError(Problem("masks.missing", message, file=str(folder)))
    a, b = min(found.images), min(found.masks)
    names = f"{basename(found.images[a][0])} and {basename(found.masks[b][0])}"
    way_out = _form_of(folders) or f"--image-pattern and --mask-pattern say how they differ, such as '{STEM}_mask'"
    message = f"no mask has the name of an image ({names}){_odd_folder(folders.masks)}: {way_out}"
    raise DataError(Problem("masks.unpaired", message, file=str(folders.masks)))


def _form_of(folders: Folders) -> str | None:
    """The options under which the names of a split pair up."""
    if folders.images is None:
        return None
    one = folders.images == folders.masks
    form = find_form(files_in(folders.images, folders.masks), files_in(folders.masks, folders.images), one=one)
    return form.options() if form is not None else None


def held(folder: Place, kind: str, form: Pattern) -> str:
    """What a folder holds that has no image or mask of this form."""
    files = files_in(folder)
    if form.text != STEM and (odd := [name for name in files if ending(name) in form.endings]):
        return f"holds no {kind} of the form {form.text} ({some(odd, 2)})"
    return f"holds no {kind}, but {kinds_in(files)}"


def _unread(folder: Place, without: Place | None, taken: Iterable[Sequence[str]]) -> list[str]:
    """A note of the files in a folder that are not of the form asked for."""
    read = {path for paths in taken for path in paths}
    left = sorted(set(files_in(folder, without)) - read)
    return [f"{folder.name}/: not read: {some(left, 3)}"] if left else []
