"""dlib's face embedder as a torch module: batched, differentiable, on any device.

Nothing it answers is written to a dataset or a model; it serves losses and measurements.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from facevid.generate.errors import GenerateError
from facevid.generate.face_weights import read_dlib_resnet

SIDE = 150
"""Pixels of the aligned chips that the embedder was trained on."""
CHANNELS = (32, 32, 64, 128, 256, 256)
"""Channels of the stages of `FaceEmbedder.features`; each but the second has half the size of the one before."""

_MEAN = (122.782, 117.001, 104.298)
_SCALE = 256.0
_BLOCKS = ((32, 3), (64, 4), (128, 3), (256, 3), (256, 1))
SMALLEST = (11, 11, 19, 31, 55, 103)
"""Least height and width of the pictures for which a stage of `features` exists."""


class FaceEmbedder(nn.Module):
    """dlib's face recognition ResNet (King 2017; 29 convolutions): 128 numbers a face, same person when nearer than
    about 0.6 in Euclidean distance.

    Weights are frozen and in eval mode; gradients go through to the pictures. They are read from the file that dlib's
    backend uses. Answers differ from dlib's by less than 1e-4 (tests). Raises GenerateError where weights are missing.
    """

    mean: Tensor
    dense: Tensor

    def __init__(self) -> None:
        super().__init__()
        weights = read_dlib_resnet()
        convolutions = iter(weights.convolutions)
        self.stem = _convolution(next(convolutions), stride=2)
        self.stages = nn.ModuleList()
        channels = CHANNELS[0]
        for number, (width, blocks) in enumerate(_BLOCKS):
            stage = nn.Sequential()
            for block in range(blocks):
                stride = 2 if number > 0 and block == 0 else 1
                stage.append(_Residual([next(convolutions), next(convolutions)], stride))
                channels = width
            self.stages.append(stage)
        if next(convolutions, None) is not None or weights.dense.shape != (channels, 128):
            raise GenerateError("The face embedder's weights have other layers than dlib's ResNet.")
        self.register_buffer("dense", torch.from_numpy(weights.dense))
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1))
        self.requires_grad_(False).eval()

    def forward(self, pictures: Tensor) -> Tensor:
        """Embeddings (N, 128) of pictures float (N, 3, H, W) RGB in [-1, 1].

        The pictures are aligned chips (`backends.dlib_embedder.DlibFaceEmbedder.chip`), or at least faces that fill
        them likewise; another size than 150 x 150 is resized to that.
        """
        if pictures.shape[-2:] != (SIDE, SIDE):
            pictures = resized(pictures, SIDE)
        return self.features(pictures)[-1].mean(dim=(2, 3)) @ self.dense

    def features(self, pictures: Tensor, stages: int = len(CHANNELS)) -> list[Tensor]:
        """Activations after the first `stages` stages, (N, CHANNELS[i], h_i, w_i), of pictures float (N, 3, H, W) RGB
        in [-1, 1] of any size from SMALLEST; h_i is about H / 4, H / 4, H / 8, H / 16, H / 32, H / 64."""
        least = SMALLEST[stages - 1]
        if pictures.ndim != 4 or pictures.shape[1] != 3 or min(pictures.shape[-2:]) < least:
            raise GenerateError(
                f"For {stages} stages the face embedder takes pictures (N, 3, H, W) of at least {least} x {least}, "
                f"not {tuple(pictures.shape)}."
            )
        x = ((pictures + 1) * 127.5 - self.mean) / _SCALE
        x = functional.max_pool2d(functional.relu(self.stem(x)), 3, 2)
        found = [x]
        for stage in self.stages[: stages - 1]:
            found.append(stage(found[-1]))
        return found

    def train(self, mode: bool = True) -> FaceEmbedder:
        """Stays in eval mode, also when a module that holds it is trained."""
        return super().train(False)


def resized(pictures: Tensor, side: int) -> Tensor:
    """Pictures (N, 3, H, W) as (N, 3, side, side), bilinear, smoothed where they shrink."""
    return functional.interpolate(pictures, (side, side), mode="bilinear", antialias=True)


class _Residual(nn.Module):
    """Two convolutions beside a short cut; where it halves, the short cut is an average of 2 x 2.

    dlib pads convolutions of stride 1 only, and adds tensors of different sizes as if the smaller ones had zeros at
    their ends, in channels too.
    """

    def __init__(self, weights: Sequence[tuple[object, object]], stride: int) -> None:
        super().__init__()
        self.first = _convolution(weights[0], stride)
        self.second = _convolution(weights[1], 1)
        self.halves = stride == 2

    def forward(self, x: Tensor) -> Tensor:
        y = self.second(functional.relu(self.first(x)))
        if self.halves:
            x = functional.avg_pool2d(x, 2)
        if x.shape != y.shape:
            shape = [max(a, b) for a, b in zip(x.shape, y.shape, strict=True)]
            x, y = _padded(x, shape), _padded(y, shape)
        return functional.relu(x + y)


def _convolution(weights: tuple[object, object], stride: int) -> nn.Conv2d:
    kernel, bias = torch.as_tensor(weights[0]), torch.as_tensor(weights[1])
    made = nn.Conv2d(
        kernel.shape[1],
        kernel.shape[0],
        kernel.shape[2],
        stride=stride,
        padding=kernel.shape[2] // 2 if stride == 1 else 0,
    )
    made.load_state_dict({"weight": kernel, "bias": bias})
    return made


def _padded(x: Tensor, shape: Sequence[int]) -> Tensor:
    missing = [wanted - is_ for wanted, is_ in zip(shape, x.shape, strict=True)]
    return functional.pad(x, (0, missing[3], 0, missing[2], 0, missing[1])) if any(missing) else x
