"""Video autoencoders of diffusers: built from a recipe or loaded from a folder, behind one interface."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from facevid.generate.errors import GenerateError
from facevid.generate.families.parts import check_sizes, freeze
from facevid.generate.recipe import Autoencoder


@dataclass(frozen=True)
class _Kind:
    """What diffusers does not tell of a class in one way. spatial, temporal: factors, of an instance. every: frames
    are k * every + 1, where that differs from the temporal factor. keeps: where mean and deviation of latents stand."""

    spatial: Callable[[Any], int]
    temporal: Callable[[Any], int]
    keeps: Literal["buffers", "config", "scale"] = "scale"
    every: int | None = None


def _halvings(vae: Any) -> int:
    return 2 ** (len(vae.config.block_out_channels) - 1)


KINDS: Mapping[str, _Kind] = {
    "AutoencoderKLLTXVideo": _Kind(
        lambda vae: vae.spatial_compression_ratio, lambda vae: vae.temporal_compression_ratio, "buffers"
    ),
    "AutoencoderKLWan": _Kind(
        lambda vae: 2 ** (len(vae.config.dim_mult) - 1) * (vae.config.patch_size or 1),
        lambda vae: 2 ** sum(vae.config.temperal_downsample),
        "config",
    ),
    # Its decoder takes two latent frames at a time and the first with the second and third, so only odd numbers of
    # latent frames come back as long as they were.
    "AutoencoderKLCogVideoX": _Kind(
        _halvings, lambda vae: int(vae.config.temporal_compression_ratio), every=8
    ),
    "AutoencoderKLHunyuanVideo": _Kind(
        lambda vae: vae.config.spatial_compression_ratio, lambda vae: vae.config.temporal_compression_ratio
    ),
    "AutoencoderKLMagvit": _Kind(
        lambda vae: vae.spatial_compression_ratio, lambda vae: vae.temporal_compression_ratio
    ),
    "AutoencoderKL": _Kind(_halvings, lambda vae: 1),
}
"""The classes that can be trained and used; the last encodes every frame alone."""

QUIET = -6.0
"""Logarithm of the variance of latents before any training: with 0, as chance gives it, noise is as large as what the
encoder says."""

_FAULTS = (ArithmeticError, AssertionError, LookupError, RuntimeError, TypeError, ValueError, AttributeError)


class VideoAutoencoder:
    """One face of diffusers' autoencoders, over `vae`, an instance of a class in KINDS.

    spatial, temporal: how many pixels and frames a latent stands for. every: numbers of frames are k * every + 1.
    channels: of the latents. Video is float (B, 3, T, H, W) in [-1, 1], latents (B, channels, F, h, w) with
    F = (T - 1) / temporal + 1, h = H / spatial. Normalised latents have about zero mean and unit variance: what
    diffusers' pipelines take, which normalise outside the autoencoder.
    """

    def __init__(self, vae: Any) -> None:
        self.vae = vae
        self.name = type(vae).__name__
        kind = _kind(self.name)
        self.spatial = int(kind.spatial(vae))
        self.temporal = int(kind.temporal(vae))
        self.every = kind.every or self.temporal
        self.channels = int(
            vae.config.z_dim if self.name == "AutoencoderKLWan" else vae.config.latent_channels
        )
        self._keeps = kind.keeps

    def check(self, frames: int, height: int, width: int) -> None:
        """Raises SizeError, naming the nearest possible, where such a video would not come back as it is."""
        check_sizes(
            f"The autoencoder ({self.name})", frames, height, width, every=self.every, side=self.spatial
        )

    def latent_shape(self, frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        """(channels, F, h, w) of a video of that size. Raises SizeError."""
        self.check(frames, height, width)
        return (
            self.channels,
            (frames - 1) // self.temporal + 1,
            height // self.spatial,
            width // self.spatial,
        )

    def posterior(self, video: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance of the latents, as the encoder gives them, with gradient.

        Raises SizeError: Wan's encoder would drop frames without a word.
        """
        self.check(*video.shape[2:])
        video = video.to(self._device, self._dtype)
        if self.name == "AutoencoderKL":
            found = self.vae.encode(video.transpose(1, 2).flatten(0, 1)).latent_dist
            return self._as_video(found.mean, len(video)), self._as_video(found.logvar, len(video))
        found = self.vae.encode(video).latent_dist
        return found.mean, found.logvar

    def reconstruct(self, latents: Tensor) -> Tensor:
        """Video of latents that are not normalised, with gradient."""
        latents = latents.to(self._device, self._dtype)
        if self.name == "AutoencoderKL":
            frames = self.vae.decode(latents.transpose(1, 2).flatten(0, 1)).sample
            return self._as_video(frames, len(latents))
        if self.vae.config.get("timestep_conditioning"):
            # Such decoders of LTX may denoise; told 0, they take the latents for clean.
            return self.vae.decode(latents, latents.new_zeros(len(latents))).sample
        return self.vae.decode(latents).sample

    @torch.no_grad()
    def encode(self, video: Tensor) -> Tensor:
        """Normalised latents, float32: the posterior's mode, so that equal videos give equal latents."""
        return self.normalise(self.posterior(video)[0].float())

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Video, float32, of normalised latents."""
        return self.reconstruct(self.denormalise(latents.float())).float()

    def normalise(self, latents: Tensor) -> Tensor:
        mean, std = self._statistics(latents)
        return (latents - mean) / std

    def denormalise(self, latents: Tensor) -> Tensor:
        mean, std = self._statistics(latents)
        return latents * std + mean

    def set_statistics(self, mean: Tensor, std: Tensor) -> None:
        """Says what latents are like, by channel, each (channels,); it is saved with the autoencoder.

        Where a class of diffusers has one factor for all channels, that becomes 1 / the deviation of all latents.
        """
        mean, std = mean.detach().float().cpu(), std.detach().float().cpu()
        if self._keeps == "buffers":
            self.vae.latents_mean.copy_(mean)
            self.vae.latents_std.copy_(std * self.vae.config.scaling_factor)
        elif self._keeps == "config":
            self.vae.register_to_config(latents_mean=mean.tolist(), latents_std=std.tolist())
        else:
            overall = (std.square().mean() + mean.var(unbiased=False)).sqrt()
            self.vae.register_to_config(scaling_factor=1 / float(overall))

    def save(self, folder: Path) -> None:
        """Writes a folder that the class's `from_pretrained` and `load_autoencoder` read."""
        self.vae.save_pretrained(str(folder))

    def _statistics(self, like: Tensor) -> tuple[Tensor, Tensor]:
        if self._keeps == "scale":
            return like.new_zeros(()), like.new_tensor(1 / self.vae.config.scaling_factor)
        if self._keeps == "config":
            mean, std = self.vae.config.latents_mean, self.vae.config.latents_std
            return _per_channel(torch.tensor(mean), like), _per_channel(torch.tensor(std), like)
        std = self.vae.latents_std / self.vae.config.scaling_factor
        return _per_channel(self.vae.latents_mean, like), _per_channel(std, like)

    def _as_video(self, frames: Tensor, count: int) -> Tensor:
        return frames.unflatten(0, (count, -1)).transpose(1, 2)

    @property
    def _device(self) -> Any:
        return next(self.vae.parameters()).device

    @property
    def _dtype(self) -> Any:
        return next(self.vae.parameters()).dtype


