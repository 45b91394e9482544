"""The command line: a table of commands, loaded when they are called, and the one error boundary."""

from __future__ import annotations

import errno
from importlib import import_module
from typing import Any

import click

from segdata.errors import DataError, SegdataError
from segdata.terminal import names
from segdata.terminal.echo import echo
from segdata.version import __version__
from segdata.words import shown

COMMANDS = {
    "detect": "segdata.ops.detect.command",
    "convert": "segdata.ops.convert.command",
    "info": "segdata.ops.info.command",
    "manifest": "segdata.ops.manifest.command",
    "preview": "segdata.ops.preview.command",
    "view": "segdata.ops.view.command",
    "stats": "segdata.ops.stats.command",
    "check": "segdata.ops.check.command",
    "diff": "segdata.ops.diff.command",
    "split": "segdata.ops.split.command",
    "select": "segdata.ops.select.command",
    "join": "segdata.ops.join.command",
    "remap": "segdata.ops.remap.command",
    "stack": "segdata.ops.stack.command",
    "tile": "segdata.ops.tile.command",
    "stitch": "segdata.ops.stitch.command",
    "untile": "segdata.ops.stitch.command",
    "mosaic": "segdata.ops.mosaic.command",
    "augment": "segdata.ops.augment.command",
    "models": "segdata.nn.models.command",
    "train": "segdata.nn.command",
    "compare": "segdata.nn.command",
    "calibrate": "segdata.nn.command",
    "bundle": "segdata.nn.command",
    "predict": "segdata.ops.predict.command",
    "serve": "segdata.ops.serve.command",
    "evaluate": "segdata.ops.evaluate.command",
    "agree": "segdata.ops.agree.command",
    "monitor": "segdata.ops.monitor.command",
    "refine": "segdata.ops.refine.command",
    "suspects": "segdata.ops.suspects.command",
    "pick": "segdata.ops.pick.command",
    "export": "segdata.ops.export.command",
    "demo": "segdata.cli.demo",
}
"""Each command and the module that defines it under its own name. A new command is a folder and a line here."""

FULL = "make room there, then run the same command again to go on"
SHUT = "choose a place that may be written to"
MANY = "raise the limit of open files (ulimit -n), then run the same command again to go on"
WAYS_OUT = {
    errno.ENOSPC: FULL, errno.EDQUOT: FULL, errno.EFBIG: FULL, errno.EROFS: SHUT, errno.EACCES: SHUT, errno.EPERM: SHUT,
    errno.EMFILE: MANY, errno.ENFILE: MANY,
}  # fmt: skip
"""What to do about an error of the operating system."""


class Commands(click.Group):
    """Loads a command when it is called, and turns its errors into a line on stderr and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands, in the order of the work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command of this name, or other name; None if there is none."""
        name = names.COMMANDS.get(name, name)
        if name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(COMMANDS[name]), name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; what the user can mend exits 1 with one message, an interruption 130."""
        try:
            return super().invoke(ctx)
        except SegdataError as error:
            echo(f"error: {error}", err=True)
            about_one = isinstance(error, DataError) and (error.skippable or error.problem.sample is not None)
            if about_one and self._may_skip(ctx):
                echo("correct it, or leave such images out and have them listed: --on-error skip", err=True)
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                raise
            file = error.filename2 or error.filename or "input or output"  # the latter name is what is written
            way_out = f": {WAYS_OUT[error.errno]}" if error.errno in WAYS_OUT else ""
            echo(f"error: {file}: {error.strerror or error}{way_out}", err=True)
        except MemoryError as error:
            what = f" ({error})" if str(error) else ""
            echo(f"error: out of memory{what}: use fewer processes (-j), or work on smaller images or parts", err=True)
        except KeyboardInterrupt:
            echo(["", "interrupted: run the same command again to go on"], err=True)
            ctx.exit(130)
        except click.ClickException as error:
            vars(error)["message"] = shown(error.message)  # it quotes what was typed, or what the shell put there
            raise
        ctx.exit(1)

    def _may_skip(self, ctx: click.Context) -> bool:
        """Whether the command that was called has --on-error."""
        command = self.get_command(ctx, ctx.invoked_subcommand or "")
        return command is not None and any(parameter.name == "on_error" for parameter in command.params)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="segdata")
def main() -> None:
    """Labels in any format to one mask format, and on to models at work: one label contract, a receipt for every pixel.

    A folder or file may also be a URL in object storage: s3://, gs://, az://. Start with segdata demo.
    """
