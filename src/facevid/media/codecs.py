"""What this FFmpeg can decode and encode, shown by doing it: a few frames through each codec, in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from typing import cast

import av
import numpy as np
from av.audio.stream import AudioStream
from av.video.stream import VideoStream
from numpy.typing import NDArray

from facevid.media.scheduling import same_urgency

_SIDE, _FRAMES, _RATE = 64, 3, 16000
_SECONDS = 0.25
# A decoded picture may be this far from what was encoded, in mean grey levels: lossy, but the same picture.
_OFF = 8.0
# Name of the codec: the encoders of it that FFmpeg may have, the one that facevid writes with first.
_VIDEO = {
    "h264": ("libx264",),
    "hevc": ("libx265",),
    "vp9": ("libvpx-vp9",),
    "av1": ("libsvtav1", "libaom-av1"),
}
_AUDIO = ("aac", "flac")
_ERRORS = (av.FFmpegError, OSError, ValueError)
_QUICK = {
    "libx264": {"preset": "ultrafast"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
    "libsvtav1": {"preset": "12"},
    "libaom-av1": {"cpu-used": "8", "usage": "realtime"},
}


@dataclass(frozen=True)
class Codec:
    """What was seen of one codec: `encodes`, `decodes`, and what went wrong, in the library's words.

    decodes: None where nothing could be encoded to try it with, but a decoder of that name is there.
    """

    name: str
    encodes: bool
    decodes: bool | None
    problem: str | None = None


def ffmpeg_version() -> str:
    """The version of the FFmpeg that PyAV carries, and PyAV's own."""
    return f"FFmpeg {av.ffmpeg_version_info} in PyAV {av.__version__}"


def try_codecs() -> list[Codec]:
    """Encode and decode a moment in H.264, HEVC, VP9, AV1, AAC and FLAC; the codecs by these names in small letters."""
    pictures = [_tried(name, known, _encoded_pictures, _pictures_fault) for name, known in _VIDEO.items()]
    return pictures + [_tried(name, (name,), _encoded_sound, _sound_fault) for name in _AUDIO]


def _tried(
    name: str, encoders: tuple[str, ...], encode: Callable[[str], bytes], fault: Callable[[bytes], str | None]
) -> Codec:
    """Encode by the first encoder that there is, and look at what comes back; `fault` decodes and judges it."""
    decoder = None if _is_known(name, "r") else False
    encoder = next((e for e in encoders if _is_known(e, "w")), None)
    if encoder is None:
        return Codec(name, False, decoder, f"there is no encoder {' or '.join(encoders)}")
    try:
        with same_urgency():
            data = encode(encoder)
    except _ERRORS as error:
        return Codec(name, False, decoder, str(error))
    try:
        problem = fault(data)
    except _ERRORS as error:
        problem = str(error)
    return Codec(name, True, problem is None, problem)


def _pictures_fault(data: bytes) -> str | None:
    with av.open(BytesIO(data), mode="r") as container:
        found = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    if len(found) == _FRAMES and np.abs(found[0].astype(float) - _picture()).mean() <= _OFF:
        return None
    return f"{_FRAMES} pictures came back as {len(found)} that differ"


def _sound_fault(data: bytes) -> str | None:
    with av.open(BytesIO(data), mode="r") as container:
        parts = [frame.to_ndarray().ravel() for frame in container.decode(audio=0)]
    found = np.concatenate(parts) if parts else np.zeros(0)
    if len(found) >= len(_tone()) and found.any():
        return None
    return f"{len(_tone())} samples came back as {len(found)} that differ"


def _picture() -> NDArray[np.uint8]:
    ramp = np.linspace(30, 220, _SIDE).astype(np.uint8)
    return np.repeat(np.tile(ramp, (_SIDE, 1))[..., None], 3, axis=2)


def _tone() -> NDArray[np.float32]:
    times = np.arange(round(_SECONDS * _RATE)) / _RATE
    return np.asarray(0.5 * np.sin(2 * np.pi * 440 * times), np.float32)


def _encoded_pictures(encoder: str) -> bytes:
    target = BytesIO()
    with av.open(target, "w", format="matroska") as out:
        stream = cast(VideoStream, out.add_stream(encoder, rate=Fraction(25), options=_QUICK[encoder]))
        stream.width, stream.height, stream.pix_fmt = _SIDE, _SIDE, "yuv420p"
        for _ in range(_FRAMES):
            frame = av.VideoFrame.from_ndarray(_picture(), format="rgb24").reformat(format="yuv420p")
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return target.getvalue()


def _encoded_sound(encoder: str) -> bytes:
    target, samples = BytesIO(), _tone()
    exact = encoder == "flac"
    with av.open(target, "w", format="matroska") as out:
        stream = cast(AudioStream, out.add_stream(encoder, rate=_RATE, layout="mono"))
        packed = (samples * 32767).astype(np.int16) if exact else samples
        frame = av.AudioFrame.from_ndarray(packed[None], format="s16" if exact else "fltp", layout="mono")
        frame.sample_rate, frame.pts = _RATE, 0
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return target.getvalue()


def _is_known(name: str, mode: str) -> bool:
    try:
        av.codec.Codec(name, "w" if mode == "w" else "r")
    except av.codec.codec.UnknownCodecError:
        return False
    return True
