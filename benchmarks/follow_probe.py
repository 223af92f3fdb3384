"""A probe that reads attributes off small pictures, trained on real clips.

Colours and light are read by a small network with a head for each attribute. Fine things, glasses, are read by a linear
layer on what dlib's face embedder sees in the middle of the picture: a hundred people are too few to learn them from
(network .45, this .95 of 224 clips of 102 synthetic people at 64 x 64, two values, people held out).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from facevid.generate.face_features import FaceEmbedder

Frames = npt.NDArray[np.uint8]
LARGEST = 96
"""Pixels to which larger pictures are shrunk: enough for glasses, and quick on a CPU."""
MIRRORED = {"left": "right", "right": "left"}
FINE = frozenset({"eyeglasses"})
"""Attributes that are read by the face embedder's features."""
_CHANNELS = (24, 48, 96, 128)
_STAGE, _STAGE_SIDE, _MIDDLE = 4, 192, (slice(2, 8), slice(3, 8))
"""Stages of the embedder that are used, pixels to which pictures are brought for it, and where in the 11 x 11 places of
the last of these stages faces of clips have their eyes and noses."""
_SHIFT = 4  # pixels at most by which pictures are moved in training


@dataclass(frozen=True)
class Examples:
    """What a probe learns from or is tested on.

    frames: uint8 (N, K, H, W, 3), K pictures of each of N clips. people: who is shown in each. labels: attribute -> its
    value for each clip, None where it is not known.
    """

    frames: Frames
    people: Sequence[str]
    labels: Mapping[str, Sequence[str | None]]

    def some(self, places: npt.NDArray[np.int64]) -> Examples:
        """The clips of these places."""
        return Examples(
            self.frames[places],
            [self.people[i] for i in places],
            {name: [values[i] for i in places] for name, values in self.labels.items()},
        )


class Probe:
    """Reads attributes off pictures. values: attribute -> the values it tells apart."""

    def __init__(
        self, values: Mapping[str, Sequence[str]], network: Network | None, fine: Mapping[str, Linear]
    ) -> None:
        self.values = {name: tuple(v) for name, v in values.items()}
        self.network, self.fine = network, fine

    @torch.no_grad()
    def read(self, frames: Frames, device: Any = "cpu") -> dict[str, npt.NDArray[np.float32]]:
        """Probabilities (N, values) of each attribute for frames uint8 (N, K, H, W, 3): means over the K of a clip."""
        found: dict[str, list[Tensor]] = {name: [] for name in self.values}
        for some in np.array_split(frames, math.ceil(len(frames) / 64)):
            scores: dict[str, Tensor] = {}
            if self.network is not None:
                scores = self.network(_pictures(some, self.network.side).to(device))
            if self.fine:
                seen = fine_features(some, device)
                scores |= {name: linear(seen) for name, linear in self.fine.items()}
            for name, answer in scores.items():
                found[name].append(answer.softmax(1).view(*some.shape[:2], -1).mean(1).cpu())
        return {name: torch.cat(parts).numpy() for name, parts in found.items()}

    def told(self, frames: Frames, device: Any = "cpu") -> dict[str, list[str]]:
        """The most probable value of each attribute for each clip."""
        return {
            name: [self.values[name][k] for k in shares.argmax(1)]
            for name, shares in self.read(frames, device).items()
        }


class Network(nn.Module):
    """Four convolutions, and a head for each attribute."""

    def __init__(self, values: Mapping[str, Sequence[str]], side: int) -> None:
        super().__init__()
        self.side = side
        layers: list[nn.Module] = []
        before = 3
        for number, channels in enumerate(_CHANNELS):
            size = 5 if number == 0 else 3
            layers += [
                nn.Conv2d(before, channels, size, stride=2, padding=size // 2, bias=False),
                nn.BatchNorm2d(channels),
                nn.ReLU(),
            ]
            before = channels
        # Light from the left is told by where it falls, so places are kept: four by four of them.
        self.trunk = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Dropout(0.5))
        self.heads = nn.ModuleDict({n: nn.Linear(16 * before, len(v)) for n, v in values.items()})

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        """Scores (N, values) of each attribute for pictures float (N, 3, side, side) in [-1, 1]."""
        found = self.trunk(pictures)
        return {name: head(found) for name, head in self.heads.items()}


@dataclass(frozen=True)
class Linear:
    """Scores from features that are brought to zero mean and unit spread."""

    mean: Tensor
    spread: Tensor
    weight: Tensor
    bias: Tensor

    def __call__(self, features: Tensor) -> Tensor:
        return ((features - self.mean) / self.spread) @ self.weight + self.bias


def train_probe(
    examples: Examples,
    values: Mapping[str, Sequence[str]],
    *,
    epochs: int = 30,
    batch: int = 64,
    lr: float = 2e-3,
    seed: int = 0,
    device: Any = "cpu",
) -> Probe:
    """A probe for these values, each of which counts alike however often it is met; what is unknown counts nothing."""
    each = examples.frames.shape[1]
    targets, weights = {}, {}
    for name, known in values.items():
        number = {value: k for k, value in enumerate(known)}
        target = torch.tensor([number.get(str(v), -1) for v in examples.labels[name]])
        targets[name] = target.repeat_interleave(each)
        met = torch.bincount(target[target >= 0], minlength=len(known)).clamp(min=1)
        weights[name] = (met.sum() / (len(known) * met)).to(device)
    coarse = {name: v for name, v in values.items() if name not in FINE}
    network = None
    if coarse:
        torch.manual_seed(seed)
        network = Network(coarse, min(LARGEST, examples.frames.shape[2])).to(device).train()
        pictures = _pictures(examples.frames, network.side)
        _train(network, pictures, coarse, targets, weights, epochs, batch, lr, seed, device)
    fine = {}
    if FINE & values.keys():
        features = fine_features(examples.frames, device)
        for name in FINE & values.keys():
            fine[name] = _logistic(features, targets[name].to(device), weights[name])
    return Probe(values, network, fine)


