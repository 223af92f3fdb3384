"""Opening a source: which stream is the picture, which the sound, and how a coded picture is displayed."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, TypeGuard, Union, cast

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.sidedata.sidedata import SideData
from av.sidedata.sidedata import Type as SideDataType
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from facevid.media.errors import MediaError
from facevid.media.limits import (
    DECODE_OPTIONS,
    MAX_CHANNELS,
    MAX_PIXELS,
    MAX_RATE,
    MIN_RATE,
    OPEN_OPTIONS,
)
from facevid.media.remote import SourceFile
from facevid.media.sample_counts import stated_samples
from facevid.storage import file_name, is_address

PathLike = Union[str, "os.PathLike[str]"]
"""Where a source lies: a path, or an address of fsspec's as text (a Path would ruin it)."""

_KNOWN_MAGIC = ((4, b"ftyp"), (0, b"\x1a\x45\xdf\xa3"), (0, b"RIFF"), (4, b"moov"), (4, b"mdat"), (0, b"FLV"))
_UNFINISHED = " (an unfinished copy or download?)"
# Beyond these ratios a sample aspect ratio is a writer's mistake, not a display size.
_SANE_ASPECT = (Fraction(1, 8), Fraction(8))
# ITU-R BT.709 for high definition, BT.601 below: what players assume when a stream does not say.
_BT709, _BT601, _BT2020 = 1, 5, 9
_FULL_RANGE = 2


def display_name(path: object) -> str:
    """What people call a source, for a sentence, in one line: the name of its file; control characters and what is
    not UTF-8 are escaped.
    """
    if not isinstance(path, (str, os.PathLike)):
        return "the clip"
    name = file_name(path) if _away(path) else Path(path).name
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in name
    )


def open_source(path: PathLike | bytes) -> InputContainer:
    """Open a file, an address (or the bytes of a file) for reading, or raise `MediaError` with a sentence.

    Nothing else is opened, whatever the file refers to: see `facevid.media.limits`.
    """
    name = display_name(path)
    source: BytesIO | SourceFile | str
    if isinstance(path, bytes):
        source, size = BytesIO(path), len(path)
        _check_index(source, name, size)
    elif _away(path):
        source = SourceFile(os.fspath(path))
        size = source.size
        _check_index(source, name, size)
    else:
        size = _checked_size(path, name)
        with Path(path).open("rb") as file:
            _check_index(file, name, size)
        # Else FFmpeg would take a name with a colon in it for an address.
        source = f"file:{os.fspath(path)}"
    try:
        return av.open(source, mode="r", metadata_errors="replace", options=OPEN_OPTIONS)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise _open_error(path, name, error) from error


def _check_index(file: BytesIO | SourceFile | BinaryIO, name: str, size: int) -> None:
    """Raise MediaError for an empty file, and for one whose index lists more than its bytes can hold."""
    if size == 0:
        raise MediaError("empty", f"{name} has no bytes{'' if isinstance(file, BytesIO) else _UNFINISHED}.")
    stated = stated_samples(cast(BinaryIO, file))
    file.seek(0)
    if stated > size:
        raise MediaError(
            "unreadable",
            f"{name} is damaged: its index lists {stated:,} pictures or pieces of sound, and it has {size:,} bytes.",
        )


def packets(container: InputContainer, streams: Sequence[Stream]) -> Iterator[Packet[Any]]:
    """Packets of these streams, and at the end one without data for each; raises what FFmpeg finds damaged.

    Damage, or a broadcast that goes on to another programme, makes streams appear after the file was opened. PyAV has
    none of that number and raises IndexError when it flushes them, which it does after the others.
    """
    with suppress(IndexError):
        yield from container.demux(*streams)


def file_size(path: PathLike | bytes) -> int:
    """Bytes of a source. Raises MediaError for one behind an address, OSError for a file, that cannot be looked at."""
    if isinstance(path, bytes):
        return len(path)
    if _away(path):
        with SourceFile(os.fspath(path)) as file:
            return file.size
    return Path(path).stat().st_size


def _away(path: object) -> TypeGuard[str]:
    return isinstance(path, str) and is_address(path)


