"""What one sample of a training costs: parameters, operations, activations, counted on forward passes of shapes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.multiprocessing.reductions import StorageWeakRef

from facevid.generate.diffusion import Denoising
from facevid.generate.families.family import Conditions, Family, modules
from facevid.generate.recipe import Bucket, TrainRecipe
from facevid.generate.training.model import checkpoint_activations
from facevid.generate.training.task import Cost


def cost_of(family: Family, recipe: TrainRecipe) -> Cost:
    """Counted for one sample of each bucket, averaged by the buckets' samples (shares times `batches`); bytes are those
    of the bucket whose steps take most.

    Operations are those of matrix products, convolutions and attention (torch's flop counter) of everything that is
    trained; encoding is not in them. Bytes are what autograd keeps for the way back, in the recipe's precision, less
    where it computes activations again. The passes are made with tensors that have a shape and no content, so nothing
    is computed or held; only families that look at the content of pictures (image-to-video of Wan 2.1 and EasyAnimate)
    make them for real.
    """
    everything = sum(p.numel() for m in modules(family).values() for p in m.parameters())
    trained = sum(p.numel() for p in Denoising(family, recipe.conditioning).parameters() if p.requires_grad)
    buckets = recipe.data.buckets
    found = [(_sample(family, bucket, recipe), bucket.share * bucket.batches) for bucket in buckets]
    whole = sum(share for _, share in found)

    def mean(place: int) -> float:
        return sum(sample[place] * share for sample, share in found) / whole

    most = max(sample[1] * bucket.batches for (sample, _), bucket in zip(found, buckets, strict=True))
    return Cost(trained, everything - trained, mean(0), most, round(mean(2)))


def _sample(family: Family, bucket: Bucket, recipe: TrainRecipe) -> tuple[float, float, int]:
    """Operations, bytes and tokens of one sample."""
    try:
        with FakeTensorMode(allow_non_fake_inputs=True) as shapes:
            return _counted(_without_content(family, shapes), bucket, recipe)
    except RuntimeError:
        # torch tells in several ways that a tensor without content was asked for its content.
        if any(p.is_meta for part in modules(family).values() for p in part.parameters()):
            raise
        return _counted(family, bucket, recipe)


def _without_content(family: Family, shapes: FakeTensorMode) -> Family:
    """The same family, whose weights have a shape and no content; those that have no more already are on the CPU."""

    def emptied(tensor: Tensor) -> Tensor:
        device = "cpu" if tensor.is_meta else tensor.device
        with shapes:
            return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=device)

    known: dict[int, Any] = {}
    for part in modules(family).values():
        known |= {id(b): emptied(b) for b in part.buffers()}
        known |= {id(p): nn.Parameter(emptied(p), p.requires_grad) for p in part.parameters()}
    twin = copy.copy(family)
    # Copying takes tensors that are known for copied already, so weights that are shared stay so.
    twin.parts = {**family.parts, **{n: copy.deepcopy(part, known) for n, part in modules(family).items()}}
    return twin


def _counted(family: Family, bucket: Bucket, recipe: TrainRecipe) -> tuple[float, float, int]:
    from torch.utils.flop_counter import FlopCounterMode, sdpa_flop

    def attention(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
        return int(sdpa_flop(query, key, value))

    # The counter knows attention on GPUs only.
    mapping = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: attention}
    module = Denoising(family, recipe.conditioning)
    one, tokens = _pass(module, bucket, recipe, 1)
    two, _ = _pass(module, bucket, recipe, 2)
    with FlopCounterMode(display=False, custom_mapping=mapping) as counted, torch.no_grad():
        one()
    with _as_trained(module, recipe):
        # What two keep more than one: weights in another type, say, are kept once for all.
        bytes_kept = kept(module, two) - kept(module, one)
    return float(counted.get_total_flops()), bytes_kept, tokens


def _pass(
    module: Denoising, bucket: Bucket, recipe: TrainRecipe, count: int
) -> tuple[Callable[[], Tensor], int]:
    """What computes the loss of `count` samples, all given their pictures where there are any; tokens of a sample."""
    family = module.family
    device = next(p.device for part in modules(family).values() for p in part.parameters())

    def several(one: Tensor) -> Tensor:
        return one.expand(count, *one.shape[1:]).contiguous()

    def encoded(frames: int) -> Tensor:
        return several(family.encode(torch.zeros(1, 3, frames, bucket.height, bucket.width, device=device)))

    latents = encoded(bucket.frames).float()
    pictures = "i2v" in family.modes
    first = encoded(1).float() if pictures else None
    # Written out, its content is known even where tensors have none.
    shown = torch.tensor([pictures] * count, device=device)
    text = {name: several(value) for name, value in family.text_features(["a"]).items()}
    given = Conditions(text, first, shown, torch.full((count,), recipe.data.fps, device=device))
    noise = torch.zeros_like(latents)
    times = family.objective.times(torch.full((count,), 0.5, device=device))
    return lambda: module.loss(latents, noise, times, given), latents[0, 0].numel()


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


def kept(module: nn.Module, loss: Callable[[], Tensor]) -> float:
    """Bytes that autograd would keep of one forward pass, each storage once, without the weights; none is kept here."""
    weights = {p.untyped_storage()._cdata for p in module.parameters()}
    # What refers weakly to a storage frees its memory, but nothing else takes its name meanwhile.
    seen: dict[int, tuple[StorageWeakRef, int]] = {}

    def pack(kept: Tensor) -> None:
        storage = kept.untyped_storage()
        if storage._cdata not in weights:
            known = StorageWeakRef(storage)
            seen.setdefault(known.cdata, (known, storage.nbytes()))

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda kept: kept):
        loss()
    return float(sum(size for _, size in seen.values()))
