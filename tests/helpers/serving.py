"""A service in a process of its own, with predictors whose answers are known.

As a program: the name of a predictor, a file that it may wait for, and the options of `segdata.serve` as JSON.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictors import ByColour, Plain, softmax, surroundings
from segdata.labels import Labels
from segdata.refinement.morphology import Step
from segdata.refinement.settings import CrfSettings, Refinement

ROOT = Path(__file__).resolve().parents[2]
NAMES = ["ground", "red", "blue"]
COLORS = [(40, 60, 40), (200, 60, 50), (60, 80, 210)]
PATIENCE = 120
"""Seconds after which a test gives up waiting for what must come."""


@dataclass
class Bands:
    """Of four bands of 16 bits: the class is the brightest of the first three, against the last."""

    labels: Labels = field(default_factory=lambda: Labels.of(NAMES, COLORS))
    bands: int = 4
    dtype: str = "uint16"
    embedding: int = 2

    def both(self, images: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        means = images.astype(np.float64).mean(axis=(1, 2))[:, :2] / 65535
        return self(images), means.astype(np.float32)

    def __call__(self, images: NDArray[Any]) -> NDArray[np.float32]:
        values = images.astype(np.float64) / 65535
        return softmax(8 * (values[..., :3] - values[..., 3:]).transpose(0, 3, 1, 2))


@dataclass
class Refining:
    """Has settings of a refinement."""

    labels: Labels = field(default_factory=lambda: Labels.of(NAMES, COLORS))
    refinement: Refinement = field(
        default_factory=lambda: Refinement(CrfSettings(iterations=2, bilateral_sxy=5), (Step("majority", size=5),))
    )

    def __call__(self, images: NDArray[Any]) -> NDArray[np.float32]:
        return surroundings(images)


@dataclass
class Held:
    """Waits until a file is there."""

    file: Path
    labels: Labels = field(default_factory=lambda: Labels.of(NAMES, COLORS))

    def __call__(self, images: NDArray[Any]) -> NDArray[np.float32]:
        if images.any():  # what a service predicts before the first request is blank
            wait_for(self.file.exists)
        return ByColour(self.labels)(images)


def never(images: NDArray[Any]) -> NDArray[np.float32]:
    """NaN, but of a blank image."""
    probs = surroundings(images)
    return probs * np.nan if images.any() else probs


def broken(images: NDArray[Any]) -> NDArray[np.float32]:
    """A bug, but of a blank image."""
    if images.any():
        raise ZeroDivisionError("a bug")
    return surroundings(images)


def predictor(name: str, file: str = "") -> Any:
    """One by its name."""
    labels = Labels.of(NAMES, COLORS)
    many = Labels.of([f"class {i}" for i in range(300)])
    made: dict[str, Callable[[], Any]] = {
        "colour": lambda: ByColour(labels), "surroundings": lambda: Plain(labels, surroundings), "bands": Bands,
        "held": lambda: Held(Path(file)), "never": lambda: Plain(labels, never), "broken": lambda: Plain(labels, broken),
        "refining": Refining, "many": lambda: ByColour(many),
    }  # fmt: skip
    return made[name]()


def wait_for(what: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """What a function gives once that is true."""
    end = time.monotonic() + seconds
    while not (found := what()):
        if time.monotonic() > end:
            raise TimeoutError(f"{what} never came")
        time.sleep(0.01)
    return found


@dataclass
class Serving:
    """A service that listens."""

    process: subprocess.Popen[str]
    url: str

    @property
    def port(self) -> int:
        """Where."""
        return int(self.url.rpartition(":")[2])

    def figures(self) -> dict[str, float]:
        """What /metrics says, by name and labels."""
        import httpx

        lines = httpx.get(f"{self.url}/metrics", timeout=PATIENCE).text.splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")}

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


@contextmanager
def started(command: list[str], **settings: Any) -> Iterator[Serving]:
    """A process that prints the URL at which it listens as the last word of a line, or before a bracket."""
    environment = {**os.environ, **settings.pop("env", {}), "OMP_NUM_THREADS": "1"}
    path = os.pathsep.join([str(ROOT), str(Path(__file__).parent), environment.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**environment, "PYTHONPATH": path},
        **settings,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        words = [word for word in line.split() if word.startswith("http://")]
        assert words, (line, process.communicate(timeout=PATIENCE))
        yield Serving(process, words[0])
    finally:
        process.kill()
        process.communicate()


def serving(name: str, file: Path | str = "", settings: Mapping[str, Any] | None = None, **options: Any) -> Any:
    """A service with the predictor of that name and the options of `segdata.serve`."""
    given = json.dumps({"port": 0, **options})
    return started([sys.executable, __file__, name, str(file), given], **(settings or {}))


if __name__ == "__main__":
    from segdata import serve

    def announce(url: str) -> None:
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()

    serve(predictor(*sys.argv[1:3]), announce=announce, **json.loads(sys.argv[3]))
