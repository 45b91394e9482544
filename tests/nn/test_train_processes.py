"""Training in several processes, and in one that is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("albumentations")

import segdata  # noqa: E402
from segdata.prediction.profile import read_profile  # noqa: E402
from train_files import QUICK, scenes, written  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests/helpers"), os.environ.get("PYTHONPATH", "")]),
    "OMP_NUM_THREADS": "1",
}
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]

COUNT = """
import sys, numpy as np, torch
from pathlib import Path
from segdata import Dataset, Run
from segdata.nn import checkpoint  # noqa: E402
from segdata.nn.distributed import world
from segdata.nn.task import prepare
from segdata.nn.validate import Validator
from segdata.nn.options import Training, read_config
if __name__ == "__main__":
    dataset, run, out = map(Path, sys.argv[1:])
    torch.set_num_threads(1)
    with world("cpu") as here:
        task = prepare(dataset, Training.of(read_config(run / "config.yaml")), Run())
        model = checkpoint.model_of(checkpoint.read(run / "last.pt"), run, trust_code=True)
        validator = Validator(task, here)
        ids = [id for batch in validator.batches for id in batch.ids]
        confusion, loss = validator.confusion(model)
        np.savez(out / f"{here.size}-{here.rank}.npz", counts=confusion.counts, loss=loss, ids=ids)
"""

THREADS = """
import json, sys
from pathlib import Path
import segdata  # noqa: E402
from segdata.prediction.profile import read_profile  # noqa: E402
def alive():
    return any("gloo" in name.read_text() for name in Path("/proc/self/task").glob("*/comm"))
seen = []
if __name__ == "__main__":
    segdata.train(*sys.argv[1:3], watch=lambda progress: seen.append(alive()), **json.loads(sys.argv[3]))
    sys.stdout.write(f"gloo during: {all(seen)}, after: {alive()}\\n")
"""


def command(dataset: Path, run: Path, options: dict[str, Any]) -> list[str]:
    """`-m segdata train` with these options."""
    given = []
    for name, value in options.items():
        flag = name.replace("_", "-")
        given += [f"--no-{flag}"] if value is False else [f"--{flag}", str(value)]
    return ["-m", "segdata", "train", str(dataset), str(run), *given]


def done(command: list[str]) -> subprocess.CompletedProcess[str]:
    result = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=240)
    assert result.returncode == 0, result.stderr[-3000:]
    return result


def test_two_processes_validate_as_one(tmp_path: Path) -> None:
    """The same weights give the same counts, each sample is met once, and all processes know the sum."""
    np = pytest.importorskip("numpy")
    dataset = scenes(tmp_path / "d", val=7, sizes=[(24, 32)] * 8 + [(20, 32)] * 3)
    segdata.train(dataset, tmp_path / "run", **{**QUICK, "epochs": 1, "val_batch": 2}, resize=(16, 20))
    (tmp_path / "count.py").write_text(COUNT)
    arguments = [str(tmp_path / name) for name in ("count.py", "d", "run", ".")]
    done([sys.executable, *arguments])
    done([*TORCHRUN, *arguments])
    found = {name: np.load(tmp_path / f"{name}.npz") for name in ("1-0", "2-0", "2-1")}
    assert sorted([*found["2-0"]["ids"], *found["2-1"]["ids"]]) == sorted(found["1-0"]["ids"])
    assert len(set(found["1-0"]["ids"])) == 7
    assert min(len(found[name]["ids"]) for name in ("2-0", "2-1")) > 0
    for name in ("2-0", "2-1"):
        np.testing.assert_array_equal(found[name]["counts"], found["1-0"]["counts"])
        assert found[name]["loss"] == pytest.approx(float(found["1-0"]["loss"]), rel=1e-9)
    assert found["1-0"]["counts"].sum() == sum(n for s in dataset.split("val") for v, n in s.counts.items() if v != 255)


def test_torchrun_trains_as_one_process_would(tmp_path: Path) -> None:
    """Without batch statistics the division of a batch changes nothing but the order of sums."""
    scenes(tmp_path / "d")
    options = {**QUICK, "model": "train_files:plain", "epochs": 3, "batch": 4, "lr": 0.01, "clip": 1.0}
    one = segdata.train(tmp_path / "d", tmp_path / "one", **options)
    out = done([*TORCHRUN, *command(tmp_path / "d", tmp_path / "two", options)])
    assert out.stdout.count("trained:") == 1
    two = segdata.train(tmp_path / "d", tmp_path / "two", **options)  # finished: as it was left
    assert [r["train_loss"] for r in two.rows] == pytest.approx([r["train_loss"] for r in one.rows], rel=1e-2)
    weights = [torch.load(tmp_path / name / "last.pt", weights_only=True)["state"] for name in ("one", "two")]
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=2e-2, atol=2e-3)


GRADIENT = """
import sys, torch
from pathlib import Path
from segdata import Run
from segdata.nn.distributed import world
from segdata.nn.options import Training
from segdata.nn.state import start
from segdata.nn.step import Step, step_batches
from segdata.nn.task import prepare
from train_files import QUICK
if __name__ == "__main__":
    dataset, out = map(Path, sys.argv[1:])
    torch.set_num_threads(1)
    options = {"model": "train_files:plain", "loss": "ce+focal", "class_weights": "inverse", "optimizer": "sgd"}
    with world("cpu") as here:
        task = prepare(dataset, Training.of({**QUICK, **options, "batch": 8, "recipe": "none"}), Run())
        learn, held = Step(task, start(task, here), here, lambda step: 0.0), []
        learn.state.optimizer.register_step_pre_hook(
            lambda *_: held.append(torch.cat([p.grad.flatten() for p in learn.state.model.parameters()]))
        )
        learn(next(step_batches(task, here, [0])), 0)
        torch.save([held[0], here.mean(learn.last_loss())], out / f"{here.size}-{here.rank}.pt")
