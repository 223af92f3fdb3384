"""Averaged weights: an exponential moving average that warms up, swapped in where the model is looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from facevid.generate.training.state import local


def decay_at(decay: float, step: int) -> float:
    """The decay after `step` steps: min(decay, (1 + n) / (10 + n)), so that early weights are soon forgotten."""
    return min(decay, (1 + step) / (10 + step))


class Ema:
    """The average of parameters (float32): average = d * average + (1 - d) * parameter after each step.

    It knows nothing but the average: d follows from the number of steps.
    """

    def __init__(self, parameters: Mapping[str, Tensor], decay: float) -> None:
        self.decay = decay
        self.average = {name: p.detach().clone() for name, p in parameters.items()}
        self._parameters = [local(p.detach()) for p in parameters.values()]
        self._averages = [local(a) for a in self.average.values()]

    def update(self, step: int) -> None:
        """Takes in the parameters as they are after `step` steps, which count from 1."""
        with torch.no_grad():
            torch._foreach_lerp_(self._averages, self._parameters, 1 - decay_at(self.decay, step))

    @contextmanager
    def swapped(self) -> Iterator[None]:
        """Inside, the parameters are the averages, and the other way round; no bit is lost."""
        self.swap()
        try:
            yield
        finally:
            self.swap()

    def swap(self) -> None:
        """Exchanges parameters and averages in place."""
        with torch.no_grad():
            for parameter, average in zip(self._parameters, self._averages, strict=True):
                kept = parameter.clone()
                parameter.copy_(average)
                average.copy_(kept)
