"""Grey masks beside images, in the folders that a trainer wants, with its config.

    images/SPLIT/*  masks/SPLIT/*.png  classes.txt  classes.csv     (names of folders: see `layouts`)

classes.txt has one name per line, in order of id. classes.csv has ids, names and colours, and what is ignored, so that
`segdata convert masks` reads the masks by `--classes classes.csv` whatever the classes are called.
"""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import partial

from segdata.dataset.dataset import Dataset
from segdata.errors import OptionError, one_of
from segdata.executors.run import Run
from segdata.files.places import place, write_whole
from segdata.files.remote import Place
from segdata.labels import IGNORE, Labels
from segdata.words import some
from segdata.writers.about import About
from segdata.writers.classes import IN_LINES, refuse_ignore, refuse_names
from segdata.writers.croissant import Shown
from segdata.writers.exporting import Exported, Files, Plan, export_files
from segdata.writers.folders.configs import Contents, Split, find_roles
from segdata.writers.folders.layouts import LAYOUTS, Layout, LayoutName
from segdata.writers.images import ExportImages
from segdata.writers.names import Named, name_samples

CLASSES, TABLE = "classes.txt", "classes.csv"

SPLIT_LAST = "/{split}"

UNSPLIT = "unsplit"
"""The split of samples that are in none, if others are in one."""


def write(
    dataset: Dataset,
    root: str | Place,
    *,
    layout: LayoutName = "plain",
    images: ExportImages = "link",
    about: About | None = None,
    overwrite: bool = False,
    run: Run | None = None,
) -> Exported:
    """Write grey masks whose values are class ids, 255 (or 65535) ignored, beside the images.

    Raises `OptionError`, `DataError` for the first bad file (`run.report` may skip instead), `DatasetError`.

    Args:
        dataset: The dataset to write.
        root: The folder to write to.
        layout: Whose names the folders have, with a config beside them: plain (the default, images/SPLIT and masks/SPLIT
            without a config), mmseg (MMSegmentation), ultralytics, lightly (LightlyTrain), smp (segmentation_models.pytorch).
        images: What becomes of the images: links to them (the default), copies, or there are none.
        about: What croissant.json says of the dataset.
        overwrite: Replace an export there.
    """
    one_of("layout", layout, LayoutName)
    chosen = LAYOUTS[layout]
    refuse_labels(dataset.labels, layout)
    samples = name_samples(dataset, flat=chosen.flat, unsplit=UNSPLIT if dataset.splits else None)
    splits = sorted({one.split for one in samples}, key=str)
    refuse_folders(chosen, splits)
    with_images = images != "none"
    folders = [folder for split in splits for folder in chosen.folders(split)[0 if with_images else 1 :]]
    config = [chosen.config[0]] if chosen.config is not None and with_images else []
    image_dir, mask_dir = (chosen.images, chosen.masks) if dataset.splits else chosen.alone
    plan = Plan(
        format="folders",
        options={"layout": layout},
        samples=samples,
        item=partial(write_sample, layout=chosen),
        finish=partial(write_common, labels=dataset.labels, layout=chosen, with_config=bool(config)),
        holds=[*sorted({folder.split("/")[0] for folder in folders}), CLASSES, TABLE, *config],
        reader="masks",
        reading={"mask_dir": mask_dir, "classes": TABLE, "image_dir": image_dir},
        names={name: id for id, name in enumerate(dataset.labels.names)},
        images=images,
        notes=list(notes_on(chosen, samples, splits, with_images=with_images)),
        shown=Shown(f"{image_dir.removesuffix(SPLIT_LAST)}/*", f"{mask_dir.removesuffix(SPLIT_LAST)}/*.png"),
    )
    return export_files(dataset, place(root), plan, about=about, overwrite=overwrite, run=run)


def refuse_labels(labels: Labels, layout: LayoutName) -> None:
    """Raise `OptionError` for classes that files or masks of a layout cannot hold."""
    refuse_ignore(labels)
    refuse_names(labels, IN_LINES, CLASSES)
    if layout != "plain" and labels.ignore != 255:
        ways = "--layout plain holds them in 16 bits, segdata remap --only or --map leaves fewer"
        raise OptionError(f"{len(labels.classes)} classes: masks for {layout} have 8 bits, for 255 classes: {ways}")


def refuse_folders(layout: Layout, splits: Sequence[str | None]) -> None:
    """Raise `OptionError` if a folder would hold images of one split and masks of another."""
    times = Counter(folder for split in splits for folder in layout.folders(split))
    if double := [folder for folder, number in times.items() if number > 1]:
        raise OptionError(f"{double[0]} would be a folder of two splits: --split exports one of them")


def notes_on(
    layout: Layout, samples: Sequence[Named], splits: Sequence[str | None], *, with_images: bool
) -> Iterable[str]:
    """What a person should know of the files."""
    if UNSPLIT in splits and (number := sum(one.sample.split is None for one in samples)):
        yield f"{number:,} samples are in no split: they are in {layout.folders(UNSPLIT)[1]}"
    if layout.config is None:
        return
    if small := sum(min(one.sample.size) < layout.least for one in samples):
        yield f"images with a side of less than {layout.least} pixels, which the trainer does not read: {small:,}"
    name, there = layout.config[0], find_roles(splits, layout.roles)
    if not with_images:
        yield f"there is no {name}, as there are no images"
        return
    if others := [split for split in splits if split not in there.values()]:
        yield f"{name}: does not name {some(others)}, as the trainer knows {', '.join(layout.roles)} alone"
    if missing := [role for role in ("train", "val") if role not in there]:
        yield f"{name}: has no {' and no '.join(missing)}: segdata split makes such splits"


def write_sample(named: Named, files: Files, layout: Layout) -> str | None:
    """Write the mask of a sample, and its image. Returns the ending of the image."""
    images, masks = layout.folders(named.split)
    image = files.image(named.sample, f"{images}/{named.name}", layout.kinds)
    files.mask(named.sample, f"{masks}/{named.name}.png")
    return None if image is None else f".{image.rpartition('.')[2]}"


def write_common(
    root: Place, rows: Iterable[tuple[Named, str | None]], labels: Labels, layout: Layout, *, with_config: bool
) -> None:
    """Write the names of the classes, their table, and the config."""
    write_whole(root / CLASSES, "".join(f"{name}\n" for name in labels.names).encode())
    write_whole(root / TABLE, class_table(labels).encode())
    if layout.config is None or not with_config:
        return
    endings: dict[str | None, set[str]] = defaultdict(set)
    for named, ending in rows:
        endings[named.split].add(ending or "")
    name, text = layout.config
    there = find_roles(endings, layout.roles)
    splits = {role: Split(*layout.folders(split), tuple(sorted(endings[split]))) for role, split in there.items()}
    write_whole(root / name, text(Contents(labels, splits)).encode())


def class_table(labels: Labels) -> str:
    """CSV of id, name, red, green and blue, the ignored value last."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["id", "name", "r", "g", "b"])
    table.writerows([label.id, label.name, *label.color] for label in labels.classes)
    table.writerow([labels.ignore, IGNORE, 255, 255, 255])
    return out.getvalue()
