"""The map step of `facevid latents`: a worker encodes a stretch of windows or captions and writes the shard of it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from facevid.dataset import open
from facevid.dataset.dataset import Dataset
from facevid.engine import Step, StepError, worker_threads
from facevid.generate.data.ahead import ahead
from facevid.generate.data.making import CAPTIONS, device_of, encoded, kept_as, requests_of
from facevid.generate.data.reading import RequestReader, reading
from facevid.generate.data.shards import write_shard
from facevid.generate.data.store import Precision, stores_of
from facevid.generate.data.windows import Windows
from facevid.generate.errors import GenerateError
from facevid.generate.families.family import Family
from facevid.generate.recipe import TrainRecipe, read_recipe

_TOKENS = 8  # of a tokenizer that nobody asks
_LIBRARIES = ("torch", "diffusers", "transformers")
UNUSABLE = "unusable"
"""The kind of a failure that is no clip's fault, and ends the run."""
# A video autoencoder on one core may take minutes for a window: only what hangs may come to this.
_START_S, _ROW_S = 3600.0, 1800.0


@dataclass(frozen=True)
class Encoding:
    """What a worker is told once. Takes the place of the recipe in `facevid.engine`.

    recipe: of the training, as JSON. model: folder of a trained model, whose encoders are taken. device: None for cuda
    where there is one. dataset: where it lies. made_of: what decides latents and text features, as the driver's parts
    have it. versions: of the driver's libraries, on which features depend.
    """

    recipe: str
    model: str | None
    device: str | None
    precision: Precision
    dataset: str
    made_of: str
    versions: tuple[tuple[str, str], ...]

    def subset(self, names: tuple[str, ...]) -> dict[str, Any]:
        """No fields: an answer stands in the index of the shards, and is asked for only where it is lacking."""
        return {}


@dataclass(frozen=True)
class _Encoder:
    family: Family
    recipe: TrainRecipe
    dataset: Dataset
    dtype: torch.dtype


def encoding_of(
    recipe: TrainRecipe,
    model: str | None,
    device: str | None,
    precision: Precision,
    dataset: Dataset,
    made_of: Sequence[Mapping[str, Any]],
) -> Encoding:
    """What workers are told, by the process that begins the run."""
    return Encoding(
        json.dumps(recipe.model_dump(mode="json")), model, device, precision, dataset.location, _canonical(made_of),
        _versions(),
    )  # fmt: skip


def load_encoder(encoding: Encoding) -> None:
    """Load the encoders; a worker calls it once. Raises GenerateError where they are not those of the driver."""
    _encoder(encoding)


@lru_cache(maxsize=1)
def _encoder(encoding: Encoding) -> _Encoder:
    here = socket.gethostname()
    if (own := _versions()) != encoding.versions:
        there = ", ".join(f"{n} {v}" for n, v in encoding.versions)
        raise GenerateError(
            f"Machine {here} has {', '.join(f'{n} {v}' for n, v in own)}, and the machine that began this run has "
            f"{there}; install the same versions on every machine."
        )
    recipe = read_recipe(json.loads(encoding.recipe))
    family, _ = encoders_of(recipe, encoding.model)
    family.to(device_named(encoding.device))
    dataset = open(encoding.dataset)
    nothing = np.zeros(0, np.int64)
    windows = _windows(dataset.take([]), recipe, nothing, nothing, nothing)
    found = stores_of(dataset, windows, family, folder=Path(), precision=encoding.precision)
    if _canonical([store.made_of for store in found]) != encoding.made_of:
        raise GenerateError(
            f"Machine {here} has other weights for {encoding.model or recipe.name} than the machine that began this "
            "run; put the same files on every machine, or on a file system that they share."
        )
    return _Encoder(family, recipe, dataset, getattr(torch, encoding.precision))


def encode_step(payload: dict[str, Any], encoding: Encoding) -> dict[str, Any]:
    """Encode what the payload names and write it as the shard `payload["_out"]`.

    Returns {"shard": what the index is to say of it, None where no window could be read; "unreadable": clip -> why;
    "device": where}. Raises StepError where the encoder's numbers cannot be kept.
    """
    encoder = _encoder(encoding)
    unreadable: dict[str, str] = {}
    names: list[str] = []
    pieces: dict[str, list[Tensor]] = {}
    try:
        for some, tensors in _rows(encoder, payload, unreadable):
            names += some
            for name, tensor in tensors.items():
                pieces.setdefault(name, []).append(kept_as(tensor.detach(), encoder.dtype, some).cpu())
    except GenerateError as error:
        raise StepError(UNUSABLE, str(error)) from error
    shard = None
    if names:
        whole = {name: torch.cat(each) for name, each in pieces.items()}
        shard = write_shard(Path(payload["_out"]), names, whole, payload["about"])
    return {"shard": shard, "unreadable": unreadable, "device": str(device_of(encoder.family))}


