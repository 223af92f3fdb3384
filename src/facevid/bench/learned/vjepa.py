"""V-JEPA as JEDi runs it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from facevid.bench.learned.checkpoint import read_tensors
from facevid.bench.learned.computing import (
    Floats,
    Video,
    device_of,
    import_torch,
    resized,
    running,
    stacked,
    vectors,
)
from facevid.bench.learned.files import Needed, find, weights_sha256
from facevid.bench.learned.vit import encode, norm, patches, pool

ENCODER = Needed("vith16.pth.tar", "https://dl.fbaipublicfiles.com/jepa/vith16/vith16.pth.tar")
PROBE = Needed("ssv2-probe.pth.tar", "https://dl.fbaipublicfiles.com/jepa/vith16/ssv2-probe.pth.tar")
"""As JEDi's videojedi/V_JEPA.py names them."""

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's red, green and blue, values from 0 to 1."""

_SIZE, _HEADS = 224, 16
_EPSILON, _POOL_EPSILON = 1e-6, 1e-5  # the pooler has torch's own epsilon, the encoder has not


class VJepa:
    """V-JEPA's ViT-H/16 (Bardes et al. 2024) and the attentive pooler of its probe on Something-Something v2, 1,280
    numbers, as JEDi (Luo et al., "Beyond FVD", 2024) takes them.

    paths: of encoder and probe, None for where `files.find` finds them. threads: of the CPU. Raises BenchError where
    one is missing or of another network, BackendError without torch.
    """

    name = "vjepa"
    frames = 16
    about = (
        "V-JEPA ViT-H/16, pooled by the attentive probe of Something-Something v2 (as in JEDi), of the first 16 frames "
        "bilinearly resized to 224 x 224 whatever their shape and normalised by ImageNet's mean and deviation."
    )

    def __init__(
        self, paths: tuple[Path, Path] | None = None, *, device: str = "cpu", threads: int = 1
    ) -> None:
        import_torch("JEDi (V-JEPA)")
        self._paths = (find(ENCODER), find(PROBE)) if paths is None else paths
        self._threads, self._device = threads, device_of(device)
        self._encoder = read_tensors(
            self._paths[0], ("target_encoder", "encoder"), self._device, drop=("module.", "backbone.")
        )
        probe = read_tensors(self._paths[1], ("classifier",), self._device, drop=("module.",))
        self._pooler = probe.under("pooler.")
        self.dimensions = len(self._encoder["norm.weight"])
        self.version = weights_sha256(*self._paths)

    def features(self, video: Video) -> Floats:
        """The vector (1280,) of a video (T, H, W, 3), T >= 16; raises BenchError for any other."""
        return np.asarray(self.features_batch([video])[0], np.float32)

    def features_batch(self, videos: Sequence[Video]) -> Floats:
        """Vectors (n, 1280) of videos of one size, of which later frames are not looked at."""
        import torch

        with running(self._threads):
            clips = resized(stacked(videos, self.name, self.frames).to(self._device) / 255, _SIZE)
            mean, deviation = (
                torch.tensor(v, device=self._device)[:, None, None, None] for v in (MEAN, DEVIATION)
            )
            tokens = patches((clips - mean) / deviation, self._encoder)
            tokens = tokens + self._encoder.like("pos_embed", 1, *tokens.shape[1:])
            tokens = encode(tokens, self._encoder, heads=_HEADS, epsilon=_EPSILON)
            tokens = norm(tokens, self._encoder, "norm", _EPSILON)
            found = pool(tokens, self._pooler, heads=_HEADS, epsilon=_POOL_EPSILON)
        return vectors(found, (len(videos), self.dimensions), self._paths[0])
