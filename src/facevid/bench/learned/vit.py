"""The transformer of video patches that VideoMAE and V-JEPA share, and V-JEPA's pooling by attention.

As functions of named tensors, so that a checkpoint runs under its makers' names: blocks of Dosovitskiy et al., "An
image is worth 16x16 words" (2021), whose norms come first, on patches of space and time (Tong et al., "VideoMAE",
2022).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from facevid.bench.errors import BenchError
from facevid.bench.learned.checkpoint import Tensors


def patches(clips: Any, weights: Tensors) -> Any:
    """Tokens (n, N, d) of clips (n, 3, T, H, W), frame pairs first, then rows, then columns."""
    from torch.nn.functional import conv3d

    kernel = weights.like("patch_embed.proj.weight", None, 3, None, None, None)
    steps = tuple(kernel.shape[2:])
    if any(size % step for size, step in zip(clips.shape[2:], steps, strict=True)):
        raise BenchError(
            f"{weights.source} has patches of {steps}, which do not tile {tuple(clips.shape[2:])}."
        )
    tokens = conv3d(clips, kernel, weights["patch_embed.proj.bias"], stride=steps)
    return tokens.flatten(2).transpose(1, 2)


def sinusoids(count: int, width: int) -> Any:
    """Positions (count, width): sine in even and cosine in odd columns (Vaswani et al. 2017, section 3.5)."""
    import torch

    powers = 10000 ** (2 * (np.arange(width) // 2) / width)
    angles = np.arange(count)[:, None] / powers
    table = np.where(np.arange(width) % 2 == 0, np.sin(angles), np.cos(angles))
    return torch.from_numpy(table.astype(np.float32))


def encode(tokens: Any, weights: Tensors, *, heads: int, epsilon: float) -> Any:
    """Tokens (n, N, d) after all blocks of the weights; epsilon: of the norms."""
    depth = weights.depth("blocks.")
    if not depth:
        raise BenchError(
            f"{weights.source} holds no blocks of a transformer; it is not the file it is named for."
        )
    for number in range(depth):
        block = weights.under(f"blocks.{number}.")
        tokens = tokens + _self_attention(norm(tokens, block, "norm1", epsilon), block, heads)
        tokens = tokens + _mlp(norm(tokens, block, "norm2", epsilon), block)
    return tokens


def pool(tokens: Any, weights: Tensors, *, heads: int, epsilon: float) -> Any:
    """One vector (n, d) of tokens (n, N, d): a learned query asks them (Bardes et al., "V-JEPA", 2024, appendix)."""
    from torch.nn.functional import linear

    width = tokens.shape[-1]
    query = weights.like("query_tokens", 1, 1, width).expand(len(tokens), 1, width)
    block = weights.under("cross_attention_block.")
    asked = norm(tokens, block, "norm1", epsilon)
    q = linear(query, block.like("xattn.q.weight", width, width), block["xattn.q.bias"])
    k, v = linear(asked, block.like("xattn.kv.weight", 2 * width, width), block["xattn.kv.bias"]).chunk(
        2, dim=-1
    )
    answer = _attend(q, k, v, heads)
    query = query + linear(answer, block["xattn.proj.weight"], block["xattn.proj.bias"])
    query = query + _mlp(norm(query, block, "norm2", epsilon), block)
    return query[:, 0]


def norm(x: Any, weights: Tensors, name: str, epsilon: float) -> Any:
    """Layer norm over the last dimension."""
    from torch.nn.functional import layer_norm

    scale = weights.like(f"{name}.weight", x.shape[-1])
    return layer_norm(x, (x.shape[-1],), scale, weights[f"{name}.bias"], epsilon)


def _self_attention(x: Any, block: Tensors, heads: int) -> Any:
    from torch.nn.functional import linear

    width = x.shape[-1]
    q, k, v = linear(x, block.like("attn.qkv.weight", 3 * width, width), _bias(block)).chunk(3, dim=-1)
    return linear(_attend(q, k, v, heads), block["attn.proj.weight"], block["attn.proj.bias"])


def _bias(block: Tensors) -> Any:
    """VideoMAE has biases of queries and values alone."""
    import torch

    if "attn.qkv.bias" in block:
        return block["attn.qkv.bias"]
    q, v = block["attn.q_bias"], block["attn.v_bias"]
    return torch.cat([q, torch.zeros_like(v), v])


def _attend(q: Any, k: Any, v: Any, heads: int) -> Any:
    from torch.nn.functional import scaled_dot_product_attention

    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
    return scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


def _mlp(x: Any, block: Tensors) -> Any:
    from torch.nn.functional import gelu, linear

    inner = gelu(linear(x, block["mlp.fc1.weight"], block["mlp.fc1.bias"]))
    return linear(inner, block["mlp.fc2.weight"], block["mlp.fc2.bias"])
