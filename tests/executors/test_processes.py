"""How processes are started: scripts that each of them would run again are refused, and systems that only spawn are served."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from segdata.executors.processes import start_method

CONVERT = """
with segdata.workers(2) as executor:
    made = segdata.convert("coco", {source!r}, {out!r}, run=segdata.Run(executor))
print(len(made))
"""
TRAIN = "print(segdata.train({source!r}, {out!r}, workers=2, **{options!r}))"
GUARD = 'if __name__ == "__main__":'


def indented(code: str) -> str:
    return textwrap.indent(code.strip("\n"), "    ") + "\n"


def run(script: Path, code: str, *start: str) -> subprocess.CompletedProcess[str]:
    script.write_text(code)
    command = [sys.executable, *(start or (str(script),))]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.run(command, capture_output=True, text=True, timeout=240, cwd=script.parent, env=environment)


@pytest.fixture
def convert(samples: Path, tmp_path: Path) -> str:
    return CONVERT.format(source=str(samples / "coco"), out=str(tmp_path / "out"))


GUARDED = {
    "guard": "import segdata\n" + GUARD + "\n{indented}",
    "guard with more": 'import segdata\nif __name__ == "__main__" and True:\n{indented}',
    "guarded function": "import segdata\ndef work():\n{indented}\nif '__main__' == __name__:\n    work()\n",
    "guard within": "import segdata\ntry:\n    " + GUARD + "\n{deeper}\nfinally:\n    pass\n",
}
UNGUARDED = {
    "plain": ("import segdata\n{code}", 3),
    "function": ("import segdata\ndef work():\n{indented}\nwork()\n", 7),
    "guard behind": ("import segdata\n{code}\n" + GUARD + "\n    print('done')\n", 3),
    "guard before": ("import segdata\n" + GUARD + "\n    pass\n{code}", 5),
    "other if": ("import segdata\nif True:\n{indented}", 3),
    "guard in a function": ("import segdata\ndef work():\n    " + GUARD + "\n        pass\n{code}", 6),
}


@pytest.mark.process
@pytest.mark.parametrize("form", UNGUARDED)
def test_a_script_that_processes_would_run_again_gets_one_sentence(tmp_path: Path, convert: str, form: str) -> None:
    text, line = UNGUARDED[form]
    script = tmp_path / "my script.py"
    done = run(script, text.format(code=convert, indented=indented(convert)))
    assert done.returncode == 1
    told = f"{script}, line {line}: each worker process would run this script again: put its code below `{GUARD}`"
    assert done.stderr.splitlines()[-1] == f"segdata.errors.SegdataError: {told}"
    assert done.stderr.count("Traceback") == 1, "that of the script itself"
    assert not (tmp_path / "out").exists()


@pytest.mark.process
@pytest.mark.parametrize("form", GUARDED)
def test_a_guarded_script_starts_processes(tmp_path: Path, convert: str, form: str) -> None:
    done = run(
        tmp_path / "script.py", GUARDED[form].format(indented=indented(convert), deeper=indented(indented(convert)))
    )
    assert (done.returncode, done.stdout.split()) == (0, ["32"]), done.stderr


@pytest.mark.process
def test_a_module_that_is_run_is_a_script_too(tmp_path: Path, convert: str) -> None:
    done = run(tmp_path / "mine.py", f"import segdata\n{convert}", "-m", "mine")
    assert done.returncode == 1
    assert "mine.py, line 3: each worker process would run this script again" in done.stderr


@pytest.mark.process
def test_code_without_a_file_needs_no_guard(tmp_path: Path, convert: str) -> None:
    """As in a notebook: there is nothing to run again."""
    done = run(tmp_path / "unused.py", "", "-c", f"import segdata\n{convert}")
    assert (done.returncode, done.stdout.split()) == (0, ["32"]), done.stderr


@pytest.mark.process
def test_code_that_is_piped_in_cannot_be_imported(tmp_path: Path, convert: str) -> None:
    command = [sys.executable, "-"]
    code = f"import segdata\n{GUARD}\n{indented(convert)}"
    done = subprocess.run(command, input=code, capture_output=True, text=True, timeout=240, cwd=tmp_path)
    assert done.stderr.splitlines()[-1].endswith(
        "<stdin>: is no file, so that worker processes cannot import it: save the code as a script"
    )


@pytest.mark.process
@pytest.mark.torch
def test_training_with_workers_in_a_plain_script_gets_the_sentence(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from train_files import QUICK, scenes

    scenes(tmp_path / "data")
    options = {name: value for name, value in QUICK.items() if name != "workers"}
    code = TRAIN.format(source=str(tmp_path / "data"), out=str(tmp_path / "run"), options=options)
    done = run(tmp_path / "script.py", f"import segdata\n{code}\n")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(f"script again: put its code below `{GUARD}`")


# Systems without forkserver


def test_the_method_is_never_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = {("fork", "spawn", "forkserver"): "forkserver", ("fork", "spawn"): "spawn", ("spawn",): "spawn"}
    for methods, method in expected.items():
        monkeypatch.setattr("multiprocessing.get_all_start_methods", lambda methods=methods: list(methods))
        assert start_method() == method


@pytest.mark.process
@pytest.mark.parametrize("kind", ["convert", pytest.param("train", marks=pytest.mark.torch)])
def test_where_processes_can_only_be_spawned_all_works(tmp_path: Path, convert: str, kind: str) -> None:
    code, printed = convert, "32"
    if kind == "train":
        pytest.importorskip("torch")
        from train_files import QUICK, scenes

        scenes(tmp_path / "data")
        options = {name: value for name, value in QUICK.items() if name != "workers"}
        code = TRAIN.format(source=str(tmp_path / "data"), out=str(tmp_path / "run"), options=options)
        code, printed = f"{code}\nprint('trained')", "trained"
    only = "import multiprocessing\nmultiprocessing.get_all_start_methods = lambda: ['spawn']\n"
    done = run(tmp_path / "script.py", f"{only}import segdata\n{GUARD}\n{indented(code)}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == printed
