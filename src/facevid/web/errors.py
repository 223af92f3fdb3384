"""Errors of the server: a status and one sentence, as JSON `{"error": sentence}`."""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from facevid.dataset import DatasetError
from facevid.dataset.vocabulary import VocabularyError
from facevid.errors import FacevidError
from facevid.media import MediaError

_STATUSES: tuple[tuple[type[FacevidError], int], ...] = (
    (VocabularyError, 400),
    (MediaError, 422),
    (DatasetError, 410),
)


class Refused(FacevidError):
    """A request that is not answered; `status` is the HTTP status, the text is the sentence for the user."""

    def __init__(self, status: int, sentence: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.headers = headers or {}


def error_response(status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    """The answer to a request that failed."""
    return JSONResponse({"error": sentence}, status_code=status, headers=headers)


def on_facevid_error(_: Request, error: Exception) -> Response:
    """400 for a wrong name or value, 422 for media that cannot be decoded, 410 for files that went away."""
    if isinstance(error, Refused):
        return error_response(error.status, str(error), error.headers)
    status = next((code for kind, code in _STATUSES if isinstance(error, kind)), 400)
    return error_response(status, str(error))


def on_http_error(request: Request, error: Exception) -> Response:
    """What the router itself refuses: unknown paths and methods."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    if status == 404:
        return error_response(404, f"There is nothing at {request.url.path}.")
    if status == 405:
        allowed = headers.get("Allow", "GET")
        return error_response(
            405, f"{request.method} is not for {request.url.path}; allowed: {allowed}.", headers
        )
    detail = error.detail if isinstance(error, HTTPException) else "The server failed."
    return error_response(status, str(detail), headers)


def on_bug(request: Request, error: Exception) -> Response:
    """A fault of facevid itself; its traceback goes to the terminal."""
    return error_response(
        500,
        f"facevid itself failed at {request.url.path} ({type(error).__name__}); the terminal in which it runs "
        "shows where. Nothing that was saved is lost.",
    )


HANDLERS: dict[Any, Any] = {
    FacevidError: on_facevid_error,
    HTTPException: on_http_error,
    Exception: on_bug,
}
"""For `Starlette(exception_handlers=...)`."""
