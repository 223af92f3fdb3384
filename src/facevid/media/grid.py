"""The constant frame grid laid over a source's own timestamps, and the one loop that decodes along it.

Grid frame k shows the newest source frame whose time is at most (k + 0.4) / fps. The slack of 0.4 frames
absorbs timestamps rounded to milliseconds (Matroska) and the jitter of cameras, so that a source at the
grid's own rate maps one to one, and it stays below the 0.5 at which a source of twice the rate would be
undecided. Every reader of this package maps through `grid_index`, so that index k is the same picture
everywhere.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from fractions import Fraction

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from facevid.media.errors import MediaError
from facevid.media.limits import MAX_HOLE_S, longest_s
from facevid.media.source import (
    Geometry,
    PathLike,
    display_name,
    file_size,
    open_source,
    packets,
    video_stream,
)

SLACK = 0.4
Timed = tuple[float, VideoFrame]
_MAX_BAD_READS = 64
_SEEK_MARGINS_S = (0.0, 1.0, 4.0, 15.0, 60.0)


def grid_index(time_s: float, fps: float) -> int:
    """First grid frame that shows a source frame of this time (seconds after the first frame)."""
    return math.ceil(time_s * fps - SLACK - 1e-6)


class GridSource:
    """An opened source; `runs` yields (first, end, frame): grid frames first..end-1 show that decoded
    frame."""

    def __init__(
        self, path: PathLike | bytes, *, fps: float, threads: int = 1, must_seek: bool = False
    ) -> None:
        """must_seek: raise MediaError ("seek") rather than decode all that lies before where `runs` starts."""
        if not fps > 0:
            raise ValueError(f"fps is {fps}; it must be a positive number of frames a second.")
        self.path, self.fps, self.threads = path, float(fps), threads
        self.name = display_name(path)
        self.stopped_early: str | None = None
        self._must_seek = must_seek
        self._skipped_s: list[float] = []
        self._reached_s = 0.0
        self._size = 0
        self._container: InputContainer
        self._stream: VideoStream
        self._open()
        first = next(self._decoded(), None)
        if first is None:
            unknown = not self._stream.width  # it is not told where the decoder refuses it, too
            self.close()
            why = "; it is damaged, or has more pixels than 8192x4352" if unknown else ""
            raise MediaError(
                "unreadable", f"{self.name} has a video stream, but not one picture can be decoded{why}."
            )
        self.origin_s, frame = first
        self.geometry = Geometry.of(frame, self._stream)
        self.rewind()

    def _open(self) -> None:
        self._container = open_source(self.path)
        self._size = file_size(self.path)
        try:
            self._stream = video_stream(self._container, name=self.name, threads=self.threads)
        except MediaError:
            self._container.close()
            raise
        # Now: the AVI reader corrects the length when it comes to the end.
        self._promised_s = promised_end_s(self._container, self._stream)

    def rewind(self) -> None:
        """Begin again at the first frame."""
        # A fresh container: seeking back to the start is inexact in some demuxers.
        self._container.close()
        self._skipped_s = []
        self.stopped_early = None
        self._open()

    def skipped(self, start: int = 0, end: int | None = None) -> int:
        """Damaged packets left out so far that belong to grid frames start..end-1; to frame 0 all before it."""
        frames = (grid_index(stamp_s - self.origin_s, self.fps) for stamp_s in self._skipped_s)
        return sum((k >= start or start == 0) and (end is None or k < end) for k in frames)

    def close(self) -> None:
        self._container.close()

    def runs(self, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int, VideoFrame]]:
        """Grid frames start..end-1 (to the end of the source when None), each source frame once, in order."""
        if start < 0 or (end is not None and end < start):
            raise ValueError(f"frames {start} to {end} are no range; 0 <= start <= end is needed.")
        if end == start:
            return
        current: VideoFrame | None = None
        current_s = gap_s = 0.0
        for stamp_s, frame in self._from(start):
            time_s = stamp_s - self.origin_s
            if current is not None:
                if time_s <= current_s:
                    continue
                if time_s - current_s > MAX_HOLE_S:
                    self._stop(f"its timestamps jump from {current_s:.1f} s to {time_s:.1f} s")
                    break
                if time_s > longest_s(self._size):
                    self._stop(
                        f"its {self._size:,} bytes cannot be the {time_s:.1f} s that its timestamps state"
                    )
                    break
                span = self._clip(current_s, time_s, start, end)
                if span[0] < span[1]:
                    yield (*span, current)
                if end is not None and span[1] >= end:
                    return
                gap_s = time_s - current_s
            current, current_s = frame, time_s
        if current is not None:
            last_s = self._duration(current, gap_s)
            span = self._clip(current_s, current_s + last_s, start, end)
            if span[0] < span[1]:
                yield (*span, current)
        self._check_promised_length()

    def _clip(self, from_s: float, to_s: float, start: int, end: int | None) -> tuple[int, int]:
        first, stop = max(start, grid_index(from_s, self.fps)), grid_index(to_s, self.fps)
        return first, stop if end is None else min(stop, end)

    def _duration(self, frame: VideoFrame, gap_s: float) -> float:
        """How long the last frame stays: its own duration where that is believable, else the last
        distance."""
        rate = self._stream.average_rate or self._stream.guessed_rate
        # A rate below one a second is believed of frames that were seen alone.
        usual = gap_s or (min(1.0, float(1 / rate)) if rate else 1 / self.fps)
        own = float(frame.duration * (frame.time_base or 0)) if frame.duration else 0.0
        return own if 0 < own <= max(1.0, 2 * usual) else usual

    def _from(self, start: int) -> Iterator[Timed]:
        """Decoded frames from the one on screen at grid frame `start`, or from a little before."""
        if start <= self.fps:
            yield from self._decoded()
            return
        if self._disordered():
            self._refuse_whole(start)
            yield from self._decoded()
            return
        target_s = start / self.fps
        for margin in _SEEK_MARGINS_S:
            if target_s - margin <= 1.0:
                break
            frames = self._after_seek(target_s - margin)
            first = next(frames, None)
            if first is not None and grid_index(first[0] - self.origin_s, self.fps) <= start:
                yield first
                yield from frames
                return
        self._refuse_whole(start)
        self.rewind()
        yield from self._decoded()

    def _refuse_whole(self, start: int) -> None:
        if self._must_seek:
            raise MediaError(
                "seek", f"{self.name} cannot be read from {start / self.fps:.1f} s on without all before it."
            )

    def _after_seek(self, time_s: float) -> Iterator[Timed]:
        """Frames from the first key frame the demuxer finds; what leads up to it may lack its references."""
        base = self._stream.time_base or Fraction(1, 1000)
        try:
            self._container.seek(int((time_s + self.origin_s) / base), stream=self._stream)
        except (av.FFmpegError, OSError):
            return
        seen_key = False
        for time_s, frame in self._decoded():
            seen_key = seen_key or bool(frame.key_frame)
            if seen_key:
                yield time_s, frame

    def _disordered(self) -> bool:
        """AVI numbers packets in decoding order, so with B-frames a frame's stamp is not its display time."""
        return self._container.format.name == "avi" and bool(self._stream.codec_context.has_b_frames)

    def _decoded(self) -> Iterator[Timed]:
        """(seconds on the file's own clock, frame) in display order; damaged packets are counted and left
        out."""
        base = self._stream.time_base or Fraction(1, 1000)
        rate = self._stream.average_rate or self._stream.guessed_rate or Fraction(25)
        pending: list[int] = []
        last_s = -float(1 / rate)
        for packet in self._packets():
            try:
                if packet.is_corrupt:
                    self._skip(packet, base, last_s)
                    continue
                # Not packet.decode(): a damaged file may turn a stream into another kind while it is read.
                frames = self._stream.decode(packet)
            except EOFError:
                return
            except av.FFmpegError:
                self._skip(packet, base, last_s)
                continue
            if packet.dts is not None:
                heapq.heappush(pending, packet.dts)
            for frame in frames:
                stamp = frame.pts if frame.pts is not None else frame.dts
                if self._disordered() and pending:
                    stamp = heapq.heappop(pending)
                last_s = float(stamp * base) if stamp is not None else last_s + float(1 / rate)
                yield last_s, frame
            if not self._disordered():
                pending.clear()

    def _skip(self, packet: Packet[VideoStream], base: Fraction, last_s: float) -> None:
        stamp = packet.pts if packet.pts is not None else packet.dts
        self._skipped_s.append(last_s if stamp is None else float(stamp * base))

    def _packets(self) -> Iterator[Packet[VideoStream]]:
        """Packets of the video; the others only tell how far the file reaches."""
        bad = 0
        known = list(self._container.streams)
        while True:
            try:
                for packet in packets(self._container, known):
                    bad = 0
                    if packet.pts is not None and packet.time_base:
                        self._reached_s = max(self._reached_s, float(packet.pts * packet.time_base))
                    if packet.stream_index == self._stream.index:
                        yield packet
                return
            except (av.FFmpegError, OSError) as error:
                bad += 1
                if bad >= _MAX_BAD_READS:
                    self._stop(f"it cannot be read any further ({error.strerror or error})")
                    return

    def _stop(self, why: str) -> None:
        self.stopped_early = f"{self.name} was used up to {self._reached_s:.1f} s: {why}."

    def _check_promised_length(self) -> None:
        if self.stopped_early is not None or isinstance(self.path, bytes):
            return
        promised = self._promised_s
        if promised is not None and self._reached_s < promised - max(0.6, 0.02 * promised):
            self._stop(f"the file ends there, although its header promises {promised:.1f} s")


def promised_end_s(container: InputContainer, stream: VideoStream) -> float | None:
    """The end on the file's own clock as the header states it; None where FFmpeg only estimates it."""
    if not set(container.format.name.split(",")) & {"mov", "mp4", "matroska", "webm", "avi"}:
        return None
    if container.format.name == "avi":  # its duration is guessed from the size where the index is gone
        return float(stream.frames / stream.average_rate) if stream.frames and stream.average_rate else None
    if stream.duration and stream.time_base:
        return float((stream.duration + (stream.start_time or 0)) * stream.time_base)
    if container.duration:  # Matroska counts it from 0, not from the first frame
        return float(container.duration) / av.time_base
    return None
