"""Click arguments and options made of a function's parameters."""

from __future__ import annotations

from typing import Any

import click

from segdata.terminal.names import ARGUMENTS, METAVARS, OPTIONS, SINGULAR, option_name
from segdata.terminal.signatures import REQUIRED, Parameter, parameters
from segdata.terminal.values import asked_as, shown


def asked(function: str, parameter: Parameter) -> list[click.Parameter]:
    """The argument of a parameter; or its option and, hidden, the other names of that."""
    if parameter.positional and (parameter.default is REQUIRED or parameter.default == ()):
        return [_argument(parameter)]
    settings = asked_as(parameter.type, METAVARS.get(parameter.name))
    repeated = settings.get("multiple", False)
    name = option_name(function, parameter.name, repeated=repeated)
    if repeated and settings.get("metavar") == "TEXT" and parameter.name in SINGULAR:
        settings["metavar"] = name.upper()
    either = settings.get("is_flag") and parameter.default is not False
    flags = f"--{name}/--no-{name}" if either else f"--{name}"
    text = _told(function, parameter, repeated=repeated)
    option = click.Option([flags, parameter.name], default=None, help=text, **settings)
    return [option, *_other_names(option, settings)]


def _other_names(option: click.Option, settings: dict[str, Any]) -> list[click.Parameter]:
    """Hidden options that set the same: with a value of their own, or as the option itself does."""
    made: list[click.Parameter] = []
    for alias, real in OPTIONS.items():
        meant, _, value = real.partition(" ")
        if meant in option.opts and value in ("", *getattr(option.type, "choices", (value,))):
            how = {"is_flag": True, "flag_value": value} if value else settings
            made.append(click.Option([alias, str(option.name)], default=None, hidden=True, **how))
    return made


def _argument(parameter: Parameter) -> click.Argument:
    """The argument of a parameter that is given by its place."""
    settings = asked_as(parameter.type, None)
    several, required = settings.get("multiple", False), parameter.default is REQUIRED
    name = parameter.name.removesuffix("s") if several else parameter.name
    name = ARGUMENTS.get(name, name.upper()) if required else f"[{name.upper()}]"
    return click.Argument(
        [parameter.name], type=settings.get("type"), nargs=-1 if several else 1, required=required,
        metavar=f"{name}..." if several else name,
    )  # fmt: skip


def _told(function: str, parameter: Parameter, *, repeated: bool) -> str:
    """The help of an option: what the docstring says, in the names that a person types, and the default."""
    text = parameter.help
    for other in parameters(function):
        dashed = f"--{option_name(function, other.name)}"
        typed = ARGUMENTS.get(other.name, other.name.upper()) if other.default is REQUIRED else dashed
        text = text.replace(f"`{other.name}`", typed)
    text = text[:1].upper() + text[1:].replace("`", "") + (" Repeat for more." if repeated else "")
    default = "" if parameter.default is REQUIRED else shown(parameter.default)
    return f"{text}  [default: {default}]".strip() if default else text
