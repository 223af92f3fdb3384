"""`facevid explore`: a dataset in a browser, served on this machine alone unless asked otherwise."""

from __future__ import annotations

import os
import secrets
import socket
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from facevid.engine import folder_used
from facevid.errors import FacevidError
from facevid.web.api import api_routes
from facevid.web.context import Context
from facevid.web.errors import HANDLERS, Refused
from facevid.web.filters import parse
from facevid.web.review_routes import routes as review_routes
from facevid.web.security import Guard

PORT = 8765
STATIC = Path(__file__).parent / "static"


class ExploreError(FacevidError):
    """The server cannot be started; the message says why and what to do."""


def create_app(
    dataset: str | os.PathLike[str] | Context, *, token: str, host: str = "127.0.0.1"
) -> Starlette:
    """The web application over a published dataset, for any ASGI server.

    token: what a browser or a program must show. host: the address that the server is bound to, which requests must
    name (the loopback's names always do). Raises DatasetError.
    """
    if not token:
        raise ExploreError("The token is empty; then anybody on this machine could look. Give some letters.")
    context = dataset if isinstance(dataset, Context) else Context(Path(dataset))
    return Starlette(
        routes=[
            *api_routes(context),
            *review_routes(context),
            Mount("/static", StaticFiles(directory=STATIC)),
            Route("/", _page("index")),
            Route("/clip/{clip_id}", _page("clip")),
            Route("/{page}", _any_page),
        ],
        middleware=[Middleware(Guard, token=token, host=host)],
        exception_handlers=HANDLERS,
    )


def explore(
    dataset: str | os.PathLike[str],
    *,
    host: str = "127.0.0.1",
    port: int = PORT,
    filter: str = "",
    open_browser: bool = False,
    token: str | None = None,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve a dataset until Ctrl-C; prints the address, which carries a token, once it answers.

    host: the address to listen on; others than the loopback let other machines in (over plain HTTP, so only on a
    network you trust). port: 0 takes a free one. filter: what the page shows first, as the query of an address, such as
    "a.hair_colour=black&s.sharpness=2..". on_ready is called with the address instead of printing it. Raises
    DatasetError, Refused for a filter that the dataset does not have, ExploreError where the port is taken.
    """
    context = Context(Path(dataset))
    shown = parse_qsl(filter.lstrip("?"), keep_blank_values=True)
    parse(shown, context.tables.names)
    secret = token or secrets.token_urlsafe(24)
    app = create_app(context, token=secret, host=host)
    listener = _listen(host, port)
    name = "127.0.0.1" if host in ("0.0.0.0", "") else "[::1]" if host == "::" else host
    name = f"[{name}]" if ":" in name and not name.startswith("[") else name
    address = f"http://{name}:{listener.getsockname()[1]}/?" + urlencode([("token", secret), *shown])

    def ready() -> None:
        if on_ready is None:
            print(f"{context.folder} is open at {address}\nCtrl-C ends it.", flush=True)
        else:
            on_ready(address)
        if open_browser:
            webbrowser.open(address)

    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=3)
    # Who takes clips out for good must know that a page shows them, and that a verdict may be on its way.
    with listener, folder_used(context.folder), suppress(KeyboardInterrupt):
        _Server(config, ready).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Says when it answers."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


def _listen(host: str, port: int) -> socket.socket:
    bare = host.strip("[]")
    listener = socket.socket(socket.AF_INET6 if ":" in bare else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((bare, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise ExploreError(
            f"Cannot listen at {host} port {port} ({getattr(error, 'strerror', None) or error}); give another "
            "port, or 0 for any that is free."
        ) from None
    return listener


def _page(name: str) -> Callable[[Request], Response]:
    def answer(_: Request) -> Response:
        path = STATIC / f"{name}.html"
        if not path.is_file():
            raise Refused(404, f"There is no page {name}.")
        return FileResponse(path, media_type="text/html")

    return answer


def _any_page(request: Request) -> Response:
    name = str(request.path_params["page"])
    if not (name.isascii() and name.replace("-", "").isalpha()):
        raise Refused(404, f"There is nothing at {request.url.path}.")
    return _page(name)(request)
