"""Packages of others that models come from."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

import torch

from segdata.errors import MissingDependency


def package(module: str, extra: str, needed_by: str) -> ModuleType:
    """A package that `extra` of segdata brings. Raises `MissingDependency` if it, or what it needs, cannot be imported."""
    try:
        return import_module(module)
    except (ImportError, RuntimeError, AttributeError) as error:  # a torchvision for another torch raises RuntimeError
        way = f"pip install 'segdata[{extra}]'"
        if find_spec(module) is not None:
            why = " ".join(str(error).split())
            way = f"it is installed, but importing it fails ({why}): install what fits torch {torch.__version__}"
        raise MissingDependency(f"{needed_by} needs {module}: {way}") from error
