"""Encodes the windows and captions that a store lacks, and writes a shard whenever one is full or has taken long."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from facevid.dataset.loading.order import Ints
from facevid.dataset.published import MANIFEST
from facevid.engine import Progress
from facevid.generate.data.ahead import ahead
from facevid.generate.data.order import Samples
from facevid.generate.data.reading import Request, RequestReader, reading
from facevid.generate.data.shards import SHARD_BYTES, Shards
from facevid.generate.data.windows import Windows
from facevid.generate.errors import GenerateError
from facevid.generate.families.family import Family, modules

_SHARD_S = 300.0  # seconds of work that a kill may cost
_PIXELS = 1 << 21  # of a batch that is encoded at once
_LARGEST_BATCH = 32
CAPTIONS = 64


def make_latents(
    windows: Windows,
    family: Family,
    shards: Shards,
    missing: Ints,
    names: pa.Array,
    dtype: torch.dtype,
    workers: int,
    on_progress: Callable[[Progress], None] | None,
) -> dict[str, str]:
    """Encode the windows `missing`, rising; gives the clips that cannot be read, and why."""
    unreadable: dict[str, str] = {}
    device = device_of(family)
    about = about_of(windows)
    reused = len(windows) - len(missing)
    done, failed, began = reused, 0, time.monotonic()

    def tell() -> None:
        if on_progress is not None:
            seconds = time.monotonic() - began
            on_progress(
                Progress("latents", done, len(windows), done - failed, 0, failed, reused, 0.0, seconds)
            )

    tell()
    if not len(missing):
        return unreadable
    reader = RequestReader(windows)
    for bucket in np.unique(windows.bucket[missing]).tolist():
        wanted = missing[windows.bucket[missing] == bucket]
        full = _Full(shards, dtype, about | {"bucket": bucket})
        read = reading(reader, requests_of(windows, wanted, bucket), workers=workers)
        for found in read if workers else ahead(read, 2):
            unreadable.update(found.faults)
            there = found.windows >= 0
            if there.any():
                video = found.video[torch.from_numpy(there)].to(device)
                full.add(names.take(pa.array(found.windows[there])).to_pylist(), encoded(family, video))
            done += len(there)
            failed += int((~there).sum())
            tell()
        full.flush()
    return unreadable


def encoded(family: Family, video: Tensor) -> dict[str, Tensor]:
    """ "latents" of the video (B, 3, T, H, W) and, where the family takes pictures, "first": its first picture encoded
    alone. Both normalised."""
    with torch.no_grad():
        found = {"latents": family.encode(video)}
        if "i2v" in family.modes:
            found["first"] = family.encode(video[:, :, :1])
    return found


def make_text(
    windows: Windows,
    family: Family,
    shards: Shards,
    needed: Ints,
    names: pa.Array,
    dtype: torch.dtype,
    nothing: str,
) -> None:
    """Keep the features of the captions `needed`, by their place in `names`, and of an empty prompt."""
    full = _Full(shards, dtype, about_of(windows))
    if shards.find(pa.array([nothing]))[0][0] < 0:
        full.add([nothing], family.text_features([""]))
    said = windows.captions
    for start in range(0, len(needed), CAPTIONS):
        if said is None:
            break
        some = needed[start : start + CAPTIONS]
        texts = said.said(some // len(said.lengths), some % len(said.lengths))
        full.add(names.take(pa.array(some)).to_pylist(), family.text_features(texts))
    full.flush()


class _Full:
    """Rows that wait until they fill a shard."""

    def __init__(self, shards: Shards, dtype: torch.dtype, about: Mapping[str, object]) -> None:
        self._shards, self._dtype, self._about = shards, dtype, about
        self._clear()

    def _clear(self) -> None:
        self._names: list[str] = []
        self._tensors: dict[str, list[Tensor]] = {}
        self._bytes, self._since = 0, time.monotonic()

    def add(self, names: Sequence[str], tensors: Mapping[str, Tensor]) -> None:
        for name, tensor in tensors.items():
            kept = kept_as(tensor.detach(), self._dtype, names).cpu()
            self._tensors.setdefault(name, []).append(kept)
            self._bytes += kept.numel() * kept.element_size()
        self._names += names
        if self._bytes >= SHARD_BYTES or time.monotonic() - self._since > _SHARD_S:
            self.flush()

    def flush(self) -> None:
        if self._names:
            whole = {name: torch.cat(pieces) for name, pieces in self._tensors.items()}
            self._shards.write(self._names, whole, self._about)
        self._clear()


def kept_as(tensor: Tensor, dtype: torch.dtype, names: Sequence[str]) -> Tensor:
    """Floating point numbers in the type that is kept; others as they are."""
    if not tensor.is_floating_point():
        return tensor
    kept = tensor.to(dtype)
    bad = ~torch.isfinite(kept).flatten(1).all(dim=1)
    if bad.any():
        which = names[int(bad.nonzero()[0])].split(" ")[0]
        largest = float(tensor[bad].abs().max())
        raise GenerateError(
            f"What the encoder makes of {which} cannot be kept as {str(dtype).removeprefix('torch.')} (largest number "
            f'{largest:g}); take precision="bfloat16" or "float32", or another encoder if these are no numbers.'
        )
    return kept


def requests_of(windows: Windows, wanted: Ints, bucket: int) -> Iterator[Request]:
    """Requests for windows as they lie in the shards, of a size that the shape allows."""
    shape = windows.buckets[bucket]
    size = min(max(_PIXELS // (shape.frames * shape.height * shape.width), 1), _LARGEST_BATCH)
    for number, start in enumerate(range(0, len(wanted), size)):
        some = wanted[start : start + size]
        nothing = np.zeros(len(some))
        yield Request(
            Samples(number, bucket, some, nothing.astype(np.int64), nothing), 0, len(some), replace=False
        )


def about_of(windows: Windows) -> dict[str, str]:
    manifest = windows.dataset.storage.beside(MANIFEST) or b""
    return {"dataset": windows.dataset.name, "dataset_sha256": hashlib.sha256(manifest).hexdigest()}


def device_of(family: Family) -> torch.device:
    """Where the parts of a family are."""
    for part in modules(family).values():
        for weight in part.parameters():
            return weight.device
    return torch.device("cpu")
