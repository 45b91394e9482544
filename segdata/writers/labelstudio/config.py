"""Label Studio's labelling configuration, and how tasks refer to images.

Configuration: https://labelstud.io/tags/brushlabels, https://labelstud.io/tags/polygonlabels. URLs of images:
https://labelstud.io/guide/tasks, local files: https://labelstud.io/guide/storage.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from segdata.writers.classes import Written
from segdata.writers.labelstudio.shapes import Shapes

CONTROL, OBJECT = "label", "image"
"""The names of the control and of the image tag, which regions refer to."""

TAGS = {"brush": "BrushLabels", "polygon": "PolygonLabels"}

LOCAL = "/data/local-files/?d=images/"
"""Where the tool serves images of a folder on its machine: LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT is the folder of the export."""

STORAGE = ("s3://", "gs://", "azure-blob://")
"""The beginnings of URLs that the tool takes for keys of objects: no character of them is escaped."""

ESCAPES = {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;", '"': "&quot;"}
"""What would become a space, or end the text."""

NO_XML = "[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]"
"""A pattern of what no XML can hold: https://www.w3.org/TR/xml/#charsets."""


def labelling_config(written: Sequence[Written], shapes: Shapes) -> bytes:
    """The labelling configuration, XML, of classes whose names have nothing of `NO_XML`."""
    lines = ["<View>", f'  <Image name="{OBJECT}" value="${OBJECT}" zoom="true"/>']
    lines.append(f'  <{TAGS[shapes]} name="{CONTROL}" toName="{OBJECT}">')
    for one in written:
        color = "".join(f"{part:02x}" for part in one.color)
        lines.append(f'    <Label value={quoteattr(one.name, ESCAPES)} background="#{color}"/>')
    return "\n".join([*lines, f"  </{TAGS[shapes]}>", "</View>", ""]).encode()


def image_url(prefix: str, path: str) -> str:
    """The URL of an image: what `--image-url` says, and the path of its file below the folder of images."""
    start = prefix if not prefix or prefix.endswith(("/", "=")) else f"{prefix}/"
    return start + (path if start.startswith(STORAGE) else quote(path))
