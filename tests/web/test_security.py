"""Nobody gets in without the token, from another site's page, or under another name; errors are sentences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from exploring import TOKEN, browser, publish, said
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from facevid.web.security import Guard
from facevid.web.server import ExploreError, create_app


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("security")
    return publish(base / "dataset", base / "clips", count=2)


def guarded(**options: Any) -> TestClient:
    async def answer(request: Request) -> JSONResponse:
        return JSONResponse({"asked": str(request.url), "method": request.method})

    app = Starlette(routes=[Route("/{rest:path}", answer, methods=["GET", "POST", "DELETE"])])
    guard = Guard(app, token=TOKEN, **{"host": "127.0.0.1", **options})
    return TestClient(guard, base_url="http://127.0.0.1:8765", follow_redirects=False)


@pytest.mark.parametrize(
    "path", ["/", "/api/info", "/static/style.css", "/media/x.mp4", "/thumb/x.jpg", "/nothing"]
)
def test_without_the_token_every_path_is_refused(folder: Path, path: str) -> None:
    assert "token is missing" in said(browser(folder, token=None).get(path), 401)


@pytest.mark.parametrize("token", ["", "open-sesam", "open-sesame2", "OPEN-SESAME", "é"])
def test_a_wrong_token_is_refused_however_it_comes(token: str) -> None:
    client = guarded()
    assert "not this server's" in said(client.get("/", params={"token": token}), 401)
    said(client.get("/", headers={"Authorization": f"Bearer {token}".encode()}), 401)
    said(client.get("/", headers={"Authorization": f"Basic {TOKEN}"}), 401)
    said(client.get("/", headers={"Cookie": f"token={TOKEN}"}), 401)


def test_the_address_with_the_token_gives_a_cookie_and_an_address_without_it() -> None:
    client = guarded()
    answer = client.get(f"/clip/a?token={TOKEN}&q=red+hair&s.yaw=..3")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/clip/a?q=red+hair&s.yaw=..3"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and "path=/" in cookie
    assert client.get("/clip/a").status_code == 200  # the client keeps the cookie


def test_the_redirect_never_leads_to_another_host() -> None:
    answer = guarded().get(f"http://127.0.0.1:8765//evil.example/?token={TOKEN}")
    assert answer.headers["location"].startswith("/evil.example")


def test_a_cookie_for_another_token_does_not_open_this_server() -> None:
    client = guarded()
    client.get(f"/?token={TOKEN}")
    (name,) = client.cookies.keys()
    said(guarded().get("/", headers={"Cookie": f"{name}=other"}), 401)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", "", "10.0.0.7"]
)
def test_a_foreign_host_is_refused_even_with_the_token(host: str) -> None:
    answer = guarded().get("/", headers={"Host": host, "Authorization": f"Bearer {TOKEN}"})
    assert "use the address that it printed" in said(answer, 403)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:9", "LOCALHOST", "[::1]:8765"])
def test_the_loopback_is_answered_by_all_its_names(host: str) -> None:
    assert guarded().get("/", headers={"Host": host, "Authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_bound_to_every_address_any_ip_is_answered_and_no_foreign_name() -> None:
    client = guarded(host="0.0.0.0")
    token = {"Authorization": f"Bearer {TOKEN}"}
    assert client.get("/", headers={"Host": "10.0.0.7:80"} | token).status_code == 200
    assert client.get("/", headers={"Host": "[fe80::1]:80"} | token).status_code == 200
    said(client.get("/", headers={"Host": "evil.example"} | token), 403)


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "http://127.0.0.1:9999", "http://127.0.0.1", "file://127.0.0.1:8765"],
)
@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_a_page_of_another_origin_changes_nothing(origin: str, method: str) -> None:
    headers = {"Origin": origin, "Authorization": f"Bearer {TOKEN}"}
    assert "may not change anything" in said(guarded().request(method, "/x", headers=headers), 403)


def test_its_own_pages_and_programs_without_an_origin_may_change_things() -> None:
    token = {"Authorization": f"Bearer {TOKEN}"}
    assert guarded().post("/x", headers=token).status_code == 200
    assert guarded().post("/x", headers=token | {"Origin": "http://127.0.0.1:8765"}).status_code == 200


def test_every_answer_carries_security_headers() -> None:
    for answer in (guarded().get("/"), guarded().get("/", headers={"Authorization": f"Bearer {TOKEN}"})):
        assert answer.headers["content-security-policy"].startswith("default-src 'self';")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize(
    "path",
    [
        "/static/../server.py", "/static/%2e%2e/server.py", "/static/..%2fserver.py",
        "/static/%2e%2e%2f%2e%2e%2fapi.py",
        "/media/..%2f..%2fdataset.json", "/media/..%2f..%2fdataset.mp4", "/thumb/..%2f..%2fetc%2fpasswd.jpg",
        "/api/clip/..%2f..%2fetc", "/..%2fserver.py", "/static//etc/passwd", "/static/%00", "/clip/..%2f..%2fx",
    ],
)  # fmt: skip
def test_path_traversal_finds_nothing(folder: Path, path: str) -> None:
    said(browser(folder).get(path), 404)


def test_a_method_that_is_not_offered_is_named(folder: Path) -> None:
    assert "POST is not for /api/info" in said(browser(folder).post("/api/info"), 405)


def test_an_empty_token_is_refused_at_the_start(folder: Path) -> None:
    with pytest.raises(ExploreError, match="token is empty"):
        create_app(folder, token="")
