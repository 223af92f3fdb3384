"""An autoencoder with its losses: what the trainer calls."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from facevid.generate.autoencoder.build import VideoAutoencoder
from facevid.generate.autoencoder.losses import Perceptual, kl, psnr, reconstruction, squared, ssim, temporal
from facevid.generate.recipe import Autoencoder
from facevid.generate.training.task import Batch, noise_like

POSTERIOR = 0
"""What a sample's seed decides for the noise of its latents."""


class Reconstructing(nn.Module):
    """`forward(batch)` gives each sample's loss and its parts, each float32 (B,); in eval mode also "psnr" (dB) and
    "ssim". Registers the autoencoder alone."""

    def __init__(self, autoencoder: VideoAutoencoder, weights: Autoencoder) -> None:
        super().__init__()
        self.vae = autoencoder.vae
        perceptual = (
            Perceptual(weights.perceptual_frames, weights.perceptual_side) if weights.perceptual > 0 else None
        )
        # In a tuple, so that the face embedder is not registered as trained.
        self._apart = (autoencoder, perceptual)
        self._weights = weights

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        video, seeds = batch["video"], batch["seed"]
        autoencoder, perceptual = self._apart
        mean, logvar = autoencoder.posterior(video)
        noise = noise_like(mean, seeds, POSTERIOR, anywhere=not self.training).to(mean.dtype)
        found = autoencoder.reconstruct(mean + (logvar / 2).exp() * noise)
        weights = self._weights
        parts = {"reconstruction": reconstruction(found, video), "kl": kl(mean, logvar)}
        loss = weights.reconstruction * parts["reconstruction"] + weights.kl * parts["kl"]
        if weights.squared > 0:
            parts["squared"] = squared(found, video)
            loss = loss + weights.squared * parts["squared"]
        if weights.temporal > 0:
            parts["temporal"] = temporal(found, video)
            loss = loss + weights.temporal * parts["temporal"]
        if perceptual is not None:
            parts["perceptual"] = perceptual(found, video, seeds)
            loss = loss + weights.perceptual * parts["perceptual"]
        if not self.training:
            parts |= {"psnr": psnr(found, video), "ssim": ssim(found, video)}
        return {"loss": loss, **{name: part.detach() for name, part in parts.items()}}

    def to_apart(self, device: torch.device) -> None:
        """Moves what is not registered."""
        if self._apart[1] is not None:
            self._apart[1].to(device)

    @property
    def frozen_parameters(self) -> int:
        """Weights of the face embedder."""
        perceptual = self._apart[1]
        return 0 if perceptual is None else sum(p.numel() for p in perceptual.embedder.parameters())
