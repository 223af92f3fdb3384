"""One OpenAI-compatible chat endpoint: requests with retries, backoff, a rate limit, and errors as sentences."""

from __future__ import annotations

import email.utils
import os
import random
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from facevid.annotate.vlm_cache import VlmError

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 60.0
LONGEST_RETRY_AFTER_S = 600.0


@dataclass(frozen=True)
class VlmSettings:
    """Which model is asked, where, and how hard.

    url: the endpoint's base, such as http://localhost:8000/v1. model: its name there. api_key_env: name of the
    environment variable that holds the key; unset, none is sent. frames: pictures per clip. concurrency: requests at a
    time. requests_per_minute: None for no limit. max_retries: further tries after the first of a request. timeout_s:
    how long a server may be silent. price_...: in any currency per million tokens, None where unknown. max_tokens: of
    one answer. image_size: pictures are scaled down to this longer side, pixels. extra: further fields of the request;
    None takes one away, such as {"temperature": None} for models that refuse it.
    """

    url: str
    model: str
    api_key_env: str | None = "OPENAI_API_KEY"
    frames: int = 4
    concurrency: int = 4
    requests_per_minute: float | None = None
    max_retries: int = 5
    timeout_s: float = 120.0
    price_per_million_input: float | None = None
    price_per_million_output: float | None = None
    max_tokens: int = 3000
    image_size: int = 512
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise VlmError(
                f"The endpoint's address cannot be {self.url!r}; give its base, such as http://localhost:8000/v1."
            )
        if parts.username or parts.password or parts.query:
            raise VlmError(
                "The endpoint's address carries a name, a password or a query; put the key into the environment "
                "variable named by api_key_env instead."
            )
        if not self.model:
            raise VlmError("The model's name is empty; give the name that the endpoint knows it by.")
        for name in ("frames", "concurrency", "max_tokens", "image_size"):
            if getattr(self, name) < 1:
                raise VlmError(f"{name} cannot be {getattr(self, name)}; it is 1 or more.")
        if self.max_retries < 0:
            raise VlmError(f"max_retries cannot be {self.max_retries}; it is 0 or more.")
        if self.timeout_s <= 0 or (self.requests_per_minute is not None and self.requests_per_minute <= 0):
            raise VlmError("timeout_s and requests_per_minute must be more than 0.")

    @property
    def address(self) -> str:
        """Where the requests go."""
        base = self.url.rstrip("/")
        return base if base.endswith("/chat/completions") else f"{base}/chat/completions"


class ClipFailure(Exception):
    """One clip got no answer; `kind` is "timeout", "server", "rate_limit", "protocol" or "refused".

    Within this file also "connection" and "stopped", which end the run.
    """

    def __init__(self, kind: str, sentence: str) -> None:
        super().__init__(sentence)
        self.kind = kind


