"""What every test may ask for, the marks that folders and fixtures give, and `--quick`, which leaves marked tests out."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from concurrent.futures import Executor
from itertools import compress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from PIL import Image

from browser import find_chromium

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # its import looks for a new version over the network

# No deadline: the first call of a compiled loop compiles it. In CI every run draws the same examples.
settings.register_profile(
    "segdata",
    deadline=None,
    derandomize=os.environ.get("CI", "").lower() == "true",
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile("quick", settings.get_profile("segdata"), max_examples=10, derandomize=True)
settings.load_profile("segdata")

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent

LEFT_OUT = ("process", "net", "torch", "page", "slow")
"""Marks of tests that `--quick` leaves out."""
PLACES = {
    "nn": "torch",
    "contracts/test_faults_injected.py": "slow",
    "contracts/test_losses.py": "torch",
    "contracts/test_models.py": "torch",
    "contracts/test_model_exports.py": "torch",
    "trials/test_trials_loop.py": "torch",
    "trials/test_trials_weights.py": "torch",
    "ops/augment": "torch",
    "recipes/test_transforms.py": "torch",
    "dataset/test_job.py": "torch",
    "dataset/test_replaced.py": "torch",
    "files/test_opening.py": "process",
    "executors/test_dask.py": "net",
    "test_anywhere.py": "process",
    "test_faults.py": "process",
}
"""Marks of all tests in a folder or file; with `--quick` it is not even imported."""
FIXTURES = {
    "processes": "process",
    "killer": "process",
    "disk": "process",
    "dask_cluster": "net",
    "s3": "net",
    "chromium": "page",
}
"""Marks of all tests that ask for a fixture."""
EVENTS = {
    "subprocess.Popen": "process",
    "os.fork": "process",
    "os.posix_spawn": "process",
    "socket.connect": "net (or process: pools talk over sockets too)",
}
"""Events of Python's audit that a test without marks must not cause, and the mark that it lacks."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--quick`."""
    parser.addoption("--quick", action="store_true", help=f"only tests without the marks {', '.join(LEFT_OUT)}")


def pytest_configure(config: pytest.Config) -> None:
    """With `--quick` hypothesis draws few examples, the same each time."""
    if config.getoption("quick"):
        settings.load_profile("quick")


def pytest_sessionstart(session: pytest.Session) -> None:
    """With `--quick` a test that should have a mark fails."""
    hands_tests_out = session.config.getoption("dist", "no") != "no" and not hasattr(session.config, "workerinput")
    if session.config.getoption("quick") and not hands_tests_out:
        sys.addaudithook(refuse)


def refuse(event: str, arguments: Any) -> None:
    """An audit hook: what takes long fails."""
    mark = "torch" if event == "import" and arguments[0].partition(".")[0] == "torch" else EVENTS.get(event)
    if mark:
        pytest.fail(f"{event} {arguments[0]}: a test that does this is marked {mark}")


def mark_of_place(path: Path) -> str | None:
    """The mark that all tests in a file have."""
    name = path.relative_to(TESTS).as_posix() if path.is_relative_to(TESTS) else ""
    return next((mark for place, mark in PLACES.items() if f"{name}/".startswith(f"{place}/")), None)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With `--quick` files of marked tests are not imported."""
    return True if config.getoption("quick") and mark_of_place(collection_path) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give marks; with `--quick` leave marked tests out."""
    for item in items:
        marks = {FIXTURES.get(name) for name in getattr(item, "fixturenames", ())} | {mark_of_place(item.path)}
        for mark in marks - {None}:
            item.add_marker(str(mark))
    if config.getoption("quick"):
        marked = [any(item.get_closest_marker(mark) for mark in LEFT_OUT) for item in items]
        config.hook.pytest_deselected(items=list(compress(items, marked)))
        items[:] = [item for item, left_out in zip(items, marked, strict=True) if not left_out]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real images in ../shared/data; the test is skipped where they are absent."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real images in ../shared/data are not here")
    return folder


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser; the test is skipped where there is none."""
    return find_chromium()


@pytest.fixture(scope="session")
def samples() -> Path:
    """The generated samples, one folder a format."""
    return ROOT / "samples"


@pytest.fixture(scope="module")
def processes() -> Iterator[Executor]:
    """Two worker processes."""
    from segdata import workers

    with workers(2) as executor:
        assert executor is not None
        yield executor


@pytest.fixture(scope="session")
def dask_cluster() -> Iterator[Any]:
    """A Dask cluster on this machine: two worker processes of one thread each. Skipped where Dask is absent."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=":0", host="127.0.0.1") as found:
        yield found


@pytest.fixture(scope="session")
def dask(dask_cluster: Any) -> Iterator[Executor]:
    """The executor of the Dask cluster."""
    from segdata import workers

    with workers(dask_cluster.scheduler_address) as executor:
        assert executor is not None
        yield executor


@pytest.fixture(autouse=True)
def _nothing_moved() -> Iterator[None]:
    """No test leaves the working directory or Pillow's pixel limit other than it found them."""
    before = os.getcwd(), Image.MAX_IMAGE_PIXELS
    yield
    assert before == (os.getcwd(), Image.MAX_IMAGE_PIXELS)
