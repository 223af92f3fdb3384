"""Makes the latents and text features that a store lacks on the workers of an executor, a shard for each item."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from facevid.dataset.dataset import Dataset
from facevid.dataset.loading.order import Ints
from facevid.dataset.storage import Folder
from facevid.engine import Item, Ledger, Outcome, Progress, Resources, open_executor
from facevid.generate.data.encoding import ENCODE, UNUSABLE, Encoding
from facevid.generate.data.making import about_of
from facevid.generate.data.shards import SHARD_BYTES, Shards
from facevid.generate.data.store import NOTHING, alone, caption_names, captions_shown, window_names
from facevid.generate.data.windows import Windows
from facevid.generate.errors import GenerateError

STRETCH_PIXELS = 1 << 28
"""Pixels of the windows of a stretch: some minutes of one core's work, which is what a kill may cost."""
_MOST_PIXELS = 1 << 32
_STRETCHES = 256
"""Stretches of a bucket up to which they stay that small: every shard is an open file of each training."""
_MOST_CAPTIONS = 4096


@dataclass(frozen=True)
class Fleet:
    """Where workers run, as `facevid.engine.open_executor` takes it; resources: fields of its `Resources`."""

    executor: str = "local"
    address: str | None = None
    workers: int | None = None
    resources: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Made:
    """What workers made. made, reused: windows. captions: texts. unreadable: clips, and why. devices: where."""

    made: int = 0
    reused: int = 0
    captions: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)
    devices: set[str] = field(default_factory=set)


def make_on(
    fleet: Fleet,
    encoding: Encoding,
    dataset: Dataset,
    windows: Windows,
    latents: Shards,
    texts: Shards | None,
    *,
    text_bytes: int,
    on_progress: Callable[[Progress], None] | None,
) -> Made:
    """Fill the stores; which rows a shard holds, and its number, follow from the windows and what is there alone.

    texts: None where no text features are kept; text_bytes: of one row of them. Raises GenerateError where nothing can
    be read or kept, SetupError where a worker cannot load the encoders, StorageError, FolderBusy.
    """
    local = dataset.folder if isinstance(dataset.storage, Folder) else None
    folders = [latents.folder, *([] if texts is None else [texts.folder])]
    with alone(folders, local), Ledger(latents.folder / "ledger.sqlite") as ledger:
        found = _Run(windows, latents, texts, None if local is None else str(local), text_bytes)
        items = found.items()
        tell = _teller(found.made, len(windows), on_progress)
        tell(0)
        if items:
            with open_executor(
                fleet.executor, workers=fleet.workers, address=fleet.address, lock=latents.folder / "lock",
                log=latents.folder / "worker.log", threads=Resources(**fleet.resources).threads,
                resources={ENCODE.name: fleet.resources},
            ) as executor:  # fmt: skip
                for outcome in executor.run(ENCODE, items, encoding, ledger, retry_failed=True):
                    tell(found.take(outcome))
    made = found.made
    if not made.made and not made.reused:
        clip_id, reason = next(iter(made.unreadable.items()))
        raise GenerateError(f"None of the {len(windows)} windows can be read. Clip {clip_id}: {reason}")
    return made


