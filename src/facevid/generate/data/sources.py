"""Batches by the number of the step, of pixels or of latents: the same windows, captions and seeds either way."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from facevid.dataset.loading.order import Ints
from facevid.dataset.loading.serving import DamagedClip
from facevid.generate.data.ahead import ahead
from facevid.generate.data.making import device_of, encoded
from facevid.generate.data.order import Order, Samples
from facevid.generate.data.reading import Read, Request, nothing_readable, reading
from facevid.generate.data.store import LatentStore
from facevid.generate.data.windows import Windows
from facevid.generate.errors import GenerateError
from facevid.generate.families.family import Family
from facevid.generate.training.task import Batch

TEXT = "text."
"""How the names of text features begin in a batch."""
_AHEAD = 3


class PixelSource:
    """Batches of pictures and their captions; a BatchSource (see facevid.generate.training.task).

    What a batch is: "video" float32 (B, 3, T, H, W) in [-1, 1]; "caption" list of B, "" where windows have no captions;
    "fps" float32 (B,); "clip_id" list of B; "seed" int64 (B,); "batch_id" str. A clip that cannot be read is warned of
    (DamagedClip) and named in `damaged`, and another window of the same step takes its place, which the seed decides.

    workers: processes that decode; 0 decodes ahead in a thread. pin_memory: for quick copies to a GPU.
    """

    def __init__(self, order: Order, *, workers: int = 0, pin_memory: bool = False) -> None:
        self._order, self._workers, self._pin = order, workers, pin_memory
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
        read = reading(self.windows, wanted, workers=self._workers, pin_memory=self._pin)
        for found in read if self._workers else ahead(read, _AHEAD):
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


class EncodedSource:
    """Batches of a PixelSource, encoded on the fly by the frozen parts of a family, on its device.

    What a batch is: "latents" float32 (B, C, F, h, w) and, where the family takes pictures, "first" (B, C, 1, h, w),
    both normalised; "text.<name>" (B, ...) for each of the family's text features (see `text_in`); "fps", "clip_id",
    "seed" and "batch_id".
    """

    def __init__(self, pixels: PixelSource, family: Family) -> None:
        self._pixels, self._family = pixels, family

    @property
    def samples(self) -> int:
        return self._pixels.samples

    def iterate(
        self, first: int, last: int, *, batch: int, accumulate: int = 1, rank: int = 0, world_size: int = 1
    ) -> Iterator[Batch]:
        """The micro-batches of this rank; see BatchSource."""
        found = self._pixels.iterate(
            first, last, batch=batch, accumulate=accumulate, rank=rank, world_size=world_size
        )
        device = device_of(self._family)
        for one in found:
            video, captions = one.pop("video").to(device), one.pop("caption")
            latents = {k: v.float() for k, v in encoded(self._family, video).items()}
            with torch.no_grad():
                text = self._family.text_features(captions)
            yield {**latents, **{f"{TEXT}{k}": v for k, v in text.items()}, **one}


class LatentSource:
    """Batches of what a store holds, read ahead in a thread: those of an EncodedSource, to within the rounding of the
    store's type; floating point text features come in that type.

    Windows that the store lacks, as their clip cannot be read, are replaced as a PixelSource replaces them.
    """

    def __init__(self, order: Order, store: LatentStore, *, pin_memory: bool = False) -> None:
        self._order, self._store, self._pin = order, store, pin_memory
        self._sound = bool(store.usable.all())
        self.damaged: dict[str, str] = {}

    @property
    def samples(self) -> int:
        return self._order.samples

    def iterate(
        self, first: int, last: int, *, batch: int, accumulate: int = 1, rank: int = 0, world_size: int = 1
    ) -> Iterator[Batch]:
        """The micro-batches of this rank; see BatchSource."""
        wanted = requests(self._order, first, last, batch, accumulate, rank, world_size)
        device = torch.cuda.current_device() if self._pin else None
        yield from ahead((self._batch(one, device) for one in wanted), _AHEAD)

    def _batch(self, request: Request, device: int | None) -> Batch:
        windows, said = self._order.windows, self._order.windows.captions
        samples = request.samples
        shown = samples.windows[request.start : request.stop]
        if not self._sound:
            shown = np.array([self._usable(samples, k) for k in range(request.start, request.stop)], np.int64)
        rows = windows.row[shown]
        lengths = np.zeros(len(rows), np.int64)
        if said is not None:
            lengths = said.chosen(rows, samples.draws[request.start : request.stop])
        tensors = {k: v.float() for k, v in self._store.read(shown).items()}
        tensors |= {f"{TEXT}{k}": v for k, v in self._store.text(rows, lengths).items()}
        if device is not None:
            with torch.cuda.device(device):  # a new thread would take the first
                tensors = {k: v.pin_memory() for k, v in tensors.items()}
        return {**tensors, **described(windows, request, shown)}

    def _usable(self, samples: Samples, place: int) -> int:
        candidates = samples.candidates(place)
        for window in candidates:
            if self._store.usable[window]:
                return window
            clip_id = self._order.windows.clip_ids(np.array([window]))[0]
            warn_of([(clip_id, self._store.unreadable.get(clip_id, "it has no latents"))], self.damaged)
        clips = self._order.windows.clip_ids(np.array(candidates))
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
    size = batch // (accumulate * world_size)
    for step in range(first, last):
        samples = order.at(step, batch)
        if samples is None:
            return
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
