"""What every command must do. A new command is tested by being listed in COMMANDS, a new format by its table.

A command's options are those of the functions that it calls: the same names (but for `terminal.names`), defaults and choices.
"""

from __future__ import annotations

import ast
import difflib
import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import click
import pytest
from click.testing import CliRunner

from segdata.cli import COMMANDS, main
from segdata.terminal import names
from segdata.terminal.commands import Operation
from segdata.terminal.derived_options import asked
from segdata.terminal.formats import Formats
from segdata.terminal.signatures import REQUIRED, Parameter, first_line, parameters, source
from segdata.terminal.values import alternatives, shown

ENDS_WITH_OWN_OPTIONS = ("demo",)
"""Commands that call no function of Python."""


def command(name: str) -> click.Command:
    found = main.get_command(click.Context(main), name)
    assert found is not None
    return found


def operations() -> dict[str, Operation]:
    return {name: one for name in COMMANDS if isinstance(one := command(name), Operation)}


def views() -> dict[str, tuple[Operation, click.Context]]:
    """Each operation, and each of its formats and others, with a context in which it has the options that a person may give."""
    found = {}
    for name, one in operations().items():
        for format in getattr(one, "modules", [""]):
            context = click.Context(one, info_name=name, **main.context_settings)
            if isinstance(one, Formats):
                one.choose(context, format)
            found[f"{name} {format}".strip()] = (one, context)
        for other in one.others:
            its = one.other(other)
            assert isinstance(its, Operation)
            found[f"{name} {other}"] = (its, click.Context(its, info_name=f"{name} {other}", **main.context_settings))
    return found


def functions() -> list[str]:
    """Every function (or class of options) that a command has its options from."""
    return sorted({path for one, context in views().values() for path in one.functions(context)})


def test_every_command_takes_its_options_from_functions() -> None:
    assert set(COMMANDS) - set(operations()) == set(ENDS_WITH_OWN_OPTIONS)


@pytest.mark.parametrize(
    "path", [pytest.param(path, marks=[pytest.mark.torch] * path.startswith("segdata.nn")) for path in functions()]
)
def test_a_signature_that_is_read_is_the_one_that_is_imported(path: str) -> None:
    """Names, defaults and choices: what `ast` makes of the source is what Python makes of it."""
    if path.startswith("segdata.nn"):
        pytest.importorskip("torch")
    module, _, attribute = path.partition(":")
    function = getattr(import_module(module), attribute)
    signature = inspect.signature(function).parameters.values()
    real = {one.name: one for one in signature if one.kind is not one.VAR_KEYWORD}
    read = {one.name: one for one in parameters(path)}
    assert list(read) == list(real)
    hints = get_type_hints(function, include_extras=True)
    for name, one in read.items():
        if name in names.PYTHON_ONLY:
            continue
        default = real[name].default
        assert (one.default is REQUIRED) == (default is inspect.Parameter.empty), name
        assert one.default is REQUIRED or _plain(one.default) == _plain(default), name
        assert choices(one.type) == choices(hints[name]), name
        assert one.positional == (real[name].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD), name


def _plain(default: Any) -> Any:
    """A default as a value to compare; msgspec keeps an empty dict as the type."""
    return {} if default is dict or getattr(default, "factory", None) is dict else default


def choices(annotation: Any) -> tuple[Any, ...]:
    """The values of the `Literal` in a type, also in a sequence of them."""
    for kind in alternatives(annotation):
        if get_origin(kind) is Literal:
            return get_args(kind)
        if inner := tuple(value for part in get_args(kind) if get_origin(part) is Literal for value in get_args(part)):
            return inner
    return ()


@pytest.mark.parametrize("view", views())
def test_options_are_those_of_the_functions(view: str) -> None:
    one, context = views()[view]
    options = {str(o.name): o for o in one.get_params(context) if isinstance(o, click.Option) and not o.hidden}
    wanted = dict(_wanted(one, context))
    own = set(one.declared)
    takes = {p.name for p in parameters(one.function)} - set(names.PYTHON_ONLY)
    assert takes <= {str(p.name) for p in one.get_params(context)}
    help_option = one.get_help_option(context)
    assert help_option is not None
    assert set(options) - own - {help_option.name} == {n for n in wanted if n not in own}
    for name, (path, parameter) in wanted.items():
        if name in own:
            continue
        option = options[name]
        flag = f"--{names.option_name(path, name, repeated=option.multiple)}"
        assert option.opts == [flag]
        assert option.help is not None
        default = "" if parameter.default is REQUIRED else shown(parameter.default)
        assert option.help.partition("[default: ")[2] == (f"{default}]" if default else "")
        values = tuple(option.type.choices) if isinstance(option.type, click.Choice) else ()
        assert values == choices(parameter.type)


def _wanted(one: Operation, context: click.Context) -> Iterator[tuple[str, tuple[str, Parameter]]]:
    """The options that a command must have, by parameter: the first function that has one says what it is."""
    seen = set()
    for path in one.functions(context):
        for parameter in one.derivable(path):
            is_option = not isinstance(asked(path, parameter)[0], click.Argument)
            if parameter.name not in seen and is_option:
                yield parameter.name, (path, parameter)
            seen.add(parameter.name)


@pytest.mark.parametrize("view", views())
def test_every_option_says_what_it_means(view: str) -> None:
    """A function with a block `Args:` says it of each; one without has no text at all."""
    one, context = views()[view]
    for path in one.functions(context):
        texts = {p.name: p.help for p in one.derivable(path)}
        bare = [name for name, text in texts.items() if not text]
        assert not bare or (path.endswith(":read") and len(bare) == len(texts)), (path, bare)
    for option in one.declared.values():
        assert not isinstance(option, click.Option) or option.help


