"""`segdata refine`: better masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from segdata.terminal.commands import operation, taken
from segdata.terminal.options import run_options, running
from segdata.terminal.values import number_or_text, pairs

if TYPE_CHECKING:
    from segdata.labels import Labels
    from segdata.refinement.settings import Refinement


REFINE, TUNE = "segdata.ops.refine.operation:refine", "segdata.ops.refine.tune:tune"


@operation(REFINE, {TUNE: "With --tune"})
@click.option("--crf/--no-crf", "crf", default=None, help="Use a dense CRF.  [default: --crf, unless --step is given]")
@click.option("--crf-option", "crf_options", multiple=True, metavar="KEY=VALUE",
              help="A setting of the CRF, such as bilateral_srgb=5. Repeat for more.")  # fmt: skip
@click.option(
    "--step", "steps", multiple=True, metavar="OP[:KEY=VALUE,...]",
    help="A step of morphology after it: open, close, erode, dilate, fill_holes, min_area, largest, median or majority; "
    "such as close:size=5,shape=disk,classes=road+car or min_area:area=50. Repeat for more, in their order.",
)  # fmt: skip
@click.option(
    "--tune", "truth", type=click.Path(), metavar="TRUTH", help="Search for the settings that come nearest to TRUTH."
)
@click.option(
    "--save", type=click.Path(), metavar="FILE", help="Write what --tune decided to FILE.  [default: DST.json]"
)
@run_options
def refine(
    pred: str, destination: str, crf: bool | None, crf_options: tuple[str, ...], steps: tuple[str, ...], truth: str | None,
    save: str | None, jobs: int | str, on_error: Any, **given: Any,
) -> None:  # fmt: skip
    """Refine the predicted masks PRED by a dense CRF and morphology.

    The refined masks are a new dataset DST.

    \b
    segdata refine pred refined                      # a CRF, the usual settings
    segdata refine pred refined --tune truth --split val     # only what helps
    segdata refine pred2 refined2 --settings refined.json    # the same again
    segdata refine pred tidy --no-crf --step close:size=5 --step min_area:area=64
    """
    from segdata.dataset.dataset import Dataset
    from segdata.dataset.destination import refuse_held, state_of
    from segdata.dataset.inputs import Inputs
    from segdata.files.places import place
    from segdata.ops.refine.operation import refine
    from segdata.ops.refine.text import refined_line, refuse_other_file, tuned_lines, write_settings

    by_hand = crf is not None or bool(crf_options or steps)
    if ("refinement" in given) + (truth is not None) + by_hand > 1:
        raise click.UsageError("settings come from --settings, or from --tune, or from --crf and --step: choose one")
    tuning = taken(TUNE, given)
    alone = [name for name in tuning if name not in taken(REFINE, given)]
    if truth is None and (alone or save):
        raise click.UsageError(f"--{[*alone, 'save'][0].replace('_', '-')} goes with --tune")
    dataset = Dataset.open(pred)
    if by_hand:
        given["refinement"] = _by_hand(crf, crf_options, steps, dataset.labels)
    if truth is not None:
        from segdata.ops.refine.tune import tune

        refuse_held(place(destination), Inputs([dataset, Dataset.open(truth)]))
        state_of(place(destination))
        file = save or destination.rstrip("/") + ".json"
        refuse_other_file(file)
        with running(jobs, on_error, "tuning") as run:
            tuned = tune(dataset, truth, run=run, **tuning)
        click.echo("\n".join(tuned_lines(tuned)))
        write_settings(tuned, file, overwrite=given.get("overwrite", False))
        click.echo(f"settings:   {file} (for --settings, and predict --refine)")
        given["refinement"] = tuned.refinement
    with running(jobs, on_error, "refining") as run:
        made = refine(dataset, destination, run=run, **taken(REFINE, given))
    click.echo(refined_line(made))


def _by_hand(crf: bool | None, crf_options: tuple[str, ...], steps: tuple[str, ...], labels: Labels) -> Refinement:
    """The refinement of --crf, --crf-option and --step."""
    from segdata.refinement.settings import Refinement

    wanted = crf if crf is not None else bool(crf_options) or not steps
    settings = _settings(crf_options)
    if settings and not wanted:
        raise click.UsageError("--crf-option goes with --crf")
    morphology = []
    for text in steps:
        op, _, rest = text.partition(":")
        step: dict[str, Any] = {"op": op, **_settings([one for one in rest.split(",") if one])}
        if "classes" in step:
            step["classes"] = str(step["classes"]).split("+")
        morphology.append(step)
    return Refinement.from_json({"crf": settings if wanted else None, "morphology": morphology}, labels)


def _settings(texts: Sequence[str]) -> dict[str, Any]:
    try:
        return pairs(texts, "KEY=VALUE", number_or_text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
