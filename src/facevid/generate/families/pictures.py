"""Video through an autoencoder of pictures (AutoencoderKL): every frame by itself, as Latte and AnimateDiff take it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from facevid.generate.errors import GenerateError
from facevid.generate.families.parts import device_of, dtype_of

AT_ONCE = 16
"""Frames that are in memory at a time: the default of diffusers' AnimateDiffPipeline for decoding."""


def encode_pictures(autoencoder: Any, video: Tensor) -> Tensor:
    """Normalised latents (B, C, T, h, w), float32, of video (B, 3, T, H, W)."""
    factor = factor_of(autoencoder)
    flat = video.transpose(1, 2).flatten(0, 1).to(device_of(autoencoder), dtype_of(autoencoder))
    with torch.no_grad():
        modes = [autoencoder.encode(some).latent_dist.mode() for some in flat.split(AT_ONCE)]
    return torch.cat(modes).unflatten(0, (len(video), -1)).transpose(1, 2).float() * factor


def decode_pictures(autoencoder: Any, latents: Tensor) -> Tensor:
    """The inverse: video float32 (B, 3, T, H, W)."""
    scaled = (latents / factor_of(autoencoder)).transpose(1, 2).flatten(0, 1)
    scaled = scaled.to(device_of(autoencoder), dtype_of(autoencoder))
    with torch.no_grad():
        pictures = torch.cat([autoencoder.decode(some).sample for some in scaled.split(AT_ONCE)])
    return pictures.unflatten(0, (len(latents), -1)).transpose(1, 2).float()


def factor_of(autoencoder: Any) -> float:
    """What brings its latents to unit variance.

    Raises GenerateError for an autoencoder with a shift: these families' pipelines only scale, so `from_pretrained` of
    a saved model would decode to other colours than facevid.
    """
    shift = getattr(autoencoder.config, "shift_factor", None)
    if shift:
        raise GenerateError(
            f"The autoencoder {type(autoencoder).__name__} shifts its latents by {shift}, and the pipeline of this "
            "family in diffusers only scales them. Use an autoencoder whose shift_factor is null."
        )
    return float(autoencoder.config.scaling_factor)


def side_of(autoencoder: Any) -> int:
    """Pixels of a latent's side."""
    return int(2 ** (len(autoencoder.config.block_out_channels) - 1))
