"""Sound of a source on the picture's time axis, as float32 samples, whole stretches or in blocks."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from facevid.media.errors import MediaError
from facevid.media.files import renamed_when_done
from facevid.media.grid import GridSource
from facevid.media.source import PathLike, audio_stream, display_name, is_sound, open_source, packets

Samples = NDArray[np.float32]

# Timestamps rounded to milliseconds stay below this; a larger step is a real gap, overlap or drift.
_STEP_S = 0.010
# Decoders need what lies before the first wanted sample: Opus 80 ms (RFC 7845), AAC one frame, MP3 its
# reservoir.
_SEEK_MARGINS_S = (1.0, 10.0)
_BLOCK = 1 << 16
# Two AAC frames at 44.1 kHz.
_LONGEST_PADDING_S = 0.047
_MAX_BAD_READS = 64


def read_audio(
    path: PathLike | bytes,
    *,
    rate: int | None = 16000,
    mono: bool = True,
    start_s: float = 0.0,
    end_s: float | None = None,
    stream: int | None = None,
) -> Samples:
    """Samples in [-1, 1], shape (n,) when `mono`, else (channels, n) with one or two channels.

    Seconds count from the first video frame (from the first sample in files without video): sound before it
    is dropped, missing sound is silence. With `end_s` the result has exactly round((end_s - start_s) * rate)
    samples. `rate` None keeps the stream's own. `stream` is the file-wide stream index (`Probe.audio`); None
    takes the main sound, see `facevid.media.source.audio_stream`. Without sound: silence when `end_s` is
    given, else no samples.

    Raises `MediaError` for unreadable files and ValueError for a stream that is not there.
    """
    if start_s < 0 or (end_s is not None and end_s < start_s):
        raise ValueError(f"{start_s} s to {end_s} s is no span; 0 <= start_s <= end_s is needed.")
    return read_span(path, rate=rate, mono=mono, start_s=start_s, end_s=end_s, stream=stream, origin_s=None)


def read_span(
    path: PathLike | bytes,
    *,
    rate: int | None,
    mono: bool,
    start_s: float,
    end_s: float | None,
    stream: int | None,
    origin_s: float | None,
) -> Samples:
    """`read_audio` for a caller that knows the first picture's own timestamp (`origin_s`) already."""
    with _Sound(path, stream=stream, origin_s=origin_s) as sound:
        rate = rate or sound.rate or 48000
        channels = 1 if mono else min(2, sound.channels or 1)
        start = round(start_s * rate)
        wanted = None if end_s is None else round((end_s - start_s) * rate)
        pieces: list[Samples] = []
        have = 0
        for piece in sound.pieces(rate=rate, channels=channels, start=start):
            pieces.append(piece if wanted is None else piece[:, : wanted - have])
            have += pieces[-1].shape[1]
            if wanted is not None and have >= wanted:
                break
    if wanted is not None and have < wanted:
        pieces.append(np.zeros((channels, wanted - have), np.float32))
    samples = np.concatenate(pieces, axis=1) if pieces else np.zeros((channels, 0), np.float32)
    return samples[0] if mono else samples


def audio_blocks(
    path: PathLike,
    *,
    rate: int = 16000,
    block_s: float = 30.0,
    stream: int | None = None,
    start_s: float = 0.0,
    end_s: float | None = None,
) -> Iterator[Samples]:
    """The sound from `start_s` to `end_s` (None: its end) as mono blocks of round(block_s * rate) samples.

    The last block is shorter; where the sound ends before `end_s`, so do the blocks.
    """
    size = round(block_s * rate)
    if size < 1:
        raise ValueError(f"block_s is {block_s}; a block must hold at least one sample.")
    kept: list[Samples] = []
    have, start = 0, round(start_s * rate)
    left = sys.maxsize if end_s is None else round(end_s * rate) - start
    with _Sound(path, stream=stream) as sound:
        for piece in sound.pieces(rate=rate, channels=1, start=start):
            piece = piece[:, :left]
            kept.append(piece[0])
            have += piece.shape[1]
            left -= piece.shape[1]
            while have >= size:
                joined = np.concatenate(kept)
                yield joined[:size]
                kept, have = [joined[size:]], have - size
            if left <= 0:
                break
    if have:
        yield np.concatenate(kept)


