"""Asking again: which faults of a network or a store pass, and how long to wait before the next attempt."""

from __future__ import annotations

import errno
import logging
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from facevid.storage.errors import PlaceError
from facevid.storage.settings import positive

T = TypeVar("T")
_LOG = logging.getLogger("facevid")
_TOLD_AFTER = 3
"""Attempts after which whoever waits is told for what."""

ATTEMPTS = 8
"""Attempts in all, unless FACEVID_STORAGE_ATTEMPTS says otherwise: they span 71 s at most and 36 s on average, which
outlasts the throttling of a store (Google Cloud Storage's clients go on for 120 s, AWS SDKs make 3 to 5 attempts)."""
FIRST_S = 1.0
"""Longest wait before the second attempt; it doubles with each one (AWS SDKs and Tools, retry mode "standard")."""
LONGEST_S = 20.0
"""No single wait is longer (the same reference: MAX_BACKOFF of 20 s)."""
TIMEOUT_S = 30.0
"""Seconds without a byte after which an attempt is given up, unless FACEVID_STORAGE_TIMEOUT_S says otherwise; stores
answer within 100 to 200 ms (Amazon S3 user guide, performance guidelines), a loaded one within seconds."""

# RFC 9110 and RFC 6585: too slow or too many requests, and a server's own faults; 501 and 505 are lasting ones.
_PASSING_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504, 509, 520, 522, 524})
_PASSING_NUMBER = frozenset(
    getattr(errno, name)
    for name in (
        "EBUSY", "EIO", "EREMOTEIO", "ETIMEDOUT", "ECONNRESET", "ECONNABORTED", "ECONNREFUSED", "EPIPE",
        "EHOSTUNREACH", "ENETUNREACH", "ENETDOWN",
    )
    if hasattr(errno, name)
)  # fmt: skip
# S3 says these with status 400; the others come with a status that is listed above.
_PASSING_CODE = frozenset({"RequestTimeout", "SlowDown", "InternalError", "ServiceUnavailable", "Throttling"})
_LASTING = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, FileExistsError)
_PASSING_NAMES = {
    "aiohttp": ("ClientConnectionError", "ClientPayloadError"),
    "botocore.exceptions": (
        "HTTPClientError",
        "ConnectionError",
        "IncompleteReadError",
        "ChecksumError",
        "FlexibleChecksumError",
    ),
    "botocore.parsers": ("ResponseParserError",),
    "httpx": ("TransportError",),
    "httpx2": ("TransportError",),  # what huggingface_hub has come to use
    "requests": ("ConnectionError", "Timeout"),
    "urllib3.exceptions": ("ProtocolError", "TimeoutError"),
    "http.client": ("IncompleteRead", "RemoteDisconnected"),
}
_NEVER_NAMES = {
    "aiohttp": ("ClientConnectorCertificateError", "InvalidURL"),
    "botocore.exceptions": ("SSLError",),
    "requests": ("exceptions.SSLError",),
}


class BadBody(OSError):
    """An answer that is not what was asked for: half a body, another range, another length. It may pass."""


def retried(call: Callable[[], T], *, what: str, most: int | None = None) -> T:
    """What `call` returns; it is called again after a fault that may pass.

    what: the address, for the sentence; it holds no secret. most: attempts at most, for a `call` that asks again by
    itself. Between two attempts lies a random time between 0 and
    min(20 s, 1 s * 2^k): exponential backoff with full jitter (AWS Architecture Blog, "Exponential Backoff And
    Jitter", 2015), so that many workers that were refused together do not come back together. Raises PlaceError: of
    kind "unreachable" when the last attempt failed too, of another kind for an answer that lasts (404, 403, ...). What
    is no fault of a network or a store, such as a TypeError, goes through as it is.
    """
    count = attempts() if most is None else min(most, attempts())
    for number in range(count):
        try:
            return call()
        except on_the_way() as error:
            if not passes(error):
                raise lasting(error, what) from error
            if number + 1 == count:
                times = "once" if count == 1 else f"{count} times"
                raise PlaceError(
                    "unreachable",
                    f"{what} could not be reached: it was asked {times} and last failed with {reason(error)}; check "
                    "the network and the store, and run this again.",
                ) from error
            if number + 1 == _TOLD_AFTER:
                _LOG.warning("%s does not answer (%s); it is asked again.", what, reason(error))
            time.sleep(wait_s(number))
    raise AssertionError("attempts() is at least 1")


