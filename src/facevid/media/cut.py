"""Cutting one clip out of a source: crop and scale in the picture's own YUV, with the sound of the same
span."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from av.filter import Graph
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from facevid.media.audio import read_span
from facevid.media.errors import MediaError
from facevid.media.grid import GridSource
from facevid.media.probe import audio_infos
from facevid.media.source import Converter, Geometry, PathLike, colour
from facevid.media.writer import AAC_RATES, EncodeOptions, VideoWriter

Box = tuple[int, int, int, int]


def cut_clip(
    source: PathLike,
    out: PathLike,
    *,
    fps: float,
    first_frame: int,
    last_frame: int,
    box: Box,
    size: int,
    options: EncodeOptions | None = None,
    audio_rate: int | None = None,
    wanted: Collection[int] = (),
    threads: int = 1,
) -> dict[int, NDArray[np.uint8]]:
    """Write grid frames `first_frame`..`last_frame` (both included) of a square `box` as a `size` x `size`
    MP4.

    `box` is x0, y0, x1, y1 in pixels of the displayed source picture and lies inside it. The sound of the
    same span goes along at the source's rate (or `audio_rate`), one or two channels; a silent source gives a
    silent-film clip. Returns the full displayed RGB pictures of the `wanted` grid frames, those that
    `VideoReader` gives.

    Raises ValueError for an impossible box or span, `MediaError` when the source ends before `last_frame`,
    and OSError when the disk does not take the clip.
    """
    if not 0 <= first_frame <= last_frame:
        raise ValueError(f"frames {first_frame} to {last_frame} are no span; 0 <= first_frame <= last_frame.")
    grid = GridSource(source, fps=fps, threads=threads)
    try:
        _check_box(box, grid.geometry)
        sound, rate = _sound(source, fps, first_frame, last_frame, audio_rate, grid.origin_s)
        convert = Converter(grid.geometry)
        pictures: dict[int, NDArray[np.uint8]] = {}
        crop: _Crop | None = None
        writer: VideoWriter | None = None
        done = first_frame
        try:
            for first, end, frame in grid.runs(first_frame, last_frame + 1):
                matrix, levels = colour(frame)
                frame.colorspace, frame.color_range = (6 if matrix == 5 else matrix), levels
                if writer is None:
                    writer = VideoWriter(
                        out,
                        width=size,
                        height=size,
                        fps=fps,
                        options=options,
                        audio_rate=rate if sound is not None else None,
                        audio_channels=1 if sound is None else sound.shape[0],
                        colour=(5 if matrix == 5 else 1, 1),
                    )
                    if sound is not None:
                        writer.write_audio(sound)
                kind = _Kind.of(frame)
                if crop is None or crop.kind != kind:
                    crop = _Crop(kind, grid.geometry, box, size, out_matrix=writer.colour[0])
                cropped = crop(frame)
                for index in range(first, end):
                    writer.write_frame(cropped)
                    if index in wanted:
                        pictures[index] = convert(frame)
                done = end
            if writer is None or done <= last_frame:
                raise MediaError(
                    "unreadable",
                    f"{grid.name} ends at frame {done} of {fps:g} a second; "
                    f"frame {last_frame} was asked for.",
                )
            writer.close()
        except BaseException:
            if writer is not None:
                writer.abort()
            raise
    finally:
        grid.close()
    return pictures


def _check_box(box: Box, geometry: Geometry) -> None:
    x0, y0, x1, y1 = box
    if x1 - x0 != y1 - y0 or x1 <= x0 or x0 < 0 or y0 < 0 or x1 > geometry.width or y1 > geometry.height:
        raise ValueError(
            f"box {box} is not a square inside the displayed picture of "
            f"{geometry.width}x{geometry.height} pixels."
        )


def _sound(
    source: PathLike, fps: float, first_frame: int, last_frame: int, audio_rate: int | None, origin_s: float
) -> tuple[NDArray[np.float32] | None, int]:
    """(channels, n) samples of exactly the clip's length, or None without sound, and their rate."""
    infos, main = audio_infos(source)
    if main is None:
        return None, 0
    own = next(info.rate for info in infos if info.index == main)
    rate = audio_rate or (own if own in AAC_RATES and own <= 48000 else 48000)
    start_s, end_s = first_frame / fps, (last_frame + 1) / fps
    samples = read_span(
        source, rate=rate, mono=False, start_s=start_s, end_s=end_s, stream=main, origin_s=origin_s
    )
    return samples, rate


@dataclass(frozen=True)
class _Kind:
    """What a filter graph is built for; a stream that changes it in the middle gets a new graph."""

    width: int
    height: int
    format: str
    matrix: int
    levels: int

    @classmethod
    def of(cls, frame: VideoFrame) -> _Kind:
        return cls(
            frame.width, frame.height, frame.format.name, int(frame.colorspace), int(frame.color_range)
        )


class _Crop:
    """A libav filter graph: to square pixels if needed, crop, scale, then turn upright."""

    def __init__(self, kind: _Kind, geometry: Geometry, box: Box, size: int, *, out_matrix: int) -> None:
        self.kind = kind
        x0, y0, x1, _ = _undisplayed(box, geometry)
        side = x1 - x0
        # Lanczos keeps detail when shrinking; bicubic rings less when enlarging.
        flags = f"{'lanczos' if side > size else 'bicubic'}+accurate_rnd+full_chroma_int+bitexact"
        matrix = "bt709" if out_matrix == 1 else "smpte170m"
        steps = []
        if (kind.width, kind.height) != (geometry.square_width, geometry.square_height):
            steps.append(("scale", f"{geometry.square_width}:{geometry.square_height}:flags={flags}"))
        steps.append(("crop", f"{side}:{side}:{x0}:{y0}:exact=1"))
        steps.append(("scale", f"{size}:{size}:flags={flags}:out_color_matrix={matrix}:out_range=tv"))
        steps.append(("format", "pix_fmts=yuv420p"))
        if geometry.transpose:
            steps.append(("transpose", "dir=cclock_flip"))
        steps += [("hflip", "")] * geometry.mirror_x + [("vflip", "")] * geometry.mirror_y
        self._graph = Graph()
        self._graph.threads = 1
        source = self._graph.add(
            "buffer",
            f"video_size={kind.width}x{kind.height}:pix_fmt={kind.format}:time_base=1/1000:"
            f"colorspace={kind.matrix}:range={kind.levels}",
        )
        nodes = [self._graph.add(name, args or None) for name, args in steps]
        self._graph.link_nodes(source, *nodes, self._graph.add("buffersink")).configure()

    def __call__(self, frame: VideoFrame) -> VideoFrame:
        self._graph.vpush(frame)
        return self._graph.vpull()


def _undisplayed(box: Box, geometry: Geometry) -> Box:
    """The same square before the picture was turned upright (in square pixels)."""
    x0, y0, x1, y1 = box
    if geometry.mirror_y:
        y0, y1 = geometry.height - y1, geometry.height - y0
    if geometry.mirror_x:
        x0, x1 = geometry.width - x1, geometry.width - x0
    return (y0, x0, y1, x1) if geometry.transpose else (x0, y0, x1, y1)
