"""XML from files of others. Entities, by which a few bytes become gigabytes or name other files, are not read."""

from __future__ import annotations

from xml.etree import ElementTree


class Entities(ValueError):
    """A text that declares entities."""


def parse_xml(data: bytes) -> ElementTree.Element:
    """The root of a text in UTF-8. Raises `ValueError` for what is no such text, `Entities` before any is looked at."""
    text = data.decode("utf-8-sig")
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise Entities("declares entities")
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ValueError(str(error)) from error
