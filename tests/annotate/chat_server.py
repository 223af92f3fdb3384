"""A server on this machine that speaks the protocol of chat completions, as a test's script tells it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from facevid.annotate import vlm_schema

Reply = tuple[int, dict[str, str], Any]


class Server:
    """Answers the n-th request (from 0) as `script(n, body)` says: status, headers, body (dict or text)."""

    def __init__(self) -> None:
        self.script: Callable[[int, dict[str, Any]], Reply] = lambda n, body: good()
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.times: list[float] = []
        self.now = self.most = 0
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with outer._lock:
                    n = len(outer.bodies)
                    outer.bodies.append(body)
                    outer.headers.append(dict(self.headers))
                    outer.paths.append(self.path)
                    outer.times.append(time.monotonic())
                    outer.now += 1
                    outer.most = max(outer.most, outer.now)
                status, headers, said = outer.script(n, body)
                with outer._lock:
                    outer.now -= 1
                data = (said if isinstance(said, str) else json.dumps(said)).encode()
                try:
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # the client of the timeout test is gone by now

            def log_message(self, *args: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()


def answer(*, timed: bool = True, **given: str | float) -> dict[str, Any]:
    """A valid answer in which everything but `given` is unknown."""
    asked = vlm_schema.answer_schema(timed=timed)["properties"]["attributes"]["properties"]
    said: dict[str, Any] = {
        "attributes": dict.fromkeys(asked, "unknown") | given,
        "captions": {
            "short": "A woman.",
            "medium": "A woman smiles.",
            "long": "A woman smiles at the camera.",
        },
    }
    if timed:
        said["actions"] = [{"name": "smile", "start_s": 0.125, "end_s": 9.0}]
    return said


def completion(text: str, **choice: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"} | choice],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 200},
    }


def good(**given: str | float) -> Reply:
    return 200, {}, completion(json.dumps(answer(**given)))
