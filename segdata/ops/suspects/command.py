"""`segdata suspects`: labels worth a second look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from segdata.terminal.commands import operation, taken
from segdata.terminal.echo import echo
from segdata.terminal.options import run_options, running
from segdata.terminal.text import json_lines
from segdata.words import percent

if TYPE_CHECKING:
    from segdata.ops.suspects.operation import Suspects


EXAMINE, LEAVE = (f"segdata.ops.suspects.operation:{name}" for name in ("suspects", "without"))


@operation(EXAMINE, {LEAVE: "With --relabel"})
@click.option("--worst", type=click.IntRange(min=1), default=20, show_default=True, metavar="N",
              help="How many images and regions are listed, shown, written and left out.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print both rankings, whole, as one JSON object.")
@click.option("--sheet", type=click.Path(), metavar="FILE", help="Show the worst regions in a .png or .jpg file.")
@click.option("--relabel", type=click.Path(), metavar="FOLDER",
              help="Write to FOLDER regions.json (COCO) and images for an annotation tool, and a dataset without the regions.",
)  # fmt: skip
@run_options
def suspects(
    pred: str, truth: str, worst: int, as_json: bool, sheet: str | None, relabel: str | None,
    jobs: int | str, on_error: Any, **given: Any,
) -> None:  # fmt: skip
    """Find labels of TRUTH that the scores of PRED speak against.

    Images and regions are ranked. Each region says what seems wrong: the class of a whole object, something missing that the
    model sees, an outline, or a part of an object.

    Let a model predict samples that it was not trained on: it learns the errors of those it was trained on. Averaged scores find
    more: segdata predict MODEL mydata pred --scores --flip x --scales 1,1.5

    \b
    segdata suspects pred mydata --sheet suspects.png
    segdata suspects pred mydata --worst 100 --relabel again     # to label anew
    """
    from segdata.ops.suspects.operation import suspects, without
    from segdata.ops.suspects.relabel import relabel_folder, write_relabel

    if relabel is not None:
        relabel_folder(relabel)
    with running(jobs, on_error, "examining") as run:
        found = suspects(pred, truth, run=run, **taken(EXAMINE, given))
    echo(json_lines(found.to_json()) if as_json else lines(found, worst))
    regions = found.regions[:worst]
    if sheet is not None:
        from segdata.ops.suspects.sheet import suspects_sheet

        echo(f"wrote {suspects_sheet(found, regions, sheet)}", err=as_json)
    if relabel is not None:
        with running(jobs, on_error, "writing") as run:
            made = without(found, f"{relabel}/dataset", regions, run=run, **taken(LEAVE, given))
        write_relabel(found, relabel, regions)
        echo(f"wrote {relabel}/regions.json: {len(regions)} regions to label again", err=as_json)
        echo(f"wrote {made.root}: {len(made)} samples without them (segdata info {made.root})", err=as_json)


def lines(found: Suspects, worst: int) -> list[str]:
    """The worst images and regions, as tables."""
    names = found.labels.name
    out = [f"images by the quality of their labels, the worst {min(worst, len(found.images))} of {len(found.images)}:"]
    out += [
        f"  {p.score:5.3f}  {p.sample}  ({percent(p.disputed, p.pixels)} of its labelled pixels are disputed)"
        for p in found.images[:worst]
    ]
    out.append(
        f"regions by how much is against their label, the worst {min(worst, len(found.regions))} of {len(found.regions)}:"
    )
    for one in found.regions[:worst]:
        region = one.region
        y, x, h, w = region.box
        out.append(
            f"  {region.score:5.3f}  {one.sample}  {names(region.given)}, rather {names(region.suggested)}"
            f" ({region.kind}; {region.area} pixels, {w} x {h} at row {y}, column {x})"
        )
    if found.unscored:
        out.append(f"without scores: {len(found.unscored)} samples, which were not examined")
    return out
