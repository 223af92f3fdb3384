"""A web server on this machine that answers each path as a test tells it to, and remembers what it was asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """One request; `times` says how often its path was asked for before."""

    protocol_version = "HTTP/1.1"
    answers: dict[str, Answer]
    asked: list[tuple[str, str | None]]

    @property
    def times(self) -> int:
        return sum(path == self.path for path, _ in self.asked) - 1

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers.get("Range")))
        answer = self.answers.get(self.path.partition("?")[0])
        if answer is None:
            self.send_error(404)
        else:
            answer(self)

    def do_HEAD(self) -> None:
        self.send_error(405)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: tests look at `asked`."""

    def give(
        self,
        data: bytes,
        *,
        status: int = 200,
        kind: str = "video/mp4",
        length: int | None = None,
        cut_at: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        """Answer with data; `length` is what is promised, `cut_at` where the connection breaks."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data) if length is None else length))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data if cut_at is None else data[:cut_at])
        if cut_at is not None or length is not None:
            self.close_connection = True


def ok(data: bytes, kind: str = "video/mp4") -> Answer:
    return lambda request: request.give(data, kind=kind)


def status(*codes: int, then: bytes, headers: dict[str, str] | None = None) -> Answer:
    """These codes one after the other, and then the data."""

    def answer(request: Handler) -> None:
        if request.times < len(codes):
            request.give(b"", status=codes[request.times], kind="text/plain", headers=headers)
        else:
            request.give(then)

    return answer


def breaking(data: bytes, at: int, *, tag: str = '"one"', change: bytes | None = None) -> Answer:
    """Breaks off at byte `at` the first time; later gives the rest to who asks for it of the same file (If-Range).

    change: what the file is from the second request on, under another tag.
    """

    def answer(request: Handler) -> None:
        first = request.times == 0
        now, mark = (data, tag) if first or change is None else (change, '"other"')
        wanted = request.headers.get("Range")
        if wanted and request.headers.get("If-Range") == mark:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            where = {"Content-Range": f"bytes {start}-{len(now) - 1}/{len(now)}", "ETag": mark}
            request.give(now[start:], status=206, headers=where)
        elif first:
            request.give(now, length=len(now), cut_at=at, headers={"ETag": mark})
        else:
            request.give(now, headers={"ETag": mark})

    return answer


def silent_first(data: bytes, for_s: float) -> Answer:
    """Says nothing for a while the first time."""

    def answer(request: Handler) -> None:
        if request.times == 0:
            time.sleep(for_s)
            request.close_connection = True
        else:
            request.give(data)

    return answer


class WebServer:
    """`with WebServer({"/a.mp4": ok(data)}) as web`: web.url("/a.mp4"), web.asked."""

    def __init__(self, answers: dict[str, Answer]) -> None:
        self.asked: list[tuple[str, str | None]] = []
        kind = type("BoundHandler", (Handler,), {"answers": answers, "asked": self.asked})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}{path}"

    def __enter__(self) -> WebServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
