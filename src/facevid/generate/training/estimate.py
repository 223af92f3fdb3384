"""What a training will cost, before it is begun: weights, memory, and time by a few measured steps."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from accelerate import Accelerator

from facevid.generate.recipe import TrainRecipe
from facevid.generate.training.feeding import on_device
from facevid.generate.training.model import Trainee
from facevid.generate.training.ranks import shards, split_batch
from facevid.generate.training.schedule import learning_rate
from facevid.generate.training.seeding import seed_for
from facevid.generate.training.task import Batch, Cost, Task
from facevid.generate.training.timing import peak_memory

_FLOAT = 4  # bytes; what is trained, its gradient, AdamW's two moments and the average are float32
_STEPS, _SECONDS = 4, 60.0


@dataclass(frozen=True)
class Estimate:
    """parameters: trained; frozen_parameters: the others. tokens, flops: of one sample, forwards.

    memory: bytes on each device by what they are for; "activations" is about. measured_bytes: most in use during the
    measured steps, of the device or, on a CPU, of the process. step_s: seconds of a step, without reading; data_s: of
    reading its samples, which goes on meanwhile. seconds: of all steps at the slower of the two. epochs: how often each
    of `samples` windows is seen. measured_samples: on how many the times were measured; fewer than a batch where that
    would take minutes.
    """

    name: str
    parameters: int
    frozen_parameters: int
    tokens: int
    flops: float
    steps: int
    batch: int
    micro_batch: int
    ranks: int
    samples: int
    epochs: float
    memory: Mapping[str, int]
    memory_bytes: int
    measured_bytes: int
    measured_samples: int
    step_s: float
    data_s: float
    seconds: float
    device: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def estimate(task: Task, recipe: TrainRecipe, accelerator: Accelerator) -> Estimate:
    """Trains a few steps and writes nothing; the task's weights are not worth keeping afterwards."""
    options = recipe.optimisation
    micro_batch = split_batch(recipe, accelerator.num_processes)
    task.to(accelerator.device, torch.bfloat16 if options.precision == "bf16" else torch.float32)
    cost = task.cost()  # of whole weights, before they are in shards
    trainee = Trainee(task, recipe, accelerator)
    try:
        times, measured = _measured(task, trainee, recipe, accelerator)
    finally:
        trainee.unwrap()
    # The first step lays out memory; without another it is all there is.
    kept = times[1:] or times
    step_s, data_s = (sum(of) / len(kept) for of in zip(*kept, strict=True))
    samples = task.training().samples
    memory = memory_of(
        cost, recipe, micro_batch, accelerator.num_processes if shards(accelerator, recipe) else 1
    )
    return Estimate(
        name=recipe.name,
        parameters=cost.parameters,
        frozen_parameters=cost.frozen_parameters,
        tokens=cost.tokens,
        flops=cost.flops,
        steps=options.steps,
        batch=options.batch,
        micro_batch=micro_batch,
        ranks=accelerator.num_processes,
        samples=samples,
        epochs=options.steps * options.batch / samples,
        memory=memory,
        memory_bytes=sum(memory.values()),
        measured_bytes=peak_memory(accelerator.device),
        measured_samples=measured * micro_batch * accelerator.num_processes,
        step_s=step_s,
        data_s=data_s,
        seconds=options.steps * max(step_s, data_s),
        device=str(accelerator.device),
    )


def memory_of(cost: Cost, recipe: TrainRecipe, micro_batch: int, shares: int) -> dict[str, int]:
    """Bytes on a device by what they are for. shares: over how many devices what is trained is shared out."""
    trained = -(-cost.parameters // shares) * _FLOAT
    options = recipe.optimisation
    frozen = 2 if options.precision == "bf16" else _FLOAT
    return {
        "weights": trained,
        "gradients": trained,
        "optimizer": 2 * trained,
        "average": trained if options.ema else 0,
        "frozen": cost.frozen_parameters * frozen,
        "activations": int(cost.bytes * micro_batch),
    }


def _measured(
    task: Task, trainee: Trainee, recipe: TrainRecipe, accelerator: Accelerator
) -> tuple[list[tuple[float, float]], int]:
    """Seconds of computing and of reading, for each of a few steps; and how many micro-batches were measured.

    A step that takes longer than the time for it ends early, and counts as if it had gone on like that.
    """
    options = recipe.optimisation
    count = min(_STEPS, options.steps)
    batches = task.training().iterate(
        0, count, batch=options.batch, accumulate=options.accumulate, rank=accelerator.process_index,
        world_size=accelerator.num_processes,
    )  # fmt: skip
    times: list[tuple[float, float]] = []
    began, measured = time.perf_counter(), 0

    def over() -> bool:
        # Ranks make the same number of steps.
        return accelerator.num_processes == 1 and time.perf_counter() - began > _SECONDS

    for step in range(count):
        read = 0.0
        start = time.perf_counter()
        for number in range(options.accumulate):
            asked = time.perf_counter()
            batch: Batch = next(batches)
            read += time.perf_counter() - asked
            seed_for(batch)
            with trainee.gathering(last=number == options.accumulate - 1):
                answer = trainee.model(on_device(batch, accelerator.device))
                accelerator.backward(answer["loss"].mean() / options.accumulate)
            done = number + 1
            if over():
                break
        measured += done
        trainee.clip(options.clip)
        trainee.step(learning_rate(options, step), step + 1)
        if accelerator.device.type == "cuda":
            torch.cuda.synchronize()
        whole = options.accumulate / done
        times.append(((time.perf_counter() - start - read) * whole, read * whole))
        if over():
            break
    return times, measured
