"""What every family does with its parts: freeze, move, hash, ask for token ids, turn pictures to tensors and back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from facevid.generate.errors import GenerateError, SizeError
from facevid.generate.families.family import Conditions, Video


def freeze(module: nn.Module) -> None:
    """Eval mode, and no gradient for any weight."""
    module.eval()
    module.requires_grad_(False)


def move(module: nn.Module, device: Any, dtype: Any = None) -> None:
    """Moves a module; dtype is for the weights that take no gradient, but those the class keeps in float32."""
    module.to(device)
    if dtype is None:
        return
    kept = tuple(getattr(module, "_keep_in_fp32_modules", None) or ())
    for name, weight in [*module.named_parameters(), *module.named_buffers()]:
        precise = any(part in name.split(".") for part in kept)
        if weight.is_floating_point() and not weight.requires_grad and not precise:
            weight.data = weight.data.to(dtype)


def dtype_of(module: nn.Module) -> Any:
    """The type of a module's frozen weights where it has them (those beside adapters), else of all."""
    weights = list(module.parameters())
    frozen = [w for w in weights if not w.requires_grad]
    kept = [w.dtype for w in frozen or weights if w.is_floating_point()]
    return max(set(kept), key=kept.count) if kept else torch.float32


def device_of(module: nn.Module) -> Any:
    """Where a module's first weight is."""
    return next(module.parameters()).device


def fingerprint(part: Any) -> str:
    """SHA-256 of a module's weights, or of a tokenizer's vocabulary and settings: equal content, equal hash."""
    seen = hashlib.sha256()
    if isinstance(part, nn.Module):
        for name, weight in sorted(part.state_dict().items()):
            seen.update(f"{name} {weight.dtype} {tuple(weight.shape)}\n".encode())
            seen.update(weight.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
        return seen.hexdigest()
    inner = getattr(part, "backend_tokenizer", None)
    if inner is None:
        content = json.dumps(sorted(part.get_vocab().items()))
    else:
        # Cutting and padding are as the last call left them.
        told = {k: v for k, v in json.loads(inner.to_str()).items() if k not in ("truncation", "padding")}
        content = json.dumps(told, sort_keys=True)
    chat = getattr(part, "chat_template", None)
    seen.update(f"{content}\n{sorted(part.special_tokens_map.items())}\n{chat or ''}".encode())
    return seen.hexdigest()


def token_ids(tokenizer: Any, captions: Sequence[str], length: int) -> tuple[Tensor, Tensor]:
    """Ids and mask, int64 (B, length), padded and cut to one length."""
    tokens = tokenizer(
        list(captions),
        padding="max_length",
        max_length=length,
        truncation=True,
        add_special_tokens=True,
        return_tensors="pt",
    )
    return tokens.input_ids, tokens.attention_mask


def check_sizes(
    who: str,
    frames: int,
    height: int,
    width: int,
    *,
    every: int,
    first: int = 1,
    side: int,
    longest: int | None = None,
) -> None:
    """Frames are first + k * every, up to `longest`, and sides multiples of `side`; else SizeError with the nearest."""
    possible = _nearest(frames, every, first, longest)
    if frames not in possible:
        most = f", {longest} at most" if longest else ""
        rule = f"{every}k + {first}" if every > 1 else f"at least {first}"
        raise SizeError(
            f"{who} cannot make {frames} frames: their number is {rule}{most}. Nearest: {_either(possible)}."
        )
    for name, value in (("height", height), ("width", width)):
        possible = _nearest(value, side, side, None)
        if value not in possible:
            raise SizeError(
                f"{who} cannot make a {name} of {value}: it is a multiple of {side} pixels. "
                f"Nearest: {_either(possible)}."
            )


def _nearest(value: int, step: int, first: int, longest: int | None) -> list[int]:
    below = first + max((value - first) // step, 0) * step
    if longest is not None:
        below = min(below, first + (longest - first) // step * step)
    above = below + step
    if value <= below or (longest is not None and above > longest):
        return [below]
    return [below, above]


def _either(values: Sequence[int]) -> str:
    return " or ".join(str(v) for v in values)


def pixels(images: Sequence[Video], device: Any) -> Tensor:
    """Pictures uint8 (H, W, 3) as video of one frame, float (B, 3, 1, H, W) in [-1, 1]."""
    stacked = torch.from_numpy(np.stack([np.ascontiguousarray(image) for image in images]))
    return stacked.to(device).permute(0, 3, 1, 2).unsqueeze(2).float() / 127.5 - 1


def picture_of(image: Tensor) -> Any:
    """The picture of float (1, 3, 1, H, W) in [-1, 1], as PIL has it: what pipelines turn to the same again."""
    from PIL import Image

    return Image.fromarray(frames_of(image)[0][0])


def frames_of(video: Tensor) -> list[Video]:
    """Decoded video float (B, 3, T, H, W) in [-1, 1] as uint8 (T, H, W, 3) each."""
    shades = ((video.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return [one.permute(1, 2, 3, 0).contiguous().cpu().numpy() for one in shades]


def clean_first(latents: Tensor, given: Conditions) -> Tensor:
    """Bool (B, 1, F, 1, 1): the first frame of the samples that are given their picture."""
    clean = torch.zeros(len(latents), 1, latents.shape[2], 1, 1, dtype=torch.bool, device=latents.device)
    if given.first is not None:
        clean[:, :, 0] = given.has_first.to(latents.device).view(-1, 1, 1, 1)
    return clean


def with_first(noisy: Tensor, clean: Tensor, given: Conditions) -> Tensor:
    """Noisy latents whose `clean_first` frames are the pictures'."""
    return noisy if given.first is None else torch.where(clean, given.first.to(noisy), noisy)


def noise(shape: Sequence[int], seed: int, device: Any, temperature: float = 1.0) -> Tensor:
    """Normal noise of deviation `temperature`, float32; drawn on the CPU, so a seed gives the same on every device."""
    drawn = torch.randn(tuple(shape), generator=torch.Generator().manual_seed(seed))
    return (temperature * drawn).to(device)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Weights drawn inside depend on the seed alone; the chance outside goes on undisturbed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


@contextmanager
def resting(parts: Mapping[str, Any]) -> Iterator[None]:
    """Modules in eval mode and no gradient; afterwards as they were."""
    modules = [part for part in parts.values() if isinstance(part, nn.Module)]
    training = [module.training for module in modules]
    for module in modules:
        module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, was in zip(modules, training, strict=True):
            module.train(was)


def need(given: Any, what: str, family: str) -> Any:
    """The value, or a sentence that it is missing from a configuration that builds a model anew."""
    if given is None:
        raise GenerateError(
            f"A model of the family {family} built anew needs {what}. Give it in the recipe's model.config, or name a "
            "whole model in model.pretrained."
        )
    return given


def check_fields(config: Mapping[str, Any], known: Sequence[str], family: str) -> None:
    """Raises GenerateError for what a family does not know, which would otherwise be left out without a word."""
    for name in config:
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}? It" if near else "it"
            raise GenerateError(
                f"model.config of the family {family} has no field {name}; {hint} has {', '.join(known)}."
            )
