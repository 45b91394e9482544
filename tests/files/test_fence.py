"""Runs that stood still while another took over their folder in storage: they end at their next write, and change nothing."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from operations import DATASETS, FRAME, MADE, MODEL, Inputs
from s3_server import BASE, BUCKET, Server, bytes_of, point_at, serving
from segdata.dataset import locks, logs
from segdata.dataset.dataset import Dataset
from segdata.dataset.journal import Journal
from segdata.dataset.layout import LOG, MANIFEST
from segdata.dataset.locks import Lock
from segdata.errors import DatasetError, StorageError
from segdata.executors.run import Run
from segdata.files import conditions, fence, providers, remote
from segdata.files.drafts import Draft, local_draft
from segdata.files.fence import Fence, fence_of
from segdata.files.places import copy_file, place, remove, write_whole
from segdata.files.remote import Remote
from segdata.ops.check.operation import check
from segdata.ops.convert.operation import convert

TAKEN = "another run has taken over while this one stood still: let that run end"


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "PAUSE", 0.001)
    monkeypatch.setattr(locks, "BEAT", 0.1)
    monkeypatch.setattr(logs, "FLUSH", 0)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving(Server()) as running:
        yield running


@pytest.fixture
def s3(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    import boto3

    point_at(server.url, monkeypatch)
    bucket = boto3.resource("s3").Bucket(BUCKET)
    bucket.create()
    bucket.objects.all().delete()
    server.events.clear()
    server.seen.clear()
    yield server
    server.events.clear()


# --- the whole way: a process is stopped, another takes over, the first goes on

RUN = """
import sys
from segdata.dataset import locks, logs
logs.FLUSH, locks.BEAT = 0, 0.1
from segdata.cli import main
main(sys.argv[1:])
"""


class Stopped:
    """A `segdata` process, and its workers, that stand still at a request until told to go on."""

    def __init__(self, server: Server, path: str, *arguments: str, late: bool, alone: bool) -> None:
        """It stops as it puts `path`, of a lock the first time that it renews it. `late`: the request is carried out only once
        it goes on, as if it had been on its way for so long. `alone`: its workers do not stop."""
        self.is_stopped, self.goes_on = threading.Event(), threading.Event()
        self._late, self._send = late, os.kill if alone else os.killpg
        if path.endswith("lock"):
            server.once("PUT", "/masks/", lambda: server.once("PUT", path, self._stop))
        else:
            server.once("PUT", path, self._stop)
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUN, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True,
        )  # fmt: skip
        if not self.is_stopped.wait(300):
            self.process.kill()
            raise AssertionError(f"{path} was not put: {self.process.communicate()}")

    def _stop(self) -> None:
        self._send(self.process.pid, signal.SIGSTOP)
        self.is_stopped.set()
        if self._late:
            self.goes_on.wait(300)

    def go_on(self) -> tuple[int, str]:
        """Its exit code, and what it says on stderr."""
        self.goes_on.set()
        self._send(self.process.pid, signal.SIGCONT)
        _, told = self.process.communicate(timeout=300)
        return self.process.returncode, told


def converted(samples: Path, to: str | Path, **options: object) -> Dataset:
    return convert("coco", samples / "coco", to, images="copy", split="val", **options)  # type: ignore[arg-type]


STOPS = {
    "a mask": ("/masks/", 1),
    "a mask, late": ("/masks/", 1),
    "a mask of a worker": ("/masks/", 2),
    "a mask of a worker, late": ("/masks/", 2),
    "a mask, and its workers go on alone": ("/masks/", 2),
    "the journal, late": ("/journal/000002", 1),
    "the card": ("/dataset.json", 1),
    "the manifest": (f"/{MANIFEST}", 1),
    "the manifest, late": (f"/{MANIFEST}", 1),
    "a renewal, late": ("/journal/lock", 1),
}
"""Where the first run stops: as it puts what, and with how many processes."""


@pytest.mark.parametrize("under_way", [False, True], ids=["ended", "under way"])
@pytest.mark.parametrize("stop", list(STOPS))
def test_a_run_that_stood_still_changes_nothing(
    stop: str, under_way: bool, s3: Server, samples: Path, tmp_path: Path
) -> None:
    path, jobs = STOPS[stop]
    arguments = ("convert", "coco", str(samples / "coco"), f"{BASE}/d", "--images", "copy", "--split", "val")
    first = Stopped(s3, path, *arguments, "-j", str(jobs), late="late" in stop, alone="alone" in stop)
    try:
        told: list[tuple[int, str]] = []
        if under_way:  # the first goes on as the second writes its first mask, or begins its journal
            s3.once("PUT", "/journal/000000" if "alone" in stop else "/masks/", lambda: told.append(first.go_on()))
        for attempt in range(20):
            try:
                converted(samples, f"{BASE}/d", drop=["dog"], overwrite=True)
                break
            except DatasetError as error:  # a renewal of the first was still on its way
                if attempt == 19 or "another run" not in str(error):
                    raise
        code, line = told[0] if under_way else first.go_on()
    finally:
        first.process.kill()
    assert (code, len(line.splitlines())) == (1, 1), line
    assert line.startswith("error: ")
    assert TAKEN in line
    converted(samples, tmp_path / "d", drop=["dog"])
    found = bytes_of(f"{BASE}/d")
    if "journal" in path:  # its lines may have been on their way, and an object that nobody else has is not kept out
        found = {name: data for name, data in found.items() if not name.startswith("journal/0")}
    assert found == bytes_of(tmp_path / "d")
    assert check(f"{BASE}/d").count("error") == 0


# --- one write


def owned(root: str) -> tuple[Remote, Lock]:
    """A folder behind the fence of a run that holds its lock, and does not renew it."""
    lock = Lock(Remote(root), Remote(root) / LOG / "lock")
    lock.stop()
    return lock.root, lock


def lose(lock: Lock) -> None:
    """Have another run take over, unnoticed yet."""
    lock.path.write_bytes(b"somebody else")
    lock.fence.saw(-1e9)


WRITES: dict[str, Callable[[Remote, Path], object]] = {
    "write_bytes": lambda root, file: (root / "new").write_bytes(b"mine"),
    "write_bytes over": lambda root, file: (root / "x").write_bytes(b"mine"),
    "write_text": lambda root, file: (root / "x").write_text("mine"),
    "write_if": lambda root, file: (root / "x").write_if(b"mine", (root / "x").version()),
    "upload": lambda root, file: (root / "x").upload(file),
    "copy_from": lambda root, file: (root / "x").copy_from(root / "y"),
    "copy_all": lambda root, file: (root / "deep").copy_all(root, ["x", "y"]),
    "unlink": lambda root, file: (root / "x").unlink(),
    "unlink_if": lambda root, file: (root / "x").unlink_if(str((root / "x").version())),
    "remove": lambda root, file: root.remove(),
    "remove_all": lambda root, file: root.remove_all([(root / "x").path]),
    "write_whole": lambda root, file: write_whole(root / "x", b"mine"),
    "copy_file": lambda root, file: copy_file(file, root / "x"),
    "copy_file within": lambda root, file: copy_file(root / "y", root / "x"),
    "remove a file": lambda root, file: remove(root / "x"),
    "Draft": lambda root, file: Draft(root / "x").close(),
    "local_draft": lambda root, file: write_draft(root / "x"),
    "a sibling": lambda root, file: (root / "x").with_name("y").unlink(),
    "a listed one": lambda root, file: next(root.listed().glob("x")).unlink(),
    "one that was pickled": lambda root, file: pickle.loads(pickle.dumps(root / "x")).unlink(),
}


def write_draft(path: Remote) -> None:
    with local_draft(path) as here:
        here.write_bytes(b"mine")


@pytest.mark.parametrize("base", ["memory://fence", f"{BASE}/fence"])
def test_no_write_goes_past_a_fence(base: str, s3: Server, tmp_path: Path) -> None:
    remove(Remote(base))
    (tmp_path / "file").write_bytes(b"mine")
    for name, write in WRITES.items():
        for path in ("x", "y"):
            (Remote(base) / "d" / path).write_bytes(path.encode())
        root, lock = owned(f"{base}/d")
        lose(lock)
        before = bytes_of(base)
        with pytest.raises(DatasetError, match=TAKEN):
            write(root, tmp_path / "file")
        assert bytes_of(base) == before, name
        lock.release()
        assert bytes_of(base) == before, "another's lock is not removed"
        lock.path.unlink()
        root, lock = owned(f"{base}/d")
        before = bytes_of(base)
        write(root, tmp_path / "file")
        assert bytes_of(base) != before, name
        remove(Remote(f"{base}/d"))


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("write", [Remote.write_bytes, lambda path, data: path.upload(data)])
def test_a_write_on_its_way_does_not_replace_the_other_runs(
    there: bool,
    large: bool,
    write: Callable[[Remote, Any], None],
    s3: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(remote, "LARGE", 0 if large else 2**20)
    root, lock = owned(f"{BASE}/d")
    path = Remote(f"{BASE}/d/x")
    (tmp_path / "x").write_bytes(b"mine")
    if there:
        path.write_bytes(b"before")

    def take_over() -> None:
        lose(lock)
        path.write_bytes(b"theirs")

    s3.once("PUT", "/d/x", take_over)
    with pytest.raises(DatasetError, match=TAKEN):
        write(root / "x", b"mine" if write is Remote.write_bytes else tmp_path / "x")
    assert path.read_bytes() == b"theirs"


def test_the_owner_replaces_what_came_late(s3: Server, tmp_path: Path) -> None:
    root, _ = owned(f"{BASE}/d")
    for write in (lambda: (root / "x").write_bytes(b"mine"), lambda: (root / "x").upload(tmp_path / "x")):
        (tmp_path / "x").write_bytes(b"mine")
        s3.once("PUT", "/d/x", lambda: place(f"{BASE}/d/x").write_bytes(b"late"))
        write()
        assert (root / "x").read_bytes() == b"mine"
        (root / "x").unlink()


def test_a_removal_on_its_way_does_not_remove_the_other_runs(s3: Server) -> None:
    root, lock = owned(f"{BASE}/d")
    (root / "x").write_bytes(b"mine")
    s3.once("DELETE", "/d/x", lambda: (lose(lock), Remote(f"{BASE}/d/x").write_bytes(b"theirs")))  # type: ignore[arg-type]
    with pytest.raises(DatasetError, match=TAKEN):
        (root / "x").unlink()
    assert (root / "x").read_bytes() == b"theirs"


def test_each_try_asks_again(s3: Server) -> None:
    root, lock = owned(f"{BASE}/d")
    s3.fail(1, "PUT", "/d/x")
    s3.once("PUT", "/d/x", lambda: lose(lock))
    with pytest.raises(DatasetError, match=TAKEN):
        (root / "x").write_bytes(b"mine")
    assert not (root / "x").exists()


def test_a_copy_of_what_is_not_there(s3: Server) -> None:
    for base in (BASE, "memory://fence"):
        root, lock = owned(f"{base}/d")
        with pytest.raises(FileNotFoundError):
            (root / "x").copy_from(root / "none")
        (root / "x").write_bytes(b"")
        with pytest.raises(FileNotFoundError):
            (root / "x").copy_from(root / "none")
        with pytest.raises(FileNotFoundError):
            (root / "none").unlink()
        lock.release()
        (root.bare / "x").unlink()


# --- the lock


def test_a_lock_is_read_once_a_lease(s3: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    for module in (fence, locks):
        monkeypatch.setattr(module, "now", lambda: clock[0])
    monkeypatch.setattr(locks, "BEAT", 3.0)
    root, _ = owned(f"{BASE}/d")
    path = f"/d/{LOG}/lock"
    for passed, reads in ((0, 0), (5, 0), (2, 1), (5.9, 1), (0.2, 2)):
        clock[0] += passed
        (root / str(clock[0])).write_bytes(b"")
        assert len(s3.asked("GET", path)) == reads
    sent = pickle.loads(pickle.dumps(root / "a"))
    assert sent.fence is fence_of(*sent.fence.__reduce__()[1]), "one a process"
    sent.write_bytes(b"")
    (sent.parent / "b").write_bytes(b"")
    assert len(s3.asked("GET", path)) == 2


def test_a_fence_that_has_fallen_stays_down() -> None:
    class Gone:
        def read_bytes(self) -> bytes:
            raise FileNotFoundError

    found = Fence("s3://b/d", Gone(), "me", 6)
    for _ in range(2):
        with pytest.raises(DatasetError, match=f"s3://b/d: {TAKEN}"):
            found.check()
        found.saw(fence.now())


def test_a_machine_that_slept_has_no_lease() -> None:
    if hasattr(time, "CLOCK_BOOTTIME"):
        assert abs(fence.now() - time.clock_gettime(time.CLOCK_BOOTTIME)) < 60


def test_of_two_runs_that_find_a_dead_lock_one_has_it(s3: Server) -> None:
    path, faster = Remote(f"{BASE}/d/{LOG}/lock"), list[Lock]()
    for ends in (False, True):  # the dead run, meanwhile
        path.write_bytes(b"dead")
        if ends:
            s3.once("GET", "/lock", path.unlink)
        s3.once("HEAD", "/lock", lambda: s3.once("PUT", "/lock", lambda: faster.append(Lock(path.parent, path))))
        with pytest.raises(DatasetError, match=r"another run (was faster|is writing there)"):
            Lock(Remote(f"{BASE}/d"), path)
        lock = faster.pop()
        assert lock.fence.is_held()
        lock.release()
        assert not path.exists()


def test_a_lock_that_was_taken_without_an_answer_is_taken(s3: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    write_if = Remote.write_if

    def unanswered(self: Remote, data: bytes, version: str | None) -> None:
        write_if(self, data, version)
        raise FileExistsError

    monkeypatch.setattr(Remote, "write_if", unanswered)
    root, lock = owned(f"{BASE}/d")
    (root / "x").write_bytes(b"mine")
    lock.release()
    assert list(bytes_of(f"{BASE}/d")) == ["x"]


def test_a_lock_is_renewed_until_it_is_lost(s3: Server) -> None:
    lock = Lock(Remote(f"{BASE}/d"), Remote(f"{BASE}/d/{LOG}/lock"))
    first = lock.path.read_bytes()
    while lock.path.read_bytes() == first:
        time.sleep(0.01)
    assert lock.fence.is_held()
    with pytest.raises(DatasetError, match="another run is writing there; wait for it to end"):
        Lock(Remote(f"{BASE}/d"), lock.path)
    s3.once("PUT", "/lock", lambda: lock.path.write_bytes(b"somebody else"))  # as a renewal is on its way
    lock._thread.join()
    assert lock.path.read_bytes() == b"somebody else"
    with pytest.raises(DatasetError, match=TAKEN):
        (lock.root / "x").write_bytes(b"")


def test_storage_that_does_not_answer_is_not_written_to(s3: Server) -> None:
    root, lock = owned(f"{BASE}/d")
    lock.fence.saw(-1e9)
    s3.fail(1000, "GET", "/lock")
    with pytest.raises(StorageError, match="does not answer"):
        (root / "x").write_bytes(b"")
    s3.fail(0)
    assert not (root / "x").exists()
    (root / "x").write_bytes(b"")


def test_a_job_removes_its_journal_but_not_anothers(s3: Server) -> None:
    stale: Journal[str] = Journal(f"{BASE}/d", {"tool": "segdata", "job": 1}, str)
    stale.append("a")
    stale._log._lock.stop()  # type: ignore[attr-defined]
    owner: Journal[str] = Journal(f"{BASE}/d", {"tool": "segdata", "job": 1}, str)
    assert owner.done == ["a"]
    for end in (lambda: stale.append("b"), stale.discard, lambda: stale.close(finished=True)):
        stale._log._lock.ended = False  # type: ignore[attr-defined]
        stale._log._lock.fence.saw(-1e9)  # type: ignore[attr-defined]
        with pytest.raises(DatasetError, match=TAKEN):
            end()
    owner.append("c")
    owner.close(finished=False)
    again: Journal[str] = Journal(f"{BASE}/d", {"tool": "segdata", "job": 1}, str)
    assert again.done == ["a", "c"]
    again.close(finished=True)
    assert bytes_of(f"{BASE}/d") == {}


# --- operations


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    return Inputs.made(tmp_path_factory.mktemp("inputs"))


@pytest.fixture(scope="module")
def stored(inputs: Inputs) -> Iterator[Remote]:
    """The same in storage."""
    root = Remote("memory://inputs")
    for name, data in bytes_of(inputs.root).items():
        (root / name).write_bytes(data)
    yield root
    remove(root)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*DATASETS, *FRAME, *MODEL])
def test_every_operation_writes_behind_its_fence(
    name: str, inputs: Inputs, stored: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    free: list[tuple[str, str]] = []
    call = providers.call

    def spy(url: str, method: str, *args: Any, guard: Any = None, **kwargs: Any) -> Any:
        if guard is None and method.partition("_")[0] in ("pipe", "put", "cp", "copy", "rm") and LOG not in url:
            free.append((url, method))
        return call(url, method, *args, guard=guard, **kwargs)

    monkeypatch.setattr(remote, "call", spy)
    monkeypatch.setattr(conditions, "call", spy)
    out = "memory://fence/out"
    remove(Remote(out))
    free.clear()
    given = inputs if name.startswith("convert") else Inputs(stored)  # type: ignore[arg-type]
    made = {**MADE, **MODEL}[name](given, out, Run())  # type: ignore[arg-type]
    assert free == []
    if name in FRAME:
        assert set(bytes_of(out)) > {"segdata.json", "croissant.json", "receipt.json"}
    else:
        assert set(bytes_of(out)) > {"dataset.json", "manifest.jsonl"}
        made.save()
        assert len(free) == 2, "what was made may be changed later"
    remove(Remote(out))
