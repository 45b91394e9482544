"""Nobody but who was given the URL reads through the viewer, and a hostile dataset reads and runs nothing."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from time import monotonic, sleep
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from browser import driven, opened_page
from carry_files import make
from raw_requests import Answer, ask
from segdata.dataset.dataset import Dataset
from segdata.errors import DatasetError
from segdata.files.images import write_image
from segdata.files.no_image import untold
from segdata.ops.check.operation import check

pytest.importorskip("uvicorn")
pytest.importorskip("starlette")

from segdata.ops.view.operation import Viewer, view

pytestmark = pytest.mark.net

SECRET = "this is nobody's business"
MASK = np.repeat(np.array([0, 1, 255], np.uint8), 8)[None, :].repeat(16, 0)


@pytest.fixture(scope="module")
def viewer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Viewer]:
    dataset = make(tmp_path_factory.mktemp("plain") / "secretive", {"a": MASK, "b": MASK}, images="reference")
    shown = view(dataset, port=0)
    yield shown
    shown.close()


@pytest.fixture(scope="module")
def open_viewer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Viewer]:
    """Without a token."""
    shown = view(make(tmp_path_factory.mktemp("open") / "data", {"a": MASK}), port=0, token=False)
    yield shown
    shown.close()


# Who may ask


def test_the_token_opens_in_the_query_and_in_a_header(viewer: Viewer) -> None:
    (token,) = parse_qs(urlsplit(viewer.url).query)["token"]
    assert len(token) >= 32
    assert ask(viewer.url).status == 200
    assert ask(viewer.url, token=False, headers={"segdata-token": token}).status == 200
    assert ask(viewer.url, "/").status == 200


@pytest.mark.parametrize(
    "path", ["/", "/api/about", "/api/samples", "/api/image/0", "/api/mask/0", "/docs", "/nothing"]
)
@pytest.mark.parametrize("given", ["", "token=", "token=wrong", "token=%00", "token=%ff&token=", "TOKEN=x"])
def test_without_the_token_nothing_is_said(viewer: Viewer, path: str, given: str) -> None:
    found = ask(viewer.url, path, given, token=False)  # type: ignore[arg-type]
    assert found.status == 403
    assert b"secretive" not in found.body
    assert found.headers["content-type"].startswith("text/html") if path == "/" else found.code == "token"


def test_part_of_the_token_is_none(viewer: Viewer) -> None:
    (token,) = parse_qs(urlsplit(viewer.url).query)["token"]
    for wrong in (token[:-1], token + "x", token.swapcase(), f" {token}"):
        assert ask(viewer.url, query={"token": wrong}, token=False).status == 403
        assert ask(viewer.url, token=False, headers={"cookie": f"token={token}"}).status == 403


def test_no_answer_sets_a_cookie_or_leads_elsewhere(viewer: Viewer) -> None:
    for path in "/", "/api/about", "/api/samples", "/api/image/0", "/static/main.js", "/nothing":
        found = ask(viewer.url, path)
        assert "set-cookie" not in found.headers
        assert "location" not in found.headers
        assert "access-control-allow-origin" not in found.headers


@pytest.mark.parametrize(
    "host",
    ["evil.com", "evil.com:8900", "localhost.evil.com", "127.0.0.1.evil.com", "evil.com#localhost", "a@localhost.evil.com",
     "", "0.0.0.0", "127.0.0.2", "[::2]", "[", "localhost, evil.com", "localhost\\@evil.com"],
)  # fmt: skip
def test_another_name_of_the_host_is_refused(viewer: Viewer, open_viewer: Viewer, host: str) -> None:
    """DNS rebinding: a name that has come to lead here is still in `Host`."""
    for one in viewer, open_viewer:
        found = ask(one.url, headers={"Host": host})
        assert found.status in (400, 421)
        assert b"classes" not in found.body


def test_a_tunnel_has_its_own_port(viewer: Viewer) -> None:
    for host in "localhost", "localhost:1234", "127.0.0.1:8888", "[::1]:8900", "LOCALHOST:80":
        assert ask(viewer.url, headers={"Host": host}).status == 200


@pytest.mark.parametrize(
    "origin", ["null", "https://evil.com", "http://localhost.evil.com", "file://", "http://evil.com:8900"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_page_of_another_site_is_refused(viewer: Viewer, open_viewer: Viewer, origin: str, method: str) -> None:
    for one in viewer, open_viewer:
        found = ask(one.url, "/api/about", method=method, headers={"Origin": origin})
        assert found.status == 403
        assert b"classes" not in found.body


WRITING = ["/api/reload", "/api/tags", "/api/acts/list", "/api/acts/without", "/api/analyses/check"]


@pytest.mark.parametrize("path", WRITING)
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_page_of_another_site_writes_nothing(viewer: Viewer, path: str, site: str) -> None:
    found = ask(viewer.url, path, method="POST", headers={"Sec-Fetch-Site": site}, body={})
    assert (found.status, found.code) == (403, "origin")


@pytest.mark.parametrize("path", WRITING)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_is_written_without_a_token(open_viewer: Viewer, path: str, method: str) -> None:
    found = ask(open_viewer.url, path, method=method, body={"ids": ["a"], "tag": "t", "on": True, "destination": "out"})
    assert (found.status, found.code) == (403, "token")
    assert ask(open_viewer.url).json["writable"] is False


def test_it_listens_to_this_machine_alone(viewer: Viewer) -> None:
    port = urlsplit(viewer.url).port
    others = {found[4][0] for found in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} - {"127.0.0.1"}
    for other in {"127.0.0.2", *others}:
        with socket.socket() as asking:
            asking.settimeout(5)
            assert asking.connect_ex((str(other), port)) != 0


# What is told of each answer


@pytest.mark.parametrize("path", ["/", "/api/about", "/api/image/0", "/api/mask/0", "/static/main.js", "/nothing"])
@pytest.mark.parametrize("token", [True, False])
def test_each_answer_forbids_what_the_page_does_not_need(viewer: Viewer, path: str, token: bool) -> None:
    headers = ask(viewer.url, path, token=token).headers
    policy = {part.split()[0]: part.split()[1:] for part in headers["content-security-policy"].split(";")}
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == ["'none'"]
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == ["'self'"]
    assert not {"*", "https:", "http:", "'unsafe-inline'", "'unsafe-eval'"}.intersection(*[policy["img-src"]])
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"


# Paths


@pytest.mark.parametrize(
    "path",
    ["/static/../session.py", "/static/%2e%2e/session.py", "/static/..%2fsession.py", "/static/%2e%2e%2fsession.py",
     "/static/..\\session.py", "/static//etc/passwd", "/static/%2fetc%2fpasswd", "/static/", "/static/.", "/static/..",
     "/static/index.html%00.js", "/static/main.js/..", "/session.py", "/../../../etc/passwd", "/api/image/../../etc/passwd",
     "/api/image/a", "/api/image/-1", "/api/image/99999999", "/api/image/1e3", "/api/mask/0.5", "/api/mask/99999999999999999999"],
)  # fmt: skip
def test_no_path_leads_to_a_file(viewer: Viewer, path: str) -> None:
    found = ask(viewer.url, path)
    assert found.status in (400, 404, 405, 422), found.body
    assert not {b"import ", b"root:"} & {word for word in (b"import ", b"root:") if word in found.body}


@pytest.mark.parametrize(
    "name", ["of", "size", "start", "count", "class", "split", "sort", "row", "v", "text", "level"]
)
@pytest.mark.parametrize(
    "value", ["../../etc/passwd", "-1", "1e400", "nan", "99999999999999999999", "", "\x00", "a" * 5000]
)
def test_no_value_in_a_query_is_an_error_of_the_server(viewer: Viewer, name: str, value: str) -> None:
    for path in "/api/samples", "/api/image/0", "/api/mask/0":
        found = ask(viewer.url, path, {name: value})
        assert found.status < 500, (path, found.body)
        assert b"Traceback" not in found.body


# Hostile datasets


def hostile(root: Path, changes: dict[str, Any], images: str = "copy") -> Dataset:
    """A dataset whose sample was changed after it was written."""
    dataset = make(root, {"a": MASK}, images="copy")
    (sample,) = dataset
    changed = Dataset(root, dataset.labels, [msgspec.structs.replace(sample, **changes)], {"tool": "x"}, images)  # type: ignore[arg-type]
    changed.save()
    return changed


def answers(root: Path) -> list[Answer]:
    """What a viewer says of the first sample."""
    shown = view(root, port=0)
    try:
        paths = ("/api/about", "/api/samples", "/api/image/0", "/api/mask/0", "/api/tile/0", "/api/levels/0")
        return [ask(shown.url, path, {"size": 64, "of": "image" if "tile" in path else "truth"}) for path in paths]
    finally:
        shown.close()


def secret(tmp_path: Path) -> Path:
    """An image that is nobody's business, beside the dataset."""
    path = tmp_path / "secret.png"
    write_image(path, np.full((16, 24, 3), 77, np.uint8))
    return path


