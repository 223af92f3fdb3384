"""Frames of a source on a constant frame grid, displayed upright as RGB, in constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from facevid.media.grid import GridSource
from facevid.media.source import Converter, PathLike


@dataclass(frozen=True)
class Frame:
    """One grid frame.

    `index` is its place on the grid, `time_s` = index / fps in seconds after the first frame of the source,
    `image` the displayed picture, uint8 (height, width, 3) RGB, `scale` its pixels per displayed source pixel
    (at most 1). Grid frames that show the same source frame share one `image` array. `stamp` is that source
    frame's own timestamp in units of its stream, None where it has none.
    """

    index: int
    time_s: float
    image: NDArray[np.uint8]
    scale: float
    stamp: int | None = None


class VideoReader:
    """Iterate over the grid frames of a video file; a context manager that closes the file.

    `fps` is the grid's rate, whatever the source's own; see `facevid.media.grid` for the mapping. `max_side`
    shrinks pictures whose longer side is larger (area averaging; never enlarges). Frames `start_frame` to
    `end_frame` - 1 are read, to the end of the source when `end_frame` is None. `threads` are the decoder's.

    Afterwards `stopped_early` is None, or a sentence when the file broke off; `skipped_packets` counts
    damaged pieces that were left out. Each `iter()` starts over at `start_frame`.

    Raises `MediaError` when no picture can be read at all, and of kind "seek" while iterating with `must_seek`
    where `start_frame` could be reached only by decoding everything before it.
    """

    def __init__(
        self,
        path: PathLike,
        *,
        fps: float,
        max_side: int | None = None,
        start_frame: int = 0,
        end_frame: int | None = None,
        threads: int = 1,
        must_seek: bool = False,
    ) -> None:
        if max_side is not None and max_side < 1:
            raise ValueError(
                f"max_side is {max_side}; it must be at least 1 pixel, or None for the full size."
            )
        if start_frame < 0 or (end_frame is not None and end_frame < start_frame):
            raise ValueError(
                f"frames {start_frame} to {end_frame} are no range; 0 <= start_frame <= end_frame."
            )
        self._source = GridSource(path, fps=fps, threads=threads, must_seek=must_seek)
        self._range = (start_frame, end_frame)
        self._convert = Converter(self._source.geometry, max_side=max_side)
        self._used = False
        self.fps = float(fps)
        self.scale = self._convert.scale

    @property
    def width(self) -> int:
        """Displayed width of the source in pixels, before `max_side`."""
        return self._source.geometry.width

    @property
    def height(self) -> int:
        """Displayed height of the source in pixels, before `max_side`."""
        return self._source.geometry.height

    @property
    def stopped_early(self) -> str | None:
        return self._source.stopped_early

    @property
    def skipped_packets(self) -> int:
        return self._source.skipped()

    def skipped_between(self, first: int, end: int | None) -> int:
        """Those of `skipped_packets` that belong to frames `first` to `end` - 1 (None: to the end)."""
        return self._source.skipped(first, end)

    def __iter__(self) -> Iterator[Frame]:
        if self._used:
            self._source.rewind()
        self._used = True
        for first, end, decoded in self._source.runs(*self._range):
            image = self._convert(decoded)
            for index in range(first, end):
                yield Frame(index, index / self.fps, image, self.scale, decoded.pts)

    def close(self) -> None:
        self._source.close()

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
