"""I3D as StyleGAN-V calls it: the features of FVD and KVD."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from facevid.bench.errors import BenchError
from facevid.bench.learned.computing import Floats, Video, device_of, import_torch, running, stacked, vectors
from facevid.bench.learned.files import Needed, find, weights_sha256

I3D = Needed("i3d_torchscript.pt", "https://www.dropbox.com/s/ge9e5ujwgetktms/i3d_torchscript.pt")
"""As StyleGAN-V's src/metrics/frechet_video_distance.py names it."""


class I3d:
    """The 400 logits of I3D trained on Kinetics-400 (Carreira and Zisserman 2017), by the TorchScript file that
    StyleGAN-V (Skorokhodov et al. 2022) uses.

    path: of the file, None for where `files.find` finds it. threads: of the CPU. Raises BenchError where it is missing
    or no TorchScript, BackendError without torch. TorchScript is a program: take the file from where you trust it.
    """

    name = "i3d"
    frames = 16
    dimensions = 400
    about = (
        "400 logits of I3D (Kinetics-400, TorchScript file of StyleGAN-V) of the first 16 frames, brought to 224 x 224 "
        "by the file's own bilinear resize and to values from -1 to 1."
    )

    def __init__(self, path: Path | None = None, *, device: str = "cpu", threads: int = 1) -> None:
        torch = import_torch("FVD (I3D)")
        self._path, self._threads = find(I3D) if path is None else path, threads
        self._device = device_of(device)
        try:
            self._network = torch.jit.load(str(self._path), map_location=self._device).eval()
        except (RuntimeError, ValueError) as error:
            raise BenchError(
                f"{self._path} is no TorchScript that loads ({_first(error)}); fetch it again from {I3D.home}."
            ) from error
        self.version = weights_sha256(self._path)

    def features(self, video: Video) -> Floats:
        """The vector (400,) of a video (T, H, W, 3), T >= 16; raises BenchError for any other."""
        return np.asarray(self.features_batch([video])[0], np.float32)

    def features_batch(self, videos: Sequence[Video]) -> Floats:
        """Vectors (n, 400) of videos of one size, of which later frames are not looked at."""
        import torch

        clips = stacked(videos, self.name, self.frames).to(self._device)
        try:
            # The optimising executor runs another program from the second call on.
            with running(self._threads), torch.jit.optimized_execution(False):
                found = self._network(clips, rescale=True, resize=True, return_features=True)
        except RuntimeError as error:
            raise BenchError(
                f"{self._path} cannot be run on {tuple(clips.shape)} ({_first(error)})."
            ) from error
        return vectors(found, (len(videos), self.dimensions), self._path)


def _first(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0].strip() if lines else type(error).__name__
