"""Small stand-ins for weights that cannot be had here, in the files' own formats, and what others compute with them."""

from __future__ import annotations

import argparse
import json
import string
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

WIDTH, HEADS, PATCH, TOKENS = 32, 16, 56, 8 * 4 * 4
LOGITS = 400


class Detector(nn.Module):
    """Called as StyleGAN-V calls I3D; gives what one can work out by hand from mean colours over time."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, LOGITS)

    def forward(
        self, x: torch.Tensor, rescale: bool = False, resize: bool = False, return_features: bool = False
    ) -> torch.Tensor:
        if rescale:
            x = x / 127.5 - 1
        if resize:
            x = nn.functional.interpolate(x, size=(x.shape[2], 28, 28), mode="trilinear", align_corners=False)
        logits = self.head(x.mean(dim=(2, 3, 4)))
        return logits if return_features else torch.softmax(logits, dim=1)


def write_i3d(folder: Path, seed: int = 0) -> nn.Linear:
    """i3d_torchscript.pt; gives its last layer."""
    torch.manual_seed(seed)
    detector = Detector()
    torch.jit.script(detector).save(str(folder / "i3d_torchscript.pt"))
    return detector.head


def write_videomae(folder: Path) -> Any:
    """vit_g_hybrid_pt_1200e_ssv2_ft.pth; gives transformers' model of the same weights."""
    from transformers import VideoMAEConfig, VideoMAEForVideoClassification

    torch.manual_seed(0)
    model = VideoMAEForVideoClassification(
        VideoMAEConfig(
            image_size=224, patch_size=PATCH, num_frames=16, tubelet_size=2, hidden_size=WIDTH, num_hidden_layers=2,
            num_attention_heads=HEADS, intermediate_size=48, layer_norm_eps=1e-6, use_mean_pooling=True, num_labels=5,
            initializer_range=0.3,
        )
    ).eval()  # fmt: skip
    _shake(model)
    held = {
        "patch_embed.proj": model.videomae.embeddings.patch_embeddings.projection,
        "fc_norm": model.fc_norm,
        "head": model.classifier,
    }
    state: dict[str, torch.Tensor] = {}
    for number, layer in enumerate(model.videomae.encoder.layer):
        inner, block = layer.attention.attention, f"blocks.{number}."
        state[f"{block}attn.qkv.weight"] = torch.cat(
            [inner.query.weight, inner.key.weight, inner.value.weight]
        )
        state[f"{block}attn.q_bias"], state[f"{block}attn.v_bias"] = inner.query.bias, inner.value.bias
        held |= {
            f"{block}attn.proj": layer.attention.output.dense,
            f"{block}norm1": layer.layernorm_before,
            f"{block}norm2": layer.layernorm_after,
            f"{block}mlp.fc1": layer.intermediate.dense,
            f"{block}mlp.fc2": layer.output.dense,
        }
    state |= _named(held)
    path = folder / "vit_g_hybrid_pt_1200e_ssv2_ft.pth"
    torch.save({"module": _plain(state), "args": argparse.Namespace(lr=1e-3), "epoch": 30}, path)
    return model


