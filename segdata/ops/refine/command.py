"""`segdata refine` and `segdata suspects`: better masks, and labels worth a second look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from segdata.terminal.options import run_options, running

if TYPE_CHECKING:
    from segdata.labels import Labels
    from segdata.refinement.settings import Refinement


@click.command()
@click.argument("pred", type=click.Path())
@click.argument("out", type=click.Path())
@click.option("--settings", type=click.Path(), metavar="FILE", help="Settings from a file that --tune wrote.")
@click.option("--crf/--no-crf", "crf", default=None, help="A dense CRF.  [default: --crf, unless there are --step]")
@click.option(
    "--crf-option", "crf_options", multiple=True, metavar="KEY=VALUE", help="Such as bilateral_srgb=5; see dense_crf."
)
@click.option(
    "--step", "steps", multiple=True, metavar="OP[:KEY=VALUE,...]",
    help="Morphology after it, in this order: open, close, erode, dilate, fill_holes, min_area, largest, median, majority; "
    "such as close:size=5,shape=disk,classes=road+car or min_area:area=50.",
)  # fmt: skip
@click.option("--from", "source", type=click.Choice(["scores", "labels"]), default="scores", show_default=True,
              help="What the CRF starts from; labels where there are no scores.")  # fmt: skip
@click.option(
    "--tune", "truth", type=click.Path(), metavar="TRUTH", help="Search the settings that come nearest to TRUTH."
)
@click.option("--split", help="The split of TRUTH that --tune may see.")
@click.option(
    "--held-out", metavar="X|SPLIT", help="Part of it, or another split, that it may not.  [default: a third]"
)
@click.option("--save", type=click.Path(), metavar="FILE", help="Write what --tune decided here.  [default: OUT.json]")
@click.option("--seed", type=int, metavar="N", help="Of the draws of --tune.")
@click.option("--overwrite", is_flag=True, help="Replace a dataset at OUT.")
@run_options
def refine(
    pred: str, out: str, settings: str | None, crf: bool | None, crf_options: tuple[str, ...], steps: tuple[str, ...],
    source: str, truth: str | None, save: str | None, overwrite: bool, jobs: int | str, on_error: Any, **tuning: Any,
) -> None:  # fmt: skip
    """Refine the predicted masks PRED by a dense CRF and morphology, into OUT.

    \b
    segdata refine pred refined                      # a CRF with the usual settings
    segdata refine pred refined --tune truth --split val      # only what helps there; settings to refined.json
    segdata refine pred2 refined2 --settings refined.json
    segdata refine pred tidy --no-crf --step close:size=5,classes=road --step min_area:area=64
    """
    from segdata.dataset.dataset import Dataset
    from segdata.dataset.images import refuse_inputs
    from segdata.files.places import place
    from segdata.ops.refine.operation import refine
    from segdata.ops.refine.text import refined_line, tuned_lines, write_settings

    by_hand = crf is not None or bool(crf_options or steps)
    if (settings is not None) + (truth is not None) + by_hand > 1:
        raise click.UsageError("settings come from --settings, or from --tune, or from --crf and --step: choose one")
    given = {name: value for name, value in tuning.items() if value is not None}
    if truth is None and (given or save):
        raise click.UsageError(f"--{[*given, 'save'][0].replace('_', '-')} goes with --tune")
    dataset = Dataset.open(pred)
    chosen: Refinement | str | None = settings
    if by_hand:
        chosen = _by_hand(crf, crf_options, steps, dataset.labels)
    if truth is not None:
        from segdata.ops.refine.tune import tune

        refuse_inputs(place(out), [dataset, Dataset.open(truth)])
        if (share := given.get("held_out")) is not None:
            given["held_out"] = _number(share)
        with running(jobs, on_error, "tuning") as run:
            tuned = tune(dataset, truth, scores=source == "scores", run=run, **given)
        click.echo("\n".join(tuned_lines(tuned)))
        file = save or out.rstrip("/") + ".json"
        write_settings(tuned, file)
        click.echo(f"settings:   {file} (for --settings, and predict --refine)")
        chosen = tuned.refinement
    with running(jobs, on_error, "refining") as run:
        made = refine(dataset, out, chosen, scores=source == "scores", overwrite=overwrite, run=run)
    click.echo(refined_line(made))


def _by_hand(crf: bool | None, crf_options: tuple[str, ...], steps: tuple[str, ...], labels: Labels) -> Refinement:
    """The refinement of --crf, --crf-option and --step."""
    from segdata.refinement.settings import Refinement

    wanted = crf if crf is not None else bool(crf_options) or not steps
    settings = dict(_setting(option) for option in crf_options)
    if settings and not wanted:
        raise click.UsageError("--crf-option goes with --crf")
    morphology = []
    for text in steps:
        op, _, rest = text.partition(":")
        step: dict[str, Any] = {"op": op, **dict(_setting(one) for one in rest.split(",") if one)}
        if "classes" in step:
            step["classes"] = str(step["classes"]).split("+")
        morphology.append(step)
    return Refinement.from_json({"crf": settings if wanted else None, "morphology": morphology}, labels)


def _setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise click.BadParameter(f"{text!r} is not KEY=VALUE")
    return name, _number(value)


def _number(text: str) -> Any:
    """An int, a float, or the text itself."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
