"""A stand-in for a hub of repositories: the few endpoints that pushing and reading a dataset need, in memory."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


class Hub:
    """What the hub holds, and what it was asked; `refuse_after` uploads or downloads it says no."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.large: set[str] = set()
        self.objects: dict[str, bytes] = {}
        self.repositories: dict[str, dict[str, Any]] = {}
        self.commits: list[list[str]] = []
        self.uploads: list[str] = []
        self.downloaded = 0
        self.downloads: list[str] = []
        self.refuse_uploads_after: int | None = None
        self.refuse_downloads_after: int | None = None
        self.tokens: set[str | None] = set()
        self.url = ""


@contextmanager
def running_hub() -> Iterator[Hub]:
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            """Say nothing on stderr."""

        def do_POST(self) -> None:
            path, body = urlsplit(self.path).path, self._body()
            hub.tokens.add(self.headers.get("Authorization"))
            if path == "/api/repos/create":
                asked = json.loads(body)
                name = f"{asked['organization']}/{asked['name']}"
                hub.repositories.setdefault(name, asked)
                self._json({"url": f"{hub.url}/datasets/{name}", "id": name})
            elif path == "/api/validate-yaml":
                self._json({"errors": [], "warnings": []})
            elif "/preupload/" in path:
                files = json.loads(body)["files"]
                self._json({"files": [_mode(f["path"]) for f in files]})
            elif path.endswith("/objects/batch"):
                self._json(
                    {"transfer": "basic", "objects": [_object(o) for o in json.loads(body)["objects"]]}
                )
            elif "/commit/" in path:
                self._commit([json.loads(line) for line in body.splitlines()])
            elif "/paths-info/" in path:
                asked = parse_qs(body.decode()) if not body.startswith(b"{") else json.loads(body)
                self._json([_entry(p) for p in asked.get("paths", []) if p in hub.files])
            else:
                self._json({"error": f"no {path}"}, 404)

        def do_PUT(self) -> None:
            data = self._body()
            if hub.refuse_uploads_after is not None and len(hub.uploads) >= hub.refuse_uploads_after:
                self._json({"error": "storage quota is used up"}, 403)
                return
            oid = self.path.rpartition("/")[2]
            assert hashlib.sha256(data).hexdigest() == oid
            hub.objects[oid] = data
            hub.uploads.append(oid)
            self._json({})

        def do_HEAD(self) -> None:
            self._file(head=True)

        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            if "/tree/" in path:
                below = unquote(path.partition("/tree/")[2]).partition("/")[2]
                found = [p for p in hub.files if not below or p.startswith(f"{below}/")]
                if below and not found:
                    self._json({"error": "EntryNotFound"}, 404, {"X-Error-Code": "EntryNotFound"})
                    return
                self._json([_entry(p) for p in found])
            elif path.startswith("/api/datasets/"):
                self._json({"id": "org/name", "sha": "0" * 40, "private": True, "siblings": [], "tags": []})
            else:
                self._file(head=False)

        def _file(self, *, head: bool) -> None:
            name = unquote(urlsplit(self.path).path).partition("/resolve/")[2].partition("/")[2]
            if name not in hub.files:
                self._json({"error": "EntryNotFound"}, 404, {"X-Error-Code": "EntryNotFound"})
                return
            data, total = hub.files[name], len(hub.files[name])
            asked = self.headers.get("Range")
            status, headers = (
                200,
                {"ETag": f'"{hashlib.sha256(data).hexdigest()}"', "X-Repo-Commit": "0" * 40},
            )
            if asked:
                first, _, last = asked.removeprefix("bytes=").partition("-")
                end = min(int(last) + 1 if last else total, total)
                headers["Content-Range"] = f"bytes {first}-{end - 1}/{total}"
                data, status = data[int(first) : end], 206
            if not head and name.startswith("media/"):
                if hub.refuse_downloads_after is not None and hub.downloaded >= hub.refuse_downloads_after:
                    self._json({"error": "come back later"}, 403)
                    return
                hub.downloaded += len(data)
                hub.downloads.append(name)
            self._send(b"" if head else data, status, headers, len(data))

        def _commit(self, lines: list[dict[str, Any]]) -> None:
            names = []
            for line in lines[1:]:
                value = line["value"]
                names.append(value["path"])
                if line["key"] == "file":
                    hub.files[value["path"]] = base64.b64decode(value["content"])
                elif line["key"] == "lfsFile":
                    hub.files[value["path"]] = hub.objects[value["oid"]]
                    hub.large.add(value["path"])
                else:
                    assert line["key"] == "deletedFile"
                    del hub.files[value["path"]]
            hub.commits.append(names)
            self._json({"commitUrl": f"{hub.url}/datasets/org/name/commit/{'0' * 40}", "commitOid": "0" * 40})

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") == "chunked":
                parts = []
                while size := int(self.rfile.readline(), 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def _json(self, value: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
            data = json.dumps(value).encode()
            self._send(data, status, {"Content-Type": "application/json", **(headers or {})}, len(data))

        def _send(self, data: bytes, status: int, headers: dict[str, str], length: int) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

    def _mode(path: str) -> dict[str, Any]:
        large = path.endswith((".tar", ".parquet"))
        return {"path": path, "uploadMode": "lfs" if large else "regular", "shouldIgnore": False}

    def _object(asked: dict[str, Any]) -> dict[str, Any]:
        if asked["oid"] in hub.objects:
            return asked
        return asked | {"actions": {"upload": {"href": f"{hub.url}/lfs/{asked['oid']}"}}}

    def _entry(path: str) -> dict[str, Any]:
        data = hub.files[path]
        entry = {"type": "file", "path": path, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
        if path in hub.large:
            entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
        return entry

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
