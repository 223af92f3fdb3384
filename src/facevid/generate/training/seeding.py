"""Chance inside a network, such as dropout: set anew for each micro-batch from its samples' seeds, never carried on."""

from __future__ import annotations

import random

import numpy as np
import torch

from facevid.generate.training.task import Batch

_MIX = 0x5851F42D4C957F2D  # so that these draws are not those of `task.noise_like`


def seed_for(batch: Batch) -> None:
    """Sets the global generators of torch (all devices), numpy and Python for a micro-batch.

    The seed is that of its first sample, which the recipe's seed, the step and the place in the global batch decide: a
    training that goes on draws what an undisturbed one draws, and nothing random needs to be saved.
    """
    seed = (int(batch["seed"][0]) ^ _MIX) & 0x7FFFFFFFFFFFFFFF
    # Not torch.manual_seed: for devices that nobody uses yet it keeps a call, with its stack, to make later.
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)
    np.random.seed(seed & 0xFFFFFFFF)
    random.seed(seed)