"""


def test_two_processes_have_the_gradient_of_one(tmp_path: Path) -> None:
    """Also if the images of one process are nearly void."""
    dataset = scenes(tmp_path / "d")
    samples = list(dataset)
    for number, sample in enumerate(samples[:8]):
        if number % 3:
            mask = dataset.read_mask(sample).copy()
            mask[1:, 1:] = 255
            samples[number] = written(dataset.root, sample.id, "train", dataset.read_image(sample), mask)
    segdata.Dataset(dataset.root, dataset.labels, samples, {}, "copy").save()
    (tmp_path / "gradient.py").write_text(GRADIENT)
    arguments = [str(tmp_path / name) for name in ("gradient.py", "d", ".")]
    done([sys.executable, *arguments])
    done([*TORCHRUN, *arguments])
    (whole, loss), *both = (torch.load(tmp_path / f"{name}.pt") for name in ("1-0", "2-0", "2-1"))
    for gradient, value in both:
        torch.testing.assert_close(gradient, whole, rtol=1e-4, atol=1e-6)
        assert value == pytest.approx(loss, rel=1e-5)


def test_two_processes_measure_batch_norm_alike(tmp_path: Path) -> None:
    """The statistics kept are those of all images of a batch, whichever process saw them."""
    scenes(tmp_path / "d")
    options = {**QUICK, "epochs": 2, "lr": 1e-9, "recipe": "none"}
    segdata.train(tmp_path / "d", tmp_path / "one", **options, accumulate=2)
    done([*TORCHRUN, *command(tmp_path / "d", tmp_path / "two", options)])
    one, two = (torch.load(tmp_path / name / "last.pt", weights_only=True)["state"] for name in ("one", "two"))
    for name, value in one.items():
        if not name.endswith("num_batches_tracked"):
            torch.testing.assert_close(two[name], value, rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="no /proc")
def test_nothing_of_the_process_group_outlives_a_training(tmp_path: Path) -> None:
    """A thread of gloo's that still lets go of a tensor while the interpreter ends aborts the process (1 run in 4)."""
    scenes(tmp_path / "d")
    (tmp_path / "threads.py").write_text(THREADS)
    options = {**QUICK, "model": "train_files:plain", "epochs": 1, "batch": 4}
    arguments = [str(tmp_path / "threads.py"), str(tmp_path / "d"), str(tmp_path / "run"), json.dumps(options)]
    lines = done([*TORCHRUN, *arguments]).stdout.splitlines()
    assert [line for line in lines if line.startswith("gloo")] == ["gloo during: True, after: False"] * 2


def test_a_killed_run_goes_on_when_the_command_is_repeated(tmp_path: Path) -> None:
    """SIGKILL in the middle; then the same weights, bit for bit, as without."""
    scenes(tmp_path / "d")
    options = {**QUICK, "epochs": 40, "ema": 0.9, "save_minutes": 1e-9}
    start = [sys.executable, *command(tmp_path / "d", tmp_path / "run", options)]
    process = subprocess.Popen(start, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    metrics = tmp_path / "run" / "metrics.csv"
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if metrics.exists() and len(metrics.read_text().splitlines()) > 3:
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.01)
    assert process.wait() == -signal.SIGKILL, "it ended before it could be killed"
    step = torch.load(tmp_path / "run" / "last.pt", weights_only=True)["train"]["step"]
    assert 4 <= step < 80
    assert "trained:     40 epochs, 80 steps" in done(start).stdout
    segdata.train(tmp_path / "d", tmp_path / "whole", **options)
    whole, cut = (torch.load(tmp_path / n / "last.pt", weights_only=True)["state"] for n in ("whole", "run"))
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


def test_two_processes_calibrate_and_profile_as_one(tmp_path: Path) -> None:
    """The same weights come to the same temperature and the same profile, each image once."""
    dataset = scenes(tmp_path / "d", val=7, sizes=[(24, 32)] * 8 + [(20, 32)] * 3)
    options = {**QUICK, "model": "train_files:plain", "epochs": 3, "batch": 4, "lr": 0.01}
    one = segdata.train(dataset, tmp_path / "run", **options)
    for name in ("best.pt", "last.pt"):
        held = torch.load(tmp_path / "run" / name, weights_only=True)
        torch.save({k: v for k, v in held.items() if k not in ("temperature", "calibration")}, tmp_path / "run" / name)
    before = read_profile(tmp_path / "run" / "profile.jsonl")
    done([*TORCHRUN, *command(tmp_path / "d", tmp_path / "run", options)])
    two = segdata.train(dataset, tmp_path / "run", **options)  # finished: as it was left
    assert one.calibrated is not None
    assert two.calibrated is not None
    assert two.calibrated.fitted == pytest.approx(one.calibrated.fitted, rel=1e-3)
    assert two.calibrated.ece_before == pytest.approx(one.calibrated.ece_before, abs=1e-5)
    after = read_profile(tmp_path / "run" / "profile.jsonl")
    assert [row.id for row in after.rows] == [row.id for row in before.rows]
    for row, other in zip(after.rows, before.rows, strict=True):
        assert row.pixels == other.pixels
        assert row.confidence == pytest.approx(other.confidence, rel=1e-3)