@pytest.mark.parametrize("name", ["image", "mask"])
@pytest.mark.parametrize(
    "path", ["../secret.png", "{root}/secret.png", "images/../../secret.png", "link.png", "..\\secret.png"]
)
def test_a_file_outside_the_dataset_is_not_read(tmp_path: Path, name: str, path: str) -> None:
    there = secret(tmp_path)
    hostile(tmp_path / "data", {name: path.replace("{root}", str(tmp_path))})
    (tmp_path / "data" / "link.png").symlink_to(there)
    found = answers(tmp_path / "data")[("image", "mask").index(name) + 2]
    assert found.status in (404, 422)
    assert "outside the dataset" in found.json["error"]["message"]


@pytest.mark.parametrize("images", ["copy", "reference"])
@pytest.mark.parametrize(
    "image", ["/etc/passwd", "../secret.txt", "/dev/zero", "/proc/self/environ", "file:///etc/passwd"]
)
def test_what_is_no_image_is_not_told(tmp_path: Path, image: str, images: str) -> None:
    """Not a word of it, although commands tell how a text begins."""
    (tmp_path / "secret.txt").write_text(f"{SECRET} {' '.join(['word'] * 20)}")
    hostile(tmp_path / "data", {"image": image}, images)
    for found in answers(tmp_path / "data"):
        assert found.status < 500
        assert found.headers["content-type"] != "image/jpeg"
        assert not [
            one for one in (SECRET[:12].encode(), b"root:", b"nologin", b"PATH=", b"begins") if one in found.body
        ]


