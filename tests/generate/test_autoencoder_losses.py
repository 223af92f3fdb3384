"""Losses and figures of reconstructions, against values worked out by hand or by another program."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch

from facevid.generate.autoencoder.losses import (
    Perceptual,
    chosen_frames,
    kl,
    psnr,
    reconstruction,
    ssim,
    temporal,
)
from facevid.generate.autoencoder.statistics import LatentStatistics, latent_statistics
from facevid.generate.errors import GenerateError

torch.set_num_threads(1)


def video(seed: int = 0, frames: int = 5, side: int = 24) -> torch.Tensor:
    small = torch.rand(2, 3, frames, 6, 6, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return torch.nn.functional.interpolate(small, (frames, side, side), mode="trilinear")


def test_reconstruction_is_the_mean_difference_of_each_sample() -> None:
    x = torch.zeros(2, 3, 5, 4, 4)
    y = x.clone()
    y[1] += 0.25
    assert reconstruction(y, x).tolist() == [0, 0.25]


def test_temporal_sees_changes_and_no_constant_shift() -> None:
    x = video()
    flicker = x.clone()
    flicker[:, :, ::2] += 0.1
    assert temporal(x + 0.3, x) == pytest.approx(torch.zeros(2), abs=1e-6)
    assert temporal(flicker, x) == pytest.approx(torch.full((2,), 0.1), abs=1e-6)
    assert temporal(x[:, :, :1], x[:, :, :1]).tolist() == [0, 0]


def test_kl_of_a_gaussian_is_the_closed_form() -> None:
    mean, logvar = torch.full((1, 2, 1, 1, 1), 2.0), torch.full((1, 2, 1, 1, 1), math.log(0.25))
    theirs = torch.distributions.kl_divergence(
        torch.distributions.Normal(2.0, 0.5), torch.distributions.Normal(0.0, 1.0)
    )
    assert kl(mean, logvar).item() == pytest.approx(theirs.item(), rel=1e-5)
    assert kl(mean * 0, logvar * 0).item() == 0


def test_perceptual_distance_grows_with_the_damage_and_is_nothing_for_equal_videos() -> None:
    distance = Perceptual(2, 103)
    seeds = torch.tensor([4, 5])
    x = video()
    blur = torch.nn.functional.avg_pool3d(x, (1, 5, 5), 1, (0, 2, 2), count_include_pad=False)
    blurred = [distance(x + part * (blur - x), x, seeds) for part in (0.0, 0.5, 1.0)]
    assert blurred[0].tolist() == [0, 0]
    assert (blurred[0] < blurred[1]).all()
    assert (blurred[1] < blurred[2]).all()


def test_perceptual_distance_is_that_of_the_chosen_frames_one_by_one() -> None:
    distance = Perceptual(2, 110)
    x, y, seeds = video(), video(1), torch.tensor([4, 5])
    frames = chosen_frames(seeds, 5, 2)
    single = Perceptual(1, 110)
    alone = [
        np.mean(
            [
                single(y[i : i + 1, :, f : f + 1], x[i : i + 1, :, f : f + 1], seeds[i : i + 1]).item()
                for f in row
            ]
        )
        for i, row in enumerate(frames.tolist())
    ]
    assert distance(y, x, seeds).tolist() == pytest.approx(alone, rel=1e-4)


def test_frames_are_chosen_by_the_seed_one_from_each_stretch() -> None:
    seeds = torch.arange(200)
    frames = chosen_frames(seeds, 17, 4)
    assert torch.equal(frames, chosen_frames(seeds, 17, 4))
    assert torch.equal(frames[7:8], chosen_frames(seeds[7:8], 17, 4))
    assert (frames.diff(dim=1) > 0).all()
    assert set(frames.flatten().tolist()) == set(range(17))
    assert chosen_frames(seeds[:1], 3, 8).tolist() == [[0, 1, 2]]


def test_psnr_is_opencvs() -> None:
    x, y = video(), video(1)
    ours = psnr(y, x)
    theirs = [
        cv2.PSNR(b.numpy().astype(np.float64), a.numpy().astype(np.float64), 2.0)
        for a, b in zip(x, y, strict=True)
    ]
    assert ours.tolist() == pytest.approx(theirs, rel=1e-4)
    assert psnr(x, x).tolist() == [100, 100]


def test_ssim_is_that_of_windows_weighed_one_by_one() -> None:
    x, y = video()[:1, :1, :1], video(1)[:1, :1, :1]
    a, b = ((v[0, 0, 0].numpy().astype(np.float64) + 1) / 2 for v in (x, y))
    line = cv2.getGaussianKernel(11, 1.5)
    window = line @ line.T
    values = []
    for top in range(24 - 10):
        for left in range(24 - 10):
            p, q = a[top : top + 11, left : left + 11], b[top : top + 11, left : left + 11]
            mp, mq = (window * p).sum(), (window * q).sum()
            vp, vq = (window * (p - mp) ** 2).sum(), (window * (q - mq) ** 2).sum()
            pq = (window * (p - mp) * (q - mq)).sum()
            values.append(
                (2 * mp * mq + 1e-4) * (2 * pq + 9e-4) / ((mp**2 + mq**2 + 1e-4) * (vp + vq + 9e-4))
            )
    assert ssim(y, x).item() == pytest.approx(np.mean(values), abs=1e-4)
    assert ssim(video(), video()).tolist() == pytest.approx([1, 1], abs=1e-6)


def test_latents_are_measured_batch_by_batch_as_if_at_once() -> None:
    latents = torch.randn(7, 3, 2, 4, 4) * torch.tensor([1.0, 5.0, 0.1]).view(1, 3, 1, 1, 1) + 100
    found = LatentStatistics(3)
    for batch in latents.split([1, 4, 2]):
        found.add(batch)
    assert found.mean == pytest.approx(latents.double().mean((0, 2, 3, 4)), rel=1e-9)
    assert found.std == pytest.approx(latents.double().std((0, 2, 3, 4), unbiased=False), rel=1e-6)


def test_a_channel_that_carries_nothing_is_not_blown_up() -> None:
    latents = torch.randn(4, 2, 1, 4, 4)
    latents[:, 1] = 3
    mean, std = latent_statistics(2, [latents])
    assert mean[1].item() == 3
    assert std[1].item() == pytest.approx(1e-3 * std[0].item(), rel=1e-4)


def test_latents_that_say_nothing_are_refused() -> None:
    with pytest.raises(GenerateError, match="no training windows"):
        latent_statistics(2, [])
    with pytest.raises(GenerateError, match="learned nothing"):
        latent_statistics(2, [torch.ones(2, 2, 1, 1, 1)])
    with pytest.raises(GenerateError, match="not finite"):
        latent_statistics(2, [torch.full((2, 2, 1, 1, 1), math.nan)])
    with pytest.raises(GenerateError, match="perceptual_side is 64"):
        Perceptual(4, 64)
