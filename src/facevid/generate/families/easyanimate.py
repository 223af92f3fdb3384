"""EasyAnimate 5.1 (Xu et al. 2024): text-to-video, and image-to-video by a mask and a masked video on channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from copy import copy
from typing import Any, ClassVar

import torch
from torch import Tensor

from facevid.generate.errors import GenerateError
from facevid.generate.families.family import Conditions, Mode, Request
from facevid.generate.families.parts import (
    device_of,
    dtype_of,
    need,
    noise,
    seeded,
)
from facevid.generate.families.scaled import ScaledVideo
from facevid.generate.objectives import FlowMatching, Objective

TEXT_LENGTH = 256
"""Tokens of a caption, the pipelines' default; padding is seen by the transformer, which has no mask of text."""
BLACK = -1.0
"""What the masked video is where nothing is given."""


class EasyAnimate(ScaledVideo):
    """EasyAnimateTransformer3DModel, AutoencoderKLMagvit and Qwen2-VL; flow matching.

    A transformer with 2 C + 1 channels for an autoencoder of C also takes a picture: a mask, 1 at its first latent
    frame, and the latents of a video that is the picture and then black. Without a picture both are 0. In training the
    picture is taken from its latents, decoded; a step then encodes one video more, which slows it. No noise is added to
    the picture (the authors add a little), in training as in sampling, so what is shown is followed.
    """

    name: ClassVar[str] = "easyanimate"
    saved_as: ClassVar[str] = "EasyAnimatePipeline"

    def __init__(
        self,
        transformer: Any,
        vae: Any,
        text_encoder: Any,
        tokenizer: Any,
        scheduler: Any,
        *,
        objective: Objective | None = None,
    ) -> None:
        """Raises GenerateError for parts that the pipelines cannot put together."""
        config, latents = transformer.config, vae.config.latent_channels
        self.inpaints = config.in_channels == 2 * latents + 1
        if not self.inpaints and config.in_channels != latents:
            raise GenerateError(
                f"The transformer takes {config.in_channels} channels and the autoencoder gives {latents}: in_channels "
                f"is that for text-to-video, or {2 * latents + 1} for image-to-video too (EasyAnimate's InP models)."
            )
        if config.out_channels != latents:
            raise GenerateError(
                f"The transformer answers {config.out_channels} channels, not the autoencoder's {latents}."
            )
        if self.inpaints and not config.resize_inpaint_mask_directly:
            raise GenerateError(
                "This EasyAnimate transformer wants its mask encoded (resize_inpaint_mask_directly is false, as before "
                "5.1). Take a model of EasyAnimate 5.1."
            )
        if config.text_embed_dim_t5 is not None:
            raise GenerateError(
                "This EasyAnimate transformer reads a second text encoder (text_embed_dim_t5, before 5.1), which its "
                "pipelines in diffusers do not have. Take a model of EasyAnimate 5.1."
            )
        if not getattr(tokenizer, "chat_template", None):
            raise GenerateError(
                "EasyAnimate's captions are put to its language model as a chat, and this tokenizer has no chat "
                "template. Take the tokenizer of the language model's chat form (Qwen2-VL Instruct)."
            )
        # The inpainting pipeline asks for it; AutoencoderKLMagvit has no such argument but always works that way.
        if "cache_mag_vae" not in vae.config:
            vae.register_to_config(cache_mag_vae=True)
        modes: set[Mode] = {"t2v", "unconditional"}
        if self.inpaints:
            modes.add("i2v")
        super().__init__(
            {
                "transformer": transformer,
                "vae": vae,
                "text_encoder": text_encoder,
                "tokenizer": tokenizer,
                "scheduler": scheduler,
            },
            trained=("transformer",),
            modes=frozenset(modes),
            objective=objective or FlowMatching(),
        )

    @classmethod
    def build(
        cls, config: Mapping[str, Any], parts: Mapping[str, Any], objective: FlowMatching
    ) -> EasyAnimate:
        """A model anew. config: arguments of `transformer` (in_channels 2 C + 1 unless said), `vae`, `text_encoder`
        (Qwen2VLConfig) and `scheduler`; parts: those that are there already, by the same names, tokenizer included."""
        from diffusers import (
            AutoencoderKLMagvit,
            EasyAnimateTransformer3DModel,
            FlowMatchEulerDiscreteScheduler,
        )
        from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

        tokenizer = need(parts.get("tokenizer"), "a tokenizer (model.config.tokenizer: its folder)", cls.name)
        vae = parts.get("vae") or AutoencoderKLMagvit(
            **need(config.get("vae"), "vae or an autoencoder", cls.name)
        )
        text = parts.get("text_encoder") or Qwen2VLForConditionalGeneration(
            Qwen2VLConfig(**need(config.get("text_encoder"), "a text encoder", cls.name))
        )
        latents = vae.config.latent_channels
        shape = {
            "in_channels": 2 * latents + 1,
            "out_channels": latents,
            "patch_size": 2,
            "text_embed_dim": text.config.get_text_config().hidden_size,
            "add_noise_in_inpaint_model": False,
        }
        return cls(
            EasyAnimateTransformer3DModel(**{**shape, **config.get("transformer", {})}),
            vae,
            text,
            tokenizer,
            FlowMatchEulerDiscreteScheduler(**{"shift": objective.shift, **config.get("scheduler", {})}),
            objective=objective,
        )

    @classmethod
    def of_pipeline(
        cls, parts: Mapping[str, Any], config: Mapping[str, Any], objective: FlowMatching
    ) -> EasyAnimate:
        """From the components of a loaded pipeline."""
        return cls(**parts, objective=objective)

    def saved_class(self) -> str:
        return "EasyAnimateInpaintPipeline" if self.inpaints else "EasyAnimatePipeline"

    def text_features(self, captions: Sequence[str]) -> dict[str, Tensor]:
        """embeds: float (B, 256, D), the last layer but one of the language model, asked in its chat template."""
        encoder, tokenizer = self.parts["text_encoder"], self.parts["tokenizer"]
        asked = [
            tokenizer.apply_chat_template(
                [{"role": "user", "content": [{"type": "text", "text": caption}]}],
                tokenize=False,
                add_generation_prompt=True,
            )
            for caption in captions
        ]
        tokens = tokenizer(
            text=asked,
            padding="max_length",
            max_length=TEXT_LENGTH,
            truncation=True,
            padding_side="right",
            return_attention_mask=True,
            return_tensors="pt",
        ).to(device_of(encoder))
        with torch.no_grad():
            # Without the head, whose scores of every word no one reads.
            states = encoder.model(
                input_ids=tokens.input_ids, attention_mask=tokens.attention_mask, output_hidden_states=True
            ).hidden_states
        return {"embeds": states[-2]}

    def predict(self, noisy: Tensor, timesteps: Tensor, given: Conditions) -> Tensor:
        answer: Tensor = self.denoiser(
            noisy.to(self.dtype),
            timesteps.to(self.dtype),
            encoder_hidden_states=given.text["embeds"].to(self.dtype),
            inpaint_latents=self._shown(noisy, given).to(self.dtype) if self.inpaints else None,
            return_dict=False,
        )[0]
        return answer

    def _shown(self, noisy: Tensor, given: Conditions) -> Tensor:
        """Mask and masked video (B, 1 + C, F, h, w) as EasyAnimateInpaintPipeline makes them; 0 without a picture."""
        batch, channels, frames, height, width = noisy.shape
        shown = noisy.new_zeros(batch, 1 + channels, frames, height, width)
        where = given.has_first.to(noisy.device)
        if given.first is None or not where.any():
            return shown
        first = given.first[where.to(given.first.device)]
        picture = self.decode(first).clamp(-1, 1)
        later = (frames - 1) * self.parts["vae"].temporal_compression_ratio
        black = torch.full_like(picture, BLACK).repeat(1, 1, later, 1, 1)
        masked = self.encode(torch.cat([picture, black], dim=2))
        # The first latent frame is of the picture alone: here it is at hand undecoded.
        masked[:, :, :1] = first.to(masked)
        shown[where, 1:] = masked.to(shown)
        # The pipeline scales the mask too.
        shown[where, 0, 0] = self.parts["vae"].config.scaling_factor
        return shown

    def weights(self, latents: Tensor, given: Conditions) -> Tensor | None:
        return None

    def latents_of(self, request: Request, prompt: str, seed: int, image: Tensor | None) -> Tensor:
        from facevid.generate.families.schedule import shifted_once

        vae = self.parts["vae"]
        shape = (
            (request.frames - 1) // vae.temporal_compression_ratio + 1,
            request.height // vae.spatial_compression_ratio,
            request.width // vae.spatial_compression_ratio,
        )
        embeds = self.text_features([prompt, ""])["embeds"].to(self.dtype)
        # The pipelines demand masks of text, and use none. Without a text encoder they ask no type of numbers of it.
        seen = torch.ones(1, TEXT_LENGTH, device=self.device)
        scheduler = copy(shifted_once(self.parts["scheduler"]))
        # The inpainting pipeline takes given noise only with schedulers that say how large it is.
        scheduler.init_noise_sigma = 1.0
        parts = {**self.parts, "scheduler": scheduler, "text_encoder": None}
        given = _masked(image, request.frames) if image is not None else {}
        # The inpainting pipeline gives the autoencoder the transformer's type of numbers.
        other = image is not None and dtype_of(vae) != self.dtype
        bridge = torch.autocast(self.device.type, dtype=torch.bfloat16) if other else nullcontext()
        with seeded(seed), bridge:
            latents: Tensor = self.pipeline(self.saved_class(), parts)(
                **given,
                **({"noise_aug_strength": 0.0} if self.inpaints else {}),
                prompt_embeds=embeds[:1],
                prompt_attention_mask=seen,
                negative_prompt_embeds=embeds[1:],
                negative_prompt_attention_mask=seen,
                num_frames=request.frames,
                height=request.height,
                width=request.width,
                num_inference_steps=request.steps,
                guidance_scale=request.guidance if prompt else 1.0,
                latents=noise(
                    (1, vae.config.latent_channels, *shape), seed, self.device, request.temperature
                ).to(self.dtype),
                output_type="latent",
                return_dict=False,
            )[0]
        return latents.float()


def _masked(image: Tensor, frames: int) -> dict[str, Tensor]:
    """The picture (1, 3, 1, H, W) as the inpainting pipeline takes it: a video in [0, 1], and 255 where to paint."""
    video = (image + 1) / 2
    mask = torch.full((1, 1, frames, *image.shape[-2:]), 255.0, device=image.device)
    mask[:, :, 0] = 0
    return {"video": video.repeat(1, 1, frames, 1, 1), "mask_video": mask}
