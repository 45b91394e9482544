"""XML from files of others. Entities, by which a few bytes become gigabytes or name other files, are not read.

`parse_xml` gives a small text as a tree. `walk_xml` gives the elements of a file of any size one by one, with their places in
the file, so that `parse_part` can read one of them again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple, NoReturn
from xml.etree import ElementTree
from xml.parsers import expat

from segdata.files.limits import open_regular
from segdata.files.places import local_copy
from segdata.files.remote import Place

CHUNK = 2**18
"""So many bytes are parsed at a time."""

LARGEST = 2**25
"""The most bytes of a tag, and characters of a text: run lengths of millions of runs are attributes."""

UTF_16 = (b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0<")
"""How texts begin that have two bytes for a character: expat would read them, but not parts of them."""

DEEPEST = 64
"""The most elements within each other: label files have six."""


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


class Element(NamedTuple):
    """An element: its name after those of the elements around it, what it holds, and where it is.

    Of its text it has what follows the last element in it: all, if there is none. `start` and `end` are bytes of the file: its
    first one, and the one after its contents, where its end tag begins. An element without contents (`<a/>`) ends there.
    """

    names: tuple[str, ...]
    attributes: Mapping[str, str]
    text: str
    start: int
    end: int


def walk_xml(path: Place) -> Iterator[Element]:
    """The elements of a file in UTF-8, each as it ends: the inner ones before the one around them.

    Raises `ValueError` with the line for what is no such text or has an element that is too large or too deep, `Entities` for
    a document type, in which entities are declared; `OSError`, `StorageError`.
    """
    walker = Walker()
    with local_copy(path) as here, open_regular(here) as file:
        while data := file.read(CHUNK):
            yield from walker.feed(data)
        yield from walker.close()


def parse_part(data: bytes) -> list[Element]:
    """The elements of a part of a file: one element with all in it, but for its end tag. Raises `ValueError`, `Entities`."""
    walker = Walker()
    return [*walker.feed(data), *walker.end_open(), *walker.close()]


class Walker:
    """Takes XML in pieces, and gives the elements that end in each."""

    def __init__(self) -> None:
        parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = self._doctype
        self._parser = parser
        self._fed = 0
        self._open: list[tuple[tuple[str, ...], dict[str, str], int]] = []
        self._texts: list[str] = []
        self._length = 0
        self._found: list[Element] = []

    def feed(self, data: bytes, final: bool = False) -> list[Element]:
        """The elements that end in the next piece."""
        if not self._fed and data[:2] in UTF_16:
            raise ValueError("it is in UTF-16: save it as UTF-8")
        try:
            self._parser.Parse(data, final)
        except expat.ExpatError as error:
            why = " (or it is not in UTF-8)" if error.code == INVALID_TOKEN else ""
            raise ValueError(f"{error}{why}") from error
        self._fed += len(data)
        if self._fed - self._parser.CurrentByteIndex > LARGEST:  # of a tag that has no end
            self._refuse(f"a tag of more than {LARGEST:,} bytes")
        found, self._found = self._found, []
        return found

    def close(self) -> list[Element]:
        """The same at the end of the text."""
        return self.feed(b"", final=True)

    def end_open(self) -> list[Element]:
        """End the elements that have no end yet."""
        return [one for names, _, _ in reversed(self._open) for one in self.feed(f"</{names[-1]}>".encode())]

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        around = self._open[-1][0] if self._open else ()
        if len(around) == DEEPEST:
            self._refuse(f"more than {DEEPEST} elements within each other")
        self._open.append(((*around, name), attributes, self._parser.CurrentByteIndex))
        self._texts, self._length = [], 0

    def _end(self, name: str) -> None:
        names, attributes, start = self._open.pop()
        self._found.append(Element(names, attributes, "".join(self._texts), start, self._parser.CurrentByteIndex))
        self._texts, self._length = [], 0

    def _text(self, text: str) -> None:
        self._length += len(text)
        if self._length > LARGEST:
            self._refuse(f"a text of more than {LARGEST:,} characters")
        self._texts.append(text)

    def _doctype(self, name: str, system: str | None, public: str | None, internal: bool) -> None:
        raise Entities("declares a document type, in which entities may be")

    def _refuse(self, what: str) -> NoReturn:
        raise ValueError(f"{what}: line {self._parser.CurrentLineNumber}")


INVALID_TOKEN = expat.errors.codes[expat.errors.XML_ERROR_INVALID_TOKEN]
