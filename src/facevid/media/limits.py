"""What a source may be at most, so that no file takes more than it can be worth; each limit with its reason."""

from __future__ import annotations

MAX_PIXELS = 35_651_584
"""Of one picture: 8192 x 4352, the largest of level 6.2 of H.264 (Rec. H.264 table A-1: 139,264 macroblocks),
HEVC (Rec. H.265 table A.8) and VP9, and of level 6.3 of AV1."""

MAX_STREAMS = 256
"""Of one file. FFmpeg allows 1,000 and opens a decoder for each; films with all subtitles and fonts have about 100."""

MAX_RATE, MIN_RATE = 768_000, 1_000
"""Samples a second of sound: the highest that converters offer, and below the lowest of telephony (8,000). At 2 GHz
FFmpeg's resampler would need gigabytes for its filter; at 1 Hz a kilobyte would be a quarter of an hour."""

MAX_CHANNELS = 64
"""Of one sound: ambisonics of the seventh order."""

MAX_HOLE_S = 60.0
"""A hole this long in the timestamps is damage, not a still picture; filling it would repeat one frame for minutes."""

LEAST_BYTES_PER_S = 125
"""A file with fewer bytes for each of its seconds is not believed: 1 kbit/s is less than the heads of the frames of the
slowest film need."""


def longest_s(size_bytes: int) -> float:
    """The most seconds that a file of so many bytes is believed to last."""
    return max(MAX_HOLE_S, size_bytes / LEAST_BYTES_PER_S)


FORMATS = (
    "mov", "matroska", "webm", "avi", "mpegts", "mpeg", "mpegvideo", "asf", "flv", "live_flv", "ogg", "mxf", "nut",
    "ivf", "h264", "hevc", "obu", "m4v", "dv", "rm", "gxf", "wtv", "yuv4mpegpipe", "flac", "wav", "mp3", "aac",
)  # fmt: skip
"""Names of FFmpeg's readers of files that hold moving pictures or sound themselves. Left out are those that follow
addresses and names to other files (HLS, DASH, concat, SDP, image sequences, VobSub ...), texts and single pictures."""

OPEN_OPTIONS = {
    "format_whitelist": ",".join(FORMATS),
    # A data reference in an allowed format must not reach the network either.
    "protocol_whitelist": "file",
    "max_streams": str(MAX_STREAMS),
    "max_pixels": str(MAX_PIXELS),
}
"""For `av.open`; FFmpeg hands max_pixels on to the decoders by which it looks into the streams."""

DECODE_OPTIONS = {"max_pixels": str(MAX_PIXELS)}
"""For the decoder of the pictures."""
