"""A Dask cluster as an executor: the bytes of one process, whatever dies, and one clear message where it cannot go on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

import segdata
from carry_files import contents
from segdata import Dataset, Run, workers
from segdata.cli import main
from segdata.errors import MissingDependency, Problem, Report, SegdataError
from segdata.executors import dask as cluster
from segdata.labels import Labels
from segdata.refinement.settings import CrfSettings, Refinement

distributed = pytest.importorskip("distributed")

# --- what workers run: at module level, so that it can be imported there


@dataclass
class ByRed:
    """The class by how red a pixel is, where there are too many classes for `ByColour`."""

    labels: Labels

    def __call__(self, images: NDArray[Any]) -> NDArray[np.float32]:
        classes = len(self.labels.classes)
        ids = (images[..., 0].astype(int) * classes // 256)[:, None]
        return (ids == np.arange(classes)[None, :, None, None]).astype(np.float32)


def double(n: int) -> int:
    return 2 * n


def slowly(n: int) -> int:
    time.sleep(0.01)
    return n


def die(n: int) -> int:
    os._exit(1)


def surroundings(_: int) -> dict[str, Any]:
    import cv2
    import torch

    limits = {name: os.environ[name] for name in cluster.THREAD_LIMITS}
    return {
        "pid": os.getpid(),
        "folder": os.getcwd(),
        "cv2": cv2.getNumThreads(),
        "torch": torch.get_num_threads(),
        **limits,
    }


# --- clusters


@pytest.fixture(scope="module")
def threads() -> Iterator[Executor]:
    """One worker process of three threads, which is not forgiven a death."""
    import dask

    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        distributed.LocalCluster(1, threads_per_worker=3, dashboard_address=":0", host="127.0.0.1") as found,
        workers(found.scheduler_address) as executor,
    ):
        assert executor is not None
        yield executor


# --- the same bytes


CRF = Refinement(CrfSettings(iterations=1))


@pytest.mark.parametrize("kind", ["dask", "threads", "pool"])
def test_a_checkpoint_predicts_the_same(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    torch = pytest.importorskip("torch")
    from train_files import QUICK, scenes

    dataset = scenes(tmp_path / "d", train=12, val=4, sizes=[(40, 70), (70, 40)])
    segdata.train(dataset, tmp_path / "run", **{**QUICK, "epochs": 1})
    checkpoint = next((tmp_path / "run").glob("*.pt"))
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    options: dict[str, Any] = {"size": (24, 32), "scores": True, "refinement": CRF, "trust_code": True}
    try:
        one = segdata.predict(checkpoint, dataset, tmp_path / "one/out", **options)
        with workers(2) if kind == "pool" else workers(1) as pool:
            run = Run(pool or request.getfixturevalue(kind))
            other = segdata.predict(checkpoint, dataset, tmp_path / "other/out", run=run, **options)
    finally:
        torch.set_num_threads(before)
    assert contents(one.root) == contents(other.root)


@pytest.mark.data
def test_real_images(shared_data: Path, tmp_path: Path, dask: Executor) -> None:
    """Convert, count, tile, predict and evaluate what is in ../shared/data."""

    def chain(root: Path, run: Run) -> str:
        whole = segdata.convert("coco", shared_data / "coco" / "mini", root / "whole", run=run)
        some = replace(whole, samples=whole.samples[::20])
        segdata.tile(some, root / "tiles", size=256, overlap=32, run=run)
        pred = segdata.predict(ByRed(whole.labels), some, root / "pred", size=(256, 256), run=run)
        found = segdata.evaluate(pred, whole, draws=50, run=run)
        return json.dumps([segdata.stats(whole, recount=True, run=run).to_json(), found.to_json()])

    assert chain(tmp_path / "one", Run()) == chain(tmp_path / "other", Run(dask))
    assert contents(tmp_path / "one") == contents(tmp_path / "other")


def test_relative_paths_mean_the_clients_folder(
    samples: Path, tmp_path: Path, dask: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {found["folder"] for _, found in Run(dask).map(surroundings, range(9))}  # type: ignore[index]
    (tmp_path / "here").mkdir()
    (tmp_path / "pets").symlink_to(samples / "pets")
    monkeypatch.chdir(tmp_path / "here")
    segdata.convert("pets", "../pets", "out", run=Run(dask))
    segdata.convert("pets", "../pets", "one")
    assert contents(Path("out")) == contents(Path("one"))
    monkeypatch.undo()
    assert {found["folder"] for _, found in Run(dask).map(surroundings, range(9))} == before  # type: ignore[index]


# --- workers


@pytest.mark.parametrize("kind", ["dask", "threads"])
def test_workers_use_one_thread_each(kind: str, request: pytest.FixtureRequest) -> None:
    found = [about for _, about in Run(request.getfixturevalue(kind), chunk=1).map(surroundings, range(8))]
    for about in found:
        assert isinstance(about, dict)
        assert about.pop("pid") != os.getpid()
        assert about.pop("folder") == os.getcwd()
        assert {int(n) for n in about.values()} == {1}


def test_few_chunks_are_under_way(dask: Executor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two for each thread and one more, counted where they are sent."""
    sent, most, submit = 0, 0, dask.submit

    def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal sent
        sent += 1
        return submit(*arguments, **options)

    monkeypatch.setattr(dask, "submit", counted)
    for taken, _ in enumerate(Run(dask, chunk=1).map(slowly, range(60))):
        most = max(most, sent - taken)
    assert (sent, most) == (60, 5)


