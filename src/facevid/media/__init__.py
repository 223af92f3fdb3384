"""Video and audio in and out: the only room that touches PyAV (FFmpeg)."""

from facevid.media.audio import audio_blocks, read_audio, write_flac
from facevid.media.codecs import Codec, ffmpeg_version, try_codecs
from facevid.media.cut import cut_clip
from facevid.media.errors import MediaError
from facevid.media.grid import grid_index
from facevid.media.keyframes import keyframe_times
from facevid.media.probe import AudioInfo, Probe, probe
from facevid.media.reader import Frame, VideoReader
from facevid.media.slices import each_clip_frame, read_clip_frames, read_slice
from facevid.media.source import display_name
from facevid.media.window import WindowReader, read_speech_window
from facevid.media.writer import EncodeOptions, VideoWriter

__all__ = [
    "AudioInfo",
    "Codec",
    "EncodeOptions",
    "Frame",
    "MediaError",
    "Probe",
    "VideoReader",
    "VideoWriter",
    "WindowReader",
    "audio_blocks",
    "cut_clip",
    "display_name",
    "each_clip_frame",
    "ffmpeg_version",
    "grid_index",
    "keyframe_times",
    "probe",
    "read_audio",
    "read_clip_frames",
    "read_slice",
    "read_speech_window",
    "try_codecs",
    "write_flac",
]
