"""CogVideoX (Yang et al. 2024), 1.0 and 1.5: text-to-video, and image-to-video with the picture on further channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

import torch
from torch import Tensor

from facevid.generate.errors import GenerateError, SizeError
from facevid.generate.families.base import DiffusersFamily
from facevid.generate.families.family import Conditions, Mode, Request
from facevid.generate.families.parts import (
    check_sizes,
    device_of,
    dtype_of,
    need,
    noise,
    picture_of,
    token_ids,
)
from facevid.generate.objectives import Diffusion, FlowMatching

NOISE: dict[str, Any] = {
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "clip_sample": False,
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
    "snr_shift_scale": 3.0,
    "timestep_spacing": "trailing",
}
"""Scheduler of the published CogVideoX-2b; 5b's differs by a snr_shift_scale of 1."""
OFFSET = 2.0
"""What the pipeline of 1.5's image-to-video gives as `ofs`."""


class CogVideoX(DiffusersFamily):
    """CogVideoXTransformer3DModel, AutoencoderKLCogVideoX and T5; v-prediction on the scheduler's own noise levels.

    Image-to-video takes the picture's latents on further channels at the first frame, and zeros at the others and
    where no picture is given. Its makers blur that picture in training by noise of deviation exp(N(-3, 1/2)) on its
    pixels (examples/cogvideo of diffusers); here it stays clean, as sampling gives it, since its latents are kept.

    Text is embedded without a mask, padding included. 1.5 takes latent frames by twos: `encode` repeats the first
    where their number is odd, `decode` drops it, as the pipelines do.
    """

    name: ClassVar[str] = "cogvideox"
    saved_as: ClassVar[str] = "CogVideoXPipeline"

    def __init__(self, transformer: Any, vae: Any, text_encoder: Any, tokenizer: Any, scheduler: Any) -> None:
        channels, latents = transformer.config.in_channels, vae.config.latent_channels
        self.concatenates = channels == 2 * latents
        if channels not in (latents, 2 * latents):
            raise GenerateError(
                f"The transformer takes {channels} channels and the autoencoder gives {latents}: in_channels is that "
                f"for text-to-video, or {2 * latents} for image-to-video."
            )
        if transformer.config.out_channels != latents:
            raise GenerateError(
                f"The transformer answers {transformer.config.out_channels} channels of {latents}."
            )
        predicts = scheduler.config.prediction_type
        if predicts not in ("v_prediction", "epsilon"):
            raise GenerateError(
                f"CogVideoX is trained to predict v or noise, and this scheduler asks for {predicts}."
            )
        modes: set[Mode] = {"i2v"} if self.concatenates else {"t2v", "unconditional"}
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
            objective=Diffusion(scheduler.alphas_cumprod, predicts),
        )
        self._rotary: dict[tuple[Any, ...], tuple[Tensor, Tensor]] = {}

    @classmethod
    def build(cls, config: Mapping[str, Any], parts: Mapping[str, Any], objective: FlowMatching) -> CogVideoX:
        """A model anew. config: arguments of `transformer`, `vae`, `text_encoder` (T5Config) and `scheduler`
        (CogVideoXDDIMScheduler); parts: those that are there already, by the same names, tokenizer included.
        objective: not used, CogVideoX's is its scheduler's."""
        from diffusers import AutoencoderKLCogVideoX, CogVideoXDDIMScheduler, CogVideoXTransformer3DModel
        from transformers import T5Config, T5EncoderModel

        tokenizer = need(parts.get("tokenizer"), "a tokenizer (model.config.tokenizer: its folder)", cls.name)
        vae = parts.get("vae") or AutoencoderKLCogVideoX(
            **need(config.get("vae"), "vae or an autoencoder", cls.name)
        )
        text = parts.get("text_encoder") or T5EncoderModel(T5Config(**config.get("text_encoder", {})))
        return cls(
            CogVideoXTransformer3DModel(**config.get("transformer", {})),
            vae,
            text,
            tokenizer,
            CogVideoXDDIMScheduler(**{**NOISE, **config.get("scheduler", {})}),
        )

    @classmethod
    def of_pipeline(
        cls, parts: Mapping[str, Any], config: Mapping[str, Any], objective: FlowMatching
    ) -> CogVideoX:
        """From the components of a loaded pipeline."""
        return cls(**parts)

    def saved_class(self) -> str:
        return "CogVideoXImageToVideoPipeline" if self.concatenates else "CogVideoXPipeline"

    @property
    def _every(self) -> int:
        # The decoder takes latent frames by twos after the first, or makes more frames than were encoded.
        return 2 * int(self.parts["vae"].config.temporal_compression_ratio)

    @property
    def _side(self) -> int:
        return int(2 ** (len(self.parts["vae"].config.block_out_channels) - 1))

    def check(self, frames: int, height: int, width: int) -> None:
        config = self.denoiser.config
        who = f"This {self.name} model"
        check_sizes(who, frames, height, width, every=self._every, side=self._side * config.patch_size)
        learned = (config.sample_frames, config.sample_height * self._side, config.sample_width * self._side)
        if config.use_learned_positional_embeddings and (frames, height, width) != learned:
            raise SizeError(
                f"{who} has learnt the places of {learned[0]} frames of {learned[2]}x{learned[1]} and makes no others "
                f"than these, not {frames} of {width}x{height}."
            )

    def encode(self, video: Tensor) -> Tensor:
        vae = self.parts["vae"]
        with torch.no_grad():
            latents = vae.encode(video.to(device_of(vae), dtype_of(vae))).latent_dist.mode().float()
        latents = latents * vae.config.scaling_factor
        if self.denoiser.config.patch_size_t is None or video.shape[2] == 1:
            return latents
        return torch.cat(
            [latents[:, :, : latents.shape[2] % self.denoiser.config.patch_size_t], latents], dim=2
        )

    def decode(self, latents: Tensor) -> Tensor:
        vae = self.parts["vae"]
        # An autoencoder's own latent frames are odd in number: what makes them even was added.
        added = 0 if self.denoiser.config.patch_size_t is None else (latents.shape[2] + 1) % 2
        plain = (latents[:, :, added:].float() / vae.config.scaling_factor).to(dtype_of(vae))
        with torch.no_grad():
            return vae.decode(plain).sample.float()

    def text_features(self, captions: Sequence[str]) -> dict[str, Tensor]:
        length = self.denoiser.config.max_text_seq_length
        ids, _ = token_ids(self.parts["tokenizer"], captions, length)
        with torch.no_grad():
            return {"embeds": self.parts["text_encoder"](ids.to(self.device))[0]}

    def predict(self, noisy: Tensor, timesteps: Tensor, given: Conditions) -> Tensor:
        config = self.denoiser.config
        frames, height, width = noisy.shape[2:]
        if self.concatenates:
            noisy = torch.cat([noisy, self._picture(noisy, given)], dim=1)
        answer = self.denoiser(
            hidden_states=noisy.transpose(1, 2).to(self.dtype),
            encoder_hidden_states=given.text["embeds"].to(self.dtype),
            timestep=timesteps,
            ofs=None if config.ofs_embed_dim is None else noisy.new_full((1,), OFFSET),
            image_rotary_emb=self._places(frames, height, width),
            return_dict=False,
        )[0]
        return answer.transpose(1, 2)

    def _picture(self, noisy: Tensor, given: Conditions) -> Tensor:
        extra = torch.zeros_like(noisy)
        if given.first is not None:
            shown = given.has_first.to(noisy.device).view(-1, 1, 1, 1)
            extra[:, :, 0] = self._first(given.first).to(noisy)[:, :, 0] * shown
        return extra

    def _first(self, latents: Tensor) -> Tensor:
        """Normalised latents of a picture as the transformer was given them: 1.5 divides where it should multiply."""
        config = self.parts["vae"].config
        return latents / config.scaling_factor**2 if config.invert_scale_latents else latents

    def _places(self, frames: int, height: int, width: int) -> tuple[Tensor, Tensor] | None:
        """Rotary embeddings as the pipeline prepares them, kept for each shape."""
        if not self.denoiser.config.use_rotary_positional_embeddings:
            return None
        key = (frames, height, width, str(self.device))
        if key not in self._rotary:
            self._rotary[key] = cast(
                tuple[Tensor, Tensor],
                self.pipeline("CogVideoXPipeline")._prepare_rotary_positional_embeddings(
                    height * self._side, width * self._side, frames, self.device
                ),
            )
        return self._rotary[key]

    def weights(self, latents: Tensor, given: Conditions) -> Tensor | None:
        return None

    def latents_of(self, request: Request, prompt: str, seed: int, image: Tensor | None) -> Tensor:
        vae, config = self.parts["vae"], self.denoiser.config
        frames = (request.frames - 1) // vae.config.temporal_compression_ratio + 1
        if config.patch_size_t is not None:
            frames += frames % config.patch_size_t
        shape = (vae.config.latent_channels, request.height // self._side, request.width // self._side)
        latents = noise((1, frames, *shape), seed, self.device, request.temperature).to(self.dtype)
        pipeline = self.pipeline("CogVideoXPipeline") if image is None else self._showing(image, latents)
        answer = pipeline(
            **({} if image is None else {"image": picture_of(image)}),
            prompt_embeds=self.text_features([prompt])["embeds"].to(self.dtype),
            negative_prompt_embeds=self.text_features([""])["embeds"].to(self.dtype),
            height=request.height,
            width=request.width,
            num_frames=request.frames,
            num_inference_steps=request.steps,
            guidance_scale=request.guidance if prompt else 1.0,
            generator=torch.Generator().manual_seed(seed),
            latents=latents,
            output_type="latent",
            return_dict=False,
        )[0]
        return answer.transpose(1, 2).float()

    def _showing(self, image: Tensor, latents: Tensor) -> Any:
        """The pipeline of image-to-video, given noise and the latents of the picture that training takes: its own would
        draw them from the posterior, and in the transformer's precision, which is not always the autoencoder's."""
        from diffusers import CogVideoXImageToVideoPipeline

        shown = torch.zeros_like(latents)
        shown[:, :1] = self._first(self.encode(image)).transpose(1, 2).to(shown)

        class Showing(CogVideoXImageToVideoPipeline):
            def prepare_latents(self, *args: Any, **named: Any) -> tuple[Tensor, Tensor]:
                return latents * self.scheduler.init_noise_sigma, shown

        made = Showing(**self.parts)
        made.set_progress_bar_config(disable=True)
        return made
