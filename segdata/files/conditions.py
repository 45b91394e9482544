"""Writes and removals that storage does only if an object has not changed: how to ask each client for that.

S3 has such conditions for all of them, except uploads in parts (from about 100 MB on) that replace an object. Google's client
has them for new objects, bytes and removals; Azure's for new objects, bytes and files. If there is no condition, the
write is done in any case.
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
    """What changes with the object: its ETag or generation, "" if the client has neither; None if there is no object."""
    try:
        facts = call(url, "info", path)
    except FileNotFoundError:
        return None
    if facts.get("type") == "directory":
        return None
    return str(facts.get("generation") or facts.get("ETag") or facts.get("etag") or "")


def write_if(url: str, method: str, *args: Any, version: str | None, guard: Guard | None = None) -> None:
    """Call a client's `pipe_file`, `put_file` or `cp_file`, to write only over that version (None: only if there is no object).

    Raises `FileExistsError` if there is another version, `FileNotFoundError` if the object is gone, and as `call`.
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
    """Remove an object if it has that version; Azure's client removes any. Raises as `write_if`."""
    bucket, _, key = path.partition("/")
    if url.startswith("s3://") and version:
        call(url, "call_s3", "delete_object", Bucket=bucket, Key=key, IfMatch=version, guard=guard)
    elif url.startswith("gs://") and version:
        call(url, "call", "DELETE", "b/{}/o/{}", bucket, key, ifGenerationMatch=version, guard=guard)
    else:
        call(url, "rm_file", path, guard=guard)


def _google(emulator: str | None) -> str:
    """The address of Google's storage, found as its client finds it."""
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
