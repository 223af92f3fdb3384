"""`facevid.train`: a recipe and a dataset become a model's folder; the same call again goes on where it stopped."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from facevid.dataset import open
from facevid.dataset.dataset import Dataset
from facevid.engine import Progress, folder_lock, write_json_atomic
from facevid.generate.errors import GenerateError
from facevid.generate.model_folder import FACTS, read_facts
from facevid.generate.quiet import without_bars
from facevid.generate.recipe import TrainRecipe, read_recipe
from facevid.generate.training.checkpoints import Checkpoints
from facevid.generate.training.estimate import Estimate, estimate
from facevid.generate.training.facts import facts_of
from facevid.generate.training.model import load_weights
from facevid.generate.training.parts import identity_of, parts_of
from facevid.generate.training.publishing import finish, publish
from facevid.generate.training.ranks import accelerator_for, on_main, owned, shards, split_batch
from facevid.generate.training.resume import deciding, refuse_another
from facevid.generate.training.task import Task
from facevid.generate.training.trainer import TRAIN_FOLDER, Trained, Trainer
from facevid.generate.words.folder import parts_named

SUMMARY = "summary.json"
_TASKS = {
    "video": ("diffusion", "diffusion_task"),
    "autoencoder": ("autoencoder.task", "autoencoder_task"),
    "text": ("words.task", "text_task"),
}
"""Where the task of each kind of recipe is made."""


@dataclass(frozen=True)
class TrainSummary:
    """What `train` did. ended: "finished", or "minutes" were over before all steps were made.

    trained_steps: those of this call, by which the speed goes; None where there were none. stall: share of the time in
    which the loop waited for data. mfu: share of the device's peak in floating-point operations, which was measured
    ("peak_flops", of one device). damaged: clips that could not be read and were replaced, and why. notes: sentences.
    """

    output: str
    recipe: str
    step: int
    steps: int
    samples_seen: int
    epochs: float
    held_out_loss: float | None
    ended: str
    parameters: int
    trained_steps: int
    step_s: float | None
    samples_per_s: float | None
    stall: float | None
    mfu: float | None
    peak_flops: float | None
    peak_memory_bytes: int
    device: str
    ranks: int
    damaged: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def train(
    recipe: str | Path | Mapping[str, Any] | TrainRecipe,
    data: str | os.PathLike[str] | Dataset,
    output: str | os.PathLike[str] | None = None,
    *,
    where: str | None = None,
    subset: str | None = None,
    split: str | None = None,
    autoencoder: str | os.PathLike[str] | None = None,
    text: str | os.PathLike[str] | None = None,
    changes: Sequence[str] = (),
    on_the_fly: bool = False,
    dry_run: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> TrainSummary | Estimate:
    """Train a model, an autoencoder or a text encoder on a dataset's clips; saved with its card in `output`.

    recipe: name, file or mapping, with `changes` such as "optimisation.steps=100". data: a dataset, its folder or
    address. subset: a saved one; split: a saved one, whose parts train and validation are used; without it people are
    held out by `data.holdout` and the seed of the recipe. where: of all these only clips for which an SQL condition is
    true. autoencoder: takes the place of the recipe's `model.autoencoder`; text: of its `model.config.text_encoder` and
    `tokenizer`, a folder of the recipe `text`. on_the_fly: encode at every step instead of
    once before. dry_run: give an Estimate instead and write nothing; no model is made
    that does not fit the memory. Started by `torchrun` or `accelerate launch`, it
    trains on all ranks.

    Raises GenerateError for a recipe, dataset or model that cannot be used, a training in `output` by another recipe or
    on other data, and a loss that is no number (naming step and clips); FolderBusy, StorageError, and KeyboardInterrupt
    after a checkpoint. What was trained is kept, and the same call goes on.
    """
    wanted = _recipe(recipe, changes, autoencoder, text)
    whole = data if isinstance(data, Dataset) else open(data)
    parts, notes = parts_of(whole, wanted, where=where, subset=subset, split=split)
    accelerator = accelerator_for(wanted)
    told = on_progress if accelerator.is_main_process else None
    if dry_run:
        # What would be kept of it, such as latents, is made for its few steps only.
        with accelerator.main_process_first():
            task = make_task(wanted, *parts, Path(output or "."), accelerator, True, told, False)
        return estimate(task, wanted, accelerator)
    if output is None:
        raise GenerateError("Name the folder for the model (output).")
    folder = Path(output)
    with owned(accelerator, [folder_lock(folder / TRAIN_FOLDER)]):
        on_main(accelerator, lambda: finish(folder, folder / TRAIN_FOLDER))
        identity = identity_of(wanted, *parts)
        on_main(accelerator, lambda: _refuse_early(wanted, identity, folder, accelerator))

        def made() -> Task:
            return make_task(wanted, *parts, folder, accelerator, on_the_fly, told)

        with accelerator.main_process_first():
            task = made()
        trainer = Trainer(
            task, wanted, folder, accelerator=accelerator, identity=identity,
            on_progress=told, held=True,
        )  # fmt: skip
        trained = trainer.run()
        about = facts_of(wanted, parts, trained, subset, split)

        def keep() -> None:
            if not _kept(folder, about):
                plain = _plain(made, folder) if shards(accelerator, wanted) else task
                with without_bars():
                    publish(lambda place: plain.save(place, about), folder, folder / TRAIN_FOLDER)

        on_main(accelerator, keep)
        summary = _summary(folder, wanted, task, trained, notes)
        if trained.trained_steps:
            on_main(
                accelerator, lambda: write_json_atomic(summary.to_dict(), folder / TRAIN_FOLDER / SUMMARY)
            )
    return summary


def make_task(
    recipe: TrainRecipe,
    train: Dataset,
    validation: Dataset,
    folder: Path,
    accelerator: Accelerator,
    on_the_fly: bool,
    on_progress: Callable[[Progress], None] | None,
    weights: bool = True,
) -> Task:
    """What a recipe trains, on these clips. weights: False where they are only counted (see `diffusion_task`)."""
    place, name = _TASKS[recipe.kind]
    make = getattr(import_module(f"facevid.generate.{place}"), name)
    more = {"weights": False} if recipe.kind == "video" and not weights else {}
    with without_bars():
        task: Task = make(
            recipe, train, validation, folder=folder, device=accelerator.device, on_the_fly=on_the_fly,
            on_progress=on_progress, **more,
        )  # fmt: skip
    return task


def _recipe(
    recipe: Any,
    changes: Sequence[str],
    autoencoder: str | os.PathLike[str] | None,
    text: str | os.PathLike[str] | None,
) -> TrainRecipe:
    source = recipe.model_dump(mode="json") if isinstance(recipe, TrainRecipe) else recipe
    found = read_recipe(source, changes)
    for part, given in (("an autoencoder", autoencoder), ("a text encoder", text)):
        if given is not None and found.model is None:
            what = {"autoencoder": "an autoencoder", "text": "a text encoder"}[found.kind]
            raise GenerateError(
                f"The recipe {found.name} trains {what} and takes no other part; leave {part} out."
            )
    more = parts_named(autoencoder, text)
    return read_recipe(found.model_dump(mode="json"), more) if more else found


def _refuse_early(
    recipe: TrainRecipe, identity: Mapping[str, Any], folder: Path, accelerator: Accelerator
) -> None:
    """What the trainer would refuse too, but only once hours of latents are made."""
    split_batch(recipe, accelerator.num_processes)
    found = Checkpoints(folder / TRAIN_FOLDER / "checkpoints").newest_facts()
    if found is not None:
        refuse_another(found["deciding"], deciding(recipe, identity), folder)


def _kept(folder: Path, about: Mapping[str, Any]) -> bool:
    """Whether the folder holds just this model already."""
    if not (folder / FACTS).is_file():
        return False
    found = read_facts(folder)
    return all(
        found.get(name) == json.loads(json.dumps(about[name])) for name in ("step", "held_out_loss", "recipe")
    )


def _plain(made: Callable[[], Task], folder: Path) -> Task:
    """The task anew with the averaged weights of the last checkpoint, whole: those of the training are in shards."""
    task = made()
    found, _ = Checkpoints(folder / TRAIN_FOLDER / "checkpoints").newest()
    assert found is not None
    load_weights(task.module, found)
    return task


def _summary(
    folder: Path, recipe: TrainRecipe, task: Task, trained: Trained, notes: Sequence[str]
) -> TrainSummary:
    source, speed = task.training(), trained.speed
    return TrainSummary(
        output=str(folder),
        recipe=recipe.name,
        step=trained.step,
        steps=recipe.optimisation.steps,
        samples_seen=trained.samples_seen,
        epochs=round(trained.samples_seen / source.samples, 3),
        held_out_loss=trained.held_out,
        ended=trained.ended,
        parameters=trained.parameters,
        trained_steps=trained.trained_steps,
        step_s=None if speed is None else speed.step_s,
        samples_per_s=None if speed is None else speed.samples_per_s,
        stall=None if speed is None else speed.stall,
        mfu=None if speed is None else speed.mfu,
        peak_flops=trained.peak_flops,
        peak_memory_bytes=trained.peak_memory_bytes,
        device=trained.device,
        ranks=trained.ranks,
        damaged=dict(getattr(source, "damaged", {})),
        notes=(*notes, *trained.notes),
    )
