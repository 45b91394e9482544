"""Where nothing can be written: no home, a package that is read-only, no folder for temporary files, no shared memory.

A file stands where a folder would be made: that stops every user, whatever its permissions.
"""

from __future__ import annotations

import errno
import os
import select
import shutil
import subprocess
import sys
import tempfile
import tracemalloc  # noqa: F401 - pytest loads it to tell of an open file, where none can be opened
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

import pytest
from click.testing import CliRunner

from segdata import caches
from segdata.cli import main

ROOT = Path(__file__).resolve().parents[1]
KERNEL = "import numpy as np; from segdata.kernels.regions import region_areas; from segdata.kernels.count import count_values;"
KERNEL += "print(count_values(np.zeros(3, np.uint8), 256)[0])"
NO_TEMPORARY = "import tempfile; tempfile.tempdir = '/dev/null/none';"
NO_USER = "import os; os.path.expanduser = lambda path: path;"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The parent of a copy of the package, in which nothing that is compiled can be kept."""
    root = tmp_path_factory.mktemp("installed")
    shutil.copytree(ROOT / "segdata", root / "segdata", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "segdata/kernels/__pycache__").write_bytes(b"")
    return root


class Place:
    """Runs Python in a working directory of its own, with a folder for temporary files, without a home."""

    def __init__(self, package: Path, root: Path) -> None:
        self.here, self.temporary = root / "here", Path(tempfile.mkdtemp(prefix="sd"))  # a socket's name is short
        self.here.mkdir()
        self.own = self.temporary / f"segdata-{os.geteuid()}"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA", "XDG", "MPL"))}
        self.environment = {**kept, "PYTHONPATH": str(package), "HOME": "/dev/null/none", "TMPDIR": str(self.temporary)}

    def __call__(self, code: str, **more: str) -> tuple[str, str]:
        """What the code prints, and what it says on stderr."""
        done = subprocess.run(
            [sys.executable, "-c", code], env={**self.environment, **more}, cwd=self.here,
            capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout, done.stderr

    def compiled(self) -> dict[Path, int]:
        """The files of compiled code in the private folder, and when each was written."""
        return {path: path.stat().st_mtime_ns for path in self.own.rglob("*.nb*")}


@pytest.fixture
def place(package: Path, tmp_path: Path) -> Iterator[Place]:
    """Where nobody has a home."""
    made = Place(package, tmp_path)
    yield made
    shutil.rmtree(made.temporary, ignore_errors=True)


def is_told(stderr: str, *words: str) -> bool:
    """Whether stderr holds one note alone, with these words and the way out."""
    line, end, rest = stderr.partition("\n")
    return (
        (end, rest) == ("\n", "") and line.startswith("note: ") and all(w in line for w in (*words, "NUMBA_CACHE_DIR"))
    )


def test_without_a_home_compiled_code_is_kept_in_a_private_folder(place: Place) -> None:
    for _ in range(2):
        found, told = place(KERNEL)
        assert found == "3\n"
        assert is_told(told, str(place.own))
    assert place.own.stat().st_mode & 0o777 == 0o700
    first = place.compiled()
    assert first
    place(KERNEL)
    assert place.compiled() == first


def test_a_command_of_several_processes_tells_it_once(place: Place, samples: Path) -> None:
    code = "from segdata.cli import main; main(['convert', 'masks', {!r}, 'out', '--classes', {!r}, '-j', '2'])"
    found, told = place(code.format(str(samples / "masks"), str(samples / "masks" / "classes.csv")))
    assert "dataset:" in found
    assert is_told(told)
    assert place.compiled()


def test_without_any_place_every_run_compiles(place: Place) -> None:
    found, told = place(NO_TEMPORARY + KERNEL)
    assert found == "3\n"
    assert is_told(told, "cannot be kept")


def test_the_place_that_a_user_names_is_used(place: Place) -> None:
    named = place.here / "named"
    assert place(KERNEL, NUMBA_CACHE_DIR=str(named)) == ("3\n", "")
    assert list(named.rglob("*.nbi"))


def test_an_id_without_a_user_has_no_home_in_the_working_directory(place: Place) -> None:
    """There `~` would be a folder of that name: made in the user's data, or put there by a stranger."""
    assert is_told(place(NO_USER + KERNEL)[1], str(place.own))
    assert not list(place.here.iterdir())


def test_a_file_in_the_working_directory_does_not_say_where_compiled_code_is(place: Place) -> None:
    pytest.importorskip("yaml")
    (place.here / ".numba_config.yaml").write_text(f"cache_dir: {place.here / 'strange'}\n")
    assert is_told(place(KERNEL)[1], str(place.own))
    assert not (place.here / "strange").exists()


@pytest.mark.parametrize("kind", ["open to all", "a link", "a file", "of another user", "below a folder open to all"])
def test_a_folder_that_others_may_have_made_is_never_used(place: Place, kind: str) -> None:
    other = place.here.parent / "other"
    other.mkdir(mode=0o700)
    if kind == "a link":
        place.own.symlink_to(other)
    elif kind == "a file":
        place.own.write_bytes(b"")
    else:
        place.own.mkdir(mode=0o700)
        place.own.chmod(0o777 if kind == "open to all" else 0o700)
    if kind == "below a folder open to all":
        place.temporary.chmod(0o777)
    if kind == "of another user":
        if os.geteuid() != 0:
            pytest.skip("only root can give a folder away")
        os.chown(place.own, 12345, 12345)
    assert is_told(place(KERNEL)[1], "cannot be kept")
    assert not place.compiled()
    assert not list(other.iterdir())


def test_the_working_directory_is_no_place_for_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert caches.private_folder() is None
    assert not list(tmp_path.iterdir())


