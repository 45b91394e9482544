"""One text file of what each sample is called and how large it is."""

from __future__ import annotations

from segdata.dataset.dataset import Dataset
from segdata.executors.run import Run
from segdata.files.places import place
from segdata.files.remote import Place
from segdata.writers.about import About


def write(
    dataset: Dataset,
    root: str | Place,
    *,
    title: str = "samples",
    about: About | None = None,
    overwrite: bool = False,
    run: Run | None = None,
) -> Dataset:
    """Write list.txt, and return the dataset that was given.

    Args:
        title: its first line.
    """
    lines = [title, *(f"{sample.id} {sample.height} {sample.width}" for sample in dataset)]
    place(root).mkdir(parents=True, exist_ok=True)
    (place(root) / "list.txt").write_bytes("\n".join(lines).encode())
    return dataset
