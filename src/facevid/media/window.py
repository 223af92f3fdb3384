"""Windows of a clip, decoded for training: just the frames wanted, scaled, as planes."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

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
        size: (height, width) to scale to, by area down and bicubic up; None keeps the clip's. out: where to put them;
        without `size` its shape says how large they become.
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
        if out is not None:
            size = size or (out.shape[-2], out.shape[-1])
            if out.shape != (len(wanted), 3, *size) or out.dtype != np.uint8:
                needed = f"{(len(wanted), 3, *size)} and uint8 is needed"
                raise ValueError(f"out has shape {out.shape} and type {out.dtype}; {needed}.")
        places = {int(number): place for place, number in reversed(list(enumerate(wanted)))}
        decoder, self._decoder = self._ready(index.setup), None  # it is kept if all goes well
        try:
            for frame in self._decoded(decoder, clip, index, wanted):
                size = size or (frame.height, frame.width)
                if out is None:
                    out = np.empty((len(wanted), 3, *size), np.uint8)
                if frame.pts in places and not frame.is_corrupt:
                    # At once, while the picture is in the processor's cache.
                    self._planes(frame, out[places.pop(frame.pts)])
        except av.FFmpegError as error:
            raise MediaError(
                "unreadable", f"{name} cannot be decoded around frame {wanted[0]}: {error.strerror}."
            ) from error
        if places or out is None:
            raise MediaError(
                "unreadable", f"{name} gives no frame {min(places)} of {len(index)}; it is damaged there."
            )
        for place in np.flatnonzero(np.diff(wanted) == 0).tolist():
            out[place + 1] = out[place]
        self._decoder = decoder
        return out

    def _decoded(
        self, decoder: VideoCodecContext, clip: bytes, index: PictureIndex, wanted: NDArray[np.int64]
    ) -> Iterator[VideoFrame]:
        """Frames from the key frame on until all that are wanted have come; `pts` is their place in display order."""
        is_wanted = np.isin(index.shown, wanted)
        keys = np.flatnonzero(index.key & (index.shown <= wanted[0]))
        end = int(np.flatnonzero(is_wanted)[-1]) + 1
        for k in range(int(keys[-1]) if len(keys) else 0, end):
            at = int(index.offset[k])
            packet = Packet(clip[at : at + int(index.size[k])])
            packet.pts = int(index.shown[k])
            decoder.skip_frame = "DEFAULT" if is_wanted[k] else "NONREF"
            yield from decoder.decode(packet)
        yield from decoder.decode(None)
        decoder.flush_buffers()

    def _ready(self, setup: bytes) -> VideoCodecContext:
        if self._decoder is None or self._setup != setup:
            decoder = CodecContext.create("h264", "r")
            assert isinstance(decoder, VideoCodecContext)
            decoder.extradata = setup
            decoder.thread_count, decoder.thread_type = 1, "SLICE"
            self._decoder, self._setup = decoder, setup
        return self._decoder

    def _planes(self, frame: VideoFrame, out: NDArray[np.uint8]) -> None:
        _, height, width = out.shape
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
        with av.open(io.BytesIO(flac), mode="r", format="flac") as container:
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
