"""`facevid.latents`: encodes a dataset's windows once, so that trainings read latents instead of video."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch

from facevid.dataset import open
from facevid.dataset.dataset import Dataset
from facevid.dataset.sharing.choose import choose
from facevid.engine import Progress, check_executor
from facevid.generate.data.encoding import (
    Encoding,
    device_named,
    encoders_of,
    encoding_of,
    known_device,
)
from facevid.generate.data.making import device_of, encoded
from facevid.generate.data.shards import Shards
from facevid.generate.data.store import (
    LatentStore,
    Precision,
    caption_names,
    captions_needed,
    latent_store,
    stores_of,
    window_names,
)
from facevid.generate.data.windows import Windows, windows_of
from facevid.generate.data.workers import Fleet, make_on
from facevid.generate.errors import GenerateError
from facevid.generate.families.family import Family
from facevid.generate.recipe import TrainRecipe, read_recipe
from facevid.generate.words.folder import parts_named
from facevid.recipe import read_needs


@dataclass(frozen=True)
class LatentsSummary:
    """What `latents` made, or with dry_run would make.

    folder: of the latents; text_folder: of the text features, None where the text encoder is trained along with the
    model, so that there is nothing to keep. windows: all there are, of so many clips. made, reused: windows encoded now
    and found; a dry run made none, and `missing` says how many it would. captions: texts encoded now, or that would be.
    too_short, no_caption: clips left out. unreadable: clips that cannot be read, and why. damaged: shards that were
    damaged and made anew. bytes: of all shards; of a dry run about those that it would add.
    """

    dataset: str
    model: str
    folder: str
    text_folder: str | None
    windows: int
    clips: int
    made: int
    reused: int
    missing: int
    captions: int
    too_short: int
    no_caption: int
    unreadable: Mapping[str, str]
    damaged: Sequence[str]
    bytes: int
    seconds: float
    device: str
    dry_run: bool

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def latents(
    dataset: str | os.PathLike[str] | Dataset,
    *,
    recipe: str | Path | Mapping[str, Any] | TrainRecipe | None = None,
    model: str | os.PathLike[str] | None = None,
    autoencoder: str | os.PathLike[str] | None = None,
    text: str | os.PathLike[str] | None = None,
    output: str | os.PathLike[str] | None = None,
    changes: Sequence[str] = (),
    where: str | None = None,
    subset: str | None = None,
    split: str | None = None,
    precision: Precision = "float16",
    device: str | None = None,
    workers: int | None = None,
    executor: str = "local",
    address: str | None = None,
    resources: Mapping[str, Any] | Sequence[str] = (),
    dry_run: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> LatentsSummary:
    """Encode the windows and captions of a dataset's clips as a training would, and keep them for every later one.

    recipe: name, file or mapping of a recipe of training, with `changes` such as "data.windows=8". model: folder of a
    trained model, whose encoders are taken, and whose recipe where none is given. autoencoder: takes the place of
    the recipe's `model.autoencoder`; text: of its text encoder and tokenizer, a folder of the recipe `text`.
    output: folder to write in; None is DATASET/.work/latents, from where a takedown removes what it must. where,
    subset, split: only some clips. precision: "float16", "bfloat16" or "float32". device: "cuda" where there is one,
    else "cpu". A killed run goes on when called again.

    workers: processes that encode, each a stretch of windows after the other, with encoders of its own and one thread;
    None encodes in this one, and so does 0, by the same stretches. executor, address: where workers run, as in
    `facevid.build`; resources: what each takes up there, such as {"gpus": 0.5}, or ["gpus=0.5"]; `cpus` are also its
    threads. With workers the files are the same, byte for byte, however many there are, on devices of one kind.

    Raises GenerateError where the model or the recipe cannot be used, or no window can be read; DatasetError where no
    clip is chosen; SetupError where workers cannot start; StorageError, FolderBusy.
    """
    began = time.monotonic()
    check_executor(executor, address)
    fleet = _fleet(workers, executor, address, resources)
    if precision not in get_args(Precision):
        raise GenerateError(
            f"There is no precision {precision!r}; allowed: {', '.join(get_args(Precision))}."
        )
    wanted = _recipe(recipe, model, changes, autoencoder, text)
    opened = dataset if isinstance(dataset, Dataset) else open(dataset)
    chosen = choose(opened, where=where, subset=subset, split=split).dataset
    windows = windows_of(chosen, wanted.data, captions=wanted.conditioning.drop_prompt < 1)
    named = None if model is None else os.fspath(model)
    family, frozen = encoders_of(wanted, named)
    for bucket in wanted.data.buckets:
        family.check(bucket.frames, bucket.height, bucket.width)
    if fleet is None or dry_run:
        family.to(device_named(device))
    elif device is not None:
        known_device(device)  # workers may have what is not here
    folder = None if output is None else Path(output)
    if fleet is None or dry_run:
        count = _would_make if dry_run else _made
        counted = count(chosen, windows, family, wanted, folder, precision, frozen, on_progress)
    else:
        latents, texts = stores_of(chosen, windows, family, folder=folder, precision=precision)
        encoding = encoding_of(wanted, named, device, precision, opened, (latents.made_of, texts.made_of))
        counted = _made_by_workers(
            chosen, windows, fleet, encoding, latents, texts if frozen else None,
            _bytes(family.text_features([""]), precision), on_progress,
        )  # fmt: skip
    return LatentsSummary(
        dataset=opened.location,
        model=str(model or wanted.name),
        windows=len(windows),
        clips=len(windows.clips),
        too_short=windows.too_short,
        no_caption=windows.no_caption,
        seconds=round(time.monotonic() - began, 3),
        dry_run=dry_run,
        **{"device": str(device_of(family)), **counted},
    )


def _recipe(
    recipe: Any,
    model: Any,
    changes: Sequence[str],
    autoencoder: str | os.PathLike[str] | None,
    text: str | os.PathLike[str] | None,
) -> TrainRecipe:
    from facevid.generate.model_folder import open_model

    changed = list(changes)
    for what, given in (("autoencoder", autoencoder), ("text encoder", text)):
        if given is not None and model is not None:
            raise GenerateError(f"A trained model has its own {what}: give a model or that, not both.")
    changed += parts_named(autoencoder, text)
    if recipe is None:
        if model is None:
            raise GenerateError(
                "Name a recipe, which says what windows are encoded by what, or a trained model."
            )
        recipe = open_model(os.fspath(model)).facts.get("recipe")
        if recipe is None:
            raise GenerateError(f"{model} was not trained by facevid, so name a recipe too, for its windows.")
    source = recipe.model_dump(mode="json") if isinstance(recipe, TrainRecipe) else recipe
    found = read_recipe(source, changed)
    if found.model is None:
        raise GenerateError(
            f"The recipe {found.name} trains no model of videos, so it learns from pictures, not latents."
        )
    return found


def _made(
    dataset: Dataset,
    windows: Windows,
    family: Family,
    recipe: TrainRecipe,
    folder: Path | None,
    precision: Precision,
    text: bool,
    on_progress: Callable[[Progress], None] | None,
) -> dict[str, Any]:
    store: LatentStore = latent_store(
        dataset, windows, family, recipe.data, folder=folder, precision=precision, text=text, on_progress=on_progress
    )  # fmt: skip
    return {
        "folder": str(store.latents.folder),
        "text_folder": str(store.texts.folder) if text else None,
        "made": store.made,
        "reused": store.reused,
        "missing": len(windows) - store.made - store.reused,
        "captions": store.captions,
        "unreadable": dict(store.unreadable),
        "damaged": list(store.damaged),
        "bytes": store.latents.bytes + (store.texts.bytes if text else 0),
    }


def _fleet(
    workers: int | None, executor: str, address: str | None, resources: Mapping[str, Any] | Sequence[str]
) -> Fleet | None:
    """Where workers run, None where this process encodes by itself."""
    fewest = 1 if executor == "ray" else 0
    if workers is not None and workers < fewest:
        raise GenerateError(f"workers must be {fewest} or more, not {workers}.")
    needs = read_needs(resources)
    if workers is None and executor == "local":
        if needs:
            raise GenerateError(
                "resources are those of a worker, and this process encodes by itself; give workers or an executor."
            )
        return None
    if executor == "local" and needs.get("gpus"):
        raise GenerateError(
            "The executor local does not share out GPUs; --executor ray gives each worker its own, and with --address "
            "local it takes this machine alone."
        )
    return Fleet(executor, address, workers, needs)


def _made_by_workers(
    dataset: Dataset,
    windows: Windows,
    fleet: Fleet,
    encoding: Encoding,
    latents: Shards,
    texts: Shards | None,
    text_bytes: int,
    on_progress: Callable[[Progress], None] | None,
) -> dict[str, Any]:
    made = make_on(
        fleet, encoding, dataset, windows, latents, texts, text_bytes=text_bytes, on_progress=on_progress
    )
    return {
        "folder": str(latents.folder),
        "text_folder": None if texts is None else str(texts.folder),
        "made": made.made,
        "reused": made.reused,
        "missing": len(windows) - made.made - made.reused,
        "captions": made.captions,
        "unreadable": made.unreadable,
        "damaged": [*latents.damaged, *(() if texts is None else texts.damaged)],
        "bytes": latents.bytes + (0 if texts is None else texts.bytes),
        **({"device": ", ".join(sorted(made.devices))} if made.devices else {}),
    }


def _would_make(
    dataset: Dataset,
    windows: Windows,
    family: Family,
    recipe: TrainRecipe,
    folder: Path | None,
    precision: Precision,
    text: bool,
    on_progress: Callable[[Progress], None] | None,
) -> dict[str, Any]:
    latents, texts = stores_of(dataset, windows, family, folder=folder, precision=precision)
    latents.load(mend=False)
    texts.load(mend=False)
    missing = latents.find(window_names(windows))[0] < 0
    needed = len(captions_needed(windows, texts, caption_names(windows))) if text else 0
    size = needed * _bytes(family.text_features([""]), precision) if needed else 0
    for number, bucket in enumerate(windows.buckets):
        many = int((missing & (windows.bucket == number)).sum())
        if many:
            zeros = torch.zeros(1, 3, bucket.frames, bucket.height, bucket.width, device=device_of(family))
            size += many * _bytes(encoded(family, zeros), precision)
    return {
        "folder": str(latents.folder),
        "text_folder": str(texts.folder) if text else None,
        "made": 0,
        "reused": int((~missing).sum()),
        "missing": int(missing.sum()),
        "captions": needed,
        "unreadable": {},
        "damaged": [*latents.damaged, *texts.damaged],
        "bytes": size,
    }


def _bytes(tensors: Mapping[str, torch.Tensor], precision: Precision) -> int:
    """Bytes of one row."""
    of = torch.empty(0, dtype=getattr(torch, precision)).element_size()
    return sum(
        int(np.prod(t.shape[1:])) * (of if t.is_floating_point() else t.element_size())
        for t in tensors.values()
    )


__all__ = ["LatentStore", "LatentsSummary", "latent_store", "latents"]
