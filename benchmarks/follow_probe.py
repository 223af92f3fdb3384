"""A probe that reads attributes off small pictures: one network, a head for each attribute, trained on real clips."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

Frames = npt.NDArray[np.uint8]
LARGEST = 96
"""Pixels to which larger pictures are shrunk: enough for glasses, and quick on a CPU."""
MIRRORED = {"left": "right", "right": "left"}
_CHANNELS = (24, 48, 96, 128)
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


class Probe(nn.Module):
    """Reads attributes off pictures. values: attribute -> the values it tells apart."""

    def __init__(self, values: Mapping[str, Sequence[str]], side: int) -> None:
        super().__init__()
        self.values = {name: tuple(v) for name, v in values.items()}
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
        self.heads = nn.ModuleDict({n: nn.Linear(16 * before, len(v)) for n, v in self.values.items()})

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        """Scores (N, values) of each attribute for pictures float (N, 3, side, side) in [-1, 1]."""
        found = self.trunk(pictures)
        return {name: head(found) for name, head in self.heads.items()}

    @torch.no_grad()
    def read(self, frames: Frames, device: Any = "cpu") -> dict[str, npt.NDArray[np.float32]]:
        """Probabilities (N, values) of each attribute for frames uint8 (N, K, H, W, 3): means over the K of a clip."""
        self.eval().to(device)
        found: dict[str, list[Tensor]] = {name: [] for name in self.values}
        for some in np.array_split(frames, math.ceil(len(frames) / 64)):
            scores = self(_pictures(some, self.side).to(device))
            for name, score in scores.items():
                found[name].append(score.softmax(1).view(*some.shape[:2], -1).mean(1).cpu())
        return {name: torch.cat(parts).numpy() for name, parts in found.items()}

    def told(self, frames: Frames, device: Any = "cpu") -> dict[str, list[str]]:
        """The most probable value of each attribute for each clip."""
        return {
            name: [self.values[name][k] for k in shares.argmax(1)]
            for name, shares in self.read(frames, device).items()
        }


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
    torch.manual_seed(seed)
    side = min(LARGEST, examples.frames.shape[2])
    probe = Probe(values, side).to(device).train()
    pictures = _pictures(examples.frames, side)
    each = examples.frames.shape[1]
    targets, weights = {}, {}
    for name, known in values.items():
        number = {value: k for k, value in enumerate(known)}
        target = torch.tensor([number.get(str(v), -1) for v in examples.labels[name]])
        targets[name] = target.repeat_interleave(each)
        met = torch.bincount(target[target >= 0], minlength=len(known)).clamp(min=1)
        weights[name] = (met.sum() / (len(known) * met)).to(device)
    steps = epochs * math.ceil(len(pictures) / batch)
    optimizer = torch.optim.AdamW(probe.parameters(), lr=lr, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=lr, total_steps=steps, pct_start=0.2)
    dice = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for places in torch.randperm(len(pictures), generator=dice).split(batch):
            seen = _shifted(pictures[places], dice)
            flip = torch.rand(len(places), generator=dice) < 0.5
            seen = torch.where(flip.view(-1, 1, 1, 1), seen.flip(3), seen)
            losses = []
            for name, scores in probe(seen.to(device)).items():
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
    return probe.eval()


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


def score(asked: Sequence[str | None], told: Sequence[str], values: Sequence[str]) -> dict[str, Any]:
    """How often what is told is what was asked; None is not counted.

    accuracy: the mean over the values asked, so that chance is 1 / number of values also where some are asked more
    often. interval: Wilson's of 95 % about it. confusion: rows asked, columns told, in the order of `values`.
    """
    table = np.zeros((len(values), len(values)), np.int64)
    number = {value: k for k, value in enumerate(values)}
    for want, have in zip(asked, told, strict=True):
        if want is not None:
            table[number[want], number[have]] += 1
    each = table.sum(1)
    met = each > 0
    accuracy = float((table.diagonal()[met] / each[met]).mean()) if met.any() else float("nan")
    return {
        "values": list(values),
        "count": int(each.sum()),
        "accuracy": round(accuracy, 4),
        "chance": round(1 / len(values), 4),
        "interval": [round(v, 4) for v in wilson(accuracy, int(each.sum()))],
        "confusion": table.tolist(),
    }


def wilson(share: float, count: int, z: float = 1.96) -> tuple[float, float]:
    """Interval of a share of `count` tries (Wilson 1927); z 1.96 is 95 %."""
    if not count:
        return 0.0, 1.0
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return max(0.0, middle - half), min(1.0, middle + half)


def _pictures(frames: Frames, side: int) -> Tensor:
    """Frames (N, K, H, W, 3) as pictures float (N K, 3, side, side) in [-1, 1]."""
    flat = torch.from_numpy(np.ascontiguousarray(frames.reshape(-1, *frames.shape[2:]))).permute(0, 3, 1, 2)
    pictures = flat.float() / 127.5 - 1
    if pictures.shape[-2:] != (side, side):
        pictures = functional.interpolate(pictures, (side, side), mode="bilinear", antialias=True)
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
