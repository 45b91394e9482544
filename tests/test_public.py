"""The public names: what they are does not depend on what was imported before."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import segdata

ROOT = Path(__file__).resolve().parents[1]


def test_types_and_homes_agree() -> None:
    """What a type checker sees is what `__getattr__` gives."""
    tree = ast.parse((ROOT / "segdata" / "__init__.py").read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            assert alias.asname == alias.name, f"{alias.name}: without `as` it is not exported to type checkers"
            seen[alias.name] = str(node.module).removeprefix("segdata.")
    assert seen == segdata._HOMES


NAMES = [
    pytest.param(name, marks=[pytest.mark.torch] * home.startswith("nn."))
    for name, home in sorted(segdata._HOMES.items())
]


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_is_what_its_home_defines(name: str) -> None:
    if segdata._HOMES[name].startswith("nn."):
        pytest.importorskip("torch")
    home = import_module(f"segdata.{segdata._HOMES[name]}")
    value = getattr(segdata, name)
    assert value is getattr(home, name)
    assert value.__module__ == home.__name__, "exported from where it is only imported"
    assert value.__doc__


@pytest.mark.process
def test_a_submodule_never_replaces_a_function() -> None:
    """Importing a submodule sets it on its package: segdata.convert the module would hide segdata.convert the function."""
    code = """
import importlib, pkgutil, sys, types
import segdata  # noqa: E402
for module in pkgutil.walk_packages(segdata.__path__, "segdata."):
    try:
        importlib.import_module(module.name)
    except ImportError as error:
        if (error.name or "").split(".")[0] in ("segdata", ""):
            raise
for name, home in segdata._HOMES.items():
    value = getattr(segdata, name)
    if isinstance(value, types.ModuleType) or value is not getattr(sys.modules["segdata." + home], name):
        sys.exit(f"segdata.{name} is {value}")
print(len(segdata._HOMES))
"""
    pytest.importorskip("torch")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == len(segdata._HOMES)


@pytest.mark.torch
def test_all_resolves() -> None:
    pytest.importorskip("torch")
    names: dict[str, object] = {}
    exec("from segdata import *", names)
    assert set(segdata.__all__) <= set(names)
    assert len(set(segdata.__all__)) == len(segdata.__all__)


def test_dir_lists_the_public_names() -> None:
    assert dir(segdata) == sorted(segdata.__all__)
    assert {"convert", "Dataset", "Labels", "__version__"} <= set(dir(segdata))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'segdata' has no attribute 'convrt'"):
        segdata.convrt  # noqa: B018
    assert not hasattr(segdata, "os")
