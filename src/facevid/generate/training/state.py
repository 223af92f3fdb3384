"""Weights and the optimizer's state as whole plain tensors by name, whatever the number of ranks and their sharding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from facevid.generate.errors import GenerateError
from facevid.generate.training.schedule import trained

MOMENTS = ("exp_avg", "exp_avg_sq", "momentum_buffer")
"""Of AdamW the first two, of Muon the last."""


def weights_of(module: nn.Module) -> dict[str, Tensor]:
    """What training changes in a module: trained parameters, and buffers that are saved."""
    state = module.state_dict()
    parameters = {name for name, _ in module.named_parameters(remove_duplicate=False)}
    return {n: p.detach() for n, p in trained(module).items()} | {
        n: t for n, t in state.items() if n not in parameters
    }


def moments_of(module: nn.Module, optimizers: Sequence[Any]) -> dict[str, Tensor]:
    """The optimizers' state as NAME.exp_avg, NAME.step and so on; nothing for what never had a gradient."""
    found = {}
    for name, parameter in trained(module).items():
        for optimizer in optimizers:
            for key, value in optimizer.state.get(parameter, {}).items():
                found[f"{name}.{key}"] = value
    return found


def gathered(tensors: Mapping[str, Tensor], *, keep: bool) -> dict[str, Tensor]:
    """Whole copies on the CPU. All ranks call it alike, since shards are fetched; keep: whether this one has a use."""
    found = {}
    for name, tensor in tensors.items():
        whole = tensor.full_tensor() if _sharded(tensor) else tensor
        if keep:
            found[name] = whole.detach().to("cpu", copy=True).contiguous()
    return found


def put(into: Mapping[str, Tensor], found: Mapping[str, Tensor], what: str) -> None:
    """Copies whole tensors into those of the same name, each rank its shard. Raises GenerateError for other names."""
    if lacking := sorted(into.keys() ^ found.keys()):
        raise GenerateError(
            f"{what} belongs to another model: {len(lacking)} names of weights are in one of the two only, such as "
            f"{', '.join(lacking[:3])}. Train into another folder."
        )
    for name, tensor in into.items():
        if tensor.shape != found[name].shape:
            raise GenerateError(
                f"{what} belongs to another model: {name} is {list(found[name].shape)} there and "
                f"{list(tensor.shape)} here. Train into another folder."
            )
        _copy(tensor, found[name])


def put_moments(
    module: nn.Module, optimizers: Sequence[Any], found: Mapping[str, Tensor], *, fused: bool
) -> None:
    """Gives the optimizers the state that `moments_of` told."""
    owner = {id(p): o for o in optimizers for group in o.param_groups for p in group["params"]}
    for name, parameter in trained(module).items():
        state: dict[str, Tensor] = {}
        for key in MOMENTS:
            if (whole := found.get(f"{name}.{key}")) is not None:
                state[key] = torch.zeros_like(parameter, memory_format=torch.preserve_format)
                _copy(state[key], whole)
        if (step := found.get(f"{name}.step")) is not None:
            # AdamW keeps the number of steps on the CPU unless its kernel is fused.
            state["step"] = step.to(parameter.device if fused else "cpu", copy=True)
        if state:
            owner[id(parameter)].state[parameter] = state


def local(tensor: Tensor) -> Tensor:
    """This rank's shard of a tensor, or the tensor."""
    return tensor.to_local() if _sharded(tensor) else tensor


def _copy(into: Tensor, whole: Tensor) -> None:
    into = into.detach()
    if _sharded(into):
        from torch.distributed.tensor import distribute_tensor

        # Every rank reads the whole, so nothing needs to be sent.
        into.copy_(
            distribute_tensor(whole.to(into.device), into.device_mesh, into.placements, src_data_rank=None)
        )
    else:
        into.copy_(whole)


def _sharded(tensor: Tensor) -> bool:
    return hasattr(tensor, "full_tensor")
