"""The routes that pages read from: lists, counts and clips as JSON, media as bytes."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Literal

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from facevid.web.clip_page import ClipPage
from facevid.web.context import Context
from facevid.web.data import Tables
from facevid.web.errors import Refused
from facevid.web.figures import Figures
from facevid.web.filters import Filter, as_command, as_python, bounds, parse
from facevid.web.media import KINDS, Members

MOST_ROWS = 500


def api_routes(context: Context) -> list[Route]:
    """The routes under /api, /media and /thumb."""
    api, members = _Api(context), Members(context)
    page = _Clips(context, ClipPage(members))
    return [
        Route("/api/info", api.info),
        Route("/api/clips", api.clips),
        Route("/api/facets", api.facets),
        Route("/api/whatif", api.what_if),
        Route("/api/command", api.command),
        Route("/api/clip/{clip_id}", page.details),
        Route("/api/clip/{clip_id}/points", page.points),
        Route("/api/clip/{clip_id}/curves", page.curves),
        *(Route(f"/media/{{clip_id}}.{kind}", members.serve(kind)) for kind in KINDS),
        Route("/thumb/{clip_id}.jpg", members.thumbnail),
    ]


class _Api:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._lock = threading.Lock()
        tables = context.tables
        self._figures = (tables, Figures(tables).prepare())

    def info(self, request: Request) -> Response:
        _only(request, ())
        return JSONResponse(self._now()[1].info)

    def clips(self, request: Request) -> Response:
        tables, _ = self._now()
        filter = _filter(request, tables, "offset", "limit")
        offset = _whole(request.query_params, "offset", 0, 0, 2**31 - 1)
        limit = _whole(request.query_params, "limit", 60, 0, MOST_ROWS)
        return JSONResponse(tables.page(filter, offset=offset, limit=limit))

    def facets(self, request: Request) -> Response:
        tables, figures = self._now()
        filter = _filter(request, tables, "fields")
        fields = [f for f in request.query_params.get("fields", "").split(",") if f]
        if not fields:
            raise Refused(
                400, "fields is missing: name what to count by, such as fields=s.sharpness,identity."
            )
        return JSONResponse(figures.facets(filter, fields))

    def what_if(self, request: Request) -> Response:
        _only(request, ("score", "min", "max", "side"))
        given = request.query_params
        side = given.get("side")
        if side not in (None, "min", "max"):
            raise Refused(400, f"side cannot be {side[:20]!r}; allowed: min, max.")
        asked = f"{given.get('min', '')}..{given.get('max', '')}"
        chosen: Literal["min", "max"] | None = None if side is None else "min" if side == "min" else "max"
        return JSONResponse(self._now()[1].what_if(given.get("score", ""), bounds("min..max", asked), chosen))

    def command(self, request: Request) -> Response:
        tables, _ = self._now()
        filter = _filter(request, tables)
        folder = self._context.folder
        return JSONResponse(
            {
                "command": as_command(filter, folder),
                "python": as_python(filter, tables.names, folder),
                "query": filter.query(),
            }
        )

    def _now(self) -> tuple[Tables, Figures]:
        """Tables and figures of the present publication."""
        tables = self._context.tables
        with self._lock:
            if self._figures[0] is not tables:
                self._figures = (tables, Figures(tables).prepare())
            return self._figures


class _Clips:
    def __init__(self, context: Context, page: ClipPage) -> None:
        self._context = context
        self._page = page

    def details(self, request: Request) -> Response:
        tables = self._context.tables
        filter = _filter(request, tables)
        if filter.table != "clips":
            raise Refused(
                400, "Rejected stretches have no page: they were never cut. Leave out table=rejected."
            )
        return JSONResponse(self._page.details(tables, request.path_params["clip_id"], filter))

    def points(self, request: Request) -> Response:
        content, frames = self._page.points(self._context.tables, request.path_params["clip_id"])
        headers = {"X-Frames": str(frames), "X-Points": "478"}
        return Response(content, headers=headers, media_type="application/octet-stream")

    def curves(self, request: Request) -> Response:
        return JSONResponse(self._page.curves(self._context.tables, request.path_params["clip_id"]))


def _filter(request: Request, tables: Tables, *also: str) -> Filter:
    return parse(request.query_params.multi_items(), tables.names, also=also)


def _only(request: Request, allowed: tuple[str, ...]) -> None:
    for name in request.query_params:
        if name not in allowed:
            listed = ", ".join(allowed) or "none"
            raise Refused(400, f"{request.url.path} has no parameter {name[:60]!r}; allowed: {listed}.")


def _whole(params: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = params.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and low <= int(text) <= high):
        raise Refused(400, f"{name} cannot be {text[:20]!r}; allowed: a whole number from {low} to {high}.")
    return int(text)
