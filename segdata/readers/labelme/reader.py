"""labelme: a JSON per image, with polygons, masks and other shapes.

Files of the versions 3 to 7, and those of programs that write the same, such as AnyLabeling. Shapes are drawn as labelme's
own `shapes_to_label` draws them (see `draw`): in the order of the file, lines 10 pixels wide, points as discs.

The image is the one within the JSON (`imageData`), or else the file that `imagePath` names. labelme shows files upright, as
their EXIF orientation says, and what is within the JSON as it is. A labels.txt in SRC, as `labelme --labels` takes it, names
the classes, its first lines being `__ignore__` and `_background_`.

Format: https://github.com/wkentaro/labelme (labelme/_label_file.py, examples/semantic_segmentation).
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from segdata.dataset.ids import sample_ids
from segdata.errors import OptionError, Problem, Report, one_of, strict
from segdata.files.endings import is_image
from segdata.files.images import Exif
from segdata.files.limits import MAX_TEXT
from segdata.files.listing import files_in
from segdata.files.places import listed, read_bytes
from segdata.files.remote import Place
from segdata.readers.classes.named import Background, NamedClass, choose_classes
from segdata.readers.labelme.draw import Drawing, Pen
from segdata.readers.labelme.files import Found, is_label_file, read_heads
from segdata.readers.labelme.images import Images
from segdata.readers.labelme.shapes import LabelmeShapes, Rules
from segdata.readers.listed_items import label_files
from segdata.readers.named_images import image_folder, told_elsewhere
from segdata.readers.paint import Overlap
from segdata.readers.sight import look
from segdata.readers.source import Item, Receipt, Source, leave_out, refuse_split
from segdata.words import some

CLASS_FILE = "labels.txt"

LOOKED_AT = 20
"""So many JSON files are looked into to tell the format."""


def fits(root: Place) -> str | None:
    """Why SRC is not this format; None for a JSON with labelme's shapes and the image that they are on."""
    sight = look(root)
    candidates = list(sight.ending(".json"))[:LOOKED_AT]
    if not candidates:
        return "there is no .json"
    for path in candidates:
        if re.search('"(shapes|imagePath|imageData)"', sight.start(path)):
            with suppress(OSError):
                if is_label_file(read_bytes(sight.root / path, limit=MAX_TEXT)):
                    return None
    return f"{candidates[0]} has no labelled `shapes` of an image (`imagePath`)"


def read(
    root: str | Path,
    *,
    split: str | None = None,
    report: Report = strict,
    images: bool = True,
    image_dir: str | Path | None = None,
    classes: str | Path | Sequence[str] | None = None,
    background: Background = "class",
    overlap: Overlap = "last",
    line_width: int = 10,
    point_size: int = 5,
    drawing: Drawing = "6",
) -> Source:
    """Read the label files of a folder and all below it, or one label file.

    There are no splits, ids or groups but those of files that segdata wrote.

    Raises `DataError` (`labelme.*`, `classes.*`, `image.*`), or adds to `report`: a label file that is damaged, or without its
    image.

    Args:
        image_dir: the folder of the images, here or in SRC; by default they are within the label files, or where `imagePath`
            says.
        classes: the class file (labelme's labels.txt, one name per line, CSV, a labelmap, JSON or YAML), or names in order of
            class id; by default the labels.txt in SRC, or else the labels that are found, sorted, after background.
        background: what pixels under no shape are: `class` is the class background; `ignore` is ignored.
        overlap: which shape is on top: the `last` in the file, as labelme draws them, the `first`, or the `smallest`;
            `ignore`: pixels that several classes claim are ignored.
        line_width: how many pixels wide lines and line strips are drawn; 0 leaves them out.
        point_size: the radius in pixels of the disc that a point becomes; 0 leaves points out.
        drawing: the version of labelme whose rule is followed: in `7` line strips have round joints, and masks that were moved
            by parts of a pixel lie at the nearest one; `6` is the rule of all versions before.
    """
    one_of("background", background, Background)
    one_of("overlap", overlap, Overlap)
    one_of("drawing", drawing, Drawing)
    for name, size in (("line-width", line_width), ("point-size", point_size)):
        if not 0 <= size <= 1000:
            raise OptionError(f"--{name} {size}: must be from 0 to 1000 pixels")
    base, receipt = listed(root), Receipt()
    folder, names = label_files(base, ".json", "labelme.missing")
    if classes is None and (folder / CLASS_FILE).is_file():
        classes = str(folder / CLASS_FILE)
    found = list(read_heads(folder, names, report, receipt))
    if split is not None:
        found = of_split(split, found, root)
    every = sorted({label for one in found for label in one.labels})
    own = [NamedClass(label, label) for label in every]
    chosen = choose_classes(classes, folder, background, receipt, lambda: own)
    file = chosen.inputs[0].name if chosen.inputs else "the class file"
    rules = Rules(chosen.ids, chosen.background, overlap, Pen(line_width, point_size, drawing), file)
    where = Images(folder, None if image_dir is None else image_folder(image_dir, folder), images)
    items = _items(found, where, rules, report, receipt)
    _tell(found, items, receipt)
    if images and image_dir is None and split is None and base.is_dir():
        receipt.notes += _unlabelled(folder, found, items)
    receipt.notes += told_elsewhere([where.finder])
    options: dict[str, object] = {"classes": chosen.told, "background": background, "overlap": overlap}
    options |= {"line_width": line_width, "point_size": point_size, "drawing": drawing}
    return Source(chosen.labels, items, chosen.inputs, chosen.rows, receipt, options)


