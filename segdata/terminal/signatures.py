"""What a function may be given, read from its source: names, types, defaults, and what each means.

Help must be quick, and the modules of operations load numpy, OpenCV and torch. So they are parsed here, never imported:
annotations and defaults are evaluated with the names that the module's own text gives them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Annotated, Any, get_args, get_origin

from segdata.errors import MissingDependency

REQUIRED = object()
"""The default of a parameter that has none."""

LIGHT = ("collections.abc", "pathlib", "typing")
"""Modules that annotations take names from and that cost nothing to import."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """`type` is the annotation's value, with stand-ins for classes that would have to be imported.

    `help` is what the docstring's `Args:` says of it, or empty. `positional`: it may be given without its name.
    """

    name: str
    type: Any
    default: Any
    help: str
    positional: bool


@cache
def parameters(path: str) -> tuple[Parameter, ...]:
    """The parameters of a function, or the fields of a class, such as `segdata.ops.tile.operation:tile`."""
    module, _, name = path.partition(":")
    names = names_of(module)
    node = names.nodes[name]
    helps = described(ast.get_docstring(node) or "")
    given = _fields(node) if isinstance(node, ast.ClassDef) else _arguments(node.args)
    return tuple(
        Parameter(name, kind := names.type(annotation), names.default(default), helps.get(name, _note(kind)), positional)
        for name, annotation, default, positional in given
    )  # fmt: skip


def described(docstring: str) -> dict[str, str]:
    """What the block `Args:` of a cleaned docstring says of each parameter, as one line each."""
    found: dict[str, str] = {}
    _, _, block = f"\n{docstring}\n".partition("\nArgs:\n")
    for line in block.splitlines():
        if match := re.match(r"    (\w+): *(.*)", line):
            name, text = match.groups()
            found[name] = text
        elif line.startswith("     ") and found:
            found[name] += f" {line.strip()}"
        elif line.strip():
            break
    return found


@cache
def source(module: str) -> str:
    """The text of a module of segdata. Raises `MissingDependency` for an installation without sources."""
    spec = find_spec(module)
    text = getattr(spec.loader, "get_source", lambda _: None)(module) if spec else None
    if text is None:
        raise MissingDependency(f"{module}: its source (.py) is missing, and commands take their options from there: "
                                "pip install --force-reinstall segdata")  # fmt: skip
    return str(text)


def first_line(module: str) -> str:
    """The first line of a module's docstring."""
    return source(module).partition("\n")[0].strip('"').rstrip(".")


class Unread:
    """A stand-in for what would have to be imported. Calls keep what they are given."""

    def __init__(self, *given: Any, **_: Any) -> None:
        self.given = given


class Names(dict[str, Any]):
    """What the names at the top of a module mean, each worked out when it is first asked for."""

    def __init__(self, module: str) -> None:
        super().__init__()
        self.nodes: dict[str, Any] = dict(_definitions(ast.parse(source(module)).body))

    def __missing__(self, name: str) -> Any:
        match self.nodes[name]:  # an unknown name is a KeyError: then `eval` looks among the built-in ones
            case ast.expr() as node:
                value = self.value(node)
            case str(home), str(original):
                value = _imported(home, original)
            case _:
                value = type(name, (Unread,), {})
        self[name] = value
        return value

    def value(self, node: ast.expr) -> Any:
        """What an expression of this module comes to."""
        return eval(compile(ast.Expression(node), "<signature>", "eval"), {}, self)

    def type(self, annotation: ast.expr | None) -> Any:
        """What an annotation comes to; text if there is none."""
        return str if annotation is None else self.value(annotation)

    def default(self, node: ast.expr | None) -> Any:
        """What a default comes to, `REQUIRED` if there is none."""
        return REQUIRED if node is None else self.value(node)


@cache
def names_of(module: str) -> Names:
    """The names of a module, which is parsed once."""
    return Names(module)


def _definitions(body: list[ast.stmt]) -> Iterator[tuple[str, Any]]:
    """Each name that a module gives a meaning: an expression, (module, name) of an import, or a function or class."""
    for node in body:
        match node:
            case ast.Assign(targets=[ast.Name(name)], value=value):
                yield name, value
            case ast.Assign(targets=[ast.Tuple(targets)], value=ast.Tuple(values)):
                yield from ((t.id, v) for t, v in zip(targets, values, strict=False) if isinstance(t, ast.Name))
            case ast.ImportFrom(module=str(home), names=aliases):
                yield from ((alias.asname or alias.name, (home, alias.name)) for alias in aliases)
            case ast.FunctionDef() | ast.ClassDef():
                yield node.name, node
            case ast.If():
                yield from _definitions(node.body)


def _imported(home: str, name: str) -> Any:
    """What another module calls this. A class or function is seen in the text, which is quicker than parsing it."""
    if home in LIGHT:
        return getattr(import_module(home), name)
    if not home.startswith("segdata.") or re.search(rf"^(class|def) {name}\b", source(home), re.MULTILINE):
        return type(name, (Unread,), {})
    return names_of(home)[name]


Given = tuple[str, Any, ast.expr | None, bool]
"""Name, annotation, default, and whether it is positional."""


def _arguments(args: ast.arguments) -> Iterator[Given]:
    """The parameters of a function, apart from `**options`."""
    positional = [*args.posonlyargs, *args.args]
    missing = len(positional) - len(args.defaults)
    for arg, default in zip(positional, [*[None] * missing, *args.defaults], strict=True):
        yield arg.arg, arg.annotation, default, True
    for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
        yield arg.arg, arg.annotation, default, False


def _fields(node: ast.ClassDef) -> Iterator[Given]:
    """The fields of a class."""
    for line in node.body:
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
            yield line.target.id, line.annotation, line.value, False


def _note(kind: Any) -> str:
    """The text beside an `Annotated` type, or nothing."""
    notes = get_args(kind)[1:] if get_origin(kind) is Annotated else ()
    return next((n.given[0] for n in notes if isinstance(n, Unread) and n.given and isinstance(n.given[0], str)), "")
