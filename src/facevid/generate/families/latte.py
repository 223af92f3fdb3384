"""Latte (Ma et al. 2024): spatial and temporal transformer blocks in turn over latents of single frames; text-to-video.

Frames are fixed: the network's temporal positions are of one length, its config's video_length.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from facevid.generate.errors import GenerateError, SizeError
from facevid.generate.families.base import DiffusersFamily
from facevid.generate.families.family import Conditions, Request
from facevid.generate.families.parts import check_sizes, device_of, need, noise, token_ids
from facevid.generate.families.pictures import decode_pictures, encode_pictures, side_of
from facevid.generate.objectives import Diffusion, FlowMatching

TEXT_LENGTH = 120
"""Tokens of a caption: LattePipeline's."""
UNSEEN = -10000.0
"""What the attention adds to a token that is not to be seen, as diffusers' own masks do."""
SHAPE: dict[str, Any] = {
    "num_attention_heads": 16,
    "attention_head_dim": 72,
    "num_layers": 28,
    "cross_attention_dim": 1152,
    "attention_bias": True,
    "patch_size": 2,
    "sample_size": 64,
    "video_length": 16,
    "activation_fn": "gelu-approximate",
    "norm_type": "ada_norm_single",
    "norm_elementwise_affine": False,
    "norm_eps": 1e-6,
    "num_embeds_ada_norm": 1000,
}
"""Latte-XL/2, whose text-to-video form maxin-cn/Latte-1 is; what a configuration does not say is of this."""
NOISE: dict[str, Any] = {
    "num_train_timesteps": 1000,
    "beta_start": 0.0001,
    "beta_end": 0.02,
    "beta_schedule": "linear",
    "clip_sample": False,
    "prediction_type": "epsilon",
}
"""The linear schedule of Ho et al. 2020, on which Latte is trained."""


