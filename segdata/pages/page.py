"""One self-contained HTML page from a template in `templates/`: images and charts lie in it, and nothing is loaded."""

from __future__ import annotations

import base64
import shlex
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from segdata.dataset.dataset import Dataset
from segdata.dataset.job import folder_name
from segdata.files.images import ImageArray, encode_image
from segdata.files.places import place, write_whole
from segdata.files.remote import Place
from segdata.pages.running import running_viewer


@dataclass(frozen=True, slots=True)
class Viewer:
    """Where a dataset can be looked at: the `url` of a viewer that runs, without its token, or the `command` that starts one."""

    url: str | None
    command: str

    @classmethod
    def of(cls, dataset: Dataset, *preds: Dataset) -> Viewer:
        """Of a dataset, and predictions beside it."""
        names = [shlex.quote(folder_name(one)) for one in (dataset, *preds)]
        return cls(running_viewer(dataset.root), f"segdata view {' '.join(names)}")


def write_page(out: str | Place, template: str, *, viewer: Viewer | None = None, **values: Any) -> Place:
    """Write the page that a template makes of these values, whole or not at all, making folders as needed.

    Its images lead to the `viewer`.
    """
    environment = Environment(
        loader=PackageLoader("segdata.pages"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )  # fmt: skip
    environment.globals["viewer"] = viewer  # macros that are imported know it too
    out = place(out)
    write_whole(out, environment.get_template(template).render(**values).encode())
    return out


def jpeg_uri(image: ImageArray, quality: int = 90) -> str:
    """(H, W, 3) uint8 RGB -> a JPEG as the `src` of an <img>."""
    return "data:image/jpeg;base64," + base64.b64encode(encode_image(image, "jpeg", quality, thin=True)).decode()
