"""Writing MP4: H.264 at a constant frame rate with AAC sound, the same bytes for the same frames."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.codec.context import Flags
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from facevid.media.files import finish, part_path
from facevid.media.source import PathLike

# ISO 14496-3: the sampling rates AAC has a code for, up to what players take.
AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
_BT709, _LIMITED = 1, 1
_AUDIO_CHUNK = 1 << 14
# Without these, the last bit of a sample depends on the processor's vector instructions.
_EXACT = Interpolation.AREA | Interpolation.ACCURATE_RND | Interpolation.BITEXACT


@dataclass(frozen=True)
class EncodeOptions:
    """How clips are encoded: x264's `crf` (0-51, lower is better) and `preset`, bits a second of sound,
    seconds between key frames, and encoder threads (one thread is what makes the bytes reproducible)."""

    crf: int = 18
    preset: str = "veryfast"
    audio_bit_rate: int = 128000
    keyframe_s: float = 1.0
    threads: int = 1


class VideoWriter:
    """Write an MP4 that appears under its name when complete; a context manager.

    Pictures are `width` x `height` (both even, yuv420p), `fps` a second, tagged BT.709. With `audio_rate` the
    file gets an AAC track of `audio_channels`; sound and pictures may be written in any order of interleaving
    and both begin at t = 0. Leaving the block by an exception leaves nothing behind; a killed process leaves
    at most a hidden ".part" file. Errors of the disk are OSError.
    """

    def __init__(
        self,
        path: PathLike,
        *,
        width: int,
        height: int,
        fps: float,
        options: EncodeOptions | None = None,
        audio_rate: int | None = None,
        audio_channels: int = 1,
        colour: tuple[int, int] = (_BT709, _LIMITED),
    ) -> None:
        if width < 2 or height < 2 or width % 2 or height % 2:
            raise ValueError(f"a picture of {width}x{height} cannot be written; both sides must be even.")
        if not fps > 0:
            raise ValueError(f"fps is {fps}; it must be a positive number of frames a second.")
        self.width, self.height = width, height
        self.frames = 0
        self._options = options or EncodeOptions()
        self._target, self._part = Path(path), part_path(Path(path))
        self._rate = Fraction(fps).limit_denominator(1001)
        self.colour = colour
        self._reformatter = VideoReformatter()
        self._samples = 0
        self._audio: AudioStream | None = None
        self._closed = False
        mp4 = {"movflags": "+faststart", "fflags": "+bitexact"}
        self._part.touch()  # FFmpeg would only open it with the first packet
        self._out = av.open(str(self._part), "w", format="mp4", options=mp4)
        try:
            self._video = self._add_video()
            if audio_rate is not None:
                self._audio = self._add_audio(audio_rate, audio_channels)
        except BaseException:
            self.abort()
            raise

    def _add_video(self) -> VideoStream:
        options = self._options
        gap = max(1, round(float(self._rate) * options.keyframe_s))
        x264 = {
            "crf": str(options.crf),
            "preset": options.preset,
            "sc_threshold": "0",  # key frames exactly where they are due, cut or not
            # cpu-independent: without it x264's look-ahead reads past its rows where the picture is not a
            # multiple of 128 pixels wide, and one input gave 27 different files in 120 runs.
            "x264-params": f"keyint={gap}:min-keyint={gap}:scenecut=0:open-gop=0:cpu-independent=1",
        }
        stream = self._out.add_stream("libx264", rate=self._rate, options=x264)
        stream.width, stream.height, stream.pix_fmt = self.width, self.height, "yuv420p"
        context = stream.codec_context
        context.thread_count = options.threads
        context.flags |= Flags.bitexact
        matrix, levels = self.colour
        # FFmpeg's numbers: 1 is BT.709 in all three, 6 is BT.601 (SMPTE 170M) in all three.
        context.colorspace = context.color_primaries = context.color_trc = 1 if matrix == _BT709 else 6
        context.color_range = levels
        return stream

    def _add_audio(self, rate: int, channels: int) -> AudioStream:
        if rate not in AAC_RATES:
            raise ValueError(f"audio_rate is {rate}; AAC takes {', '.join(map(str, AAC_RATES))}.")
        if channels not in (1, 2):
            raise ValueError(f"audio_channels is {channels}; it must be 1 or 2.")
        stream = self._out.add_stream("aac", rate=rate, layout="mono" if channels == 1 else "stereo")
        stream.codec_context.bit_rate = self._options.audio_bit_rate
        stream.codec_context.flags |= Flags.bitexact
        return stream

    def write(self, image: NDArray[np.uint8]) -> None:
        """Append a picture, uint8 (height, width, 3) RGB."""
        if image.shape != (self.height, self.width, 3) or image.dtype != np.uint8:
            raise ValueError(
                f"a picture of shape {image.shape} and type {image.dtype} was given; "
                f"({self.height}, {self.width}, 3) and uint8 is needed."
            )
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        self.write_frame(
            self._reformatter.reformat(
                frame,
                format="yuv420p",
                dst_colorspace=self.colour[0],
                dst_color_range=self.colour[1],
                interpolation=_EXACT,
                threads=1,
            )
        )

    def write_frame(self, frame: VideoFrame) -> None:
        """Append a decoded or filtered yuv420p picture as it is (for this package; no colour is
        converted)."""
        frame.pts, frame.time_base = self.frames, 1 / self._rate
        frame.pict_type = 0  # a decoded picture's own type would be forced on the encoder
        self._out.mux(self._video.encode(frame))
        self.frames += 1

    def write_audio(self, samples: NDArray[np.float32]) -> None:
        """Append sound, float32 in [-1, 1], (n,) or (channels, n)."""
        if self._audio is None:
            raise ValueError("this writer has no sound; give audio_rate when opening it.")
        planes = np.atleast_2d(np.asarray(samples, np.float32))
        channels = self._audio.codec_context.channels
        if planes.shape[0] != channels:
            raise ValueError(f"samples have shape {np.shape(samples)}; {channels} channel(s) are needed.")
        for at in range(0, planes.shape[1], _AUDIO_CHUNK):
            chunk = np.ascontiguousarray(np.clip(planes[:, at : at + _AUDIO_CHUNK], -1.0, 1.0))
            frame = AudioFrame.from_ndarray(
                chunk, format="fltp", layout=self._audio.codec_context.layout.name
            )
            rate = self._audio.codec_context.sample_rate
            frame.sample_rate, frame.pts, frame.time_base = rate, self._samples, Fraction(1, rate)
            self._out.mux(self._audio.encode(frame))
            self._samples += chunk.shape[1]

    def close(self) -> None:
        """Finish the file and give it its name."""
        if self._closed:
            return
        try:
            if not self.frames:
                raise ValueError(f"no picture was written to {self._target.name}.")
            self._out.mux(self._video.encode(None))
            if self._audio is not None and self._samples:
                self._out.mux(self._audio.encode(None))
            self._out.close()
            finish(self._part, self._target)
        except BaseException:
            self.abort()
            raise
        self._closed = True

    def abort(self) -> None:
        """Give up: remove what was written so far."""
        if self._closed:
            return
        self._closed = True
        try:
            self._out.close()
        except (av.FFmpegError, OSError, ValueError):
            pass  # what was wrong is already being raised, and the file goes away
        finally:
            self._part.unlink(missing_ok=True)

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close() if kind is None else self.abort()
