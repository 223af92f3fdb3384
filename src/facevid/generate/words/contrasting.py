"""A text encoder beside a picture encoder, and the loss by which captions find their pictures."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facevid.generate.families.parts import token_ids
from facevid.generate.recipe import Text
from facevid.generate.training.task import Batch

BEGIN, LARGEST = 1 / 0.07, 100.0
"""What similarities are multiplied by: at the beginning, and at most (Radford et al. 2021, section 2.5)."""
_PATCH, _SHOWN = 8, 4
"""Pixels of a patch's side; frames of a video that are looked at, evenly spread."""


class Pictures(nn.Module):
    """Pictures as vectors: patches of 8 x 8 pixels, each by a small network, then all of them by one linear layer.

    `forward(video)`: float (B, 3, T, H, W) in [-1, 1] to (B, out), the mean over up to four frames. Places are kept
    apart, so that from which side light comes is told as easily as how much there is. side: to how many pixels pictures
    are resized.
    """

    def __init__(self, side: int, hidden: int, out: int) -> None:
        super().__init__()
        self._side = side
        self.patches = nn.Conv2d(3, hidden, _PATCH, _PATCH)
        self.inner = nn.Conv2d(hidden, hidden, 1)
        self.last = nn.Linear(hidden * (side // _PATCH) ** 2, out)

    def forward(self, video: Tensor) -> Tensor:
        frames = video.shape[2]
        some = torch.linspace(0, frames - 1, min(frames, _SHOWN)).round().long().to(video.device)
        flat = video[:, :, some].transpose(1, 2).flatten(0, 1)
        if flat.shape[-2:] != (self._side, self._side):
            flat = F.interpolate(flat, (self._side, self._side), mode="bilinear", antialias=True)
        found = F.gelu(self.inner(F.gelu(self.patches(flat))))
        vectors: Tensor = self.last(found.flatten(1))
        return vectors.unflatten(0, (len(video), -1)).mean(1)


class Contrasting(nn.Module):
    """`forward(batch)` gives each sample's loss, and whether its caption found its picture ("found", 0 or 1), float32
    (B,): of all pictures of the batch the caption's own shall be the nearest, and of all captions the picture's
    (Radford et al., "CLIP", 2021, figure 3). Samples of one clip are all right for each other.

    The vector of a caption is the mean over its words of what the text encoder says of them, which sees padding too, as
    the pipelines of diffusers call it.
    """

    def __init__(self, text_encoder: Any, tokenizer: Any, settings: Text) -> None:
        super().__init__()
        self.text_encoder = text_encoder
        self.words = nn.Linear(settings.width, settings.common)
        self.pictures = Pictures(settings.side, settings.hidden, settings.common)
        self.scale = nn.Parameter(torch.tensor(math.log(BEGIN)))
        # In a tuple, so that it is no part of the module.
        self._apart = (tokenizer, settings.length)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        video = batch["video"]
        tokenizer, length = self._apart
        ids, mask = (t.to(video.device) for t in token_ids(tokenizer, batch["caption"], length))
        seen = mask.unsqueeze(-1).float()
        said = self.text_encoder(ids)[0].float()
        captions = F.normalize(self.words((said * seen).sum(1) / seen.sum(1)), dim=1)
        pictures = F.normalize(self.pictures(video), dim=1)
        scores = captions @ pictures.T * self.scale.exp().clamp(max=LARGEST)
        right = _same(batch["clip_id"]).to(video.device)
        wanted = right.float() / right.sum(1, keepdim=True)
        by_caption = -(wanted * scores.log_softmax(1)).sum(1)
        by_picture = -(wanted * scores.T.log_softmax(1)).sum(1)
        nearest = scores.detach().argmax(1, keepdim=True)
        return {"loss": (by_caption + by_picture) / 2, "found": right.gather(1, nearest)[:, 0].float()}


def _same(clips: list[str]) -> Tensor:
    """Which samples are of one clip, bool (B, B)."""
    numbers = torch.tensor([clips.index(c) for c in clips])
    return numbers[:, None] == numbers[None]
