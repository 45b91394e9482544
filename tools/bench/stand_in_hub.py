"""A stand-in for the hub of Hugging Face, on this machine: it takes what `huggingface_hub` uploads, and keeps it in memory.

Its requests are those of hf_api.py and lfs.py in https://github.com/huggingface/huggingface_hub: a repository is made, files are
asked about, large ones are put as LFS objects, and a commit names them all.
"""

from __future__ import annotations

import base64
import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlparse

OID = "0" * 40
"""The name of every commit."""


class Hub:
    """The server: `repos` has the files of each repository by path, `objects` those of LFS by their SHA-256."""

    def __init__(self) -> None:
        self.repos: dict[str, dict[str, bytes]] = {}
        self.objects: dict[str, bytes] = {}
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"hub": self}))
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        Thread(target=self.server.serve_forever, daemon=True).start()

    def write(self, repo: str, folder: Path) -> Path:
        """Write the files of a repository into a folder."""
        for name, data in self.repos[repo].items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return folder

    def commit(self, repo: str, lines: bytes) -> None:
        """Add and remove what the lines of a commit name."""
        files = self.repos.setdefault(repo, {})
        for line in map(json.loads, lines.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.objects[value["oid"]]
            elif line["key"] == "deletedFile":
                files.pop(value["path"], None)


class Handler(BaseHTTPRequestHandler):
    """Answers the requests. `hub` is set by it."""

    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def answer(self, value: Any, status: int = 200, **headers: str) -> None:
        """Send JSON, or bytes as they are."""
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        for name, text in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name.replace("_", "-"), text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def body(self) -> bytes:
        """What was sent."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        data = b""
        while size := int(self.rfile.readline(), 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def do_GET(self) -> None:
        """A repository, its files, or one of them."""
        path = unquote(urlparse(self.path).path)
        if match := re.fullmatch(r"/api/datasets/([^/]+/[^/]+)(/revision/[^/]+|/tree/[^/]+.*)?", path):
            repo, more = match[1], match[2] or ""
            if repo not in self.hub.repos:
                self.answer({"error": "not found"}, 404, X_Error_Code="RepoNotFound")
            elif tree := re.fullmatch(r"/tree/[^/]+/?(.*)", more):
                below = tree[1] and f"{tree[1]}/"
                files = [(name, data) for name, data in self.hub.repos[repo].items() if name.startswith(below)]
                rows = [{"type": "file", "path": name, "size": len(data), "oid": OID} for name, data in files]
                if below and not rows:
                    self.answer({"error": "not found"}, 404, X_Error_Code="EntryNotFound")
                else:
                    self.answer(rows)
            else:
                self.answer(
                    {"id": repo, "sha": OID, "siblings": [{"rfilename": name} for name in self.hub.repos[repo]]}
                )
        elif match := re.fullmatch(r"/datasets/([^/]+/[^/]+)/resolve/[^/]+/(.+)", path):
            data = self.hub.repos.get(match[1], {}).get(match[2])
            if data is None:
                self.answer({"error": "not found"}, 404, X_Error_Code="EntryNotFound", X_Repo_Commit=OID)
            else:
                self.answer(data, ETag=f'"{len(data)}"', X_Repo_Commit=OID)
        else:
            self.answer({"error": f"no answer to {path}"}, 501)

    do_HEAD = do_GET

    def do_PUT(self) -> None:
        """An LFS object."""
        self.hub.objects[self.path.rpartition("/")[2]] = self.body()
        self.answer({})

    def do_POST(self) -> None:
        """What is to be made, asked about, or committed."""
        path, body = unquote(urlparse(self.path).path), self.body()
        if path == "/api/repos/create":
            given = json.loads(body)
            repo = f"{given.get('organization', 'someone')}/{given['name']}"
            self.hub.repos.setdefault(repo, {})
            self.answer({"url": f"{self.hub.url}/datasets/{repo}", "id": repo, "name": repo})
        elif path == "/api/validate-yaml":
            self.answer({"errors": [], "warnings": []})
        elif match := re.fullmatch(r"/api/datasets/([^/]+/[^/]+)/preupload/.+", path):
            modes = [
                (one["path"], "lfs" if one["path"].endswith(".parquet") else "regular")
                for one in json.loads(body)["files"]
            ]
            self.answer({"files": [{"path": name, "uploadMode": mode, "shouldIgnore": False} for name, mode in modes]})
        elif path.endswith("/info/lfs/objects/batch"):
            objects = [
                {**one, "actions": {"upload": {"href": f"{self.hub.url}/lfs/{one['oid']}"}}}
                for one in json.loads(body)["objects"]
            ]
            self.answer({"transfer": "basic", "objects": objects}, Content_Type="application/vnd.git-lfs+json")
        elif match := re.fullmatch(r"/api/datasets/([^/]+/[^/]+)/commit/.+", path):
            self.hub.commit(match[1], body)
            self.answer(
                {"success": True, "commitUrl": f"{self.hub.url}/datasets/{match[1]}/commit/{OID}", "commitOid": OID}
            )
        else:
            self.answer({"error": f"no answer to {path}"}, 501)
