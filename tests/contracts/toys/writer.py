"""One text file of what each sample is called and how large it is."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from segdata.dataset.dataset import Dataset
from segdata.executors.run import Run
from segdata.files.places import place, write_whole
from segdata.files.remote import Place
from segdata.writers.about import About
from segdata.writers.exporting import Exported, Files, Plan, export_files
from segdata.writers.names import Named, name_samples


def write(
    dataset: Dataset,
    root: str | Place,
    *,
    title: str = "samples",
    about: About | None = None,
    overwrite: bool = False,
    run: Run | None = None,
) -> Exported:
    """Write list.txt.

    Args:
        dataset: The dataset to write.
        root: The folder to write to.
        title: its first line.
        about: What croissant.json says of the dataset.
        overwrite: Replace an export there.
    """
    plan = Plan(
        format="toy",
        options={"title": title},
        samples=name_samples(dataset),
        item=measure,
        finish=partial(write_list, title=title),
        holds=["list.txt"],
        reader="toy",
        names={label.name: label.id for label in dataset.labels.classes},
        images="none",
    )
    return export_files(dataset, place(root), plan, about=about, overwrite=overwrite, run=run)


def measure(named: Named, files: Files) -> str:
    """The line of a sample."""
    height, width = files.source.read_mask(named.sample).shape
    return f"{named.sample.id} {height} {width}"


def write_list(root: Place, rows: Iterable[tuple[Named, str]], title: str) -> None:
    """Write the lines of all samples."""
    write_whole(root / "list.txt", "\n".join([title, *(line for _, line in rows)]).encode())
