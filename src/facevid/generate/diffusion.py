"""The task of training a video model: noise on latents, the family's answer, and the loss, one figure a sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from facevid.dataset.dataset import Dataset
from facevid.generate.data.sources import text_in
from facevid.generate.errors import GenerateError
from facevid.generate.families.family import Conditions, Family
from facevid.generate.recipe import Conditioning, TrainRecipe
from facevid.generate.training.task import Batch, BatchSource, Cost, noise_like, uniform

if TYPE_CHECKING:
    from facevid.engine.progress import Progress
    from facevid.generate.data.captions import Captions

TEXT_LENGTH = 128
"""Tokens of a caption: what the pipelines of diffusers take when nothing else is said."""
TIME, PROMPT, PICTURE, NOISE = range(4)
"""What a sample's seed decides, each apart."""
FIXED = "fixed"
"""The key of a batch whose times are spread evenly and whose conditions are all given: validation."""


class Denoising(nn.Module):
    """`forward(batch)` gives the loss of each sample (B,), float32; registers just what is trained.

    The loss is the mean squared error of the family's answer, over what is not given: a clean first frame counts
    nothing. Of training samples a share is given its first picture, and a share loses its prompt, together decided by
    the sample's seed; stills (latents of one frame) are never given theirs, which would be all of them. Fixed samples
    keep their prompt; with pictures they give "loss_image" too, which is NaN for stills.
    """

    def __init__(self, family: Family, conditioning: Conditioning) -> None:
        super().__init__()
        self.trained = nn.ModuleDict({name: family.parts[name] for name in family.trained})
        self._family = _Apart(family)
        self.conditioning = conditioning
        self.pictures = "i2v" in family.modes and conditioning.image > 0
        self._empty: dict[str, Tensor] | None = None

    @property
    def family(self) -> Family:
        """Whose parts are trained."""
        return self._family.of

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        latents, first, text = self._inputs(batch)
        fixed = bool(batch.get(FIXED, False))
        seeds = batch["seed"]
        draws = uniform(seeds, TIME).to(latents.device)
        noise = noise_like(latents, seeds, NOISE, anywhere=fixed)
        still = latents.shape[2] == 1
        objective = self.family.objective
        times = objective.levels(draws) if fixed else objective.times(draws)
        fps = batch["fps"].to(latents.device)
        if fixed:
            none = torch.zeros(len(seeds), dtype=torch.bool, device=latents.device)
            only = self.family.modes == {"i2v"}
            found = {"loss": self.loss(latents, noise, times, Conditions(text, first, none | only, fps))}
            if self.pictures and not only:
                given = Conditions(text, first, ~none, fps)
                unknown = torch.full_like(found["loss"], torch.nan)
                found["loss_image"] = unknown if still else self.loss(latents, noise, times, given)
            return found
        shown = (uniform(seeds, PICTURE) < (0 if still else self.conditioning.image)).to(latents.device)
        if self.family.modes == {"i2v"}:
            shown = torch.ones_like(shown)
        text = self._dropped(text, uniform(seeds, PROMPT) < self.conditioning.drop_prompt)
        return {"loss": self.loss(latents, noise, times, Conditions(text, first, shown, fps))}

    def _inputs(self, batch: Batch) -> tuple[Tensor, Tensor | None, dict[str, Tensor]]:
        takes_pictures = "i2v" in self.family.modes
        if "latents" in batch:
            first = batch["first"].float() if takes_pictures else None
            return batch["latents"].float(), first, text_in(batch)
        video = batch["video"]
        # What is frozen works in its own precision, as it does for latents on disk and for sampling.
        with torch.autocast(video.device.type, enabled=False):
            first = self.family.encode(video[:, :, :1]).float() if takes_pictures else None
            return self.family.encode(video).float(), first, self.family.text_features(batch["caption"])

    def _dropped(self, text: Mapping[str, Tensor], drop: Tensor) -> dict[str, Tensor]:
        if not drop.any():  # on the CPU, so that no step waits for the device
            return dict(text)
        if self._empty is None:
            self._empty = {name: value.detach() for name, value in self.family.text_features([""]).items()}
        return {
            name: torch.where(
                drop.to(value.device).view(-1, *[1] * (value.ndim - 1)), self._empty[name].to(value), value
            )
            for name, value in text.items()
        }

    def loss(self, latents: Tensor, noise: Tensor, times: Tensor, given: Conditions) -> Tensor:
        """Of each sample (B,), at that noise and those times (B,) in [0, 1]."""
        family, objective = self.family, self.family.objective
        answer = family.predict(
            objective.noisy(latents, noise, times), objective.timesteps(times), given
        ).float()
        squares = (answer - objective.target(latents, noise, times)) ** 2
        weights = family.weights(latents, given)
        if weights is None:
            return squares.flatten(1).mean(1)
        weights = weights.expand_as(squares)
        return (squares * weights).flatten(1).sum(1) / weights.flatten(1).sum(1)


class _Apart:
    """Holds a family without registering its frozen parts as trained."""

    def __init__(self, family: Family) -> None:
        self.of = family


class _Fixed:
    """Marks every batch as one whose chance is fixed."""

    def __init__(self, source: BatchSource) -> None:
        self._source = source

    @property
    def samples(self) -> int:
        return self._source.samples

    def iterate(
        self, first: int, last: int, *, batch: int, accumulate: int = 1, rank: int = 0, world_size: int = 1
    ) -> Iterator[Batch]:
        for found in self._source.iterate(
            first, last, batch=batch, accumulate=accumulate, rank=rank, world_size=world_size
        ):
            yield {**found, FIXED: True}


