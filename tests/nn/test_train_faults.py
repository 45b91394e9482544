"""Trainings of several processes in which something dies, and two at once."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("albumentations")

from click.testing import CliRunner  # noqa: E402
from test_train_processes import ENVIRONMENT, TORCHRUN, command  # noqa: E402

import segdata  # noqa: E402
from segdata.cli import main  # noqa: E402
from segdata.dataset.destination import state_of  # noqa: E402
from segdata.errors import DatasetError, SegdataError  # noqa: E402
from segdata.nn import checkpoint  # noqa: E402
from segdata.nn.folder import LOCK, RUN, held  # noqa: E402
from train_files import QUICK, scenes  # noqa: E402

RECORD = """
import errno, json, sys
from pathlib import Path
import segdata  # noqa: E402
from segdata.nn import data, folder
if __name__ == "__main__":
    dataset, run, options = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
    ids = []
    real = data.Training.__getitem__
    def noted(self, key):
        ids.append([key.turn, self.samples[key.sample].id])
        return real(self, key)
    data.Training.__getitem__ = noted
    save = folder.Folder.save_last
    def full(self, state):
        if state.step == options["epochs"] * self.task.steps:
            raise OSError(errno.ENOSPC, "No space left on device", str(self.root / "last.pt"))
        save(self, state)
    folder.Folder.save_last = full
    try:
        segdata.train(dataset, run, **options)
    finally:
        import os
        (run.parent / f"ids-{os.environ['RANK']}.json").write_text(json.dumps(ids))
"""


def children(process: int) -> dict[str, int]:
    """The processes that torchrun started: rank -> process id."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == process:
                pairs = (text.partition("=") for text in (folder / "environ").read_text().split("\0"))
                found[{name: value for name, _, value in pairs}["RANK"]] = int(folder.name)
        except (OSError, KeyError):
            continue
    return found


