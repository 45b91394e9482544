"""`segdata demo`: the whole way on the samples that come with segdata, by the commands that it shows."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import click

from segdata.terminal.echo import echo
from segdata.terminal.options import jobs_option

FORMATS = {"coco": "coco", "voc": "voc/VOCdevkit", "cityscapes": "cityscapes", "pets": "pets"}
"""The formats of the samples, and where they are among them."""

TRAINING = (
    "--model-option stem=2 --model-option width=16 --model-option depth=3 --recipe standard --loss ce+dice --lr 3e-3 "
    "--schedule cosine --ema 0.9 --epochs 24 --val-every 8 --threads 1 --no-tensorboard"
)
"""A U-Net of half a million parameters, for three quarters of a minute on one core."""


def samples_root() -> Path:
    """The samples: in the package where it was installed from a wheel, beside it in a checkout."""
    from segdata.errors import DatasetError

    package = Path(__file__).resolve().parent.parent
    for root in (package / "samples", package.parent / "samples"):
        if (root / "coco").is_dir():
            return root
    raise DatasetError("the samples did not come with this installation: pip install --force-reinstall segdata")


@click.command()
@click.option("--out", type=click.Path(), default="segdata-demo", show_default=True, help="Where to put the results.")
@jobs_option
@click.pass_context
def demo(context: click.Context, out: str, jobs: int | str) -> None:
    """Go the whole way on the samples that come with segdata.

    It runs from labels in four formats to evaluated masks, and out again. Without the extra `train` it leaves out the training,
    without `onnx` the exported model.
    """
    samples, root = samples_root(), Path(out)
    many = ["--dask" if isinstance(jobs, str) else "-j", str(jobs)] if jobs != 1 else []

    def step(*arguments: str | Path) -> None:
        _show(context, [str(argument) for argument in arguments])

    for format, folder in FORMATS.items():
        dst = root / format
        step("convert", format, samples / folder, dst, "--overwrite", *many)
        step("preview", dst, root / f"{format}.png", "--sort", "rarest")
    coco, tiles = root / "coco", root / "tiles"
    step("info", coco)
    step("stats", coco, "--html", root / "stats.html")
    step("check", coco)
    step("tile", coco, tiles, "--size", "128", "--overlap", "32", "--overwrite", *many)
    if _has("train", "torch", "albumentations", "yaml", "matplotlib"):
        _model(step, root, many)
    exported, back = root / "exported", root / "back"
    step("export", "folders", coco, exported, "--overwrite", *many)
    step("convert", "auto", exported, back, "--overwrite", *many)
    echo(f"Exported and read back: {_compared(coco, back)}")
    echo(f"Look at {root}/*.png and {root}/stats.html, read {root}/coco/receipt.json, then try your own labels:")
    echo("  segdata detect path/to/labels")
    echo("  segdata convert auto path/to/labels mydata")
    echo("  segdata preview mydata sheet.png --sort worst")


def _model(step: Callable[..., None], root: Path, many: Sequence[str]) -> None:
    """From tiles to evaluated masks, and to the same masks without torch."""
    coco, run, pred, refined = (root / name for name in ("coco", "run", "pred", "refined"))
    step("train", root / "tiles", run, *TRAINING.split(), "--overwrite")
    step("predict", run / "best.pt", coco, pred, "--split", "val", "--scores", "--overwrite")
    step("refine", pred, refined, "--tune", coco, "--split", "val", "--held-out", "0.25", "--overwrite", *many)
    step("evaluate", refined, coco, "--split", "val", "--compare", pred, "--html", root / "evaluation.html")
    echo(f"Open {root}/evaluation.html.")
    if _has("onnx", "onnxruntime", "onnx", "onnxscript"):
        model, again = root / "model.onnx", root / "pred-onnx"
        step("export", "onnx", run / "best.pt", model, "--verify", coco, "--overwrite")
        step("predict", model, coco, again, "--split", "val", "--overwrite")
        echo(f"By the checkpoint and by the exported model: {_compared(pred, again)}")


def _has(extra: str, *packages: str) -> bool:
    """Whether packages are installed; of what the demo leaves out, it says which extra brings it."""
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        what = {"train": "trains a model", "onnx": "exports a model and predicts by it"}[extra]
        echo(f"The demo {what}, too, which needs {', '.join(missing)}: pip install 'segdata[{extra}]'")
    return not missing


def _compared(before: Path, after: Path) -> str:
    """How many pixels of masks differ between two datasets of the same samples, ignored ones among them."""
    from segdata.dataset.dataset import Dataset

    first, second = Dataset.open(before), Dataset.open(after)
    pairs = [(first.read_mask(sample), second.read_mask(second.sample(sample.id))) for sample in first]
    pixels, differ = sum(one.size for one, _ in pairs), sum(int((one != other).sum()) for one, other in pairs)
    return f"{len(pairs)} masks, {differ} of {pixels:,} pixels differ."


def _show(context: click.Context, arguments: list[str]) -> None:
    """Print a command, run it as it stands there, and say how long a long one took. Ends the demo where it fails."""
    main = context.find_root().command
    echo(f"$ segdata {shlex.join(arguments)}")
    began = time.monotonic()
    if code := main.main(arguments, prog_name="segdata", standalone_mode=False):
        context.exit(code)
    if (took := time.monotonic() - began) >= 5:
        echo(f"({took:.0f} s)", err=True)
    echo()
