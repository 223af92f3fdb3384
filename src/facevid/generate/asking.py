"""What somebody asks of a model: which videos, on which device; and whether the model does such at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facevid.generate.errors import GenerateError
from facevid.generate.families.family import Family
from facevid.generate.model_folder import ModelFolder
from facevid.generate.prompts import read_prompts

Image = str | Path | NDArray[np.uint8]


def what_is_asked(
    prompt: str | Path | Sequence[str] | None,
    image: Image | Sequence[Image] | None,
    unconditional: bool,
    count: int,
) -> tuple[list[str], list[Image | None]]:
    """One prompt and one picture a video; prompts of unconditional videos are "".

    Raises GenerateError for a request that says nothing, or two things that exclude each other.
    """
    if prompt is not None and unconditional:
        raise GenerateError("A prompt and --unconditional exclude each other. Leave one out.")
    if prompt is None and not unconditional:
        raise GenerateError("There is no prompt. Give --prompt or --prompts, or ask for --unconditional.")
    if count < 1:
        raise GenerateError(f"The count is {count}; at least one video is made of each prompt.")
    several = list(image) if isinstance(image, list | tuple) else None
    if isinstance(prompt, Path):
        texts = read_prompts(prompt)
    elif prompt is None:
        texts = [""] * (len(several) if several else 1)
    else:
        texts = [prompt] if isinstance(prompt, str) else list(prompt)
        if not texts or not all(text.strip() for text in texts):
            raise GenerateError("A prompt is empty. Write what is to be seen, or ask for --unconditional.")
    if several is not None and len(several) != len(texts):
        raise GenerateError(
            f"{len(texts)} prompts and {len(several)} images: give one image for all, or one for each prompt."
        )
    each: list[Image | None] = [*several] if several is not None else [image] * len(texts)  # type: ignore[list-item]
    return [t for t in texts for _ in range(count)], [i for i in each for _ in range(count)]


def device_of(device: str | None) -> Any:
    """The torch.device asked for; else a GPU if there is one. Raises GenerateError for one that is not here."""
    import torch

    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        place = torch.device(device)
    except RuntimeError:
        raise GenerateError(f"There is no device {device!r}; allowed are cpu, cuda and cuda:N.") from None
    if place.type == "cuda" and (
        not torch.cuda.is_available() or (place.index or 0) >= torch.cuda.device_count()
    ):
        raise GenerateError(
            f"--device {device}: torch finds {torch.cuda.device_count()} GPUs here. Leave it out to use the CPU, or "
            "install torch and a driver for the GPU."
        )
    return place


def check_modes(family: Family, found: ModelFolder, *, text: bool, image: bool) -> None:
    """Raises GenerateError where the model does not make videos from what is given, or never learnt to."""
    modes = frozenset(found.facts.get("modes") or family.modes) & family.modes
    recipe = found.facts.get("recipe") or {}
    wordless = (recipe.get("conditioning") or {}).get("drop_prompt") == 1 and not (
        recipe.get("model") or {}
    ).get("pretrained")
    if image and "i2v" not in modes:
        raise GenerateError(
            f"The model {found.name} (family {family.name}) takes no image. Leave --image out, or name a model that "
            "was trained for image-to-video."
        )
    if not image and modes == {"i2v"}:
        raise GenerateError(
            f"The model {found.name} (family {family.name}) starts from an image. Give --image."
        )
    if text and (wordless or not modes & {"t2v", "i2v"}):
        raise GenerateError(
            f"The model {found.name} (family {family.name}) knows no text. Ask for --unconditional instead."
        )
    if not text and not image and "unconditional" not in modes:
        raise GenerateError(
            f"The model {found.name} (family {family.name}) makes no videos without a prompt. Give --prompt."
        )
