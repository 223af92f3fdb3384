"""Flow matching's Euler steps: with the shift applied once, for pipelines that pass no sigmas; and from less noise."""

from __future__ import annotations

from typing import Any

import numpy as np
from diffusers import FlowMatchEulerDiscreteScheduler


class ShiftedOnce(FlowMatchEulerDiscreteScheduler):
    """Without sigmas the class of diffusers shifts a range that it has shifted already; here that range is even."""

    def set_timesteps(self, num_inference_steps: int | None = None, device: Any = None, **given: Any) -> None:
        if num_inference_steps and given.get("sigmas") is None and given.get("timesteps") is None:
            given["sigmas"] = np.linspace(1.0, 1 / num_inference_steps, num_inference_steps)
        super().set_timesteps(num_inference_steps, device, **given)


def shifted_once(scheduler: Any) -> Any:
    """The scheduler, or one that shifts once where it would twice. For sampling only; the given one is saved."""
    if type(scheduler) is FlowMatchEulerDiscreteScheduler and not scheduler.config.use_dynamic_shifting:
        return ShiftedOnce.from_config(scheduler.config)
    return scheduler


class LessNoise(FlowMatchEulerDiscreteScheduler):
    """Steps from the time `strength` to 0 instead of from 1, as many, in the same proportions."""

    strength: float = 1.0

    def set_timesteps(
        self,
        num_inference_steps: int | None = None,
        device: Any = None,
        sigmas: Any = None,  # pipelines look whether there is such an argument
        **given: Any,
    ) -> None:
        super().set_timesteps(num_inference_steps, device, sigmas=sigmas, **given)
        for name in ("sigmas", "timesteps"):
            setattr(self, name, getattr(self, name) * self.strength)


def less_noise(scheduler: Any, strength: float) -> Any:
    """A scheduler like the given one that begins at the time `strength`."""
    made = LessNoise.from_config(scheduler.config)
    made.strength = strength
    return made
