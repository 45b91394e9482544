"""What a person types as a value, by the type that a function wants."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import click
import pytest
from click.testing import CliRunner

from segdata.terminal import values
from segdata.terminal.values import asked_as, shown

GIVEN: list[tuple[Any, list[str], Any]] = [
    (int, ["7"], 7),
    (int | None, ["7"], 7),
    (float, ["7"], 7.0),
    (str, ["7"], "7"),
    (str | Path, ["a/b"], "a/b"),
    (Literal["a", "b"] | None, ["b"], "b"),
    (tuple[int, int], ["512"], (512, 512)),
    (tuple[int, int], ["384X512"], (384, 512)),
    (int | tuple[int, int], ["512"], 512),
    (int | tuple[int, int], ["384x512"], (384, 512)),
    (float | tuple[int, int], ["64"], 64),
    (float | tuple[int, int], ["12.5%"], 0.125),
    (float | tuple[int, int], ["0.125"], 0.125),
    (tuple[float, float] | None, ["1", "2"], (1.0, 2.0)),
    (Sequence[str], ["a"], ("a",)),
    (str | Sequence[str], ["a"], ("a",)),
    (str | Path | Sequence[str] | None, ["a"], "a"),
    (Sequence[float], ["1,1.5"], (1.0, 1.5)),
    (tuple[str | None, ...], ["a"], ("a",)),
    (Mapping[str, str] | None, ["a=b=c"], {"a": "b=c"}),
    (Mapping[int | str, str] | Sequence[str], ["1..4=cell"], ("1..4=cell",)),
    (Mapping[str, float] | None, ["a=0.5, b=0.5"], {"a": 0.5, "b": 0.5}),
    (dict[str, Any], ["width=32"], {"width": 32}),
    (dict[str, Any], ["name=vgg"], {"name": "vgg"}),
    (str | dict[str, Any], ["a=b"], "a=b"),
    (float | str, ["0.3"], 0.3),
    (float | str, ["val"], "val"),
    (Annotated[int, "bytes"] | None, ["2K"], 2048),
]


def option(annotation: Any) -> click.Option:
    return click.Option(["--x"], **asked_as(annotation, None))


@pytest.mark.parametrize(("annotation", "typed", "value"), GIVEN, ids=str)
def test_a_type_says_how_a_value_is_typed(annotation: Any, typed: list[str], value: Any) -> None:
    command = click.Command("c", params=[option(annotation)], callback=lambda x: x)
    assert command.main(["--x", *typed], standalone_mode=False) == value
    assert command.main([], standalone_mode=False) in (None, ())


@pytest.mark.parametrize(
    ("annotation", "typed", "words"),
    [
        (tuple[int, int], "0", "must be 1 pixel or more"),
        (int | tuple[int, int], "1x2x3", "must be pixels, like 512, or HEIGHTxWIDTH"),
        (float | tuple[int, int], "x%", "or a share"),
        (Mapping[str, str], "a", "'a' is not KEY=VALUE"),
        (Mapping[str, float], "a=0.5,a=0.5", "must be like train=0.8"),
        (Sequence[float], "1,x", "must be numbers"),
        (Annotated[int, "bytes"], "64X", "must be bytes, or like 256M"),
        (Literal["a"], "b", "'b' is not 'a'"),
    ],
    ids=str,
)
def test_another_value_is_a_usage_error(annotation: Any, typed: str, words: str) -> None:
    command = click.Command("c", params=[option(annotation)], callback=lambda x: x)
    result = CliRunner().invoke(command, ["--x", typed])
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("default", "text"),
    [(None, ""), ((), ""), ({}, ""), (False, ""), (True, "yes"), (0, "0"), (512, "512"), ((512, 384), "512x384"),
     (1 / 3, "0.3333"), (1.0, "1"), (1e-4, "0.0001"), ((1.0,), "1"), ((0.5, 1.0), "0.5,1"), ((None,), ""), ("a", "a")],
)  # fmt: skip
def test_defaults_are_shown_as_they_are_typed(default: Any, text: str) -> None:
    assert shown(default) == text


@pytest.mark.parametrize("parse", [values.pixels, values.height_width, values.numbers, values.number_of_bytes])
@pytest.mark.parametrize("text", ["", "x", "512x", "a,b"])
def test_parsers_say_what_they_want(parse: Callable[[str], Any], text: str) -> None:
    with pytest.raises(ValueError, match=r"must be"):
        parse(text)
