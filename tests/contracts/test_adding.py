"""Adding a reader, a writer, a metric or a command is one file or folder and one line, and everything finds it there.

The toys beside this file are added so to a copy of the package.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOYS = Path(__file__).resolve().parent / "toys"

pytestmark = pytest.mark.process


def add_line(path: Path, table: str, line: str) -> None:
    """Put a line into a literal table."""
    head = f"{table} = {{\n"
    text = path.read_text()
    assert text.count(head) == 1
    path.write_text(text.replace(head, f"{head}    {line},\n"))


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository, as far as it is needed, with toys added."""
    root = tmp_path_factory.mktemp("copy")
    for name in ("segdata", "tools", "tests"):
        shutil.copytree(ROOT / name, root / name)
    for name in ("samples", "docs", "pyproject.toml", "README.md"):
        (root / name).symlink_to(ROOT / name)
    package = root / "segdata"
    shutil.copy(TOYS / "reader.py", package / "readers" / "toy.py")
    add_line(package / "readers" / "__init__.py", "READERS", '"toy": "segdata.readers.toy"')
    shutil.copy(TOYS / "writer.py", package / "writers" / "toy.py")
    add_line(package / "writers" / "__init__.py", "WRITERS", '"toy": "segdata.writers.toy"')
    (package / "ops" / "toy").mkdir()
    (package / "ops" / "toy" / "__init__.py").write_text('"""segdata toy."""\n')
    for name in ("operation.py", "command.py"):
        shutil.copy(TOYS / name, package / "ops" / "toy" / name)
    add_line(package / "cli" / "__init__.py", "COMMANDS", '"toy": "segdata.ops.toy.command"')
    maker = (TOYS / "sample.py").read_text().partition("\n\n\n")[2]
    samples = root / "tools" / "make_samples.py"
    samples.write_text(samples.read_text().replace("\n\nMAKERS = {", f"\n\n{maker}\n\nMAKERS = {{"))
    return root


def python(root: Path, *arguments: object) -> str:
    """What a Python prints that has the copy for its package."""
    paths = [root, root / "tools", root / "tests/helpers"]
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))},
        cwd=root,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def segdata(root: Path, *arguments: object) -> str:
    """What a command prints."""
    return python(root, "-m", "segdata", *arguments)


@pytest.fixture(scope="module")
def source(copy: Path) -> Path:
    """The sample of the toy format."""
    python(copy, "-c", "import make_samples, pathlib; make_samples.make_toy(pathlib.Path('toy'))")
    return copy / "toy"


@pytest.fixture(scope="module")
def dataset(copy: Path, source: Path) -> Path:
    """It, converted."""
    segdata(copy, "convert", "toy", source, copy / "dataset")
    return copy / "dataset"


def test_a_reader_is_found_by_the_commands(copy: Path, dataset: Path) -> None:
    assert "toy" in segdata(copy, "convert", "--help")
    assert "3 masks, 3 classes" in segdata(copy, "info", dataset) or (dataset / "masks/2.png").exists()


def test_a_reader_detects_its_format(copy: Path, source: Path) -> None:
    assert segdata(copy, "detect", source).startswith("toy\n")


def test_the_options_of_formats_are_options_of_the_commands(copy: Path, source: Path, dataset: Path) -> None:
    assert "--flip" in segdata(copy, "convert", "toy", "--help")
    segdata(copy, "convert", "toy", source, copy / "flipped", "--flip")
    assert json.loads((copy / "flipped" / "dataset.json").read_text())["made_by"]["options"]["flip"] is True
    assert "--title" in segdata(copy, "export", "toy", "--help")
    segdata(copy, "export", "toy", dataset, copy / "list", "--title", "all")
    assert (copy / "list" / "list.txt").read_text() == "all\n0 9 12\n1 9 12\n2 9 12"


def test_a_writer_is_found(copy: Path, dataset: Path) -> None:
    python(copy, "-c", "import sys, segdata; segdata.export('toy', *sys.argv[1:])", dataset, copy / "written")
    assert (copy / "written" / "list.txt").read_text() == "samples\n0 9 12\n1 9 12\n2 9 12"


def test_a_metric_is_found(copy: Path, dataset: Path, tmp_path: Path) -> None:
    whole = tmp_path / "copy"
    shutil.copytree(copy, whole, symlinks=True)
    shutil.copy(TOYS / "metric.py", whole / "segdata" / "metrics" / "toy.py")
    add_line(whole / "segdata" / "metrics" / "__init__.py", "METRICS", '"toy": "segdata.metrics.toy"')
    assert "--count-right" in segdata(whole, "evaluate", "--help")
    found = json.loads(segdata(whole, "evaluate", dataset, dataset, "--count-right", "--json"))
    assert found["right"] == 3 * 9 * 12
    page = tmp_path / "page.html"
    text = segdata(whole, "evaluate", dataset, dataset, "--count-right", "--html", page)
    assert f"right: {3 * 9 * 12:,} pixels" in text
    assert "Right pixels" in page.read_text()
    assert contract(whole, "test_metrics.py") > 0


def test_a_command_is_found(copy: Path, dataset: Path) -> None:
    assert "Say which sample of DATASET is the largest." in segdata(copy, "--help")
    assert segdata(copy, "toy", dataset) == "0: 9 x 12\n"


def test_the_documents_have_them(copy: Path) -> None:
    page = python(copy, "-c", "import update_readme; print(update_readme.commands_page())")
    assert "## segdata toy\n" in page
    convert = page.partition("## segdata convert\n")[2].partition("\n## ")[0]
    assert "toy" in convert


def test_the_contracts_test_them(copy: Path) -> None:
    assert contract(copy, "test_readers.py") >= 5
    assert contract(copy, "test_operations.py", "-m", "not net") >= 5


def contract(root: Path, name: str, *options: str) -> int:
    """Run the tests of a contract that are of a toy; how many passed."""
    out = python(
        root, "-m", "pytest", "-q", "-p", "no:cacheprovider", root / "tests/contracts" / name, "-k", "toy", *options
    )
    return int(out.rpartition(" passed")[0].split()[-1])
