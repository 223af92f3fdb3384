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


def _autoencoder(**changes: Any) -> VideoAutoencoder:
    recipe = read_recipe("autoencoder").autoencoder
    assert recipe is not None
    small = {"block_out_channels": [24, 192], "decoder_block_out_channels": [192], "latent_channels": 16}
    torch.manual_seed(0)
    return build_autoencoder(Autoencoder(config={**recipe.config, **small, **changes}))


def _videos(first: int, count: int) -> torch.Tensor:
    return torch.cat([tiny.video(5, 32, seed=k) for k in range(first, first + count)])


def _linear(seen: torch.Tensor, asked: torch.Tensor, count: int) -> float:
    """PSNR of what principal components of blocks of 2 x 16 x 16 pixels give back, worked out by themselves."""

    def blocks(video: torch.Tensor) -> torch.Tensor:
        doubled = torch.cat([video[:, :, :1], video], 2)
        parts = doubled.unflatten(4, (-1, 16)).unflatten(3, (-1, 16)).unflatten(2, (-1, 2))
        return parts.permute(0, 2, 4, 6, 1, 3, 5, 7).flatten(4).flatten(0, 3)

    rows = blocks(seen)
    mean = rows.mean(0)
    axes = torch.linalg.svd(rows - mean, full_matrices=False).Vh[:count]
    given = blocks(asked) - mean
    error = (given - given @ axes.T @ axes).square().mean()
    return float(10 * torch.log10(4 / error))


def test_it_gives_back_nearly_what_principal_components_give() -> None:
    autoencoder = _autoencoder()
    seen, asked = _videos(0, 32), _videos(1000, 4)
    before = psnr(autoencoder.reconstruct(autoencoder.posterior(asked)[0]), asked).mean()
    begin_principal(autoencoder, seen.split(8))
    after = psnr(autoencoder.reconstruct(autoencoder.posterior(asked)[0]), asked).mean()
    best = _linear(seen, asked, 16)
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
    with pytest.raises(GenerateError, match="96 channels follow 24, not eight times as many"):
        begin_principal(autoencoder, _videos(0, 4).split(4))
