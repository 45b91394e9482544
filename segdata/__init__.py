"""segdata: labels in any format to one mask format, under one label contract, with a receipt for every pixel.

Shapes in docstrings: N images, K classes, H rows, W columns, C bands. Order is always (y, x), (height, width), RGB.
Public names load on first use; importing segdata loads nothing heavy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from segdata.version import __version__ as __version__

if TYPE_CHECKING:
    from segdata.dataset.counts import ClassCounts as ClassCounts
    from segdata.dataset.dataset import Dataset as Dataset
    from segdata.dataset.sample import Sample as Sample
    from segdata.errors import DataError as DataError
    from segdata.errors import DatasetError as DatasetError
    from segdata.errors import OptionError as OptionError
    from segdata.errors import Problem as Problem
    from segdata.errors import Report as Report
    from segdata.errors import SegdataError as SegdataError
    from segdata.executors.run import Run as Run
    from segdata.executors.run import workers as workers
    from segdata.files.colors import colorize as colorize
    from segdata.files.colors import overlay as overlay
    from segdata.files.images import read_image as read_image
    from segdata.files.images import read_mask as read_mask
    from segdata.files.images import write_mask as write_mask
    from segdata.labels import Label as Label
    from segdata.labels import Labels as Labels
    from segdata.metrics.confusion import Confusion as Confusion
    from segdata.nn.auto.operation import train_auto as train_auto
    from segdata.nn.bundle import bundle as bundle
    from segdata.nn.calibrate import calibrate as calibrate
    from segdata.nn.compare import compare as compare
    from segdata.nn.export.operation import export_onnx as export_onnx
    from segdata.nn.export.operation import export_torch as export_torch
    from segdata.nn.train import train as train
    from segdata.ops.agree.consensus import consensus as consensus
    from segdata.ops.agree.operation import agree as agree
    from segdata.ops.agree.page import agree_page as agree_page
    from segdata.ops.augment.operation import augment as augment
    from segdata.ops.augment.sheet import augment_sheet as augment_sheet
    from segdata.ops.check.operation import check as check
    from segdata.ops.check.page import check_page as check_page
    from segdata.ops.convert.operation import convert as convert
    from segdata.ops.diff.operation import diff as diff
    from segdata.ops.diff.page import diff_page as diff_page
    from segdata.ops.evaluate.operation import evaluate as evaluate
    from segdata.ops.evaluate.page import evaluate_page as evaluate_page
    from segdata.ops.export.operation import export as export
    from segdata.ops.info.operation import info as info
    from segdata.ops.join.operation import join as join
    from segdata.ops.monitor.operation import monitor as monitor
    from segdata.ops.monitor.page import monitor_page as monitor_page
    from segdata.ops.mosaic.operation import mosaic as mosaic
    from segdata.ops.pick.operation import pick as pick
    from segdata.ops.predict.operation import predict as predict
    from segdata.ops.preview.operation import preview as preview
    from segdata.ops.refine.operation import refine as refine
    from segdata.ops.refine.tune import tune as tune
    from segdata.ops.remap.operation import remap as remap
    from segdata.ops.select.operation import select as select
    from segdata.ops.serve.operation import serve as serve
    from segdata.ops.split.operation import split as split
    from segdata.ops.stats.operation import class_counts as class_counts
    from segdata.ops.stats.operation import stats as stats
    from segdata.ops.stats.page import stats_page as stats_page
    from segdata.ops.stitch.operation import stitch as stitch
    from segdata.ops.stitch.operation import untile as untile
    from segdata.ops.suspects.operation import suspects as suspects
    from segdata.ops.suspects.sheet import suspects_sheet as suspects_sheet
    from segdata.ops.tile.operation import tile as tile
    from segdata.ops.view.operation import view as view
    from segdata.prediction.predictor import Predictor as Predictor
    from segdata.prediction.predictor import load_predictor as load_predictor
    from segdata.prediction.profile import Profile as Profile
    from segdata.prediction.profile import read_profile as read_profile
    from segdata.readers.detect import detect as detect
    from segdata.readers.paint import Shape as Shape
    from segdata.readers.paint import paint as paint
    from segdata.recipes.recipe import Recipe as Recipe
    from segdata.refinement.crf import dense_crf as dense_crf
    from segdata.refinement.settings import Refinement as Refinement
    from segdata.windows import Window as Window

_HOMES = {
    "ClassCounts": "dataset.counts",
    "Dataset": "dataset.dataset",
    "Sample": "dataset.sample",
    "DataError": "errors",
    "DatasetError": "errors",
    "OptionError": "errors",
    "Problem": "errors",
    "Report": "errors",
    "SegdataError": "errors",
    "colorize": "files.colors",
    "overlay": "files.colors",
    "read_image": "files.images",
    "read_mask": "files.images",
    "write_mask": "files.images",
    "Label": "labels",
    "Labels": "labels",
    "Confusion": "metrics.confusion",
    "train_auto": "nn.auto.operation",
    "bundle": "nn.bundle",
    "calibrate": "nn.calibrate",
    "compare": "nn.compare",
    "export_onnx": "nn.export.operation",
    "export_torch": "nn.export.operation",
    "train": "nn.train",
    "agree": "ops.agree.operation",
    "agree_page": "ops.agree.page",
    "consensus": "ops.agree.consensus",
    "augment": "ops.augment.operation",
    "augment_sheet": "ops.augment.sheet",
    "check": "ops.check.operation",
    "check_page": "ops.check.page",
    "convert": "ops.convert.operation",
    "diff": "ops.diff.operation",
    "diff_page": "ops.diff.page",
    "evaluate": "ops.evaluate.operation",
    "evaluate_page": "ops.evaluate.page",
    "export": "ops.export.operation",
    "info": "ops.info.operation",
    "join": "ops.join.operation",
    "monitor": "ops.monitor.operation",
    "monitor_page": "ops.monitor.page",
    "mosaic": "ops.mosaic.operation",
    "pick": "ops.pick.operation",
    "predict": "ops.predict.operation",
    "Predictor": "prediction.predictor",
    "load_predictor": "prediction.predictor",
    "Profile": "prediction.profile",
    "read_profile": "prediction.profile",
    "preview": "ops.preview.operation",
    "refine": "ops.refine.operation",
    "tune": "ops.refine.tune",
    "remap": "ops.remap.operation",
    "select": "ops.select.operation",
    "serve": "ops.serve.operation",
    "split": "ops.split.operation",
    "class_counts": "ops.stats.operation",
    "stats": "ops.stats.operation",
    "stats_page": "ops.stats.page",
    "stitch": "ops.stitch.operation",
    "untile": "ops.stitch.operation",
    "suspects": "ops.suspects.operation",
    "suspects_sheet": "ops.suspects.sheet",
    "tile": "ops.tile.operation",
    "view": "ops.view.operation",
    "detect": "readers.detect",
    "Shape": "readers.paint",
    "paint": "readers.paint",
    "Recipe": "recipes.recipe",
    "dense_crf": "refinement.crf",
    "Refinement": "refinement.settings",
    "Window": "windows",
    "Run": "executors.run",
    "workers": "executors.run",
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