def test_a_client_of_ones_own(dask_cluster: Any) -> None:
    with distributed.Client(dask_cluster.scheduler_address, set_as_default=False) as client:
        found = Run(client.get_executor()).map(double, range(1000))
        assert list(found) == [(n, 2 * n) for n in range(1000)]


def test_bad_items_and_bugs_arrive_as_what_they_are(dask: Executor, tmp_path: Path) -> None:
    from test_run import divide, only_even

    assert [n for n, found in Run(dask).map(only_even, range(40)) if isinstance(found, Problem)] == list(
        range(1, 40, 2)
    )
    with pytest.raises(ZeroDivisionError):
        list(Run(dask).map(divide, range(10)))


# --- deaths


def test_a_worker_that_dies_is_done_without(samples: Path, tmp_path: Path, dask: Executor, dask_cluster: Any) -> None:
    def track(items: Iterator[Any], total: int) -> Iterator[Any]:
        for number, item in enumerate(items):
            if number == 6:
                os.kill(next(iter(dask_cluster.workers.values())).pid, signal.SIGKILL)
            yield item

    one = segdata.convert("coco", samples / "coco", tmp_path / "one/out")
    run = Run(dask, Report(), track, chunk=2)
    other = segdata.convert("coco", samples / "coco", tmp_path / "other/out", run=run)
    assert contents(one.root) == contents(other.root)


def test_workers_that_die_of_their_items(threads: Executor) -> None:
    with pytest.raises(SegdataError, match=r"died one after another.*the same command again"):
        list(Run(threads, chunk=1).map(die, range(3)))


@dataclass
class Started:
    """A scheduler, and perhaps a worker, that are processes of their own."""

    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, name: str, *options: str) -> subprocess.Popen[bytes]:
        command = [
            sys.executable,
            "-m",
            f"distributed.cli.dask_{name}",
            "--scheduler-file",
            str(self.folder / "dask.json"),
        ]
        with open(self.folder / name, "wb") as log:
            process = subprocess.Popen([*command, "--no-dashboard", *options], stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def address(self) -> str:
        for _ in range(600):
            if (path := self.folder / "dask.json").exists():
                return str(json.loads(path.read_text())["address"])
            time.sleep(0.05)
        pytest.fail((self.folder / "scheduler").read_text())


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Started]:
    found = Started(tmp_path)
    yield found
    for process in found.processes:
        process.kill()
        process.wait()


