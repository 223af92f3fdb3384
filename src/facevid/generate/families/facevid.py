"""Our own family, facevid-xs to facevid-xl: LTX's transformer at five sizes, with a small text encoder of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from facevid.generate.errors import GenerateError
from facevid.generate.families.ltx import LTX
from facevid.generate.families.parts import check_fields, need
from facevid.generate.objectives import FlowMatching
from facevid.generate.text import new_text_encoder

_COUNTS = ("width", "depth", "text_width", "text_depth", "text_length")
HEAD, LEAST_HEADS = 64, 4
"""Channels of one head of attention, as in LTX-Video and Wan, and how many heads there are at least: LTX sorts rotary
frequencies over all heads, so of two the first knows only what is far, and the second mistakes far for near."""
BASE_WIDTH, BASE_DEPTH, BASE_LR, BASE_MUON_LR, BASE_BATCH = 128, 4, 2e-3, 2e-2, 32
SIZES: dict[str, int] = {"xs": 128, "s": 256, "m": 512, "l": 1024, "xl": 1536}
"""Names of the family's members, and their widths."""


@dataclass(frozen=True)
class Size:
    """One member of the family: channels, layers, and the learning rates and batch that go with them."""

    width: int
    depth: int
    lr: float
    muon_lr: float
    batch: int


def size_of(width: int) -> Size:
    """What a width brings with it.

    depth = round(4 (width / 128)^(3/4)): between constant shape (1) and width alone (0); Kaplan et al. 2020 (section
    3.1) find the shape to matter little within a factor of some ten. lr = 2e-3 x 128 / width: layers under Adam want
    1 / width (Yang et al., "Tensor Programs V", 2022, table 3). muon_lr = 2e-2 x (128 / width)^.5: updates of square
    matrices want the same spectral norm at every width (Yang, Simon, Bernstein 2023, condition 1), and Muon's, scaled
    to AdamW's size, have one that grows with its root. batch = 32 x 2^round(log2(width / 128) / 2):
    larger models reach lower losses, where larger batches still help (McCandlish et al. 2018).
    """
    from math import log2

    grown = width / BASE_WIDTH
    return Size(
        width,
        round(BASE_DEPTH * grown**0.75),
        BASE_LR / grown,
        BASE_MUON_LR / grown**0.5,
        int(BASE_BATCH * 2 ** round(log2(grown) / 2)),
    )


class Facevid(LTX):
    """Text-to-video, image-to-video and unconditional video by one set of weights, trained by flow matching.

    A saved folder is LTX's to diffusers: `DiffusionPipeline.from_pretrained` gives LTXPipeline, and
    `LTXImageToVideoPipeline.from_pretrained` starts from a picture.
    """

    name: ClassVar[str] = "facevid"
    precise: ClassVar[tuple[str, ...]] = ("vae",)
    """It is small, and its least channels, of a thousandth of the largest's deviation, would drown in bfloat16."""
    fields: ClassVar[tuple[str, ...]] = (*_COUNTS, "text_encoder", "tokenizer")
    fields_tuned: ClassVar[tuple[str, ...]] = ("train_text",)

    @classmethod
    def tuned_as(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """Its own text encoder learnt along and goes on to; a pretrained one, named in config, stays as it is."""
        return {"train_text": "text_encoder" not in config, **super().tuned_as(config)}

    @classmethod
    def build(cls, config: Mapping[str, Any], parts: Mapping[str, Any], objective: FlowMatching) -> Facevid:
        """A member anew. config: `width`, `depth`, and of the text encoder `text_width`, `text_depth`, `text_length`;
        parts: `vae` and `tokenizer`, and `text_encoder` where a pretrained one is used, which then stays as it is.
        """
        from diffusers import (
            AutoencoderKLLTXVideo,
            FlowMatchEulerDiscreteScheduler,
            LTXVideoTransformer3DModel,
        )

        _check(config)
        width, depth = config.get("width", BASE_WIDTH), config.get("depth", BASE_DEPTH)
        if width % HEAD:
            raise GenerateError(f"model.config.width is {width}; it must be a multiple of {HEAD}.")
        vae = parts.get("vae")
        if vae is None:
            raise GenerateError(
                "A model of the family facevid needs an autoencoder. Train one (facevid train autoencoder --data "
                "DATASET -o AUTOENCODER) and name its folder: --autoencoder, or model.autoencoder in the recipe."
            )
        if not isinstance(vae, AutoencoderKLLTXVideo):
            raise GenerateError(
                f"A model of the family facevid takes an AutoencoderKLLTXVideo, and the given autoencoder is of the "
                f"class {type(vae).__name__}. Train one by the recipe autoencoder."
            )
        _certain(vae)
        tokenizer = need(parts.get("tokenizer"), "a tokenizer", cls.name)
        text = parts.get("text_encoder")
        channels = text.config.d_model if text is not None else config.get("text_width", width)
        heads = max(LEAST_HEADS, width // HEAD)
        transformer = LTXVideoTransformer3DModel(
            in_channels=vae.config.latent_channels,
            out_channels=vae.config.latent_channels,
            patch_size=1,
            patch_size_t=1,
            num_attention_heads=heads,
            attention_head_dim=width // heads,
            cross_attention_dim=width,
            num_layers=depth,
            caption_channels=channels,
        )
        made = text or new_text_encoder(tokenizer, width=channels, depth=config.get("text_depth", 2))
        scheduler = FlowMatchEulerDiscreteScheduler(shift=objective.shift)
        return cls(
            transformer,
            vae,
            made,
            tokenizer,
            scheduler,
            objective=objective,
            train_text=text is None,
            text_length=config.get("text_length", 128),
        )


def _certain(vae: Any) -> None:
    """Takes the chance out of an autoencoder's posteriors, whose modes stay.

    diffusers' image-to-video pipeline draws the first frame from its posterior, and training takes the mode; a drawn
    one would be mostly noise in small channels, which are brought to unit variance. LTX's class has one variance for
    all channels, the last that its encoder gives.
    """
    last = vae.encoder.conv_out.conv
    with torch.no_grad():
        last.weight[-1] = 0.0
        last.bias[-1] = -30.0  # the least logarithm of a variance that diffusers takes


def _check(config: Mapping[str, Any]) -> None:
    """Raises GenerateError for what the family does not know, and for what is no number."""
    check_fields(config, Facevid.fields, Facevid.name)
    for name, value in config.items():
        if name in _COUNTS and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            raise GenerateError(f"model.config.{name} is {value!r}; it must be a whole number from 1.")
