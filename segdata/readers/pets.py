"""Oxford-IIIT Pet: `images/`, `annotations/trimaps/` and the lists `list.txt`, `trainval.txt` and `test.txt`.

A trimap holds 1 pet, 2 background, 3 border. Breeds are numbered by CLASS-ID, 1 to 37; their names are those in file names.
Some images are GIF or RGBA PNG under a .jpg name, some are in no list, and `._*` files lie beside the trimaps.

Format: annotations/README of https://www.robots.ox.ac.uk/~vgg/data/pets/.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from segdata.dataset.ids import sample_ids
from segdata.errors import DataError, OptionError, Problem, Report, one_of, strict
from segdata.files.places import list_folder, listed
from segdata.files.remote import Place
from segdata.labels import Labels
from segdata.readers.detect import without
from segdata.readers.label_files import LabelFile, Meaning
from segdata.readers.source import Input, Item, Receipt, Source, SourceClass, leave_out, read_text
from segdata.words import some

LabelKind = Literal["trimap", "binary", "species", "breed"]

Border = Literal["ignore", "foreground", "class"]

BREEDS = (
    ("Abyssinian", "cat"), ("american_bulldog", "dog"), ("american_pit_bull_terrier", "dog"), ("basset_hound", "dog"),
    ("beagle", "dog"), ("Bengal", "cat"), ("Birman", "cat"), ("Bombay", "cat"), ("boxer", "dog"),
    ("British_Shorthair", "cat"), ("chihuahua", "dog"), ("Egyptian_Mau", "cat"), ("english_cocker_spaniel", "dog"),
    ("english_setter", "dog"), ("german_shorthaired", "dog"), ("great_pyrenees", "dog"), ("havanese", "dog"),
    ("japanese_chin", "dog"), ("keeshond", "dog"), ("leonberger", "dog"), ("Maine_Coon", "cat"),
    ("miniature_pinscher", "dog"), ("newfoundland", "dog"), ("Persian", "cat"), ("pomeranian", "dog"), ("pug", "dog"),
    ("Ragdoll", "cat"), ("Russian_Blue", "cat"), ("saint_bernard", "dog"), ("samoyed", "dog"),
    ("scottish_terrier", "dog"), ("shiba_inu", "dog"), ("Siamese", "cat"), ("Sphynx", "cat"),
    ("staffordshire_bull_terrier", "dog"), ("wheaten_terrier", "dog"), ("yorkshire_terrier", "dog"),
)  # fmt: skip
"""Name and species of each breed, in the order of their CLASS-ID, which counts from 1."""

SPECIES = ("cat", "dog")
"""In the order of their number in the lists, which counts from 1."""

NUMBERS = {name: (number, 1 + SPECIES.index(species)) for number, (name, species) in enumerate(BREEDS, 1)}
"""CLASS-ID and species of each breed, as the lists give them."""

SPLITS = ("trainval", "test")

PET, BACKGROUND, BORDER = 1, 2, 3

WAY_OUT = "a trimap holds 1 pet, 2 background and 3 border: correct it"


def fits(root: Place) -> str | None:
    """Why SRC is not this format; None for images/, and annotations/ with trimaps/ and one of the lists, or breeds' names."""
    if reason := without(root, ("images/", "annotations/trimaps/")):
        return reason
    if any((root / "annotations" / f"{name}.txt").is_file() for name in ("list", *SPLITS)):
        return None
    names = [
        name for name in list_folder(root / "annotations" / "trimaps") if name[:1] != "." and name.endswith(".png")
    ]
    if names and all(name.rpartition("_")[0] in NUMBERS for name in names):
        return None
    return "there is no annotations/list.txt, and the trimaps have not the names of breeds"


def read(
    root: str | Path,
    *,
    split: str | None = None,
    report: Report = strict,
    images: bool = True,
    labels: LabelKind = "trimap",
    border: Border | None = None,
) -> Source:
    """Read the pets. Samples are all trimaps; an image in neither trainval.txt nor test.txt has no split.

    Raises `OptionError` for options, `DataError` (`pets.*`, `image.*`), or adds to `report`: an image that two lists
    hold, that has no trimap or file, or whose breed in a list is not that of its name.

    Args:
        labels: what the classes are: `trimap` pet, background and border; `binary` background and pet; `species` background,
            cat and dog; `breed` background and always the 37 breeds by CLASS-ID.
        border: what the trimap's border becomes: `ignore` ignored, `foreground` the pet that it surrounds, `class` the last
            class. By default `class` for the labels `trimap`, which have no other, and `ignore` for the others.
    """
    border = check_options(labels, border, split)
    classes = Classes.of(labels, border)
    receipt = Receipt()
    found = find_pets(listed(root), images, receipt)
    members: dict[str | None, list[str]] = defaultdict(list)
    for name in sorted(found.trimaps | found.rows.keys()):
        splits = [row.split for row in found.rows.get(name, ()) if row.split]
        members[split if split in splits else splits[0] if splits else None].append(name)
    if split is not None:
        members = {split: members[split]}
    if not any(members.values()):
        what = f"annotations/{split}.txt names no image" if split else "there is no trimap"
        raise DataError(Problem("pets.missing", f"{what}: is the set whole?", file=str(root)))
    items: list[Item] = []
    for its_split, part in members.items():
        items += make_items(found, classes, its_split, part, report, receipt)
    items.sort(key=lambda item: item.id)
    options: dict[str, object] = {"labels": labels, "border": border}
    return Source(Labels.of(classes.names), items, found.inputs, classes.rows(), receipt, options)


