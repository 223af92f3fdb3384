"""What one sample of a training costs: parameters, operations, activations, counted on forward passes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef

from facevid.generate.data.sources import TEXT
from facevid.generate.diffusion import FIXED, Denoising
from facevid.generate.families.family import Family, modules
from facevid.generate.recipe import Bucket, TrainRecipe
from facevid.generate.training.model import checkpoint_activations
from facevid.generate.training.task import Batch, Cost


def cost_of(family: Family, recipe: TrainRecipe) -> Cost:
    """Counted for one sample of each bucket, averaged by the buckets' shares.

    Operations are those of matrix products, convolutions and attention (torch's flop counter) of everything that is
    trained; encoding is not in them. Bytes are what autograd keeps for the way back, in the recipe's precision, less
    where it computes activations again.
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
    from torch.utils.flop_counter import FlopCounterMode, sdpa_flop

    def attention(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
        return int(sdpa_flop(query, key, value))

    # The counter knows attention on GPUs only.
    mapping = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: attention}
    one = _batch(family, bucket, recipe, 1)
    with FlopCounterMode(display=False, custom_mapping=mapping) as counted, torch.no_grad():
        module(one)
    with _as_trained(module, recipe):
        # What two keep more than one: weights in another type, say, are kept once for all.
        kept = _kept(module, _batch(family, bucket, recipe, 2)) - _kept(module, one)
    return float(counted.get_total_flops()), kept, one["latents"][0, 0].numel()


def _batch(family: Family, bucket: Bucket, recipe: TrainRecipe, count: int) -> Batch:
    device = next(p.device for part in modules(family).values() for p in part.parameters())
    latents = family.encode(torch.zeros(1, 3, bucket.frames, bucket.height, bucket.width, device=device))
    kept = {TEXT + name: value for name, value in family.text_features(["a"]).items()} | {"latents": latents}
    if "i2v" in family.modes:
        kept["first"] = family.encode(torch.zeros(1, 3, 1, bucket.height, bucket.width, device=device))
    return {
        **{name: value.expand(count, *value.shape[1:]).contiguous() for name, value in kept.items()},
        "fps": torch.full((count,), recipe.data.fps),
        "seed": torch.zeros(count, dtype=torch.int64),
        "clip_id": ["none"] * count,
        "batch_id": "cost",
        FIXED: False,
    }


@contextmanager
def _as_trained(module: nn.Module, recipe: TrainRecipe) -> Iterator[None]:
    """In the recipe's precision, and computing activations again where the recipe does; afterwards as before."""
    options = recipe.optimisation
    offering = [m for m in module.modules() if hasattr(m, "enable_gradient_checkpointing")]
    parts = [m for m in offering if not m.is_gradient_checkpointing]
    if options.checkpoint_activations:
        checkpoint_activations(module, recipe.name)
    try:
        with torch.autocast(
            next(module.parameters()).device.type, torch.bfloat16, enabled=options.precision == "bf16"
        ):
            yield
    finally:
        for part in parts:
            part.disable_gradient_checkpointing()


def _kept(module: nn.Module, batch: Batch) -> float:
    """Bytes that autograd would keep of one forward pass, each storage once, without the weights; none is kept here."""
    weights = {p.untyped_storage().data_ptr() for p in module.parameters()}
    # What refers weakly to a storage frees its memory, but nothing else takes its name meanwhile.
    seen: dict[int, tuple[StorageWeakRef, int]] = {}

    def pack(kept: Tensor) -> None:
        storage = kept.untyped_storage()
        if storage.data_ptr() not in weights:
            known = StorageWeakRef(storage)
            seen.setdefault(known.cdata, (known, storage.nbytes()))

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda kept: kept):
        module(batch)
    return float(sum(size for _, size in seen.values()))
