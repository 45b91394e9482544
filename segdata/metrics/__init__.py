"""What predictions are worth, and what labels are: counts that add, and the scores that follow from them.

A new metric of `segdata evaluate` is one module here and one line in METRICS; the command, its JSON, its text, its page and the
contract tests find it there. The module defines two things:

1. A subclass of `segdata.metrics.base.Metric`: a frozen value that pickles and adds. `a + b` is what both images give together,
   whatever their order and grouping. Pixels that are ignored in truth are never counted. What it says, each a method that may
   be left out:

   | method | what it gives | where it appears |
   |---|---|---|
   | `by_class` | scores of every class, shares or distances | JSON, CSV, terminal, page: per class and as a mean |
   | `to_json` | other numbers, NaN as None | the keys of `segdata evaluate --json` |
   | `lines` | lines of text | the terminal |
   | `cards` | the most important numbers | the top of the page |
   | `sections` | a heading, a text, and a table or a curve | the page |

   With `intervals = True` in its class, the scores of `by_class` get 95 % intervals everywhere: every image, or group of images,
   is left out once. Of an image without pixels, `measure` must then not give None.

2. `measure(case, *, OPTION=DEFAULT, ...) -> Metric | None`: the value of one image. A `segdata.metrics.base.Case` has truth,
   prediction, labels, and the scores of the model if it wrote any. An image without pixels gives the zero that changes no sum.
   None means not measured: without scores, for example, or because nobody asked. A metric that must be asked for has an option
   that is False by default. Options are keyword arguments of `segdata.evaluate` and options of the command, with the help that
   the docstring's `Args:` gives them: no two metrics may share one. A wrong value raises `OptionError`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from segdata.errors import OptionError

if TYPE_CHECKING:
    from segdata.metrics.base import Case, Metric

METRICS = {
    "boundary": "segdata.metrics.boundary",
    "calibration": "segdata.metrics.calibration",
    "cldice": "segdata.metrics.cldice",
    "objects": "segdata.metrics.objects",
    "surface": "segdata.metrics.surface",
}


def measures(**options: Any) -> dict[str, Callable[[Case], Metric | None]]:
    """The `measure` function of every metric, with those of `options` that are its own.

    Raises `OptionError` for an option that no metric has.
    """
    from segdata.words import suggest

    found: dict[str, Callable[[Case], Metric | None]] = {}
    known: list[str] = []
    for name, module in METRICS.items():
        measure = import_module(module).measure
        own = [p.name for p in inspect.signature(measure).parameters.values() if p.kind is p.KEYWORD_ONLY]
        found[name] = partial(measure, **{option: options[option] for option in own if option in options})
        known += own
    for option in options:
        if option not in known:
            raise OptionError(f"no metric has an option {option!r}: {suggest(option, known)}")
    return found
