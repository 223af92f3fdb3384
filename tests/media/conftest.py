"""Small video files with known pictures and sound, made with PyAV: every picture carries its number as
bars."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

COLUMNS, ROWS = 4, 2


def numbered(number: int, width: int = 96, height: int = 64) -> NDArray[np.uint8]:
    """A picture whose 4 x 2 fields are the bits of `number`, bright for 1, on a gradient that makes it
    unsymmetric."""
    image = np.zeros((height, width, 3), np.uint8)
    for bit in range(COLUMNS * ROWS):
        rows = slice(bit // COLUMNS * height // ROWS, (bit // COLUMNS + 1) * height // ROWS)
        columns = slice(bit % COLUMNS * width // COLUMNS, (bit % COLUMNS + 1) * width // COLUMNS)
        image[rows, columns] = 210 if number >> bit & 1 else 40
    return image


def number_of(image: NDArray[np.uint8]) -> int:
    height, width = image.shape[:2]
    number = 0
    for bit in range(COLUMNS * ROWS):
        y = (2 * (bit // COLUMNS) + 1) * height // (2 * ROWS)
        x = (2 * (bit % COLUMNS) + 1) * width // (2 * COLUMNS)
        number |= int(image[y, x].mean() > 125) << bit
    return number


def clicks(seconds: float, rate: int, times: Sequence[float], *, channels: int = 1) -> NDArray[np.float32]:
    """Silence with a 4 ms burst of 2 kHz from each of `times`."""
    samples = np.zeros(round(seconds * rate), np.float32)
    burst = 0.8 * np.sin(2 * np.pi * 2000 * np.arange(round(0.004 * rate)) / rate)
    for time_s in times:
        at = round(time_s * rate)
        samples[at : at + burst.size] = burst[: samples.size - at]
    return np.repeat(samples[None], channels, axis=0)


def click_times(samples: NDArray[np.float32], rate: int) -> list[float]:
    """Middles of the loud moments minus the 2 ms from a burst's start to its middle, in seconds."""
    power = np.convolve(np.atleast_2d(samples).mean(axis=0) ** 2, np.ones(rate // 250), "same")
    found: list[float] = []
    while power.size and power.max() > 0.2 * 0.32 * rate / 250:
        at = int(power.argmax())
        found.append(at / rate - 0.002)
        power[max(0, at - rate // 20) : at + rate // 20] = 0
    return sorted(found)


@dataclass(frozen=True)
class Sound:
    samples: NDArray[np.float32]  # (channels, n)
    rate: int
    codec: str = "aac"
    start_s: float = 0.0
    default: bool | None = None


@pytest.fixture
def make_video(tmp_path: Path) -> Callable[..., Path]:
    """Write a file: `times` are the pictures' timestamps in seconds (or `count` at `fps`)."""

    def make(
        name: str = "source.mp4",
        *,
        count: int = 30,
        fps: float = 25,
        times: Sequence[float] | None = None,
        size: tuple[int, int] = (96, 64),
        codec: str = "libx264",
        pix_fmt: str = "yuv420p",
        options: dict[str, str] | None = None,
        gop: int = 12,
        rotation: float | None = None,
        mirror: bool = False,
        aspect: Fraction | None = None,
        sound: Sequence[Sound] = (),
        cover: bool = False,
        movflags: str = "",
        picture: Callable[[int, int, int], NDArray[np.uint8]] = numbered,
        **container: Any,
    ) -> Path:
        path = tmp_path / name
        times = [i / fps for i in range(count)] if times is None else times
        with av.open(str(path), "w", options={"movflags": movflags} if movflags else {}, **container) as out:
            video = out.add_stream(codec, rate=Fraction(fps).limit_denominator(1001), options=options or {})
            video.width, video.height, video.pix_fmt, video.gop_size = *size, pix_fmt, gop
            if path.suffix != ".avi":
                video.time_base = video.codec_context.time_base = Fraction(1, 30000)
            if rotation is not None or mirror:
                video.set_display_rotation(rotation or 0, hflip=mirror)
            if aspect is not None:
                video.codec_context.sample_aspect_ratio = aspect
            tracks = []
            for track in sound:
                layout = "mono" if track.samples.shape[0] == 1 else "stereo"
                stream = out.add_stream(track.codec, rate=track.rate, layout=layout)
                if track.default is not None:
                    stream.disposition = av.stream.Disposition.default if track.default else 0
                tracks.append(stream)
            if cover:
                picture_stream = out.add_stream("mjpeg", rate=1)
                picture_stream.width, picture_stream.height, picture_stream.pix_fmt = 200, 200, "yuvj420p"
                picture_stream.disposition = av.stream.Disposition.attached_pic
                still = av.VideoFrame.from_ndarray(np.zeros((200, 200, 3), np.uint8)).reformat(
                    format="yuvj420p"
                )
                out.mux(picture_stream.encode(still))
                out.mux(picture_stream.encode(None))
            for track, stream in zip(sound, tracks, strict=True):
                _encode_sound(out, stream, track)
            for number, time_s in enumerate(times):
                image = picture(number, *size)
                frame = av.VideoFrame.from_ndarray(image).reformat(format=pix_fmt, dst_colorspace=5)
                base = Fraction(1, round(fps)) if path.suffix == ".avi" else Fraction(1, 30000)
                frame.pts, frame.time_base = round(time_s / base), base
                out.mux(video.encode(frame))
            out.mux(video.encode(None))
        return path

    return make


def _encode_sound(out: Any, stream: Any, track: Sound) -> None:
    planar = track.samples.astype(np.float32)
    for at in range(0, planar.shape[1], 4096):
        chunk = np.ascontiguousarray(planar[:, at : at + 4096])
        layout = "mono" if planar.shape[0] == 1 else "stereo"
        frame = av.AudioFrame.from_ndarray(chunk, format="fltp", layout=layout)
        frame.sample_rate, frame.time_base = track.rate, Fraction(1, track.rate)
        frame.pts = at + round(track.start_s * track.rate)
        out.mux(stream.encode(frame))
    out.mux(stream.encode(None))
