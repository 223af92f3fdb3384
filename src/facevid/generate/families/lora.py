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
    from peft import LoraConfig, inject_adapter_in_model

    if has_lora(denoiser):
        raise GenerateError("This model has low-rank adapters already; they are added once.")
    denoiser.requires_grad_(False)
    try:
        wanted = LoraConfig(r=rank, lora_alpha=alpha, target_modules=list(targets))
        # Classes of diffusers without its mixin for adapters (Latte's, EasyAnimate's) take them from peft.
        if hasattr(denoiser, "add_adapter"):
            denoiser.add_adapter(wanted)
        else:
            inject_adapter_in_model(wanted, denoiser)
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


def save_lora(denoiser: Any, name: str, pipeline: Any, folder: Path) -> None:
    """Writes pytorch_lora_weights.safetensors, which `load_lora_weights` of the pipeline's class takes.

    name: what the pipeline calls the denoiser. Where the class loads no adapters (Latte's, EasyAnimate's) the file is
    the same: weights by their names in peft, behind the denoiser's name.
    """
    from peft.utils import get_peft_model_state_dict
    from safetensors.torch import save_file

    layers = get_peft_model_state_dict(denoiser)
    if hasattr(pipeline, "save_lora_weights"):
        facts = denoiser.peft_config["default"].to_dict()
        pipeline.save_lora_weights(
            str(folder), **{f"{name}_lora_layers": layers, f"{name}_lora_adapter_metadata": facts}
        )
    else:
        plain = {f"{name}.{layer}": weight.detach().cpu().contiguous() for layer, weight in layers.items()}
        save_file(plain, str(folder / "pytorch_lora_weights.safetensors"), metadata={"format": "pt"})
