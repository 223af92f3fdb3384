"""Autoencoders of diffusers behind one interface: shapes, normalised latents, folders, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from facevid.generate.autoencoder.build import KINDS, VideoAutoencoder, build_autoencoder, load_autoencoder
from facevid.generate.errors import GenerateError, SizeError
from facevid.generate.families.parts import seeded
from facevid.generate.recipe import Autoencoder

TINY: dict[str, dict[str, Any]] = {
    "AutoencoderKLLTXVideo": {
        "latent_channels": 6,
        "block_out_channels": (8, 8),
        "down_block_types": ("LTXVideoDownBlock3D",) * 2,
        "decoder_block_out_channels": (8, 8),
        "layers_per_block": (1, 1, 1),
        "decoder_layers_per_block": (1, 1, 1),
        "spatio_temporal_scaling": (True, True),
        "decoder_spatio_temporal_scaling": (True, True),
        "decoder_inject_noise": (False,) * 3,
        "downsample_type": ("conv",) * 2,
        "upsample_residual": (False,) * 2,
        "upsample_factor": (1,) * 2,
        "patch_size": 2,
    },
    "AutoencoderKLWan": {
        "base_dim": 3,
        "z_dim": 4,
        "dim_mult": [1, 1, 1],
        "num_res_blocks": 1,
        "temperal_downsample": [False, True],
    },
    "AutoencoderKLCogVideoX": {
        "block_out_channels": (8,) * 4,
        "latent_channels": 4,
        "layers_per_block": 1,
        "norm_num_groups": 2,
    },
    "AutoencoderKLHunyuanVideo": {
        "block_out_channels": (8,) * 4,
        "latent_channels": 4,
        "layers_per_block": 1,
        "norm_num_groups": 4,
    },
    "AutoencoderKLMagvit": {
        "block_out_channels": (8,) * 4,
        "latent_channels": 4,
        "layers_per_block": 1,
        "norm_num_groups": 2,
    },
    "AutoencoderKL": {
        "block_out_channels": (8, 8),
        "down_block_types": ("DownEncoderBlock2D",) * 2,
        "up_block_types": ("UpDecoderBlock2D",) * 2,
        "norm_num_groups": 2,
        "latent_channels": 4,
    },
}
SHAPES = {
    "AutoencoderKLLTXVideo": (6, 3, 4, 4),
    "AutoencoderKLWan": (4, 5, 8, 8),
    "AutoencoderKLCogVideoX": (4, 3, 4, 4),
    "AutoencoderKLHunyuanVideo": (4, 3, 4, 4),
    "AutoencoderKLMagvit": (4, 3, 4, 4),
    "AutoencoderKL": (4, 9, 16, 16),
}


def made(name: str, **changes: Any) -> VideoAutoencoder:
    torch.set_num_threads(1)
    with seeded(0):
        return build_autoencoder(Autoencoder(type=name, config={**TINY[name], **changes}))


def video(frames: int = 9, side: int = 32) -> torch.Tensor:
    return torch.rand(2, 3, frames, side, side, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_all_classes_are_tried() -> None:
    assert KINDS.keys() == TINY.keys()


@pytest.mark.parametrize("name", TINY)
def test_latents_have_the_shape_that_is_told_and_videos_come_back(name: str) -> None:
    autoencoder = made(name)
    latents = autoencoder.encode(video())
    assert latents.shape[1:] == SHAPES[name] == autoencoder.latent_shape(9, 32, 32)
    assert autoencoder.decode(latents).shape == video().shape
    assert autoencoder.encode(video(1)).shape[2] == 1


@pytest.mark.parametrize("name", TINY)
def test_statistics_normalise_latents_and_are_saved(name: str, tmp_path: Path) -> None:
    autoencoder = made(name)
    plain = autoencoder.posterior(video())[0].detach()
    mean, std = plain.mean((0, 2, 3, 4)), plain.std((0, 2, 3, 4), unbiased=False)
    autoencoder.set_statistics(mean, std)
    latents = autoencoder.encode(video())
    if name in ("AutoencoderKLLTXVideo", "AutoencoderKLWan"):
        assert latents.mean((0, 2, 3, 4)) == pytest.approx(torch.zeros(len(mean)), abs=1e-4)
        assert latents.std((0, 2, 3, 4)) == pytest.approx(torch.ones(len(mean)), abs=1e-2)
    else:
        assert latents.std(unbiased=False).item() == pytest.approx(1, abs=1e-3)
    assert torch.allclose(autoencoder.denormalise(latents), plain, atol=1e-4)
    autoencoder.save(tmp_path)
    # Not bitwise: kernels of some processors go by where in memory weights lie, and loaded ones lie elsewhere.
    assert torch.allclose(load_autoencoder(tmp_path).encode(video()), latents, atol=1e-5)


@pytest.mark.parametrize("name", TINY)
def test_gradients_reach_every_weight(name: str) -> None:
    autoencoder = made(name)
    mean, logvar = autoencoder.posterior(video())
    autoencoder.reconstruct(mean + logvar.mul(0.5).exp() * torch.ones_like(mean)).abs().sum().backward()
    assert all(p.grad is not None for p in autoencoder.vae.parameters())


@pytest.mark.parametrize("name", TINY)
def test_a_new_ones_posteriors_are_narrow(name: str) -> None:
    mean, logvar = made(name).posterior(video())
    assert logvar.max() < -4
    assert mean.std() > 0.03


@pytest.mark.parametrize("name", ["AutoencoderKLLTXVideo", "AutoencoderKLWan"])
def test_frames_that_would_be_dropped_are_refused(name: str) -> None:
    autoencoder = made(name)
    nearest = {4: "13 or 17", 2: "15 or 17"}[autoencoder.every]
    with pytest.raises(SizeError, match=f"16 frames.*Nearest: {nearest}"):
        autoencoder.encode(video(16))
    with pytest.raises(SizeError, match="a height of 30"):
        autoencoder.encode(video(9, 30))


def test_a_pipelines_folder_gives_its_autoencoder(tmp_path: Path) -> None:
    autoencoder = made("AutoencoderKLWan")
    autoencoder.save(tmp_path / "vae")
    found = load_autoencoder(tmp_path)
    assert torch.equal(found.encode(video()), autoencoder.encode(video()))
    assert not any(p.requires_grad for p in found.vae.parameters())


def test_pipelines_of_wan_are_told_the_factors_of_a_smaller_one() -> None:
    config = made("AutoencoderKLWan").vae.config
    assert (config.scale_factor_temporal, config.scale_factor_spatial) == (2, 4)
    assert len(config.latents_mean) == config.z_dim == 4


def test_what_cannot_be_built_is_said() -> None:
    with pytest.raises(GenerateError, match=r"AutoencoderTiny is no autoencoder .* AutoencoderKLLTXVideo, "):
        build_autoencoder(Autoencoder(type="AutoencoderTiny"))
    with pytest.raises(GenerateError, match="no argument zdim; did you mean z_dim"):
        build_autoencoder(Autoencoder(type="AutoencoderKLWan", config={"zdim": 4}))
    with pytest.raises(GenerateError, match=r"video \(1, 3, 5, 16, 16\) instead of \(1, 3, 9, 32, 32\)"):
        made("AutoencoderKLLTXVideo", decoder_spatio_temporal_scaling=(True, False))
    with pytest.raises(GenerateError, match="must be divisible"):
        made("AutoencoderKLHunyuanVideo", norm_num_groups=3)


def test_a_folder_without_an_autoencoder_is_said(tmp_path: Path) -> None:
    with pytest.raises(GenerateError, match="There is no autoencoder in"):
        load_autoencoder(tmp_path)
    (tmp_path / "config.json").write_text('{"_class_name": "AutoencoderKLWan"}')
    with pytest.raises(GenerateError, match="cannot be loaded"):
        load_autoencoder(tmp_path)
    (tmp_path / "config.json").write_text('{"_class_name": "UNet2DModel"}')
    with pytest.raises(GenerateError, match="UNet2DModel is no autoencoder"):
        load_autoencoder(tmp_path)
