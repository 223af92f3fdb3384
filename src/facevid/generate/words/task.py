"""The task of training a text encoder on what a dataset's captions say of its pictures, before a model of videos is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from facevid.dataset.dataset import Dataset
from facevid.engine.files import write_json_atomic
from facevid.generate.card import write_card
from facevid.generate.errors import GenerateError
from facevid.generate.families.parts import resting, seeded
from facevid.generate.model_folder import FACTS
from facevid.generate.recipe import Text, TrainRecipe
from facevid.generate.training.task import Batch, BatchSource, Cost
from facevid.generate.words.contrasting import Contrasting

if TYPE_CHECKING:
    from facevid.engine.progress import Progress


class TextTask:
    """See `training.task.Task`. Its folder is the text encoder's and the tokenizer's, as transformers reads both."""

    def __init__(
        self,
        module: Contrasting,
        tokenizer: Any,
        recipe: TrainRecipe,
        training: BatchSource,
        validation: BatchSource,
        data: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        self.name = recipe.name
        self.module, self.tokenizer, self.recipe = module, tokenizer, recipe
        self._training, self._validation, self._data = training, validation, data

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        """Everything is in `module`."""

    def training(self) -> BatchSource:
        return self._training

    def validation(self) -> BatchSource:
        return self._validation

    def samples(self, folder: Path, seconds: float) -> list[Path]:
        """It makes no pictures."""
        return []

    def save(self, folder: Path, about: Mapping[str, Any]) -> None:
        """Writes the text encoder and its tokenizer, facevid.json and the card; the picture encoder is left behind."""
        with resting({"module": self.module}):
            self.module.text_encoder.save_pretrained(str(folder))
        self.tokenizer.save_pretrained(str(folder))
        facts = {
            "format": "facevid-model",
            "version": 1,
            "kind": "text",
            "family": type(self.module.text_encoder).__name__,
            "recipe": self.recipe.model_dump(mode="json"),
            "recipe_name": self.recipe.name,
            "seed": self.recipe.seed,
            **about,
        }
        facts["data"] = {**dict(self._data()), **about.get("data", {})}
        write_json_atomic(facts, folder / FACTS)
        write_card(folder, facts)

    def cost(self) -> Cost:
        """Counted on a caption and a picture; tokens are those of the caption."""
        from torch.utils.flop_counter import FlopCounterMode

        from facevid.generate.costs import kept

        module = self.module
        with FlopCounterMode(display=False) as counted, torch.no_grad():
            module(_example(self.recipe, 1))
        one = kept(module, lambda: module(_example(self.recipe, 1))["loss"])
        two = kept(module, lambda: module(_example(self.recipe, 2))["loss"])
        parameters = sum(p.numel() for p in module.parameters())
        return Cost(parameters, 0, float(counted.get_total_flops()), two - one, _settings(self.recipe).length)


def text_task(
    recipe: TrainRecipe,
    train: Dataset,
    validation: Dataset,
    *,
    folder: Path,
    device: torch.device,
    on_the_fly: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> TextTask:
    """The task of a recipe with `text` on the clips of two parts of a dataset.

    It always learns from pixels and from words: `folder`, `device`, `on_the_fly` and `on_progress` are what tasks of
    videos need, and change nothing. Raises GenerateError where no clip is long enough, or none has a caption.
    """
    from facevid.generate.data.order import FixedOrder, TrainingOrder
    from facevid.generate.data.sources import PixelSource
    from facevid.generate.data.windows import windows_of
    from facevid.generate.data_facts import data_facts
    from facevid.generate.text import new_text_encoder, train_tokenizer

    settings = _settings(recipe)
    orders = (
        TrainingOrder(windows_of(train, recipe.data), recipe.seed),
        FixedOrder(windows_of(validation, recipe.data), recipe.validation.samples),
    )
    seen, held = (PixelSource(o, workers=recipe.data.workers, keep_mib=recipe.data.keep_mib) for o in orders)
    captions = orders[0].windows.captions
    assert captions is not None
    said = (text.as_py() for texts in captions.texts for text in texts)
    tokenizer = train_tokenizer(said, length=settings.length)
    with seeded(recipe.seed):
        encoder = new_text_encoder(tokenizer, width=settings.width, depth=settings.depth)
        module = Contrasting(encoder, tokenizer, settings)
    return TextTask(
        module, tokenizer, recipe, seen, held, lambda: data_facts(train, validation, recipe.data.crop)
    )


def _settings(recipe: TrainRecipe) -> Text:
    if recipe.text is None:
        raise GenerateError(f"The recipe {recipe.name} trains no text encoder.")
    return recipe.text


def _example(recipe: TrainRecipe, count: int) -> Batch:
    bucket = max(recipe.data.buckets, key=lambda b: b.frames * b.height * b.width)
    return {
        "video": torch.zeros(count, 3, bucket.frames, bucket.height, bucket.width),
        "caption": ["a"] * count,
        "clip_id": [str(k) for k in range(count)],
    }