def alive(process: int) -> bool:
    """Whether it runs still; a zombie does not."""
    try:
        return (Path("/proc") / str(process) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def cut_short(start: list[str], run: Path, victim: str, rows: int) -> tuple[int, str]:
    """Start it, kill torchrun or one of its processes after so many epochs; its exit code and output, once all have ended."""
    process = subprocess.Popen(start, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    metrics = run / "metrics.csv"
    deadline = time.monotonic() + 120
    while not metrics.exists() or len(metrics.read_text().splitlines()) <= rows:
        assert process.poll() is None, process.communicate()[0][-3000:]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    ranks = children(process.pid)
    assert sorted(ranks) == ["0", "1"]
    os.kill(process.pid if victim == "torchrun" else ranks[victim], signal.SIGKILL)
    output = process.communicate(timeout=60)[0]  # which is when all that could write have ended
    deadline = time.monotonic() + 20
    while any(alive(rank) for rank in ranks.values()):
        assert time.monotonic() < deadline, "a process of the training lives on"
        time.sleep(0.05)
    return process.returncode, output


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="no /proc")
def test_a_killed_process_ends_the_run_and_repeating_it_goes_on(tmp_path: Path) -> None:
    """A rank at a random moment, then torchrun itself; in the end the weights of an undisturbed run, bit for bit."""
    scenes(tmp_path / "d")
    options = {**QUICK, "epochs": 60, "ema": 0.9, "save_minutes": 1e-9}
    whole, cut = ([*TORCHRUN, *command(tmp_path / "d", tmp_path / name, options)] for name in ("whole", "cut"))
    chance = random.Random(7)
    last = tmp_path / "cut" / "last.pt"
    for victim, rows in ((chance.choice("01"), chance.randrange(2, 12)), ("torchrun", chance.randrange(14, 24))):
        code, output = cut_short(cut, last.parent, victim, rows)
        assert code == (-signal.SIGKILL if victim == "torchrun" else 1), output[-2000:]
        assert 0 < checkpoint.read(last)["train"]["step"] < 120
    for start in (cut, whole):
        done = subprocess.run(start, env=ENVIRONMENT, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stderr[-3000:]
        assert "trained:     60 epochs, 120 steps" in done.stdout
    one, two = (torch.load(tmp_path / name / "last.pt", weights_only=True) for name in ("whole", "cut"))
    assert all(torch.equal(one["state"][name], two["state"][name]) for name in one["state"])
    rows = [[{k: v for k, v in row.items() if k not in ("seconds", "train_loss")} for row in found["train"]["rows"]]
            for found in (one, two)]  # fmt: skip
    assert rows[0] == rows[1]
    assert not (last.parent / LOCK).exists()


def test_a_full_disk_at_the_last_save_keeps_nobody_waiting(tmp_path: Path) -> None:
    """And each process has read its own share: together every sample twice a turn, to learn and for batch normalisation."""
    dataset = scenes(tmp_path / "d", train=12)
    (tmp_path / "record.py").write_text(RECORD)
    options = {**QUICK, "epochs": 3, "cache": "no"}
    start = [*TORCHRUN, str(tmp_path / "record.py"), str(tmp_path / "d"), str(tmp_path / "run"), json.dumps(options)]
    done = subprocess.run(start, env=ENVIRONMENT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, done.stderr[-2000:]
    assert f"[Errno {errno.ENOSPC}] No space left on device: '{tmp_path / 'run' / 'last.pt'}'" in done.stderr
    shares: list[list[tuple[int, str]]] = [
        [tuple(pair) for pair in json.loads((tmp_path / f"ids-{rank}.json").read_text())] for rank in (0, 1)
    ]
    wanted = sorted((turn, sample.id) for turn in range(3) for sample in dataset.split("train"))
    assert sorted(shares[0] + shares[1]) == sorted(2 * wanted)
    assert len(shares[0]) == len(shares[1])
    assert checkpoint.read(tmp_path / "run" / "last.pt")["train"]["step"] == 6


def test_two_trainings_into_one_folder(tmp_path: Path) -> None:
    scenes(tmp_path / "d")
    run = tmp_path / "run"
    result = CliRunner().invoke(main, command(tmp_path / "d", run, QUICK)[2:])
    assert result.exit_code == 0, result.output
    before = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    for more in ([], ["--overwrite"]):
        with held(run):
            result = CliRunner().invoke(main, [*command(tmp_path / "d", run, QUICK)[2:], *more])
            assert result.exit_code == 1
            assert "another run is writing there; wait for it to end" in result.output
            assert before == {
                path.name: path.read_bytes() for path in run.iterdir() if path.is_file() and path.name != LOCK
            }
    (run / LOCK).write_bytes(b"")  # what a killed one leaves
    assert segdata.train(tmp_path / "d", run, **QUICK).rows
    with pytest.raises(DatasetError, match="holds files that are not from a run"):
        segdata.train(tmp_path / "d", tmp_path / "d", **QUICK, overwrite=True)


def test_a_full_disk_is_told_by_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """torch tells of it as an odd position in a file."""

    class Full:
        def __init__(self, file: Any) -> None:
            self.file, self.left = file, 4096

        def write(self, data: Any) -> int:
            self.left -= len(data)
            if self.left < 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            return int(self.file.write(data))

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

    save = torch.save
    monkeypatch.setattr(torch, "save", lambda value, file: save(value, Full(file)))
    with pytest.raises(OSError, match="No space left") as caught:
        checkpoint.write(tmp_path / "last.pt", {"weights": torch.zeros(100_000)})
    assert caught.value.filename == str(tmp_path / "last.pt")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("given", [{"batch": 5}, {"model": "no_such_model"}])
def test_what_every_process_finds_out_is_said_once(tmp_path: Path, given: dict[str, Any]) -> None:
    scenes(tmp_path / "d")
    start = [*TORCHRUN, *command(tmp_path / "d", tmp_path / "run", {**QUICK, **given})]
    done = subprocess.run(start, env=ENVIRONMENT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    told = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(told) == 1, told
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("rank", [0, 1])
def test_what_one_process_finds_out_alone_is_said_by_it(tmp_path: Path, rank: int) -> None:
    (tmp_path / "one.py").write_text(
        "import os, sys\n"
        "from segdata.errors import OptionError\n"
        "from segdata.nn.distributed import world\n"
        "try:\n"
        "    with world('cpu') as here:\n"
        "        with here.alike():\n"
        "            if here.rank == int(sys.argv[1]):\n"
        "                raise OptionError(f'wrong in {here.rank}')\n"
        "        here.wait()\n"
        "        here.wait()\n"
        "except OptionError as error:\n"
        "    sys.exit(f'error: {error}')\n"
    )
    start = [*TORCHRUN, str(tmp_path / "one.py"), str(rank)]
    done = subprocess.run(start, env=ENVIRONMENT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert f"error: wrong in {rank}" in done.stderr


def test_samples_in_memory_are_shared_with_processes_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's /dev/shm has 64 MB; without loading processes nothing needs it."""
    dataset = scenes(tmp_path / "d")

    def full(tensor: Any) -> None:
        raise RuntimeError("unable to allocate shared memory(shm) for file </torch_1>: No space left on device (28)")

    monkeypatch.setattr(torch.Tensor, "share_memory_", full)
    with pytest.raises(SegdataError, match=r"cannot share memory .*No space left.*--workers 0.*--shm-size"):
        segdata.train(dataset, tmp_path / "run", **{**QUICK, "workers": 1, "cache": "yes"})
    segdata.train(dataset, tmp_path / "run", **{**QUICK, "workers": 0, "cache": "yes"})


def bytes_below(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_what_is_trained_anew_stays_until_the_new_is_whole(tmp_path: Path) -> None:
    """Killed in the middle, the old is there; the same command goes on beside it, and takes its place in the end."""
    scenes(tmp_path / "d")
    run, beside = tmp_path / "run", tmp_path / "run.partial"
    segdata.train(tmp_path / "d", run, **QUICK)
    before = bytes_below(run)

    class Killed(BaseException):
        pass

    def stop(progress: Any) -> None:
        if progress.epoch == 2:
            raise Killed

    other = {**QUICK, "lr": 0.01, "epochs": 3}
    with pytest.raises(Killed):
        segdata.train(tmp_path / "d", run, **other, overwrite=True, watch=stop)
    assert bytes_below(run) == before
    assert (beside / "last.pt").exists()
    seen: list[int] = []
    segdata.train(tmp_path / "d", run, **other, overwrite=True, watch=lambda progress: seen.append(progress.epoch))
    assert min(seen) == 2, "it went on"
    assert not beside.exists()
    rows = segdata.train(tmp_path / "d", run, **other).rows
    right = segdata.train(tmp_path / "d", tmp_path / "right", **other).rows
    assert [row["train_loss"] for row in rows] == [row["train_loss"] for row in right]


@pytest.mark.parametrize("names", [["config.yaml", "metrics.csv"], ["samples/a.jpg"], ["last.pt"], ["run.json"]])
@pytest.mark.parametrize("overwrite", [False, True])
def test_names_alone_do_not_make_a_folder_a_run(tmp_path: Path, names: list[str], overwrite: bool) -> None:
    scenes(tmp_path / "d")
    for name in names:
        (tmp_path / "my" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "my" / name).write_text("mine")
    before = bytes_below(tmp_path / "my")
    with pytest.raises(DatasetError, match="nothing says that segdata made it"):
        segdata.train(tmp_path / "d", tmp_path / "my", **QUICK, overwrite=overwrite)
    assert bytes_below(tmp_path / "my") == before
    assert not (tmp_path / "my.partial").exists()


def test_what_a_killed_training_leaves_beside_its_files_is_its_own(tmp_path: Path) -> None:
    for name in ("config.yaml", "last.pt", "last.partial.pt", "best.pt.partial", "metrics.partial.csv"):
        (tmp_path / name).touch()
    (tmp_path / "run.json").write_text('{"segdata": "0.1.0"}')
    assert state_of(tmp_path, RUN) == "unfinished"
    (tmp_path / "mine.partial.csv").touch()
    with pytest.raises(DatasetError, match="not from a run"):
        state_of(tmp_path, RUN)


def test_a_swap_that_was_killed_does_not_bring_the_old_training_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The two have exchanged their names: what lies beside is the old one then, not the new one in the making."""
    scenes(tmp_path / "d")
    run = tmp_path / "run"
    segdata.train(tmp_path / "d", run, **QUICK)

    class Killed(BaseException):
        pass

    def dies(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("segdata.dataset.destination.clean", dies)
        with pytest.raises(Killed):
            segdata.train(tmp_path / "d", run, **QUICK, overwrite=True)
    assert (tmp_path / "run.partial").exists()
    steps: list[int] = []
    segdata.train(tmp_path / "d", run, **QUICK, overwrite=True, watch=lambda progress: steps.append(progress.step))
    assert steps, "the old one was taken for the new one, whole"
    assert [path.name for path in tmp_path.glob("run*")] == ["run"]
    assert not (run / "replaces").exists()


@pytest.mark.parametrize("name", ["run.partial", "run.replaced"])
def test_a_training_that_is_called_as_a_draft_stays(tmp_path: Path, name: str) -> None:
    scenes(tmp_path / "d")
    segdata.train(tmp_path / "d", tmp_path / "run", **QUICK)
    segdata.train(tmp_path / "d", tmp_path / name, **QUICK)
    before = bytes_below(tmp_path / name)
    with pytest.raises(DatasetError, match="is in the way of what"):
        segdata.train(tmp_path / "d", tmp_path / "run", **{**QUICK, "lr": 0.01}, overwrite=True)
    assert bytes_below(tmp_path / name) == before


def test_a_training_that_cannot_be_replaced_is_told_so_before_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenes(tmp_path / "d")
    segdata.train(tmp_path / "d", tmp_path / "run", **QUICK)
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path) == tmp_path / "run")
    with pytest.raises(DatasetError, match="is a mount point, which cannot be replaced"):
        segdata.train(tmp_path / "d", tmp_path / "run", **QUICK, overwrite=True)
