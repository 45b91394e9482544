"""How a viewer begins and ends, who is let in, and what it says to those who are not."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from time import sleep
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from click.testing import CliRunner

from browser import driven, opened_page
from carry_files import make
from raw_requests import ask
from segdata.cli import main
from segdata.errors import OptionError
from segdata.labels import safe_colors
from segdata.pages.running import announced, running_viewer

pytest.importorskip("uvicorn")

from segdata.ops.view.operation import Viewer, refuse_names, view

pytestmark = pytest.mark.net

MASK = np.zeros((4, 6), np.uint8)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGDATA_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    make(tmp_path / "data", {"a": MASK, "b": MASK})
    return tmp_path / "data"


@pytest.fixture
def viewer(root: Path) -> Iterator[Viewer]:
    with view(root, port=0) as shown:
        yield shown


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


# Beginning and end


def test_a_port_in_use_is_one_line(root: Path) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        with pytest.raises(OptionError, match=r"is in use at 127\.0\.0\.1"):
            view(root, port=port)
        found = CliRunner().invoke(main, ["view", str(root), "--port", str(port), "--no-browser"])
    assert found.exit_code == 1
    assert found.stdout == ""
    assert found.stderr.count("\n") == 1
    assert f"--port {port}: is in use at 127.0.0.1" in found.stderr
    assert running_viewer(root) is None


def test_two_viewers_at_once_know_only_their_own_token(root: Path) -> None:
    with view(root, port=0) as one, view(root, [root], port=0) as two:
        assert ask(one.url, "/api/about").status == ask(two.url, "/api/about").status == 200
        crossed = one.url.partition("?")[0] + "?" + two.url.partition("?")[2]
        assert ask(crossed, "/api/about").status == 403
        assert running_viewer(root) is not None
    assert running_viewer(root) is None
    with pytest.raises(OSError, match=r"refused"):
        ask(one.url, "/api/about")


def test_no_connection_stays_open(root: Path) -> None:
    """Neither one that was kept alive, nor one that waits for more of a question, nor one whose answers nobody reads."""
    shown = view(root, port=0)
    there = urlsplit(shown.url)
    question = f"/api/about?{there.query} HTTP/1.1\r\nHost: localhost\r\n"
    ends = [socket.socket() for _ in range(3)]
    ends[2].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    for end in ends:
        end.settimeout(5)
        end.connect(("127.0.0.1", there.port or 80))
    ends[0].sendall(f"GET {question}\r\n".encode())
    ends[1].sendall(f"POST {question}content-length: 10\r\n\r\n{{".encode())
    ends[2].sendall(b"GET /static/view.css HTTP/1.1\r\nHost: localhost\r\n\r\n" * 500)
    assert ends[0].recv(12) == b"HTTP/1.1 200"
    sleep(3)  # in which answers pile up
    shown.close()
    for end in ends:
        with closing(end), suppress(ConnectionResetError):
            while end.recv(2**16):
                pass


def test_a_cell_of_a_notebook_may_be_run_again(root: Path) -> None:
    port = free_port()
    first = view(root, port=port)
    with view(root, port=port) as again:
        assert ask(again.url, "/api/about").status == 200
        assert ask(first.url, "/api/about").status == 403
        assert again._repr_html_().startswith(f'<iframe src="{again.url}"')
        make(root.parent / "other", {"a": MASK})
        with pytest.raises(OptionError, match="in use"):
            view(root.parent / "other", port=port)


@pytest.mark.process
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_command(root: Path, how: signal.Signals) -> None:
    """The URL stands alone on a line, at once also in a pipe; then it answers until the signal."""
    command = [sys.executable, "-m", "segdata", "view", str(root), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        said, url = running.stdout.readline(), running.stdout.readline().strip()
        assert said == f"looking at {root} (Ctrl-C stops):\n"
        assert url.startswith("http://127.0.0.1:")
        assert ask(url, "/api/about").json["samples"] == 2
        assert running_viewer(root) == url.partition("?")[0]
        running.send_signal(how)
        try:
            rest, errors = running.communicate(timeout=30)
        finally:
            running.kill()
    assert (running.returncode, rest, errors) == (0, "", "")
    assert running_viewer(root) is None


@pytest.mark.process
def test_a_viewer_that_was_killed_runs_no_more(root: Path) -> None:
    command = [sys.executable, "-m", "segdata", "view", str(root), "--port", "0", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        running.stdout.readline()
        url = running.stdout.readline().strip()
        assert running_viewer(str(root)) == url.partition("?")[0]
        running.kill()
    assert running_viewer(root) is None
    assert running_viewer(root.parent) is None


def test_without_a_cache_nothing_is_announced(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGDATA_CACHE", "/dev/null")
    with announced(root, 1):
        assert running_viewer(root) is None


# Who is let in


def test_who_lacks_the_token_gets_a_page_that_says_what_to_do(viewer: Viewer) -> None:
    bare = viewer.url.partition("?")[0]
    for url in (bare, f"{bare}?token=wrong"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(url)
        text = refused.value.read().decode()
        assert refused.value.code == 403
        assert refused.value.headers["content-type"].startswith("text/html")
        assert "segdata view</code> printed" in text
        assert "/data" not in text
        for static in ("door.js", "door.css", "look.css"):
            assert f"static/{static}" in text
            assert ask(bare, f"/static/{static}").status == 200
    found = ask(bare, "/api/about")
    assert (found.status, found.code) == (403, "token")


def test_a_name_of_a_proxy_is_answered_if_it_was_given(root: Path) -> None:
    for names, status in (((), 421), (("Hub.example.org",), 200)):
        with view(root, port=0, host_names=names) as shown:
            assert ask(shown.url, "/api/about", headers={"Host": "hub.example.org:443"}).status == status
            assert ask(shown.url, "/api/about", headers={"Host": "other.example.org"}).status == 421
    for name in ("", "a:80", "https://a", "a/b", "*"):
        with pytest.raises(OptionError, match="must be the name of a host"):
            refuse_names([name])


def test_rows_of_an_old_edition_are_refused(viewer: Viewer, root: Path) -> None:
    assert ask(viewer.url, "/api/mask/0", {"v": 1}).status == 200
    assert ask(viewer.url, "/api/mask/0", {"v": 2}).status == 409
    make(root, {"c": MASK})
    assert ask(viewer.url, "/api/samples").json["changed"] is True
    assert ask(viewer.url, "/api/reload", method="POST").json["edition"] == 2
    found = ask(viewer.url, "/api/mask/0", {"v": 1})
    assert (found.status, found.code) == (409, "edition")
    assert "reload the page" in found.json["error"]["message"]


@pytest.mark.parametrize(
    "pair", [("start", "x"), ("start", "-1"), ("count", "1.5"), ("count", ""), ("start", "9" * 30), ("start", "²")]
)
def test_numbers_that_are_none_are_told(viewer: Viewer, pair: tuple[str, str]) -> None:
    found = ask(viewer.url, "/api/samples", dict([pair]))
    assert found.status == 422
    assert "must be a whole number" in found.json["error"]["message"]


def test_each_answer_of_the_api(viewer: Viewer) -> None:
    def got(path: str, **query: Any) -> Any:
        found = ask(viewer.url, path, query)
        assert found.status == 200, found.body
        return found.json

    about = got("/api/about")
    assert {
        "version",
        "edition",
        "writable",
        "name",
        "root",
        "samples",
        "ignore",
        "classes",
        "preds",
        "columns",
        "roots",
    } <= set(about)
    assert [one["safe"] for one in about["classes"]] == [list(color) for color in safe_colors(3)]
    assert [s["id"] for s in got("/api/samples", start=1, count=5)["samples"]] == ["b"]
    assert got("/api/facets", id="b")["total"] == 1
    assert got("/api/rows", sort="-id")["ids"] == ["b", "a"]
    assert got("/api/find", id="b", sort="-id")["place"] == 0
    assert got("/api/find", place=1)["sample"]["id"] == "b"
    for path in ("/api/nothing", "/nothing", "/api/find", "/api/samples/1"):
        found = ask(viewer.url, path)
        assert found.status in (404, 422)
        assert found.json["error"]["message"]


@pytest.mark.page
def test_a_browser_that_was_here_is_let_in_and_a_token_can_be_pasted(viewer: Viewer, chromium: str) -> None:
    bare, _, token = viewer.url.partition("?token=")
    with driven(chromium) as browser, opened_page(browser, f"{bare}#class=road") as page:
        page.wait_for_selector("h1")
        assert page.evaluate("location.hash") == "#class=road"
        page.get_by_label("Token").fill(viewer.url)
        page.keyboard.press("Enter")
        page.wait_for_url(f"**token={token}*")
        page.wait_for_selector("#grid")
        assert page.evaluate("location.hash").endswith("class=road")
        page.evaluate("token => localStorage.setItem('segdata-token', token)", token)
        page.goto(bare)
        page.wait_for_url(f"**token={token}*")
        page.evaluate("localStorage.setItem('segdata-token', 'old')")
        page.goto(bare)
        page.wait_for_url("**token=old*")
        page.wait_for_function("localStorage.getItem('segdata-token') === null")
        page.get_by_label("Token").wait_for()
