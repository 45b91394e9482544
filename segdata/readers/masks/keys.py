"""What the names of images and masks have in common: keys, by the patterns of a layout."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple
from unicodedata import normalize

from segdata.files.listing import files_in
from segdata.files.patterns import STEM, Pattern
from segdata.files.remote import Place
from segdata.readers.masks.forms import Form

Files = Mapping[str, Sequence[str]]
"""Key (folder/stem) -> the files of that key."""


class Folders(NamedTuple):
    """Where the images (None: none are wanted) and the masks of one split lie."""

    split: str | None
    images: Place | None
    masks: Place


@dataclass(frozen=True, slots=True)
class Layout:
    """How a source names things: its folders (as given), and the forms of its file names.

    `sought`: the folders were not given, but found. `form`: so were the forms, and these are the options for them.
    """

    image_dir: str | None
    mask_dir: str
    images: Pattern
    masks: Pattern
    sought: bool = False
    form: str = ""

    @property
    def one(self) -> bool:
        """Whether both lie in one folder."""
        return self.image_dir == self.mask_dir

    @property
    def plain(self) -> bool:
        """Whether nothing is said of how names differ."""
        return self.images.text == self.masks.text == STEM

    def formed(self, form: Form) -> Layout:
        """With the forms that were found."""
        images, masks = replace(self.images, text=form.images), replace(self.masks, text=form.masks)
        return replace(self, images=images, masks=masks, form=form.options())


class Keys(NamedTuple):
    """The files of each key; `alike` are the keys of masks that are their image's but for case or composed accents."""

    images: Files
    masks: Files
    alike: Sequence[str] = ()

    @property
    def pairs(self) -> bool:
        """Whether any mask has an image."""
        return not self.images.keys().isdisjoint(self.masks.keys())


def keys_in(folders: Folders, layout: Layout) -> Keys:
    """The files in the folders of a split, by key.

    Where both lie in one folder, a file that has both forms is of the longer one.
    """
    images = grouped(files_in(folders.images, folders.masks), layout, images=True) if folders.images else {}
    masks = grouped(files_in(folders.masks, folders.images), layout, images=False)
    if folders.images is None:
        return Keys(dict.fromkeys(masks, ()), masks)
    return alike(images, masks)


def grouped(files: Iterable[str], layout: Layout, *, images: bool) -> dict[str, list[str]]:
    """Key -> those of the files that are images, or masks."""
    mine, theirs = (layout.images, layout.masks) if images else (layout.masks, layout.images)
    found: dict[str, list[str]] = defaultdict(list)
    for path in files:
        if (key := mine.key_beside(path, theirs) if layout.one else mine.key(path)) is not None:
            found[key].append(path)
    return found


def alike(images: dict[str, list[str]], masks: dict[str, list[str]]) -> Keys:
    """The same where a mask's key that no image has is the image's that is equal but for case and composed accents."""
    lonely: dict[str, list[str]] = defaultdict(list)
    for key in images.keys() - masks.keys():
        lonely[folded(key)].append(key)
    found: dict[str, list[str]] = defaultdict(list)
    for key in masks.keys() - images.keys() if lonely else ():
        found[folded(key)].append(key)
    changed = {keys[0]: lonely[form][0] for form, keys in found.items() if len(keys) == len(lonely.get(form, ())) == 1}
    renamed = {changed.get(key, key): files for key, files in masks.items()}
    return Keys(images, renamed, sorted(changed))


def folded(name: str) -> str:
    """A form that is equal for names that differ in case, or in how accents are composed."""
    return normalize("NFC", normalize("NFC", name).casefold())
