"""What a person types as the value of an option, by the type that the function wants: pixels, sizes, pairs, numbers.

A parser takes text and raises `ValueError` that says what the text must be like.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import click

UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}

RATIOS = "train=0.8,val=0.1,test=0.1"


def pixels(text: str) -> int | tuple[int, int]:
    """`512`, or `HEIGHTxWIDTH`."""
    try:
        both = tuple(int(part) for part in text.lower().split("x"))
    except ValueError:
        both = ()
    if len(both) not in (1, 2):
        raise ValueError(f"{text!r}: must be pixels, like 512, or HEIGHTxWIDTH, like 384x512")
    return both[0] if len(both) == 1 else (both[0], both[1])


def height_width(text: str) -> tuple[int, int]:
    """The same as (height, width); one number is both."""
    given = pixels(text)
    both = (given, given) if isinstance(given, int) else given
    if min(both) < 1:
        raise ValueError(f"{text}: must be 1 pixel or more")
    return both


def pixels_or_share(text: str) -> int | float | tuple[int, int]:
    """Pixels as for a size, or a share like `0.25` or `25%`."""
    if not (text.endswith("%") or "." in text):
        return pixels(text)
    try:
        return float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError as error:
        raise ValueError(f"{text!r}: must be pixels, like 64, or a share, like 0.125 or 12.5%") from error


def number_of_bytes(text: str) -> int:
    """Bytes, or `256M`."""
    number, unit = (text[:-1], text[-1:].upper()) if not text[-1:].isdigit() else (text, "")
    if not number.isdigit() or unit not in UNITS:
        raise ValueError(f"{text!r}: must be bytes, or like 256M (K, M or G)")
    return int(number) * UNITS[unit]


def numbers(text: str) -> tuple[float, ...]:
    """`0.75,1,1.25` as numbers."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise ValueError(f"{text!r}: must be numbers, like 0.75,1,1.25") from error


def number_or_text(text: str) -> Any:
    """An int, a float, or the text itself."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def ratios(text: str) -> dict[str, float]:
    """`train=0.8,val=0.2` as a dict."""
    out: dict[str, float] = {}
    for part in text.split(","):
        name, equals, ratio = (side.strip() for side in part.partition("="))
        number = number_or_text(ratio)
        if isinstance(number, str) or not (name and equals) or name in out:
            raise ValueError(f"{part!r} in {text!r}: must be like {RATIOS}")
        out[name] = float(number)
    return out


def pairs(given: Sequence[str], form: str = "OLD=NEW", value: Callable[[str], Any] = str) -> dict[str, Any]:
    """`OLD=NEW` of each text as a dict, which each key may enter once."""
    out: dict[str, str] = {}
    for text in given:
        key, equals, new = text.partition("=")
        if not (key and equals and new):
            raise ValueError(f"{text!r} is not {form}")
        if out.setdefault(key, new) != new:
            raise ValueError(f"{key!r} becomes {out[key]!r} and {new!r}: give one of them")
    return {key: value(text) for key, text in out.items()}


def json_or_text(text: str) -> Any:
    """What JSON makes of it, else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def asked_as(annotation: Any, metavar: str | None) -> dict[str, Any]:
    """What click must know to ask for a value of a type: settings of an option. `metavar` is for text, and its pairs."""
    kinds = {get_origin(kind) or kind: get_args(kind) for kind in alternatives(annotation)}
    if bool in kinds:
        return {"is_flag": True}
    if Literal in kinds:
        return {"type": click.Choice([str(value) for value in kinds[Literal]])}
    if Path in kinds:
        return {"type": click.Path(), "metavar": metavar or "PATH"}
    if tuple in kinds and Ellipsis not in kinds[tuple]:
        return _both(kinds)
    if items := next((kinds[origin] for origin in (Sequence, tuple) if origin in kinds), None):
        return _several(items[0], metavar)
    if mapped := next((kinds[origin] for origin in (Mapping, dict) if origin in kinds and str not in kinds), None):
        return _mapped(mapped[1], metavar)
    return _one(kinds, metavar)


def alternatives(annotation: Any) -> tuple[Any, ...]:
    """The types that a value may have, apart from None and without what is said about them."""
    if get_origin(annotation) is Annotated:
        kind, *notes = get_args(annotation)
        return tuple(note for note in notes if note == "bytes") or alternatives(kind)
    if get_origin(annotation) in (Union, UnionType):
        return tuple(kind for part in get_args(annotation) for kind in alternatives(part))
    return () if annotation is NoneType else (annotation,)


def _both(kinds: Mapping[Any, tuple[Any, ...]]) -> dict[str, Any]:
    """Two numbers: a height and a width, unless they are of type float."""
    if alternatives(kinds[tuple][0]) == (float,):
        return {"type": float, "nargs": 2, "metavar": "X X"}
    if float in kinds:
        return {"callback": _read(pixels_or_share), "metavar": "PX|HxW|SHARE"}
    return {"callback": _read(pixels if int in kinds else height_width), "metavar": "PX|HxW"}


def _several(item: Any, metavar: str | None) -> dict[str, Any]:
    """Numbers in one list, or else an option that may be repeated."""
    kinds = alternatives(item)
    if float in kinds:
        return {"callback": _read(numbers), "metavar": "X,X,..."}
    return {**asked_as(item, metavar), "multiple": True}


def _mapped(value: Any, metavar: str | None) -> dict[str, Any]:
    """Shares in one list, or else pairs that may be repeated."""
    if float in alternatives(value):
        return {"callback": _read(ratios), "metavar": "NAME=X,..."}
    form = metavar or "KEY=VALUE"
    parse = json_or_text if value is Any else str
    return {"callback": _read(lambda given: pairs(given, form, parse) or None), "metavar": form, "multiple": True}


def _one(kinds: Mapping[Any, tuple[Any, ...]], metavar: str | None) -> dict[str, Any]:
    """A number or a text."""
    if "bytes" in kinds:
        return {"callback": _read(number_of_bytes), "metavar": "BYTES"}
    if str in kinds:
        parse = {"callback": _read(number_or_text)} if float in kinds else {}
        return {**parse, "metavar": metavar or ("X|NAME" if parse else "TEXT")}
    return {"type": float, "metavar": "X"} if float in kinds else {"type": int, "metavar": "N"}


def _read(parse: Callable[[Any], Any]) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """A click callback that parses what is given, and turns a `ValueError` into a usage error."""

    def callback(context: click.Context, parameter: click.Parameter, given: Any) -> Any:
        try:
            return None if given is None else parse(given)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    return callback


def shown(default: Any) -> str:
    """A default as help shows it, empty if there is nothing to show."""
    if isinstance(default, tuple):
        return ("x" if all(isinstance(v, int) for v in default) else ",").join(shown(v) for v in default)
    if isinstance(default, bool):
        return "yes" if default else ""
    if isinstance(default, float):
        return f"{default:.4g}"
    return "" if default is None or default == {} else str(default)
