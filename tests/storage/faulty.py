"""A web server that stands in front of a store, or serves files itself, and gives wrong answers by a plan.

Every fault is one that stores and the ways to them give: no answer, a connection reset, half a body, headers that
disagree with the body, 500, 503 SlowDown.
"""

from __future__ import annotations

import http.client
import random
import re
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import unquote

KINDS = ("hang", "reset", "half", "short", "shifted", "500", "503")
"""hang: no answer. reset: the connection breaks. half: half the body promised, then the end. short: half the body, and
headers that say this is all there is. shifted: a Content-Range of other bytes. 500 and 503: as S3 says them."""

Plan = Callable[[str, str, int], str | None]
"""(method, path, number of this request for it) -> the kind of fault, or None for none."""


def once(*kinds: str, path: str = "", method: str = "GET") -> Plan:
    """These faults one after the other, for each object whose path holds `path`; then sound answers."""

    def plan(asked: str, where: str, number: int) -> str | None:
        return kinds[number] if asked == method and path in where and number < len(kinds) else None

    return plan


def always(kind: str, path: str = "") -> Plan:
    """This fault for every request to objects whose path holds `path`."""
    return lambda method, where, number: kind if path in where else None


def seeded(seed: int, share: float, kinds: tuple[str, ...] = KINDS) -> Plan:
    """A share of all requests gets a fault of these kinds, drawn from a seed; the same object never twice in a row."""
    drawn, lock = random.Random(seed), threading.Lock()
    last: dict[str, bool] = {}

    def plan(method: str, path: str, number: int) -> str | None:
        with lock:
            hit = drawn.random() < share and not last.get(path, False)
            last[path] = hit
            return drawn.choice(kinds) if hit else None

    return plan


class FaultyServer:
    """`with FaultyServer(upstream=port)` or `with FaultyServer(files={"/a.mp4": b"..."}, ranges=True)`.

    upstream: port of a store on this machine, to which requests are handed on. files: path -> bytes (or a list of
    versions, of which the last is served; `etag` tells them apart). ranges: whether the header Range is known.
    `requests`, `sent` (bytes of bodies) and `faults` count; `plan` may be changed at any time.
    """

    def __init__(
        self,
        *,
        upstream: int | None = None,
        files: Mapping[str, bytes] | None = None,
        ranges: bool = True,
        etags: bool = True,
        lengths: bool = True,
        plan: Plan | None = None,
    ) -> None:
        self.upstream, self.files = upstream, dict(files or {})
        self.ranges, self.etags, self.lengths = ranges, etags, lengths
        self.plan: Plan = plan or (lambda method, path, number: None)
        self.sent = 0
        self.requests: list[tuple[str, str]] = []
        self.faults: list[str] = []
        self.lock = threading.Lock()
        self.ended = threading.Event()
        kind = type("Bound", (_Handler,), {"owner": self})
        self._server = _Quiet(("127.0.0.1", 0), kind)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def url(self, path: str = "") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def reset(self, plan: Plan | None = None) -> None:
        """Count from nothing, with another plan or none."""
        with self.lock:
            self.sent, self.requests, self.faults = 0, [], []
            self.plan = plan or (lambda method, path, number: None)

    def __enter__(self) -> FaultyServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Quiet(ThreadingHTTPServer):
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away in the middle are what this is for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: FaultyServer

    def _serve(self) -> None:
        owner, path = self.owner, unquote(self.path.partition("?")[0])
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        with owner.lock:
            number = owner.requests.count((self.command, path))
            owner.requests.append((self.command, path))
            fault = owner.plan(self.command, path, number)
            if fault:
                owner.faults.append(fault)
        if fault == "hang":
            owner.ended.wait(60)
            self.close_connection = True
        elif fault == "reset":
            self._break()
        elif fault in ("500", "503"):
            code = "InternalError" if fault == "500" else "SlowDown"
            text = (
                f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
            )
            self._give(int(fault), {"Content-Type": "application/xml"}, text)
        else:
            status, headers, data = self._answer(path, body)
            self._wrong(fault, status, headers, data)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _serve

    def _wrong(self, fault: str | None, status: int, headers: dict[str, str], data: bytes) -> None:
        """The answer, spoilt by a fault of body or headers; HEAD has no body to spoil."""
        if fault == "half" and self.command == "GET":
            self._give(status, headers, data[: len(data) // 2], promised=len(data))
            self._break()
        elif fault == "short" and self.command == "GET":
            data = data[: len(data) // 2]
            self._give(status, self._ranged(headers, 0, len(data)), data)
        elif fault == "shifted" and self.command == "GET" and "Content-Range" in headers:
            self._give(status, self._ranged(headers, 7, len(data)), data)
        else:
            self._give(status, headers, data)

    @staticmethod
    def _ranged(headers: dict[str, str], shift: int, length: int) -> dict[str, str]:
        found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", headers.get("Content-Range", ""))
        if found is None:
            return headers
        first = int(found[1]) + shift
        return {**headers, "Content-Range": f"bytes {first}-{first + length - 1}/{first + length}"}

    def _answer(self, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        owner = self.owner
        if owner.upstream is not None:
            connection = http.client.HTTPConnection("127.0.0.1", owner.upstream, timeout=60)
            with_host = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
            connection.request(self.command, self.path, body, with_host)
            found = connection.getresponse()
            data = found.read()
            headers = {
                {"content-range": "Content-Range", "content-length": "Content-Length"}.get(
                    name.lower(), name
                ): value
                for name, value in found.getheaders()
                if name.lower() not in ("connection", "transfer-encoding", "date", "server")
            }
            connection.close()
            return found.status, headers, data
        data = owner.files.get(path, b"")
        if path not in owner.files:
            return 404, {}, b"not here"
        headers = {"Content-Type": "video/mp4"}
        if owner.etags:
            headers["ETag"] = f'"{hash(data) & 0xFFFFFFFF:08x}"'
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if asked is None or not owner.ranges:
            return 200, headers, data
        first, last = int(asked[1]), min(int(asked[2]), len(data) - 1)
        if first >= len(data):
            return 416, {**headers, "Content-Range": f"bytes */{len(data)}"}, b""
        return 206, {**headers, "Content-Range": f"bytes {first}-{last}/{len(data)}"}, data[first : last + 1]

    def _give(
        self, status: int, headers: dict[str, str], data: bytes, *, promised: int | None = None
    ) -> None:
        self.send_response(status)
        length = headers.pop("Content-Length", None) if self.command == "HEAD" else None
        for name, value in headers.items():
            if name.lower() != "content-length":
                self.send_header(name, value)
        whole = self.owner.lengths or self.owner.upstream is not None
        if whole:
            self.send_header("Content-Length", length or str(len(data) if promised is None else promised))
        else:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if self.command == "HEAD":
            return
        for at in range(0, len(data), 1 << 16):
            with self.owner.lock:
                self.owner.sent += len(data[at : at + (1 << 16)])
            self.wfile.write(data[at : at + (1 << 16)])

    def _break(self) -> None:
        """End the connection by RST."""
        self.close_connection = True
        with suppress(OSError):
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: tests look at what was counted."""