class Endpoint:
    """Sends chats and returns answers {"content", "refusal", "finish", "input_tokens", "output_tokens"}."""

    def __init__(self, settings: VlmSettings) -> None:
        self._settings = settings
        self._key = os.environ.get(settings.api_key_env, "") if settings.api_key_env else ""
        self._client = httpx.Client(
            timeout=settings.timeout_s, limits=httpx.Limits(max_connections=settings.concurrency)
        )
        self._lock = threading.Lock()
        self._next_start = 0.0
        self.stopped = threading.Event()

    def ask(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to one request, tried up to 1 + max_retries times.

        Waits between tries as long as Retry-After says, else .5 s doubled each time up to 60 s, times a random factor
        from .5 to 1.5 so that many clients do not come back at once. Raises ClipFailure when the tries are used up or
        the request itself is refused, VlmError when no other request can succeed either.
        """
        attempt = 0
        while True:
            self._wait_for_turn()
            outcome, retry_after = self._try(body)
            if not isinstance(outcome, ClipFailure):
                return outcome
            if outcome.kind == "refused" or attempt == self._settings.max_retries:
                break
            wait = min(FIRST_WAIT_S * 2**attempt, LONGEST_WAIT_S) * random.uniform(0.5, 1.5)
            if retry_after is not None:
                wait = min(retry_after, LONGEST_RETRY_AFTER_S)
                if outcome.kind == "rate_limit":
                    self._hold_everybody(wait)
            self._sleep(wait)
            attempt += 1
        if outcome.kind == "connection":
            raise VlmError(
                f"{outcome} Check the address, and that the server runs; answers so far are kept, so the same "
                "command goes on from here."
            )
        raise outcome

    def close(self) -> None:
        """End the connections."""
        self._client.close()

    def _try(self, body: Mapping[str, Any]) -> tuple[dict[str, Any] | ClipFailure, float | None]:
        """One request: its answer or what went wrong, and how many seconds the server asks to wait."""
        where = self._settings.address
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        try:
            reply = self._client.post(where, json=body, headers=headers)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
            return ClipFailure("connection", f"{where} cannot be reached ({self._hide(str(error))})."), None
        except httpx.TimeoutException:
            return ClipFailure(
                "timeout", f"{where} gave no answer within {self._settings.timeout_s:g} s."
            ), None
        except httpx.TransportError as error:
            return ClipFailure("server", f"{where} broke off its answer ({self._hide(str(error))})."), None
        if reply.status_code == 200:
            return self._read(reply), None
        told = self._told(reply)
        sentence = f"{where} answered {reply.status_code}: {told or reply.reason_phrase}."
        if reply.status_code in (401, 403):
            name = self._settings.api_key_env
            have = f"the key in {name}" if self._key else f"a request without a key ({name} is not set)"
            raise VlmError(
                f"{where} refuses {have}: {reply.status_code}, {told or reply.reason_phrase}. "
                f"Set {name or 'api_key_env'} to a key that the endpoint accepts."
            )
        if reply.status_code == 404:
            raise VlmError(
                f"{where} knows no such address or no model {self._settings.model!r}: 404, "
                f"{told or reply.reason_phrase}. Give the base address (it often ends with /v1) and a model that the "
                "endpoint lists under /models."
            )
        if reply.status_code == 429:
            if "insufficient_quota" in reply.text:
                raise VlmError(f"{sentence} The account has no quota left; the next run goes on from here.")
            return ClipFailure("rate_limit", sentence), _retry_after(reply)
        if reply.status_code == 408 or reply.status_code >= 500:
            return ClipFailure("server", sentence), _retry_after(reply)
        return ClipFailure("refused", sentence), None

    def _read(self, reply: httpx.Response) -> dict[str, Any] | ClipFailure:
        try:
            data = reply.json()
            choice = data["choices"][0]
            content, refusal = choice["message"].get("content"), choice["message"].get("refusal")
            usage = data.get("usage") or {}
            return {
                "content": content if isinstance(content, str) else "",
                "refusal": str(refusal) if refusal else None,
                "finish": choice.get("finish_reason"),
                "input_tokens": int(usage.get("prompt_tokens") or 0),
                "output_tokens": int(usage.get("completion_tokens") or 0),
            }
        except (ValueError, LookupError, TypeError, AttributeError):
            start = self._hide(reply.text[:80])
            return ClipFailure(
                "protocol",
                f"{self._settings.address} answered something else than a chat completion: {start!r}.",
            )

    def _told(self, reply: httpx.Response) -> str:
        """What the server says of an error, without the key should it repeat it."""
        try:
            error = reply.json()["error"]
            text = error["message"] if isinstance(error, dict) else str(error)
        except (ValueError, LookupError, TypeError):
            text = reply.text
        return self._hide(" ".join(str(text).split())[:300]).rstrip(".")

    def _hide(self, text: str) -> str:
        return text.replace(self._key, "***") if self._key else text

    def _wait_for_turn(self) -> None:
        """Wait for the next start that the rate limit allows; starts are spaced evenly, not in bursts."""
        per_minute = self._settings.requests_per_minute
        with self._lock:
            start = max(self._next_start, time.monotonic())
            self._next_start = start + (60.0 / per_minute if per_minute else 0.0)
        self._sleep(start - time.monotonic())

    def _hold_everybody(self, seconds: float) -> None:
        with self._lock:
            self._next_start = max(self._next_start, time.monotonic() + seconds)

    def _sleep(self, seconds: float) -> None:
        if self.stopped.wait(max(seconds, 0.0)):
            raise ClipFailure("stopped", "The run was ended.")


def _retry_after(reply: httpx.Response) -> float | None:
    """Seconds that the header Retry-After asks for, given as a number or as a date (RFC 9110, 10.2.3)."""
    value = reply.headers.get("retry-after")
    if value is None:
        return None
    try:
        return max(float(value), 0.0)
    except ValueError:
        pass
    try:
        return max(email.utils.parsedate_to_datetime(value).timestamp() - time.time(), 0.0)
    except ValueError:
        return None
