"""The command line: parse, call one operation, print. Heavy imports stay inside the command bodies."""

from __future__ import annotations

import errno
from typing import Any

import click

from segdata import __version__
from segdata.errors import DataError, SegdataError

FULL = "make room there, then run the same command again to go on"
SHUT = "choose a place that may be written to"
WAYS_OUT = {
    errno.ENOSPC: FULL, errno.EDQUOT: FULL, errno.EFBIG: FULL, errno.EROFS: SHUT, errno.EACCES: SHUT, errno.EPERM: SHUT,
}  # fmt: skip
"""Of errors of the operating system."""


class Boundary(click.Group):
    """The one place where an error becomes a line on stderr and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; what the user can mend exits 1 with one message, an interruption 130."""
        try:
            return super().invoke(ctx)
        except SegdataError as error:
            click.echo(f"error: {error}", err=True)
            about_one = isinstance(error, DataError) and (error.skippable or error.problem.sample is not None)
            if about_one and self._may_skip(ctx):
                click.echo("correct it, or leave such pictures out and have them listed: --on-error skip", err=True)
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                raise
            file = error.filename2 or error.filename or "input or output"  # the latter name is what is written
            way_out = f": {WAYS_OUT[error.errno]}" if error.errno in WAYS_OUT else ""
            click.echo(f"error: {file}: {error.strerror or error}{way_out}", err=True)
        except KeyboardInterrupt:
            click.echo("\ninterrupted: run the same command again to go on", err=True)
            ctx.exit(130)
        ctx.exit(1)

    def _may_skip(self, ctx: click.Context) -> bool:
        """Whether the command that was called has --on-error."""
        command = self.get_command(ctx, ctx.invoked_subcommand or "")
        return command is not None and any(parameter.name == "on_error" for parameter in command.params)


@click.group(cls=Boundary, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="segdata")
def main() -> None:
    """Labels in any format to one mask format, and on to evaluated masks: one label contract, a receipt for every pixel.

    Wherever a folder or file is taken, so is the URL of one in object storage: s3://, gs://, az://.
    """


from segdata.cli import (  # noqa: E402  # they add their commands to `main`
    augment,
    check,
    data,
    demo,
    evaluate,
    export,
    models,
    predict,
    refine,
    split,
    stats,
    suspects,
    tile,
    train,
)

for command in (
    data.detect,
    data.convert,
    data.info,
    data.manifest,
    data.preview,
    stats.stats,
    check.check,
    split.split,
    split.join,
    split.remap,
    tile.tile,
    tile.stitch,
    tile.untile,
    augment.augment,
    models.models,
    train.train,
    train.compare,
    predict.predict,
    evaluate.evaluate,
    refine.refine,
    suspects.suspects,
    export.export,
    demo.demo,
):
    main.add_command(command)
