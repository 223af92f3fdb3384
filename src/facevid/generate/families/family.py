"""What the trainer and the sampler know of a model family; each family is one file beside this one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from facevid.generate.objectives import Objective

Mode = Literal["t2v", "i2v", "unconditional"]
Method = Literal["full", "lora"]
Video = npt.NDArray[np.uint8]
"""Frames of one video, (T, H, W, 3) RGB."""


@dataclass(frozen=True)
class Conditions:
    """What a batch of B is conditioned on.

    text: what `Family.text_features` gave, each (B, ...). first: normalised latents of the first picture encoded alone,
    (B, C, 1, h, w), None where the family does not take pictures. has_first: bool (B,), whether the picture is given.
    fps: float (B,), frames a second.
    """

    text: Mapping[str, Tensor]
    first: Tensor | None
    has_first: Tensor
    fps: Tensor


@dataclass(frozen=True)
class Request:
    """What is to be sampled: as many videos as there are prompts.

    prompts: "" is unconditional. images: uint8 (H, W, 3) each of height x width, for image-to-video. seeds: one a
    video; the same seed gives the same video whatever is sampled beside it. temperature: deviation of the noise that
    sampling begins with; below 1 videos vary and break less (Kingma, Dhariwal 2018, section 6, sample a flow so).
    strength: with a picture, the share of noise over copies of it that sampling begins with, as SDEdit does (Meng et
    al. 2022); below 1 videos keep to their picture and move less. 1 is noise alone, and all that most families can.
    """

    prompts: Sequence[str]
    frames: int
    height: int
    width: int
    fps: float
    seeds: Sequence[int]
    images: Sequence[Video] | None = None
    steps: int = 30
    guidance: float = 3.0
    temperature: float = 1.0
    strength: float = 1.0


class Family(Protocol):
    """Parts of one model and how they go together.

    Latents are normalised: about zero mean and unit variance, (B, C, F, h, w). Frozen parts are in eval mode and take
    no gradient. All of a family is on one device, moved by `to`.
    """

    name: str
    modes: frozenset[Mode]
    strengths: bool
    """Whether it can begin from copies of a picture (Request.strength)."""
    objective: Objective
    parts: dict[str, Any]
    """Modules, tokenizers and schedulers by the names that the pipeline gives them."""
    trained: tuple[str, ...]
    """Names in `parts` of what training changes."""

    def check(self, frames: int, height: int, width: int) -> None:
        """Raises SizeError, naming the nearest possible, where the model cannot make such a video."""

    def to(self, device: Any, dtype: Any = None) -> None:
        """Moves every part; dtype is for the frozen ones."""

    def encode(self, video: Tensor) -> Tensor:
        """Normalised latents of video float (B, 3, T, H, W) in [-1, 1]: the mode of the posterior. No gradient."""

    def decode(self, latents: Tensor) -> Tensor:
        """The inverse: float (B, 3, T, H, W), about [-1, 1]. No gradient."""

    def text_features(self, captions: Sequence[str]) -> dict[str, Tensor]:
        """What is kept of captions, each (B, ...) of one shape whatever the caption.

        Embeddings and masks of frozen text encoders; token ids where the text encoder is trained along.
        """

    def predict(self, noisy: Tensor, timesteps: Tensor, given: Conditions) -> Tensor:
        """The network's answer to noisy latents (B, C, F, h, w) at its own timesteps (B,); shape of the target."""

    def weights(self, latents: Tensor, given: Conditions) -> Tensor | None:
        """Weights of the loss that broadcast to the latents, 0 for what is given (a clean first frame); None for 1."""

    def add_lora(self, rank: int, alpha: float, targets: Sequence[str] | None) -> None:
        """Freezes the denoiser and adds low-rank adapters (Hu et al. 2022) to it, by peft. targets None: the usual."""

    def save(self, folder: Path) -> None:
        """Writes a folder that `DiffusionPipeline.from_pretrained` loads; with LoRA also the adapter beside it."""

    def sample(self, request: Request) -> list[Video]:
        """Videos by the family's own pipelines of diffusers."""


def modules(family: Family) -> dict[str, nn.Module]:
    """The parts of a family that hold weights."""
    return {name: part for name, part in family.parts.items() if isinstance(part, nn.Module)}