def test_findings_of_a_text_do_not_tell_it(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text(f"'a' and \"b\": {SECRET}")
    dataset = hostile(tmp_path / "data", {"image": "../secret.txt"}, "reference")
    (told,) = check(dataset).findings[:1]
    assert "is text, which begins" in told.message
    with view(dataset, port=0) as shown:
        ask(shown.url, "/api/analyses/check", method="POST")
        end = monotonic() + 30
        while (found := ask(shown.url, "/api/findings/0")).status == 409 and monotonic() < end:
            sleep(0.05)
    assert b"it is text" in found.body
    assert not [one for one in (b"nobody", b"'a'", b"begins") if one in found.body]


@given(st.text(), st.text(max_size=40), st.text(), st.booleans())
def test_quoted_beginnings_are_cut_out(before: str, told: str, after: str, cut: bool) -> None:
    """Also those that were cut off, after which there is nothing."""
    message = f"is text, which begins {told!r}"
    assume("which begins" not in before + after)
    if cut:
        assert untold(f"{before}{message[: -1 - len(told) // 2]}") == f"{before}is text"
    else:
        assert untold(f"{before}{message}: {after}") == f"{before}is text: {after}"


@pytest.mark.parametrize("images", ["copy", "reference"])
def test_no_address_is_fetched(tmp_path: Path, images: str) -> None:
    """Of plain HTTP, which leads into the network that this machine is in."""
    asked: list[str] = []

    class Listens(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Listens) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/latest/meta-data.png"
        hostile(tmp_path / "data", {"image": address}, images)
        found = answers(tmp_path / "data")
        hostile(tmp_path / "vrt", {"image": f"/vsicurl/{address}"}, images)
        found += answers(tmp_path / "vrt")
        server.shutdown()
    assert not asked
    assert all(one.status < 500 for one in found)


@pytest.mark.parametrize("images", ["copy", "reference"])
def test_a_vrt_reads_no_other_file(tmp_path: Path, images: str) -> None:
    path = secret(tmp_path)
    hostile(tmp_path / "data", {"image": "a.vrt"}, images)
    source = f"<SimpleSource><SourceFilename>{path}</SourceFilename></SimpleSource>"
    bands = "".join(f'<VRTRasterBand dataType="Byte" band="{n}">{source}</VRTRasterBand>' for n in (1, 2, 3))
    (tmp_path / "data" / "a.vrt").write_text(f'<VRTDataset rasterXSize="24" rasterYSize="16">{bands}</VRTDataset>')
    found = answers(tmp_path / "data")
    assert [one.status for one in found[2:3]] in ([404], [422])
    assert all(one.headers["content-type"] != "image/jpeg" for one in found)


@pytest.mark.parametrize("size", [(15, 24), (16, 2**30), (2**31, 2**31), (1, 1)])
def test_a_manifest_with_wrong_sizes_is_said(tmp_path: Path, size: tuple[int, int]) -> None:
    height, width = size
    hostile(tmp_path / "data", {"height": height, "width": width, "counts": {0: min(height * width, 2**62)}})
    if height > 2**31 - 1:
        with pytest.raises(DatasetError, match="height"):
            answers(tmp_path / "data")
        return
    found = answers(tmp_path / "data")
    assert all(one.status < 500 or one.status == 503 for one in found)  # 503: a pyramid is still being tried
    assert {one.status for one in found[2:4]} <= {404, 422}


# Names, in a real browser

NAMES = [
    '<img src=x onerror="alert(1)">', '"><script>alert(2)</script>', "'; alert(3); //",
    "\u202egpj.exe", "a\nb", "{{7*7}}", "&lt;b&gt;",
]  # fmt: skip
IDS = ["<script>alert(4)<", '"onmouseover="alert(5)', "<svg onload=alert(6)>", "%3Cb%3E#&id=x?", "\u202ecod.png"]
MADE = "iframe, script:not([src*=static]), b, i, svg[onload], [onerror], [onmouseover]"
"""Elements that only names could make."""


@pytest.mark.page
def test_names_run_nothing_and_ask_for_nothing(tmp_path: Path, chromium: str) -> None:
    mask = np.arange(len(NAMES), dtype=np.uint8).repeat(8)[None, :].repeat(32, 0)
    fields = {id: {"split": '<iframe src="//evil.com">', "group": "<b>g</b>"} for id in IDS}
    dataset = make(tmp_path / "<i>data", dict.fromkeys(IDS, mask), names=NAMES, images="copy", fields=fields)
    shown = view(dataset, dataset, port=0)
    try:
        with driven(chromium) as browser, opened_page(browser, shown.url) as page:
            first = page.locator(".cell[data-row]").first
            first.wait_for()
            assert {page.locator(".cell").nth(i).get_attribute("data-id") for i in range(len(IDS))} == set(IDS)
            page.get_by_role("button", name="Numbers", exact=True).click()
            for _ in range(25):
                page.keyboard.press("Tab")
            page.get_by_role("button", name="Numbers", exact=True).click()
            first.click()
            page.get_by_role("dialog", name="One image").wait_for()
            page.wait_for_timeout(500)
            assert page.locator(MADE).count() == 0
    finally:
        shown.close()
