"""`segdata preview`."""

from __future__ import annotations

from typing import Any

from segdata.terminal.commands import operation
from segdata.terminal.echo import echo


@operation("segdata.ops.preview.operation:preview")
def preview(dataset: str, out: str, **given: Any) -> None:
    """Write a contact sheet OUT (.png or .jpg) of images and masks.

    Masks are laid over the images, and a legend names the classes.
    """
    from segdata.ops.preview.operation import preview

    echo(f"wrote {preview(dataset, out, **given)}")