def fine_features(frames: Frames, device: Any = "cpu") -> Tensor:
    """(N K, 256): greatest and mean answers of a middle stage of dlib's face embedder in the middle of each picture."""
    embedder = _embedder().to(device)
    found = []
    for some in _pictures(frames, _STAGE_SIDE).split(32):
        with torch.no_grad():
            seen = embedder.features(some.to(device), _STAGE)[-1][:, :, _MIDDLE[0], _MIDDLE[1]]
        found.append(torch.cat([seen.amax((2, 3)), seen.mean((2, 3))], 1))
    return torch.cat(found)


def held_out(
    examples: Examples,
    values: Mapping[str, Sequence[str]],
    *,
    shown: Mapping[str, Frames],
    folds: int = 3,
    **settings: Any,
) -> dict[str, dict[str, list[str]]]:
    """What probes tell of each clip that were trained on the clips of other people alone.

    shown: kinds of frames of the same clips, such as the real ones and those behind an autoencoder. The answer has, by
    kind and attribute, one value a clip. settings: of `train_probe`.
    """
    part = by_person(examples.people, folds)
    found = {kind: {name: [""] * len(part) for name in values} for kind in shown}
    for fold in range(folds):
        places = np.flatnonzero(part == fold)
        probe = train_probe(examples.some(np.flatnonzero(part != fold)), values, **settings)
        for kind, frames in shown.items():
            for name, told in probe.told(frames[places], settings.get("device", "cpu")).items():
                for place, value in zip(places.tolist(), told, strict=True):
                    found[kind][name][place] = value
    return found


def by_person(people: Sequence[str], folds: int) -> npt.NDArray[np.int64]:
    """A fold for each clip, so that nobody is in two of them: people in turn, the ones with most clips first."""
    names, count = np.unique(np.asarray(people), return_counts=True)
    turn = {str(names[k]): place % folds for place, k in enumerate(np.argsort(-count, kind="stable"))}
    return np.array([turn[p] for p in people], np.int64)


def _train(
    network: Network,
    pictures: Tensor,
    values: Mapping[str, Sequence[str]],
    targets: Mapping[str, Tensor],
    weights: Mapping[str, Tensor],
    epochs: int,
    batch: int,
    lr: float,
    seed: int,
    device: Any,
) -> None:
    steps = epochs * math.ceil(len(pictures) / batch)
    optimizer = torch.optim.AdamW(network.parameters(), lr=lr, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=lr, total_steps=steps, pct_start=0.2)
    dice = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for places in torch.randperm(len(pictures), generator=dice).split(batch):
            seen = _shifted(pictures[places], dice)
            flip = torch.rand(len(places), generator=dice) < 0.5
            seen = torch.where(flip.view(-1, 1, 1, 1), seen.flip(3), seen)
            losses = []
            for name, scores in network(seen.to(device)).items():
                target = torch.where(
                    flip, _mirror(values[name])[targets[name][places]], targets[name][places]
                )
                if (target >= 0).any():
                    losses.append(
                        functional.cross_entropy(
                            scores, target.to(device), weights[name], ignore_index=-1, label_smoothing=0.05
                        )
                    )
            if losses:
                optimizer.zero_grad()
                torch.stack(losses).sum().backward()
                optimizer.step()
                schedule.step()
    network.eval()


def _logistic(features: Tensor, target: Tensor, weight: Tensor, decay: float = 1e-3) -> Linear:
    """Multinomial logistic regression with an L2 penalty of `decay`."""
    known = target >= 0
    mean, spread = features[known].mean(0), features[known].std(0) + 1e-3
    seen = (features[known] - mean) / spread
    slope = torch.zeros(features.shape[1], len(weight), device=features.device, requires_grad=True)
    bias = torch.zeros(len(weight), device=features.device, requires_grad=True)
    optimizer = torch.optim.LBFGS([slope, bias], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        found = functional.cross_entropy(seen @ slope + bias, target[known], weight)
        found = found + decay * slope.square().sum()
        found.backward()
        return found

    optimizer.step(loss)
    return Linear(mean, spread, slope.detach(), bias.detach())


@cache
def _embedder() -> FaceEmbedder:
    return FaceEmbedder()


def _pictures(frames: Frames, side: int) -> Tensor:
    """Frames (N, K, H, W, 3) as pictures float (N K, 3, side, side) in [-1, 1]."""
    flat = torch.from_numpy(np.ascontiguousarray(frames.reshape(-1, *frames.shape[2:]))).permute(0, 3, 1, 2)
    pictures = flat.float() / 127.5 - 1
    if pictures.shape[-2:] != (side, side):
        pictures = functional.interpolate(pictures, (side, side), mode="bicubic", antialias=True).clamp(-1, 1)
    return pictures


def _shifted(pictures: Tensor, dice: torch.Generator) -> Tensor:
    """Each picture moved by some pixels, its edge repeated."""
    side = pictures.shape[-1]
    padded = functional.pad(pictures, (_SHIFT,) * 4, mode="replicate")
    at = torch.randint(0, 2 * _SHIFT + 1, (len(pictures), 2), generator=dice).tolist()
    return torch.stack([p[:, y : y + side, x : x + side] for p, (y, x) in zip(padded, at, strict=True)])


def _mirror(values: Sequence[str]) -> Tensor:
    """Number of each value in a mirrored picture; the last, for -1, is unknown."""
    return torch.tensor(
        [values.index(MIRRORED.get(v, v)) if MIRRORED.get(v, v) in values else -1 for v in values] + [-1]
    )
