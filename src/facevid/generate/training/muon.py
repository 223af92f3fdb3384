"""Muon (Jordan et al. 2024): momentum whose matrices are brought near to orthogonal ones before they are taken off."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

MOMENTUM = 0.95
ROUNDS = 5
_A, _B, _C = 3.4445, -4.7750, 2.0315
"""Of the polynomial a x + b x^3 + c x^5, which takes singular values of up to 1 to about .7 to 1.2 in five rounds
(Jordan et al. 2024)."""
_LIKE_ADAMW = 0.2
"""Root mean square of AdamW's updates at rate 1, which these are scaled to (Liu et al. 2025, equation 4)."""


class Muon(torch.optim.Optimizer):
    """Changes matrices (A, B) by -lr .2 sqrt(max(A, B)) O, with O near the orthogonal matrix of Nesterov's momentum.

    Beside torch's own, with which it agrees to bfloat16's precision, it works on all matrices of one shape at once, and
    where there is no GPU in float32: bfloat16 takes 50 times as long on processors that lack it. Decay is decoupled
    (Loshchilov, Hutter 2019). State: "momentum_buffer". Raises ValueError for what is no matrix.
    """

    def __init__(
        self, params: Iterable[Any], lr: float, *, weight_decay: float = 0.0, momentum: float = MOMENTUM
    ) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.ndim != 2:
                    raise ValueError(
                        f"Muon takes matrices, and a parameter has the shape {tuple(parameter.shape)}."
                    )

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            alike: dict[tuple[Any, ...], list[nn.Parameter]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    alike[tuple(parameter.shape), parameter.device].append(parameter)
            for parameters in alike.values():
                self._change(parameters, group)
        return loss

    def _change(self, parameters: list[nn.Parameter], group: dict[str, Any]) -> None:
        gradients = [p.grad for p in parameters if p.grad is not None]
        buffers = [self.state[p].setdefault("momentum_buffer", torch.zeros_like(p)) for p in parameters]
        torch._foreach_lerp_(buffers, gradients, 1 - group["momentum"])
        ahead = torch._foreach_lerp(gradients, buffers, group["momentum"])
        # What is shared out among ranks is made whole, on each of them.
        whole = torch.stack([t.full_tensor() if hasattr(t, "full_tensor") else t for t in ahead])
        rate = group["lr"] * _LIKE_ADAMW * max(parameters[0].shape) ** 0.5
        for parameter, update in zip(parameters, orthogonal(whole).to(whole.dtype).unbind(), strict=True):
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
            parameter.sub_(_shared_as(parameter, update), alpha=rate)


def _shared_as(parameter: Any, whole: Tensor) -> Tensor:
    """This rank's part of a tensor that every rank has whole."""
    if not hasattr(parameter, "full_tensor"):
        return whole
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(whole, parameter.device_mesh, parameter.placements, src_data_rank=None)


def orthogonal(matrices: Tensor) -> Tensor:
    """For matrices (N, A, B) about the nearest (half) orthogonal ones, by five rounds of Newton and Schulz."""
    given = matrices.to(torch.bfloat16 if matrices.is_cuda else torch.float32)
    tall = given.shape[1] > given.shape[2]
    x = given.mT if tall else given
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(ROUNDS):
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=_B, alpha=_C), x, beta=_A)
    return x.mT if tall else x
