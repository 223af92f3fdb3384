"""Makers of the files that real footage folders hold: odd ones, broken ones, and ones that stop their reader."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from facevid.media import VideoReader, read_audio
from facevid.synth import synthesize

Picture = NDArray[np.uint8]
SIZE = (640, 360)
RATE = 48000


@dataclass(frozen=True)
class Talk:
    """A talking face: pictures (360, 640, 3) at 25 a second, and its sound at 48 kHz."""

    pictures: Sequence[Picture]
    sound: NDArray[np.float32]


def talk(folder: Path, *, seconds: float = 1.2) -> Talk:
    """A synthetic face that speaks."""
    (path,) = synthesize(
        folder, people=2, videos=1, seed=3, seconds=seconds, kinds=("clean",), size=SIZE, workers=1
    )
    with VideoReader(path, fps=25) as video:
        pictures = [frame.image.copy() for frame in video]
    return Talk(pictures, read_audio(path, rate=RATE))


def film(
    path: Path,
    pictures: Iterable[Picture],
    *,
    times: Sequence[float] | None = None,
    fps: float = 25,
    sounds: Sequence[NDArray[np.float32]] = (),
    main_sound: int | None = None,
    codec: str = "libx264",
    sound_codec: str = "aac",
    pix_fmt: str = "yuv420p",
    size: tuple[int, int] | None = None,
    rotation: int | None = None,
    start_s: float = 0.0,
    **options: str,
) -> Path:
    """Write a video file.

    times: seconds of the pictures. size: width and height to scale them to. main_sound: which sound is flagged
    as the default. options: for the container.
    """
    images = list(pictures)
    stamps = [start_s + (times[i] if times else i / fps) for i in range(len(images))]
    width, height = size or images[0].shape[1::-1]
    with av.open(str(path), "w", options=options) as out:
        fast = {"preset": "ultrafast"} if codec == "libx264" else {"deadline": "realtime", "cpu-used": "8"}
        video = out.add_stream(codec, rate=Fraction(fps).limit_denominator(1001))
        video.options = fast if codec in ("libx264", "libvpx-vp9") else {}
        video.width, video.height, video.pix_fmt, video.gop_size = width, height, pix_fmt, 10
        base = Fraction(1, round(fps)) if path.suffix in (".avi", ".mpg") else Fraction(1, 90000)
        video.time_base = video.codec_context.time_base = base
        video.bit_rate = 4_000_000
        if rotation is not None:
            video.set_display_rotation(rotation)
        tracks = [out.add_stream(sound_codec, rate=RATE, layout="mono") for _ in sounds]
        for number, track in enumerate(tracks):
            if main_sound is not None:
                track.disposition = av.stream.Disposition.default if number == main_sound else 0
        for track, samples in zip(tracks, sounds, strict=True):
            _write_sound(out, track, samples, start_s)
        for image, stamp in zip(images, stamps, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(width, height, pix_fmt)
            frame.pts, frame.time_base = round(stamp / base), base
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
    return path


def voice(path: Path, samples: NDArray[np.float32]) -> Path:
    """Sound alone, in a file that ends like a video."""
    with av.open(str(path), "w", format="mp4") as out:
        _write_sound(out, out.add_stream("aac", rate=RATE, layout="mono"), samples, 0.0)
    return path


def plain(colour: tuple[int, int, int], count: int = 5) -> list[Picture]:
    """Pictures of one colour."""
    return [np.full((120, 160, 3), colour, np.uint8)] * count


def landscape(count: int = 30) -> list[Picture]:
    """Pictures without a face: a gradient that slides."""
    ramp = np.linspace(40, 200, 320, dtype=np.float32)
    picture = np.stack(
        [np.tile(ramp, (180, 1)), np.tile(ramp[::-1], (180, 1)), np.full((180, 320), 90.0)], -1
    )
    return [np.roll(picture, 3 * i, axis=1).astype(np.uint8) for i in range(count)]


def shrunk(pictures: Sequence[Picture], factor: int) -> list[Picture]:
    """The whole picture at 1/factor of its size, in the middle of a grey one of the old size."""
    out = []
    for picture in pictures:
        small = picture[::factor, ::factor]
        frame = np.full_like(picture, 128)
        y, x = ((a - b) // 2 for a, b in zip(frame.shape, small.shape, strict=True) if a != 3)
        frame[y : y + small.shape[0], x : x + small.shape[1]] = small
        out.append(frame)
    return out


def cut_off(path: Path, share: float) -> Path:
    """Keep the first `share` of a file's bytes, as a broken copy does."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def _write_sound(out: Any, track: Any, samples: NDArray[np.float32], start_s: float) -> None:
    for at in range(0, samples.size, 4096):
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples[None, at : at + 4096]), format="fltp", layout="mono"
        )
        frame.sample_rate, frame.time_base = RATE, Fraction(1, RATE)
        frame.pts = at + round(start_s * RATE)
        out.mux(track.encode(frame))
    out.mux(track.encode(None))
