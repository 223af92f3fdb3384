"""An autoencoder that begins as principal components gives back what they give, and says when it cannot begin so."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from facevid.generate.autoencoder.build import VideoAutoencoder, build_autoencoder
from facevid.generate.autoencoder.losses import psnr
from facevid.generate.autoencoder.principal import begin_principal
from facevid.generate.errors import GenerateError
from facevid.generate.recipe import Autoencoder, read_recipe

from . import tiny

ONCE: dict[str, Any] = {
    "patch_size": 8,
    "block_out_channels": [24, 192],
    "down_block_types": ["LTXVideo095DownBlock3D"],
    "downsample_type": ["spatiotemporal"],
    "layers_per_block": [1, 0],
    "spatio_temporal_scaling": [True],
    "decoder_block_out_channels": [192],
    "decoder_layers_per_block": [1, 0],
    "decoder_spatio_temporal_scaling": [True],
    "decoder_inject_noise": [False, False],
    "upsample_residual": [True],
    "upsample_factor": [8],
    "latent_channels": 16,
}
"""Blocks of 2 x 16 x 16 pixels: time and sides are halved once."""
TWICE: dict[str, Any] = {
    "block_out_channels": [6, 48, 384],
    "decoder_block_out_channels": [48, 384],
    "latent_channels": 12,
}
"""Blocks of 4 x 8 x 8 pixels, as the recipe has them, with fewer channels."""


def _autoencoder(small: dict[str, Any] = ONCE, **changes: Any) -> VideoAutoencoder:
    recipe = read_recipe("autoencoder").autoencoder
    assert recipe is not None
    torch.manual_seed(0)
    return build_autoencoder(Autoencoder(config={**recipe.config, **small, **changes}))


def _videos(first: int, count: int) -> torch.Tensor:
    return torch.cat([tiny.video(5, 32, seed=k) for k in range(first, first + count)])


def _linear(seen: torch.Tensor, asked: torch.Tensor, count: int, frames: int, side: int) -> float:
    """PSNR of what principal components of blocks of pixels give back, worked out by themselves."""

    def blocks(video: torch.Tensor) -> torch.Tensor:
        whole = torch.cat([video[:, :, :1]] * (frames - 1) + [video], 2)
        parts = whole.unflatten(4, (-1, side)).unflatten(3, (-1, side)).unflatten(2, (-1, frames))
        return parts.permute(0, 2, 4, 6, 1, 3, 5, 7).flatten(4).flatten(0, 3)

    rows = blocks(seen)
    mean = rows.mean(0)
    axes = torch.linalg.svd(rows - mean, full_matrices=False).Vh[:count]
    given = blocks(asked) - mean
    error = (given - given @ axes.T @ axes).square().mean()
    return float(10 * torch.log10(4 / error))


@pytest.mark.parametrize(("small", "frames", "side"), [(ONCE, 2, 16), (TWICE, 4, 8)])
def test_it_gives_back_nearly_what_principal_components_give(
    small: dict[str, Any], frames: int, side: int
) -> None:
    autoencoder = _autoencoder(small)
    assert autoencoder.latent_shape(5, 32, 32) == (
        small["latent_channels"],
        1 + 4 // frames,
        32 // side,
        32 // side,
    )
    seen, asked = _videos(0, 32), _videos(1000, 4)
    before = psnr(autoencoder.reconstruct(autoencoder.posterior(asked)[0]), asked).mean()
    begin_principal(autoencoder, seen.split(8))
    after = psnr(autoencoder.reconstruct(autoencoder.posterior(asked)[0]), asked).mean()
    best = _linear(seen, asked, small["latent_channels"], frames, side)
    assert before < 20
    assert after > min(best - 3, 30)


def test_channels_of_latents_vary_alike_and_their_noise_is_small() -> None:
    autoencoder = _autoencoder()
    seen = _videos(0, 48)
    begin_principal(autoencoder, seen.split(8))
    mean, logvar = autoencoder.posterior(seen)
    spread = mean.transpose(0, 1).flatten(1).std(1)
    assert float(spread.min()) > 0.3 and float(spread.max()) < 3
    assert float((logvar / 2).exp().max()) < 0.05


def test_the_same_data_give_the_same_weights() -> None:
    made = []
    for _ in range(2):
        autoencoder = _autoencoder()
        begin_principal(autoencoder, _videos(0, 16).split(4))
        made.append(autoencoder.vae.encoder.conv_out.conv.weight.clone())
    assert torch.equal(*made)


def test_one_that_cannot_begin_so_is_told_what_it_takes() -> None:
    autoencoder = _autoencoder(
        block_out_channels=[24, 96], decoder_block_out_channels=[96], upsample_factor=[4]
    )
    with pytest.raises(GenerateError, match="96 channels follow 24, not 192, eight times as many"):
        begin_principal(autoencoder, _videos(0, 4).split(4))
