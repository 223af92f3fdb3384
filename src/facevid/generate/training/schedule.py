"""The learning rate as a function of the step, and the optimizers that use it."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from facevid.generate.errors import GenerateError
from facevid.generate.recipe import Optimisation
from facevid.generate.training.muon import Muon
from facevid.generate.training.ranks import blocks


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


def optimizers(module: nn.Module, of: Optimisation, *, fused: bool = True) -> list[torch.optim.Optimizer]:
    """What changes the trained parameters of `module`: AdamW, with Muon before it where the recipe wants that.

    AdamW (Loshchilov, Hutter 2019) does not decay biases and norms. Muon (Jordan et al. 2024) takes matrices of
    repeated blocks and leaves embeddings and what leads in and out to AdamW, as its authors advise; its updates have
    the root mean square of AdamW's (Liu et al., "Muon is scalable for LLM training", 2025, section 2.2). Groups have
    "scale", the factor of the schedule's rate. Raises GenerateError where Muon finds no matrix.
    """
    inner = _matrices(module) if of.optimizer == "muon" else {}
    if of.optimizer == "muon" and not inner:
        raise GenerateError(
            "optimisation.optimizer is muon, but what is trained has no matrix in a repeated block. Take adamw."
        )
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for name, parameter in trained(module).items():
        if name not in inner:
            (plain if _undecayed(module, name, parameter) else decayed).append(parameter)
    groups: list[dict[str, Any]] = [
        {"params": params, "weight_decay": decay, "scale": 1.0}
        for params, decay in ((decayed, of.weight_decay), (plain, 0.0))
        if params
    ]
    made: list[torch.optim.Optimizer] = []
    if inner:
        rate = of.muon_lr or of.lr
        made.append(
            Muon(
                [{"params": list(inner.values()), "scale": rate / of.lr}],
                lr=rate, weight_decay=of.weight_decay,
            )
        )  # fmt: skip
    if groups:
        made.append(torch.optim.AdamW(groups, lr=of.lr, betas=of.betas, eps=of.eps, fused=fused))
    return made


def _matrices(module: nn.Module) -> dict[str, nn.Parameter]:
    """Weights of linear layers in repeated blocks, by name."""
    inside = {id(p) for block in blocks(module) for p in block.parameters()}
    linear = {f"{name}.weight" for name, part in module.named_modules() if isinstance(part, nn.Linear)}
    return {name: p for name, p in trained(module).items() if name in linear and id(p) in inside}


def trained(module: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that training changes, by name; one that is used twice stands there once."""
    return {name: p for name, p in module.named_parameters() if p.requires_grad}


def _undecayed(module: nn.Module, name: str, parameter: nn.Parameter) -> bool:
    owner = type(module.get_submodule(name.rpartition(".")[0])).__name__.lower()
    return parameter.ndim <= 1 or name.endswith("bias") or "norm" in owner
