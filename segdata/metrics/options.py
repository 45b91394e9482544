"""The options that metrics offer to the command line, read from their source: `--help` has no time to import them."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from importlib.util import find_spec

from segdata.metrics import METRICS


@dataclass(frozen=True, slots=True)
class Option:
    """An option of a `measure`: its name, `bool`, `int`, `float` or `str`, and its line of help."""

    name: str
    kind: str
    help: str


def command_options() -> list[Option]:
    """The options of all METRICS, in their order."""
    return [option for module in METRICS.values() for option in _read(_source(module))]


def _source(module: str) -> str:
    """The text of a module that is not imported."""
    spec = find_spec(module)
    loader = None if spec is None else spec.loader
    return str(getattr(loader, "get_source", lambda name: None)(module) or "")


def _read(source: str) -> list[Option]:
    """What `OPTIONS` lists, each with its type from the signature of `measure`."""
    kinds: dict[str, str] = {}
    about: dict[str, str] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name == "measure":
            kinds = {a.arg: ast.unparse(a.annotation).split(" ")[0] for a in node.args.kwonlyargs if a.annotation}
        elif isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["OPTIONS"]:
            about = ast.literal_eval(node.value)
    return [Option(name, kinds[name], text) for name, text in about.items()]
