"""segdata: labels in any format to one mask format, under one label contract, with a receipt for every pixel.

Shapes in docstrings: N pictures, K classes, H rows, W columns, C bands. Order is always (y, x), (height, width), RGB.
Public names load on first use; importing segdata loads nothing heavy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from segdata.counts import ClassCounts as ClassCounts
    from segdata.crf import dense_crf as dense_crf
    from segdata.dataset import Dataset as Dataset
    from segdata.dataset import Sample as Sample
    from segdata.errors import DataError as DataError
    from segdata.errors import DatasetError as DatasetError
    from segdata.errors import OptionError as OptionError
    from segdata.errors import Problem as Problem
    from segdata.errors import Report as Report
    from segdata.errors import SegdataError as SegdataError
    from segdata.formats import detect as detect
    from segdata.images import colorize as colorize
    from segdata.images import overlay as overlay
    from segdata.images import read_image as read_image
    from segdata.images import read_mask as read_mask
    from segdata.images import write_mask as write_mask
    from segdata.labels import Label as Label
    from segdata.labels import Labels as Labels
    from segdata.metrics import Confusion as Confusion
    from segdata.nn.train import train as train
    from segdata.ops.augment import augment as augment
    from segdata.ops.check import check as check
    from segdata.ops.convert import convert as convert
    from segdata.ops.evaluate import evaluate as evaluate
    from segdata.ops.export import export as export
    from segdata.ops.info import info as info
    from segdata.ops.join import join as join
    from segdata.ops.predict import predict as predict
    from segdata.ops.refine import refine as refine
    from segdata.ops.refine_tune import tune as tune
    from segdata.ops.remap import remap as remap
    from segdata.ops.split import split as split
    from segdata.ops.stats import class_counts as class_counts
    from segdata.ops.stats import stats as stats
    from segdata.ops.stitch import stitch as stitch
    from segdata.ops.stitch import untile as untile
    from segdata.ops.suspects import suspects as suspects
    from segdata.ops.tile import tile as tile
    from segdata.predictors import Predictor as Predictor
    from segdata.predictors import load_predictor as load_predictor
    from segdata.recipes import Recipe as Recipe
    from segdata.refinement import Refinement as Refinement
    from segdata.report.compare import compare as compare
    from segdata.report.sheet import preview as preview
    from segdata.run import Run as Run
    from segdata.run import workers as workers
    from segdata.shapes import Shape as Shape
    from segdata.shapes import paint as paint
    from segdata.windows import Window as Window

_HOMES = {
    "ClassCounts": "counts",
    "dense_crf": "crf",
    "Dataset": "dataset",
    "Sample": "dataset",
    "DataError": "errors",
    "DatasetError": "errors",
    "OptionError": "errors",
    "Problem": "errors",
    "Report": "errors",
    "SegdataError": "errors",
    "colorize": "images",
    "overlay": "images",
    "read_image": "images",
    "read_mask": "images",
    "write_mask": "images",
    "Label": "labels",
    "Labels": "labels",
    "Confusion": "metrics",
    "augment": "ops.augment",
    "convert": "ops.convert",
    "evaluate": "ops.evaluate",
    "export": "ops.export",
    "info": "ops.info",
    "join": "ops.join",
    "predict": "ops.predict",
    "refine": "ops.refine",
    "tune": "ops.refine_tune",
    "Refinement": "refinement",
    "remap": "ops.remap",
    "split": "ops.split",
    "stitch": "ops.stitch",
    "tile": "ops.tile",
    "untile": "ops.stitch",
    "detect": "formats",
    "check": "ops.check",
    "class_counts": "ops.stats",
    "stats": "ops.stats",
    "suspects": "ops.suspects",
    "Recipe": "recipes",
    "compare": "report.compare",
    "Predictor": "predictors",
    "load_predictor": "predictors",
    "preview": "report.sheet",
    "train": "nn.train",
    "Run": "run",
    "workers": "run",
    "Shape": "shapes",
    "paint": "shapes",
    "Window": "windows",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'segdata' has no attribute {name!r}")
    value = getattr(import_module(f"segdata.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
