"""Media of a clip straight from its shard: byte ranges of the mp4 and the flac, thumbnails."""

from __future__ import annotations

import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import Response

from facevid.dataset.published import MEDIA
from facevid.web.context import Context
from facevid.web.data import Tables
from facevid.web.errors import Refused
from facevid.web.pictures import jpeg_of

Kind = Literal["mp4", "flac"]
KINDS: tuple[Kind, ...] = ("mp4", "flac")
_TYPES: dict[Kind, str] = {"mp4": "video/mp4", "flac": "audio/flac"}
_RANGE = re.compile(r"bytes\s*=\s*([0-9]{0,18})\s*-\s*([0-9]{0,18})\s*", re.IGNORECASE)
_CHECKED = 100_000
_THUMBS = 4096
THUMB_WIDTHS = (32, 512)


class Members:
    """Reads members of shards; what is sent was compared with its SHA-256 once."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._checked: OrderedDict[tuple[str, int, int], None] = OrderedDict()
        self._thumbs: OrderedDict[tuple[str, int], bytes] = OrderedDict()

    def serve(self, kind: Kind) -> Callable[[Request], Response]:
        """The mp4 or flac of a clip: 200, 206 for a range, 304, 404, 410, 416 or 422 with a sentence."""
        return lambda request: self._respond(request, kind)

    def _respond(self, request: Request, kind: Kind) -> Response:
        place = self._context.tables.place(request.path_params["clip_id"])
        size, tag = _size(place, kind), f'"{place[f"{kind}_sha256"]}"'
        headers = {"Accept-Ranges": "bytes", "ETag": tag, "Cache-Control": "private, no-cache"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        asked = request.headers.get("range")
        if asked and request.headers.get("if-range", tag) == tag:
            span = byte_range(asked, size)
            if span is not None:
                first, last = span
                content = self.read(place, kind)[first : last + 1]
                headers["Content-Range"] = f"bytes {first}-{last}/{size}"
                return Response(content, status_code=206, headers=headers, media_type=_TYPES[kind])
        return Response(self.read(place, kind), headers=headers, media_type=_TYPES[kind])

    def thumbnail(self, request: Request) -> Response:
        """A JPEG of the clip, `w` pixels wide."""
        width = _width(request.query_params.get("w", "192"))
        place = self._context.tables.place(request.path_params["clip_id"])
        tag = f'"{place["mp4_sha256"]}-{width}"'
        headers = {"ETag": tag, "Cache-Control": "private, max-age=600"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(self._thumb(place, width, tag), headers=headers, media_type="image/jpeg")

    def read(self, place: dict[str, Any], kind: Kind) -> bytes:
        """All bytes of a member. Raises Refused: 404 without sound, 410 for a missing shard, 422 for damage."""
        size, offset = _size(place, kind), int(place[f"{kind}_offset"])
        shard = shard_of(self._context.tables, str(place["shard"]))
        try:
            with shard.open("rb") as file:
                file.seek(offset)
                content = file.read(size)
        except FileNotFoundError:
            raise Refused(
                410, f"{MEDIA}/{shard.name} is missing; fetch it, or build the dataset again."
            ) from None
        self._check(place, kind, content, shard)
        return content

    def _check(self, place: dict[str, Any], kind: Kind, content: bytes, shard: Path) -> None:
        """Hash a member that was not hashed since its shard was written."""
        wanted = place[f"{kind}_sha256"]
        key = (f"{wanted} {shard.name}", int(place[f"{kind}_offset"]), shard.stat().st_mtime_ns)
        with self._lock:
            if key in self._checked:
                return
        if len(content) != _size(place, kind):
            raise Refused(
                422,
                f"{MEDIA}/{shard.name} ends within the {kind} of clip {place['clip_id']}; fetch the shard again.",
            )
        if wanted is not None and hashlib.sha256(content).hexdigest() != wanted:
            raise Refused(
                422,
                f"The {kind} of clip {place['clip_id']} is damaged in {MEDIA}/{shard.name}: its bytes do not have "
                "the SHA-256 that the clips table gives. Fetch the shard again.",
            )
        with self._lock:
            self._checked[key] = None
            while len(self._checked) > _CHECKED:
                self._checked.popitem(last=False)

    def _thumb(self, place: dict[str, Any], width: int, tag: str) -> bytes:
        with self._lock:
            if (tag, width) in self._thumbs:
                self._thumbs.move_to_end((tag, width))
                return self._thumbs[tag, width]
        content = jpeg_of(self.read(place, "mp4"), frames=int(place["frames"]), width=width)
        with self._lock:
            self._thumbs[tag, width] = content
            while len(self._thumbs) > _THUMBS:
                self._thumbs.popitem(last=False)
        return content


def byte_range(header: str, size: int) -> tuple[int, int] | None:
    """First and last byte that a Range header asks for (RFC 9110, 14.1.2), None where it is to be ignored.

    Ignored, as the RFC allows: other units, malformed ranges, several ranges at once. Raises Refused (416) for a range
    that begins beyond the end, or the last 0 bytes.
    """
    found = _RANGE.fullmatch(header.strip())
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if first and last and int(first) > int(last):
        return None
    begin = int(first) if first else max(0, size - int(last))
    end = min(int(last), size - 1) if first and last else size - 1
    if begin >= size or (not first and int(last) == 0):
        raise Refused(
            416,
            f"The range {header!r} lies beyond the end: there are {size} bytes, 0 to {size - 1}.",
            {"Content-Range": f"bytes */{size}"},
        )
    return begin, end


def shard_of(tables: Tables, name: str) -> Path:
    """The file of a shard, as the manifest says that it is stored."""
    for file in tables.dataset.manifest.of(MEDIA):
        if file.path == f"{MEDIA}/{name}":
            return tables.dataset.folder / file.stored_as
    raise Refused(410, f"The dataset does not list {MEDIA}/{name}; build or fetch it again.")


def _size(place: dict[str, Any], kind: Kind) -> int:
    if place[f"{kind}_offset"] is None:
        raise Refused(404, f"Clip {place['clip_id']} has no sound: its source has none there.")
    return int(place[f"{kind}_size"])


def _width(text: str) -> int:
    low, high = THUMB_WIDTHS
    if not text.isascii() or not text.isdigit() or not low <= int(text[:6]) <= high:
        raise Refused(400, f"w cannot be {text[:20]!r}; a thumbnail is {low} to {high} pixels wide.")
    return int(text)
