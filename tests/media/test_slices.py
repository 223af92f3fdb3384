"""Frames of finished clips, from files, bytes and slices of shards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.media.conftest import clicks, number_of, numbered

from facevid.media import MediaError, VideoWriter, read_audio, read_clip_frames, read_slice


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    with VideoWriter(path, width=96, height=64, fps=25, audio_rate=16000) as writer:
        for i in range(40):
            writer.write(numbered(i))
        writer.write_audio(clicks(1.6, 16000, [0.5]))
    return path


def test_indices_give_exactly_those_pictures_in_that_order(clip: Path) -> None:
    everything = read_clip_frames(clip)
    assert everything.shape == (40, 64, 96, 3)
    picked = read_clip_frames(clip, [17, 3, 3, 39])
    assert [number_of(p) for p in picked] == [17, 3, 3, 39]
    assert np.array_equal(picked, everything[[17, 3, 3, 39]])


def test_bytes_read_like_the_file_also_out_of_a_shard(clip: Path, tmp_path: Path) -> None:
    data = clip.read_bytes()
    shard = tmp_path / "shard.tar"
    shard.write_bytes(b"x" * 1000 + data + b"y" * 500)
    member = read_slice(shard, offset=1000, size=len(data))
    assert member == data
    assert np.array_equal(read_clip_frames(member, [5]), read_clip_frames(clip, [5]))
    assert np.array_equal(read_audio(member), read_audio(clip))


def test_what_is_not_there_is_named(clip: Path) -> None:
    with pytest.raises(IndexError, match=r"frame 40 was asked for; clip\.mp4 has 40 frames"):
        read_clip_frames(clip, [40])
    with pytest.raises(IndexError, match="frame -1"):
        read_clip_frames(clip, [-1])
    with pytest.raises(MediaError, match="incomplete"):
        read_slice(clip, offset=0, size=10**9)
    with pytest.raises(MediaError) as error:
        read_clip_frames(b"")
    assert error.value.kind == "empty"
