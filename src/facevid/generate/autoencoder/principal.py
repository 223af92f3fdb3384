"""A new autoencoder of LTX's class that begins as principal components of the data, instead of with random weights.

With residual branches at nothing, such an autoencoder is linear but for two normalisations and their activations. Its
shortcut past the change of size keeps every number, so weights can be set that give just what principal components of
blocks of pixels give: the best that a linear autoencoder can learn (Baldi, Hornik 1989). Training goes on from there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from facevid.generate.autoencoder.build import VideoAutoencoder
from facevid.generate.errors import GenerateError

STEADY = 100.0
"""A channel of this value beside features of unit variance in all, so that what normalises hardly depends on them: 10
gave held-out people back with 24.5 dB, 30 with 29.4, 100 with 30.8; principal components themselves with 30.5 to 31."""
NARROW = -8.0
"""Logarithm of the variance of the posteriors: the least components are small, and noise must not drown them."""
_RIDGE = 1e-6


@torch.no_grad()
def begin_principal(autoencoder: VideoAutoencoder, videos: Iterable[Tensor]) -> None:
    """Sets the weights by videos float (B, 3, T, H, W) in [-1, 1], of a few hundred windows; all are held in memory.

    Raises GenerateError for an autoencoder that is not of LTX's class with blocks that halve time and sides, eight
    times as many channels behind each, and the same in the decoder.
    """
    vae = autoencoder.vae
    fault = _fault(vae) if autoencoder.name == "AutoencoderKLLTXVideo" else "it is of another class"
    if fault:
        raise GenerateError(
            f"autoencoder.begin is principal, but {fault}. Take AutoencoderKLLTXVideo with one LTXVideo095DownBlock3D "
            "or more, block_out_channels [C, 8C, ...], decoder_block_out_channels [8C, ...], downsample_type "
            "[spatiotemporal, ...], upsample_residual [true, ...], upsample_factor [8, ...]; or set begin to random."
        )
    given = [video.float() for video in videos]
    encoder, decoder = vae.encoder, vae.decoder
    for part in (encoder, decoder):
        for module in part.modules():
            if type(module).__name__ in ("LTXVideoDownsampler3d", "LTXVideoUpsampler3d"):
                _clear(module.conv)
            elif type(module).__name__ == "LTXVideoResnetBlock3d":
                _clear(module.conv2)

    patches = torch.cat([_rows(_patches(video, encoder.patch_size)) for video in given])
    kept = encoder.conv_in.conv.out_channels - 1
    mean, axes, variance = _principal(patches, kept)
    axes = axes / variance.sum().sqrt()
    _clear(encoder.conv_in)
    tap = _tap(encoder.conv_in)
    tap[:kept] = axes.T
    encoder.conv_in.conv.bias[:kept] = -(axes.T @ mean)
    encoder.conv_in.conv.bias[kept] = STEADY

    inner = torch.cat([_rows(_inner(encoder, video)) for video in given])
    mean, axes, variance = _principal(inner, autoencoder.channels)
    spread = variance.clamp(min=1e-8).sqrt()
    into, out_of = _balanced(axes, spread)
    size = inner.square().mean(1).sqrt().mean()
    _clear(encoder.conv_out)
    # Near 0 the activation halves what it is given.
    _tap(encoder.conv_out)[: autoencoder.channels] = into * 2 * size
    encoder.conv_out.conv.bias[: autoencoder.channels] = -(into @ mean)
    encoder.conv_out.conv.bias[autoencoder.channels :] = NARROW
    _clear(decoder.conv_in)
    _tap(decoder.conv_in)[:] = out_of
    decoder.conv_in.conv.bias.copy_(mean)

    seen = [(_outer(vae, video), _rows(_patches(video, decoder.patch_size))) for video in given]
    features = torch.cat([rows for rows, _ in seen])
    wanted = torch.cat([rows for _, rows in seen])
    weight, bias = _least_squares(features, wanted)
    _clear(decoder.conv_out)
    _tap(decoder.conv_out)[:] = weight.T
    decoder.conv_out.conv.bias.copy_(bias)


def _balanced(axes: Tensor, spread: Tensor) -> tuple[Tensor, Tensor]:
    """What turns features into latents (L, C), and back (C, L).

    Deviations of components are brought to their square roots, half way between what they are and all being equal, and
    the components are turned at random, so that every channel holds of all: else channels, which are all brought to
    unit variance for a model, would make it care for the faintest detail as much as for the face.
    """
    count = len(spread)
    drawn = torch.randn(count, count, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    turn = torch.linalg.qr(drawn)[0].to(axes)
    wanted = spread.sqrt()
    wanted = wanted / wanted.square().mean().sqrt()
    return turn @ (axes / spread * wanted).T, (axes * spread / wanted) @ turn.T


def _fault(vae: Any) -> str | None:
    encoder, decoder = vae.encoder, vae.decoder
    if vae.config.patch_size_t != 1:
        return "its patches take several frames"
    if not all(block.downsamplers for block in encoder.down_blocks):
        return "a block of its encoder does not change size"
    if len(encoder.down_blocks) != len(decoder.up_blocks):
        return "its decoder changes size more or less often than its encoder"
    inner, outer = encoder.conv_out.conv.in_channels, encoder.conv_in.conv.out_channels
    kept = outer * 8 ** len(encoder.down_blocks)
    if inner != kept or decoder.conv_in.conv.out_channels != kept:
        return f"{inner} channels follow {outer}, not {kept}, eight times as many at each change of size"
    for block in decoder.up_blocks:
        sampler = (block.upsamplers or [None])[0]
        if sampler is None or not sampler.residual or sampler.upscale_factor != 8:
            return "its decoder has no shortcut that gives every number back"
    return None


def _clear(convolution: Any) -> None:
    for parameter in convolution.parameters():
        parameter.zero_()


def _tap(convolution: Any) -> Tensor:
    """The weights (out, in) of the place itself: of a causal convolution the last of its frames."""
    weight: Tensor = convolution.conv.weight
    frame = weight.shape[2] - 1 if convolution.is_causal else weight.shape[2] // 2
    return weight[:, :, frame, weight.shape[3] // 2, weight.shape[4] // 2]


def _patches(video: Tensor, side: int) -> Tensor:
    """(B, 3 side^2, T, h, w), in the order in which LTX's encoder and decoder have the pixels of a patch."""
    patches = video.unflatten(4, (-1, side)).unflatten(3, (-1, side))
    return patches.permute(0, 1, 6, 4, 2, 3, 5).flatten(1, 3)