class Latte(DiffusersFamily):
    """LatteTransformer3DModel, AutoencoderKL frame by frame, T5.

    The network answers noise and, in a second half of its channels, variance. Noise alone is trained: its steps are
    DDIM's, which take no variance, and LattePipeline drops that half too. So the half stays what it was.
    """

    name: ClassVar[str] = "latte"
    saved_as: ClassVar[str] = "LattePipeline"

    def __init__(self, transformer: Any, vae: Any, text_encoder: Any, tokenizer: Any, scheduler: Any) -> None:
        """Raises GenerateError for a network that LattePipeline cannot sample from."""
        config = transformer.config
        if config.out_channels != 2 * config.in_channels:
            raise GenerateError(
                f"The transformer of a latte model answers {config.out_channels} channels for {config.in_channels}; "
                f"LattePipeline wants noise and variance, {2 * config.in_channels}: set out_channels to that."
            )
        if config.in_channels != vae.config.latent_channels:
            raise GenerateError(
                f"The transformer takes {config.in_channels} channels, the autoencoder gives "
                f"{vae.config.latent_channels}: set the transformer's in_channels to the autoencoder's."
            )
        scheduler = _without_variance(scheduler)
        super().__init__(
            {
                "transformer": transformer,
                "vae": vae,
                "text_encoder": text_encoder,
                "tokenizer": tokenizer,
                "scheduler": scheduler,
            },
            trained=("transformer",),
            modes=frozenset({"t2v", "unconditional"}),
            objective=Diffusion(scheduler.alphas_cumprod, "epsilon"),
        )

    @classmethod
    def build(cls, config: Mapping[str, Any], parts: Mapping[str, Any], objective: FlowMatching) -> Latte:
        """A model anew. config: arguments of `transformer`, `vae`, `text_encoder` (T5Config) and `scheduler`; parts:
        those that are there already, by the same names, tokenizer included. objective: not used, Latte's is noise."""
        from diffusers import AutoencoderKL, DDIMScheduler, LatteTransformer3DModel
        from transformers import T5Config, T5EncoderModel

        tokenizer = need(parts.get("tokenizer"), "a tokenizer (model.config.tokenizer: its folder)", cls.name)
        vae = parts.get("vae") or AutoencoderKL(**need(config.get("vae"), "vae or an autoencoder", cls.name))
        text = parts.get("text_encoder") or T5EncoderModel(T5Config(**config.get("text_encoder", {})))
        channels = vae.config.latent_channels
        network = {
            "in_channels": channels,
            "out_channels": 2 * channels,
            "caption_channels": text.config.d_model,
        }
        return cls(
            LatteTransformer3DModel(**{**SHAPE, **network, **config.get("transformer", {})}),
            vae,
            text,
            tokenizer,
            DDIMScheduler(**{**NOISE, **config.get("scheduler", {})}),
        )

    @classmethod
    def of_pipeline(
        cls, parts: Mapping[str, Any], config: Mapping[str, Any], objective: FlowMatching
    ) -> Latte:
        """From the components of a loaded pipeline."""
        return cls(**parts)

    def check(self, frames: int, height: int, width: int) -> None:
        length = int(self.denoiser.config.video_length)
        if frames != length:
            raise SizeError(
                f"This latte model makes {length} frames and no other number, not {frames}: it has learned positions "
                f"of {length} frames. Nearest: {length}."
            )
        # LattePipeline wants multiples of 8, whatever the autoencoder.
        side = math.lcm(side_of(self.parts["vae"]) * self.denoiser.config.patch_size, 8)
        check_sizes("This latte model", frames, height, width, every=1, side=side)

    def encode(self, video: Tensor) -> Tensor:
        return encode_pictures(self.parts["vae"], video)

    def decode(self, latents: Tensor) -> Tensor:
        return decode_pictures(self.parts["vae"], latents)

    def text_features(self, captions: Sequence[str]) -> dict[str, Tensor]:
        """embeds: float (B, 120, D) of T5. mask: int64 (B, 120), 1 for tokens of the caption."""
        encoder = self.parts["text_encoder"]
        # LattePipeline lowers captions before it cuts them into tokens.
        ids, mask = token_ids(self.parts["tokenizer"], [c.lower().strip() for c in captions], TEXT_LENGTH)
        device = device_of(encoder)
        with torch.no_grad():
            embeds = encoder(ids.to(device), attention_mask=mask.to(device))[0]
        return {"embeds": embeds, "mask": mask.to(device)}

    def predict(self, noisy: Tensor, timesteps: Tensor, given: Conditions) -> Tensor:
        # One row of the mask for each frame, as the spatial blocks see them.
        hidden = (1 - given.text["mask"].to(self.dtype)) * UNSEEN
        answer = self.denoiser(
            hidden_states=noisy.to(self.dtype),
            timestep=timesteps,
            encoder_hidden_states=given.text["embeds"].to(self.dtype),
            encoder_attention_mask=hidden.unsqueeze(1).repeat_interleave(noisy.shape[2], dim=0),
            return_dict=False,
        )[0]
        noise: Tensor = answer.chunk(2, dim=1)[0]
        return noise

    def weights(self, latents: Tensor, given: Conditions) -> Tensor | None:
        return None

    def latents_of(self, request: Request, prompt: str, seed: int, image: Tensor | None) -> Tensor:
        features = self.text_features([prompt, ""])
        said, nothing = (
            embeds[mask.bool()] for embeds, mask in zip(features["embeds"], features["mask"], strict=True)
        )
        # The pipeline takes no mask and wants both of one length. A text repeated whole is the same to attention as
        # said once, so this is exactly what the network is trained on: both unpadded.
        length = math.lcm(len(said), len(nothing))
        side = side_of(self.parts["vae"])
        channels = self.denoiser.config.in_channels
        shape = (1, channels, request.frames, request.height // side, request.width // side)
        # Without its text encoder, whose type of numbers the pipeline would ask of the network.
        parts = {**self.parts, "text_encoder": None, "tokenizer": None}
        latents: Tensor = self.pipeline("LattePipeline", parts)(
            prompt_embeds=said.repeat(length // len(said), 1)[None].to(self.dtype),
            negative_prompt_embeds=nothing.repeat(length // len(nothing), 1)[None].to(self.dtype),
            negative_prompt=None,
            video_length=request.frames,
            height=request.height,
            width=request.width,
            num_inference_steps=request.steps,
            guidance_scale=request.guidance if prompt else 1.0,
            latents=noise(shape, seed, self.device, request.temperature).to(self.dtype),
            output_type="latent",
            return_dict=False,
        )[0]
        return latents.float()


def _without_variance(scheduler: Any) -> Any:
    """The scheduler, or where it takes learned variance, DDIM with the same noise."""
    if str(scheduler.config.get("variance_type", "")).startswith("learned"):
        from diffusers import DDIMScheduler

        return DDIMScheduler.from_config(scheduler.config)
    return scheduler
