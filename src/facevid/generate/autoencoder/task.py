"""The task of training an autoencoder: posterior, reconstruction, and the recipe's losses, one figure a sample."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from facevid.dataset.dataset import Dataset
from facevid.engine.files import write_json_atomic
from facevid.generate.autoencoder.build import VideoAutoencoder, build_autoencoder
from facevid.generate.autoencoder.cost import cost_of
from facevid.generate.autoencoder.losses import psnr, ssim
from facevid.generate.autoencoder.principal import begin_principal
from facevid.generate.autoencoder.reconstructing import Reconstructing
from facevid.generate.autoencoder.statistics import latent_statistics
from facevid.generate.card import write_card
from facevid.generate.errors import GenerateError
from facevid.generate.families.parts import frames_of, resting, seeded
from facevid.generate.model_folder import FACTS
from facevid.generate.recipe import TrainRecipe
from facevid.generate.training.task import BatchSource, Cost

if TYPE_CHECKING:
    from facevid.engine.progress import Progress

MEASURED = 256
"""Training windows on which latents are measured, and held-out windows on which the saved autoencoder is judged."""
SHOWN = 6
"""Held-out videos on a grid."""


class AutoencoderTask:
    """See `training.task.Task`."""

    def __init__(
        self,
        autoencoder: VideoAutoencoder,
        recipe: TrainRecipe,
        training: BatchSource,
        validation: BatchSource,
        data: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        self.name = recipe.name
        self.autoencoder, self.recipe = autoencoder, recipe
        if recipe.autoencoder is None:
            raise GenerateError(f"The recipe {recipe.name} trains a model of videos, not an autoencoder.")
        self.module: Reconstructing = Reconstructing(autoencoder, recipe.autoencoder)
        self._training, self._validation, self._data = training, validation, data

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        """Moves the face embedder, which stays float32."""
        self.module.to_apart(device)

    def training(self) -> BatchSource:
        return self._training

    def validation(self) -> BatchSource:
        return self._validation

    def samples(self, folder: Path, seconds: float) -> list[Path]:
        """Writes reconstructions.png: held-out videos, each a row of originals over a row of reconstructions."""
        from facevid.generate.grids import write_rows

        begun = time.monotonic()
        rows = []
        for video, found in self._reconstructed(SHOWN, 1):
            rows += [frames_of(video)[0], frames_of(found)[0]]
            if (time.monotonic() - begun) * (1 + 2 / len(rows)) > seconds:
                break
        if not rows:
            return []
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "reconstructions.png"
        write_rows(path, rows)
        return [path]

    def save(self, folder: Path, about: Mapping[str, Any]) -> None:
        """Writes the folder of the class of diffusers, with mean and deviation of the latents of training windows, and
        its card.

        facevid.json says besides how well the saved autoencoder gives held-out videos back ("held_out_psnr", dB, and
        "held_out_ssim": from the posterior's mode), and what of a video a latent is.
        """
        autoencoder = self.autoencoder
        autoencoder.set_statistics(*latent_statistics(autoencoder.channels, self._latents()))
        quality = [
            torch.stack([psnr(found, video), ssim(found, video)], 1)
            for video, found in self._reconstructed(MEASURED, self._batch)
        ]
        facts: dict[str, Any] = {
            "format": "facevid-model",
            "version": 1,
            "kind": "autoencoder",
            "family": autoencoder.name,
            "recipe": self.recipe.model_dump(mode="json"),
            "recipe_name": self.recipe.name,
            "seed": self.recipe.seed,
            "fps": self.recipe.data.fps,
            "data": dict(self._data()),
            "latents": {
                "channels": autoencoder.channels,
                "spatial": autoencoder.spatial,
                "temporal": autoencoder.temporal,
                "frames": f"{autoencoder.every}k+1" if autoencoder.every > 1 else "any",
            },
        }
        if quality:
            mean = torch.cat(quality).mean(0).tolist()
            facts |= {"held_out_psnr": round(mean[0], 2), "held_out_ssim": round(mean[1], 4)}
        autoencoder.save(folder)
        data = {**facts["data"], **about.get("data", {})}
        facts |= {**about, "data": data}
        write_json_atomic(facts, folder / FACTS)
        write_card(folder, facts)

    def cost(self) -> Cost:
        return cost_of(self.autoencoder, self.recipe)

    @property
    def _batch(self) -> int:
        return min(self.recipe.optimisation.batch, 8)

    def _latents(self) -> Iterator[Tensor]:
        """Plain latents of the first training windows, all different ones where there are enough."""
        size = self._batch
        count = min(MEASURED, self._training.samples)
        with resting({"module": self.module}):
            for batch in self._training.iterate(0, -(-count // size), batch=size):
                yield self.autoencoder.posterior(batch["video"])[0].float()

    def _reconstructed(self, count: int, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Held-out videos and what comes back of them, as families encode and decode."""
        device = next(self.module.parameters()).device
        with resting({"module": self.module}):
            for batch in self._validation.iterate(0, count, batch=size):
                video = batch["video"].to(device)
                yield video, self.autoencoder.decode(self.autoencoder.encode(video))
                if (count := count - len(video)) <= 0:
                    return


def autoencoder_task(
    recipe: TrainRecipe,
    train: Dataset,
    validation: Dataset,
    *,
    folder: Path,
    device: torch.device,
    on_the_fly: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> AutoencoderTask:
    """The task of a recipe with `autoencoder` on the clips of two parts of a dataset.

    It always learns from pixels: `folder`, `device`, `on_the_fly` and `on_progress` are what tasks of videos need, and
    change nothing. Raises GenerateError for a configuration that cannot be built or where no clip is long enough,
    SizeError for buckets that the autoencoder cannot take.
    """
    from facevid.generate.data.order import FixedOrder, TrainingOrder
    from facevid.generate.data.sources import PixelSource
    from facevid.generate.data.windows import windows_of
    from facevid.generate.data_facts import data_facts

    autoencoder = new_autoencoder(recipe)
    seen, held = (
        PixelSource(order, workers=recipe.data.workers, keep_mib=recipe.data.keep_mib)
        for order in (
            TrainingOrder(windows_of(train, recipe.data, captions=False), recipe.seed),
            FixedOrder(windows_of(validation, recipe.data, captions=False), recipe.validation.samples),
        )
    )
    if recipe.autoencoder is not None and recipe.autoencoder.begin == "principal":
        begin_principal(autoencoder, _first(seen, recipe))
    return AutoencoderTask(
        autoencoder, recipe, seen, held, lambda: data_facts(train, validation, recipe.data.crop)
    )


def _first(seen: BatchSource, recipe: TrainRecipe) -> Iterator[Tensor]:
    """Videos of the first training windows."""
    size = min(recipe.optimisation.batch, 8)
    for batch in seen.iterate(0, -(-min(MEASURED, seen.samples) // size), batch=size):
        yield batch["video"]


def new_autoencoder(recipe: TrainRecipe) -> VideoAutoencoder:
    """The recipe's autoencoder with weights that its seed decides; raises SizeError for buckets it cannot take."""
    if recipe.autoencoder is None:
        raise GenerateError(f"The recipe {recipe.name} trains a model of videos, not an autoencoder.")
    with seeded(recipe.seed):
        autoencoder = build_autoencoder(recipe.autoencoder)
    for bucket in recipe.data.buckets:
        autoencoder.check(bucket.frames, bucket.height, bucket.width)
    return autoencoder
