"""Low-rank adapters (Hu et al. 2022) on a denoiser by peft: put on, merged for a plain folder, saved by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from facevid.generate.errors import GenerateError

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
"""The usual targets: projections of every attention."""


def add_lora(denoiser: Any, rank: int, alpha: float, targets: Sequence[str]) -> None:
    """Freezes the denoiser and adds adapters to the linear layers whose names end with one of `targets`.

    The adapters are float32 and begin as no change. Raises GenerateError where no layer has such a name.
    """
    from peft import LoraConfig

    if has_lora(denoiser):
        raise GenerateError("This model has low-rank adapters already; they are added once.")
    denoiser.requires_grad_(False)
    try:
        denoiser.add_adapter(LoraConfig(r=rank, lora_alpha=alpha, target_modules=list(targets)))
    except ValueError as error:
        layers = sorted(
            {n.rsplit(".", 1)[-1] for n, m in denoiser.named_modules() if isinstance(m, nn.Linear)}
        )
        raise GenerateError(
            f"Low-rank adapters cannot be put on {', '.join(targets)} of {type(denoiser).__name__}: {error} "
            f"Its linear layers are named {', '.join(layers)}; set model.lora_targets."
        ) from None
    for weight in denoiser.parameters():
        if weight.requires_grad:
            weight.data = weight.data.float()


def has_lora(denoiser: Any) -> bool:
    """Whether adapters are on it."""
    return bool(getattr(denoiser, "peft_config", None))


def merged(denoiser: Any) -> Any:
    """A plain model of the same class whose weights have the adapters added in; the given one stays as it is.

    Only the layers with adapters take new memory, the others are shared.
    """
    from peft.tuners.lora import LoraLayer

    adapted = {name: module for name, module in denoiser.named_modules() if isinstance(module, LoraLayer)}
    weights: dict[str, Tensor] = {}
    with torch.no_grad():
        for name, weight in denoiser.state_dict().items():
            owner = next((layer for layer in adapted if name.startswith(f"{layer}.")), None)
            if owner is None:
                weights[name] = weight
            elif name.startswith(f"{owner}.base_layer."):
                kind = name.removeprefix(f"{owner}.base_layer.")
                weights[f"{owner}.{kind}"] = (
                    _with_adapter(adapted[owner], weight) if kind == "weight" else weight
                )
    with torch.device("meta"):
        plain = type(denoiser).from_config(denoiser.config)
    plain.load_state_dict(weights, assign=True)
    return plain.eval()


def _with_adapter(layer: Any, weight: Tensor) -> Tensor:
    total = weight.float()
    for adapter in layer.active_adapters:
        total = total + layer.get_delta_weight(adapter).float()
    return total.to(weight.dtype)


def save_lora(denoiser: Any, pipeline: Any, folder: Path) -> None:
    """Writes pytorch_lora_weights.safetensors, which `load_lora_weights` of the pipeline's class takes."""
    from peft.utils import get_peft_model_state_dict

    pipeline.save_lora_weights(
        str(folder),
        transformer_lora_layers=get_peft_model_state_dict(denoiser),
        transformer_lora_adapter_metadata=denoiser.peft_config["default"].to_dict(),
    )