def _checked_size(path: PathLike, name: str) -> int:
    try:
        state = Path(path).stat()
        if not stat.S_ISREG(state.st_mode):  # looked at first: opening a pipe waits for its other end
            what = "a folder" if stat.S_ISDIR(state.st_mode) else "a pipe, a socket or a device"
            raise MediaError("unreadable", f"{name} is {what}, not a video file.")
        with Path(path).open("rb"):
            pass
    except OSError as error:
        raise MediaError("unreadable", f"{name} cannot be opened: {error.strerror}.") from error
    return state.st_size


def _open_error(path: PathLike | bytes, name: str, error: Exception) -> MediaError:
    head = path[:16] if isinstance(path, bytes) else _head(path)
    if any(head[at : at + len(magic)] == magic for at, magic in _KNOWN_MAGIC):
        return MediaError(
            "unreadable",
            f"{name} begins like a video but its index cannot be read; "
            "the recording or the copy probably broke off.",
        )
    if getattr(error, "errno", None) == errno.EINVAL:
        return MediaError(
            "not_media",
            f"{name} is not a video file that is read (MP4, MOV, Matroska, WebM, AVI, MPEG, TS, WMV, FLV, Ogg, MXF "
            "and the like; no playlists, texts or pictures).",
        )
    return MediaError("not_media", f"{name} is not a video file that FFmpeg knows ({_reason(error)}).")


def _head(path: PathLike) -> bytes:
    with SourceFile(path) if _away(path) else Path(path).open("rb") as file:
        return file.read(16)


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return str(text)[:1].lower() + str(text)[1:]


def video_stream(container: InputContainer, *, name: str, threads: int = 1) -> VideoStream:
    """The moving picture: the default video stream, else the largest; cover art and thumbnails are not
    video."""
    streams = [s for s in container.streams.video if not _is_still(s)]
    if not streams:
        raise MediaError("no_video", f"{name} has no video stream.")
    known = [s for s in streams if s.codec_context is not None]
    if not known:
        raise MediaError(
            "unreadable", f"{name} has a video stream of a codec that this FFmpeg cannot decode."
        )
    stream = max(known, key=lambda s: ("default" in _flags(s), s.width * s.height, -s.index))
    if stream.width * stream.height > MAX_PIXELS:
        raise MediaError(
            "too_large",
            f"{name} has pictures of {stream.width}x{stream.height}; at most 8192x4352 or as many pixels are read.",
        )
    stream.codec_context.options = {**DECODE_OPTIONS}
    stream.codec_context.thread_count = max(1, threads)
    stream.codec_context.thread_type = "AUTO" if threads > 1 else "SLICE"
    return stream


def audio_stream(
    container: InputContainer, *, index: int | None = None, name: str = ""
) -> AudioStream | None:
    """The stream with this file-wide `index`, or the file's main sound; None without sound.

    Main sound: commentary, dubs and descriptions for the blind come last, then streams flagged as default
    come first, then the longest, then the first.
    """
    streams = [
        s for s in container.streams.audio if s.codec_context is not None and is_sound(s.codec_context)
    ]
    if index is not None:
        for stream in streams:
            if stream.index == index:
                return stream
        have = ", ".join(str(s.index) for s in streams) or "none"
        raise ValueError(f"{name} has no audio stream {index}; its audio streams are: {have}.")
    if not streams:
        return None
    side = {"comment", "dub", "visual_impaired", "hearing_impaired", "descriptions"}
    return max(streams, key=lambda s: (not side & _flags(s), "default" in _flags(s), _seconds(s), -s.index))


def is_sound(of: AudioCodecContext | AudioFrame) -> bool:
    """Whether rate and channels are those of sound at all; a stream that claims others is damaged and not used."""
    channels = of.channels if isinstance(of, AudioCodecContext) else of.layout.nb_channels
    return MIN_RATE <= of.sample_rate <= MAX_RATE and 1 <= channels <= MAX_CHANNELS


def _seconds(stream: AudioStream) -> float:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    try:  # Matroska writers leave it in a tag
        hours, minutes, seconds = stream.metadata.get("DURATION", "").split(":")
        return 3600 * float(hours) + 60 * float(minutes) + float(seconds)
    except ValueError:
        return 0.0


def _flags(stream: VideoStream | AudioStream) -> set[str]:
    return {str(flag.name) for flag in type(stream.disposition) if flag in stream.disposition}


