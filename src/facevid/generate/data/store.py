"""Latents and text features of a dataset's windows on disk: made once, found again by what decides them."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor, nn

from facevid.dataset.dataset import Dataset
from facevid.dataset.loading.order import Ints
from facevid.dataset.storage import Folder
from facevid.engine import FolderBusy, Progress, folder_lock, folder_used
from facevid.generate.data.making import make_latents, make_text
from facevid.generate.data.shards import Shards, default_place
from facevid.generate.data.windows import Windows
from facevid.generate.errors import GenerateError
from facevid.generate.families.family import Family
from facevid.generate.families.parts import fingerprint
from facevid.generate.recipe import Data

Precision = Literal["float16", "bfloat16", "float32"]
NOTHING = "nothing"
"""The name of the features of an empty prompt."""
_WAIT_S = 1.0


@dataclass(frozen=True)
class LatentStore:
    """What is known of windows; made by `latent_store`.

    usable: bool (N,), which windows have latents; the others are of clips that could not be read. unreadable: those
    clips, and why. made, reused: windows encoded now, and found. captions: texts encoded now. damaged: shards that
    were damaged and made anew.
    """

    windows: Windows
    latents: Shards
    texts: Shards
    usable: npt.NDArray[np.bool_]
    unreadable: Mapping[str, str]
    made: int
    reused: int
    captions: int
    damaged: tuple[str, ...]
    _place: tuple[Ints, Ints]
    _text_place: tuple[Ints, Ints]

    def read(self, windows: Ints) -> dict[str, Tensor]:
        """ "latents" (B, C, F, h, w) and, where the family takes pictures, "first" (B, C, 1, h, w): normalised, of the
        windows of one bucket, in the type in which they are stored."""
        return self.latents.read(*(p[windows] for p in self._place))

    def text(self, rows: Ints, lengths: Ints) -> dict[str, Tensor]:
        """The features of captions (B, ...): of clips by their number in the dataset, and of lengths."""
        if self.windows.captions is None:
            return {k: v.expand(len(rows), *v.shape[1:]) for k, v in self.no_text().items()}
        at = rows * len(self.windows.captions.lengths) + lengths
        return self.texts.read(*(p[at] for p in self._text_place))

    def no_text(self) -> dict[str, Tensor]:
        """The features of an empty prompt, (1, ...)."""
        return self.texts.read(*self.texts.find(pa.array([NOTHING])))


def latent_store(
    dataset: Dataset,
    windows: Windows,
    family: Family,
    data: Data,
    *,
    folder: Path | None = None,
    precision: Precision = "float16",
    text: bool = True,
    on_progress: Callable[[Progress], None] | None = None,
) -> LatentStore:
    """The latents of all windows and the features of all captions; what is not there yet is made, shard by shard.

    dataset: whose clips the windows are of. data: what they were made by; its workers decode. Call it before frozen
    weights are cast, since their type decides the latents too. folder: where keys are; None is DATASET/.work/latents,
    or the user's cache for a dataset that is not on this machine or cannot be written. Numbers in float16 are off by
    2^-11 of their size at most (2^-25 where they are tiny). text: False makes the latents alone. Processes that ask at
    once wait for each other. Raises GenerateError where no window can be read, or a value is too large for the type;
    StorageError for a full disk; FolderBusy while a takedown runs.
    """
    local = dataset.folder if isinstance(dataset.storage, Folder) else None
    latents, texts = stores_of(dataset, windows, family, folder=folder, precision=precision)
    names, text_names = window_names(windows), caption_names(windows)
    with alone([latents.folder, *([texts.folder] if text else [])], local):
        latents.load(mend=True)
        missing = np.flatnonzero(latents.find(names)[0] < 0)
        needed = np.zeros(0, np.int64)
        if text:
            texts.load(mend=True)
            needed = captions_needed(windows, texts, text_names)
            make_text(windows, family, texts, needed, text_names, getattr(torch, precision), NOTHING)
        unreadable = make_latents(
            windows, family, latents, missing, names, getattr(torch, precision), data.workers, on_progress
        )
    found = latents.find(names)
    usable = found[0] >= 0
    if not usable.any():
        clip_id, reason = next(iter(unreadable.items()))
        raise GenerateError(f"None of the {len(windows)} windows can be read. Clip {clip_id}: {reason}")
    made = int(usable[missing].sum())
    return LatentStore(
        windows, latents, texts, usable, unreadable, made, len(windows) - len(missing), len(needed),
        (*latents.damaged, *texts.damaged), found, texts.find(text_names),
    )  # fmt: skip


def stores_of(
    dataset: Dataset, windows: Windows, family: Family, *, folder: Path | None, precision: Precision
) -> tuple[Shards, Shards]:
    """The folders of latents and of text features that belong to a model and a recipe, not opened yet."""
    local = dataset.folder if isinstance(dataset.storage, Folder) else None
    place = folder if folder is not None else default_place(dataset.location, local)
    of_latents, of_text = _latents_made_of(windows, family, precision), _text_made_of(family, precision)
    return Shards(place / key_of(of_latents), of_latents), Shards(place / key_of(of_text), of_text)


def window_names(windows: Windows) -> pa.Array:
    """How the rows of a store are called: the clip, the bytes it had, start and bucket."""
    rows = pa.array(windows.row)
    table = windows.dataset.rows(["clip_id", "mp4_sha256"]).combine_chunks()
    numbers = [pa.array(n).cast(pa.string()) for n in (windows.start, windows.bucket)]
    clip, content = (table[n].combine_chunks().take(rows) for n in ("clip_id", "mp4_sha256"))
    return pc.binary_join_element_wise(clip, pc.utf8_slice_codeunits(content, 0, 16), *numbers, " ")


def caption_names(windows: Windows) -> pa.Array:
    """For each clip of the dataset and each length: the clip, the length and a digest of the text; null for none."""
    said = windows.captions
    if said is None:
        return pa.array([], pa.string())
    ids = windows.dataset.ids.to_pylist()
    names: list[str | None] = [None] * (len(ids) * len(said.lengths))
    for k, (length, texts) in enumerate(zip(said.lengths, said.texts, strict=True)):
        for row, (clip_id, text) in enumerate(zip(ids, texts.to_pylist(), strict=True)):
            if text is not None:
                digest = hashlib.sha256(text.encode()).hexdigest()[:16]
                names[row * len(said.lengths) + k] = f"{clip_id} {length} {digest}"
    return pa.array(names, pa.string())


def key_of(made_of: Mapping[str, Any]) -> str:
    """The name of the folder for what was made of this."""
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:16]


def _latents_made_of(windows: Windows, family: Family, precision: Precision) -> dict[str, Any]:
    return {
        "what": "latents",
        "family": family.name,
        "autoencoder": _weights(family, ("vae",)),
        "first": "i2v" in family.modes,
        "precision": precision,
        "fps": windows.fps,
        "buckets": [[b.frames, b.height, b.width] for b in windows.buckets],
        # Named only where it is set, so that latents made before keep their names.
        **({} if windows.crop is None else {"crop": windows.crop.model_dump()}),
    }


def _text_made_of(family: Family, precision: Precision) -> dict[str, Any]:
    """A text encoder that learns along decides nothing: then token ids are kept."""
    shapes = {k: list(v.shape[1:]) for k, v in family.text_features([""]).items()}
    return {
        "what": "text",
        "family": family.name,
        "text": _weights(family, ("text_encoder", "tokenizer")),
        "features": shapes,
        "precision": precision,
    }


def _weights(family: Family, kinds: tuple[str, ...]) -> dict[str, str]:
    """A hash of each frozen part whose name begins so."""
    found = {}
    for name, part in sorted(family.parts.items()):
        if part is None or not name.startswith(kinds) or name in family.trained:
            continue
        config = getattr(part, "config", None) if isinstance(part, nn.Module) else None
        told: dict[str, Any] = {}
        if config is not None:
            told = dict(config.to_dict() if hasattr(config, "to_dict") else config)
        told = {k: v for k, v in told.items() if not k.startswith("_") and not k.endswith("_version")}
        text = f"{type(part).__name__} {fingerprint(part)} {json.dumps(told, sort_keys=True, default=str)}"
        found[name] = hashlib.sha256(text.encode()).hexdigest()
    return found


def captions_needed(windows: Windows, texts: Shards, names: pa.Array) -> Ints:
    """Which captions, by their place in `names`, windows may show and nobody has features of yet."""
    shown = captions_shown(windows, names)
    return shown[texts.find(names.take(pa.array(shown)))[0] < 0]


def captions_shown(windows: Windows, names: pa.Array) -> Ints:
    """Which captions, by their place in `names`, windows may show."""
    said = windows.captions
    if said is None:
        return np.zeros(0, np.int64)
    shown = np.zeros(len(windows.dataset), bool)
    shown[windows.clips] = True
    return np.flatnonzero(np.repeat(shown, len(said.lengths)) & np.asarray(pc.is_valid(names), bool))


@contextmanager
def alone(folders: Sequence[Path], dataset: Path | None) -> Iterator[None]:
    """Hold the folders, waiting for another process that makes the same; no takedown runs meanwhile."""
    with ExitStack() as stack:
        if dataset is not None:
            stack.enter_context(folder_used(dataset))
        for folder in sorted(folders):
            while True:
                try:
                    stack.enter_context(folder_lock(folder))
                    break
                except FolderBusy:
                    time.sleep(_WAIT_S)
        yield
