"""Commands with a FORMAT, such as `segdata convert`: each format has options of its own, which its module defines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import click

from segdata.terminal.commands import REST, Operation
from segdata.terminal.derived_options import asked
from segdata.terminal.signatures import Parameter, first_line
from segdata.words import some

CHOSEN = "segdata.formats"
"""Where a call keeps the names of the formats whose options it may be given."""


def formats(
    function: str,
    modules: Mapping[str, str],
    entry: str,
    common: Iterable[str],
    detect: Callable[[str], str] | None = None,
    others: Mapping[str, str] | None = None,
) -> Callable[[Callable[..., Any]], Formats]:
    """Make a command that takes what `function` takes, and what the function `entry` of a format's module takes.

    `common` are the parameters of `entry` that are no options of a format. `detect` says what format a source is in if
    FORMAT is `auto`. `others` are commands of their own that are typed in place of a FORMAT, each as `module:command`.
    """
    return click.command(
        cls=Formats, function=function, more={}, modules=modules, entry=entry, common=tuple(common), detect=detect,
        others=others or {},
    )  # fmt: skip


class Formats(Operation):
    """A command whose first argument is a format."""

    OTHERS = "Of a model"

    def __init__(
        self,
        *args: Any,
        modules: Mapping[str, str],
        entry: str,
        common: tuple[str, ...],
        detect: Callable[[str], str] | None,
        **settings: Any,
    ) -> None:
        super().__init__(*args, **settings)
        self.modules = modules
        self.entries = {name: f"{module}:{entry}" for name, module in modules.items()}
        self.common = common
        self.detect = detect

    def chosen(self, ctx: click.Context) -> tuple[str, ...]:
        """The formats whose options may be given: one; all while it is not known which; none in the help of all."""
        return tuple(ctx.meta.get(CHOSEN, ()))

    def choose(self, ctx: click.Context, *formats: str) -> None:
        """Say which formats' options may be given."""
        ctx.meta[CHOSEN] = formats

    def further(self, ctx: click.Context) -> Mapping[str, str]:
        """The entries of those formats."""
        return {self.entries[name]: f"Options of {name}" for name in self.chosen(ctx)}

    def derivable(self, function: str) -> list[Parameter]:
        """Without what the entry of every format takes."""
        found = super().derivable(function)
        return found if function == self.function else [one for one in found if one.name not in self.common]

    def order(self, ctx: click.Context) -> tuple[str, ...]:
        """Those of the format first."""
        return (*self.further(ctx).values(), REST)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Find the format first, then read the options that it has."""
        format = args[0] if args and args[0] in self.modules else self._find(ctx, args)
        if format is not None:
            self.choose(ctx, format)
        try:
            rest = super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            self._refuse_foreign(ctx, error)
            raise
        if format is not None:
            ctx.params["format"] = format
        return rest

    def _find(self, ctx: click.Context, args: list[str]) -> str | None:
        """The format that stands behind options, or that `auto` finds; None if there is none, or if help is asked for."""
        if args[:1] and args[0] in ctx.help_option_names:
            return None
        self.choose(ctx, *self.modules)
        given, _, _ = self.make_parser(ctx).parse_args(args=list(args))
        format, source = given.get("format"), given.get("source")
        help_option = self.get_help_option(ctx)
        if help_option is not None and help_option.name in given and format not in self.modules:
            self.choose(ctx)
        elif format == "auto" and isinstance(source, str) and self.detect is not None and not ctx.resilient_parsing:
            return self.detect(source)
        return format if format in self.modules else None

    def _refuse_foreign(self, ctx: click.Context, error: click.NoSuchOption) -> None:
        """Raise a usage error for an option that only other formats have. It names them."""
        chosen = self.chosen(ctx)
        having = [name for name in self.modules if error.option_name in self._flags(name)]
        if having and len(chosen) == 1:
            has = "has it" if len(having) == 1 else "have it"
            message = f"format {chosen[0]} has no option {error.option_name}: {some(having, 4)} {has}"
            raise click.UsageError(message, ctx) from error

    def _about(self, format: str) -> str:
        """What a format is, in one sentence."""
        return f"{first_line(self.modules[format])}.".replace("`", "")

    def _flags(self, format: str) -> set[str]:
        """The options that a format has of its own, as they are typed."""
        function = self.entries[format]
        made = [one for parameter in self.derivable(function) for one in asked(function, parameter)]
        return {flag for one in made for flag in (*one.opts, *one.secondary_opts)}

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """With the name of the format in place of FORMAT, and before the options, if it is chosen."""
        pieces, chosen = super().collect_usage_pieces(ctx), self.chosen(ctx)
        return [chosen[0], *(p for p in pieces if p != "FORMAT")] if len(chosen) == 1 else pieces

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """What the format is, with examples of it; what the command does if none is chosen."""
        chosen = self.chosen(ctx)
        if len(chosen) != 1:
            super().format_help_text(ctx, formatter)
            return
        start = f"segdata {self.name} {chosen[0]} "
        examples = [line.strip() for line in (self.help or "").splitlines() if line.strip().startswith(start)]
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(self._about(chosen[0]))
            if examples:
                formatter.write_paragraph()
                formatter.write_text("\n".join(["\b", *examples]))

    def format_others(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """After the formats, if none is chosen."""
        if not self.chosen(ctx):
            with formatter.section("Formats"):
                formatter.write_dl([(name, self._about(name)) for name in self.modules])
            super().format_others(ctx, formatter)