class Jepa(nn.Module):
    """V-JEPA and its pooler out of torch's own layers."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv3d(3, WIDTH, (2, PATCH, PATCH), (2, PATCH, PATCH))
        self.positions = nn.Parameter(torch.randn(1, TOKENS, WIDTH))
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                WIDTH,
                HEADS,
                48,
                dropout=0.0,
                activation="gelu",
                layer_norm_eps=1e-6,
                batch_first=True,
                norm_first=True,
            )
            for _ in range(2)
        )
        self.norm = nn.LayerNorm(WIDTH, eps=1e-6)
        self.query = nn.Parameter(torch.randn(1, 1, WIDTH))
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attention = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
        self.fc1, self.fc2 = nn.Linear(WIDTH, 40), nn.Linear(40, WIDTH)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        x = self.patch(clips).flatten(2).transpose(1, 2) + self.positions
        for layer in self.layers:
            x = layer(x)
        x = self.norm1(self.norm(x))
        query = self.query.repeat(len(x), 1, 1)
        query = query + self.attention(query, x, x)[0]
        query = query + self.fc2(nn.functional.gelu(self.fc1(self.norm2(query))))
        return query[:, 0]


def write_vjepa(folder: Path) -> Jepa:
    """vith16.pth.tar and ssv2-probe.pth.tar; gives the same network."""
    torch.manual_seed(0)
    model = Jepa().eval()
    _shake(model)
    held: dict[str, nn.Module] = {"patch_embed.proj": model.patch, "norm": model.norm}
    encoder: dict[str, torch.Tensor] = {"pos_embed": model.positions}
    for number, layer in enumerate(model.layers):
        block = f"blocks.{number}."
        encoder[f"{block}attn.qkv.weight"] = layer.self_attn.in_proj_weight
        encoder[f"{block}attn.qkv.bias"] = layer.self_attn.in_proj_bias
        held |= {
            f"{block}attn.proj": layer.self_attn.out_proj, f"{block}norm1": layer.norm1, f"{block}norm2": layer.norm2,
            f"{block}mlp.fc1": layer.linear1, f"{block}mlp.fc2": layer.linear2,
        }  # fmt: skip
    encoder |= _named(held)
    weight, bias = model.attention.in_proj_weight, model.attention.in_proj_bias
    pooler = {
        "query_tokens": model.query,
        "cross_attention_block.xattn.q.weight": weight[:WIDTH],
        "cross_attention_block.xattn.q.bias": bias[:WIDTH],
        "cross_attention_block.xattn.kv.weight": weight[WIDTH:],
        "cross_attention_block.xattn.kv.bias": bias[WIDTH:],
    } | _named(
        {
            "cross_attention_block.xattn.proj": model.attention.out_proj,
            "cross_attention_block.norm1": model.norm1, "cross_attention_block.norm2": model.norm2,
            "cross_attention_block.mlp.fc1": model.fc1, "cross_attention_block.mlp.fc2": model.fc2,
        }
    )  # fmt: skip
    named = {f"module.backbone.{k}": v for k, v in _plain(encoder).items()}
    other = {k: v + 1 for k, v in named.items()}
    torch.save({"encoder": other, "target_encoder": named, "epoch": 300}, folder / "vith16.pth.tar")
    probe = {f"module.pooler.{k}": v for k, v in _plain(pooler).items()}
    probe["module.linear.weight"] = torch.zeros(174, WIDTH)
    torch.save({"classifier": probe, "epoch": 20}, folder / "ssv2-probe.pth.tar")
    return model


def write_clip(folder: Path) -> Any:
    """A folder of a CLIP with words of single letters; gives transformers' model."""
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

    letters = [*string.ascii_lowercase, ",", "."]
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True)
    tokenizer = CLIPTokenizer(vocab={word: number for number, word in enumerate(words)}, merges=[])
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    config = CLIPConfig(
        text_config={
            **sizes, "vocab_size": len(words), "max_position_embeddings": 12, "bos_token_id": len(words) - 2,
            "eos_token_id": len(words) - 1, "pad_token_id": len(words) - 1,
        },
        vision_config={**sizes, "image_size": 32, "patch_size": 8},
        projection_dim=24,
    )  # fmt: skip
    model = CLIPModel(config).eval()
    model.save_pretrained(folder)
    return model


def video(frames: int = 16, height: int = 224, width: int = 224, seed: int = 0) -> NDArray[np.uint8]:
    """Noise."""
    rng = np.random.default_rng([seed])
    return rng.integers(0, 256, (frames, height, width, 3), dtype=np.uint8)


def vocabulary(folder: Path) -> dict[str, int]:
    """Of a tokenizer that `write_clip` wrote."""
    found = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    return {str(word): int(number) for word, number in found.items()}


def _shake(model: nn.Module) -> None:
    """Norms and biases that are not 1 and 0, so that a mix-up shows."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.2 * torch.randn_like(parameter))


def _named(held: dict[str, Any]) -> dict[str, torch.Tensor]:
    return {
        f"{name}.{part}": getattr(module, part)
        for name, module in held.items()
        for part in ("weight", "bias")
    }


def _plain(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in state.items()}