@pytest.mark.parametrize("view", views())
def test_a_described_parameter_exists(view: str) -> None:
    """No line of `Args:` is about something else, and each is a sentence."""
    from segdata.terminal.signatures import described, names_of

    one, context = views()[view]
    for path in one.functions(context):
        module, _, name = path.partition(":")
        helps = described(ast.get_docstring(names_of(module).nodes[name]) or "")
        assert set(helps) <= {p.name for p in parameters(path)}, path
        assert all(text[:1].isupper() or text[:1].islower() for text in helps.values()), path
        assert all(text.endswith(".") for text in helps.values()), (path, helps)


@pytest.mark.parametrize("view", views())
def test_help_fits_a_terminal(view: str) -> None:
    text = CliRunner().invoke(main, [*view.split(), "--help"], terminal_width=80).output
    assert text.startswith(f"Usage: main {view} ")
    assert [line for line in text.splitlines() if len(line) > 80] == []
    assert "`" not in text
    assert "Args:" not in text


def test_the_list_of_commands_has_whole_sentences() -> None:
    text = CliRunner().invoke(main, ["--help"], terminal_width=80).output
    rows = text[text.index("Commands:") :].splitlines()[1:]
    assert len(rows) == len(COMMANDS)
    assert all(row.endswith(".") and "..." not in row for row in rows)


@pytest.mark.parametrize("view", views())
def test_an_unknown_option_is_a_usage_error_with_a_suggestion(view: str) -> None:
    one, context = views()[view]
    flags = [opt for o in one.get_params(context) if isinstance(o, click.Option) for opt in o.opts if len(opt) > 5]
    misspelt = f"{flags[0][:-1]}x"
    assert difflib.get_close_matches(misspelt, flags)
    result = CliRunner().invoke(main, [*view.split(), misspelt])
    assert (result.exit_code, result.stdout) == (2, "")
    assert flags[0] in result.stderr


# Other names


@pytest.mark.parametrize(("other", "name"), names.COMMANDS.items())
def test_another_name_of_a_command_is_the_same_command(other: str, name: str) -> None:
    assert command(other) is command(name)
    assert other not in COMMANDS
    assert f"Other names: {other} for {name}" in CliRunner().invoke(main, [name, "--help"]).output


@pytest.mark.parametrize(("other", "name"), names.OPTIONS.items())
def test_another_name_of_an_option_gives_the_same(other: str, name: str) -> None:
    having = [view for view, (one, context) in views().items() if other in _flags(one, context)]
    flag, _, value = name.partition(" ")
    for view, (one, context) in views().items():
        takes = [
            o for o in one.get_params(context) if flag in o.opts and value in ("", *getattr(o.type, "choices", ()))
        ]
        assert bool(takes) == (view in having)
    assert having
    for view in having:
        one, context = views()[view]
        help = CliRunner().invoke(main, [*view.split(), "--help"], terminal_width=200).output
        assert f"{other} for {name}" in help
        assert help.count(other) == 1
        values = ["8"] if " " not in name else []
        arguments = ["x"] * sum(isinstance(p, click.Argument) for p in one.get_params(context))
        given = [
            one.make_context(view, [*typed, *arguments], **main.context_settings).params
            for typed in ([other, *values], [*name.split(), *values])
        ]
        assert given[0] == given[1] != one.make_context(view, arguments).params


def _flags(one: Operation, context: click.Context) -> set[str]:
    return {opt for option in one.get_params(context) for opt in option.opts}


def test_other_names_are_listed_once_in_the_documents() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "commands.md").read_text()
    for other, name in {**names.COMMANDS, **names.OPTIONS}.items():
        assert len([line for line in page.splitlines() if re.match(rf"\| `.*{other}` \| `.*{name}` \|", line)]) == 1


# Formats


@pytest.mark.parametrize("name", [name for name, one in operations().items() if isinstance(one, Formats)])
def test_formats_are_listed_each_with_what_it_is(name: str) -> None:
    one = command(name)
    assert isinstance(one, Formats)
    text = " ".join(CliRunner().invoke(main, [name, "--help"], terminal_width=80).output.split())
    assert f"segdata {name} FORMAT --help" in text
    for format, module in one.modules.items():
        line = (ast.get_docstring(ast.parse(source(module))) or "").partition("\n")[0].rstrip(".")
        assert first_line(module) == line
        assert f"{format} {line}.".replace("`", "") in text
    assert "Options of" not in text


@pytest.mark.parametrize("name", [name for name, one in operations().items() if isinstance(one, Formats)])
def test_an_option_of_one_name_is_written_alike_in_every_format(name: str) -> None:
    """So that a command line can be read before it is known what format it is about."""
    one = command(name)
    assert isinstance(one, Formats)
    forms: dict[str, set[tuple[bool, int]]] = {}
    for format in one.modules:
        context = click.Context(one, **main.context_settings)
        one.choose(context, format)
        for option in one.get_params(context):
            for flag in option.opts if isinstance(option, click.Option) else ():
                forms.setdefault(flag, set()).add((option.is_flag, option.nargs))  # type: ignore[union-attr]
    assert {flag for flag, ways in forms.items() if len(ways) > 1} == set()


# No heavy module, no copies


@pytest.mark.parametrize("module", sorted({*COMMANDS.values(), "segdata.terminal.options"}))
def test_commands_copy_no_choices_and_declare_no_sizes(module: str) -> None:
    """`click.Choice` of names written out would be a second list of them."""
    for node in ast.walk(ast.parse(source(module))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "click.Choice":
            listed = [item for item in ast.walk(node) if isinstance(item, ast.Constant) and item.value != "auto"]
            assert not listed, f"{module}:{node.lineno}"