class DiffusionTask:
    """See `training.task.Task`."""

    def __init__(
        self, family: Family, recipe: TrainRecipe, training: BatchSource, validation: BatchSource
    ) -> None:
        self.name = recipe.name
        self.family, self.recipe = family, recipe
        self.module: Denoising = Denoising(family, recipe.conditioning)
        self._training, self._validation = training, _Fixed(validation)

    def weighed(self) -> DiffusionTask:
        """This task, or where it was made without weights, one that has them."""
        from facevid.generate.families.loading import build_family

        if not any(p.is_meta for p in self.module.parameters()):
            return self
        assert self.recipe.model is not None
        kept = {name: self.family.parts[name] for name in ("tokenizer", "vae")}
        family = build_family(self.recipe.model, times=self.recipe.times, seed=self.recipe.seed, **kept)
        return DiffusionTask(family, self.recipe, self._training, self._validation)

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        self.family.to(device, dtype)

    def training(self) -> BatchSource:
        return self._training

    def validation(self) -> BatchSource:
        return self._validation

    def samples(self, folder: Path, seconds: float) -> list[Path]:
        from facevid.generate.grids import sample_grid

        return sample_grid(self.family, self.recipe, self._validation, folder, seconds)

    def save(self, folder: Path, about: Mapping[str, Any]) -> None:
        from facevid.generate.saving import save_model

        save_model(self.family, self.recipe, folder, about)

    def cost(self) -> Cost:
        from facevid.generate.costs import cost_of

        return cost_of(self.family, self.recipe)


def diffusion_task(
    recipe: TrainRecipe,
    train: Dataset,
    validation: Dataset,
    *,
    folder: Path,
    device: torch.device,
    on_the_fly: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
    weights: bool = True,
) -> DiffusionTask:
    """The task of a recipe with `model` on the clips of two parts of a dataset.

    on_the_fly: encode pictures and captions at every step; otherwise once, into a store of latents that is reused.
    weights: False to count only, on the fly (see `build_family`; `weighed` has them).
    Raises GenerateError where a part of the model is missing or does not fit, or no clip can be used.
    """
    from facevid.generate.data.latents import latent_store
    from facevid.generate.data.order import FixedOrder, Order, TrainingOrder
    from facevid.generate.data.sources import LatentSource, PixelSource
    from facevid.generate.data.windows import windows_of

    if recipe.model is None:
        raise GenerateError(f"The recipe {recipe.name} trains an autoencoder, not a model of videos.")
    text = recipe.conditioning.drop_prompt < 1
    seen = windows_of(train, recipe.data, captions=text)
    held = windows_of(validation, recipe.data, captions=text)
    family = family_for(recipe, seen.captions, weights=weights)
    for bucket in recipe.data.buckets:
        family.check(bucket.frames, bucket.height, bucket.width)
        if bucket.frames == 1 and family.modes == {"i2v"}:
            raise GenerateError(
                f"data.buckets has stills of {bucket.width}x{bucket.height} (frames: 1), and this model of the family "
                f"{family.name} only goes on from a picture: a still leaves nothing to learn. Take more frames."
            )
    if recipe.conditioning.image > 0 and "i2v" not in family.modes:
        raise GenerateError(
            f"conditioning.image is {recipe.conditioning.image}, but models of the family {family.name} start from no "
            "picture. Set it to 0."
        )
    orders: list[Order] = [TrainingOrder(seen, recipe.seed), FixedOrder(held, recipe.validation.samples)]
    if on_the_fly:
        workers, keep = recipe.data.workers, recipe.data.keep_mib
        sources: list[BatchSource] = [PixelSource(o, workers=workers, keep_mib=keep) for o in orders]
    else:
        family.to(device)  # of the type that the weights have: it decides the latents too
        stores = [
            latent_store(part, windows, family, recipe.data, on_progress=on_progress)
            for part, windows in ((train, seen), (validation, held))
        ]
        sources = [LatentSource(o, s) for o, s in zip(orders, stores, strict=True)]
    return DiffusionTask(family, recipe, sources[0], sources[1])


def family_for(recipe: TrainRecipe, captions: Captions | None, *, weights: bool = True) -> Family:
    """The model of a recipe with fresh or pretrained weights, adapters added where the recipe says so.

    Our own family built anew learns its words from the captions, unless the recipe names a tokenizer.
    """
    from facevid.generate.families.facevid import Facevid
    from facevid.generate.families.loading import build_family
    from facevid.generate.text import train_tokenizer

    model = recipe.model
    assert model is not None
    tokenizer = None
    if model.family == Facevid.name and model.pretrained is None and "tokenizer" not in model.config:
        if "text_encoder" in model.config:
            raise GenerateError(
                f"model.config.text_encoder is {model.config['text_encoder']}, which knows only the words of its own "
                "tokenizer. Name that too, in model.config.tokenizer (often the same folder)."
            )
        said = (text.as_py() for texts in captions.texts for text in texts) if captions else iter(("",))
        length = int(model.config.get("text_length", TEXT_LENGTH))
        tokenizer = train_tokenizer(said, length=length)
    return build_family(model, times=recipe.times, seed=recipe.seed, weights=weights, tokenizer=tokenizer)
