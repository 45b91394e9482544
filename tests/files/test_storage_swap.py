"""A dataset in storage that replaces another: killed after any request, what opens is the old one or the new one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from carry_files import make
from s3_server import BASE, BUCKET, Server, bytes_of, point_at, serving
from segdata.dataset.dataset import Dataset
from segdata.dataset.layout import MANIFEST
from segdata.dataset.locks import Lock
from segdata.errors import DatasetError, StorageError
from segdata.files import providers
from segdata.files.places import place, remove
from segdata.files.remote import Remote
from segdata.files.storage_swap import replace_prefix

LOCK = "journal/lock"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving(Server()) as running:
        yield running


@pytest.fixture
def s3(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    import boto3

    monkeypatch.setattr(providers, "PAUSE", 0.001)
    point_at(server.url, monkeypatch)
    boto3.resource("s3").Bucket(BUCKET).create()
    return server


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """The files of two datasets: they share names, each has some of its own, and the manifests are the same."""
    folder = tmp_path_factory.mktemp("made")
    masks = {name: np.full((4, 6), value) for value, name in enumerate("ab")}
    old = bytes_of(make(folder / "old", masks, images="copy").root)
    new = {**old, "dataset.json": old["dataset.json"] + b"\n", "images/d.png": b"another"}
    return {**old, "scores/a.tif": b"scores"}, new


def put(root: Remote, files: dict[str, bytes]) -> None:
    remove(root)
    for name, data in files.items():
        (root / name).write_bytes(data)


def seen(root: Remote, old: dict[str, bytes], new: dict[str, bytes]) -> str:
    """What somebody finds who opens the dataset now: all of the old one, or of the new one."""
    if not (root / MANIFEST).exists():
        with pytest.raises(DatasetError, match="is being replaced: repeat the command that was replacing it"):
            Dataset.open(root)
        return "nothing"
    assert len(Dataset.open(root)) == 2
    found = bytes_of(str(root))
    assert found in (old, new)
    return "old" if found == old else "new"


def test_a_swap_that_is_killed_after_any_request_is_finished_by_the_next(
    s3: Server, made: tuple[dict[str, bytes], dict[str, bytes]]
) -> None:
    root, draft = Remote(f"{BASE}/d"), Remote(f"{BASE}/d.partial")
    old, new = made
    states = []
    for number in range(200):
        put(root, old)
        put(draft, new)
        killed = False
        for left in (number, 7) if number % 7 == 0 else (number,):  # the second try may be killed as well
            s3.left = left
            try:
                replace_prefix(draft, root, MANIFEST)
            except StorageError:
                killed = True
            finally:
                s3.left = float("inf")
            states.append(seen(root, old, new))
        replace_prefix(draft, root, MANIFEST)
        assert bytes_of(f"{BASE}/d") == new
        assert not draft.exists()
        if not killed:
            break
    assert not killed, "it takes more requests than were counted"
    assert set(states) == {"old", "nothing", "new"}
    replace_prefix(draft, root, MANIFEST)
    assert bytes_of(f"{BASE}/d") == new, "nothing is replaced by nothing"


def test_a_swap_leaves_locks_and_stops_where_one_is_lost(
    s3: Server, made: tuple[dict[str, bytes], dict[str, bytes]]
) -> None:
    root, draft = Remote(f"{BASE}/d"), Remote(f"{BASE}/d.partial")
    old, new = made
    put(root, old)
    put(draft, new)
    lock = Lock(draft, draft / LOCK)
    lock.stop()
    (draft / LOCK).write_bytes(b"somebody else")
    with pytest.raises(DatasetError, match="another run has taken over"):
        lock.fence.check_now()
    with pytest.raises(DatasetError, match="another run has taken over"):
        replace_prefix(lock.root, Remote(f"{BASE}/d", fence=lock.fence), MANIFEST, leave=[LOCK])
    assert (bytes_of(f"{BASE}/d"), bytes_of(str(draft))) == (old, {**new, LOCK: b"somebody else"})
    (draft / LOCK).unlink()
    lock = Lock(draft, draft / LOCK)
    replace_prefix(lock.root, Remote(f"{BASE}/d", fence=lock.fence), MANIFEST, leave=[LOCK])
    assert bytes_of(f"{BASE}/d") == new
    assert list(bytes_of(str(draft))) == [LOCK]
    lock.release()
    assert not draft.exists()


def test_what_storage_did_not_copy_is_told(
    made: tuple[dict[str, bytes], dict[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, draft = place("memory://swap/d"), place("memory://swap/d.partial")
    assert isinstance(root, Remote)
    assert isinstance(draft, Remote)
    old, new = made
    put(root, old)
    put(draft, new)
    copy_all = Remote.copy_all
    with monkeypatch.context() as patched:
        patched.setattr(Remote, "copy_all", lambda self, other, names: copy_all(self, other, sorted(names)[1:]))
        with pytest.raises(StorageError, match=r"d/dataset.json: could not be replaced: run the same command again"):
            replace_prefix(draft, root, MANIFEST)
    assert seen(root, old, new) == "nothing"
    replace_prefix(draft, root, MANIFEST)
    assert seen(root, old, new) == "new"
    remove(root)


def test_nothing_is_replaced_by_what_is_not_whole() -> None:
    root, draft = Remote("memory://swap/d"), Remote("memory://swap/d.partial")
    (root / MANIFEST).write_bytes(b"")
    (draft / "masks/a.png").write_bytes(b"")
    replace_prefix(draft, root, MANIFEST)
    assert set(bytes_of("memory://swap")) == {f"d/{MANIFEST}", "d.partial/masks/a.png"}
    remove(Remote("memory://swap"))
