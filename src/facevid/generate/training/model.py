"""A task's module as it is trained: wrapped for ranks and precision, with its optimizers and its averaged weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from facevid.generate.errors import GenerateError
from facevid.generate.recipe import TrainRecipe
from facevid.generate.training.checkpoints import Checkpoint
from facevid.generate.training.ema import Ema
from facevid.generate.training.ranks import blocks, shards, wrap_blocks
from facevid.generate.training.schedule import optimizers, trained
from facevid.generate.training.state import (
    gathered,
    moments_of,
    put,
    put_moments,
    weights_of,
)
from facevid.generate.training.task import Task


class Trainee:
    """model: what to call with a batch. ema: None where the recipe wants none."""

    def __init__(self, task: Task, recipe: TrainRecipe, accelerator: Accelerator) -> None:
        options = recipe.optimisation
        self._module, self._accelerator = task.module, accelerator
        if not trained(task.module):
            raise GenerateError(f"{task.name} has no weights to train.")
        keep_float32(task.module)
        if options.checkpoint_activations:
            checkpoint_activations(task.module, task.name)
        if options.compile:
            compile_blocks(task.module)
        self._sharded = shards(accelerator, recipe)
        if self._sharded:
            wrap_blocks(accelerator, task.module)
        task.module.to(accelerator.device)
        task.module.train()
        self._fused = not self._sharded
        self.optimizers = optimizers(task.module, options, fused=self._fused)
        self.model, *self._prepared = accelerator.prepare(task.module, *self.optimizers)
        self._parameters = list(trained(self._module).values())
        self.ema = Ema(trained(self._module), options.ema) if options.ema else None

    def gathering(self, *, last: bool) -> AbstractContextManager[None]:
        """Around forwards and backwards: only after the last micro-batch of a step do ranks exchange gradients."""
        if last or self._accelerator.num_processes == 1:
            return nullcontext()
        # accelerate forgets that it shards, as soon as it has wrapped an optimizer.
        return self._unexchanged() if self._sharded else self._accelerator.no_sync(self.model)

    @contextmanager
    def _unexchanged(self) -> Iterator[None]:
        self.model.set_requires_gradient_sync(False)
        try:
            yield
        finally:
            self.model.set_requires_gradient_sync(True)

    def clip(self, largest: float) -> Tensor:
        """Scales the gradient down to a norm of `largest`; gives the norm that it had, on the device."""
        norm = torch.nn.utils.clip_grad_norm_(self._parameters, largest)
        return norm.full_tensor() if hasattr(norm, "full_tensor") else norm

    def step(self, lr: float, done: int) -> None:
        """Changes the weights; done: number of steps with this one."""
        for optimizer in self._prepared:
            for group in optimizer.param_groups:
                group["lr"] = lr * group["scale"]
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        if self.ema:
            self.ema.update(done)

    def averaged(self) -> AbstractContextManager[None]:
        """Inside, the module holds the averaged weights."""
        return self.ema.swapped() if self.ema else nullcontext()

    def gathered(self, *, keep: bool) -> dict[str, dict[str, Tensor]]:
        """Everything a checkpoint holds, as whole tensors on the CPU; all ranks call it, rank 0 keeps."""
        groups = {
            "weights": weights_of(self._module),
            "optimizer": moments_of(self._module, self.optimizers),
        }
        if self.ema:
            groups["ema"] = self.ema.average
        return {name: gathered(tensors, keep=keep) for name, tensors in groups.items()}

    def put(self, found: Checkpoint) -> None:
        """Goes on from a checkpoint."""
        what = f"The checkpoint of step {found.step}"
        put(weights_of(self._module), found.groups["weights"], what)
        put_moments(self._module, self.optimizers, found.groups["optimizer"], fused=self._fused)
        if self.ema:
            put(self.ema.average, found.groups["ema"], what)

    def unwrap(self) -> None:
        """Takes accelerate's hooks off the module, which is then as any other, so that it can be saved."""
        self._accelerator.unwrap_model(self.model, keep_fp32_wrapper=False)
        # accelerate puts back the method of the class as an attribute, which would be pickled and copied along.
        for name in ("forward", "_original_forward"):
            vars(self._module).pop(name, None)
        self._accelerator.free_memory()


def keep_float32(module: nn.Module) -> None:
    """Small steps vanish in bfloat16 weights, so what is trained is kept in float32, whatever it was loaded as."""
    for parameter in trained(module).values():
        if parameter.dtype != torch.float32:
            parameter.data = parameter.data.float()


def checkpoint_activations(module: nn.Module, name: str) -> None:
    """Activations are computed again backwards, in every part that offers it as diffusers' models do."""
    parts = [part for part in module.modules() if hasattr(part, "enable_gradient_checkpointing")]
    if not parts:
        raise GenerateError(
            f"optimisation.checkpoint_activations is set, but {name} has no part that can do it; set it to false."
        )
    for part in parts:
        try:
            part.enable_gradient_checkpointing()
        except ValueError as error:
            raise GenerateError(f"optimisation.checkpoint_activations: {error} Set it to false.") from None


def compile_blocks(module: nn.Module) -> None:
    """Compiles each repeated block by itself, which is quick since they share their code; else the whole module."""
    for part in blocks(module) or [module]:
        part.compile()


@contextmanager
def compiling(wanted: bool) -> Iterator[None]:
    """Around what calls compiled blocks, whose first call compiles: GenerateError where that cannot be done here."""
    if not wanted:
        yield
        return
    from torch._dynamo.exc import BackendCompilerFailed

    try:
        yield
    except BackendCompilerFailed as error:
        why = next((line for line in str(error).splitlines()[1:] if line.strip()), str(error))
        raise GenerateError(
            f"optimisation.compile is true, and torch cannot compile here: {why.strip()}. Install a C++ compiler "
            "(g++; for a GPU also Triton), or set optimisation.compile to false; what was trained is kept."
        ) from error


def load_weights(module: nn.Module, found: Checkpoint) -> None:
    """Puts a checkpoint's averaged weights (or, without, its weights) into a module that nothing wraps."""
    put(weights_of(module), found.groups["weights"], f"The checkpoint of step {found.step}")
    if "ema" in found.groups:
        put(trained(module), found.groups["ema"], f"The checkpoint of step {found.step}")
