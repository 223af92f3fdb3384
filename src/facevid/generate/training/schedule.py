"""The learning rate as a function of the step, and the optimizer that uses it."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from facevid.generate.recipe import Optimisation


def learning_rate(of: Optimisation, step: int) -> float:
    """The rate of step `step`, from 0: a line from lr / warmup to lr, then the decay, which ends at the last step.

    Cosine: final + (1 - final) (1 + cos(pi p)) / 2 with p from 0 at the end of the warm-up to 1 (Loshchilov, Hutter,
    "SGDR", 2017, equation 5).
    """
    if step < of.warmup:
        return of.lr * (step + 1) / of.warmup
    if of.decay == "constant":
        return of.lr
    passed = min(1.0, (step - of.warmup) / max(1, of.steps - 1 - of.warmup))
    left = 0.5 * (1 + math.cos(math.pi * passed)) if of.decay == "cosine" else 1 - passed
    return of.lr * (of.final + (1 - of.final) * left)


def adamw(module: nn.Module, of: Optimisation, *, fused: bool = True) -> torch.optim.AdamW:
    """AdamW (Loshchilov, Hutter 2019) over what `module` trains; biases and norms are not decayed."""
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for name, parameter in trained(module).items():
        (plain if _undecayed(module, name, parameter) else decayed).append(parameter)
    groups: list[dict[str, Any]] = [
        {"params": decayed, "weight_decay": of.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=of.lr, betas=of.betas, eps=of.eps, fused=fused
    )


def trained(module: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that training changes, by name; one that is used twice stands there once."""
    return {name: p for name, p in module.named_parameters() if p.requires_grad}


def _undecayed(module: nn.Module, name: str, parameter: nn.Parameter) -> bool:
    owner = type(module.get_submodule(name.rpartition(".")[0])).__name__.lower()
    return parameter.ndim <= 1 or name.endswith("bias") or "norm" in owner
