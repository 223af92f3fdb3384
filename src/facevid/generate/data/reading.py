"""Reads the pixels of windows straight from a dataset's shards, in this process or in workers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import DataLoader

from facevid.dataset.loading.order import Ints
from facevid.dataset.loading.serving import data_loader
from facevid.dataset.loading.windows import window_frames
from facevid.dataset.published import DatasetError
from facevid.generate.data.faces import FaceSquares
from facevid.generate.data.order import Samples
from facevid.generate.data.windows import Windows
from facevid.generate.errors import GenerateError
from facevid.media import MediaError, WindowReader

_COLUMNS = ["clip_id", "frames", "fps", "width", "height", "shard", "mp4_offset", "mp4_size", "mp4_sha256"]
# What can be wrong with one clip and not with the next. Anything else is a fault of ours.
UNREADABLE = (DatasetError, MediaError, OSError)
Pixels = npt.NDArray[np.uint8]


class PixelReader:
    """Decodes windows; one of them lives in each worker, and serves one thread.

    keep_mib: MiB of decoded windows that stay in memory, those that came first.
    """

    def __init__(self, windows: Windows, *, keep_mib: int = 0) -> None:
        self._room, self._kept = keep_mib << 20, dict[int, Pixels]()
        self._dataset = windows.dataset
        self._fps, self._buckets = windows.fps, windows.buckets
        self._row, self._start, self._bucket = windows.row, windows.start, windows.bucket
        self._table = windows.dataset.rows(_COLUMNS).combine_chunks()
        self._squares = None if windows.crop is None else FaceSquares(windows.crop)
        self._reader = WindowReader()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_reader": None, "_kept": {}}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)
        self._reader = WindowReader()

    def clip_id(self, window: int) -> str:
        return str(self._table["clip_id"][int(self._row[window])].as_py())

    def read(self, window: int, out: Pixels | None = None) -> Pixels:
        """The pictures of a window, uint8 (T, 3, H, W), RGB, put in `out` where that is given.

        Of a clip of another aspect ratio than its bucket's the centre is shown, and of windows that are cut around
        their face the centre of that square. Sizes change by area when they shrink and bicubic when they
        grow. Raises one of UNREADABLE where the clip cannot be read.
        """
        found = self._kept.get(window)
        if found is None:
            found = self._decoded(window, out)
            if found.nbytes <= self._room:
                self._kept[window] = found.copy() if found is out else found
                self._room -= found.nbytes
        if out is None or found is out:
            return found
        out[:] = found
        return out

    def _decoded(self, window: int, out: Pixels | None) -> Pixels:
        bucket = self._buckets[int(self._bucket[window])]
        row = self._table.slice(int(self._row[window]), 1).to_pylist()[0]
        shown = window_frames(bucket.frames, self._fps, float(row["fps"]), int(self._start[window]))
        clip = self._dataset.at(row)
        mp4 = clip.read("mp4")
        size = (bucket.height, bucket.width)
        high, wide = int(row["height"]), int(row["width"])
        square = (0.0, 0.0, float(wide), float(high))
        if self._squares is not None:
            square = self._squares.of(clip, shown)
        whole, top, left = _placed((high, wide), square, size)
        try:
            if whole == size:
                return self._reader.read(mp4, shown.tolist(), size=size, out=out, name=row["clip_id"])
            pictures = self._reader.read(mp4, shown.tolist(), size=whole, name=row["clip_id"])
        except IndexError as error:
            raise DatasetError(f"Its table gives {row['frames']} frames, and {error}") from error
        centre = pictures[:, :, top : top + size[0], left : left + size[1]]
        if out is None:
            return np.ascontiguousarray(centre)
        out[:] = centre
        return out


def _placed(
    picture: tuple[int, int], part: tuple[float, float, float, float], size: tuple[int, int]
) -> tuple[tuple[int, int], int, int]:
    """How large (height, width) the picture becomes, and from where on (top, left) `size` of it is shown, so that the
    middle of its part x0, y0, x1, y1 just covers that."""
    x0, y0, x1, y1 = part
    scale = max(size[0] / (y1 - y0), size[1] / (x1 - x0))
    whole = max(size[0], round(picture[0] * scale)), max(size[1], round(picture[1] * scale))
    middle = (y0 + y1) / 2 * whole[0] / picture[0], (x0 + x1) / 2 * whole[1] / picture[1]
    top, left = (min(max(0, int(m - s / 2)), w - s) for m, s, w in zip(middle, size, whole, strict=True))
    return whole, top, left


@dataclass(frozen=True)
class Request:
    """Places `start` to before `stop` of a step's samples, as they travel to a worker.

    replace: others of the step take the place of windows that cannot be read.
    """

    samples: Samples
    start: int
    stop: int
    replace: bool = True


@dataclass(frozen=True)
class Read:
    """What came of a request. video: float32 (B, 3, T, H, W) in [-1, 1]. windows: those shown, (B,), -1
    for one that could not be read and was not replaced. faults: the id of each clip that could not be read, and why.
    """

    request: Request
    video: torch.Tensor
    windows: Ints
    faults: tuple[tuple[str, str], ...]


class RequestReader:
    """What torch's DataLoader indexes. It reads what tables say of all clips once. keep_mib: see PixelReader."""

    def __init__(self, windows: Windows, *, keep_mib: int = 0) -> None:
        self.dataset = windows.dataset
        self._reader, self._buckets = PixelReader(windows, keep_mib=keep_mib), windows.buckets

    def __getitem__(self, request: Request) -> Read:
        samples, count = request.samples, request.stop - request.start
        bucket = self._buckets[samples.bucket]
        pictures = np.empty((count, bucket.frames, 3, bucket.height, bucket.width), np.uint8)
        windows, faults = np.full(count, -1, np.int64), []
        for place in range(count):
            candidates = samples.candidates(request.start + place)
            for window in candidates if request.replace else candidates[:1]:
                try:
                    self._reader.read(window, pictures[place])
                    windows[place] = window
                    break
                except UNREADABLE as error:
                    faults.append((self._reader.clip_id(window), str(error)))
            if request.replace and windows[place] < 0:
                raise GenerateError(nothing_readable([clip for clip, _ in faults], faults[-1][1]))
        return Read(request, as_video(torch.from_numpy(pictures)), windows, tuple(faults))


def nothing_readable(clips: list[str], reason: str) -> str:
    """The sentence for a step of which no window can be read."""
    return (
        f"None of these clips can be read, so nothing can take the place of the first: {', '.join(clips)}. "
        f"The last one: {reason}"
    )


def as_video(pictures: torch.Tensor) -> torch.Tensor:
    """uint8 (B, T, 3, H, W) as float32 (B, 3, T, H, W) in [-1, 1]."""
    return (
        pictures.transpose(1, 2).to(torch.float32, memory_format=torch.contiguous_format).div_(127.5).sub_(1)
    )


def reading(reader: RequestReader, requests: Iterable[Request], *, workers: int = 0) -> Iterator[Read]:
    """The answers to the requests in their order. workers: processes that decode, of one thread each."""
    loader = cast(
        "DataLoader[Read]",
        data_loader(
            reader,
            reader.dataset,
            sampler=cast("Iterable[Any]", requests),
            num_workers=workers,
            prefetch=2,
            context=None,
            pin_memory=False,
        ),
    )
    yield from loader
