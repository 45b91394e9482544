"""`segdata stack`."""

from __future__ import annotations

from typing import Any

from segdata.terminal.commands import operation
from segdata.terminal.echo import echo
from segdata.terminal.options import run_options, running


@operation("segdata.ops.stack.operation:stack")
@run_options
def stack(source: str, destination: str, jobs: int | str, on_error: Any, **given: Any) -> None:
    """Put bands that lie in files of their own into one image.

    S2A_B04.tif, S2A_B03.tif and S2A_B02.tif below SRC become the GeoTIFF S2A.tif in DST.

    \b
    segdata stack scenes/ stacked/ --bands B04,B03,B02
    segdata stack scenes/ stacked/ --bands B8A,B04 --upsample

    The bands keep their names. Choose them by name later: segdata convert ... --bands B04,B03.
    """
    from segdata.ops.stack.operation import stack

    with running(jobs, on_error, "stacking") as run:
        made = stack(source, destination, run=run, **given)
    echo(f"wrote {len(made):,} scenes of {given['bands'].count(',') + 1} bands to {destination}")
