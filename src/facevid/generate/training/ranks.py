"""The processes of one training: what accelerate is told of the recipe, and work that one rank does for all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import (
    DistributedDataParallelKwargs,
    DistributedType,
    FullyShardedDataParallelPlugin,
    InitProcessGroupKwargs,
    broadcast_object_list,
    parse_flag_from_env,
)
from torch import nn

from facevid.generate.errors import GenerateError
from facevid.generate.recipe import TrainRecipe

T = TypeVar("T")
_PATIENCE = timedelta(hours=2)  # rank 0 may encode a data set while the others wait


def accelerator_for(recipe: TrainRecipe) -> Accelerator:
    """accelerate's state of this process: the device, the precision, and how gradients meet.

    Started by `accelerate launch` or `torchrun` there are several ranks; by itself there is one, and nothing to shard.
    """
    # A training before this one in the process may have had another precision, or shards.
    AcceleratorState._reset_state()
    os.environ.pop("ACCELERATE_USE_FSDP", None)
    options = recipe.optimisation
    plugin = None
    handlers: list[Any] = [InitProcessGroupKwargs(timeout=_PATIENCE)]
    # Told of LOCAL_RANK only, accelerate takes ranks without a GPU for several trainings.
    cpu = not torch.cuda.is_available() and int(os.environ.get("WORLD_SIZE", "1")) > 1
    cpu = cpu or parse_flag_from_env("ACCELERATE_USE_CPU")
    state = PartialState(cpu, timeout=_PATIENCE)
    if state.num_processes > 1 and options.distributed == "fsdp":
        plugin = FullyShardedDataParallelPlugin(
            fsdp_version=2,
            auto_wrap_policy="transformer_based_wrap",
            transformer_cls_names_to_wrap=[],
            reshard_after_forward=True,
            cpu_ram_efficient_loading=False,
            mixed_precision_policy=_policy(options.precision),
        )
    else:
        # A batch may leave a part of a model without gradient, such as the one that reads the first picture.
        handlers.append(DistributedDataParallelKwargs(find_unused_parameters=True))
    precision = "bf16" if options.precision == "bf16" else "no"
    made = Accelerator(cpu=cpu, mixed_precision=precision, kwargs_handlers=handlers, fsdp_plugin=plugin)
    if plugin is not None and cpu:
        # accelerate passes over FSDP on ranks without a GPU, though torch can do it there; the tests want it.
        made.state.distributed_type = DistributedType.FSDP
        made.state.fsdp_plugin = plugin
    return made


def _policy(precision: str) -> Any:
    from torch.distributed.fsdp import MixedPrecisionPolicy

    if precision != "bf16":
        return MixedPrecisionPolicy()
    # Latents and noise stay float32: autocast rounds where the network begins, not before the loss's target.
    return MixedPrecisionPolicy(
        param_dtype=torch.bfloat16, reduce_dtype=torch.float32, cast_forward_inputs=False
    )


def shards(accelerator: Accelerator, recipe: TrainRecipe) -> bool:
    """Whether each rank holds only a shard of the weights."""
    return accelerator.num_processes > 1 and recipe.optimisation.distributed == "fsdp"


def wrap_blocks(accelerator: Accelerator, module: nn.Module) -> None:
    """Tells FSDP which parts are fetched as one: the blocks that stand in a list."""
    accelerator.state.fsdp_plugin.transformer_cls_names_to_wrap = sorted(
        {type(block).__name__ for block in blocks(module)}
    )


def blocks(module: nn.Module) -> list[nn.Module]:
    """The outermost repeated parts with weights: members of a ModuleList that is inside no other."""
    found: list[nn.Module] = []
    _collect(module, found)
    return found


def _collect(module: nn.Module, found: list[nn.Module]) -> None:
    for child in module.children():
        if isinstance(child, nn.ModuleList):
            found += [block for block in child if any(True for _ in block.parameters())]
        else:
            _collect(child, found)


def on_main(accelerator: Accelerator, work: Callable[[], T]) -> T:
    """What `work` gives on rank 0, on all ranks; its error too, so that no rank waits for one that stopped."""
    result: list[Any] = [None, None]
    if accelerator.is_main_process:
        try:
            result[0] = work()
        except Exception as error:  # noqa: BLE001 - it is raised below, on every rank
            result[1] = error
    if accelerator.num_processes > 1:
        failed = result[1]
        result[1] = None if failed is None else _portable(failed)
        broadcast_object_list(result)
        result[1] = failed or result[1]
    if result[1] is not None:
        raise result[1]
    return result[0]


def _portable(error: Exception) -> Exception:
    """The error as other processes can read it."""
    from facevid.errors import FacevidError

    return error if isinstance(error, FacevidError) else GenerateError(f"{type(error).__name__}: {error}")


def split_batch(recipe: TrainRecipe, ranks: int) -> int:
    """Samples of a micro-batch. Raises GenerateError where the batch cannot be split evenly."""
    options = recipe.optimisation
    parts = options.accumulate * ranks
    if options.batch % parts:
        raise GenerateError(
            f"optimisation.batch = {options.batch} cannot be split over {ranks} ranks x {options.accumulate} "
            f"micro-batches (optimisation.accumulate); make it a multiple of {parts}, such as "
            f"{-(-options.batch // parts) * parts}."
        )
    return options.batch // parts


@contextmanager
def owned(accelerator: Accelerator, locks: Iterable[Any]) -> Iterator[None]:
    """Holds locks (context managers) on rank 0; a folder that is busy is told on every rank."""
    held: list[Any] = []

    def take() -> None:
        for lock in locks:
            lock.__enter__()
            held.append(lock)

    try:
        on_main(accelerator, take)
        yield
    finally:
        for lock in reversed(held):
            lock.__exit__(None, None, None)
