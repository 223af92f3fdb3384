"""What families over the pipelines of diffusers have in common: parts, moving, adapters, saving, one video a seed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor, nn

from facevid.generate.errors import GenerateError
from facevid.generate.families import lora
from facevid.generate.families.family import Mode, Request, Video
from facevid.generate.families.parts import device_of, dtype_of, frames_of, freeze, move, pixels, resting
from facevid.generate.objectives import Objective


class DiffusersFamily(ABC):
    """Parts of one pipeline of diffusers; a family says how they are used (see `family.Family`).

    Latents leave `encode` and reach the pipelines normalised, in float32, and the pipelines give latents back, so
    training and sampling share `encode`, `text_features` and `decode`. Noise is drawn on the CPU by the video's seed,
    and videos are sampled one by one: so a seed gives the same video whatever is sampled beside it.
    """

    name: ClassVar[str]
    saved_as: ClassVar[str]
    """The class of diffusers that a saved folder is loaded by."""
    denoiser_name: ClassVar[str] = "transformer"
    lora_targets: ClassVar[tuple[str, ...]] = lora.ATTENTION
    precise: ClassVar[tuple[str, ...]] = ()
    """Parts that stay in float32 whatever the precision of the others."""
    strengths: ClassVar[bool] = False
    """Whether it can begin from copies of a picture (Request.strength)."""
    fields: ClassVar[tuple[str, ...]] = ("transformer", "vae", "text_encoder", "tokenizer", "scheduler")
    """What a recipe's model.config may hold for a model anew."""
    fields_tuned: ClassVar[tuple[str, ...]] = ()
    """What it may hold beside them only for a pretrained model."""
    kept: ClassVar[tuple[str, ...]] = ()
    """Fields that say how a model is used, whoever goes on training it."""

    @classmethod
    def tuned_as(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """What tuning takes over of the model.config of the training that made a model; the recipe's own wins."""
        return {name: config[name] for name in cls.kept if name in config}

    def __init__(
        self, parts: dict[str, Any], *, trained: tuple[str, ...], modes: frozenset[Mode], objective: Objective
    ) -> None:
        self.parts = parts
        self.trained = trained
        self.modes = modes
        self.objective = objective
        for name, part in parts.items():
            if isinstance(part, nn.Module) and name not in trained:
                freeze(part)

    @property
    def denoiser(self) -> Any:
        """The network that learns, as the pipeline names it."""
        return self.parts[self.denoiser_name]

    @property
    def device(self) -> Any:
        """Where the parts are."""
        return device_of(self.denoiser)

    @property
    def dtype(self) -> Any:
        """The type in which the denoiser takes its inputs."""
        return dtype_of(self.denoiser)

    def to(self, device: Any, dtype: Any = None) -> None:
        for name, part in self.parts.items():
            if isinstance(part, nn.Module):
                move(part, device, None if name in self.precise else dtype)

    def add_lora(self, rank: int, alpha: float, targets: Sequence[str] | None) -> None:
        lora.add_lora(self.denoiser, rank, alpha, targets or self.lora_targets)
        self.trained = (self.denoiser_name,)
        for name, part in self.parts.items():
            if isinstance(part, nn.Module) and name != self.denoiser_name:
                freeze(part)

    def save(self, folder: Path) -> None:
        """Writes a folder that `DiffusionPipeline.from_pretrained` loads.

        With adapters the weights in it have them added in, and pytorch_lora_weights.safetensors beside them holds the
        adapters alone, for `load_lora_weights` of the model that was tuned.
        """
        parts = dict(self.parts)
        if lora.has_lora(self.denoiser):
            parts[self.denoiser_name] = lora.merged(self.denoiser)
        self.pipeline(self.saved_class(), parts).save_pretrained(str(folder))
        if lora.has_lora(self.denoiser):
            lora.save_lora(self.denoiser, self.denoiser_name, self.pipeline_class(self.saved_class()), folder)

    def saved_class(self) -> str:
        """The class that this model's folder is loaded by, where a family has several."""
        return self.saved_as

    def pipeline_class(self, name: str) -> Any:
        """A class of diffusers by its name."""
        import diffusers

        return getattr(diffusers, name)

    def pipeline(self, name: str, parts: dict[str, Any] | None = None) -> Any:
        """A pipeline of that class over the parts, without a progress bar."""
        made = self.pipeline_class(name)(**(self.parts if parts is None else parts))
        made.set_progress_bar_config(disable=True)
        return made

    @abstractmethod
    def check(self, frames: int, height: int, width: int) -> None:
        """Raises SizeError, naming the nearest possible, where the model cannot make such a video."""

    @abstractmethod
    def encode(self, video: Tensor) -> Tensor:
        """Normalised latents of video float (B, 3, T, H, W) in [-1, 1]."""

    @abstractmethod
    def decode(self, latents: Tensor) -> Tensor:
        """Video, about [-1, 1], of normalised latents."""

    @abstractmethod
    def latents_of(self, request: Request, prompt: str, seed: int, image: Tensor | None) -> Tensor:
        """Normalised latents (1, C, F, h, w) of one video by the pipeline. image: float (1, 3, 1, H, W)."""

    def sample(self, request: Request) -> list[Video]:
        self.check(request.frames, request.height, request.width)
        images = self._images(request)
        videos: list[Video] = []
        with resting(self.parts):
            for prompt, seed, image in zip(request.prompts, request.seeds, images, strict=True):
                latents = self.latents_of(request, prompt, seed, image)
                videos += frames_of(self.decode(latents))
        return videos

    def _images(self, request: Request) -> list[Tensor | None]:
        count = len(request.prompts)
        if len(request.seeds) != count:
            raise GenerateError(f"{count} prompts and {len(request.seeds)} seeds: give one seed a video.")
        if request.images is None:
            if self.modes == {"i2v"}:
                raise GenerateError(
                    f"This model of the family {self.name} starts from a picture; give an image."
                )
            return [None] * count
        if "i2v" not in self.modes:
            raise GenerateError(
                f"This model of the family {self.name} takes no picture; leave the image out."
            )
        if len(request.images) != count:
            raise GenerateError(
                f"{count} prompts and {len(request.images)} pictures: give one picture a video."
            )
        wrong = [i.shape for i in request.images if i.shape != (request.height, request.width, 3)]
        if wrong:
            raise GenerateError(
                f"A picture is {wrong[0]}, the video {(request.height, request.width, 3)}: they have one size."
            )
        return [pixels([image], self.device) for image in request.images]