def write_flac(path: PathLike, samples: Samples, rate: int) -> None:
    """Write float32 samples in [-1, 1], (n,) or (channels, n), as 16-bit FLAC; the file appears when
    complete."""
    planes = np.atleast_2d(np.asarray(samples, np.float32))
    if planes.ndim != 2 or not 1 <= planes.shape[0] <= 2:
        raise ValueError(f"samples have shape {np.shape(samples)}; (n,) or (1 or 2, n) is needed.")
    scaled = np.round(np.clip(planes, -1.0, 1.0) * 32767.0).astype(np.int16)
    layout = "mono" if scaled.shape[0] == 1 else "stereo"
    with (
        renamed_when_done(path) as part,
        av.open(str(part), "w", format="flac", options={"fflags": "+bitexact"}) as out,
    ):
        track = out.add_stream("flac", rate=rate, layout=layout)
        track.codec_context.flags |= av.codec.context.Flags.bitexact
        for at in range(0, scaled.shape[1], _BLOCK):
            packed = np.ascontiguousarray(scaled[:, at : at + _BLOCK].T).reshape(1, -1)
            frame = AudioFrame.from_ndarray(packed, format="s16", layout=layout)
            frame.sample_rate, frame.pts = rate, at
            out.mux(track.encode(frame))
        out.mux(track.encode(None))


class _Sound:
    """The main sound of an opened file, as contiguous pieces on the picture's time axis."""

    def __init__(self, path: PathLike | bytes, *, stream: int | None, origin_s: float | None = None) -> None:
        self._path, self._index, self._name = path, stream, display_name(path)
        self._container: InputContainer = open_source(path)
        self._stream: AudioStream | None
        try:
            self._stream = audio_stream(self._container, index=stream, name=self._name)
            self.rate = self._stream.codec_context.sample_rate if self._stream else 0
            self.channels = self._stream.codec_context.channels if self._stream else 0
            self._origin_s = origin_s or 0.0
            if self._stream and origin_s is None:
                self._origin_s = self._find_origin(self._stream)
        except BaseException:
            self._container.close()
            raise

    def __enter__(self) -> _Sound:
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()

    def _find_origin(self, stream: AudioStream) -> float:
        try:
            grid = GridSource(self._path, fps=1.0)
        except MediaError as error:
            if error.kind == "unreachable":
                raise
            # A file without pictures has only its sound to count from.
            origin_s = next((_time(frame) for frame in _decoded(self._container, stream)), 0.0)
            self._reopen()
            return origin_s
        grid.close()
        return grid.origin_s

    def _reopen(self) -> None:
        self._container.close()
        self._container = open_source(self._path)
        self._stream = audio_stream(self._container, index=self._index, name=self._name)

    def pieces(self, *, rate: int, channels: int, start: int) -> Iterator[Samples]:
        """(channels, n) arrays that follow each other from output sample `start`, holes filled with
        silence."""
        if self._stream is None:
            return
        cursor, held = start, 0
        kept: list[Samples] = []
        end, padding = self._end(rate), math.ceil(_LONGEST_PADDING_S * rate)
        for piece in self._filled(rate, channels, start):
            over = max(0, cursor + piece.shape[1] - end)
            cursor += piece.shape[1]
            if not over:
                yield piece
                continue
            if over < piece.shape[1]:
                yield piece[:, : piece.shape[1] - over]
            kept.append(piece[:, max(0, piece.shape[1] - over) :])
            held += kept[-1].shape[1]
            if held > padding:  # more than padding: the header is wrong, the sound is right
                yield from kept
                kept, held, end = [], 0, sys.maxsize

    def _filled(self, rate: int, channels: int, start: int) -> Iterator[Samples]:
        cursor = start
        limit = self._longest_hole_end(rate)
        for at, samples in _Resampled(self._frames(start / rate), rate, channels, self._origin_s):
            if at > limit:
                return
            while at > cursor:
                hole = min(at - cursor, _BLOCK)
                yield np.zeros((channels, hole), np.float32)
                cursor += hole
            fresh = samples[:, cursor - at :]
            if fresh.shape[1]:
                yield fresh
                cursor += fresh.shape[1]

    def _end(self, rate: int) -> int:
        """Where an MP4's edit list ends the sound: decoders give the last AAC frame with its padding."""
        stream = self._stream
        mp4 = "mp4" in self._container.format.name
        if stream is None or not mp4 or not stream.duration or stream.time_base is None:
            return sys.maxsize
        end = (stream.start_time or 0) + stream.duration
        return round((float(end * stream.time_base) - self._origin_s) * rate)

    def _longest_hole_end(self, rate: int) -> float:
        """A timestamp beyond the file's length plus a minute is damage and must not become hours of
        silence."""
        duration = self._container.duration
        return (duration / av.time_base + 60.0) * rate if duration else float("inf")

    def _frames(self, start_s: float) -> Iterator[AudioFrame]:
        assert self._stream is not None
        for margin in _SEEK_MARGINS_S:
            if start_s - margin <= 1.0:
                break
            time_s = start_s - margin + self._origin_s
            try:
                self._container.seek(int(time_s / (self._stream.time_base or 1)), stream=self._stream)
            except (av.FFmpegError, OSError):
                break
            frames = _decoded(self._container, self._stream)
            first = next(frames, None)
            if first is not None and _time(first) - self._origin_s <= start_s - 0.1:
                yield from frames
                return
            self._reopen()
        yield from _decoded(self._container, self._stream)