def build_autoencoder(wanted: Autoencoder) -> VideoAutoencoder:
    """A new one with random weights, drawn from torch's generator, whose posteriors are narrow (see QUIET).

    Raises GenerateError for a class that is not in KINDS, for arguments that the class does not have, and for a
    configuration whose videos do not come back in the size they had.
    """
    import diffusers

    _kind(wanted.type)
    cls = getattr(diffusers, wanted.type)
    config = dict(wanted.config)
    known = list(inspect.signature(cls.__init__).parameters)[1:]
    for key in config:
        if key not in known:
            near = get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"it takes {', '.join(known)}."
            raise GenerateError(f"autoencoder.config: {wanted.type} has no argument {key}; {hint}")
    if wanted.type == "AutoencoderKLWan":
        config = _wan(config, known)
    where = f"autoencoder.config: {wanted.type} cannot be built from {json.dumps(config)}"
    try:
        with torch.device("meta"):
            _try_out(VideoAutoencoder(cls(**config)))
        made = VideoAutoencoder(cls(**config))
    except GenerateError as error:
        raise GenerateError(f"{where}: {error}") from None
    except _FAULTS as error:
        raise GenerateError(f"{where}: {type(error).__name__}: {error}.") from error
    _start_quietly(made)
    return made


def load_autoencoder(folder: str | Path) -> VideoAutoencoder:
    """The autoencoder in a folder that facevid or diffusers wrote, or in the part `vae` of a pipeline's folder.

    It is frozen and in eval mode. Raises GenerateError where there is none or its class is not in KINDS.
    """
    import diffusers

    place = Path(folder)
    if (place / "vae" / "config.json").is_file():
        place = place / "vae"
    if not (place / "config.json").is_file():
        raise GenerateError(
            f"There is no autoencoder in {folder}: it needs config.json and weights, as `facevid train "
            "autoencoder.yaml` and diffusers write them."
        )
    try:
        name = json.loads((place / "config.json").read_text())["_class_name"]
        _kind(name)
        vae = getattr(diffusers, name).from_pretrained(str(place), local_files_only=True)
    except (OSError, *_FAULTS) as error:
        raise GenerateError(f"The autoencoder in {place} cannot be loaded: {error}") from error
    freeze(vae)
    return VideoAutoencoder(vae)


