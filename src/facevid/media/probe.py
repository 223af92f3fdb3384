"""What a file holds, from its header, its first pictures and the timestamps of its first packets."""

from __future__ import annotations

from dataclasses import dataclass

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from facevid.media.grid import GridSource
from facevid.media.limits import MAX_HOLE_S, longest_s
from facevid.media.source import (
    PathLike,
    audio_stream,
    display_name,
    file_size,
    is_sound,
    open_source,
    packets,
    video_stream,
)

# Ten seconds at 60 frames a second: enough to see a varying rate, and read in milliseconds.
_TIMED_PACKETS = 600


@dataclass(frozen=True)
class AudioInfo:
    """One audio stream; `index` counts all streams of the file, `rate` is in Hz, `language` an ISO 639
    code."""

    index: int
    codec: str
    rate: int
    channels: int
    language: str | None


@dataclass(frozen=True)
class Probe:
    """Facts about a source. `width` and `height` are as displayed, after rotation and to square pixels;
    `rotation` is the clockwise turn that the display applies (0, 90, 180, 270); `fps` is the mean rate;
    `start_time_s` is the first picture's own timestamp; `duration_s` is the length of the picture as the
    header states it, counted where no header does or the bytes are too few for it; `video_bit_rate` is in
    bits a second; `main_audio` is the index of the sound that is used, None without sound."""

    container: str
    size_bytes: int
    duration_s: float
    width: int
    height: int
    rotation: int
    fps: float
    variable_fps: bool
    video_codec: str
    pix_fmt: str
    bit_depth: int
    start_time_s: float
    video_bit_rate: float | None
    audio: tuple[AudioInfo, ...]
    main_audio: int | None = None


def probe(path: PathLike) -> Probe:
    """Look into a source; raises `MediaError` when no picture of it can be decoded."""
    grid = GridSource(path, fps=1.0)
    geometry, start_s = grid.geometry, grid.origin_s
    grid.close()
    size = file_size(path)
    container = open_source(path)
    try:
        stream = video_stream(container, name=display_name(path))
        times, sizes = _timed_packets(container, stream)
        rate, variable = _rate(stream, times)
        duration_s = _duration(container, stream, start_s, times, rate, size)
        pixels = stream.codec_context.format
        sound = audio_stream(container, name=display_name(path))
        return Probe(
            container=container.format.name.split(",")[0],
            size_bytes=size,
            duration_s=duration_s,
            width=geometry.width,
            height=geometry.height,
            rotation=geometry.rotation,
            fps=rate,
            variable_fps=variable,
            video_codec=stream.codec_context.name,
            pix_fmt=pixels.name if pixels else "unknown",
            bit_depth=max((part.bits for part in pixels.components), default=8) if pixels else 8,
            start_time_s=start_s,
            video_bit_rate=_bit_rate(stream, times, sizes, rate),
            audio=_audio(container),
            main_audio=None if sound is None else sound.index,
        )
    finally:
        container.close()


def audio_infos(path: PathLike) -> tuple[tuple[AudioInfo, ...], int | None]:
    """All audio streams, and the index of the main sound (None without sound)."""
    container = open_source(path)
    try:
        main = audio_stream(container, name=display_name(path))
        return _audio(container), None if main is None else main.index
    finally:
        container.close()


def _audio(container: InputContainer) -> tuple[AudioInfo, ...]:
    return tuple(
        AudioInfo(
            s.index,
            s.codec_context.name,
            s.codec_context.sample_rate,
            s.codec_context.channels,
            s.language if s.language not in (None, "", "und") else None,
        )
        for s in container.streams.audio
        if s.codec_context is not None and is_sound(s.codec_context)
    )


def _timed_packets(container: InputContainer, stream: VideoStream) -> tuple[list[float], list[int]]:
    """Display times in order and coded sizes of the first packets."""
    times: list[float] = []
    sizes: list[int] = []
    try:
        for packet in packets(container, [stream]):
            stamp = packet.pts if packet.pts is not None else packet.dts
            if stamp is None or packet.time_base is None:
                continue
            times.append(float(stamp * packet.time_base))
            sizes.append(packet.size)
            if len(times) >= _TIMED_PACKETS:
                break
    except (av.FFmpegError, OSError):
        pass  # a broken file is probed by what it still gives; reading it says where it stops
    return sorted(times), sizes


def _rate(stream: VideoStream, times: list[float]) -> tuple[float, bool]:
    """Mean frames a second, and whether the distances between frames vary by more than rounding."""
    # The last packets may lack neighbours that come later in decoding order.
    gaps = np.diff(times[:-4] if len(times) == _TIMED_PACKETS else times)
    gaps = gaps[gaps > 0]
    stated = float(stream.average_rate or 0)
    if not gaps.size:
        return stated or float(stream.guessed_rate or 25), False
    usual = float(np.median(gaps))
    rounding = max(float(stream.time_base or 0), 0.001)
    variable = bool(np.mean(np.abs(gaps - usual) > 2 * rounding + 0.02 * usual) > 0.01)
    seen = 1.0 / float(np.mean(gaps))
    # An MP4 lists every frame; others state what the writer intended.
    counted = "mp4" in stream.container.format.name and variable
    believable = stated and (counted or abs(stated - seen) < 0.02 * seen)
    return stated if believable else seen, variable


def _duration(
    container: InputContainer, stream: VideoStream, start_s: float, times: list[float], rate: float, size: int
) -> float:
    """As the header states it; what it does not state, or cannot be true of so few bytes, is counted."""
    stated = _stated_duration(container, stream, start_s)
    longest = longest_s(size)
    if stated is not None and 0 <= stated <= longest:
        return stated
    counted = _counted_duration(container, stream, start_s, times)
    return min(longest, counted + min(1.0, 1.0 / rate))


def _stated_duration(container: InputContainer, stream: VideoStream, start_s: float) -> float | None:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if container.duration:
        whole_s = float(container.duration) / av.time_base
        # Matroska counts its length from 0, not from the first frame.
        return whole_s - start_s if "matroska" in container.format.name and 0 < start_s < whole_s else whole_s
    return None


def _counted_duration(
    container: InputContainer, stream: VideoStream, start_s: float, times: list[float]
) -> float:
    """Seconds from the first picture to the last, up to the first hole at which a reader stops."""
    last = start_s
    for when in times:
        if when - last > MAX_HOLE_S:
            return max(0.0, last - start_s)
        last = max(last, when)
    try:
        for packet in packets(container, [stream]):
            if packet.pts is not None and packet.time_base is not None:
                when = float(packet.pts * packet.time_base)
                if when - last > MAX_HOLE_S:
                    break
                last = max(last, when)
    except (av.FFmpegError, OSError):
        pass  # the length of what can be read is the answer
    return max(0.0, last - start_s)


def _bit_rate(stream: VideoStream, times: list[float], sizes: list[int], rate: float) -> float | None:
    if stream.bit_rate:
        return float(stream.bit_rate)
    return 8.0 * sum(sizes) * rate / len(sizes) if sizes else None
