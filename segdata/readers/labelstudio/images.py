"""Which images Label Studio's tasks show, what their URLs name, and what the labelling configuration says of both."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from segdata.errors import DataError, Problem
from segdata.files.endings import is_image
from segdata.files.places import read_bytes
from segdata.files.remote import Place
from segdata.files.xml_text import parse_xml
from segdata.labels import RGB
from segdata.readers.labelstudio.tasks import Result
from segdata.readers.named_images import ImageFinder, tail
from segdata.words import some

PIXELS = ("RectangleLabels", "PolygonLabels", "BrushLabels", "EllipseLabels", "BitmaskLabels", "Labels")
"""The controls whose labels can hold pixels."""

EMBEDDED = "data:image/"

UPLOAD = re.compile(r"[0-9a-f]{8}-(?=.)")
"""What the tool puts before the name of an uploaded file."""

CONFIG = "give the project's labelling configuration (Settings, Labeling Interface, Code): --config FILE.xml"
"""A way out."""

STORAGE = ("s3://", "gs://", "azure-blob://")
"""How URLs begin that are a bucket and a key, in which no character is escaped, as `resolve_s3_url` of the tool takes it."""

VIDEOS = (".mp4", ".webm", ".avi", ".mov", ".mkv", ".ogv", ".m4v")


@dataclass(frozen=True, slots=True)
class Shown:
    """What a labelling configuration says: the key of `data` that an image tag shows, by the tag's name and by the names of the
    controls on it; and the labels of controls, in their order, with their colours. Empty without a configuration."""

    keys: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, RGB | None] = field(default_factory=dict)


def read_config(path: Place, control: str | None) -> Shown:
    """A labelling configuration, XML. Raises `DataError` (`labelstudio.config`)."""
    try:
        root = parse_xml(read_bytes(path))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise DataError(Problem("labelstudio.config", f"no labelling configuration: {why}", str(path))) from error
    keys: dict[str, str] = {}
    labels: dict[str, RGB | None] = {}
    for tag in root.iter():
        name, shows = tag.get("name"), tag.get("value") or tag.get("valueList")
        if tag.tag == "Image" and name and shows:
            keys[name] = shows.lstrip("$")
    for tag in root.iter():
        name, to = tag.get("name"), tag.get("toName", "").split(",")[0]
        if name and to in keys:
            keys.setdefault(name, keys[to])
            if tag.tag in PIXELS and control in (None, name):
                for label in tag.iter("Label"):
                    if text := label.get("alias") or label.get("value"):
                        labels.setdefault(text, _color(label.get("background")))
    if not keys:
        message = f"it has no <Image name=... value=...>: {CONFIG}"
        raise DataError(Problem("labelstudio.config", message, str(path)))
    return Shown(keys, labels)


def _color(text: str | None) -> RGB | None:
    if not (found := re.fullmatch(r"#([0-9a-fA-F]{3}){1,2}", text or "")):
        return None
    digits = found[0][1:] if len(found[0]) == 7 else "".join(2 * digit for digit in found[0][1:])
    red, green, blue = bytes.fromhex(digits)
    return red, green, blue


# Which image


def images_of(data: Mapping[str, Any], shown: Shown) -> dict[str, list[str]]:
    """The images of a task, by their keys in its data: those that the configuration names, or what ends as an image does, or else
    whatever may be one."""
    if shown.keys:
        return {key: names for key in dict.fromkeys(shown.keys.values()) if (names := _texts(data.get(key)))}
    texts = {key: names for key, value in data.items() if (names := _texts(value)) and not any(map(is_video, names))}
    for test in (_ends_as_image, _looks_like_url):
        if found := {key: names for key, names in texts.items() if all(map(test, names))}:
            return found
    return texts if len(texts) == 1 else {}


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value] if value else []
    listed = value if isinstance(value, list) else []
    return listed if listed and all(isinstance(one, str) and one for one in listed) else []


def _ends_as_image(name: str) -> bool:
    return name.startswith(EMBEDDED) or is_image(local_name(name))


def _looks_like_url(name: str) -> bool:
    return "/" in name and len(name) < 4096 and not re.search(r"\s", name)


def is_video(name: str) -> bool:
    """Whether a URL is of a video, by its ending."""
    return len(name) < 4096 and local_name(name).lower().endswith(VIDEOS)


def shows_video(data: Mapping[str, Any]) -> bool:
    """Whether a task shows a video."""
    return any(is_video(name) for value in data.values() for name in _texts(value))


def key_of(result: Result, images: Mapping[str, object], shown: Shown) -> str:
    """Which of a task's images, by key, a region is on. Raises `DataError` (`labelstudio.image`) where that is not plain."""
    if shown.keys:
        for name in (result.to_name, result.from_name):
            if name is not None and name in shown.keys:
                return shown.keys[name]
        message = (
            f"the labelling configuration has no image {result.to_name or result.from_name!r}: give that of the project"
        )
        raise DataError(Problem("labelstudio.image", message))
    for key in ((result.source or "").lstrip("$"), result.to_name):
        if key is not None and key in images:
            return key
    if len(images) == 1:
        return next(iter(images))
    message = f"its task has images under {some(images)}, and nothing says which is meant: {CONFIG}"
    if not images:
        message = f"the data of its task names no image: {CONFIG}"
    raise DataError(Problem("labelstudio.image", message))


# What a URL names


def local_name(url: str) -> str:
    """The path that a URL of the tool names: of an uploaded, local or stored file, or one behind a link to it."""
    if found := re.search(r"[?&]fileuri=([\w=-]+)", url, re.ASCII):
        with suppress(ValueError):  # of no base64
            return local_name(urlsafe_b64decode(found[1].rstrip("=") + "==").decode())
    if found := re.search(r"[?&](?:d|filepath)=([^&]+)", url):
        return unquote(found[1])
    if url.startswith(STORAGE):
        return url.partition("://")[2]
    if "://" in url:  # the host or bucket tells files of one path apart
        return "/".join(part for part in (urlsplit(url).netloc, *tail(url)) if part)
    return "/".join(tail(unquote(url.partition("?")[0])))


class Finder:
    """Finds images by what tasks call them."""

    def __init__(self, folders: Sequence[Place]) -> None:
        self._finder = ImageFinder(folders)
        self._names: dict[str, str] = {}

    def find(self, url: str) -> str | Problem:
        """The file that a URL names, by its path or the last parts of it; without what the tool puts before uploaded files if
        need be. Two names of one file are a problem (`image.ambiguous`)."""
        name = local_name(url)
        found = self._finder.find(name)
        last = name.rpartition("/")[2]
        if isinstance(found, Problem) and found.code == "image.missing" and UPLOAD.match(last):
            bare = self._finder.find(UPLOAD.sub("", last, count=1))
            found = found if isinstance(bare, Problem) and bare.code == "image.missing" else bare
        if isinstance(found, str) and self._names.setdefault(found, url) != url:
            what = f"{url!r} and {self._names[found]!r} are of one file, {found}"
            return Problem("image.ambiguous", f"{what}: give the folder that holds the files of both: --image-dir DIR")
        return found