def _kind(name: str) -> _Kind:
    if name not in KINDS:
        raise GenerateError(
            f"{name} is no autoencoder that facevid trains or uses; these are: {', '.join(KINDS)}."
        )
    return KINDS[name]


def _wan(config: dict[str, Any], known: list[str]) -> dict[str, Any]:
    """What the published model's defaults say of its latents and factors, said of this one."""
    import diffusers

    defaults = inspect.signature(diffusers.AutoencoderKLWan.__init__).parameters
    value = {name: config.get(name, defaults[name].default) for name in known}
    channels = value["z_dim"]
    return {
        "latents_mean": [0.0] * channels,
        "latents_std": [1.0] * channels,
        "scale_factor_spatial": 2 ** (len(value["dim_mult"]) - 1) * (value["patch_size"] or 1),
        "scale_factor_temporal": 2 ** sum(value["temperal_downsample"]),
        **config,
    }


def _try_out(autoencoder: VideoAutoencoder) -> None:
    """Encodes and decodes shapes alone, on the device `meta`."""
    frames, side = 2 * autoencoder.every + 1, 4 * autoencoder.spatial
    video = torch.zeros(1, 3, frames, side, side)
    with torch.no_grad():
        latents = autoencoder.posterior(video)[0]
        answer = autoencoder.reconstruct(latents)
    expected = autoencoder.latent_shape(frames, side, side)
    for what, found, wanted in (
        ("latents", latents.shape[1:], expected),
        ("video", answer.shape, video.shape),
    ):
        if tuple(found) != tuple(wanted):
            raise GenerateError(
                f"from a video {tuple(video.shape)} come {what} {tuple(found)} instead of {tuple(wanted)}; make the "
                "decoder's scaling and blocks those of the encoder."
            )


@torch.no_grad()
def _start_quietly(autoencoder: VideoAutoencoder) -> None:
    vae = autoencoder.vae
    last = getattr(vae, "quant_conv", None)
    last = vae.encoder.conv_out if last is None else last
    weights, bias = list(last.parameters())
    # LTX gives one variance for all channels, the others one for each; means come first.
    weights[autoencoder.channels :] *= 0.1
    bias[autoencoder.channels :] = QUIET
    # Residual branches begin at nothing (Goyal et al. 2017, section 5.1; Zhang et al. 2019, "Fixup"): a new autoencoder
    # is nearly linear, and learns the coarse picture at once.
    for module in vae.modules():
        if "Res" in type(module).__name__ and isinstance(getattr(module, "conv2", None), torch.nn.Module):
            for weight in module.conv2.parameters():
                weight.zero_()


def _per_channel(values: Tensor, like: Tensor) -> Tensor:
    return values.to(like.device, like.dtype).view(1, -1, 1, 1, 1)
