"""AnimateDiff (Guo et al. 2023): a U-Net of pictures with motion modules between its layers; text-to-video.

Known weights are a Stable Diffusion model and a motion adapter; the motion modules alone learn, or all of the U-Net.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from facevid.generate.errors import GenerateError, SizeError
from facevid.generate.families import lora
from facevid.generate.families.base import DiffusersFamily
from facevid.generate.families.family import Conditions, Request
from facevid.generate.families.parts import check_sizes, device_of, need, noise, token_ids
from facevid.generate.families.pictures import decode_pictures, encode_pictures, side_of
from facevid.generate.objectives import Diffusion, FlowMatching

NOISE: dict[str, Any] = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "linear",
    "clip_sample": False,
    "steps_offset": 1,
    "prediction_type": "epsilon",
}
"""AnimateDiff's: Stable Diffusion's ends, but betas evenly spaced (Guo et al. 2023, appendix on training details)."""


class AnimateDiff(DiffusersFamily):
    """UNetMotionModel, AutoencoderKL frame by frame, CLIP's text encoder; the network answers noise.

    train: "motion" changes the motion modules and leaves the pictures' U-Net as it is; "all" changes both. With
    "motion" a saved folder also has motion_adapter/, which other Stable Diffusion models of the shape can take.
    """

    name: ClassVar[str] = "animatediff"
    saved_as: ClassVar[str] = "AnimateDiffPipeline"
    denoiser_name: ClassVar[str] = "unet"
    fields: ClassVar[tuple[str, ...]] = ("unet", "vae", "text_encoder", "tokenizer", "scheduler", "train")
    fields_tuned: ClassVar[tuple[str, ...]] = ("motion_adapter",)

    def __init__(
        self, unet: Any, vae: Any, text_encoder: Any, tokenizer: Any, scheduler: Any, *, train: str = "motion"
    ) -> None:
        if train not in ("motion", "all"):
            raise GenerateError(f"model.config.train of animatediff is {train!r}; it is motion or all.")
        if unet.config.in_channels != vae.config.latent_channels:
            raise GenerateError(
                f"The U-Net takes {unet.config.in_channels} channels, the autoencoder gives "
                f"{vae.config.latent_channels}: set the U-Net's in_channels and out_channels to the autoencoder's."
            )
        parts = {
            "unet": unet,
            "vae": vae,
            "text_encoder": text_encoder,
            "tokenizer": tokenizer,
            "scheduler": scheduler,
            "motion_adapter": None,
        }
        super().__init__(
            parts,
            trained=("unet",),
            modes=frozenset({"t2v", "unconditional"}),
            objective=Diffusion(scheduler.alphas_cumprod, scheduler.config.prediction_type),
        )
        self.train = train
        if train == "motion":
            unet.freeze_unet2d_params()

    @classmethod
    def build(
        cls, config: Mapping[str, Any], parts: Mapping[str, Any], objective: FlowMatching
    ) -> AnimateDiff:
        """A model anew. config: arguments of `unet` (UNetMotionModel), `vae`, `text_encoder` (CLIPTextConfig) and
        `scheduler` (DDIMScheduler), and `train`, which is "all" if not said; parts: those that are there already, by
        the same names, tokenizer included. objective: not used, AnimateDiff's is noise."""
        from diffusers import AutoencoderKL, DDIMScheduler, UNetMotionModel
        from transformers import CLIPTextConfig, CLIPTextModel

        tokenizer = need(parts.get("tokenizer"), "a tokenizer (model.config.tokenizer: its folder)", cls.name)
        vae = parts.get("vae") or AutoencoderKL(**need(config.get("vae"), "vae or an autoencoder", cls.name))
        text = parts.get("text_encoder") or CLIPTextModel(CLIPTextConfig(**config.get("text_encoder", {})))
        channels = vae.config.latent_channels
        shape = {
            "in_channels": channels,
            "out_channels": channels,
            "cross_attention_dim": text.config.hidden_size,
        }
        return cls(
            UNetMotionModel(**{**shape, **config.get("unet", {})}),
            vae,
            text,
            tokenizer,
            DDIMScheduler(**{**NOISE, **config.get("scheduler", {})}),
            train=config.get("train", "all"),
        )

    @classmethod
    def of_pipeline(
        cls, parts: Mapping[str, Any], config: Mapping[str, Any], objective: FlowMatching
    ) -> AnimateDiff:
        """From the components of a loaded AnimateDiffPipeline or StableDiffusionPipeline.

        config: `train`; for Stable Diffusion also `motion_adapter`, a folder or hub id; without it motion modules
        start anew, as no change of the pictures.
        """
        unet, scheduler = parts["unet"], parts["scheduler"]
        if type(unet).__name__ == "UNet2DConditionModel":
            from diffusers import DDIMScheduler, UNetMotionModel

            unet = UNetMotionModel.from_unet2d(unet, _adapter(config.get("motion_adapter"), unet))
            scheduler = DDIMScheduler(**NOISE)
        return cls(
            unet,
            parts["vae"],
            parts["text_encoder"],
            parts["tokenizer"],
            scheduler,
            train=config.get("train", "motion"),
        )

    def check(self, frames: int, height: int, width: int) -> None:
        longest = int(self.denoiser.config.motion_max_seq_length)
        if not 1 <= frames <= longest:
            raise SizeError(
                f"This animatediff model cannot make {frames} frames: its motion modules have positions for 1 to "
                f"{longest}. Nearest: {min(max(frames, 1), longest)}."
            )
        # AnimateDiffPipeline wants multiples of 8, whatever the autoencoder.
        side = math.lcm(side_of(self.parts["vae"]), 8)
        check_sizes("This animatediff model", frames, height, width, every=1, side=side)

    def encode(self, video: Tensor) -> Tensor:
        return encode_pictures(self.parts["vae"], video)

    def decode(self, latents: Tensor) -> Tensor:
        return decode_pictures(self.parts["vae"], latents)

    def text_features(self, captions: Sequence[str]) -> dict[str, Tensor]:
        """embeds: float (B, L, D) of CLIP's last layer, padding included, as Stable Diffusion takes it."""
        encoder, tokenizer = self.parts["text_encoder"], self.parts["tokenizer"]
        ids, mask = token_ids(tokenizer, captions, encoder.config.max_position_embeddings)
        seen = mask.to(device_of(encoder)) if getattr(encoder.config, "use_attention_mask", False) else None
        with torch.no_grad():
            return {"embeds": encoder(ids.to(device_of(encoder)), attention_mask=seen)[0]}

    def predict(self, noisy: Tensor, timesteps: Tensor, given: Conditions) -> Tensor:
        embeds = given.text["embeds"].to(self.dtype).repeat_interleave(noisy.shape[2], dim=0)
        with self._mixed():
            answer: Tensor = self.denoiser(
                noisy.to(self.dtype), timesteps, encoder_hidden_states=embeds, return_dict=False
            )[0]
        return answer

    def weights(self, latents: Tensor, given: Conditions) -> Tensor | None:
        return None

    def save(self, folder: Path) -> None:
        super().save(folder)
        if self.train == "motion" and not lora.has_lora(self.denoiser):
            self.denoiser.save_motion_modules(str(folder / "motion_adapter"))

    def latents_of(self, request: Request, prompt: str, seed: int, image: Tensor | None) -> Tensor:
        embeds = self.text_features([prompt, ""])["embeds"].to(self.dtype)
        side = side_of(self.parts["vae"])
        channels = self.denoiser.config.in_channels
        shape = (1, channels, request.frames, request.height // side, request.width // side)
        # Without its text encoder, whose type of numbers the pipeline would ask of the network.
        parts = {**self.parts, "text_encoder": None, "tokenizer": None}
        with self._mixed():
            latents: Tensor = self.pipeline("AnimateDiffPipeline", parts)(
                prompt_embeds=embeds[:1],
                negative_prompt_embeds=embeds[1:],
                num_frames=request.frames,
                height=request.height,
                width=request.width,
                num_inference_steps=request.steps,
                guidance_scale=request.guidance if prompt else 1.0,
                latents=noise(shape, seed, self.device, request.temperature).to(self.dtype),
                output_type="latent",
                return_dict=False,
            )[0]
        return latents.float()

    def _mixed(self) -> AbstractContextManager[Any]:
        """Numbers of two types meet in the U-Net where it is frozen in bfloat16 and its motion learns in float32."""
        if len({weight.dtype for weight in self.denoiser.parameters()}) == 1:
            return nullcontext()  # and not autocast off, which would undo the trainer's
        return torch.autocast(self.device.type, dtype=self.dtype)


def _adapter(source: str | None, unet: Any) -> Any:
    """The motion adapter of a folder or hub id, or a new one of the U-Net's shape whose answers are 0."""
    from diffusers import MotionAdapter

    if source is not None:
        try:
            return MotionAdapter.from_pretrained(source)
        except OSError as error:
            raise GenerateError(
                f"There is no motion adapter {source}: {error} Give a folder or hub id in model.config.motion_adapter, "
                "or leave it out to train one anew."
            ) from None
    made = MotionAdapter(
        block_out_channels=unet.config.block_out_channels,
        motion_layers_per_block=unet.config.layers_per_block,
        motion_norm_num_groups=unet.config.norm_num_groups,
    )
    for name, module in made.named_modules():
        # Zero at first, so that the video begins as its pictures (Guo et al. 2023, section 4.2).
        if name.endswith("proj_out"):
            torch.nn.init.zeros_(module.weight)
            torch.nn.init.zeros_(module.bias)
    return made
