"""One self-contained HTML page from a template in `templates/`: images and charts lie in it, and nothing is loaded."""

from __future__ import annotations

import base64
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from segdata.files.images import ImageArray, encode_image
from segdata.files.places import place, write_whole
from segdata.files.remote import Place


def write_page(out: str | Place, template: str, **values: Any) -> Place:
    """Write the page that a template makes of these values, whole or not at all, making folders as needed."""
    environment = Environment(
        loader=PackageLoader("segdata.pages"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )  # fmt: skip
    out = place(out)
    write_whole(out, environment.get_template(template).render(**values).encode())
    return out


def jpeg_uri(image: ImageArray, quality: int = 90) -> str:
    """(H, W, 3) uint8 RGB -> a JPEG as the `src` of an <img>."""
    return "data:image/jpeg;base64," + base64.b64encode(encode_image(image, "jpeg", quality, thin=True)).decode()
