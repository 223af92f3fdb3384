"""HunyuanVideo (Kong et al. 2024): text-to-video, with Llama's and CLIP's reading of a caption.

Image-to-video is left out: its models read the picture through the language model, together with the caption, so what
is kept of a caption would change with every picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from facevid.generate.errors import GenerateError
from facevid.generate.families.family import Conditions, Request
from facevid.generate.families.parts import device_of, need, noise, token_ids
from facevid.generate.families.scaled import ScaledVideo
from facevid.generate.objectives import FlowMatching, Objective

TEXT_LENGTH = 256
"""Tokens that Llama's reading of a caption keeps, the pipeline's default."""
SKIPPED = 2
"""Layers of Llama from the end whose answer is not read, the pipeline's default."""


class HunyuanVideo(ScaledVideo):
    """HunyuanVideoTransformer3DModel, AutoencoderKLHunyuanVideo, LlamaModel and CLIPTextModel; flow matching.

    guidance: what a transformer with embedded guidance (guidance_embeds, as published) is told while it trains. 1, the
    default, says that videos are what they are; in sampling it is told the guidance asked for, in one pass a step. A
    transformer without it is guided by a second pass with an empty prompt.
    """

    name: ClassVar[str] = "hunyuan"
    saved_as: ClassVar[str] = "HunyuanVideoPipeline"
    fields: ClassVar[tuple[str, ...]] = (*ScaledVideo.fields, "text_encoder_2", "guidance")

    def __init__(
        self,
        transformer: Any,
        vae: Any,
        text_encoder: Any,
        tokenizer: Any,
        text_encoder_2: Any,
        tokenizer_2: Any,
        scheduler: Any,
        *,
        objective: Objective | None = None,
        guidance: float = 1.0,
    ) -> None:
        """Raises GenerateError for parts that the pipeline cannot put together."""
        config, latents = transformer.config, vae.config.latent_channels
        if config.image_condition_type is not None:
            raise GenerateError(
                f"This HunyuanVideo transformer is for image-to-video ({config.image_condition_type}), which facevid "
                "does not train. Take the text-to-video model, or easyanimate, wan, cogvideox or ltx for pictures."
            )
        if (config.in_channels, config.out_channels) != (latents, latents):
            raise GenerateError(
                f"The transformer takes {config.in_channels} channels and answers {config.out_channels}; both are "
                f"the autoencoder's {latents}."
            )
        if config.patch_size_t != 1:
            raise GenerateError(
                f"patch_size_t of this transformer is {config.patch_size_t}; facevid takes 1."
            )
        super().__init__(
            {
                "transformer": transformer,
                "vae": vae,
                "text_encoder": text_encoder,
                "tokenizer": tokenizer,
                "text_encoder_2": text_encoder_2,
                "tokenizer_2": tokenizer_2,
                "scheduler": scheduler,
            },
            trained=("transformer",),
            modes=frozenset({"t2v", "unconditional"}),
            objective=objective or FlowMatching(),
        )
        self.guidance = guidance

    @classmethod
    def build(
        cls, config: Mapping[str, Any], parts: Mapping[str, Any], objective: FlowMatching
    ) -> HunyuanVideo:
        """A model anew. config: arguments of `transformer`, `vae`, `text_encoder` (LlamaConfig), `text_encoder_2`
        (CLIPTextConfig) and `scheduler`, and `guidance`; parts: those that are there already, by the same names.
        tokenizer_2 is the tokenizer unless given."""
        from diffusers import (
            AutoencoderKLHunyuanVideo,
            FlowMatchEulerDiscreteScheduler,
            HunyuanVideoTransformer3DModel,
        )
        from transformers import CLIPTextConfig, CLIPTextModel, LlamaConfig, LlamaModel

        tokenizer = need(parts.get("tokenizer"), "a tokenizer (model.config.tokenizer: its folder)", cls.name)
        vae = parts.get("vae") or AutoencoderKLHunyuanVideo(
            **need(config.get("vae"), "vae or an autoencoder", cls.name)
        )
        llama = parts.get("text_encoder") or LlamaModel(
            LlamaConfig(**need(config.get("text_encoder"), "a text encoder", cls.name))
        )
        clip = parts.get("text_encoder_2") or CLIPTextModel(
            CLIPTextConfig(**need(config.get("text_encoder_2"), "a second text encoder", cls.name))
        )
        latents = vae.config.latent_channels
        shape = {
            "in_channels": latents,
            "out_channels": latents,
            "text_embed_dim": llama.config.hidden_size,
            "pooled_projection_dim": clip.config.hidden_size,
        }
        return cls(
            HunyuanVideoTransformer3DModel(**{**shape, **config.get("transformer", {})}),
            vae,
            llama,
            tokenizer,
            clip,
            parts.get("tokenizer_2", tokenizer),
            FlowMatchEulerDiscreteScheduler(**{"shift": objective.shift, **config.get("scheduler", {})}),
            objective=objective,
            guidance=config.get("guidance", 1.0),
        )

    @classmethod
    def of_pipeline(
        cls, parts: Mapping[str, Any], config: Mapping[str, Any], objective: FlowMatching
    ) -> HunyuanVideo:
        """From the components of a loaded pipeline; config: `guidance`."""
        # Only the pipeline for pictures has it, and its transformer is refused in a sentence.
        given = {name: part for name, part in parts.items() if name != "image_processor"}
        return cls(**given, objective=objective, guidance=config.get("guidance", 1.0))

    def text_features(self, captions: Sequence[str]) -> dict[str, Tensor]:
        """embeds: float (B, 256, D) of Llama, asked in the pipeline's words, which are cut off again. mask: int64
        (B, 256). pooled: float (B, E) of CLIP."""
        from diffusers.pipelines.hunyuan_video.pipeline_hunyuan_video import DEFAULT_PROMPT_TEMPLATE as ASKED

        llama, clip = self.parts["text_encoder"], self.parts["text_encoder_2"]
        begin = ASKED["crop_start"]
        asked = [ASKED["template"].format(caption) for caption in captions]
        ids, mask = token_ids(self.parts["tokenizer"], asked, TEXT_LENGTH + begin)
        short, _ = token_ids(self.parts["tokenizer_2"], captions, clip.config.max_position_embeddings)
        ids, mask = ids.to(device_of(llama)), mask.to(device_of(llama))
        with torch.no_grad():
            states = llama(ids, attention_mask=mask, output_hidden_states=True).hidden_states
            pooled = clip(short.to(device_of(clip))).pooler_output
        return {"embeds": states[-(SKIPPED + 1)][:, begin:], "mask": mask[:, begin:], "pooled": pooled}

    def predict(self, noisy: Tensor, timesteps: Tensor, given: Conditions) -> Tensor:
        told = None
        if self.denoiser.config.guidance_embeds:
            told = torch.full((len(noisy),), self.guidance * 1000.0, dtype=self.dtype, device=noisy.device)
        answer: Tensor = self.denoiser(
            hidden_states=noisy.to(self.dtype),
            timestep=timesteps,
            encoder_hidden_states=given.text["embeds"].to(self.dtype),
            encoder_attention_mask=given.text["mask"].to(self.dtype),
            pooled_projections=given.text["pooled"].to(self.dtype),
            guidance=told,
            return_dict=False,
        )[0]
        return answer

    def weights(self, latents: Tensor, given: Conditions) -> Tensor | None:
        return None

    def latents_of(self, request: Request, prompt: str, seed: int, image: Tensor | None) -> Tensor:
        vae = self.parts["vae"]
        shape = (
            (request.frames - 1) // vae.temporal_compression_ratio + 1,
            request.height // vae.spatial_compression_ratio,
            request.width // vae.spatial_compression_ratio,
        )
        said, nothing = self.text_features([prompt]), self.text_features([""])
        asked = request.guidance if prompt else 1.0
        embedded = self.denoiser.config.guidance_embeds
        # The pipeline passes its levels to the scheduler, so they are shifted once.
        latents: Tensor = self.pipeline("HunyuanVideoPipeline")(
            prompt_embeds=said["embeds"],
            prompt_attention_mask=said["mask"],
            pooled_prompt_embeds=said["pooled"],
            negative_prompt_embeds=nothing["embeds"],
            negative_prompt_attention_mask=nothing["mask"],
            negative_pooled_prompt_embeds=nothing["pooled"],
            height=request.height,
            width=request.width,
            num_frames=request.frames,
            num_inference_steps=request.steps,
            guidance_scale=asked,
            true_cfg_scale=1.0 if embedded else asked,
            latents=noise((1, vae.config.latent_channels, *shape), seed, self.device, request.temperature),
            output_type="latent",
            return_dict=False,
        )[0]
        return latents.float()
