"""Where a stream can be cut without decoding it: the times of its keyframes."""

from __future__ import annotations

from facevid.media.source import PathLike, display_name, open_source, packets, video_stream


def keyframe_times(path: PathLike) -> list[float]:
    """Seconds of every keyframe of the picture, counted from its first frame; reads packets, decodes none.

    Raises MediaError where the file is no video.
    """
    container = open_source(path)
    try:
        stream = video_stream(container, name=display_name(path))
        first: float | None = None
        found: list[float] = []
        for packet in packets(container, [stream]):
            if packet.pts is None or packet.time_base is None:
                continue
            when = float(packet.pts * packet.time_base)
            first = when if first is None else min(first, when)
            if packet.is_keyframe:
                found.append(when)
        return sorted(when - (first or 0.0) for when in found)
    finally:
        container.close()