# Processes need semaphores and shared memory

NO_SEMAPHORES = (
    PermissionError(errno.EACCES, "Permission denied"),
    OSError(errno.EROFS, "Read-only file system"),
    FileNotFoundError(errno.ENOENT, "No such file or directory"),
    OSError(errno.ENOSPC, "No space left on device"),
    ImportError("This platform lacks a functioning sem_open implementation"),
)


class NoSemaphore:
    """What multiprocessing makes its locks of, where there is none."""

    SEM_VALUE_MAX = 2**31 - 1
    error: Exception

    def __new__(cls, *_: Any, **__: Any) -> NoReturn:
        raise cls.error


@pytest.mark.parametrize("error", NO_SEMAPHORES, ids=str)
@pytest.mark.parametrize("command", ["convert", "train"])
def test_without_semaphores_one_line_says_how_to_do_without_processes(
    tmp_path: Path, samples: Path, monkeypatch: pytest.MonkeyPatch, command: str, error: Exception
) -> None:
    monkeypatch.setattr(NoSemaphore, "error", error, raising=False)
    arguments, way_out = ["convert", "coco", str(samples / "coco"), str(tmp_path / "out"), "-j", "2"], "-j 1"
    if command == "train":
        if not find_spec("torch") or not find_spec("albumentations"):
            pytest.skip("takes torch")
        from train_files import QUICK, scenes

        scenes(tmp_path / "data")
        given = [word for name, value in QUICK.items() for word in as_option(name, value)]
        arguments = ["train", str(tmp_path / "data"), str(tmp_path / "out"), *given, "--workers", "1"]
        way_out = "--workers 0"
    monkeypatch.setattr("_multiprocessing.SemLock", NoSemaphore)
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1
    told = [line for line in result.stderr.splitlines() if line.startswith("error")]
    assert len(told) == 1
    assert told[0].startswith(f"error: no processes can be started ({error}): ")
    assert told[0].endswith(f"or use {way_out}")
    assert "Traceback" not in result.output


def as_option(name: str, value: Any) -> list[str]:
    """An option of `segdata.train` as the command line has it."""
    flag = f"--{name.replace('_', '-')}"
    return [flag if value else f"--no-{flag[2:]}"] if isinstance(value, bool) else [flag, str(value)]


# Limits of this process


@pytest.mark.parametrize("on_error", ["stop", "skip"])
@pytest.mark.parametrize("command", ["convert vector", "export", "tile"])
def test_too_many_open_files_are_no_fault_of_the_images(
    tmp_path: Path, samples: Path, command: str, on_error: str
) -> None:
    """No image is left out, whichever file is the first that cannot be opened; with room the same command goes on."""
    resource = pytest.importorskip("resource")
    data, out = tmp_path / "data", str(tmp_path / "out")
    assert CliRunner().invoke(main, ["convert", "vector", str(samples / "vector"), str(data)]).exit_code == 0
    arguments = {
        "convert vector": ["convert", "vector", str(samples / "vector"), out],
        "export": ["export", "webdataset", str(data), out],
        "tile": ["tile", str(data), out, "--size", "64"],
    }[command] + ["--on-error", on_error]
    assert CliRunner().invoke(main, arguments).exit_code == 0  # which loads the modules
    shutil.rmtree(out)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    codes = []
    for more in range(12):
        filled = filled_up()
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (filled[-1] + 1 + more, hard))
            result = CliRunner().invoke(main, arguments)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for number in filled:
                os.close(number)
        codes.append(result.exit_code)
        if codes[-1] == 0:
            break
        told = result.stderr.splitlines()
        assert (len(told), codes[-1]) == (1, 1), result.output
        assert told[0].startswith(f"error: {tmp_path}") or told[0].startswith(f"error: {samples}")
        assert "Too many open files: raise the limit" in told[0]
    assert codes[:2] == [1, 1]
    assert codes[-1] == 0
    assert "left out" not in result.stderr


def filled_up() -> list[int]:
    """New files open in all numbers up to the largest one in use: what is opened next has a larger number."""
    found = [os.open(os.devnull, os.O_RDONLY)]
    while found[-1] < max(map(int, os.listdir("/dev/fd"))) - 1:  # the last one is the folder's own
        found.append(os.open(os.devnull, os.O_RDONLY))
    return found


def test_want_of_memory_is_one_line(tmp_path: Path, samples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def want(*_: Any, **__: Any) -> NoReturn:
        raise MemoryError("Unable to allocate 7 TiB")

    monkeypatch.setattr("segdata.ops.convert.operation.convert", want)
    result = CliRunner().invoke(main, ["convert", "coco", str(samples / "coco"), str(tmp_path / "out")])
    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
    assert result.stderr.startswith("error: out of memory (Unable to allocate 7 TiB): ")


# The first command on a machine


def on_terminal(command: list[str], folder: Path) -> str:
    """What a command writes to a terminal on stderr."""
    terminal, theirs = os.openpty()
    try:
        environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder)}
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=theirs, timeout=300)
        assert done.returncode == 0
        os.close(theirs)
        return os.read(terminal, 2**16).decode() if select.select([terminal], [], [], 0)[0] else ""
    finally:
        os.close(terminal)


@pytest.mark.process
def test_a_terminal_is_told_of_compiling_the_first_time(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KERNEL]
    told = on_terminal(command, tmp_path)
    assert told == "note: compiling for this machine, which takes some seconds; the next command need not\r\n"
    with suppress(OSError):  # Linux: a terminal that nobody has open any more cannot be read
        assert on_terminal(command, tmp_path) == ""


@pytest.mark.process
def test_a_pipe_is_not(tmp_path: Path) -> None:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", KERNEL], env=environment, capture_output=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, b"")
