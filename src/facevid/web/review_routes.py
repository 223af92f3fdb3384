"""The review's part of the web application: clips to look at, verdicts, settings, agreement and lots, as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from facevid.dataset.vocabulary import ACTIONS, ATTRIBUTES
from facevid.web.context import Context
from facevid.web.errors import Refused
from facevid.web.filters import annotate_command
from facevid.web.review_findings import agreement_report, lots, lots_report, sampled
from facevid.web.review_queue import (
    Settings,
    change_settings,
    missing,
    next_dispute,
    next_for,
    progress,
    settings_of,
    twice,
)
from facevid.web.review_store import TASKS, ReviewStore
from facevid.web.review_values import confirmed

_BODY_LIMIT = 256 * 1024  # bytes; the longest caption and every attribute stay far below


def routes(context: Context) -> list[Route]:
    """Routes under /api/review/ for the dataset of a server. Errors are JSON {"error": sentence}."""
    review = _Review(context)
    gets: dict[str, Callable[[Request], dict[str, Any]]] = {
        "tasks": review.tasks,
        "settings": review.settings,
        "next": review.next,
        "item": review.item,
        "progress": review.progress,
        "agreement": review.agreement,
        "lots": review.lots,
        "adjudicate": review.adjudicate,
    }
    posts: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
        "settings": review.change_settings,
        "verdict": review.verdict,
        "undo": review.undo,
    }
    return [
        *(Route(f"/api/review/{name}", _answer(get), methods=["GET"]) for name, get in gets.items()),
        *(Route(f"/api/review/{name}", _receive(post), methods=["POST"]) for name, post in posts.items()),
    ]


class _Review:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = ReviewStore(context.folder)
        self._clips: tuple[object, list[str]] | None = None
        self._queue: tuple[object, Settings, list[str]] | None = None

    def tasks(self, _: Request) -> dict[str, Any]:
        vocabulary = [
            {
                "name": a.name,
                "kind": a.kind,
                "group": a.group,
                "about": a.about,
                "values": list(a.choices),
                "unit": a.unit,
                "low": a.low,
                "high": a.high,
                "confirmed": confirmed(a.name),
            }
            for a in ATTRIBUTES.values()
        ]
        return {
            "tasks": list(TASKS),
            "attributes": vocabulary,
            "actions": list(ACTIONS),
            "annotated": self._context.tables.names.labelled,
            "annotate": annotate_command(self._context.folder),
        }

    def settings(self, _: Request) -> dict[str, Any]:
        return {"settings": settings_of(self._store).to_dict(), "history": self._store.setting_rows()}

    def change_settings(self, body: Mapping[str, Any]) -> dict[str, Any]:
        changes = body.get("settings")
        if not isinstance(changes, dict):
            raise Refused(400, 'Send {"settings": {name: value}, "annotator": your name}.')
        return {"settings": change_settings(self._store, changes, who=_text(body, "annotator")).to_dict()}

    def next(self, request: Request) -> dict[str, Any]:
        task, annotator = _task(request), _query(request, "annotator")
        settings = settings_of(self._store)
        found = next_for(
            self._store,
            task,
            annotator,
            self._queued(settings),
            share=settings.share,
            after=request.query_params.get("after"),
            without=request.query_params.getlist("without"),
        )
        return {"item": self._item(task, found, annotator, settings) if found else None}

    def item(self, request: Request) -> dict[str, Any]:
        task, annotator = _task(request), _query(request, "annotator")
        return {"item": self._item(task, _query(request, "clip_id"), annotator, settings_of(self._store))}

    def progress(self, request: Request) -> dict[str, Any]:
        settings = settings_of(self._store)
        return progress(self._store, _task(request), self._queued(settings), share=settings.share)

    def verdict(self, body: Mapping[str, Any]) -> dict[str, Any]:
        clip_id = _text(body, "clip_id")
        self._context.tables.place(clip_id)
        seconds = body.get("seconds")
        if seconds is not None and (isinstance(seconds, bool) or not isinstance(seconds, int | float)):
            raise Refused(400, f"seconds cannot be {seconds!r}; it is a number of seconds, or null.")
        stored = self._store.record(
            task=_text(body, "task"),
            clip_id=clip_id,
            annotator=_text(body, "annotator"),
            verdict=_text(body, "verdict"),
            said=_said(body),
            seconds=seconds,
            client_id=_text(body, "client_id"),
            role=str(body.get("role", "annotate")),
        )
        return {"verdict": asdict(stored)}

    def undo(self, body: Mapping[str, Any]) -> dict[str, Any]:
        undoes = body.get("undoes")
        if undoes is not None and not isinstance(undoes, str):
            raise Refused(400, f"undoes cannot be {undoes!r}; it is the client id of a verdict, or left out.")
        revoked = self._store.undo(
            task=_text(body, "task"),
            annotator=_text(body, "annotator"),
            client_id=_text(body, "client_id"),
            undoes=undoes,
        )
        if revoked is None:
            raise Refused(409, "There is nothing to undo: no verdict of yours stands in this task.")
        return {"verdict": asdict(revoked)}

    def agreement(self, request: Request) -> dict[str, Any]:
        task = _task(request)
        return agreement_report(task, self._store.standing(task))

    def lots(self, request: Request) -> dict[str, Any]:
        settings = settings_of(self._store)
        return lots_report(lots(self._clip_ids(), self._store.standing(_task(request)), settings), settings)

    def adjudicate(self, request: Request) -> dict[str, Any]:
        task, annotator = _task(request), _query(request, "annotator")
        found = next_dispute(self._store, task, annotator, self._clip_ids())
        if found is None:
            return {"item": None}
        clip_id, verdicts, about = found
        item = self._item(task, clip_id, annotator, settings_of(self._store))
        return {"item": item | {"said": [asdict(v) for v in verdicts], "about": about}}

    def _item(self, task: str, clip_id: str, annotator: str, settings: Settings) -> dict[str, Any]:
        tables = self._context.tables
        tables.place(clip_id)
        row = tables.row(clip_id)
        verdicts = self._store.standing(task).get(clip_id, [])
        mine = [v for v in verdicts if v.annotator == annotator]
        return {
            "clip_id": clip_id,
            "task": task,
            "fps": row["fps"],
            "frames": row["frames"],
            "source_name": row["source_name"],
            "identity": row["identity"],
            "attributes": row.get("attributes") or {},
            "actions": row.get("actions") or [],
            "captions": row.get("captions") or [],
            "caption": row.get("caption"),
            "twice": twice(clip_id, settings.share),
            "missing": missing(clip_id, verdicts, settings.share),
            "mine": asdict(mine[-1]) if mine else None,
        }

    def _clip_ids(self) -> list[str]:
        tables = self._context.tables
        if self._clips is None or self._clips[0] is not tables:
            self._clips = (
                tables,
                [row[0] for row in tables.ask("select clip_id from clips order by clip_id")],
            )
        return self._clips[1]

    def _queued(self, settings: Settings) -> list[str]:
        clip_ids = self._clip_ids()
        if settings.queue == "all":
            return clip_ids
        if self._queue is None or self._queue[0] is not clip_ids or self._queue[1] != settings:
            self._queue = (clip_ids, settings, sampled(clip_ids, settings))
        return self._queue[2]


def _answer(get: Callable[[Request], dict[str, Any]]) -> Callable[[Request], Response]:
    def endpoint(request: Request) -> Response:
        return JSONResponse(get(request), headers={"Cache-Control": "no-store"})

    return endpoint


def _receive(post: Callable[[Mapping[str, Any]], dict[str, Any]]) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(post, _object(await _body(request))))

    return endpoint


async def _body(request: Request) -> bytes:
    """The message, of which no more is read than may be sent."""
    text = b""
    async for part in request.stream():
        text += part
        if len(text) > _BODY_LIMIT:
            raise Refused(413, f"The message is too long; at most {_BODY_LIMIT} bytes are taken.")
    return text


def _object(text: bytes) -> Mapping[str, Any]:
    def no_number(name: str) -> float:
        raise ValueError(f"{name} is no number")

    try:
        body = json.loads(text, parse_constant=no_number)
        # JSON can spell half a character (a lone surrogate), which no file and no answer can hold.
        json.dumps(body, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"The message is no JSON ({error}).") from error
    if not isinstance(body, dict):
        raise Refused(400, "The message must be a JSON object.")
    return body


def _task(request: Request) -> str:
    task = _query(request, "task")
    if task not in TASKS:
        raise Refused(400, f"There is no task {task!r}; there are {', '.join(TASKS)}.")
    return task


def _query(request: Request, name: str) -> str:
    value = request.query_params.get(name, "").strip()
    if not value:
        raise Refused(400, f"The address lacks {name}=….")
    return value


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value.strip():
        raise Refused(400, f"The message lacks {name!r}, a text.")
    return value.strip()


def _said(body: Mapping[str, Any]) -> Mapping[str, Any]:
    said = body.get("said", {})
    if not isinstance(said, dict):
        raise Refused(400, "said must be a JSON object.")
    return said
