"""`segdata serve` under load on one machine: images per second, latencies, and memory over many requests.

    python tools/bench/bench_serve.py [load | memory | all] [--quick] [--record]

Prints one section of Markdown per table; `--record` puts it into RESULTS.md. Clients run beside the service, on the same cores.
"""

from __future__ import annotations

import io
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import httpx
import numpy as np
from PIL import Image

from measure import QUICK, Command, Sizes, say, session_memory, workspace
from results import Target, measure_tables, table
from segdata import Dataset, Labels, train
from segdata.dataset.sample import Sample
from segdata.files.images import write_image, write_mask
from segdata.prediction.predictor import load_predictor

CLASSES = 11
LARGE, SMALL = (360, 480), (64, 64)
CLIENTS = (1, 4, 16)
TORCH, ONNX = "checkpoint, torch", ".onnx, onnxruntime"


class Load(NamedTuple):
    """What clients met: images per second, seconds of each request, and seconds of the processor for each."""

    rate: float
    seconds: list[float]
    processor: float

    @classmethod
    def of(cls, seconds: list[float], took: float, processor: float) -> Load:
        """Of requests that together took so long, and the processor so many seconds."""
        return cls(len(seconds) / took, seconds, processor / len(seconds))

    def cells(self) -> list[str]:
        """Its columns."""
        return [f"{self.rate:.1f}", f"{self.at(0.5):.0f}", f"{self.at(0.95):.0f}", f"{1000 * self.processor:.0f}"]

    def at(self, part: float) -> float:
        """The milliseconds within which this part of the requests was answered."""
        return 1000 * float(np.quantile(self.seconds, part))


def models(work: Path, **options: object) -> dict[str, Path]:
    """A checkpoint after one update, and the same exported."""
    labels = Labels.of([f"class {i}" for i in range(CLASSES)])
    samples = []
    for split in ("train", "val"):
        random = np.random.default_rng(0)
        write_image(work / f"data/images/{split}.png", random.integers(0, 256, (64, 64, 3)).astype(np.uint8))
        mask = random.integers(0, CLASSES, (64, 64)).astype(np.uint8)
        write_mask(work / f"data/masks/{split}.png", mask)
        counts = {int(value): int((mask == value).sum()) for value in np.unique(mask)}
        samples.append(Sample(id=split, split=split, image=f"images/{split}.png", mask=f"masks/{split}.png", height=64,
                              width=64, counts=counts, sha256=""))  # fmt: skip
    dataset = Dataset(work / "data", labels, samples, {"tool": "bench"}, "copy")
    dataset.save()
    train(dataset, work / "run", epochs=1, batch=1, images=0, tensorboard=False, threads=1, **options)  # type: ignore[arg-type]
    exported = work / "model.onnx"
    command: Command = [
        sys.executable,
        "-m",
        "segdata",
        "export",
        "onnx",
        work / "run/best.pt",
        exported,
        "--no-verify",
    ]
    subprocess.run(command, check=True, capture_output=True)
    return {TORCH: work / "run/best.pt", ONNX: exported}


