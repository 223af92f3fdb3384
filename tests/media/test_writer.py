"""Written files: right, complete or not there, the same bytes every time."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from tests.media.conftest import click_times, clicks, number_of, numbered

from facevid.media import EncodeOptions, VideoReader, VideoWriter, probe, read_audio, read_clip_frames


def write(path: Path, *, frames: int = 60, sound_first: bool = True, fps: float = 25) -> Path:
    sound = clicks(frames / fps, 48000, [0.3, 1.7])
    with VideoWriter(path, width=96, height=64, fps=fps, audio_rate=48000) as writer:
        if sound_first:
            writer.write_audio(sound)
        for i in range(frames):
            writer.write(numbered(i))
            if not sound_first:
                writer.write_audio(sound[:, i * 1920 : (i + 1) * 1920])
    return path


@pytest.mark.parametrize("sound_first", [True, False])
def test_frames_and_sound_come_back_as_written(tmp_path: Path, sound_first: bool) -> None:
    path = write(tmp_path / "a.mp4", sound_first=sound_first)
    pictures = read_clip_frames(path)
    assert [number_of(p) for p in pictures] == list(range(60))
    assert np.abs(pictures[37].astype(int) - numbered(37)).mean() < 4
    assert click_times(read_audio(path, rate=None), 48000) == pytest.approx([0.3, 1.7], abs=0.002)
    assert read_audio(path, rate=None).shape == (115200,)


def test_pictures_are_tagged_and_coded_as_bt709(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with VideoWriter(path, width=64, height=64, fps=25, options=EncodeOptions(crf=5)) as writer:
        writer.write(np.full((64, 64, 3), (200, 60, 90), np.uint8))
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        assert (stream.colorspace, stream.color_primaries, stream.color_trc, stream.color_range) == (
            1,
            1,
            1,
            1,
        )
        luma = int(next(file.decode(video=0)).to_ndarray()[10, 10])
    # BT.709 limited range: Y = 16 + 219 (0.2126 R + 0.7152 G + 0.0722 B) / 255
    assert luma == pytest.approx(16 + 219 * (0.2126 * 200 + 0.7152 * 60 + 0.0722 * 90) / 255, abs=1.5)
    assert np.abs(read_clip_frames(path)[0].astype(int) - (200, 60, 90)).max() <= 3


def test_the_same_frames_give_the_same_bytes(tmp_path: Path) -> None:
    assert write(tmp_path / "a.mp4").read_bytes() == write(tmp_path / "b.mp4").read_bytes()


@pytest.mark.parametrize("fps", [24000 / 1001, 30, 60])
def test_any_frame_rate_is_kept_exactly(tmp_path: Path, fps: float) -> None:
    found = probe(write(tmp_path / "a.mp4", fps=fps))
    assert found.fps == pytest.approx(fps, rel=1e-6)
    assert not found.variable_fps
    with VideoReader(tmp_path / "a.mp4", fps=fps) as reader:
        assert [number_of(f.image) for f in reader] == list(range(60))


def test_an_exception_leaves_nothing_behind_and_keeps_an_older_file(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"older")
    with pytest.raises(KeyError), VideoWriter(path, width=96, height=64, fps=25) as writer:
        writer.write(numbered(1))
        raise KeyError
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]
    assert path.read_bytes() == b"older"


def test_a_killed_process_leaves_no_half_file_under_the_name(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys, numpy as np\n"
        "from facevid.media import VideoWriter\n"
        "w = VideoWriter(sys.argv[1], width=64, height=64, fps=25)\n"
        "for i in range(50): w.write(np.full((64, 64, 3), i, np.uint8))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.mp4")], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "a.mp4").exists()


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="needs a limit on file sizes")
def test_a_disk_that_takes_no_more_is_an_oserror_and_leaves_nothing(tmp_path: Path) -> None:
    code = (
        "import resource, signal, sys, numpy as np\n"
        "from facevid.media import VideoWriter\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))\n"
        "noise = np.random.default_rng(0)\n"
        "try:\n"
        "    with VideoWriter(sys.argv[1], width=64, height=64, fps=25) as w:\n"
        "        for i in range(100): w.write(noise.integers(0, 256, (64, 64, 3), np.uint8))\n"
        "except OSError as error:\n"
        "    sys.exit(error.errno)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.mp4")], check=False)
    assert done.returncode == errno.EFBIG
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_an_oserror(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        VideoWriter(tmp_path / "no" / "a.mp4", width=64, height=64, fps=25)


def test_impossible_input_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with pytest.raises(ValueError, match="97x64 cannot be written; both sides must be even"):
        VideoWriter(path, width=97, height=64, fps=25)
    with pytest.raises(ValueError, match="audio_rate is 12345"):
        VideoWriter(path, width=96, height=64, fps=25, audio_rate=12345)
    with (
        pytest.raises(ValueError, match=r"shape \(8, 8, 3\)"),
        VideoWriter(path, width=96, height=64, fps=25) as w,
    ):
        w.write(np.zeros((8, 8, 3), np.uint8))
    with (
        pytest.raises(ValueError, match="no picture was written"),
        VideoWriter(path, width=96, height=64, fps=25),
    ):
        pass
    assert list(tmp_path.iterdir()) == []
