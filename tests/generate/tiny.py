"""Tiny parts of the real classes, with random weights and nothing downloaded: tokenizer, T5, pictures, conditions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from facevid.generate.families.family import Conditions, Family, Request, Video

WORDS = (
    "a an the woman man person with hair eyes black blond red brown glasses smiles blinks turns nods and light"
).split()


def tokenizer(length: int = 128) -> Any:
    """A word tokenizer over WORDS that pads, truncates and ends with </s>, as T5's does."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: i for i, word in enumerate(["<pad>", "</s>", "<unk>", *WORDS])}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=length,
    )


T5: dict[str, Any] = {
    "vocab_size": 32,
    "d_model": 16,
    "d_kv": 8,
    "d_ff": 32,
    "num_layers": 1,
    "num_heads": 2,
    "feed_forward_proj": "gated-gelu",
}


def video(frames: int, size: int, batch: int = 1, seed: int = 0) -> torch.Tensor:
    """Smooth random video (B, 3, T, H, W) in [-1, 1]."""
    drawn = torch.rand(batch, 3, 2, 4, 4, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return torch.nn.functional.interpolate(drawn, size=(frames, size, size), mode="trilinear")


def picture(size: int, seed: int = 0) -> Video:
    """A smooth random picture, uint8 (H, W, 3)."""
    pixels = video(1, size, seed=seed)[0, :, 0].permute(1, 2, 0)
    return ((pixels + 1) * 127.5).round().numpy().astype(np.uint8)


def conditions(
    family: Family, captions: Sequence[str], clip: torch.Tensor | None, given: Sequence[bool] | None = None
) -> Conditions:
    """Conditions of captions and, where a clip is given, of its first picture."""
    first = None if clip is None else family.encode(clip[:, :, :1])
    shown = torch.tensor(list(given) if given is not None else [clip is not None] * len(captions))
    return Conditions(family.text_features(captions), first, shown, torch.full((len(captions),), 8.0))


def loss(family: Family, latents: torch.Tensor, given: Conditions, seed: int = 0) -> torch.Tensor:
    """The mean loss of a batch of latents at fixed noise and times, weighted as the family says."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(latents.shape, generator=generator)
    times = family.objective.times(torch.linspace(0.2, 0.8, len(latents)))
    noisy = family.objective.noisy(latents, noise, times)
    answer = family.predict(noisy, family.objective.timesteps(times), given)
    target = family.objective.target(latents, noise, times)
    assert answer.shape == target.shape
    weights = family.weights(latents, given)
    squares = (answer - target) ** 2
    return squares.mean() if weights is None else (squares * weights).sum() / weights.expand_as(squares).sum()


def trained_parameters(family: Family) -> dict[str, torch.nn.Parameter]:
    """Parameters that training changes, by part and name."""
    return {
        f"{part}.{name}": parameter
        for part in family.trained
        for name, parameter in family.parts[part].named_parameters()
        if parameter.requires_grad
    }


def request(frames: int, size: int, **changes: Any) -> Request:
    """A request for one small video in two steps."""
    asked: dict[str, Any] = {
        "prompts": ["a woman smiles"],
        "frames": frames,
        "height": size,
        "width": size,
        "fps": 8.0,
        "seeds": [3],
        "steps": 2,
        "guidance": 2.0,
    }
    return Request(**{**asked, **changes})