def check_options(labels: LabelKind, border: Border | None, split: str | None) -> Border:
    """The border that is meant. Raises `OptionError`."""
    for name, value, allowed in (("labels", labels, LabelKind), ("border", border, Border)):
        if value is not None:
            one_of(name, value, allowed)
    if split is not None and split not in SPLITS:
        raise OptionError(f"no split {split!r}: there are {' and '.join(SPLITS)}")
    if labels == "trimap" and border not in (None, "class"):
        raise OptionError(
            f"--border {border}: in trimaps the border is a class; choose --labels binary, species or breed"
        )
    return border or ("class" if labels == "trimap" else "ignore")


# Classes


@dataclass(frozen=True, slots=True)
class Classes:
    """The classes in order of id, and for each that a pet may be of: the class ids of trimap values (None: ignored)."""

    kind: LabelKind
    names: tuple[str, ...]
    trimaps: Mapping[str, dict[int, int | None]]

    @classmethod
    def of(cls, kind: LabelKind, border: Border) -> Classes:
        """The classes that the options ask for."""
        pets = {"species": SPECIES, "breed": tuple(NUMBERS)}.get(kind, ("pet",))
        names = ("background", *pets, "border") if border == "class" else ("background", *pets)
        if kind == "trimap":
            names = ("pet", "background", "border")
        ids = {name: i for i, name in enumerate(names)}

        def values(pet: str) -> dict[int, int | None]:
            edge = {"ignore": None, "foreground": ids[pet], "class": ids.get("border")}[border]
            return {PET: ids[pet], BACKGROUND: ids["background"], BORDER: edge}

        return cls(kind, names, {pet: values(pet) for pet in pets})

    def pet(self, image: str) -> str | None:
        """The class of the pet on an image of this name, <breed>_<number>; None where that must be a breed and is none."""
        if self.kind in ("trimap", "binary"):
            return "pet"
        breed = image.rpartition("_")[0]
        if breed not in NUMBERS:
            return None
        return breed if self.kind == "breed" else SPECIES[NUMBERS[breed][1] - 1]

    def rows(self) -> tuple[SourceClass, ...]:
        """The receipt's table: trimap values, with the pet where the class depends on it."""
        table: dict[int | str, SourceClass] = {}
        for value, name in ((PET, None), (BACKGROUND, "background"), (BORDER, "border")):
            fixed = len({values[value] for values in self.trimaps.values()}) == 1
            for pet, values in self.trimaps.items():
                source_id = value if fixed else f"{value} of {pet}"
                table[source_id] = SourceClass(source_id, name or pet, values[value])
        return tuple(table.values())


