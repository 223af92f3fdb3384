"""How far a reconstructed video is from its original: losses to train an autoencoder by, and figures to judge it by.

All take videos float (B, 3, T, H, W) in [-1, 1] and give float32 (B,).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from facevid.generate.errors import GenerateError
from facevid.generate.face_features import SMALLEST, FaceEmbedder
from facevid.generate.training.task import uniform

_FRAME = 0x66726D00
"""Beside what else a sample's seed decides, and so which of its frames are looked at."""
_SOFT = 1e-2
"""Added to squared activations, whose sums over channels are 10 to 1,000: keeps gradients of black areas small."""


def reconstruction(found: Tensor, video: Tensor) -> Tensor:
    """Mean absolute difference."""
    return (found.float() - video.float()).abs().flatten(1).mean(1)


def squared(found: Tensor, video: Tensor) -> Tensor:
    """Mean squared difference. Its gradient is large where the picture is far off, which a new autoencoder needs."""
    return (found.float() - video.float()).square().flatten(1).mean(1)


def temporal(found: Tensor, video: Tensor) -> Tensor:
    """Mean absolute difference of what changes from each frame to the next; 0 for a single frame."""
    if video.shape[2] == 1:
        return video.new_zeros(len(video), dtype=torch.float32)
    return reconstruction(found.float().diff(dim=2), video.float().diff(dim=2))


def kl(mean: Tensor, logvar: Tensor) -> Tensor:
    """Divergence of the posterior from a standard normal distribution, nats for each number of the latents
    (Kingma, Welling 2014, appendix B)."""
    mean, logvar = mean.float(), logvar.float()
    return 0.5 * (mean.square() + logvar.exp() - 1 - logvar).flatten(1).mean(1)


class Perceptual:
    """Distance of a face embedder's activations, as LPIPS has it (Zhang et al. 2018, equation 1) with equal weights.

    At every place of every stage activations are scaled to length 1 over channels; squared differences are summed over
    channels, averaged over places and over stages. Looked at are `frames` frames of each video, one drawn from each of
    as many equal stretches by the sample's seed, resized so that their shorter side is `side` pixels.
    """

    def __init__(self, frames: int, side: int) -> None:
        if side < SMALLEST[-1]:
            raise GenerateError(
                f"autoencoder.perceptual_side is {side}; the face embedder needs {SMALLEST[-1]} at least."
            )
        self.frames, self.side = frames, side
        self.embedder = FaceEmbedder()

    def to(self, device: torch.device) -> None:
        self.embedder.to(device)

    def __call__(self, found: Tensor, video: Tensor, seeds: Tensor) -> Tensor:
        chosen = chosen_frames(seeds, video.shape[2], self.frames).to(video.device)
        sample = torch.arange(len(video), device=video.device).unsqueeze(1)
        ours = self.embedder.features(self._pictures(found.transpose(1, 2)[sample, chosen]))
        with torch.no_grad():
            theirs = self.embedder.features(self._pictures(video.transpose(1, 2)[sample, chosen]))
        stages = [
            (_unit(a) - _unit(b)).square().sum(1).mean((1, 2)) for a, b in zip(ours, theirs, strict=True)
        ]
        return torch.stack(stages).mean(0).unflatten(0, chosen.shape).mean(1)

    def _pictures(self, frames: Tensor) -> Tensor:
        """(B, k, 3, H, W) as (B * k, 3, h, w) in the size that is looked at."""
        pictures = frames.flatten(0, 1).float()
        height, width = pictures.shape[-2:]
        scale = self.side / min(height, width)
        if scale == 1:
            return pictures
        size = (round(height * scale), round(width * scale))
        return functional.interpolate(pictures, size, mode="bilinear", antialias=scale < 1)


def chosen_frames(seeds: Tensor, frames: int, count: int) -> Tensor:
    """Rising numbers of frames, int64 (B, k), one from each of k equal stretches; k is `count`, at most `frames`."""
    count = min(count, frames)
    draws = torch.stack([uniform(seeds, _FRAME + place) for place in range(count)], dim=1)
    starts = torch.arange(count) * frames
    # Stretch i is the frames from ceil(i n / k) to before ceil((i + 1) n / k).
    first = (starts + count - 1) // count
    last = (starts + frames + count - 1) // count
    return first + (draws * (last - first)).long().clamp(max=last - first - 1)


def psnr(found: Tensor, video: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of the whole video in dB, for values clamped to their range; 100 at most."""
    error = (found.float().clamp(-1, 1) - video.float()).square().flatten(1).mean(1)
    return 10 * torch.log10(4 / error.clamp(min=4e-10))


def ssim(found: Tensor, video: Tensor) -> Tensor:
    """Mean structural similarity of frames and colours (Wang et al. 2004, equation 13), 1 for equal videos.

    A Gaussian window of 11 x 11, deviation 1.5, inside the picture only; K1 = .01, K2 = .03, on values of 0 to 1.
    """
    pictures = [
        (v.float().clamp(-1, 1) + 1).div(2).transpose(1, 2).flatten(0, 2).unsqueeze(1) for v in (found, video)
    ]
    side = min(11, *video.shape[-2:])
    places = torch.arange(side, device=video.device) - (side - 1) / 2
    window = torch.exp(-places.square() / (2 * 1.5**2))
    window = window / window.sum()

    def blurred(x: Tensor) -> Tensor:
        return functional.conv2d(functional.conv2d(x, window.view(1, 1, 1, -1)), window.view(1, 1, -1, 1))

    x, y = pictures
    mean_x, mean_y = blurred(x), blurred(y)
    var_x = blurred(x * x) - mean_x**2
    var_y = blurred(y * y) - mean_y**2
    both = blurred(x * y) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    found_map = ((2 * mean_x * mean_y + c1) * (2 * both + c2)) / (
        (mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)
    )
    return found_map.mean((1, 2, 3)).unflatten(0, (len(video), math.prod(video.shape[1:3]))).mean(1)


def _unit(activations: Tensor) -> Tensor:
    activations = activations.float()
    return activations / (activations.square().sum(1, keepdim=True) + _SOFT).sqrt()
