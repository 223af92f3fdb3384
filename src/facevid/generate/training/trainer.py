"""Trains a Task by its recipe: steps, validation, checkpoints that go on at the very next step, all by step number."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from accelerate import Accelerator

from facevid.engine import FolderBusy, folder_lock, lock_mark
from facevid.generate.errors import GenerateError
from facevid.generate.recipe import TrainRecipe
from facevid.generate.training import losses
from facevid.generate.training.checkpoints import Checkpoint, Checkpoints
from facevid.generate.training.feeding import Feeder
from facevid.generate.training.model import Trainee, compiling
from facevid.generate.training.ranks import accelerator_for, on_main, owned, shards, split_batch
from facevid.generate.training.resume import deciding, digest, refuse_another
from facevid.generate.training.schedule import learning_rate
from facevid.generate.training.seeding import seed_for
from facevid.generate.training.stopping import Stop
from facevid.generate.training.task import Task
from facevid.generate.training.timing import Laps, Speed, peak_flops, peak_memory
from facevid.generate.training.tracking import Tracking, TrainProgress
from facevid.generate.training.validating import held_out

TRAIN_FOLDER = ".train"
_READ_EVERY = 10  # steps between two looks at the losses on a GPU, each of which waits for it


@dataclass(frozen=True)
class Trained:
    """How a training ended. ended: "finished" all steps, or "minutes" were over. speed: None where no step was made.

    trained_steps: those of this process. held_out: of the last validation, by the averaged weights. notes: sentences.
    """

    step: int
    samples_seen: int
    held_out: float | None
    ended: Literal["finished", "minutes"]
    trained_steps: int
    speed: Speed | None
    peak_flops: float | None
    peak_memory_bytes: int
    device: str
    ranks: int
    parameters: int
    notes: tuple[str, ...] = ()


class Trainer:
    """`Trainer(task, recipe, folder).run()`; the same again goes on where the last one stopped.

    folder: of the model; checkpoints, log.jsonl and the rest lie in its `.train`. identity: plain values, from outside
    the recipe, that decide the result (such as the data's hash); a checkpoint of others is refused. peak: operations a
    second of one device for the utilisation, None to measure it at the start. on_progress: called on rank 0. held:
    whether the caller holds the folder's lock.
    """

    def __init__(
        self,
        task: Task,
        recipe: TrainRecipe,
        folder: Path,
        *,
        accelerator: Accelerator | None = None,
        identity: Mapping[str, Any] | None = None,
        peak: float | None = None,
        on_progress: Callable[[TrainProgress], None] | None = None,
        held: bool = False,
    ) -> None:
        self.task = task
        self.recipe = recipe
        self.place = folder / TRAIN_FOLDER
        self.accelerator = accelerator or accelerator_for(recipe)
        self._deciding = deciding(recipe, identity or {})
        self._checkpoints = Checkpoints(self.place / "checkpoints", recipe.checkpoints.keep)
        self._peak = peak
        self._on_progress = on_progress
        self._held = held
        self._micro_batch = split_batch(recipe, self.accelerator.num_processes)
        self._held_out: float | None = None
        self._seen = 0
        self._pending: list[losses.Pending] = []
        self._notes: list[str] = []
        self._tracking: Tracking | None = None

    def run(self) -> Trained:
        """Trains to the last step. Afterwards the task's module holds the averaged weights (each rank its shard).

        Raises GenerateError for a batch that gives no finite loss (with the step and the clips), for a recipe or data
        that differ from the checkpoint's; FolderBusy where another training works in the folder, or it was removed;
        StorageError for a full disk; KeyboardInterrupt on Ctrl-C, after a checkpoint. What was trained is kept.
        """
        locks = [] if self._held else [folder_lock(self.place)]
        with owned(self.accelerator, locks), Stop() as stop:
            self._mark = lock_mark(self.place / "lock")
            self.task.to(self.accelerator.device, _dtype(self.recipe))
            self._cost = self.task.cost()  # of whole weights, before they are in shards
            self.trainee = Trainee(self.task, self.recipe, self.accelerator)
            try:
                first = self._restore()
                with compiling(self.recipe.optimisation.compile):
                    return self._run(first, stop)
            except torch.OutOfMemoryError as error:
                raise GenerateError(self._too_large(error)) from error
            finally:
                self.trainee.unwrap()

    def _run(self, first: int, stop: Stop) -> Trained:
        options = self.recipe.optimisation

        def track() -> None:
            self._tracking = Tracking(self.place, self.recipe.tracking, self.recipe.name, first)

        on_main(self.accelerator, track)
        if self._peak is None and first < options.steps:
            self._peak = peak_flops(self.accelerator.device, _dtype(self.recipe))
        self._laps, self._began, self._shown = Laps(), time.monotonic(), math.nan
        done, ended = first, "finished"
        try:
            with self._feeder(first) as feeder:
                self._laps.resume()
                for step in range(first, options.steps):
                    self._step(step, feeder, stop)
                    done = step + 1
                    asked = self._asked
                    last = done == options.steps or asked != "go on"
                    self._look(done, last=last, interrupted=asked == "stop")
                    if asked == "stop":
                        raise KeyboardInterrupt
                    if asked == "minutes":
                        ended = "minutes"
                        break
        finally:
            if self._tracking:
                self._tracking.close()
        if self.trainee.ema:
            self.trainee.ema.swap()
        return self._trained(done, done - first, ended)

    def _too_large(self, error: Exception) -> str:
        return (
            f"The memory of {self.accelerator.device} is full ({str(error).splitlines()[0]}). Raise "
            "optimisation.accumulate, so that fewer samples are computed at once, or set "
            "optimisation.checkpoint_activations, and run it again; it goes on from the last checkpoint."
        )

    def _feeder(self, first: int) -> Feeder:
        options, accelerator = self.recipe.optimisation, self.accelerator
        batches = self.task.training().iterate(
            first,
            options.steps,
            batch=options.batch,
            accumulate=options.accumulate,
            rank=accelerator.process_index,
            world_size=accelerator.num_processes,
        )
        return Feeder(batches, accelerator.device, ahead=2 * options.accumulate)

    def _step(self, step: int, feeder: Feeder, stop: Stop) -> None:
        options = self.recipe.optimisation
        trainee = self.trainee
        pending = losses.Pending(step + 1, lr=learning_rate(options, step))
        feeder.waited_s = 0.0
        for micro in range(options.accumulate):
            batch = feeder.next()
            seed_for(batch)
            with trainee.gathering(last=micro == options.accumulate - 1):
                answer = trainee.model(batch)
                self.accelerator.backward(answer["loss"].mean() / options.accumulate)
            pending.add(answer, batch["clip_id"], batch["batch_id"])
        pending.norm = trainee.clip(options.clip)
        pending.waited_s = feeder.waited_s
        samples = len(pending.clips) * self.accelerator.num_processes
        self._seen += samples
        pending.seconds = self._laps.lap(feeder.waited_s, samples)
        self._pending.append(pending)
        self._asked = "go on"
        # On the CPU each step is looked at before it changes the weights; a GPU is not made to wait that often.
        if self._due(stop):
            self._read(stop)
        trainee.step(pending.lr, step + 1)

    def _due(self, stop: Stop) -> bool:
        if self.accelerator.device.type == "cpu" or len(self._pending) >= _READ_EVERY:
            return True
        # All ranks look at the same steps, since they exchange what they find.
        return stop.wanted and self.accelerator.num_processes == 1

    def _read(self, stop: Stop) -> None:
        """Looks at the losses of the steps since the last look, logs them, and asks whether to go on."""
        if not self._pending:
            return
        pending, self._pending = self._pending, []
        figures = losses.read(pending, self.accelerator)
        if self._tracking:
            for step, values in zip(pending, figures, strict=True):
                times = {"seconds": round(step.seconds, 6), "waited_s": round(step.waited_s, 6)}
                self._tracking.step(step.step, {**values, "lr": step.lr, **times})
        self._shown = figures[-1]["loss"]
        if pending[-1].step < self.recipe.optimisation.steps:  # the end is told with its held-out loss
            self._tell(pending[-1].step)
        self._asked = self._agreed(stop)

    def _agreed(self, stop: Stop) -> str:
        """What all ranks do now: "go on", or "stop" by a signal to any of them, or end since the "minutes" are over."""
        minutes = self.recipe.optimisation.minutes
        over = minutes is not None and time.monotonic() - self._began > 60 * minutes
        wanted = 2 if stop.wanted else 1 if over else 0
        if self.accelerator.num_processes > 1:
            every = torch.tensor([wanted], device=self.accelerator.device)
            wanted = int(self.accelerator.gather(every).max())
        return ("go on", "minutes", "stop")[wanted]

    def _look(self, done: int, *, last: bool, interrupted: bool) -> None:
        """Validates and writes a checkpoint where it is time to."""
        # Ctrl-C waits for a validation that is due, or its line would be lacking when the training goes on.
        validates = done % self.recipe.validation.every == 0 or (last and not interrupted)
        if not (validates or last or done % self.recipe.checkpoints.every == 0):
            return
        self._read(Stop())
        on_main(self.accelerator, self._check_owned)
        if validates:
            self._validate(done)
        if last or done % self.recipe.checkpoints.every == 0:
            self._save(done)
        self._laps.resume()

    def _check_owned(self) -> None:
        """Raises FolderBusy where the folder's lock is not the one that was taken: another may train there by now."""
        if lock_mark(self.place / "lock") != self._mark:
            raise FolderBusy(
                f"{self.place.parent} was removed or made again while this training ran, which ends here and writes "
                "nothing more into it; run it again with a folder of its own"
            )

    def _validate(self, done: int) -> None:
        options = self.recipe.validation
        # Not compiled: batches of other sizes would each be compiled anew, which takes longer than they do.
        with self.trainee.averaged(), torch.compiler.set_stance("force_eager"):
            found = held_out(
                self.task.module, self.task.validation(), self.accelerator, micro_batch=self._micro_batch
            )
            self._held_out = found["loss"]
            if self._tracking:
                rest = {f"held_out_{name}": value for name, value in found.items() if name != "loss"}
                self._tracking.held_out(done, {"held_out": found["loss"], **rest})
            # Weights in shards cannot be sampled by one rank alone.
            if options.grid_seconds > 0 and not shards(self.accelerator, self.recipe):
                on_main(self.accelerator, lambda: self._sample(done, options.grid_seconds))
        self._tell(done)

    def _sample(self, done: int, seconds: float) -> None:
        folder = self.place / "grids" / f"step-{done:08d}"
        folder.mkdir(parents=True, exist_ok=True)
        was_training = self.task.module.training
        self.task.module.eval()
        try:
            with torch.no_grad():
                self.task.samples(folder, seconds)
        finally:
            self.task.module.train(was_training)

    def _save(self, done: int) -> None:
        main = self.accelerator.is_main_process
        groups = self.trainee.gathered(keep=main)
        facts = {
            "samples_seen": self._seen,
            "ranks": self.accelerator.num_processes,
            "held_out": self._held_out,
            "recipe": self.recipe.model_dump(mode="json"),
            "deciding": self._deciding,
            "deciding_sha256": digest(self._deciding),
        }

        def write() -> None:
            assert self._tracking is not None
            self._tracking.log.sync()
            self._checkpoints.write(Checkpoint(done, groups, facts))

        on_main(self.accelerator, write)

    def _restore(self) -> int:
        """The number of steps that are done already, with the state of the newest sound checkpoint."""
        if self.accelerator.is_main_process:
            self._checkpoints.clear()
        self.accelerator.wait_for_everyone()
        found, damaged = self._checkpoints.newest()
        self._notes += damaged
        if found is None:
            return 0
        refuse_another(found.facts["deciding"], self._deciding, self.place.parent)
        self.trainee.put(found)
        self._held_out, self._seen = found.facts["held_out"], found.facts["samples_seen"]
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            self._checkpoints.drop_after(found.step)
        return found.step

    def _tell(self, step: int) -> None:
        if self._on_progress is None or not self.accelerator.is_main_process:
            return
        options = self.recipe.optimisation
        speed = self._laps.speed(0, None)
        left = (options.steps - step) * speed.step_s
        if options.minutes is not None:
            left = min(left, max(0.0, 60 * options.minutes - (time.monotonic() - self._began)))
        self._on_progress(
            TrainProgress(
                "train", step, options.steps, step, 0, 0, 0, 0.0, time.monotonic() - self._began,
                loss=self._shown, held_out=self._held_out, samples_per_s=speed.samples_per_s, left_s=left,
            )
        )  # fmt: skip

    def _trained(self, done: int, steps: int, ended: Any) -> Trained:
        accelerator = self.accelerator
        peak = self._peak * accelerator.num_processes if self._peak else None
        speed = self._laps.speed(self._cost.flops, peak) if steps else None
        device = accelerator.device
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
        return Trained(
            done, self._seen, self._held_out, ended, steps, speed, self._peak, peak_memory(device), name,
            accelerator.num_processes, self._cost.parameters, tuple(self._notes),
        )  # fmt: skip


def _dtype(recipe: TrainRecipe) -> torch.dtype:
    return torch.bfloat16 if recipe.optimisation.precision == "bf16" else torch.float32