def _is_still(stream: VideoStream) -> bool:
    return bool({"attached_pic", "timed_thumbnails", "still_image"} & _flags(stream))


@dataclass(frozen=True)
class Geometry:
    """How coded pictures become displayed ones: scale to square pixels, then transpose, then mirror."""

    coded_width: int
    coded_height: int
    square_width: int  # after the sample aspect ratio, before the rotation
    square_height: int
    transpose: bool
    mirror_x: bool
    mirror_y: bool

    @property
    def width(self) -> int:
        return self.square_height if self.transpose else self.square_width

    @property
    def height(self) -> int:
        return self.square_width if self.transpose else self.square_height

    @property
    def rotation(self) -> int:
        """Degrees clockwise that the coded picture is turned for display: 0, 90, 180 or 270."""
        if self.transpose:
            return 270 if self.mirror_y else 90
        return 180 if self.mirror_y else 0

    @classmethod
    def of(cls, frame: VideoFrame, stream: VideoStream) -> Geometry:
        """Read from the first decoded frame: it knows the true size, also where a header is wrong."""
        aspect = stream.sample_aspect_ratio or Fraction(1)
        if not _SANE_ASPECT[0] <= aspect <= _SANE_ASPECT[1]:
            aspect = Fraction(1)
        width, height = frame.width, frame.height
        if width * height * max(aspect, 1 / aspect) > MAX_PIXELS:
            aspect = Fraction(1)
        # The smaller side grows, so that no measured pixel is lost.
        square_width = round(width * aspect) if aspect > 1 else width
        square_height = round(height / aspect) if aspect < 1 else height
        return cls(width, height, square_width, square_height, *_orientation(frame))


def _orientation(frame: VideoFrame) -> tuple[bool, bool, bool]:
    """Transpose, mirror left-right, mirror upside down, from the display matrix (ISO 14496-12, 16.16
    fixed)."""
    for entry in cast("Iterable[SideData]", frame.side_data):
        if entry.type == SideDataType.DISPLAYMATRIX:
            a, b, _, c, d = (int(v) for v in np.frombuffer(bytes(entry)[:20], np.int32))
            if abs(a) + abs(d) >= abs(b) + abs(c):
                return False, a < 0, d < 0
            return True, c < 0, b < 0
    return False, False, False


def colour(frame: VideoFrame) -> tuple[int, int]:
    """(matrix, range) in FFmpeg's numbers: matrix 1 BT.709, 5 BT.601, 9 BT.2020, ...; range 1 limited, 2
    full."""
    matrix = {1: _BT709, 4: 4, 5: _BT601, 6: _BT601, 7: 7, 9: _BT2020, 10: _BT2020}.get(int(frame.colorspace))
    if matrix is None:
        matrix = _BT709 if frame.width >= 1280 or frame.height > 576 else _BT601
    full = int(frame.color_range) == _FULL_RANGE or frame.format.name.startswith("yuvj")
    return matrix, _FULL_RANGE if full else 1


class Converter:
    """Coded frames to displayed RGB pictures of one fixed size, scaled in the decoder's pixel format."""

    def __init__(self, geometry: Geometry, *, max_side: int | None = None) -> None:
        longest = max(geometry.width, geometry.height)
        self.scale = min(1.0, max_side / longest) if max_side else 1.0
        self._geometry = geometry
        self._width = max(1, round(geometry.square_width * self.scale))
        self._height = max(1, round(geometry.square_height * self.scale))
        self._reformatter = VideoReformatter()

    def __call__(self, frame: VideoFrame) -> NDArray[np.uint8]:
        matrix, levels = colour(frame)
        rgb = self._reformatter.reformat(
            frame,
            width=self._width,
            height=self._height,
            format="rgb24",
            src_colorspace=matrix,
            src_color_range=levels,
            interpolation=Interpolation.AREA,
            threads=1,
        )
        image: NDArray[np.uint8] = np.asarray(rgb.to_ndarray(), dtype=np.uint8)
        geometry = self._geometry
        if geometry.transpose:
            image = image.transpose(1, 0, 2)
        if geometry.mirror_x:
            image = image[:, ::-1]
        if geometry.mirror_y:
            image = image[::-1]
        return np.ascontiguousarray(image)
