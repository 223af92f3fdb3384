"""What a network learns to predict from noisy latents: flow matching's velocity, or a diffusion's noise or velocity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor


class Objective(Protocol):
    """How latents are made noisy, and what the network shall answer. Shapes: latents and noise (B, C, F, H, W)."""

    def times(self, uniform: Tensor) -> Tensor:
        """Times of training (B,) for draws uniform in (0, 1): what `noisy`, `target` and `timesteps` take."""

    def levels(self, uniform: Tensor) -> Tensor:
        """Times (B,) spread evenly by `uniform`, for losses that compare runs: no sampling density but this."""

    def noisy(self, latents: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """Latents with noise of the times."""

    def target(self, latents: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """What the network shall answer."""

    def timesteps(self, times: Tensor) -> Tensor:
        """The same times as the network takes them, (B,)."""


@dataclass(frozen=True)
class FlowMatching:
    """Rectified flow (Liu, Gong, Liu 2023; Lipman et al. 2023): x_t = (1 - t) x + t n, the network answers n - x.

    Times are logit-normal (Esser et al., "Scaling rectified flow transformers", 2024, section 3.1) with `mean` and
    `std` of the logit, then shifted towards noise by `shift` s: t' = s t / (1 + (s - 1) t) (ibid., equation 23); 1
    shifts nothing. `steps`: the number by which networks of diffusers take times.
    """

    mean: float = 0.0
    std: float = 1.0
    shift: float = 1.0
    steps: int = 1000

    def times(self, uniform: Tensor) -> Tensor:
        logit = self.mean + self.std * torch.special.ndtri(uniform.double())
        return self._shifted(torch.sigmoid(logit)).to(uniform.dtype).clamp(1e-4, 1.0)

    def levels(self, uniform: Tensor) -> Tensor:
        return uniform.clamp(1e-4, 1.0)

    def _shifted(self, times: Tensor) -> Tensor:
        return self.shift * times / (1 + (self.shift - 1) * times)

    def noisy(self, latents: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        t = _as(times, latents)
        return (1 - t) * latents + t * noise

    def target(self, latents: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        return noise - latents

    def timesteps(self, times: Tensor) -> Tensor:
        return times * self.steps


@dataclass(frozen=True)
class Diffusion:
    """Variance preserving diffusion (Ho et al. 2020) with the noise schedule of a diffusers scheduler.

    alphas_cumprod: float (T,), the scheduler's. predicts: "epsilon" (the noise) or "v_prediction" (Salimans, Ho 2022:
    sqrt(a) n - sqrt(1 - a) x). Times are whole steps, drawn evenly.
    """

    alphas_cumprod: Tensor
    predicts: Literal["epsilon", "v_prediction"]

    def times(self, uniform: Tensor) -> Tensor:
        count = len(self.alphas_cumprod)
        return (uniform * count).long().clamp(0, count - 1)

    levels = times

    def noisy(self, latents: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        a = self._kept(times, latents)
        return a.sqrt() * latents + (1 - a).sqrt() * noise

    def target(self, latents: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        if self.predicts == "epsilon":
            return noise
        a = self._kept(times, latents)
        return a.sqrt() * noise - (1 - a).sqrt() * latents

    def timesteps(self, times: Tensor) -> Tensor:
        return times

    def _kept(self, times: Tensor, like: Tensor) -> Tensor:
        return _as(self.alphas_cumprod.to(like.device)[times], like)


def _as(values: Tensor, like: Tensor) -> Tensor:
    return values.to(like.dtype).view(-1, *[1] * (like.ndim - 1))
