"""Any folder of images with a folder of masks, and a class table: CamVid, ADE20K, LandCover and a thousand private sets.

A mask is any image that holds one value or one colour a class. Which values or colours are which classes is declared
(`--classes`, `--values`); whatever else is found in a mask is diagnosed and refused with the option that reads it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath

from segdata.errors import DataError, OptionError, Report, strict
from segdata.files.places import listed, place
from segdata.files.remote import Place
from segdata.labels import Labels
from segdata.readers.class_entries import Entry
from segdata.readers.class_files import given_classes
from segdata.readers.label_files import Hints, LabelFile, Meaning
from segdata.readers.masks_look import look
from segdata.readers.masks_pairs import STEM, Pattern, choose_layout, find_folders, pair
from segdata.readers.masks_values import (
    ClassTable,
    Key,
    color_table,
    parse_values,
    show_key,
    threshold_table,
    value_table,
)
from segdata.readers.source import Item, Receipt, Source


def fits(root: Place) -> str | None:
    """Why SRC is not this format; None for folders of usual names whose files pair up."""
    if not root.is_dir():
        return "it is no folder"
    try:
        choose_layout(root, None, None, (Pattern(), Pattern()), images=True)
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
    classes: str | Path | Sequence[str] | None = None,
    values: Mapping[int | str, str] | Sequence[str] = (),
    colors: bool = False,
    threshold: int | None = None,
    offset: int = 0,
) -> Source:
    """Pair images with masks by name, and read masks by value, by colour (`colors`) or by brightness (`threshold`).

    A mask has its image's path below its folder, extension aside. Up to 16 masks are looked at here, so that what all have
    in common is told before a long conversion, and each one as it is drawn.

    Raises `DataError` (`classes.*`, `mask.*`, `masks.*`) or adds to `report`: images and masks without a partner, or with
    several.

    Args:
        image_dir: the folder of the images, below SRC or a path; `{split}` in it and in `mask_dir` makes every folder that
            fits a split. By default usual names are tried.
        mask_dir: the folder of the masks, below SRC or a path; may hold `{split}`. By default usual names are tried.
        image_pattern: how image names are made from what image and mask share, such as `{stem}_rgb.png`.
        mask_pattern: how mask names are made, such as `{stem}_mask.png`.
        classes: the class file (one name per line, CSV, a labelmap, JSON or YAML), or names in order of mask value; by default
            `values` alone names the classes.
        values: what a value is, over `classes`: `11=ignore`, `3=road`, `1..40=cell`, with `colors` `0,128,0=tree`.
        colors: read masks by the colours of the classes.
        threshold: read masks by brightness: class 1 from this one on, class 0 below it. None: not by brightness.
        offset: what is added to mask values before they are looked for in `classes`, where -1 is ignored; `values` are those
            of the mask.
    """
    check_options(colors, threshold, offset, values)
    base, receipt = listed(root), Receipt()
    entries, inputs = given_classes(classes, base, receipt) if classes is not None else ([], ())
    meant = parse_values(values)
    table = make_table(entries, meant, colors, offset, threshold)
    if offset < 0 and table.names.get(-1 - offset, "") is None and -1 - offset not in meant:
        receipt.notes.append(f"value {-1 - offset} becomes -1 under --offset {offset}, which is ignored")

    patterns = Pattern.of(image_pattern, "image-pattern"), Pattern.of(mask_pattern, "mask-pattern")
    images_in, masks_in = (None if name is None else place(name).as_posix() for name in (image_dir, mask_dir))
    layout, sought = choose_layout(base, images_in, masks_in, patterns, images=images)
    if sought:
        receipt.notes.append(f"images are in {layout.image_dir}/, masks in {layout.mask_dir}/, as their names tell")
    folders = find_folders(base, layout, split, images=images)
    pairs = sorted(found for one in folders for found in pair(one, layout, report, receipt))

    own_colors = tuple(entry.color for entry in entries if entry.color is not None)
    hints = Hints(table.names, own_colors)
    meaning = Meaning(colors=table.ids, hints=hints) if colors else Meaning(table.ids, None, threshold, hints=hints)
    seen = look([(p.id, p.mask) for p in pairs], meaning, hints, table.labels)
    meaning = replace(meaning, hints=replace(hints, palettes=seen.palettes))
    items = [Item(p.id, p.image, None, LabelFile(p.mask, meaning), p.split) for p in pairs]
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
    }
    return Source(table.labels, items, inputs, table.rows, receipt, options)


def check_options(colors: bool, threshold: int | None, offset: int, values: object) -> None:
    """Raises `OptionError` for options that have no such value, or exclude each other."""
    if threshold is not None and not 1 <= threshold <= 65535:
        raise OptionError(f"--threshold {threshold}: must be from 1 to 65535")
    if abs(offset) > 65535:
        raise OptionError(f"--offset {offset}: must be from -65535 to 65535")
    given = {"--colors": colors, "--threshold": threshold is not None, "--offset": offset != 0}
    if len(both := [name for name, is_given in given.items() if is_given]) > 1:
        raise OptionError(f"{' and '.join(both)} exclude each other: masks are read one way")
    if threshold is not None and values:
        raise OptionError("--threshold and --values exclude each other: a threshold makes two classes")


def make_table(
    entries: Sequence[Entry], values: Mapping[Key, str], colors: bool, offset: int, threshold: int | None
) -> ClassTable:
    """The classes of masks that are read this way; without any class one that declares nothing."""
    if threshold is not None:
        return threshold_table(entries, threshold)
    if not entries and not values:
        return ClassTable(Labels.of(["background"]), (), {})
    return color_table(entries, values) if colors else value_table(entries, values, offset)
