"""What a training will cost, before it is begun: weights, memory, and time by a few measured steps."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from accelerate import Accelerator

from facevid.generate.recipe import TrainRecipe
from facevid.generate.training.feeding import on_device
from facevid.generate.training.model import Trainee, compiling
from facevid.generate.training.ranks import on_main, shards, split_batch
from facevid.generate.training.schedule import learning_rate
from facevid.generate.training.seeding import seed_for
from facevid.generate.training.task import Batch, Cost, Task
from facevid.generate.training.timing import free_memory, peak_flops, peak_memory

_FLOAT = 4  # bytes; what is trained, its gradient, the optimizer's moments and the average are float32
_STEPS, _SECONDS = 4, 20.0
_UNDER_PEAK = 4  # how much longer than at the speed of a matrix product a sample may take


@dataclass(frozen=True)
class Estimate:
    """parameters: trained; frozen_parameters: the others. tokens, flops: of one sample, forwards.

    memory: bytes on each device by what they are for; "activations" is about. measured_bytes: most in use during the
    measured steps, of the device or, on a CPU, of the process. step_s: seconds of a step, without reading; data_s: of
    reading its samples, which goes on meanwhile. seconds: of all steps at the slower of the two. epochs: how often each
    of `samples` windows is seen. measured_samples: on how many the times were measured; fewer than a batch where that
    would take minutes. unmeasured: why no time was measured (it does not fit the memory, or one sample takes too long),
    a sentence; what is measured is then None.
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
    measured_bytes: int | None
    measured_samples: int
    step_s: float | None
    data_s: float | None
    seconds: float | None
    device: str
    unmeasured: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def estimate(task: Task, recipe: TrainRecipe, accelerator: Accelerator) -> Estimate:
    """Counts, then trains a few steps and writes nothing; the task's weights are not worth keeping afterwards.

    No step is made where the training would not fit the free memory, or one sample would take longer than all steps
    may. Of a task made without weights (`DiffusionTask.weighed`), they are made only for the steps.
    """
    options = recipe.optimisation
    ranks = accelerator.num_processes
    micro_batch = split_batch(recipe, ranks)
    dtype = torch.bfloat16 if options.precision == "bf16" else torch.float32
    bare = any(p.is_meta for p in task.module.parameters())
    if not bare:
        task.to(accelerator.device, dtype)
    cost = task.cost()  # of whole weights, before they are in shards
    memory = memory_of(cost, recipe, micro_batch, ranks if shards(accelerator, recipe) else 1)
    # A task that has its weights holds a part of that already.
    held = 0 if bare else memory["frozen"] + memory["weights"]
    unmeasured = on_main(accelerator, lambda: _too_large(memory, held, recipe, accelerator))
    at_once = micro_batch
    if unmeasured is None:
        at_once, unmeasured = on_main(accelerator, lambda: _at_once(cost, micro_batch, accelerator, dtype))
    step_s = data_s = None
    measured = 0
    if unmeasured is None:
        whole = task.weighed() if isinstance(task, _Weighable) else task
        whole.to(accelerator.device, dtype)
        trainee = Trainee(whole, recipe, accelerator)
        try:
            with compiling(recipe.optimisation.compile):
                times, measured = _measured(whole, trainee, recipe, accelerator, at_once)
        finally:
            trainee.unwrap()
        # The first step lays out memory; without another it is all there is.
        kept = times[1:] or times
        step_s, data_s = (sum(of) / len(kept) * micro_batch / at_once for of in zip(*kept, strict=True))
    samples = task.training().samples
    return Estimate(
        name=recipe.name,
        parameters=cost.parameters,
        frozen_parameters=cost.frozen_parameters,
        tokens=cost.tokens,
        flops=cost.flops,
        steps=options.steps,
        batch=options.batch,
        micro_batch=micro_batch,
        ranks=ranks,
        samples=samples,
        epochs=options.steps * options.batch * _batches(recipe) / samples,
        memory=memory,
        memory_bytes=sum(memory.values()),
        measured_bytes=None if unmeasured else peak_memory(accelerator.device),
        measured_samples=measured * at_once * ranks,
        step_s=step_s,
        data_s=data_s,
        seconds=None if step_s is None or data_s is None else options.steps * max(step_s, data_s),
        device=str(accelerator.device),
        unmeasured=unmeasured,
    )


