"""The one place that writes to the terminal: control characters in data are shown, and never steer it."""

from __future__ import annotations

from collections.abc import Iterable

import click

from segdata.words import shown


def echo(lines: str | Iterable[str] = "", *, err: bool = False) -> None:
    """Print a line or lines, to stderr if `err`. Each stays one line, whatever names it holds (see `shown`)."""
    texts = [lines] if isinstance(lines, str) else lines
    click.echo("\n".join(map(shown, texts)), err=err)
