"""Any folder of images with a folder of masks, and a class table: CamVid, ADE20K, LandCover and a thousand private sets.

A mask is any image that holds one value or one colour a class. Which values or colours are which classes is declared
(`--classes`, `--values`); whatever else is found in a mask is diagnosed and refused with the option that reads it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath

from segdata.errors import DataError, OptionError, Report, one_of, strict
from segdata.files.endings import MASK_ENDINGS, is_image
from segdata.files.patterns import NAME, STEM, Pattern
from segdata.files.places import listed, place
from segdata.files.remote import Place
from segdata.labels import IGNORE
from segdata.readers.classes.cells import find_columns
from segdata.readers.classes.files import given_classes
from segdata.readers.foreign import foreign
from segdata.readers.label_files import Hints, LabelFile, Meaning
from segdata.readers.label_look import look
from segdata.readers.label_merged import BlankMask, MergedFiles
from segdata.readers.label_places import PlacedMask
from segdata.readers.label_values import ClassTable, check_options, make_table, parse_values, show_key
from segdata.readers.masks.folders import choose_layout, find_folders, other_masks
from segdata.readers.masks.keys import Layout, keys_in
from segdata.readers.masks.pairs import Lacking, Pair, pair, refuse_all
from segdata.readers.nearest import nearest
from segdata.readers.paint import Overlap
from segdata.readers.source import Annotation, Item, Receipt, Source, read_text
from segdata.words import some, suggest

OWN_CLASSES, TABLE = "_classes.csv", "classes.csv"
"""The class files that are read if none is given: beside the masks, and in SRC."""


def fits(root: Place) -> str | None:
    """Why SRC is not this format; None for folders of usual names, or one folder, whose files pair up."""
    if not root.is_dir():
        return "it is no folder"
    try:
        layout = choose_layout(root, None, None, (Pattern(), Pattern(STEM, MASK_ENDINGS)), images=True)
        folders = find_folders(root, layout, None, images=True)
        other = foreign(root) or nearest(root) if "*" in layout.masks.text else None
        if other is not None and not is_image(other.file):
            return f"its masks are of single objects, and {other.file} says of which class"
        if not any(keys_in(one, layout).pairs for one in folders):
            refuse_all(folders[0], layout, keys_in(folders[0], layout))
    except DataError as error:
        return error.problem.message
    except OptionError as error:
        return str(error)
    return None


def read(
    root: str | Path,
    *,
    split: str | None = None,
    report: Report = strict,
    images: bool = True,
    image_dir: str | Path | None = None,
    mask_dir: str | Path | None = None,
    image_pattern: str = STEM,
    mask_pattern: str = STEM,
    match: str | None = None,
    classes: str | Path | Sequence[str] | None = None,
    values: Mapping[int | str, str] | Sequence[str] = (),
    colors: bool = False,
    threshold: int | None = None,
    offset: int = 0,
    overlap: Overlap | None = None,
    without_mask: str | None = None,
    warp_masks: bool = False,
) -> Source:
    """Pair images with masks by name, and read masks by value, by colour (`colors`) or by brightness (`threshold`).

    A mask has its image's path below its folder, extension aside; or a form of it, `a_mask` for `a`, that is found and told
    if nearly all names are of it. Up to 16 masks are looked at here, so that what all have
    in common is told before a long conversion, and each one as it is drawn.

    Raises `DataError` (`classes.*`, `mask.*`, `masks.*`) or adds to `report`: images and masks without a partner, or with
    several.

    Args:
        image_dir: the folder of the images, below SRC or a path; `{split}` in it and in `mask_dir` makes every folder that
            fits a split. By default usual names are tried.
        mask_dir: the folder of the masks, below SRC or a path; may hold `{split}`. By default usual names are tried.
        image_pattern: how image names are made from what image and mask share, such as `{stem}_rgb.png` or `{stem}/image`;
            `*` is any other text.
        mask_pattern: how mask names are made, such as `{stem}_mask.png`, `{stem}/masks/*` or `{name}.png`, where `{name}` is
            the image's name with its ending.
        match: how masks are named after their images, such as `{stem}_mask`, as in `evaluate`. By default `mask_pattern` says it.
        classes: the class file (one name per line, CSV, a labelmap, JSON or YAML), or names in order of mask value; by default
            the _classes.csv beside the masks, the classes.csv in SRC if it has ids, or `values` alone, names the classes.
        values: what a value is, over `classes`: `11=ignore`, `3=road`, `1..40=cell`, with `colors` `0,128,0=tree`.
        colors: read masks by the colours of the classes.
        threshold: read masks by brightness: class 1 from this one on, class 0 below it. None: not by brightness.
        offset: what is added to mask values before they are looked for in `classes`, where -1 is ignored; `values` are those
            of the mask.
        overlap: merge the masks of an image that has several. Value 0 (black) means no object. Where two masks have different
            classes, the shape of fewest pixels wins (smallest), or the first or last by file name; or the pixel is ignored
            (ignore). By default several masks are refused.
        without_mask: the class that all pixels of an image without a mask are, such as background, or ignore. By default an
            image without a mask is refused.
        warp_masks: warp masks that lie elsewhere than their image onto its pixels, by the nearest pixel, if both files say
            where they lie; pixels outside of the mask are ignored. By default a mask is refused if a corner is more than
            half a pixel off.
    """
    check_options(colors, threshold, offset, values)
    if match is not None and mask_pattern != STEM:
        raise OptionError("--match and --mask-pattern both say how masks are named: give one of them")
    mask_pattern = mask_pattern if match is None else match
    if overlap is not None:
        one_of("overlap", overlap, Overlap)
    base, receipt = listed(root), Receipt()
    layout = make_layout(base, image_dir, mask_dir, (image_pattern, mask_pattern), images=images)
    folders = find_folders(base, layout, split, images=images)
    given = classes
    if classes is None and not values:
        given = own_classes([one.masks for one in folders])
        given = own_table(base) if given is None and not colors and threshold is None else given
    entries, inputs = given_classes(given, base, receipt) if given is not None else ([], ())
    if classes is None and given is not None:
        where = "" if inputs[0].name == TABLE else " beside the masks"
        receipt.notes.append(f"classes are those of {inputs[0].name}{where}")
    meant = parse_values(values)
    table = make_table(entries, meant, colors, offset, threshold)
    if offset < 0 and table.names.get(-1 - offset, "") is None and -1 - offset not in meant:
        receipt.notes.append(f"value {-1 - offset} becomes -1 under --offset {offset}, which is ignored")

    if layout.sought:
        receipt.notes.append(f"images are in {layout.image_dir}/, masks in {layout.mask_dir}/, as their names tell")
        if others := other_masks(base, folders):
            receipt.notes.append(f"folders that may hold masks, too, and are not read: {some(others, 3)}")
    if layout.form:
        receipt.notes.append(f"masks are found as by {layout.form}")
    rules = make_rules(table, overlap, without_mask)
    pairs = sorted(found for one in folders for found in pair(one, layout, rules, report, receipt))

    own_colors = tuple(entry.color for entry in entries if entry.color is not None)
    hints = Hints(table.names, own_colors)
    meaning = Meaning(colors=table.ids, hints=hints) if colors else Meaning(table.ids, None, threshold, hints=hints)
    seen = look([(p.id, mask) for p in pairs for mask in p.masks], meaning, hints, table.labels)
    meaning = replace(meaning, hints=replace(hints, palettes=seen.palettes))
    items = [Item(p.id, p.image, None, annotate(p, meaning, table, overlap, without_mask, warp_masks), p.split)
             for p in pairs]  # fmt: skip
    receipt.notes += seen.notes
    if seen.problem is not None and (report.on_error == "stop" or not table.names):
        raise DataError(seen.problem)
    if not table.names:
        raise OptionError(
            "which value is which class is not declared: --classes FILE, one name a line in order of value"
        )
    options: dict[str, object] = {
        "mask_dir": PurePath(layout.mask_dir).name,
        "mask_pattern": layout.masks.text,
        "classes": inputs[0].name if inputs else [entry.name for entry in entries],
        "values": {show_key(key): name for key, name in meant.items()},
        "colors": colors,
        "threshold": threshold,
        "offset": offset,
        **{name: value for name, value in (("overlap", overlap), ("without_mask", without_mask)) if value is not None},
        **({"warp_masks": True} if warp_masks else {}),
    }
    return Source(table.labels, items, inputs, table.rows, receipt, options)


def make_layout(
    base: Place,
    image_dir: str | Path | None,
    mask_dir: str | Path | None,
    patterns: tuple[str, str],
    *,
    images: bool,
) -> Layout:
    """The folders and forms that the options ask for, or that are found. Raises `DataError`, `OptionError`."""
    named = Pattern.of(patterns[0], "image-pattern"), Pattern.of(patterns[1], "mask-pattern", MASK_ENDINGS)
    if named[1].of_name and named[0].text == STEM:
        named = Pattern(NAME), named[1]
    if named[0].of_name != named[1].of_name:
        raise OptionError(f"--image-pattern and --mask-pattern: both {STEM} or both {NAME}")
    where = [None if name is None else place(name).as_posix() for name in (image_dir, mask_dir)]
    return choose_layout(base, where[0], where[1], named, images=images)


def own_classes(folders: Sequence[Place]) -> str | None:
    """The class file that Roboflow writes beside the masks of each split. Raises `OptionError` where these differ."""
    files = [folder / OWN_CLASSES for folder in folders if (folder / OWN_CLASSES).is_file()]
    if len({read_text(file, "classes.text") for file in files}) > 1:
        raise OptionError(f"{some(files, 2)} differ: --classes FILE says which classes there are")
    return str(files[0]) if files else None


def own_table(base: Place) -> str | None:
    """The table of classes in SRC, if it says which value each class has; as exports have it."""
    file = base / TABLE
    if not file.is_file():
        return None
    head = read_text(file, "classes.text").partition("\n")[0]
    return str(file) if "id" in find_columns(head.split(",")) else None


def make_rules(table: ClassTable, overlap: Overlap | None, without_mask: str | None) -> Lacking:
    """What becomes of images with several masks or none. Raises `OptionError` for a class that there is not."""
    if without_mask is not None and without_mask not in (known := (*table.labels.names, IGNORE)):
        raise OptionError(f"--without-mask {without_mask}: is no class: {suggest(without_mask, known)}")
    empty = table.names.get(0, table.labels.names[0]) if without_mask is None else without_mask
    return Lacking(without_mask is not None, overlap is not None, empty or IGNORE)


def annotate(
    pair: Pair,
    meaning: Meaning,
    table: ClassTable,
    overlap: Overlap | None,
    without_mask: str | None,
    warp_masks: bool,
) -> Annotation:
    """The labels of a sample: its mask, several that are merged, or one class."""
    masks = [LabelFile(path, meaning) for path in pair.masks]
    image = pair.image
    files = masks if image is None else [PlacedMask(mask, str(image), warp_masks) for mask in masks]
    if len(files) == 1:
        return files[0]
    if files:
        return MergedFiles(tuple(files), table.ids.get(0), overlap or "smallest")
    return BlankMask(str(pair.image), None if without_mask in (None, IGNORE) else table.labels.id(without_mask))
