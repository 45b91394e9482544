"""Writes and removals that storage does only if an object is as it was: how to say that to each client.

S3 knows such conditions for all of them but multi-part uploads over an object that is there (from about 100 MB on); Google's
client for new objects, for bytes and for removals; Azure's for new objects, bytes and files. What cannot be said is left
out: the write is then done in any case.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from typing import Any

from segdata.files.providers import call

AT_ONCE = 3 * 2**30
"""s3fs puts up to twice as many bytes in one request, up to S3's limit; its uploads in parts lose the condition."""

GOOGLE = "https://storage.googleapis.com"

Guard = Callable[[], None]


def version_of(url: str, path: str) -> str | None:
    """What is another once the object is: its ETag or generation, "" where the client has neither; None if there is no object."""
    try:
        facts = call(url, "info", path)
    except FileNotFoundError:
        return None
    if facts.get("type") == "directory":
        return None
    return str(facts.get("generation") or facts.get("ETag") or facts.get("etag") or "")


def write_if(url: str, method: str, *args: Any, version: str | None, guard: Guard | None = None) -> None:
    """Call a client's `pipe_file`, `put_file` or `cp_file`, which writes only over that version; None: where is none.

    Raises `FileExistsError` where there is another, `FileNotFoundError` where there is none any more, and as `call`.
    """
    if url.startswith("gs://") and version and method == "pipe_file":
        path, data = args
        bucket, _, key = path.partition("/")
        question = {"uploadType": "media", "name": key, "ifGenerationMatch": version}
        place = f"{_google(os.environ.get('STORAGE_EMULATOR_HOST'))}/upload/storage/v1/b/{{}}/o"
        headers = {"Content-Type": "application/octet-stream"}
        call(url, "call", "POST", place, bucket, headers=headers, data=data, guard=guard, **question)
    else:
        call(url, method, *args, guard=guard, **_condition(url.partition("://")[0], method, version))


def remove_if(url: str, path: str, version: str, guard: Guard | None = None) -> None:
    """Remove an object of that version; Azure's client removes any. Raises as `write_if`."""
    bucket, _, key = path.partition("/")
    if url.startswith("s3://") and version:
        call(url, "call_s3", "delete_object", Bucket=bucket, Key=key, IfMatch=version, guard=guard)
    elif url.startswith("gs://") and version:
        call(url, "call", "DELETE", "b/{}/o/{}", bucket, key, ifGenerationMatch=version, guard=guard)
    else:
        call(url, "rm_file", path, guard=guard)


def _google(emulator: str | None) -> str:
    """Where Google's storage is, as its client finds it."""
    return GOOGLE if not emulator else emulator if "://" in emulator else f"http://{emulator}"


def _condition(scheme: str, method: str, version: str | None) -> dict[str, Any]:
    if version is None:
        if method == "cp_file":
            return {"IfNoneMatch": "*"} if scheme == "s3" else {}
        return {"mode": "create"}
    if scheme == "s3":
        return {"IfMatch": version, **({"chunksize": AT_ONCE} if method == "pipe_file" else {})}
    if scheme == "az" and method != "cp_file":
        unchanged = import_module("azure.core").MatchConditions.IfNotModified
        return {"etag": version, "match_condition": unchanged}
    return {}
