"""What families share whose video autoencoder scales its latents by one factor and takes k frames and one."""

from __future__ import annotations

from math import lcm

import torch
from torch import Tensor

from facevid.generate.errors import SizeError
from facevid.generate.families.base import DiffusersFamily
from facevid.generate.families.parts import check_sizes, device_of, dtype_of

PIPELINE_SIDE = 16
"""Sides are multiples of this whatever the parts: the pipelines refuse others."""


class ScaledVideo(DiffusersFamily):
    """EasyAnimate and HunyuanVideo."""

    def check(self, frames: int, height: int, width: int) -> None:
        vae = self.parts["vae"]
        side = lcm(PIPELINE_SIDE, vae.spatial_compression_ratio * self.denoiser.config.patch_size)
        every = vae.temporal_compression_ratio
        check_sizes(f"This {self.name} model", frames, height, width, every=every, side=side)

    def encode(self, video: Tensor) -> Tensor:
        vae = self.parts["vae"]
        every = vae.temporal_compression_ratio
        if (video.shape[2] - 1) % every:
            raise SizeError(
                f"The autoencoder of this {self.name} model takes {every}k + 1 frames, not {video.shape[2]}; cut or "
                "lengthen the video."
            )
        with torch.no_grad():
            latents = vae.encode(video.to(device_of(vae), dtype_of(vae))).latent_dist.mode().float()
        return latents * vae.config.scaling_factor

    def decode(self, latents: Tensor) -> Tensor:
        vae = self.parts["vae"]
        with torch.no_grad():
            video = vae.decode((latents.float() / vae.config.scaling_factor).to(dtype_of(vae))).sample
        return video.float()
