"""How the networks are run: device, threads, and what goes in and comes out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facevid.backends.errors import import_part
from facevid.bench.errors import BenchError

Video = NDArray[np.uint8]
"""(T, H, W, 3), RGB from 0 to 255."""
Floats = NDArray[np.float32]


def import_torch(used_for: str) -> Any:
    """The module torch; raises BackendError with what to install where it is missing."""
    return import_part("torch", package="torch", used_for=used_for, install="'facevid[torch]'")


def device_of(name: str) -> Any:
    """The torch.device of that name; raises BenchError for one that is not there."""
    import torch

    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise BenchError(
            f"there is no device {name!r}; name one as torch does: cpu, cuda or cuda:1."
        ) from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise BenchError(
            f"the device {name} is not there: torch sees {torch.cuda.device_count()} GPUs; take another or cpu."
        )
    return device


@contextmanager
def running(threads: int) -> Iterator[None]:
    """Without gradients, with `threads` threads of the CPU, and with float32 as such on a GPU (no TF32).

    On the CPU the same input then gives the same bits; what was set before is set again afterwards.
    """
    import torch

    before, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision("highest")
    exact = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
    try:
        with torch.inference_mode(), exact:
            yield
    finally:
        torch.set_float32_matmul_precision(precision)
        torch.set_num_threads(before)


def check_video(video: Video, name: str, frames: int = 1) -> None:
    """Raises BenchError unless `video` is uint8 (T, H, W, 3) with T >= `frames`. name: of who asks."""
    if video.dtype != np.uint8 or video.ndim != 4 or video.shape[-1] != 3 or 0 in video.shape:
        raise BenchError(
            f"{name} was given a video of {video.dtype} {video.shape}; it takes uint8 (frames, height, width, 3), RGB "
            "from 0 to 255."
        )
    if len(video) < frames:
        raise BenchError(
            f"{name} needs {frames} frames and the video has {len(video)}; give longer videos, or leave {name} out."
        )


def stacked(videos: Sequence[Video], name: str, frames: int) -> Any:
    """The first `frames` frames of each as one tensor (n, 3, frames, H, W) of float32 from 0 to 255.

    Raises BenchError as `check_video` does, and where there is none or their sizes differ.
    """
    import torch

    if not videos:
        raise BenchError(f"{name} was given no video; give one or more.")
    for video in videos:
        check_video(video, name, frames)
    sizes = sorted({(v.shape[1], v.shape[2]) for v in videos})
    if len(sizes) > 1:
        raise BenchError(
            f"{name} was given a batch of videos of different sizes, {sizes[0]} and {sizes[-1]}; give them one by one."
        )
    clips = np.stack([video[:frames].transpose(3, 0, 1, 2) for video in videos])
    return torch.from_numpy(np.ascontiguousarray(clips)).float()


def resized(clips: Any, size: int) -> Any:
    """Clips (n, 3, T, H, W) at `size` x `size`: bilinear without smoothing, corners not aligned, shape not kept."""
    from torch.nn.functional import interpolate

    count, channels, frames = clips.shape[:3]
    flat = clips.reshape(count * channels, frames, *clips.shape[3:])
    flat = interpolate(flat, size=(size, size), mode="bilinear", align_corners=False)
    return flat.reshape(count, channels, frames, size, size)


def vectors(found: Any, shape: tuple[int, int], source: object) -> Floats:
    """What a network gave, on the CPU. Raises BenchError where that is not of `shape` or not finite."""
    given = tuple(found.shape) if hasattr(found, "shape") else type(found).__name__
    if given != shape:
        raise BenchError(
            f"{source} gives features of {given}, not {shape}; it is not the file that it is named for."
        )
    values = np.array(found.cpu().numpy(), np.float32)
    if not np.isfinite(values).all():
        raise BenchError(
            f"{source} gives numbers that are not finite; its file may be broken: fetch it again."
        )
    return values
