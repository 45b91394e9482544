"""What a person types that is not the name in Python: the one table of other names, for every command."""

from __future__ import annotations

COMMANDS = {"merge": "join", "validate": "check"}
"""Other names of commands."""

OPTIONS = {
    "--batch-size": "--batch",
    "--learning-rate": "--lr",
    "--num-workers": "--workers",
    "--amp": "--precision bf16",
    "--margin": "--gap",
}
"""Other names of options, in every command that has the option."""

PARAMETERS = {
    "as_": "as",
    "from_": "from",
    "other": "compare",
    "part": "parts",
    "splits_only": "splits",
    "predict.refinement": "refine",
    "refine.refinement": "settings",
}
"""Parameters (of one function: `function.parameter`) whose option has another name."""

SINGULAR = {
    "classes": "class",
    "encoders": "encoder",
    "flips": "flip",
    "host_names": "host-name",
    "image_roots": "image-root",
    "model_options": "model-option",
    "samples": "sample",
    "skip_classes": "skip-class",
}
"""Parameters of several values whose option gives one of them, and may be repeated."""

ARGUMENTS = {"destination": "DST", "source": "SRC", "run_dir": "RUN"}
"""Arguments that help calls by a shorter name."""

METAVARS = {
    "allow_missing": "CLASS",
    "annotations": "SPLIT=FILE",
    "background": "CLASS",
    "bands": "BAND,...",
    "image_url": "PREFIX",
    "drop": "CLASS",
    "host_names": "NAME",
    "image_roots": "FOLDER",
    "ids": "FILE",
    "aoi_layer": "NAME",
    "layer": "NAME",
    "map": "OLD=NEW",
    "only": "CLASS",
    "resample": "UNIT",
    "samples": "ID",
    "skip_classes": "CLASS",
    "split": "NAME",
    "subdataset": "NAME",
    "to_split": "NAME",
    "without": "FILE",
}
"""What help calls the value of an option of text, if `TEXT` says too little."""

PYTHON_ONLY = ("announce", "begin", "end", "run", "report", "watch")
"""Parameters that no command line can give."""


def option_name(function: str, parameter: str, *, repeated: bool = False) -> str:
    """The option of a parameter of a function (`module:name`), without its dashes."""
    own = f"{function.partition(':')[2]}.{parameter}"
    name = PARAMETERS.get(own) or PARAMETERS.get(parameter) or (SINGULAR.get(parameter) if repeated else None)
    return (name or parameter).replace("_", "-")
