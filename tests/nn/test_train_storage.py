"""A training whose folder is in storage: it writes only behind its lock's fence, and stops once another run has taken over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from s3_server import bytes_of
from segdata.errors import DatasetError
from segdata.files import conditions, providers, remote
from segdata.files.places import remove
from segdata.files.remote import Remote
from segdata.nn import folder
from segdata.nn.folder import LOCK
from segdata.nn.train import train
from train_files import QUICK, scenes

RUN, BESIDE = "memory://train/run", "memory://train/run.partial"


def test_a_training_writes_behind_its_fence_and_ends_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, call, free = scenes(tmp_path / "data"), providers.call, list[str]()
    remove(Remote(RUN))

    def spy(url: str, method: str, *args: Any, guard: Any = None, **kwargs: Any) -> Any:
        if guard is None and method.partition("_")[0] in ("pipe", "put", "cp", "copy", "rm") and not url.endswith(LOCK):
            free.append(url)
        return call(url, method, *args, guard=guard, **kwargs)

    monkeypatch.setattr(remote, "call", spy)
    monkeypatch.setattr(conditions, "call", spy)
    train(data, RUN, **QUICK)
    made = bytes_of(RUN)
    assert free == []
    assert {"config.yaml", "last.pt", "best.pt", "metrics.csv", "run.json"} <= set(made)
    assert LOCK not in made

    def taken(path: Remote, rows: Any) -> None:
        (Remote(BESIDE) / LOCK).write_bytes(b"somebody else")
        assert path.fence is not None
        path.fence.saw(-1e9)  # it stood still for long
        before.update(bytes_of(BESIDE))
        write_rows(path, rows)

    write_rows, before = folder.write_rows, dict[str, bytes]()
    monkeypatch.setattr(folder, "write_rows", taken)
    with pytest.raises(DatasetError, match=f"{BESIDE}: another run has taken over"):
        train(data, RUN, **QUICK, overwrite=True)
    assert bytes_of(BESIDE) == before
    assert before[LOCK] == b"somebody else"
    assert bytes_of(RUN) == made
    monkeypatch.setattr(folder, "write_rows", write_rows)
    (Remote(BESIDE) / LOCK).unlink()
    train(data, RUN, **{**QUICK, "epochs": 1}, overwrite=True)
    assert bytes_of(BESIDE) == {}
    assert bytes_of(RUN)["metrics.csv"] != made["metrics.csv"]
    assert LOCK not in bytes_of(RUN)
    remove(Remote(RUN))
