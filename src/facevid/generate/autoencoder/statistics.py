"""Mean and deviation of an autoencoder's latents by channel, gathered batch by batch without keeping any."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from facevid.generate.errors import GenerateError

_DEAD = 1e-3
"""Least deviation, relative to the largest: a channel that carries nothing is not blown up to unit variance."""


class LatentStatistics:
    """Moments of latents (B, channels, ...) added one batch after the other, in float64 (Chan et al. 1979)."""

    def __init__(self, channels: int) -> None:
        self.count = 0
        self.mean = torch.zeros(channels, dtype=torch.float64)
        self._squares = torch.zeros(channels, dtype=torch.float64)

    def add(self, latents: Tensor) -> None:
        values = latents.detach().transpose(0, 1).flatten(1).cpu().double()
        count = values.shape[1]
        mean = values.mean(1)
        apart = mean - self.mean
        whole = self.count + count
        self._squares += (values - mean.unsqueeze(1)).square().sum(
            1
        ) + apart.square() * self.count * count / whole
        self.mean += apart * count / whole
        self.count = whole

    @property
    def std(self) -> Tensor:
        """Deviation (channels,), float64."""
        return (self._squares / max(self.count, 1)).sqrt()


def latent_statistics(channels: int, batches: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and deviation, float32 (channels,), over all batches of latents that are not normalised.

    The deviation of a channel that hardly varies is raised to a thousandth of the largest. Raises GenerateError where
    there are no latents, or they are not finite.
    """
    found = LatentStatistics(channels)
    for latents in batches:
        found.add(latents)
    if found.count == 0:
        raise GenerateError("There are no training windows to measure the latents on.")
    std = found.std
    if not torch.isfinite(found.mean + std).all() or std.max() <= 0:
        raise GenerateError(
            "The autoencoder's latents are all alike or not finite; it has learned nothing. Train it longer, or with a "
            "smaller optimisation.lr."
        )
    return found.mean.float(), std.clamp(min=float(std.max()) * _DEAD).float()
