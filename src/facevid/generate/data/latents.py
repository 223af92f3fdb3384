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
from facevid.engine import Progress
from facevid.generate.data.making import device_of, encoded
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
from facevid.generate.errors import GenerateError
from facevid.generate.families.family import Family
from facevid.generate.recipe import TrainRecipe, read_recipe
from facevid.generate.words.folder import parts_named

_TOKENS = 8  # of a tokenizer that nobody asks


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
    dry_run: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> LatentsSummary:
    """Encode the windows and captions of a dataset's clips as a training would, and keep them for every later one.

    recipe: name, file or mapping of a recipe of training, with `changes` such as "data.windows=8". model: folder of a
    trained model, whose encoders are taken, and whose recipe where none is given. autoencoder: takes the place of
    the recipe's `model.autoencoder`; text: of its text encoder and tokenizer, a folder of the recipe `text`.
    output: folder to write in; None is DATASET/.work/latents, from where a takedown removes what it must. where,
    subset, split: only some clips. precision: "float16", "bfloat16" or "float32". device: "cuda" where there is one,
    else "cpu". A killed run goes on when called again. Raises GenerateError where the model or the recipe cannot be
    used, or no window can be read; DatasetError where no clip is chosen.
    """
    began = time.monotonic()
    if precision not in get_args(Precision):
        raise GenerateError(
            f"There is no precision {precision!r}; allowed: {', '.join(get_args(Precision))}."
        )
    wanted = _recipe(recipe, model, changes, autoencoder, text)
    opened = dataset if isinstance(dataset, Dataset) else open(dataset)
    chosen = choose(opened, where=where, subset=subset, split=split).dataset
    windows = windows_of(chosen, wanted.data, captions=wanted.conditioning.drop_prompt < 1)
    family, frozen = _family(wanted, model)
    for bucket in wanted.data.buckets:
        family.check(bucket.frames, bucket.height, bucket.width)
    family.to(_device(device))
    folder = None if output is None else Path(output)
    count = _would_make if dry_run else _made
    counted = count(chosen, windows, family, wanted, folder, precision, frozen, on_progress)
    return LatentsSummary(
        dataset=opened.location,
        model=str(model or wanted.name),
        windows=len(windows),
        clips=len(windows.clips),
        too_short=windows.too_short,
        no_caption=windows.no_caption,
        seconds=round(time.monotonic() - began, 3),
        device=str(device_of(family)),
        dry_run=dry_run,
        **counted,
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


def _family(recipe: TrainRecipe, model: str | os.PathLike[str] | None) -> tuple[Family, bool]:
    """The family, and whether its text features are worth keeping: those of a frozen text encoder."""
    from facevid.generate.families.loading import build_family, load_family
    from facevid.generate.quiet import without_bars
    from facevid.generate.text import train_tokenizer

    if model is not None:
        with without_bars():
            family = load_family(os.fspath(model))
    else:
        assert recipe.model is not None
        own = recipe.model.family == "facevid" and recipe.model.pretrained is None
        anew = own and "tokenizer" not in recipe.model.config
        # A training makes its own from its captions, and nothing of it is kept here.
        tokenizer = train_tokenizer(["a face"], length=_TOKENS) if anew else None
        with without_bars():
            family = build_family(recipe.model, times=recipe.times, seed=recipe.seed, tokenizer=tokenizer)
    return family, "text_encoder" not in family.trained


def _device(named: str | None) -> torch.device:
    try:
        found = torch.device(named or ("cuda" if torch.cuda.is_available() else "cpu"))
    except RuntimeError:
        raise GenerateError(f"There is no device {named!r}; allowed: cpu, cuda, cuda:1, ...") from None
    if found.type == "cuda" and not torch.cuda.is_available():
        raise GenerateError("There is no CUDA device here that torch can use; leave it out, or take cpu.")
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
