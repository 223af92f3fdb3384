"""LTX-Video (HaCohen et al. 2024) for text-to-video and image-to-video: one set of weights, a clean first frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import lcm
from typing import Any, ClassVar

import torch
from torch import Tensor

from facevid.generate.errors import GenerateError
from facevid.generate.families.base import DiffusersFamily
from facevid.generate.families.family import Conditions, Request
from facevid.generate.families.parts import (
    check_sizes,
    clean_first,
    device_of,
    dtype_of,
    need,
    noise,
    token_ids,
    with_first,
)
from facevid.generate.families.schedule import less_noise
from facevid.generate.objectives import FlowMatching, Objective

PIPELINE_SIDE = 32
"""Sides are multiples of this whatever the autoencoder: the pipelines refuse others."""


class LTX(DiffusersFamily):
    """LTXVideoTransformer3DModel, AutoencoderKLLTXVideo and T5; flow matching.

    train_text: the text encoder learns along; `text_features` are then token ids. text_length: tokens of a caption;
    128 is what the pipelines take when not told otherwise. The text encoder sees padding (the pipelines call it
    without a mask), the transformer does not.
    """

    name: ClassVar[str] = "ltx"
    saved_as: ClassVar[str] = "LTXPipeline"
    strengths: ClassVar[bool] = True
    fields: ClassVar[tuple[str, ...]] = (*DiffusersFamily.fields, "text_length", "train_text")
    kept: ClassVar[tuple[str, ...]] = ("text_length", "train_text")

    def __init__(
        self,
        transformer: Any,
        vae: Any,
        text_encoder: Any,
        tokenizer: Any,
        scheduler: Any,
        *,
        objective: Objective | None = None,
        train_text: bool = False,
        text_length: int = 128,
    ) -> None:
        patch = (transformer.config.patch_size_t, transformer.config.patch_size)
        if patch != (1, 1):
            raise GenerateError(
                f"LTX's pipelines take patches of 1 latent only; this transformer's are {patch}."
            )
        if transformer.config.in_channels != vae.config.latent_channels:
            raise GenerateError(
                f"The transformer takes {transformer.config.in_channels} channels, the autoencoder gives "
                f"{vae.config.latent_channels}: set the transformer's in_channels to the autoencoder's."
            )
        super().__init__(
            {
                "transformer": transformer,
                "vae": vae,
                "text_encoder": text_encoder,
                "tokenizer": tokenizer,
                "scheduler": scheduler,
            },
            trained=("transformer", "text_encoder") if train_text else ("transformer",),
            modes=frozenset({"t2v", "i2v", "unconditional"}),
            objective=objective or FlowMatching(),
        )
        self.text_length = text_length

    @classmethod
    def build(cls, config: Mapping[str, Any], parts: Mapping[str, Any], objective: FlowMatching) -> LTX:
        """A model anew. config: arguments of `transformer`, `vae`, `text_encoder` (T5Config) and `scheduler`, and
        `text_length`, `train_text`; parts: those that are there already, by the same names, tokenizer included."""
        from diffusers import (
            AutoencoderKLLTXVideo,
            FlowMatchEulerDiscreteScheduler,
            LTXVideoTransformer3DModel,
        )
        from transformers import T5Config, T5EncoderModel

        tokenizer = need(parts.get("tokenizer"), "a tokenizer (model.config.tokenizer: its folder)", cls.name)
        vae = parts.get("vae") or AutoencoderKLLTXVideo(
            **need(config.get("vae"), "vae or an autoencoder", cls.name)
        )
        text = parts.get("text_encoder") or T5EncoderModel(T5Config(**config.get("text_encoder", {})))
        return cls(
            LTXVideoTransformer3DModel(**config.get("transformer", {})),
            vae,
            text,
            tokenizer,
            FlowMatchEulerDiscreteScheduler(**{"shift": objective.shift, **config.get("scheduler", {})}),
            objective=objective,
            train_text=config.get("train_text", False),
            text_length=config.get("text_length", 128),
        )

    @classmethod
    def of_pipeline(cls, parts: Mapping[str, Any], config: Mapping[str, Any], objective: FlowMatching) -> LTX:
        """From the components of a loaded pipeline; config: `train_text` and `text_length`."""
        return cls(
            **parts,
            objective=objective,
            train_text=config.get("train_text", False),
            text_length=config.get("text_length", 128),
        )

    def check(self, frames: int, height: int, width: int) -> None:
        vae = self.parts["vae"]
        check_sizes(
            f"This {self.name} model",
            frames,
            height,
            width,
            every=vae.temporal_compression_ratio,
            side=lcm(PIPELINE_SIDE, vae.spatial_compression_ratio),
        )

    def encode(self, video: Tensor) -> Tensor:
        vae = self.parts["vae"]
        with torch.no_grad():
            latents = vae.encode(video.to(device_of(vae), dtype_of(vae))).latent_dist.mode().float()
        mean, std = self._moments(latents)
        return (latents - mean) * vae.config.scaling_factor / std

    def decode(self, latents: Tensor) -> Tensor:
        """Decoders with a timestep (LTX 0.9.1 and later) are told 0: nothing is left to denoise."""
        vae = self.parts["vae"]
        mean, std = self._moments(latents)
        plain = (latents.float() * std / vae.config.scaling_factor + mean).to(dtype_of(vae))
        clean = plain.new_zeros(len(plain)) if vae.config.timestep_conditioning else None
        with torch.no_grad():
            return vae.decode(plain, clean, return_dict=False)[0].float()

    def _moments(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        vae = self.parts["vae"]
        mean, std = vae.latents_mean, vae.latents_std
        shape = (1, -1, 1, 1, 1)
        return mean.view(shape).to(latents.device).float(), std.view(shape).to(latents.device).float()

    def text_features(self, captions: Sequence[str]) -> dict[str, Tensor]:
        ids, mask = token_ids(self.parts["tokenizer"], captions, self.text_length)
        ids, mask = ids.to(self.device), mask.to(self.device)
        if "text_encoder" in self.trained:
            return {"ids": ids, "mask": mask}
        with torch.no_grad():
            return {"embeds": self._embeds(ids), "mask": mask}

    def _embeds(self, ids: Tensor) -> Tensor:
        return self.parts["text_encoder"](ids)[0]

    def predict(self, noisy: Tensor, timesteps: Tensor, given: Conditions) -> Tensor:
        _, _, frames, height, width = noisy.shape
        times = timesteps.to(noisy.dtype)
        if given.first is not None:
            clean = clean_first(noisy, given)
            noisy = with_first(noisy, clean, given)
            # One time a token, as the image-to-video pipeline gives them: 0 where the picture is.
            times = (times.view(-1, 1, 1, 1, 1) * ~clean).expand(-1, 1, -1, height, width).flatten(1)
        text = given.text
        embeds = text["embeds"] if "embeds" in text else self._embeds(text["ids"])
        vae = self.parts["vae"]
        answer = self.denoiser(
            hidden_states=noisy.flatten(2).transpose(1, 2).to(self.dtype),
            encoder_hidden_states=embeds.to(self.dtype),
            timestep=times,
            encoder_attention_mask=text["mask"].bool(),
            num_frames=frames,
            height=height,
            width=width,
            rope_interpolation_scale=(
                (vae.temporal_compression_ratio / given.fps.float()).view(-1, 1, 1, 1, 1),
                vae.spatial_compression_ratio,
                vae.spatial_compression_ratio,
            ),
            return_dict=False,
        )[0]
        return answer.transpose(1, 2).unflatten(2, (frames, height, width))

    def weights(self, latents: Tensor, given: Conditions) -> Tensor | None:
        return None if given.first is None else (~clean_first(latents, given)).to(latents.dtype)

    def latents_of(self, request: Request, prompt: str, seed: int, image: Tensor | None) -> Tensor:
        vae = self.parts["vae"]
        shape = (
            (request.frames - 1) // vae.temporal_compression_ratio + 1,
            request.height // vae.spatial_compression_ratio,
            request.width // vae.spatial_compression_ratio,
        )
        latents = noise((1, self.denoiser.config.in_channels, *shape), seed, self.device, request.temperature)
        parts = dict(self.parts)
        if image is not None:
            first = self.encode(image)
            if request.strength < 1:
                latents = (1 - request.strength) * first + request.strength * latents
                parts["scheduler"] = less_noise(parts["scheduler"], request.strength)
            latents[:, :, :1] = first
        text, empty = (self._prompt(p) for p in (prompt, ""))
        pipeline = self.pipeline("LTXPipeline" if image is None else "LTXImageToVideoPipeline", parts)
        packed = pipeline(
            prompt_embeds=text[0],
            prompt_attention_mask=text[1],
            negative_prompt_embeds=empty[0],
            negative_prompt_attention_mask=empty[1],
            height=request.height,
            width=request.width,
            num_frames=request.frames,
            frame_rate=request.fps,
            num_inference_steps=request.steps,
            guidance_scale=request.guidance if prompt else 1.0,
            latents=latents.flatten(2).transpose(1, 2),
            output_type="latent",
            return_dict=False,
        )[0]
        return packed.transpose(1, 2).unflatten(2, shape).float()

    def _prompt(self, prompt: str) -> tuple[Tensor, Tensor]:
        features = self.text_features([prompt])
        embeds = features["embeds"] if "embeds" in features else self._embeds(features["ids"])
        return embeds.to(self.dtype), features["mask"].bool()