class _Run:
    """The items of one run, and what comes of them."""

    def __init__(
        self, windows: Windows, latents: Shards, texts: Shards | None, place: str | None, text_bytes: int
    ) -> None:
        self._windows, self._latents, self._texts = windows, latents, texts
        self._place, self._text_bytes = place, text_bytes
        self._payloads: dict[str, dict[str, Any]] = {}
        self.made = Made()

    def items(self) -> list[Item]:
        """Captions first, then windows by bucket."""
        payloads = (
            [] if self._texts is None else self._numbered(self._texts, list(self._of_text(self._texts)))
        )
        self._latents.load(mend=True)
        payloads += self._numbered(self._latents, list(self._of_windows()))
        self._payloads = dict(payloads)
        return [Item(key, payload) for key, payload in payloads]

    def take(self, outcome: Outcome) -> int:
        """Take in what came of an item; how many windows that settles."""
        payload, value = self._payloads[outcome.key], outcome.value
        if outcome.kind == UNUSABLE or (outcome.status != "ok" and payload["what"] == "text"):
            raise GenerateError(outcome.message or "The captions could not be encoded.")
        of_windows = len(payload["names"]) if payload["what"] == "latents" else 0
        if outcome.status != "ok":
            self.made.unreadable.update(dict.fromkeys(payload["clips"], outcome.message or str(outcome.kind)))
            return of_windows
        self.made.unreadable.update(value["unreadable"])
        self.made.devices.add(value["device"])
        if payload["what"] == "text":
            assert self._texts is not None
            self._texts.add(value["shard"])
            self.made.captions += sum(name != NOTHING for name in payload["names"])
        elif value["shard"] is not None:
            self._latents.add(value["shard"])
            self.made.made += value["shard"]["rows"]
        return of_windows

    def _numbered(
        self, shards: Shards, payloads: list[tuple[str, dict[str, Any]]]
    ) -> list[tuple[str, dict[str, Any]]]:
        numbers = shards.unused(len(payloads))
        more = [{"_out": str(shards.place(n).absolute()), "_dataset": self._place} for n in numbers]
        return [(key, payload | paths) for (key, payload), paths in zip(payloads, more, strict=True)]

    def _of_text(self, texts: Shards) -> Iterator[tuple[str, dict[str, Any]]]:
        texts.load(mend=True)
        about = about_of(self._windows)
        if texts.find(pa.array([NOTHING]))[0][0] < 0:
            yield "text nothing", {"what": "text", "names": [NOTHING], "texts": [""], "about": about}
        said = self._windows.captions
        if said is None:
            return
        names = caption_names(self._windows)
        shown = captions_shown(self._windows, names)
        lacking = texts.find(names.take(pa.array(shown)))[0] < 0
        size = max(1, min(_MOST_CAPTIONS, SHARD_BYTES // max(1, self._text_bytes)))
        for number, (some, lacks) in enumerate(_stretches(shown, lacking, size)):
            wanted = some[lacks]
            if len(wanted):
                words = said.said(wanted // len(said.lengths), wanted % len(said.lengths))
                called = names.take(pa.array(wanted)).to_pylist()
                yield f"text {number}", {"what": "text", "names": called, "texts": words, "about": about}

    def _of_windows(self) -> Iterator[tuple[str, dict[str, Any]]]:
        windows, names = self._windows, window_names(self._windows)
        missing = self._latents.find(names)[0] < 0
        self.made.reused = int((~missing).sum())
        about = about_of(windows)
        for bucket in np.unique(windows.bucket).tolist():
            every = np.flatnonzero(windows.bucket == bucket)
            size = stretch_size(windows, bucket, len(every))
            for number, (some, lacks) in enumerate(_stretches(every, missing[every], size)):
                wanted = some[lacks]
                if len(wanted):
                    yield f"latents {bucket} {number}", {
                        "what": "latents", "bucket": bucket, "names": names.take(pa.array(wanted)).to_pylist(),
                        "clips": windows.clip_ids(wanted), "starts": windows.start[wanted].tolist(),
                        "about": about | {"bucket": bucket},
                    }  # fmt: skip


def stretch_size(windows: Windows, bucket: int, count: int) -> int:
    """Windows of a stretch of a bucket that has `count` of them."""
    shape = windows.buckets[bucket]
    pixels = shape.frames * shape.height * shape.width
    least, most = max(1, STRETCH_PIXELS // pixels), max(1, _MOST_PIXELS // pixels)
    return min(max(least, -(-count // _STRETCHES)), most)


def _stretches(places: Ints, lacking: Any, size: int) -> Iterator[tuple[Ints, Any]]:
    """Stretches of `size` places each, with which of them are lacking: the same stretches, whatever is there."""
    for start in range(0, len(places), size):
        yield places[start : start + size], lacking[start : start + size]


def _teller(made: Made, total: int, on_progress: Callable[[Progress], None] | None) -> Callable[[int], None]:
    began, settled = time.monotonic(), 0

    def tell(windows: int) -> None:
        nonlocal settled
        settled += windows
        if on_progress is not None:
            done = made.reused + settled
            failed = settled - made.made
            seconds = time.monotonic() - began
            on_progress(Progress("latents", done, total, done - failed, 0, failed, made.reused, 0.0, seconds))

    return tell


__all__ = ["Fleet", "Made", "make_on", "stretch_size"]
