"""A dataset in the form that other programs want."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from segdata.dataset.dataset import Dataset
from segdata.dataset.id_lists import listed
from segdata.errors import OptionError
from segdata.executors.run import Run
from segdata.writers import writer, writer_options
from segdata.writers.about import About
from segdata.writers.exporting import Exported


def export(
    format: str,
    dataset: Dataset | str | Path,
    destination: str | Path,
    *,
    split: str | None = None,
    ids: Sequence[str] | str | Path | None = None,
    license: str | None = None,
    url: str | None = None,
    creator: Sequence[str] = (),
    cite_as: str | None = None,
    published: str | None = None,
    data_version: str | None = None,
    overwrite: bool = False,
    run: Run | None = None,
    **options: Any,
) -> Dataset | Exported:
    """Export a dataset to a format of `segdata.writers.WRITERS`; `options` are those of its writer.

    What is a dataset, too, as that of `webdataset` is, is returned as one.

    Raises `OptionError`, `DataError` for the first bad file (`run.report` may skip instead), and `DatasetError`.

    Args:
        format: The format to write.
        dataset: The dataset, or its folder.
        destination: The folder to write to.
        split: Export this split only; several: a,b; all but one: !a.
        ids: Export these samples only: a file with an id per line (.txt) or with ids in its first column (.csv); in Python also
            the ids themselves.
        license: The license of the dataset, for croissant.json: a URL, such as that of a list of licenses
            (https://spdx.org/licenses/), or a text. By default it is NOASSERTION: nobody said what it is.
        url: The web page of the dataset, for croissant.json.
        creator: Who made the dataset, for croissant.json: the name of a person, or org: and that of an organization.
        cite_as: How to cite the dataset, for croissant.json: a text, best as BibTeX. By default it is the dataset's name.
        published: The day on which the dataset is published, for croissant.json, such as 2026-01-31. By default it is the day on
            which the dataset was written.
        data_version: The version of the dataset, for croissant.json, such as 1.2.0. By default it is 1.0.0.
        overwrite: Replace an export at `destination`.
    """
    about = About(license, url, creator, cite_as, published, data_version)
    known = writer_options(format)
    if foreign := [name for name in options if name not in known]:
        raise OptionError(f"format {format} has no option {foreign[0]!r}: it has {', '.join(known) or 'none'}")
    dataset = Dataset.of(dataset)
    if split is not None:
        dataset = dataset.split(split)
    if ids is not None:
        dataset = listed(dataset, ids, "--ids")
    return writer(format)(dataset, destination, about=about, overwrite=overwrite, run=run, **options)
