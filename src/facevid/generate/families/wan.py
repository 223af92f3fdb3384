"""Wan (Wan team 2025): text-to-video of 2.1, text-and-image-to-video of 2.2, image-to-video of 2.1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import lcm
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from facevid.generate.errors import GenerateError, SizeError
from facevid.generate.families.base import DiffusersFamily
from facevid.generate.families.family import Conditions, Mode, Request
from facevid.generate.families.parts import (
    check_sizes,
    clean_first,
    device_of,
    dtype_of,
    need,
    noise,
    picture_of,
    token_ids,
    with_first,
)
from facevid.generate.objectives import FlowMatching, Objective

PIPELINE_SIDE = 16
"""Sides are multiples of this whatever the autoencoder: the pipelines refuse others."""
CHUNK = 4
"""Frames of a latent frame: AutoencoderKLWan encodes the first frame, then fours, and drops what is left over."""
TEXT_LENGTH = 512
"""Tokens of a caption, the pipelines' default."""


class Wan(DiffusersFamily):
    """WanTransformer3DModel, AutoencoderKLWan and UMT5; flow matching. How pictures are given tells three kinds:

    - 2.1's text-to-video: not at all.
    - 2.2's text-and-image-to-video (expand_timesteps): as a clean first latent frame, whose tokens have time 0.
    - 2.1's image-to-video: on further channels, a mask and the latents of the picture followed by grey, and to the
      cross-attention by an image encoder where there is one. In training the picture is taken from its latents,
      decoded; a step then encodes a video more, so this kind trains slowest.

    Embeddings beyond a caption's end are 0, as the pipelines make them; the transformer has no mask of text.
    """

    name: ClassVar[str] = "wan"
    saved_as: ClassVar[str] = "WanPipeline"
    fields: ClassVar[tuple[str, ...]] = (*DiffusersFamily.fields, "expand_timesteps")
    precise: ClassVar[tuple[str, ...]] = ("vae",)  # WanPipeline's documentation loads it so

    def __init__(
        self,
        transformer: Any,
        vae: Any,
        text_encoder: Any,
        tokenizer: Any,
        scheduler: Any,
        image_encoder: Any = None,
        image_processor: Any = None,
        *,
        objective: Objective | None = None,
        expand_timesteps: bool = False,
    ) -> None:
        channels, latents = transformer.config.in_channels, vae.config.z_dim
        self.concatenates = channels == 2 * latents + CHUNK
        self.expands = expand_timesteps
        if not self.concatenates and channels != latents:
            raise GenerateError(
                f"The transformer takes {channels} channels and the autoencoder gives {latents}: in_channels is that "
                f"for text-to-video, or {2 * latents + CHUNK} where a picture is given on channels."
            )
        if transformer.config.out_channels != latents:
            raise GenerateError(
                f"The transformer answers {transformer.config.out_channels} channels of {latents}."
            )
        if transformer.config.patch_size[0] != 1 or vae.config.scale_factor_temporal != CHUNK:
            raise GenerateError(
                "Wan's pipelines take patches of one latent frame, and four frames of video for it."
            )
        if self.concatenates and transformer.config.image_dim is not None and image_encoder is None:
            raise GenerateError(
                "This Wan transformer attends to an image encoder's features, and there is none."
            )
        parts = {
            "transformer": transformer,
            "vae": vae,
            "text_encoder": text_encoder,
            "tokenizer": tokenizer,
            "scheduler": scheduler,
        }
        if self.concatenates:
            parts |= {"image_encoder": image_encoder, "image_processor": image_processor}
        modes: set[Mode] = {"i2v"} if self.concatenates else {"t2v", "unconditional"}
        if expand_timesteps:
            modes.add("i2v")
        super().__init__(
            parts,
            trained=("transformer",),
            modes=frozenset(modes),
            objective=objective or FlowMatching(shift=3.0),
        )

    @classmethod
    def build(cls, config: Mapping[str, Any], parts: Mapping[str, Any], objective: FlowMatching) -> Wan:
        """A model anew. config: arguments of `transformer`, `vae`, `text_encoder` (UMT5Config), `scheduler`
        (UniPCMultistepScheduler, as published), and `expand_timesteps`; parts: those that are there already, by the
        same names, tokenizer included (an image encoder and its processor too)."""
        from diffusers import AutoencoderKLWan, UniPCMultistepScheduler, WanTransformer3DModel
        from transformers import UMT5Config, UMT5EncoderModel

        tokenizer = need(parts.get("tokenizer"), "a tokenizer (model.config.tokenizer: its folder)", cls.name)
        vae = parts.get("vae") or AutoencoderKLWan(
            **need(config.get("vae"), "vae or an autoencoder", cls.name)
        )
        text = parts.get("text_encoder") or UMT5EncoderModel(UMT5Config(**config.get("text_encoder", {})))
        flow = {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": objective.shift}
        return cls(
            WanTransformer3DModel(**config.get("transformer", {})),
            vae,
            text,
            tokenizer,
            UniPCMultistepScheduler(**{**flow, **config.get("scheduler", {})}),
            parts.get("image_encoder"),
            parts.get("image_processor"),
            objective=objective,
            expand_timesteps=config.get("expand_timesteps", False),
        )

    @classmethod
    def of_pipeline(cls, parts: Mapping[str, Any], config: Mapping[str, Any], objective: FlowMatching) -> Wan:
        """From the components of a loaded pipeline; config: `expand_timesteps`, as model_index.json has it."""
        given = dict(parts)
        if given.pop("transformer_2", None) is not None or config.get("boundary_ratio") is not None:
            raise GenerateError(
                "This Wan model has two transformers, one for each half of the noise (2.2's A14B); facevid trains one. "
                "Take Wan 2.1 or Wan 2.2's TI2V-5B."
            )
        return cls(**given, objective=objective, expand_timesteps=bool(config.get("expand_timesteps", False)))

    def saved_class(self) -> str:
        return "WanImageToVideoPipeline" if self.concatenates else "WanPipeline"

    def pipeline(self, name: str, parts: dict[str, Any] | None = None) -> Any:
        made = self.pipeline_class(name)(
            **(self.parts if parts is None else parts), expand_timesteps=self.expands, transformer_2=None
        )
        made.set_progress_bar_config(disable=True)
        return made

    def check(self, frames: int, height: int, width: int) -> None:
        patch = self.denoiser.config.patch_size
        side = lcm(PIPELINE_SIDE, *(self.parts["vae"].config.scale_factor_spatial * p for p in patch[1:]))
        check_sizes(f"This {self.name} model", frames, height, width, every=CHUNK, side=side)

    def encode(self, video: Tensor) -> Tensor:
        if video.shape[2] % CHUNK != 1:
            raise SizeError(
                f"Wan's autoencoder takes {CHUNK}k + 1 frames and would drop the last of {video.shape[2]}; cut or "
                "lengthen the video."
            )
        vae = self.parts["vae"]
        with torch.no_grad():
            latents = vae.encode(video.to(device_of(vae), dtype_of(vae))).latent_dist.mode().float()
        mean, std = self._moments(latents)
        return (latents - mean) / std

    def decode(self, latents: Tensor) -> Tensor:
        vae = self.parts["vae"]
        mean, std = self._moments(latents)
        with torch.no_grad():
            return vae.decode((latents.float() * std + mean).to(dtype_of(vae)), return_dict=False)[0].float()

    def _moments(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        config = self.parts["vae"].config
        mean, std = (
            latents.new_tensor(v).float().view(1, -1, 1, 1, 1)
            for v in (config.latents_mean, config.latents_std)
        )
        return mean, std

    def text_features(self, captions: Sequence[str]) -> dict[str, Tensor]:
        from diffusers.pipelines.wan.pipeline_wan import prompt_clean

        ids, mask = token_ids(self.parts["tokenizer"], [prompt_clean(c) for c in captions], TEXT_LENGTH)
        ids, mask = ids.to(self.device), mask.to(self.device)
        with torch.no_grad():
            embeds = self.parts["text_encoder"](ids, mask).last_hidden_state
        return {"embeds": embeds * mask.unsqueeze(-1).to(embeds.dtype)}

    def predict(self, noisy: Tensor, timesteps: Tensor, given: Conditions) -> Tensor:
        times, pictures = timesteps.to(noisy.dtype), None
        _, frames, height, width = noisy.shape[1:]
        if self.concatenates:
            extra, pictures = self._picture(noisy, given)
            noisy = torch.cat([noisy, extra.to(noisy)], dim=1)
        elif self.expands and given.first is not None:
            clean = clean_first(noisy, given)
            noisy = with_first(noisy, clean, given)
            _, down, across = self.denoiser.config.patch_size
            each = times.view(-1, 1, 1, 1, 1) * ~clean
            times = each.expand(-1, 1, frames, height // down, width // across).flatten(1)
        return self.denoiser(
            hidden_states=noisy.to(self.dtype),
            timestep=times,
            encoder_hidden_states=given.text["embeds"].to(self.dtype),
            encoder_hidden_states_image=pictures,
            return_dict=False,
        )[0]

    def _picture(self, noisy: Tensor, given: Conditions) -> tuple[Tensor, Tensor | None]:
        """Mask and latents (B, 4 + C, F, h, w) of the pictures, and the image encoder's features; 0 where none is."""
        batch, channels, frames, height, width = noisy.shape
        extra = noisy.new_zeros(batch, CHUNK + channels, frames, height, width)
        shown = given.has_first.to(noisy.device)
        image = noisy.new_zeros(
            batch, 3, 1, *(self.parts["vae"].config.scale_factor_spatial * s for s in (height, width))
        )
        if given.first is not None:
            image = self.decode(given.first)
            video = torch.cat(
                [image, image.new_zeros(image.expand(-1, -1, CHUNK * (frames - 1), -1, -1).shape)], dim=2
            )
            extra[:, :CHUNK, 0] = 1
            extra[:, CHUNK:] = self.encode(video).to(extra)
            extra = extra * shown.view(-1, 1, 1, 1, 1)
        if self.denoiser.config.image_dim is None:
            return extra, None
        pixels = self.parts["image_processor"](
            [picture_of(one[None]) for one in image], return_tensors="pt"
        ).pixel_values
        encoder: nn.Module = self.parts["image_encoder"]
        with torch.no_grad():
            seen = encoder(pixels.to(device_of(encoder), dtype_of(encoder)), output_hidden_states=True)
        return extra, seen.hidden_states[-2].to(self.dtype) * shown.view(-1, 1, 1).to(self.dtype)

    def weights(self, latents: Tensor, given: Conditions) -> Tensor | None:
        if given.first is None or not self.expands:
            return None
        return (~clean_first(latents, given)).to(latents.dtype)

    def latents_of(self, request: Request, prompt: str, seed: int, image: Tensor | None) -> Tensor:
        from facevid.generate.families.schedule import shifted_once

        config = self.parts["vae"].config
        shape = (
            (request.frames - 1) // CHUNK + 1,
            request.height // config.scale_factor_spatial,
            request.width // config.scale_factor_spatial,
        )
        parts = {**self.parts, "scheduler": shifted_once(self.parts["scheduler"])}
        pipeline = self.pipeline("WanPipeline" if image is None else "WanImageToVideoPipeline", parts)
        return pipeline(
            **({} if image is None else {"image": picture_of(image)}),
            prompt_embeds=self.text_features([prompt])["embeds"],
            negative_prompt_embeds=self.text_features([""])["embeds"],
            height=request.height,
            width=request.width,
            num_frames=request.frames,
            num_inference_steps=request.steps,
            guidance_scale=request.guidance if prompt else 1.0,
            latents=noise((1, config.z_dim, *shape), seed, self.device, request.temperature),
            output_type="latent",
            return_dict=False,
        )[0].float()
