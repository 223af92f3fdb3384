"""Reading finished clips back, from a file or from the bytes of a member of a tar shard."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from facevid.media.errors import MediaError
from facevid.media.source import Converter, Geometry, PathLike, display_name, open_source, video_stream


def read_slice(path: PathLike, *, offset: int, size: int) -> bytes:
    """`size` bytes of a file from `offset`: one member of an uncompressed tar shard."""
    with Path(path).open("rb") as file:
        file.seek(offset)
        data = file.read(size)
    if len(data) != size:
        raise MediaError(
            "unreadable",
            f"{display_name(path)} ends within the {size} bytes from {offset}; the shard is incomplete.",
        )
    return data


def read_clip_frames(clip: bytes | PathLike, indices: Iterable[int] | None = None) -> NDArray[np.uint8]:
    """Pictures of a clip by their place in display order, uint8 (n, height, width, 3) RGB.

    `indices` may be in any order and repeat; None gives all. Clips are short and of constant frame rate
    (written by `VideoWriter` or `cut_clip`), so they are decoded from the start; for sources use
    `VideoReader`. Raises IndexError for a frame the clip does not have, `MediaError` for an unreadable clip.
    """
    order = None if indices is None else [int(i) for i in indices]
    if order is not None and any(i < 0 for i in order):
        raise IndexError(f"frame {min(order)} was asked for; frames count from 0.")
    if order == []:
        raise ValueError("indices are empty; give at least one frame, or None for all.")
    wanted = None if order is None else set(order)
    last = None if order is None else max(order)
    pictures: dict[int, NDArray[np.uint8]] = {}
    count = 0
    with closing(_pictures(clip, wanted)) as decoded:
        for count, picture in enumerate(decoded, start=1):
            if picture is not None:
                pictures[count - 1] = picture
            if last is not None and count > last:
                break
    if last is not None and count <= last:
        raise IndexError(f"frame {last} was asked for; {display_name(clip)} has {count} frames.")
    return np.stack([pictures[i] for i in (order if order is not None else range(count))])


def each_clip_frame(clip: bytes | PathLike) -> Iterator[NDArray[np.uint8]]:
    """All pictures of a clip in display order, one at a time: uint8 (height, width, 3) RGB.

    Raises `MediaError` for an unreadable clip, or one without a picture.
    """
    return (picture for picture in _pictures(clip, None) if picture is not None)


def _pictures(
    clip: bytes | PathLike, wanted: set[int] | None
) -> Generator[NDArray[np.uint8] | None, None, None]:
    """The frames of a clip in display order; those that are not wanted are decoded, not converted, and None."""
    container = open_source(clip)
    count = 0
    try:
        stream = video_stream(container, name=display_name(clip))
        convert: Converter | None = None
        for frame in container.decode(stream):
            convert = convert or Converter(Geometry.of(frame, stream))
            yield convert(frame) if wanted is None or count in wanted else None
            count += 1
    except av.FFmpegError as error:
        name = display_name(clip)
        raise MediaError(
            "unreadable", f"{name} cannot be decoded beyond frame {count}: {error.strerror}."
        ) from error
    finally:
        container.close()
    if not count:
        raise MediaError("unreadable", f"{display_name(clip)} has no picture that can be decoded.")