def _rows(features: Tensor) -> Tensor:
    """(B, C, ...) as (places, C)."""
    return features.transpose(0, 1).flatten(1).T


def _principal(rows: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Mean (C,), the `count` directions of most variance (C, count), and their variances (count,), largest first."""
    mean = rows.mean(0)
    centred = rows - mean
    variance, axes = torch.linalg.eigh((centred.T @ centred / len(rows)).double())
    return mean, axes[:, -count:].flip(1).float(), variance[-count:].flip(0).float()


def _inner(encoder: Any, video: Tensor) -> Tensor:
    """What the encoder has before its last normalisation."""
    features = encoder.conv_in(_patches(video, encoder.patch_size))
    for block in encoder.down_blocks:
        features = block(features)
    return encoder.mid_block(features)


def _outer(vae: Any, video: Tensor) -> Tensor:
    """What the decoder has before its last convolution, (places, C)."""
    decoder = vae.decoder
    features = decoder.mid_block(decoder.conv_in(vae.encode(video).latent_dist.mode()), None)
    for block in decoder.up_blocks:
        features = block(features, None)
    return _rows(decoder.conv_act(decoder.norm_out(features.movedim(1, -1)).movedim(-1, 1)))


def _least_squares(features: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Weights (C, D) and bias (D,) of the linear map that comes nearest."""
    mean, aim = features.mean(0), wanted.mean(0)
    centred = (features - mean).double()
    square = centred.T @ centred
    square += (
        _RIDGE * square.diagonal().mean() * torch.eye(len(square), dtype=torch.float64, device=square.device)
    )
    weight = torch.linalg.solve(square, centred.T @ (wanted - aim).double()).float()
    return weight, aim - mean @ weight