def wait_s(number: int) -> float:
    """Seconds to wait after failed attempt `number` (from 0)."""
    return random.uniform(0.0, min(LONGEST_S, FIRST_S * 2**number))


def attempts() -> int:
    """How often a call is tried in all. Raises PlaceError for a setting that is no whole number above 0."""
    text = os.environ.get("FACEVID_STORAGE_ATTEMPTS", "")
    if text and not (text.isdecimal() and int(text) > 0):
        raise PlaceError(
            "address", f"FACEVID_STORAGE_ATTEMPTS is {text!r}; it must be a whole number, 1 or more."
        )
    return int(text) if text else ATTEMPTS


def timeout_s() -> float:
    """Seconds without a byte that end an attempt. Raises PlaceError for a setting that is no number above 0."""
    return positive("FACEVID_STORAGE_TIMEOUT_S", TIMEOUT_S, "seconds")


def passes(error: BaseException) -> bool:
    """Whether the same request may succeed a little later."""
    for link in _chain(error):
        if isinstance(link, BadBody):
            return True
        if isinstance(link, (*_LASTING, *_named(_NEVER_NAMES))):
            return False
        if isinstance(link, _named(_PASSING_NAMES)):
            return True
        status, code = _answer(link)
        if code in _PASSING_CODE:
            return True
        if status is not None:
            return status in _PASSING_STATUS
    for link in _chain(error):
        if isinstance(link, (TimeoutError, ConnectionError, EOFError)):
            return True
        if isinstance(link, OSError) and link.errno in _PASSING_NUMBER:
            return True
    return False


def lasting(error: BaseException, what: str) -> PlaceError:
    """The sentence for a fault that asking again does not mend."""
    statuses = {status for status, _ in map(_answer, _chain(error))}
    if isinstance(error, FileNotFoundError) or statuses & {404, 410}:
        return PlaceError("missing", f"{what} is not there; check the address.")
    no_credentials = type(error).__name__ in ("NoCredentialsError", "PartialCredentialsError")
    if isinstance(error, PermissionError) or statuses & {401, 403} or no_credentials:
        return PlaceError(
            "forbidden",
            f"{what} may not be used with the credentials at hand ({reason(error)}); set them as fsspec's file system "
            "takes them (the environment, a login on this machine, ~/.config/fsspec).",
        )
    return PlaceError(
        "refused",
        f"{what} cannot be used ({reason(error)}); check the address, the network and your login.",
    )


def reason(error: BaseException) -> str:
    """What an error says of itself, on one line."""
    return " ".join(str(error).split()) or type(error).__name__


def on_the_way() -> tuple[type[BaseException], ...]:
    """What file systems raise beside OSError; a library that nobody has imported can raise nothing."""
    found: list[type[BaseException]] = [OSError, TimeoutError, EOFError]
    for library, name in (
        ("aiohttp", "ClientError"),
        ("httpx", "HTTPError"),
        ("httpx2", "HTTPError"),
        ("requests", "RequestException"),
        ("botocore.exceptions", "BotoCoreError"),
        ("botocore.exceptions", "ClientError"),
        ("gcsfs.retry", "HttpError"),
        ("http.client", "HTTPException"),
    ):
        if library in sys.modules:
            found.append(getattr(sys.modules[library], name))
    return tuple(found)


def _answer(error: BaseException) -> tuple[int | None, str | None]:
    """The HTTP status and the store's code that an error carries."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):  # botocore
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        code = str(response.get("Error", {}).get("Code", ""))
        return (int(code) if status is None and code.isdecimal() else status), code
    for holder, name in ((error, "status"), (response, "status_code"), (error, "code")):
        found = getattr(holder, name, None)
        if isinstance(found, int) or (isinstance(found, str) and found.isdecimal()):
            return int(found), None
    return None, None


def _named(names: dict[str, tuple[str, ...]]) -> tuple[type[BaseException], ...]:
    found = []
    for library, classes in names.items():
        for name in classes:
            part: object | None = sys.modules.get(library)
            for piece in name.split("."):
                part = getattr(part, piece, None)
            if isinstance(part, type) and issubclass(part, BaseException):
                found.append(part)
    return tuple(found)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and what it was raised from."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__
