"""Commands whose options are those of functions: read from signatures and docstrings, when a call or its help needs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import click

from segdata.terminal.derived_options import asked
from segdata.terminal.names import COMMANDS, OPTIONS, PYTHON_ONLY
from segdata.terminal.signatures import REQUIRED, Parameter, parameters

REST = "Options"
"""The heading of options that several functions take, or the first one."""


def operation(
    function: str, more: Mapping[str, str] | None = None, others: Mapping[str, str] | None = None
) -> Callable[[Callable[..., Any]], Operation]:
    """Make a command that takes what `function` takes, such as `segdata.ops.tile.operation:tile`.

    `more` are further functions that the command calls, each with a heading for the options that it alone takes; the
    first one may have a heading there too. The command is called with what a person gave and nothing else. What it
    declares itself is not derived. `others` are commands of their own that are typed in place of the first argument, each as
    `module:command`.
    """
    return click.command(cls=Operation, function=function, more=more or {}, others=others or {})


def taken(function: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the options given that a function takes."""
    names = {parameter.name for parameter in parameters(function)}
    return {name: value for name, value in given.items() if name in names}


class Operation(click.Command):
    """A command with the parameters of functions."""

    OTHERS = "Commands"
    """The heading of `others` in the help."""

    def __init__(
        self, *args: Any, function: str, more: Mapping[str, str], others: Mapping[str, str], **settings: Any
    ) -> None:
        super().__init__(*args, **settings)
        self.function = function
        self.more = more
        self.others = others
        self.declared = {str(one.name): one for one in self.params}
        self.made: dict[tuple[str, ...], list[click.Parameter]] = {}

    def other(self, name: str) -> click.Command:
        """The command of `others` that is typed by this name."""
        module, _, attribute = self.others[name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """That of the other command, if its name comes first."""
        if args and args[0] in self.others:
            return self.other(args[0]).make_context(f"{info_name} {args[0]}", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)

    def further(self, ctx: click.Context) -> Mapping[str, str]:
        """The functions after the first, each with the heading of its own options."""
        return self.more

    def derivable(self, function: str) -> list[Parameter]:
        """The parameters of a function that a command line can give; arguments are those of the first function."""
        return [
            parameter
            for parameter in parameters(function)
            if parameter.name not in PYTHON_ONLY
            and (function == self.function or parameter.default is not REQUIRED or parameter.name in self.declared)
        ]

    def functions(self, ctx: click.Context) -> tuple[str, ...]:
        """All functions, the first one first."""
        return tuple(dict.fromkeys((self.function, *self.further(ctx))))

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Arguments and options: those of the functions, then those that the command declares."""
        functions = self.functions(ctx)
        if functions not in self.made:
            self.made[functions] = self._make(functions)
        self.params = self.made[functions]
        return super().get_params(ctx)

    def _make(self, functions: tuple[str, ...]) -> list[click.Parameter]:
        """The first function that has a parameter says what it is; a declared one stands in its place."""
        found: dict[str, list[click.Parameter]] = {}
        for function in functions:
            for parameter in self.derivable(function):
                if parameter.name not in found:
                    own = self.declared.get(parameter.name)
                    found[parameter.name] = [own] if own else asked(function, parameter)
        rest = [one for name, one in self.declared.items() if name not in found]
        return [one for made in (*found.values(), rest) for one in made]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, and without what nobody gave: defaults stay those of the functions."""
        rest = super().parse_args(ctx, args)
        for name in [name for name, value in ctx.params.items() if value in (None, ()) and name not in self.declared]:
            del ctx.params[name]
        return rest

    def heading(self, name: str, ctx: click.Context) -> str:
        """Under what an option stands in the help."""
        having = [f for f in self.functions(ctx) if any(parameter.name == name for parameter in self.derivable(f))]
        return self.further(ctx).get(having[0], REST) if len(having) == 1 and name not in self.declared else REST

    def order(self, ctx: click.Context) -> tuple[str, ...]:
        """The headings in the order of the help."""
        return (REST, *self.further(ctx).values())

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options under their headings, after the other commands."""
        self.format_others(ctx, formatter)
        sections: dict[str, list[tuple[str, str]]] = {heading: [] for heading in self.order(ctx)}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                sections[self.heading(str(parameter.name), ctx)].append(record)
        for heading, records in sections.items():
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)

    def format_others(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The other commands, each in a line."""
        if self.others:
            with formatter.section(self.OTHERS):
                formatter.write_dl([(name, self.other(name).get_short_help_str(200)) for name in self.others])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Other names of the command and of its options, in one line."""
        there = {option for one in self.get_params(ctx) for option in one.opts}
        other = [f"{alias} for {real}" for alias, real in COMMANDS.items() if real == self.name]
        other += [f"{alias} for {real}" for alias, real in OPTIONS.items() if alias in there]
        if other:
            formatter.write_paragraph()
            formatter.write_text(f"Other names: {', '.join(other)}.")
