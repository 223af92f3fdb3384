"""What one sample of a training costs: parameters, operations, activations, counted on one forward pass."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from facevid.generate.data.sources import TEXT
from facevid.generate.diffusion import FIXED, Denoising
from facevid.generate.families.family import Family, modules
from facevid.generate.recipe import Bucket, TrainRecipe
from facevid.generate.training.task import Cost


def cost_of(family: Family, recipe: TrainRecipe) -> Cost:
    """Counted for one sample of each bucket, averaged by the buckets' shares.

    Operations are those of matrix products, convolutions and attention (torch's flop counter) of everything that is
    trained; encoding is not in them. Bytes are what autograd keeps for the way back.
    """
    module = Denoising(family, recipe.conditioning)
    everything = sum(p.numel() for m in modules(family).values() for p in m.parameters())
    trained = sum(p.numel() for p in module.parameters() if p.requires_grad)
    found = [(_sample(family, module, bucket, recipe), bucket.share) for bucket in recipe.data.buckets]
    whole = sum(share for _, share in found)

    def mean(place: int) -> float:
        return sum(sample[place] * share for sample, share in found) / whole

    return Cost(trained, everything - trained, mean(0), mean(1), round(mean(2)))


def _sample(
    family: Family, module: Denoising, bucket: Bucket, recipe: TrainRecipe
) -> tuple[float, float, int]:
    """Operations, bytes and tokens of one sample."""
    from torch.utils.flop_counter import FlopCounterMode

    device = next(module.parameters()).device
    video = torch.zeros(1, 3, bucket.frames, bucket.height, bucket.width, device=device)
    latents = family.encode(video)
    batch = {
        "latents": latents,
        "first": family.encode(video[:, :, :1]) if "i2v" in family.modes else None,
        **{TEXT + name: value for name, value in family.text_features(["a"]).items()},
        "fps": torch.full((1,), recipe.data.fps),
        "seed": torch.zeros(1, dtype=torch.int64),
        "clip_id": ["none"],
        "batch_id": "cost",
        FIXED: False,
    }
    if batch["first"] is None:
        del batch["first"]
    with FlopCounterMode(display=False) as counted, torch.no_grad():
        module(batch)
    return float(counted.get_total_flops()), _kept(module, batch), latents[0, 0].numel()


def _kept(module: nn.Module, batch: dict[str, object]) -> float:
    """Bytes that autograd keeps of one forward pass, each storage once, without the weights."""
    weights = {p.untyped_storage().data_ptr() for p in module.parameters()}
    seen: dict[int, int] = {}

    def pack(kept: Tensor) -> Tensor:
        storage = kept.untyped_storage()
        if storage.data_ptr() not in weights:
            seen[storage.data_ptr()] = math.prod(kept.shape) * kept.element_size()
        return kept

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda kept: kept):
        module(batch)
    return float(sum(seen.values()))
