"""VideoMAE-v2 as cd-fvd runs it: the features of the content-debiased FVD."""

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
from facevid.bench.learned.vit import encode, norm, patches, sinusoids

VIDEOMAE = Needed(
    "vit_g_hybrid_pt_1200e_ssv2_ft.pth",
    "https://huggingface.co/OpenGVLab/InternVideoMAE_models/resolve/main/mae-g/vit_g_hybrid_pt_1200e_ssv2_ft.pth",
)
"""As cd-fvd's cdfvd/third_party/VideoMAEv2/utils.py names it."""

_SIZE, _HEADS, _EPSILON = 224, 16, 1e-6


class VideoMae:
    """VideoMAE-v2's ViT-g (Wang et al. 2023), fine-tuned on Something-Something v2, as cd-fvd (Ge et al., "On the
    content bias in Fréchet video distance", 2024) takes it: the normed mean of its last tokens, 1,408 numbers.

    path: of the checkpoint, None for where `files.find` finds it; width and depth are the checkpoint's. threads: of the
    CPU. Raises BenchError where it is missing or of another network, BackendError without torch.
    """

    name = "videomae"
    frames = 16
    about = (
        "Normed mean of the last tokens of VideoMAE-v2 ViT-g (fine-tuned on Something-Something v2, as in cd-fvd) of "
        "the first 16 frames, bilinearly resized to 224 x 224 whatever their shape, values from 0 to 1, not normalised."
    )

    def __init__(self, path: Path | None = None, *, device: str = "cpu", threads: int = 1) -> None:
        import_torch("content-debiased FVD (VideoMAE)")
        self._path, self._threads = find(VIDEOMAE) if path is None else path, threads
        self._device = device_of(device)
        self._weights = read_tensors(self._path, ("model", "module"), self._device)
        self.dimensions = len(self._weights["fc_norm.weight"])
        self.version = weights_sha256(self._path)

    def features(self, video: Video) -> Floats:
        """The vector (1408,) of a video (T, H, W, 3), T >= 16; raises BenchError for any other."""
        return np.asarray(self.features_batch([video])[0], np.float32)

    def features_batch(self, videos: Sequence[Video]) -> Floats:
        """Vectors (n, 1408) of videos of one size, of which later frames are not looked at."""
        with running(self._threads):
            clips = stacked(videos, self.name, self.frames).to(self._device) / 255
            tokens = patches(resized(clips, _SIZE), self._weights)
            tokens = tokens + sinusoids(*tokens.shape[1:]).to(self._device)
            tokens = encode(tokens, self._weights, heads=_HEADS, epsilon=_EPSILON)
            found = norm(tokens.mean(dim=1), self._weights, "fc_norm", _EPSILON)
        return vectors(found, (len(videos), self.dimensions), self._path)
