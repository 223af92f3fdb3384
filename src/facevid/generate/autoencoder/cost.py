"""What one sample of an autoencoder's training costs, counted on shapes alone."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from facevid.generate.autoencoder.build import VideoAutoencoder
from facevid.generate.autoencoder.reconstructing import Reconstructing
from facevid.generate.errors import GenerateError
from facevid.generate.recipe import Bucket, TrainRecipe
from facevid.generate.training.task import Cost


def cost_of(autoencoder: VideoAutoencoder, recipe: TrainRecipe) -> Cost:
    """Counted for one sample of each bucket: operations and tokens averaged by the buckets' samples (shares times
    `batches`), bytes of the bucket whose steps take most.

    Operations are those of convolutions, matrix products and attention (torch's flop counter), the face embedder's
    too. Bytes are what autograd keeps for the way back.
    """
    if recipe.autoencoder is None:
        raise GenerateError(f"The recipe {recipe.name} trains a model of videos, not an autoencoder.")
    with torch.device("meta"):
        copy = VideoAutoencoder(type(autoencoder.vae).from_config(autoencoder.vae.config))
    module = Reconstructing(copy, recipe.autoencoder)
    module.to_apart(torch.device("meta"))
    trained = sum(p.numel() for p in module.parameters())
    flops, kept, tokens, shares = 0.0, 0.0, 0.0, 0.0
    for bucket in recipe.data.buckets:
        _, *shape = copy.latent_shape(bucket.frames, bucket.height, bucket.width)
        found_flops, found_kept = _sample(module, bucket)
        share = bucket.share * bucket.batches
        flops += share * found_flops
        tokens += share * math.prod(shape)
        kept = max(kept, found_kept * bucket.batches)
        shares += share
    return Cost(trained, module.frozen_parameters, flops / shares, kept, round(tokens / shares))


def _sample(module: Reconstructing, bucket: Bucket) -> tuple[float, float]:
    from torch.utils.flop_counter import FlopCounterMode

    batch = {
        "video": torch.zeros(1, 3, bucket.frames, bucket.height, bucket.width, device="meta"),
        "seed": torch.zeros(1, dtype=torch.int64),
    }
    weights = {p.untyped_storage()._cdata for p in module.parameters()}
    seen: dict[int, tuple[Tensor, int]] = {}

    def pack(kept: Tensor) -> Tensor:
        storage = kept.untyped_storage()
        if storage._cdata not in weights:
            # The tensor is held, so that no other storage takes its place in memory.
            seen[storage._cdata] = (kept, storage.nbytes())
        return kept

    with (
        FlopCounterMode(display=False) as counted,
        torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t),
    ):
        module(batch)
    return float(counted.get_total_flops()), float(sum(size for _, size in seen.values()))
