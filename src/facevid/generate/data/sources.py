"""Batches by the number of the step, of pixels or of latents: the same windows, captions and seeds either way."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from facevid.dataset.loading.order import Ints
from facevid.dataset.loading.serving import DamagedClip
from facevid.generate.data.order import Order, Samples
from facevid.generate.data.reading import Read, Request, RequestReader, nothing_readable, reading
from facevid.generate.data.store import LatentStore
from facevid.generate.data.windows import Windows
from facevid.generate.errors import GenerateError
from facevid.generate.training.task import Batch

TEXT = "text."
"""How the names of text features begin in a batch."""


class PixelSource:
    """Batches of pictures and their captions; a BatchSource (see facevid.generate.training.task).

    What a batch is: "video" float32 (B, 3, T, H, W) in [-1, 1]; "caption" list of B, "" where windows have no captions;
    "fps" float32 (B,); "clip_id" list of B; "seed" int64 (B,); "batch_id" str. A clip that cannot be read is warned of
    (DamagedClip) and named in `damaged`, and another window of the same step takes its place, which the seed decides.

    workers: processes that decode; 0 decodes in this one. keep_mib: decoded windows that each keeps in memory.
    """

    def __init__(self, order: Order, *, workers: int = 0, keep_mib: int = 0) -> None:
        self._order, self._workers = order, workers
        self._reader = RequestReader(order.windows, keep_mib=keep_mib)
        self.damaged: dict[str, str] = {}

    @property
    def windows(self) -> Windows:
        return self._order.windows

    @property
    def samples(self) -> int:
        return self._order.samples

    def iterate(
        self, first: int, last: int, *, batch: int, accumulate: int = 1, rank: int = 0, world_size: int = 1
    ) -> Iterator[Batch]:
        """The micro-batches of this rank; see BatchSource. Fixed samples end by themselves, and their last batch of a
        shape may have fewer than asked for."""
        wanted = requests(self._order, first, last, batch, accumulate, rank, world_size)
        # Processes that are started for a batch or two take longer to start than to decode.
        workers = self._workers if (last - first) * accumulate > 2 * self._workers else 0
        for found in reading(self._reader, wanted, workers=workers):
            warn_of(found.faults, self.damaged)
            yield self._batch(found)

    def _batch(self, found: Read) -> Batch:
        windows, said = self.windows, self.windows.captions
        about = described(windows, found.request, found.windows)
        rows = windows.row[found.windows]
        if said is None:
            captions = [""] * len(rows)
        else:
            draws = found.request.samples.draws[found.request.start : found.request.stop]
            captions = said.said(rows, said.chosen(rows, draws))
        return {"video": found.video, "caption": captions, **about}


class LatentSource:
    """Batches of what a store holds; a BatchSource that gives, step by step, the samples of a PixelSource.

    What a batch is: "latents" float32 (B, C, F, h, w) and, where the family takes pictures, "first" (B, C, 1, h, w),
    both normalised; "text.<name>" (B, ...) for each of the family's text features (see `text_in`); "fps" float32 (B,);
    "clip_id" list of B; "seed" int64 (B,); "batch_id" str. Windows that the store lacks, as their clip cannot be read,
    are replaced as a PixelSource replaces them. Only the rows of a batch are read of the files.
    """

    def __init__(self, order: Order, store: LatentStore) -> None:
        self._order, self._store = order, store
        self._sound = bool(store.usable.all())
        self.damaged: dict[str, str] = {}

    @property
    def windows(self) -> Windows:
        return self._order.windows

    @property
    def samples(self) -> int:
        return self._order.samples

    def iterate(
        self, first: int, last: int, *, batch: int, accumulate: int = 1, rank: int = 0, world_size: int = 1
    ) -> Iterator[Batch]:
        """The micro-batches of this rank; see BatchSource and PixelSource."""
        for request in requests(self._order, first, last, batch, accumulate, rank, world_size):
            yield self._batch(request)

    def _batch(self, request: Request) -> Batch:
        windows, said = self.windows, self.windows.captions
        samples = request.samples
        shown = samples.windows[request.start : request.stop]
        if not self._sound:
            shown = np.array([self._usable(samples, k) for k in range(request.start, request.stop)], np.int64)
        rows = windows.row[shown]
        lengths = np.zeros(len(rows), np.int64)
        if said is not None:
            lengths = said.chosen(rows, samples.draws[request.start : request.stop])
        text = {f"{TEXT}{name}": value for name, value in self._store.text(rows, lengths).items()}
        kept = self._store.read(shown) | text
        precise = {k: v.float() if v.is_floating_point() else v for k, v in kept.items()}
        return {**precise, **described(windows, request, shown)}

    def _usable(self, samples: Samples, place: int) -> int:
        candidates = samples.candidates(place)
        for window in candidates:
            if self._store.usable[window]:
                return window
            clip_id = self.windows.clip_ids(np.array([window]))[0]
            warn_of([(clip_id, self._store.unreadable.get(clip_id, "it has no latents"))], self.damaged)
        clips = self.windows.clip_ids(np.array(candidates))
        raise GenerateError(
            nothing_readable(clips, self._store.unreadable.get(clips[-1], "it has no latents"))
        )


def text_in(batch: Batch) -> dict[str, Tensor]:
    """The text features of a batch, by the names that the family gave them."""
    return {k.removeprefix(TEXT): v for k, v in batch.items() if k.startswith(TEXT)}


def requests(
    order: Order, first: int, last: int, batch: int, accumulate: int, rank: int, world_size: int
) -> Iterator[Request]:
    """The micro-batches of a rank: each is a stretch of the step's samples, so that ranks and accumulation change only
    who computes. One that would be empty is left out."""
    if batch < 1 or batch % (accumulate * world_size):
        raise GenerateError(
            f"A batch of {batch} cannot be shared by {world_size} ranks in {accumulate} parts each; "
            f"optimisation.batch must be a multiple of {accumulate * world_size}."
        )
    for step in range(first, last):
        samples = order.at(step, batch)
        if samples is None:
            return
        size = max(batch, len(samples)) // (accumulate * world_size)
        for part in range(accumulate):
            start = (part * world_size + rank) * size
            stop = min(start + size, len(samples))
            if start < stop:
                yield Request(samples, start, stop)


def described(windows: Windows, request: Request, shown: Ints) -> Batch:
    """What every batch says of its samples. shown: int64 (B,), the windows that are in it."""
    samples: Samples = request.samples
    return {
        "fps": torch.full((request.stop - request.start,), windows.fps),
        "clip_id": windows.clip_ids(shown),
        "seed": torch.from_numpy(samples.seeds[request.start : request.stop].copy()),
        "batch_id": f"step {samples.step}, samples {request.start} to {request.stop - 1} of {len(samples)}",
    }


def warn_of(faults: Iterable[tuple[str, str]], damaged: dict[str, str]) -> None:
    """Warn of each clip that could not be read for the first time."""
    for clip_id, reason in faults:
        if clip_id not in damaged:
            damaged[clip_id] = reason
            warnings.warn(
                f"Clip {clip_id} cannot be read and another takes its place ({len(damaged)} such clips so far): "
                f"{reason}",
                DamagedClip,
                stacklevel=3,
            )
