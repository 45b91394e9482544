"""An export that Label Studio itself imports, serves the images of, and exports again; in its own environment (label-studio).

oracle_labelstudio_server.py EXPORT OUT.json

A server is started on this machine, whose document root is EXPORT. A project gets config.xml and tasks.json, and a local storage
of the images. OUT.json is the project's own export as JSON: with segdata.json, config.xml and the images beside it, `segdata
convert auto` must give the same masks. How many tasks, regions and images came through is printed. The first start takes minutes.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import requests

PORT = 8089

TOKEN = "0123456789abcdef0123456789abcdef01234567"
"""Of the server that this starts, and of no other."""

START = 600
"""Seconds until the server must answer."""


def main(export: str, out: str) -> None:
    """Import, look at every image, and export again."""
    root = Path(export).absolute()
    with TemporaryDirectory() as folder, server(root, folder):
        project = ask(
            "post", "/api/projects", json={"title": "segdata", "label_config": (root / "config.xml").read_text()}
        )["id"]
        storage = {"project": project, "path": str(root / "images"), "use_blob_urls": True}
        ask("post", "/api/storages/localfiles", json=storage)
        with (root / "tasks.json").open("rb") as file:
            told = ask("post", f"/api/projects/{project}/import", files={"tasks.json": file})
        tasks = ask("get", f"/api/projects/{project}/export?exportType=JSON&download_all_tasks=true")
        images = sum(fetch("get", task["data"]["image"]).headers["content-type"].startswith("image/") for task in tasks)
    Path(out).write_text(json.dumps(tasks))
    regions = sum(len(work["result"]) for task in tasks for work in task["annotations"])
    counts = {name: told[name] for name in ("task_count", "annotation_count", "prediction_count")}
    print(json.dumps({"label-studio": version("label-studio"), **counts, "regions": regions, "images": images}))


@contextmanager
def server(root: Path, folder: str) -> Iterator[None]:
    """A server that keeps all that it writes in a folder."""
    settings = {
        "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true", "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str(root),
        "LABEL_STUDIO_BASE_DATA_DIR": folder, "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true", "COLLECT_ANALYTICS": "0",
        "SENTRY_DSN": "", "FRONTEND_SENTRY_DSN": "", "LATEST_VERSION_CHECK": "0", "DJANGO_DB": "sqlite",
    }  # fmt: skip
    command = [
        str(Path(sys.executable).with_name("label-studio")), "start", "--no-browser", "--port", str(PORT), "--internal-host",
        "127.0.0.1", "--username", "a@example.org", "--password", "only-here-1", "--user-token", TOKEN,
    ]  # fmt: skip
    with Path(folder, "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env={**os.environ, **settings}, stdout=log, stderr=log)
        try:
            wait(process)
            yield
        finally:
            process.terminate()
            process.wait()


def wait(process: "subprocess.Popen[bytes]") -> None:
    """Wait until the server answers. Raises `TimeoutError`."""
    for _ in range(START):
        time.sleep(1)
        if process.poll() is not None:
            break
        try:
            if fetch("get", "/health").ok:
                return
        except requests.ConnectionError:
            continue
    raise TimeoutError("the server does not answer")


def fetch(method: str, path: str, **given: Any) -> requests.Response:
    """An answer of the server."""
    headers = {"Authorization": f"Token {TOKEN}"}
    return requests.request(method, f"http://127.0.0.1:{PORT}{path}", headers=headers, timeout=300, **given)


def ask(method: str, path: str, **given: Any) -> Any:
    """What the server answers as JSON. Raises `requests.HTTPError`."""
    answer = fetch(method, path, **given)
    answer.raise_for_status()
    return answer.json()


if __name__ == "__main__":
    main(*sys.argv[1:])