class _Resampled:
    """Decoded frames as (position of the first sample on the output axis, (channels, n) samples)."""

    def __init__(self, frames: Iterator[AudioFrame], rate: int, channels: int, origin_s: float) -> None:
        self._frames, self._rate, self._channels, self._origin_s = frames, rate, channels, origin_s
        self._resampler: AudioResampler | None = None
        self._format: tuple[str, str, int] | None = None
        self._next = 0  # output position of the next sample out of the resampler

    def __iter__(self) -> Iterator[tuple[int, Samples]]:
        clock_s = 0.0
        for frame in self._frames:
            kind = (frame.format.name, frame.layout.name, frame.sample_rate)
            time_s = clock_s if frame.pts is None else _time(frame) - self._origin_s
            if kind != self._format or abs(time_s - clock_s) > _STEP_S:
                yield from self._drain()
                self._begin(frame, kind)
                self._next = round(time_s * self._rate)
                clock_s = time_s
            clock_s += frame.samples / frame.sample_rate
            yield from self._out(frame)
        yield from self._drain()

    def _begin(self, frame: AudioFrame, kind: tuple[str, str, int]) -> None:
        # More than two channels go through FFmpeg's own stereo downmix, which knows where the speakers are.
        few = frame.layout.nb_channels <= 2
        layout = frame.layout.name if few else "stereo"
        self._resampler = AudioResampler(format="fltp", layout=layout, rate=self._rate)
        self._format = kind

    def _drain(self) -> Iterator[tuple[int, Samples]]:
        if self._resampler is not None:
            yield from self._out(None)
            self._resampler = None

    def _out(self, frame: AudioFrame | None) -> Iterator[tuple[int, Samples]]:
        assert self._resampler is not None
        for out in self._resampler.resample(frame):
            samples = np.asarray(out.to_ndarray(), np.float32)
            if samples.shape[0] > self._channels:
                samples = samples.mean(axis=0, keepdims=True, dtype=np.float32)
            elif samples.shape[0] < self._channels:
                samples = np.repeat(samples, self._channels, axis=0)
            yield self._next, np.clip(samples, -1.0, 1.0)
            self._next += samples.shape[1]


def _time(frame: av.VideoFrame | AudioFrame) -> float:
    stamp = frame.pts if frame.pts is not None else frame.dts
    return float(stamp * frame.time_base) if stamp is not None and frame.time_base else 0.0


def _decoded(container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    bad = 0
    while bad < _MAX_BAD_READS:
        try:
            for packet in packets(container, [stream]):
                bad = 0
                try:
                    # The rate may change in the middle, to any number.
                    yield from filter(is_sound, stream.decode(packet))
                except EOFError:
                    return
                except av.FFmpegError:
                    continue
            return
        except (av.FFmpegError, OSError):
            bad += 1