def test_the_scheduler_dies_and_one_process_goes_on(samples: Path, tmp_path: Path, started: Started) -> None:
    scheduler = started.start("scheduler", "--port", "0", "--host", "127.0.0.1")
    started.start("worker", "--nthreads", "1", "--no-nanny")

    def track(items: Iterator[Any], total: int) -> Iterator[Any]:
        for number, item in enumerate(items):
            if number == 5:
                scheduler.kill()
            yield item

    source, out = samples / "coco", tmp_path / "other/out"
    with (
        pytest.raises(
            SegdataError, match=r"connection to the Dask scheduler at tcp://.* is lost: run the same command"
        ),
        workers(started.address()) as executor,
    ):
        segdata.convert("coco", source, out, run=Run(executor, Report(), track, chunk=2))
    assert len((out / "journal.jsonl").read_bytes().splitlines()) > 1
    segdata.convert("coco", source, out)
    assert contents(out) == contents(segdata.convert("coco", source, tmp_path / "one/out").root)


def test_a_cluster_without_workers(started: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "DESERTED", 0.5)
    monkeypatch.setattr(cluster, "LOOK", 0.1)
    started.start("scheduler", "--port", "0", "--host", "127.0.0.1")
    with (
        pytest.raises(SegdataError, match=r"has had no workers.*dask worker tcp://"),
        workers(started.address()) as found,
    ):
        list(Run(found).map(double, range(3)))


# --- what cannot go on


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cluster, "CONNECT", 0.3)
    for address in ("tcp://127.0.0.1:9", "nonsense", "what://127.0.0.1:9"):
        result = CliRunner().invoke(main, ["stats", str(tmp_path), "--recount", "--dask", address])
        assert result.exit_code == 1
        assert result.stderr.startswith(f"error: --dask {address}: no scheduler answers there")


def test_dask_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingDependency, match=r"segdata\[dask\]"), workers("tcp://127.0.0.1:9"):
        pass


def test_one_way_or_the_other() -> None:
    result = CliRunner().invoke(main, ["check", "d", "-j", "1", "--dask", "tcp://127.0.0.1:9"])
    assert result.exit_code == 2
    assert "-j and --dask cannot go together" in result.stderr


def test_every_command_with_processes_takes_a_cluster() -> None:
    context = click.Context(main)
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None
        options = {option for parameter in command.params for option in parameter.opts}
        assert ("--jobs" in options) == ("--dask" in options), name
        if name == "predict":
            assert "--dask" in options


def test_a_command_on_a_cluster(dask_cluster: Any, samples: Path, tmp_path: Path) -> None:
    arguments = [
        "convert",
        "voc",
        str(samples / "voc/VOCdevkit"),
        str(tmp_path / "out"),
        "--dask",
        dask_cluster.scheduler_address,
    ]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert len(Dataset.open(tmp_path / "out")) > 3


TASK = cluster.Task(segdata.__version__, "/", None, "", b"")


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (replace(TASK, version="0.0.1"), r"has segdata .*, this process 0\.0\.1: install the same"),
        (replace(TASK, folder="/nowhere/at all"), r"^/nowhere/at all: the Dask worker on .* has no such folder"),
        (replace(TASK, into="/nowhere/out"), r"^/nowhere/out: the Dask worker on .* has no such folder"),
    ],
)
def test_a_worker_of_another_kind(dask: Executor, task: cluster.Task, message: str) -> None:
    with pytest.raises(SegdataError, match=message):
        dask.submit(task, b"").result()


def test_a_module_that_workers_lack(dask: Executor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "only_here.py").write_text("def double(n): return 2 * n\n")
    monkeypatch.syspath_prepend(tmp_path)
    only_here: Any = __import__("only_here")
    with pytest.raises(SegdataError, match="the Dask workers have no module only_here: install there"):
        list(Run(dask).map(only_here.double, range(3)))


def test_threads_take_turns_in_folders(tmp_path: Path) -> None:
    """Two clients of one worker process, each with its own working directory: neither is ever in the other's."""
    wrong: list[str] = []
    before = os.getcwd()
    folders: Sequence[Path] = [tmp_path / "a", tmp_path / "b"]

    def visit(folder: Path) -> None:
        for _ in range(20):
            with cluster._working_in(str(folder), "here"):
                time.sleep(0.0005)
                if os.getcwd() != str(folder):
                    wrong.append(str(folder))

    for folder in folders:
        folder.mkdir()
    visitors = [threading.Thread(target=visit, args=(folder,)) for folder in folders * 2]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert wrong == []
    assert os.getcwd() == before
