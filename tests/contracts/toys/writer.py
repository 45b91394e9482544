"""One text file of what each sample is called and how large it is."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

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
    """Write list.txt, and a file per sample.

    Args:
        title: its first line.
    """
    plan = Plan(
        format="toy",
        options={"title": title},
        samples=name_samples(dataset),
        item=write_sample,
        finish=partial(write_list, title=title),
        holds=["sizes", "list.txt"],
        reader="toy",
        names={},
        images="none",
    )
    return export_files(dataset, place(root), plan, about=about, overwrite=overwrite, run=run)


def write_sample(named: Named, files: Files) -> str:
    """Write the size of a sample."""
    line = f"{named.sample.id} {named.sample.height} {named.sample.width}"
    files.write(f"sizes/{named.path}.txt", line.encode())
    return line


def write_list(root: Place, rows: Iterable[tuple[Named, Any]], title: str) -> None:
    """Write all of them as a list."""
    write_whole(root / "list.txt", "\n".join([title, *(line for _, line in rows)]).encode())