ENCODE = Step(
    name="latents",
    version=1,
    function=encode_step,
    timeout_s=lambda payload: _START_S + _ROW_S * len(payload["names"]),
    setup=load_encoder,
    inputs=lambda payload: [payload["_dataset"]] if payload["_dataset"] else [],
    outputs=lambda payload, value: [(Path(payload["_out"]), None)],
)


def _rows(
    encoder: _Encoder, payload: dict[str, Any], unreadable: dict[str, str]
) -> Iterable[tuple[list[str], Mapping[str, Tensor]]]:
    """Names and tensors of rows, batch by batch."""
    names: list[str] = payload["names"]
    if payload["what"] == "text":
        for start in range(0, len(names), CAPTIONS):
            some = slice(start, start + CAPTIONS)
            yield names[some], encoder.family.text_features(payload["texts"][some])
        return
    ids, place = np.unique(np.array(payload["clips"]), return_inverse=True)
    rows = np.asarray(pc.index_in(pa.array(ids), value_set=encoder.dataset.ids).fill_null(-1), np.int64)
    if (rows < 0).any():
        raise GenerateError(
            f"{encoder.dataset.location} has no clip {ids[int((rows < 0).argmax())]} any more: it was changed while "
            "its latents are made. Run the same again."
        )
    order = np.argsort(rows)
    some_clips = encoder.dataset.take(rows[order].tolist())
    row = np.argsort(order)[place].astype(np.int64)
    bucket = np.full(len(row), payload["bucket"], np.int64)
    windows = _windows(some_clips, encoder.recipe, row, np.array(payload["starts"], np.int64), bucket)
    wanted = requests_of(windows, np.arange(len(row)), payload["bucket"])
    device = device_of(encoder.family)
    decoding = worker_threads() if device.type == "cuda" and worker_threads() > 1 else 0
    read = reading(RequestReader(windows), wanted, workers=decoding)
    for found in read if decoding else ahead(read, 2):
        unreadable.update(found.faults)
        there = found.windows >= 0
        if there.any():
            video = found.video[torch.from_numpy(there)].to(device)
            yield [names[int(n)] for n in found.windows[there]], encoded(encoder.family, video)


def _windows(dataset: Dataset, recipe: TrainRecipe, row: Any, start: Any, bucket: Any) -> Windows:
    data = recipe.data
    return Windows(dataset, data.fps, tuple(data.buckets), row, start, bucket, None, 0, 0, crop=data.crop)


def encoders_of(recipe: TrainRecipe, model: str | None) -> tuple[Family, bool]:
    """The family, and whether its text features are worth keeping: those of a frozen text encoder."""
    from facevid.generate.families.loading import build_family, load_family
    from facevid.generate.quiet import without_bars
    from facevid.generate.text import train_tokenizer

    if model is not None:
        with without_bars():
            family = load_family(model)
    else:
        assert recipe.model is not None
        own = recipe.model.family == "facevid" and recipe.model.pretrained is None
        anew = own and "tokenizer" not in recipe.model.config
        # A training makes its own from its captions, and nothing of it is kept here.
        tokenizer = train_tokenizer(["a face"], length=_TOKENS) if anew else None
        with without_bars():
            family = build_family(recipe.model, times=recipe.times, seed=recipe.seed, tokenizer=tokenizer)
    return family, "text_encoder" not in family.trained


def device_named(named: str | None) -> torch.device:
    """The device of this name, or cuda where there is one, else the CPU. Raises GenerateError."""
    found = known_device(named or ("cuda" if torch.cuda.is_available() else "cpu"))
    if found.type == "cuda" and not torch.cuda.is_available():
        raise GenerateError("There is no CUDA device here that torch can use; leave it out, or take cpu.")
    return found


def known_device(named: str) -> torch.device:
    """A device by its name, be it here or not. Raises GenerateError."""
    try:
        return torch.device(named)
    except RuntimeError:
        raise GenerateError(f"There is no device {named!r}; allowed: cpu, cuda, cuda:1, ...") from None


def _versions() -> tuple[tuple[str, str], ...]:
    return tuple((name, metadata.version(name)) for name in _LIBRARIES)


def _canonical(made_of: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps([dict(one) for one in made_of], sort_keys=True)
