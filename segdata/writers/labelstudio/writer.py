"""Label Studio: tasks with brushes or polygons, as annotations or predictions, and the labelling configuration.

    OUT/  tasks.json, config.xml, images/

A project takes config.xml under Settings, Labeling Interface, Code, and tasks.json by Import. The tool shows images of its own
machine if it runs with LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true and LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT=OUT, and the
project has OUT/images as a source storage of local files (https://labelstud.io/guide/storage). What a region states:
https://labelstud.io/guide/task_format, https://labelstud.io/guide/predictions, and src/label_studio_sdk/label_interface of
https://github.com/HumanSignal/label-studio-sdk. Each task's data has a `segdata` besides its image: see `Origin`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import msgspec

from segdata.dataset.dataset import Dataset
from segdata.dataset.origin import KEY, Origin
from segdata.errors import one_of
from segdata.executors.run import Run
from segdata.files.drafts import Draft
from segdata.files.places import place, write_whole
from segdata.files.reading import AS_IT_IS
from segdata.files.remote import Place, is_remote
from segdata.labels import Mask
from segdata.writers.about import About
from segdata.writers.classes import Ignored, ask_ignored, refuse_names, shape_classes
from segdata.writers.exporting import Exported, Files, Plan, export_files
from segdata.writers.images import ExportImages, ending_of
from segdata.writers.labelstudio.config import CONTROL, LOCAL, NO_XML, OBJECT, image_url, labelling_config
from segdata.writers.labelstudio.shapes import Shapes, shape_values
from segdata.writers.names import Named, name_samples
from segdata.writers.objects import Objects, lose_pixels

As = Literal["annotations", "predictions"]

TASKS, CONFIG = "tasks.json", "config.xml"

KINDS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".webp")
"""The endings of images that browsers show: https://labelstud.io/guide/tasks."""

NO_LABEL = "pixels without a label are ignored pixels, which segdata.json says: no file of Label Studio can say so"


@dataclass(frozen=True, slots=True)
class How:
    """How a sample becomes a task. `names`: what the values are called that regions have. `skip` and `lost`: see `Classes`."""

    names: Mapping[int, str]
    skip: Collection[int]
    lost: int | None
    shapes: Shapes
    objects: Objects
    as_: As
    image_url: str


def write(
    dataset: Dataset,
    root: str | Place,
    *,
    as_: As = "annotations",
    shapes: Shapes = "brush",
    objects: Objects = "classes",
    ignored: Ignored | None = None,
    image_url: str = LOCAL,
    images: ExportImages = "link",
    about: About | None = None,
    overwrite: bool = False,
    run: Run | None = None,
) -> Exported:
    """Write a task per sample, with its mask as regions, and the labelling configuration.

    Raises `OptionError`, `DataError` for the first bad file (`run.report` may skip instead), `DatasetError`.

    Args:
        dataset: The dataset to write.
        root: The folder to write to.
        as_: What masks become: annotations (the default), or predictions, which people accept or correct.
        shapes: What a region is: a brush (the default), which holds any pixels, or a polygon along the edges of pixels.
        objects: What a brush holds: all of a class (classes, the default), or one connected region (regions). A polygon is always
            one region.
        ignored: What becomes of ignored pixels, which Label Studio cannot hold: a class called ignore (class), no label, as
            background has (background), or samples that have any are left out (drop). By default the export is refused if there
            are any.
        image_url: What stands before the paths of images in tasks: where you put the contents of images/, such as
            s3://bucket/folder. By default Label Studio serves them from its own machine, where
            LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT is the folder of this export.
        images: What becomes of the images: links to them (the default), copies, or there are none. With none, tasks name images
            in object storage by their own URLs, and others as the links would be called.
        about: What croissant.json says of the dataset.
        overwrite: Replace an export there.
    """
    for name, value, allowed in (("as", as_, As), ("shapes", shapes, Shapes), ("objects", objects, Objects)):
        one_of(name, value, allowed)
    refuse_names(dataset.labels, NO_XML, CONFIG)
    dataset, left_out = ask_ignored(dataset, ignored, "Label Studio")
    classes = shape_classes(dataset.labels, ignored)
    names = {one.value: one.name for one in classes.written}
    options = {"as": as_, "shapes": shapes, "objects": objects, "ignored": ignored, "image_url": image_url}
    plan = Plan(
        format="labelstudio",
        options=options,
        samples=name_samples(dataset),
        item=partial(write_task, how=How(names, classes.skip, classes.lost, shapes, objects, as_, image_url)),
        finish=partial(write_all, config=labelling_config(classes.written, shapes)),
        holds=[TASKS, CONFIG, *(["images"] if images != "none" else [])],
        reader="labelstudio",
        reading={"config": CONFIG, **({"annotation": "corrected"} if as_ == "predictions" else {})},
        names=classes.names,
        images=images,
        keeps=("ignored", "groups"),
        ways={"ignored": "--ignored class"},
        left_out=left_out,
        notes=[NO_LABEL] if ignored == "background" and classes.lost is None else [],
    )
    return export_files(dataset, place(root), plan, about=about, overwrite=overwrite, run=run)


def write_task(named: Named, files: Files, how: How) -> str:
    """Write the image of a sample; its task without an id, as JSON."""
    mask = files.source.read_mask(named.sample)
    lose_pixels(files, named.sample, mask, how.lost)
    path = files.image(named.sample, f"images/{named.path}", KINDS)
    url = url_of(named, files.source, how.image_url, path)
    data = {"image": url, KEY: Origin.of(named.sample)}
    work: dict[str, Any] = {"result": results(mask, how)}
    if how.as_ == "predictions":
        work["model_version"] = "segdata"
    return msgspec.json.encode({"data": data, how.as_: [work]}).decode()


def results(mask: Mask, how: How) -> list[dict[str, Any]]:
    """The regions of a mask, as entries of `result`."""
    about = {
        "from_name": CONTROL, "to_name": OBJECT, "type": f"{how.shapes}labels", "image_rotation": 0,
        "original_width": mask.shape[1], "original_height": mask.shape[0],
    }  # fmt: skip
    values = shape_values(mask, how.names, how.skip, how.shapes, how.objects)
    return [{"id": f"r{number}", **about, "value": value} for number, value in enumerate(values, 1)]


def url_of(named: Named, source: Dataset, prefix: str, path: str | None) -> str:
    """What a task calls the image of a sample: `path` is where it was written, None if it was not.

    Without images it is the URL of an image that is far away, if all of that is the sample; or else where it would be written.
    """
    if path is not None:
        return image_url(prefix, path.removeprefix("images/"))
    sample, ending = named.sample, ".png"
    if sample.image is not None and sample.view is None and sample.exif is None and source.reading == AS_IT_IS:
        file = source.image_path(sample)
        if is_remote(file) and prefix == LOCAL:
            return file
        ending = ending_of(file) if ending_of(file) in KINDS else ending
    return image_url(prefix, f"{named.path}{ending}")


def write_all(root: Place, rows: Iterable[tuple[Named, str]], config: bytes) -> None:
    """Write the tasks of all samples as one list, numbered from 1 on, and the labelling configuration."""
    write_whole(root / CONFIG, config)
    with Draft(root / TASKS) as draft:
        for number, (_, task) in enumerate(rows, 1):
            draft.file.write(f'{"[" if number == 1 else ","}\n{{"id":{number},{task[1:]}'.encode())
        draft.file.write(b"\n]\n")
