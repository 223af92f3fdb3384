"""Small valid files in many containers, from which the hostile ones are grown (see `fuzz`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import av
import numpy as np
from hostile import landscape, talk
from numpy.typing import NDArray

from facevid.media.scheduling import same_urgency

Picture = NDArray[np.uint8]
RATE = 16000
_BITEXACT = av.codec.context.Flags.bitexact
_SPEED = {
    "libx264": {"preset": "ultrafast", "bf": "0", "threads": "1"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none:pools=none:frame-threads=1"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
    "libsvtav1": {"preset": "12", "svtav1-params": "lp=1"},
}


@dataclass(frozen=True)
class Seed:
    """A valid file: the name of its kind, its ending with the dot, and its bytes."""

    name: str
    suffix: str
    data: bytes


def encode(pictures: Sequence[Picture], codec: str, pix_fmt: str = "yuv420p") -> tuple[Any, list[bytes]]:
    """A video encoder, and the packets it makes of pictures (height, width, 3) at 25 a second, each a key frame."""
    context = av.codec.context.CodecContext.create(codec, "w")
    context.height, context.width = pictures[0].shape[:2]
    context.pix_fmt, context.time_base, context.framerate = pix_fmt, Fraction(1, 25), Fraction(25)
    context.options = _SPEED.get(codec, {})
    context.gop_size = 1
    context.flags |= _BITEXACT
    packets = []
    for number, picture in enumerate([*pictures, None]):
        frame = None
        if picture is not None:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pix_fmt)
            frame.pts, frame.time_base = number, Fraction(1, 25)
        packets += [bytes(packet) for packet in context.encode(frame)]
    return context, packets


def film(
    pictures: Sequence[Picture],
    container: str,
    codec: str = "libx264",
    sound: str | None = None,
    *,
    pix_fmt: str = "yuv420p",
    rotation: int | None = None,
    late: int = 0,
    **options: str,
) -> bytes:
    """A file of pictures (height, width, 3) at 25 a second with a tone; `late`: frames before the first picture."""
    with (
        same_urgency(),
        NamedTemporaryFile() as target,  # faststart reads again what was written
        av.open(target.name, "w", format=container, options={"fflags": "+bitexact", **options}) as out,
    ):
        video = out.add_stream(codec, rate=25, options=_SPEED.get(codec, {}))
        video.height, video.width = pictures[0].shape[:2]
        video.pix_fmt, video.gop_size = pix_fmt, 5
        video.codec_context.flags |= _BITEXACT
        if rotation is not None:
            video.set_display_rotation(rotation)
        if sound is not None:
            track = out.add_stream(sound, rate=48000 if sound == "libopus" else RATE, layout="mono")
            track.codec_context.flags |= _BITEXACT
            _tone(out, track, len(pictures) / 25)
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pix_fmt)
            frame.pts, frame.time_base = number + late, Fraction(1, 25)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        out.close()
        return Path(target.name).read_bytes()


def muxed(
    packets: Sequence[bytes],
    like: Any,
    container: str,
    *,
    times: Sequence[int] | None = None,
    streams: int = 1,
) -> bytes:
    """Packets as they are, in a container, as `streams` streams; times: their places, 25 a second."""
    target = BytesIO()
    with av.open(target, "w", format=container, options={"fflags": "+bitexact"}) as out:
        tracks = []
        for _ in range(streams):
            track = out.add_stream(like.codec.name, rate=25, options=_SPEED.get(like.codec.name, {}))
            track.width, track.height, track.pix_fmt = like.width, like.height, like.pix_fmt
            track.time_base = Fraction(1, 25)
            tracks.append(track)
        for number, data in enumerate(packets):
            for track in tracks:
                packet = av.Packet(data)
                packet.stream, packet.time_base, packet.is_keyframe = track, Fraction(1, 25), True
                packet.pts = packet.dts = times[number] if times else number
                packet.duration = 1
                out.mux(packet)
    return target.getvalue()


def valid_files(scratch: Path) -> list[Seed]:
    """The seeds; four of them show a face that speaks, half a second long. scratch: a folder for making them."""
    faces = [np.ascontiguousarray(p[::2, ::2]) for p in talk(scratch, seconds=0.52).pictures]
    scene = [np.ascontiguousarray(p[::3, ::4][:48, :64]) for p in landscape(10)]
    dv_scene = [np.ascontiguousarray(np.tile(p, (12, 12, 1))[:576, :720]) for p in scene[:1]]
    made = [
        ("mp4", ".mp4", film(faces, "mp4", sound="aac")),
        ("mp4 fragments", ".mp4", film(faces, "mp4", sound="aac", movflags="frag_keyframe+empty_moov")),
        ("mkv", ".mkv", film(faces, "matroska", sound="aac")),
        ("webm", ".webm", film(faces, "webm", "libvpx-vp9", "libopus")),
        ("mp4 index first", ".mp4", film(scene, "mp4", sound="aac", movflags="faststart")),
        ("mov", ".mov", film(scene, "mov", sound="aac", rotation=90, late=8)),
        ("avi", ".avi", film(scene, "avi", "mpeg4", "pcm_s16le")),
        ("ts", ".ts", film(scene, "mpegts", sound="aac")),
        ("mpg", ".mpg", film(scene, "mpeg", "mpeg2video", "mp2")),
        ("flv", ".flv", film(scene, "flv", sound="aac")),
        ("wmv", ".wmv", film(scene, "asf", "wmv2", "pcm_s16le")),
        ("hevc", ".mp4", film(scene, "mp4", "libx265")),
        ("av1", ".mp4", film([np.tile(p, (2, 2, 1)) for p in scene[:5]], "mp4", "libsvtav1")),
        ("vp9 mp4", ".mp4", film(scene, "mp4", "libvpx-vp9")),
        ("prores", ".mov", film(scene[:5], "mov", "prores", "pcm_s16le", pix_fmt="yuv422p10le")),
        ("mjpeg", ".mov", film(scene[:5], "mov", "mjpeg", pix_fmt="yuvj420p")),
        ("png", ".mov", film(scene[:5], "mov", "png", pix_fmt="rgb24")),
        ("ffv1", ".mkv", film(scene[:5], "matroska", "ffv1")),
        ("mxf", ".mxf", film(scene[:5], "mxf", "mpeg2video")),
        ("dv", ".avi", film(dv_scene, "avi", "dvvideo")),
        ("utvideo", ".avi", film(scene[:5], "avi", "utvideo", "mp2")),
        ("ogg sound", ".ogv", film(scene[:8], "ogg", "libvpx", "libopus")),
    ]
    return [Seed(*one) for one in made]


def _tone(out: Any, track: Any, seconds: float) -> None:
    rate = track.codec_context.sample_rate
    wave = 0.3 * np.sin(2 * np.pi * 300 * np.arange(round(seconds * rate)) / rate)
    resampler = av.AudioResampler(format=track.codec_context.format, layout="mono", rate=rate)
    for at in range(0, len(wave), 1024):
        chunk = np.ascontiguousarray(wave[None, at : at + 1024], np.float32)
        frame = av.AudioFrame.from_ndarray(chunk, format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, at, Fraction(1, rate)
        for ready in resampler.resample(frame):
            out.mux(track.encode(ready))
    out.mux(track.encode(None))
