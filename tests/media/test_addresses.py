"""Sources behind an address: every reader gives what it gives of the file, and reads no more of it than it must."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from facevid import media
from facevid.storage.range_file import _blocks

pytest.importorskip("aiohttp")
sys.path[:0] = [str(Path(__file__).parents[1] / "storage")]

from faulty import FaultyServer, always, seeded  # noqa: E402
from faulty_store import no_waiting  # noqa: E402, F401

BLOCK = 1 << 15


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that small files have many of them."""
    monkeypatch.setattr("facevid.storage.range_file.BLOCK", BLOCK)
    monkeypatch.setattr("facevid.storage.range_file.CACHE_BYTES", 20 * BLOCK)
    _blocks.__init__()  # type: ignore[misc]


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds with sound, of more than ten blocks."""
    path = tmp_path_factory.mktemp("talk") / "über 1.mp4"
    noise = np.random.default_rng(1)
    with media.VideoWriter(
        path, width=128, height=96, fps=25, audio_rate=16000, options=media.EncodeOptions(crf=10)
    ) as out:
        out.write_audio(noise.uniform(-0.3, 0.3, 64000).astype(np.float32))
        for _ in range(100):
            out.write(noise.integers(0, 255, (96, 128, 3), np.uint8))
    assert path.stat().st_size > 10 * BLOCK
    return path


@pytest.fixture
def web(talk: Path, no_waiting: None) -> Iterator[FaultyServer]:  # noqa: F811
    with FaultyServer(files={"/über 1.mp4": talk.read_bytes()}) as server:
        yield server


ADDRESS = "/%C3%BCber%201.mp4"


def pictures(source: object, **options: int) -> list[np.ndarray]:
    with media.VideoReader(source, fps=25, **options) as video:  # type: ignore[arg-type]
        return [frame.image for frame in video]


def test_every_reader_gives_what_it_gives_of_the_file(talk: Path, web: FaultyServer, tmp_path: Path) -> None:
    away = web.url(ADDRESS)
    web.plan = seeded(4, 0.2, ("reset", "half", "short", "shifted", "500", "503"))
    assert media.probe(away) == media.probe(talk)
    assert media.keyframe_times(away) == media.keyframe_times(talk)
    for near, far in zip(pictures(talk, end_frame=5), pictures(away, end_frame=5), strict=True):
        assert np.array_equal(near, far)
    assert np.array_equal(
        media.read_audio(away, start_s=1, end_s=2), media.read_audio(talk, start_s=1, end_s=2)
    )
    for source, name in ((talk, "near.mp4"), (away, "far.mp4")):
        media.cut_clip(
            source, tmp_path / name, fps=25, first_frame=60, last_frame=62, box=(0, 0, 90, 90), size=64
        )
    assert (tmp_path / "near.mp4").read_bytes() == (tmp_path / "far.mp4").read_bytes()
    assert web.faults


def test_a_source_that_is_not_reached_is_not_taken_for_a_damaged_one(
    web: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEVID_STORAGE_ATTEMPTS", "2")
    away = web.url(ADDRESS)
    with media.VideoReader(away, fps=25) as video:
        _blocks.__init__()  # type: ignore[misc]
        web.reset(always("503"))
        with pytest.raises(media.MediaError, match="could not be reached") as told:
            list(video)
    assert told.value.kind == "unreachable"
    for read in (media.probe, media.read_audio, media.keyframe_times):
        with pytest.raises(media.MediaError) as told:
            read(away)
        assert told.value.kind == "unreachable"


def test_sentences_name_the_file_or_the_address(web: FaultyServer) -> None:
    web.files |= {"/empty.mp4": b"", "/text.mp4": b"no video at all " * 100, "/half.mp4": b""}
    web.files["/half.mp4"] = web.files["/über 1.mp4"][: 10 * BLOCK]
    for path, kind, sentence in (
        ("/none.mp4", "missing", r"http://127.*/none\.mp4 is not there"),
        ("/empty.mp4", "empty", r"^empty\.mp4 has no bytes"),
        ("/text.mp4", "not_media", r"^text\.mp4 is not a video"),
    ):
        with pytest.raises(media.MediaError, match=sentence) as told:
            media.probe(web.url(path))
        assert told.value.kind == kind
    with media.VideoReader(web.url("/half.mp4"), fps=25) as video:
        assert len(list(video)) < 100
        assert video.stopped_early is not None and video.stopped_early.startswith("half.mp4 was used up to")


def test_a_span_of_a_long_file_does_not_move_the_file(web: FaultyServer, tmp_path: Path) -> None:
    long = tmp_path / "long.mp4"
    noise = np.random.default_rng(2)
    some = [noise.integers(0, 255, (96, 128, 3), np.uint8) for _ in range(7)]
    with media.VideoWriter(
        long, width=128, height=96, fps=25, options=media.EncodeOptions(crf=10, preset="ultrafast")
    ) as out:
        for k in range(400):
            out.write(some[k % 7])
    size = long.stat().st_size
    assert size > 50 * BLOCK
    web.files["/long.mp4"] = long.read_bytes()
    found = pictures(web.url("/long.mp4"), start_frame=200, end_frame=210)
    assert np.array_equal(found[3], pictures(long, start_frame=203, end_frame=204)[0])
    assert 0 < web.sent < 0.25 * size
