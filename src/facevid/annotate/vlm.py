"""Attributes, actions and captions by a vision-language model behind any OpenAI-compatible endpoint."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from facevid.annotate import vlm_schema
from facevid.annotate.vlm_cache import AnswerCache, VlmError
from facevid.annotate.vlm_endpoint import ClipFailure, Endpoint, VlmSettings
from facevid.dataset.statements import Statement

__all__ = [
    "Estimate",
    "Usage",
    "VlmError",
    "VlmItem",
    "VlmResult",
    "VlmSettings",
    "annotate_clips",
    "estimate",
]

JPEG_QUALITY = 90
CHARACTERS_PER_TOKEN = 4.0
PATCH = 28
"""Side in pixels of the square that is one token for Qwen2-VL and Qwen2.5-VL (14 pixel patches, merged 2 by 2)."""


class VlmItem(NamedTuple):
    """One clip to ask about: its id, (k, h, w, 3) uint8 RGB pictures in the order of time, their times in seconds.

    A plain (clip_id, images) will do; without times and the clip's duration no actions are asked for.
    """

    clip_id: str
    images: NDArray[np.uint8]
    times_s: Sequence[float] | None = None
    duration_s: float | None = None


@dataclass(frozen=True)
class Usage:
    """What one clip cost in this run: requests answered, their tokens, and answers that came from the cache."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    from_cache: int = 0

    def plus(self, answer: Mapping[str, Any], *, cached: bool) -> Usage:
        """With one more answer counted; one from the cache cost no tokens now."""
        if cached:
            return replace(self, from_cache=self.from_cache + 1)
        return replace(
            self,
            requests=self.requests + 1,
            input_tokens=self.input_tokens + answer["input_tokens"],
            output_tokens=self.output_tokens + answer["output_tokens"],
        )

    def and_(self, other: Usage) -> Usage:
        """The sum of both."""
        return Usage(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True)
class VlmResult:
    """What a model said of one clip, or why it said nothing.

    kind: "ok", or of a failure "invalid_answer" (not of the schema, twice), "refused", "timeout", "server",
    "rate_limit" or "protocol". error: a sentence, None where kind is "ok".
    """

    clip_id: str
    statements: list[Statement]
    error: str | None
    kind: str
    usage: Usage


@dataclass(frozen=True)
class Estimate:
    """What a run would take: requests, tokens, cost in the currency of the prices (None where a price is unknown)."""

    requests: int
    input_tokens: int
    output_tokens: int
    cost: float | None


def estimate(
    n_clips: int, settings: VlmSettings, *, height: int = 512, width: int = 512, timed: bool = True
) -> Estimate:
    """What `n_clips` clips would cost if nothing is cached and no answer needs a repair.

    Input tokens of a clip = ceil(characters of the prompt, the schema in it, / 4)
    + frames * (ceil(h / 28) * ceil(w / 28) + 2) with h and w as sent; the schema counts a second time, since servers
    may put `response_format` before the prompt too. Output tokens = ceil(characters of the longest answer / 4), at
    most max_tokens. Four characters a token is OpenAI's rule of thumb for English; the picture's part is Qwen2-VL's
    (arXiv 2409.12191, section 2.1), other models count otherwise. It is meant to err upwards; it is no bill.
    """
    scale = min(1.0, settings.image_size / max(height, width))
    tall, wide = math.ceil(height * scale / PATCH), math.ceil(width * scale / PATCH)
    schema = vlm_schema.answer_schema(timed=timed)
    times = [0.0] * settings.frames if timed else None
    text = vlm_schema.system_text() + vlm_schema.question(schema, times, 0.0 if timed else None)
    characters = len(text) + len(json.dumps(schema, separators=(",", ":")))
    given = math.ceil(characters / CHARACTERS_PER_TOKEN) + settings.frames * (tall * wide + 2)
    longest = math.ceil(len(vlm_schema.longest_answer(schema)) / CHARACTERS_PER_TOKEN)
    got = min(longest, settings.max_tokens)
    cost = None
    if settings.price_per_million_input is not None and settings.price_per_million_output is not None:
        cost = (
            n_clips
            * (given * settings.price_per_million_input + got * settings.price_per_million_output)
            / 1e6
        )
    return Estimate(n_clips, n_clips * given, n_clips * got, cost)


def annotate_clips(
    items: Iterable[VlmItem | tuple[str, NDArray[np.uint8]]],
    settings: VlmSettings,
    cache_path: str | Path,
) -> Iterator[VlmResult]:
    """Ask about each clip; results come as they are ready, not in the order of the items.

    Up to `concurrency` requests run at a time, and at most twice as many clips are held in memory. Every answer is
    kept in the SQLite file `cache_path` as it arrives: another run over the same clips, with the same endpoint, model,
    prompt, schema and pictures, takes it from there. An answer that is not of the schema is sent back once with its
    errors; a second one like that is a failure of the clip. Raises VlmError when no further request can succeed: the
    key is refused, the model or the address is unknown, the quota is used up, or no server answers.
    """
    cache, endpoint = AnswerCache(cache_path), Endpoint(settings)
    pool = ThreadPoolExecutor(settings.concurrency, thread_name_prefix="vlm")
    running: set[Future[VlmResult]] = set()
    try:
        for item in items:
            running.add(pool.submit(_annotate, VlmItem(*item), settings, endpoint, cache))
            while len(running) >= 2 * settings.concurrency:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from _results(done)
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            yield from _results(done)
    finally:
        endpoint.stopped.set()
        pool.shutdown(wait=True, cancel_futures=True)
        endpoint.close()
        cache.close()