# Files


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a list: an image, its CLASS-ID and the number of its species. `file` is the list."""

    image: str
    class_id: int
    species: int
    file: str

    @property
    def split(self) -> str | None:
        """The split that the list is of; list.txt, which names all images, is of none."""
        name = self.file.removesuffix(".txt")
        return name if name in SPLITS else None


@dataclass(frozen=True, slots=True)
class Pets:
    """What lies in the folders: names of trimaps and of images (None: not looked for), and the rows of lists by image."""

    root: str
    trimaps: frozenset[str]
    images: frozenset[str] | None
    rows: Mapping[str, Sequence[Row]]
    inputs: tuple[Input, ...]


def find_pets(root: Place, images: bool, receipt: Receipt) -> Pets:
    """What there is under SRC; what is passed over gets a line in the receipt. Raises `DataError` (`pets.missing`)."""
    annotations = root / "annotations"
    trimaps = names_in(annotations / "trimaps", ".png")
    image_names = names_in(root / "images", ".jpg") if images else None
    rows: dict[str, list[Row]] = defaultdict(list)
    paths = [annotations / f"{name}.txt" for name in ("list", *SPLITS)]
    lists = [path for path in paths if path.is_file()]
    for path in lists:
        for row in read_list(path):
            rows[row.image].append(row)
    if len(lists) < len(paths):
        receipt.notes.append(f"annotations: there is no {some(path.name for path in paths if path not in lists)}")
    if rest := sorted((image_names or frozenset()) - trimaps - rows.keys()):
        receipt.notes.append(f"images: {len(rest)} images with no trimap and in no list are left out: {some(rest)}")
    inputs = tuple(Input.of(path) for path in lists)
    return Pets(str(root), trimaps, image_names, dict(rows), inputs)


def names_in(folder: Place, extension: str) -> frozenset[str]:
    """The files of a folder, without extension; hidden files (such as `._*`) do not count. Raises `DataError`."""
    try:
        names = [name for name in list_folder(folder) if name.endswith(extension) and not name.startswith(".")]
    except OSError as error:
        way_out = "give the folder that holds annotations/trimaps/ and images/ (or --images none)"
        raise DataError(Problem("pets.missing", f"{error.strerror}: {way_out}", file=str(folder))) from error
    return frozenset(name.removesuffix(extension) for name in names)


def read_list(path: Place) -> list[Row]:
    """The rows `image CLASS-ID SPECIES BREED-ID` of a list; `#` starts a comment. Raises `DataError` (`pets.list`)."""
    rows = []
    for number, line in enumerate(read_text(path, "pets.list").split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = re.fullmatch(r"\s*(\S+)\s+(\d{1,9})\s+(\d{1,9})\s+\d{1,9}\s*", line, re.ASCII)
        if match is None:
            message = f"line {number}: {line.strip()!r} is not `image CLASS-ID SPECIES BREED-ID`"
            raise DataError(Problem("pets.list", message, file=path.name))
        rows.append(Row(match[1], int(match[2]), int(match[3]), path.name))
    return rows


# Items


def make_items(
    found: Pets, classes: Classes, split: str | None, names: Sequence[str], report: Report, receipt: Receipt
) -> list[Item]:
    """One item for each name, but for those that are left out."""
    ids, _ = sample_ids(split, [f"{name}.png" for name in names])
    items: list[Item] = []
    for name, id in zip(names, ids, strict=True):
        item = make_item(found, classes, split, name, id) if isinstance(id, str) else id
        if isinstance(item, Item):
            items.append(item)
        else:
            problem = replace(item, file=item.file or f"{name}.png")
            leave_out(
                problem, [f"{name}.png"] if name in found.trimaps else [], report, receipt, sample=item.sample or name
            )
    return items


def make_item(found: Pets, classes: Classes, split: str | None, name: str, id: str) -> Item | Problem:
    """An image's item, or why it cannot be one."""
    rows = found.rows.get(name, ())
    if problem := check_rows(name, id, rows):
        return problem
    if name not in found.trimaps:
        message = f"there is no annotations/trimaps/{name}.png: put it there, or take the name out of the lists"
        return Problem("pets.trimap", message, rows[0].file, id)
    pet = classes.pet(name)
    if pet is None:
        message = "its name is not that of a breed and a number: rename it, or choose --labels trimap or binary"
        return Problem("pets.breed", message, None, id)
    if found.images is not None and name not in found.images:
        message = f"there is no images/{name}.jpg: put it there, or make masks alone (--images none)"
        return Problem("image.missing", message, None, id)
    image = None if found.images is None else f"{found.root}/images/{name}.jpg"
    mask = LabelFile(f"{found.root}/annotations/trimaps/{name}.png", Meaning(classes.trimaps[pet], way_out=WAY_OUT))
    return Item(id, image, None, mask, split)


def check_rows(name: str, id: str, rows: Sequence[Row]) -> Problem | None:
    """What is wrong with the rows of an image: two in one list, two splits, or another breed than the name's."""
    files = [row.file for row in rows]
    if len(set(files)) < len(files):
        twice = next(file for file in files if files.count(file) > 1)
        return Problem("pets.twice", "is named by several lines: keep one", twice, id)
    if len(splits := [file for file in files if file != "list.txt"]) > 1:
        return Problem("pets.twice", f"is in {' and in '.join(splits)}: take it out of one", splits[0], id)
    numbers = NUMBERS.get(name.rpartition("_")[0])
    for row in rows:
        if numbers not in (None, (row.class_id, row.species)):
            listed, named = describe(row.class_id, row.species), describe(*numbers)
            return Problem("pets.breed", f"the list gives {listed}, but its name {named}: correct one", row.file, id)
    return None


def describe(class_id: int, species: int) -> str:
    """A list's numbers, and what they stand for."""
    breed = BREEDS[class_id - 1][0] if 1 <= class_id <= len(BREEDS) else "none"
    kind = SPECIES[species - 1] if 1 <= species <= len(SPECIES) else "none"
    return f"CLASS-ID {class_id} ({breed}) and species {species} ({kind})"
