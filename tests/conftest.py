"""What every test may ask for: the real images, the generated samples, and hypothesis without a deadline."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

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
settings.load_profile("segdata")

ROOT = Path(__file__).resolve().parents[1]


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


@pytest.fixture(autouse=True)
def _nothing_moved() -> Iterator[None]:
    """No test leaves the working directory or Pillow's pixel limit other than it found them."""
    before = os.getcwd(), Image.MAX_IMAGE_PIXELS
    yield
    assert before == (os.getcwd(), Image.MAX_IMAGE_PIXELS)