def _batches(recipe: TrainRecipe) -> float:
    """How many times optimisation.batch a step has on average, where buckets have equally many windows."""
    buckets = recipe.data.buckets
    return sum(b.share * b.batches for b in buckets) / sum(b.share for b in buckets)


@runtime_checkable
class _Weighable(Protocol):
    def weighed(self) -> Task: ...


def _too_large(
    memory: Mapping[str, int], held: int, recipe: TrainRecipe, accelerator: Accelerator
) -> str | None:
    """Why a training does not fit the memory, and what to change; None where it does. held: bytes it has already."""
    # Ranks without a GPU share the memory of their machine.
    sharing = 1 if accelerator.device.type == "cuda" else accelerator.num_processes
    room = free_memory(accelerator.device) + held * sharing
    needed = sum(memory.values()) * sharing
    if needed <= room:
        return None
    change = (
        "run it where there is more memory, or in shards on several GPUs (optimisation.distributed: fsdp)"
    )
    if needed - memory["activations"] * sharing < room:
        again = (
            "" if recipe.optimisation.checkpoint_activations else "set optimisation.checkpoint_activations, "
        )
        change = f"raise optimisation.accumulate, {again}or {change}"
    return (
        f"not measured, since the training needs about {needed / 1e9:,.1f} GB and {room / 1e9:,.1f} GB are free here. "
        f"To train on this machine, {change}."
    )


def _at_once(
    cost: Cost, micro_batch: int, accelerator: Accelerator, dtype: torch.dtype
) -> tuple[int, str | None]:
    """Samples of a micro-batch that is measured, so that some fit the time for it; or why not even one does."""
    if accelerator.num_processes > 1:
        return micro_batch, None
    # Forwards once, backwards twice that.
    least = 3 * cost.flops / peak_flops(accelerator.device, dtype)
    if least > _SECONDS:
        return 0, (
            f"not measured, since one sample takes at least {least:,.0f} s here, at the speed of a large matrix "
            f"product, and a dry run measures for {_SECONDS:.0f} s. Run it on the machine that is to train."
        )
    fitting = int(_SECONDS / (_UNDER_PEAK * least)) if least else micro_batch
    return min(max(fitting, 1), micro_batch), None


def memory_of(cost: Cost, recipe: TrainRecipe, micro_batch: int, shares: int) -> dict[str, int]:
    """Bytes on a device by what they are for. shares: over how many devices what is trained is shared out."""
    trained = -(-cost.parameters // shares) * _FLOAT
    options = recipe.optimisation
    frozen = 2 if options.precision == "bf16" else _FLOAT
    return {
        "weights": trained,
        "gradients": trained,
        "optimizer": 2 * trained,  # AdamW's moments; Muon has one of its matrices, so this is the most
        "average": trained if options.ema else 0,
        "frozen": cost.frozen_parameters * frozen,
        "activations": int(cost.bytes * micro_batch),
    }


def _measured(
    task: Task, trainee: Trainee, recipe: TrainRecipe, accelerator: Accelerator, at_once: int
) -> tuple[list[tuple[float, float]], int]:
    """Seconds of computing and of reading, for each of a few steps; and how many micro-batches were measured.

    at_once: samples of a micro-batch. A step that takes longer than the time for it ends early, and counts as if it had
    gone on like that.
    """
    options = recipe.optimisation
    count = min(_STEPS, options.steps)
    batches = task.training().iterate(
        0, count, batch=at_once * options.accumulate * accelerator.num_processes, accumulate=options.accumulate,
        rank=accelerator.process_index, world_size=accelerator.num_processes,
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