def of_split(split: str, found: Sequence[Found], root: str | Path) -> list[Found]:
    """The label files of one split. Raises `OptionError` if there are none."""
    splits = [None if one.origin is None else one.origin.split for one in found]
    if split not in splits:
        refuse_split(split, root, splits)
    return [one for one, its in zip(found, splits, strict=True) if its == split]


def _paths(found: Sequence[Found]) -> list[str]:
    """What ids are made of: the paths of label files, or those that segdata wrote into them, if these are all different."""
    told = [one.name if one.origin is None else f"{one.origin.id}.json" for one in found]
    return told if len(set(told)) == len(told) else [one.name for one in found]


def _items(found: Sequence[Found], images: Images, rules: Rules, report: Report, receipt: Receipt) -> list[Item]:
    """The item of each label file that has its image where one is wanted, in order."""
    items: list[Item] = []
    ids, renamed = sample_ids(None, _paths(found))
    receipt.renamed += renamed
    for one, id in zip(found, ids, strict=True):
        image = images.of(one) if isinstance(id, str) else id
        annotation = LabelmeShapes(images.path(one), None if isinstance(image, Problem) else image, rules)
        if isinstance(id, str) and not isinstance(image, Problem):
            exif: Exif = "upright" if one.inside != image else "raw"
            split, group = (None, None) if one.origin is None else (one.origin.split, one.origin.group)
            items.append(Item(id, image if images.wanted else None, None, annotation, split, group, exif=exif))
        elif isinstance(image, Problem):
            sample = id if isinstance(id, str) else image.sample
            leave_out(replace(image, file=annotation.path, sample=sample), annotation.ids, report, receipt)
    return sorted(items, key=lambda item: item.id)


def _unlabelled(folder: Place, found: Sequence[Found], items: Sequence[Item]) -> Iterator[str]:
    """A note of the images beside label files that none is of: labelme writes none for what nobody has labelled."""
    of_files = {posixpath.splitext(one.name)[0] for one in found}
    folders, used = {posixpath.dirname(name) for name in of_files}, {item.image for item in items}
    images = [path for path in files_in(folder) if is_image(path) and posixpath.dirname(path) in folders]
    images = [path for path in images if posixpath.splitext(path)[0] not in of_files and str(folder / path) not in used]
    if images:
        yield f"images without a label file, left out: {len(images):,}, such as {min(images)}"


def _tell(found: Sequence[Found], items: Sequence[Item], receipt: Receipt) -> None:
    """Notes on what masks do not hold, and on images that several label files name."""
    if flags := Counter(flag for one in found for flag in one.flags):
        told = some(f"{flag} ({count:,})" for flag, count in flags.most_common())
        receipt.notes.append(f"flags of images, which masks do not hold: {told}")
    others = [posixpath.splitext(one.name)[0] for one in found if one.origin is None]
    if any(item.split is not None for item in items) and others:
        receipt.notes.append(
            f"label files that segdata did not write, in no split: {len(others):,}, such as {min(others)}"
        )
    times = Counter(item.image for item in items if item.image is not None)
    if twice := [posixpath.basename(image) for image, count in times.items() if count > 1]:
        receipt.warnings.append(f"images that several label files name, each of which is a sample: {some(twice)}")
