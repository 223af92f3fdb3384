"""Fetches one file from its address over HTTP, going on where an earlier try broke off."""

from __future__ import annotations

import email.utils
import json
import os
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx

import facevid
from facevid.dataset.corpora.fetching import FetchSettings, LinkDead, LinkFailed, Refused
from facevid.dataset.corpora.footage import VIDEO_SUFFIXES

_DEAD = {
    401: "it asks for a login",
    403: "the server forbids it",
    404: "there is nothing (404)",
    410: "it was taken away (410)",
    451: "it is withheld for legal reasons (451)",
}
_LATER = frozenset((408, 425, 429, 500, 502, 503, 504))
_SUFFIX_OF = {"video/mp4": ".mp4", "video/webm": ".webm", "video/quicktime": ".mov", "video/x-matroska": ".mkv",
              "video/x-flv": ".flv", "video/x-msvideo": ".avi", "video/mp2t": ".ts"}  # fmt: skip


class _PartUseless(LinkFailed):
    """What came before does not belong to the file that the server has now."""


def suffix_of(address: str) -> str | None:
    """The video suffix that an address ends with, None where it has none."""
    suffix = Path(unquote(urlsplit(address).path)).suffix.lower()
    return suffix if suffix in VIDEO_SUFFIXES else None


def fetch_direct(address: str, folder: Path, name: str, settings: FetchSettings) -> Path:
    """Fetch the file at `address` into `folder` as `name` with its suffix; returns its path.

    Bytes go to `.<name>.part`; a later call asks for the rest of them, if the server still has the same file
    (If-Range with its ETag or date). The file gets its name when it is whole. Raises LinkDead, LinkFailed, Refused.
    """
    if urlsplit(address).scheme not in ("http", "https"):
        raise LinkDead("the address is not one of the web (http or https)")
    part, about = folder / f".{name}.part", folder / f".{name}.part.json"
    have, tag = _begun(part, about)
    headers = {"User-Agent": f"facevid/{facevid.__version__}", "Accept-Encoding": "identity"}
    if have and tag:
        headers |= {"Range": f"bytes={have}-", "If-Range": tag}
    try:
        with (
            httpx.Client(timeout=settings.timeout_s, follow_redirects=True) as client,
            client.stream("GET", address, headers=headers) as response,
        ):
            total, append = _check(response, have)
            if not append:
                # First of all: bytes of one file must never lie beside the mark of another.
                part.unlink(missing_ok=True)
            about.write_text(json.dumps({"tag": _tag(response), "total": total}), encoding="utf-8")
            _write(response, part, have if append else 0, settings)
            suffix = suffix_of(address) or _SUFFIX_OF.get(_kind(response), ".mp4")
    except _PartUseless:
        # The part is longer than the file, or the file is another: the next try begins anew.
        part.unlink(missing_ok=True)
        raise
    except httpx.UnsupportedProtocol as error:
        raise LinkDead(f"the address leads out of the web: {error}") from None
    except httpx.TooManyRedirects:
        raise LinkDead("the address only leads to other addresses, in a circle") from None
    except httpx.InvalidURL as error:
        raise LinkDead(f"the address cannot be: {error}") from None
    except httpx.TimeoutException:
        raise LinkFailed(f"the server was silent for {settings.timeout_s:g} s") from None
    except httpx.HTTPError as error:
        raise LinkFailed(f"the connection broke ({error or type(error).__name__})") from None
    size = part.stat().st_size
    if total is not None and size != total:
        if size > total:
            part.unlink()
        raise LinkFailed(f"{size} bytes of {total} came")
    target = folder / f"{name}{suffix}"
    part.replace(target)
    about.unlink(missing_ok=True)
    return target


def _begun(part: Path, about: Path) -> tuple[int, str | None]:
    """Bytes of an earlier try and the mark by which the server knows whether its file is still the same."""
    try:
        tag = json.loads(about.read_text(encoding="utf-8"))["tag"]
        return part.stat().st_size, str(tag) if tag else None
    except (OSError, ValueError, KeyError, TypeError):
        return 0, None


def _check(response: httpx.Response, have: int) -> tuple[int | None, bool]:
    """Total bytes of the file where the server says, and whether these go on where the earlier ones end."""
    status = response.status_code
    if status == 429 and response.headers.get("retry-after") is None:
        raise Refused(
            f"{response.url.host} says that it was asked too often (429); wait some hours, or ask for fewer a minute."
        )
    if status in _LATER:
        raise LinkFailed(f"the server answered {status} {response.reason_phrase}", _retry_after(response))
    if status == 416:
        raise _PartUseless("the server no longer has the rest of the file (416)")
    if status not in (200, 206):
        raise LinkDead(_DEAD.get(status, f"the server answered {status} {response.reason_phrase}"))
    if _kind(response).startswith("text/"):
        raise LinkDead(
            f"the server answered with a page ({_kind(response)}) in place of a video; it may want a login or refuse "
            "programs"
        )
    length = response.headers.get("content-length", "")
    if status == 200:
        return int(length) if length.isdecimal() else None, False
    first, _, whole = response.headers.get("content-range", "").removeprefix("bytes ").partition("/")
    if first.partition("-")[0] != str(have):
        raise _PartUseless("the server sent another part of the file than the one asked for")
    return int(whole) if whole.isdecimal() else None, True


def _write(response: httpx.Response, part: Path, offset: int, settings: FetchSettings) -> None:
    began, came = time.monotonic(), 0
    with part.open("r+b" if offset else "wb") as file:
        file.seek(offset)
        file.truncate()
        # As they come: blocks of a fixed size would keep back the last bytes before a connection breaks.
        for block in response.iter_raw():
            file.write(block)
            came += len(block)
            if settings.bytes_per_s is not None:
                time.sleep(max(0.0, came / settings.bytes_per_s - (time.monotonic() - began)))
        file.flush()
        os.fsync(file.fileno())


def _kind(response: httpx.Response) -> str:
    return str(response.headers.get("content-type", "")).partition(";")[0].strip().lower()


def _tag(response: httpx.Response) -> str | None:
    """A strong ETag, else the date of the last change; a weak ETag may not be used for ranges (RFC 9110, 13.1.5)."""
    tag = response.headers.get("etag")
    if tag and not tag.startswith("W/"):
        return str(tag)
    changed = response.headers.get("last-modified")
    return str(changed) if changed else None


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds from Retry-After, which may also be a date (RFC 9110, 10.2.3)."""
    said = response.headers.get("retry-after", "").strip()
    if said.isdecimal():
        return float(said)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(said).timestamp() - time.time()) if said else None
    except ValueError:
        return None
