"""Windows of a clip, decoded for training: just the frames wanted, scaled, as planes."""

from __future__ import annotations

import io
from collections.abc import Sequence

import av
import numpy as np
from av.codec.context import CodecContext
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from facevid.media.errors import MediaError
from facevid.media.mp4 import PictureIndex, picture_index
from facevid.media.source import colour

_PLANES = (1, 2, 0)  # FFmpeg keeps planar RGB as green, blue, red
# Scaling is the same on every processor; without scaling the plain path gives what `read_clip_frames` gives.
_SMALLER = Interpolation.AREA | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
_LARGER = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
SPEECH_RATE = 16000


class WindowReader:
    """Decodes windows of clips written by `VideoWriter`, one after the other, with one thread.

    It keeps the decoder from clip to clip, as setting one up takes as long as a few frames. One reader serves one
    thread.
    """

    def __init__(self) -> None:
        self._decoder: VideoCodecContext | None = None
        self._setup = b""
        self._reformatter = VideoReformatter()

    def read(
        self,
        clip: bytes,
        frames: Sequence[int],
        *,
        size: tuple[int, int] | None = None,
        out: NDArray[np.uint8] | None = None,
        name: str = "the clip",
    ) -> NDArray[np.uint8]:
        """Pictures of an MP4 as uint8 (n, 3, height, width), RGB.

        frames: the places wanted in display order, none smaller than the one before; the same may come again.
        size: (height, width) to scale to, by area down and bicubic up; None keeps the clip's. out: where to put them.
        Decoding begins at the key frame before the window, and leaves out what no wanted frame is predicted from.
        Raises IndexError for a frame the clip does not have and MediaError for a clip that cannot be decoded.
        """
        index = picture_index(clip, name)
        wanted = np.asarray(frames, np.int64)
        if not len(wanted) or (np.diff(wanted) < 0).any():
            raise ValueError(f"frames are {list(frames)}; give at least one, in rising order.")
        if wanted[0] < 0 or wanted[-1] >= len(index):
            raise IndexError(
                f"frames {wanted[0]} to {wanted[-1]} were asked for; {name} has {len(index)} frames."
            )
        try:
            decoded = self._decode(clip, index, wanted, name)
            return self._scaled(decoded, wanted, size, out)
        except av.FFmpegError as error:
            self._decoder = None
            raise MediaError(
                "unreadable", f"{name} cannot be decoded around frame {wanted[0]}: {error.strerror}."
            ) from error
        except MediaError:
            self._decoder = None
            raise

    def _decode(
        self, clip: bytes, index: PictureIndex, wanted: NDArray[np.int64], name: str
    ) -> dict[int, VideoFrame]:
        decoder = self._ready(index.setup)
        is_wanted = np.isin(index.shown, wanted)
        begin = int(np.flatnonzero(index.key & (index.shown <= wanted[0]))[-1])
        end = int(np.flatnonzero(is_wanted)[-1]) + 1
        found: dict[int, VideoFrame] = {}
        for k in range(begin, end):
            at = int(index.offset[k])
            packet = Packet(clip[at : at + int(index.size[k])])
            packet.pts = int(index.shown[k])
            decoder.skip_frame = "DEFAULT" if is_wanted[k] else "NONREF"
            self._keep(decoder.decode(packet), found)
        self._keep(decoder.decode(None), found)
        decoder.flush_buffers()
        if missing := sorted(set(wanted.tolist()) - found.keys()):
            raise MediaError(
                "unreadable", f"{name} gives no frame {missing[0]} of {len(index)}; it is damaged there."
            )
        return found

    def _keep(self, frames: list[VideoFrame], found: dict[int, VideoFrame]) -> None:
        for frame in frames:
            if frame.pts is not None and not frame.is_corrupt:
                found[frame.pts] = frame

    def _ready(self, setup: bytes) -> VideoCodecContext:
        if self._decoder is None or self._setup != setup:
            decoder = CodecContext.create("h264", "r")
            assert isinstance(decoder, VideoCodecContext)
            decoder.extradata = setup
            decoder.thread_count, decoder.thread_type = 1, "SLICE"
            self._decoder, self._setup = decoder, setup
        return self._decoder

    def _scaled(
        self,
        found: dict[int, VideoFrame],
        wanted: NDArray[np.int64],
        size: tuple[int, int] | None,
        out: NDArray[np.uint8] | None,
    ) -> NDArray[np.uint8]:
        first = found[int(wanted[0])]
        height, width = size or (first.height, first.width)
        shape = (len(wanted), 3, height, width)
        if out is None:
            out = np.empty(shape, np.uint8)
        elif out.shape != shape or out.dtype != np.uint8:
            raise ValueError(f"out has shape {out.shape} and type {out.dtype}; {shape} and uint8 is needed.")
        for place, number in enumerate(wanted.tolist()):
            if place and number == wanted[place - 1]:
                out[place] = out[place - 1]
            else:
                self._planes(found[number], height, width, out[place])
        return out

    def _planes(self, frame: VideoFrame, height: int, width: int, out: NDArray[np.uint8]) -> None:
        matrix, levels = colour(frame)
        if (height, width) == (frame.height, frame.width):
            way = Interpolation.AREA
        else:
            way = _SMALLER if height * width < frame.height * frame.width else _LARGER
        rgb = self._reformatter.reformat(
            frame,
            width=width,
            height=height,
            format="gbrp",
            src_colorspace=matrix,
            src_color_range=levels,
            interpolation=way,
            threads=1,
        )
        for channel, plane in zip(_PLANES, rgb.planes, strict=True):
            rows = np.frombuffer(memoryview(plane), np.uint8).reshape(height, plane.line_size)
            out[channel] = rows[:, :width]


def read_speech_window(flac: bytes, start: int, count: int, name: str = "the clip") -> NDArray[np.float32]:
    """Samples `start` to `start + count` of a clip's 16 kHz mono FLAC, float32 in [-1, 1]; silence behind its end.

    They are those of `read_audio(flac)`. Raises MediaError for anything else than 16-bit 16 kHz mono FLAC.
    """
    try:
        with av.open(io.BytesIO(flac), format="flac") as container:
            stream = container.streams.audio[0]
            pieces, have = [], 0
            for frame in container.decode(stream):
                if (frame.sample_rate, frame.layout.nb_channels) != (SPEECH_RATE, 1):
                    raise MediaError("unreadable", f"The speech of {name} is not 16 kHz mono.")
                if have + frame.samples > start:
                    pieces.append(frame.to_ndarray()[0][max(0, start - have) :])
                have += frame.samples
                if have >= start + count:
                    break
    except (av.FFmpegError, IndexError) as error:
        raise MediaError("unreadable", f"The speech of {name} cannot be decoded ({error}).") from error
    out = np.zeros(count, np.float32)
    if pieces:
        joined = np.concatenate(pieces)[:count]
        if joined.dtype != np.int16:
            raise MediaError("unreadable", f"The speech of {name} has {joined.dtype} samples, not 16 bits.")
        out[: len(joined)] = joined.astype(np.float32) / np.float32(32768)
    return out
