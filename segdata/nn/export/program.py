"""A `.pt2` file: a program of torch.export (https://docs.pytorch.org/docs/stable/export.html), and what it says of itself."""

from __future__ import annotations

import io
import json
from typing import Any

import torch
from torch.export import ExportedProgram

from segdata.nn.export.network import quiet
from segdata.prediction.exported import KEY, Exported

PEOPLE = "people.json"
"""The extra file that holds plain values for people."""


def saved(program: ExportedProgram, about: Exported, plain: dict[str, Any]) -> bytes:
    """The bytes of the file, with `about` in the extra file `KEY`. They say nothing of the machine."""
    for node in program.graph.nodes:
        for note in ("stack_trace", "nn_module_stack", "source_fn_stack"):
            node.meta.pop(note, None)
    file = io.BytesIO()
    with quiet():
        torch.export.save(
            program, file, extra_files={KEY: about.to_json(), PEOPLE: json.dumps(plain, ensure_ascii=False)}
        )
    return file.getvalue()