def _results(done: set[Future[VlmResult]]) -> Iterator[VlmResult]:
    """What is ready; an error that ends the run comes after the answers that arrived with it."""
    yield from (future.result() for future in done if future.exception() is None)
    for future in done:
        future.result()


def _annotate(item: VlmItem, settings: VlmSettings, endpoint: Endpoint, cache: AnswerCache) -> VlmResult:
    """Ask, look at the answer, ask once more where it is not valid."""
    pictures, times = _chosen(item, settings.frames)
    timed = times is not None and item.duration_s is not None
    schema = vlm_schema.answer_schema(timed=timed)
    key = _key(pictures, times, item.duration_s, schema, settings)
    usage = Usage()
    chat: list[dict[str, Any]] = []
    errors: list[str] = []
    try:
        for turn in range(2):
            kept = cache.get(key)
            usage = usage.plus(kept, cached=True) if kept is not None else usage
            if kept is None:
                # Encoded only now: a run over what is known already encodes no picture.
                chat = chat or _chat(pictures, times, item.duration_s, schema, settings)
                kept = endpoint.ask(_body(chat, schema, settings))
                cache.put(key, kept, clip_id=item.clip_id)
                usage = usage.plus(kept, cached=False)
            if kept["refusal"]:
                raise ClipFailure("refused", f"The model {settings.model} refused: {kept['refusal']}")
            answer, errors = vlm_schema.read_answer(kept["content"], schema, item.duration_s)
            if answer is not None:
                by = f"model:{settings.model}"
                said = vlm_schema.statements_of(answer, item.clip_id, by, item.duration_s)
                return VlmResult(item.clip_id, said, None, "ok", usage)
            if kept["finish"] == "length":
                errors = [f"it was cut off after {settings.max_tokens} tokens; be brief", *errors]
            if turn == 0:
                chat = chat or _chat(pictures, times, item.duration_s, schema, settings)
                chat = vlm_schema.repair(chat, kept["content"] or "(nothing)", errors)
                key = hashlib.sha256(ascii([key, kept["content"], errors]).encode()).hexdigest()
    except ClipFailure as failure:
        return VlmResult(item.clip_id, [], str(failure), failure.kind, usage)
    sentence = (
        f"The model {settings.model} gave twice an answer that is not of the schema: {'; '.join(errors)}."
    )
    return VlmResult(item.clip_id, [], sentence, "invalid_answer", usage)


def _chosen(item: VlmItem, frames: int) -> tuple[NDArray[np.uint8], list[float] | None]:
    """`frames` of the pictures, spread evenly from the first to the last, with their times."""
    images = item.images
    if images.ndim != 4 or images.shape[-1] != 3 or images.dtype != np.uint8 or not len(images):
        raise VlmError(
            f"The pictures of {item.clip_id} must be uint8 of shape (k, h, w, 3) with k of 1 or more, "
            f"not {images.dtype} {images.shape}."
        )
    if item.times_s is not None and len(item.times_s) != len(images):
        raise VlmError(
            f"{item.clip_id} has {len(images)} pictures but {len(item.times_s)} times; give one for each."
        )
    which = np.unique(np.round(np.linspace(0, len(images) - 1, frames)).astype(int))
    return images[which], None if item.times_s is None else [float(item.times_s[k]) for k in which]


def _key(
    pictures: NDArray[np.uint8],
    times: Sequence[float] | None,
    duration_s: float | None,
    schema: Mapping[str, Any],
    settings: VlmSettings,
) -> str:
    """SHA-256 of all that decides an answer: pixels and not JPEG bytes, which change with the encoder's version."""
    said = {
        "url": settings.address,
        "model": settings.model,
        "prompt": [vlm_schema.PROMPT_VERSION, vlm_schema.system_text()],
        "question": vlm_schema.question(schema, times, duration_s),
        "max_tokens": settings.max_tokens,
        "picture": [settings.image_size, JPEG_QUALITY, list(pictures.shape)],
        "extra": dict(settings.extra),
    }
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    digest.update(np.ascontiguousarray(pictures).tobytes())
    return digest.hexdigest()


def _chat(
    pictures: NDArray[np.uint8],
    times: Sequence[float] | None,
    duration_s: float | None,
    schema: Mapping[str, Any],
    settings: VlmSettings,
) -> list[dict[str, Any]]:
    return vlm_schema.messages(schema, _data_urls(pictures, settings), times, duration_s)


def _data_urls(pictures: NDArray[np.uint8], settings: VlmSettings) -> list[str]:
    urls = []
    for picture in pictures:
        height, width = picture.shape[:2]
        scale = settings.image_size / max(height, width)
        if scale < 1:
            size = (max(round(width * scale), 1), max(round(height * scale), 1))
            picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        _, jpeg = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        urls.append(f"data:image/jpeg;base64,{base64.b64encode(jpeg.tobytes()).decode()}")
    return urls


def _body(
    chat: Sequence[Mapping[str, Any]], schema: Mapping[str, Any], settings: VlmSettings
) -> dict[str, Any]:
    body = {
        "model": settings.model,
        "messages": list(chat),
        "temperature": 0,
        "max_tokens": settings.max_tokens,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "clip_labels", "strict": True, "schema": dict(schema)},
        },
    }
    return {name: value for name, value in {**body, **settings.extra}.items() if value is not None}