@contextmanager
def service(model: Path, *options: str) -> Iterator[tuple[str, int]]:
    """The URL of `segdata serve`, and the process's number."""
    command: Command = [sys.executable, "-m", "segdata", "serve", model, "--port", "0", "--queue", "64", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        line = process.stdout.readline() if process.stdout else ""
        yield next(word for word in line.split() if word.startswith("http://")), process.pid
    finally:
        process.terminate()
        if process.wait() != 0:
            sys.exit("the service did not stop as it should")


def images(size: tuple[int, int], count: int = 8) -> list[bytes]:
    """JPEGs of slowly changing noise."""
    found = []
    for seed in range(count):
        low = np.random.default_rng(seed).integers(0, 256, (size[0] // 8, size[1] // 8, 3)).astype(np.uint8)
        data = io.BytesIO()
        Image.fromarray(low).resize((size[1], size[0]), Image.Resampling.BICUBIC).save(data, "JPEG", quality=92)
        found.append(data.getvalue())
    return found


def asked(url: str, pictures: list[bytes], clients: int, more: Callable[[int], bool]) -> Load:
    """So many clients ask one after the other, each as soon as it has its answer, while `more` is true of the number so far."""
    seconds: list[float] = []

    def client(number: int) -> None:
        with httpx.Client(timeout=120) as one:
            while more(len(seconds)):
                start = time.perf_counter()
                answer = one.post(f"{url}/predict", content=pictures[(number + len(seconds)) % len(pictures)])
                answer.raise_for_status()
                seconds.append(time.perf_counter() - start)

    start, before = time.perf_counter(), processor_seconds(url)
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(client, range(clients)))
    return Load.of(seconds, time.perf_counter() - start, processor_seconds(url) - before)


def processor_seconds(url: str) -> float:
    """What the service's process has taken of the processor so far."""
    lines = httpx.get(f"{url}/metrics", timeout=120).text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("process_cpu_seconds_total "))


def for_seconds(seconds: float) -> Callable[[int], bool]:
    """True until then."""
    end = time.perf_counter() + seconds
    return lambda _: time.perf_counter() < end


def alone(model: Path, pictures: list[bytes], seconds: float) -> Load:
    """The model in this process, one image at a time, decoded before: what a service cannot do better."""
    predictor = load_predictor(model, "cpu")
    decoded = [np.array(Image.open(io.BytesIO(data)))[None] for data in pictures]
    predictor(decoded[0])
    found: list[float] = []
    more, start, before = for_seconds(seconds), time.perf_counter(), time.process_time()
    while more(0):
        began = time.perf_counter()
        predictor(decoded[len(found) % len(decoded)])
        found.append(time.perf_counter() - began)
    return Load.of(found, time.perf_counter() - start, time.process_time() - before)


def load(sizes: Sizes) -> list[str]:
    """Images per second and latencies at 1, 4 and 16 clients."""
    seconds = 3.0 if sizes == QUICK else 20.0
    rows, kept = [], {}
    pictures = images(LARGE)
    with workspace(need=0.2) as work:
        for name, model in models(work, model="unet", encoder="mobilenet_v2").items():
            bare = alone(model, pictures, seconds)
            rows.append([f"{name}: the model alone", "", "", *bare.cells()])
            for at_once in ("1", "2"):
                with service(model, "--concurrency", at_once) as (url, _):
                    asked(url, pictures, 1, for_seconds(seconds / 4))
                    for clients in CLIENTS:
                        found = asked(url, pictures, clients, for_seconds(seconds))
                        say(f"  {name}, {at_once} at once, {clients} clients: {found.rate:.1f} images/s")
                        kept[name, at_once, clients] = found.processor / bare.processor
                        rows.append([name, at_once, str(clients), *found.cells()])
    what = "processor seconds per image with 4 clients, over the model's alone"
    targets = [Target(f"{name}: {what}", kept[name, "1", 4], 1.3, at_most=True) for name in (TORCH, ONNX)]
    return [
        f"JPEGs of {LARGE[1]} x {LARGE[0]}, {CLASSES} classes, U-Net over MobileNetV2, masks as grey PNGs; each client asks "
        f"again once it has its answer, {seconds:g} s per row, on the cores of the service. torch {version('torch')}, "
        f"onnxruntime {version('onnxruntime')}, fastapi {version('fastapi')}, uvicorn {version('uvicorn')}.",
        "",
        *table("what | `--concurrency` | clients | images/s | median, ms | p95, ms | processor, ms per image", rows),
        "",
        *map(str, targets),
    ]


def memory(sizes: Sizes) -> list[str]:
    """The memory of a service over thousands of requests, some of them bad."""
    total = 1_000 if sizes == QUICK else 10_000
    marks = [total // 10, total // 2, total]
    rows, targets = [], []
    pictures = images(SMALL, 64)
    with workspace(need=0.2) as work:
        options = {"width": 8, "stem": 2}
        for name, model in models(work, model="unet", model_options=options).items():
            with service(model, "--signals", str(work / f"{model.suffix}.jsonl")) as (url, process):
                held, done, start = [], 0, time.perf_counter()
                for mark in marks:
                    wanted = mark - done
                    asked(url, pictures, 4, lambda so_far, wanted=wanted: so_far < wanted)  # type: ignore[misc]
                    spoilt(url, pictures, mark // 100)
                    done = mark
                    held.append(session_memory(process).rss / 2**20)
                    say(f"  {name}: {done:,} requests: {held[-1]:.0f} MiB")
                seconds = time.perf_counter() - start
            rows.append([name, *(f"{one:.0f}" for one in held), f"{total / seconds:.0f}"])
            what = f"{name}: memory after {total:,} requests, of that after {marks[0]:,}"
            targets.append(Target(what, held[-1] / held[0], 1.05, at_most=True))
    return [
        f"JPEGs of {SMALL[1]} x {SMALL[0]}, a small U-Net, 4 clients, `--signals`, and one request in a hundred cut off; MiB "
        "resident of the whole process.",
        "",
        *table(f"model | after {marks[0]:,} | after {marks[1]:,} | after {marks[2]:,} | requests/s", rows),
        "",
        *map(str, targets),
    ]


def spoilt(url: str, pictures: list[bytes], count: int) -> None:
    """So many requests with images that are cut off."""
    with httpx.Client(timeout=120) as one:
        for number in range(count):
            answer = one.post(f"{url}/predict", content=pictures[number % len(pictures)][: 300 + number])
            if answer.status_code not in (400, 415):
                sys.exit(f"a damaged image: {answer.status_code} {answer.text}")


TABLES = {
    "load": ("A service under load", load),
    "memory": ("Memory of a service", memory),
}

if __name__ == "__main__":
    measure_tables(__doc__, TABLES)
