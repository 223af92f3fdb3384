"""Each limit on what a file may take, by one file that goes beyond it."""

from __future__ import annotations

import os
import struct
from contextlib import suppress
from pathlib import Path
from random import Random

import numpy as np
import pytest
from fuzz_bytes import KINDS, boxes
from fuzz_claims import CLAIMS, index_bomb
from fuzz_seeds import Seed, encode, film, muxed
from hostile import landscape

from facevid import media
from facevid.curate.quality import halved, small_picture
from facevid.curate.scan import SCAN, find_footage, scan_items, scan_step
from facevid.curate.steps import analyze_items
from facevid.curate.work import Work
from facevid.engine import StepError
from facevid.media import MediaError, VideoReader, probe, read_audio
from facevid.media.limits import MAX_HOLE_S
from facevid.recipe import load_recipe

SCENE = [np.ascontiguousarray(p[::3, ::4][:48, :64]) for p in landscape(10)]


@pytest.fixture
def mp4(tmp_path: Path) -> Path:
    path = tmp_path / "a.mp4"
    path.write_bytes(film(SCENE, "mp4", sound="aac"))
    return path


def patched(path: Path, kind: bytes, place: int, value: int) -> Path:
    """Write a number of 32 bits into every box of a kind."""
    data = bytearray(path.read_bytes())
    for box in boxes(bytes(data)):
        if box.kind == kind:
            struct.pack_into(">I", data, box.body + place, value)
    path.write_bytes(data)
    return path


def stills(path: Path, *, gap_s: int, count: int = 5) -> Path:
    """A Matroska file of pictures that lie so far apart."""
    context, packets = encode([SCENE[0]] * count, "mjpeg", "yuvj420p")
    path.write_bytes(muxed(packets, context, "matroska", times=[25 * gap_s * k for k in range(count)]))
    return path


def refused(path: Path) -> MediaError:
    with pytest.raises(MediaError) as told:
        probe(path)
    return told.value


@pytest.mark.parametrize("number", range(6))
def test_pictures_larger_than_any_level_allows_are_refused(number: int, tmp_path: Path) -> None:
    by_name = {"webm": Seed("webm", ".webm", film(SCENE[:3], "webm", "libvpx-vp9"))}
    by_name["mjpeg"] = Seed("mjpeg", ".mov", film(SCENE[:2], "mov", "mjpeg", pix_fmt="yuvj420p"))
    by_name |= dict.fromkeys(("mp4", "hevc", "vp9 mp4", "av1", "prores", "mov"), by_name["mjpeg"])
    suffix, data = CLAIMS["large pictures claimed"](_replayed(number), by_name)
    path = tmp_path / f"a{suffix}"
    path.write_bytes(data)
    if number == 5:  # only the container claims it: what is coded counts
        assert probe(path).width == 64
        return
    error = refused(path)
    assert error.kind in ("too_large", "unreadable")
    if number in (3, 4):
        assert "16000x16000; at most 8192x4352" in str(error)


def _replayed(number: int) -> Random:
    """A state whose first draws are 16,000 pixels and the way `number`."""
    for k in range(10_000):
        r = Random(k)
        if r.choice((9_008, 16_000, 30_000, 65_535)) == 16_000 and r.randrange(6) == number:
            return Random(k)
    raise AssertionError("no such state")


def test_an_index_of_more_samples_than_bytes_is_refused_before_it_is_unfolded(mp4: Path) -> None:
    seed = Seed("mp4", ".mp4", mp4.read_bytes())
    _, data = index_bomb(Random(1), dict.fromkeys(("mp4", "mov", "prores", "vp9 mp4"), seed))
    mp4.write_bytes(data)
    assert "its index lists" in str(refused(mp4))


def test_an_index_nested_thousands_of_times_is_no_bug(mp4: Path) -> None:
    data = mp4.read_bytes()
    moov = next(b for b in boxes(data) if b.kind == b"moov")
    heads = b"".join(
        struct.pack(">I4s", moov.end - moov.start + 8 * (5000 - k), b"moov") for k in range(5000)
    )
    mp4.write_bytes(data[: moov.start] + heads + data[moov.start :])
    assert refused(mp4).kind == "unreadable"


def test_plain_sound_of_many_samples_is_no_bomb(tmp_path: Path) -> None:
    path = tmp_path / "a.mov"
    path.write_bytes(film(SCENE, "mov", sound="pcm_s16le"))
    assert probe(path).audio[0].codec == "pcm_s16le"


def test_ten_hours_claimed_by_a_small_file_give_it_no_ten_hours(mp4: Path, tmp_path: Path) -> None:
    for kind, place in ((b"mvhd", 16), (b"mdhd", 16), (b"tkhd", 20)):
        patched(mp4, kind, place, 0x7FFFFFFF)
    (item,) = scan_items(find_footage(mp4))
    row = scan_step(item.payload, None)
    assert row["duration_s"] == pytest.approx(0.4, abs=0.05)
    assert SCAN.timeout_for(item.payload) < 121
    recipe = load_recipe(None)
    source = {**row, "duration_s": 36_000.0, "path": str(mp4), "spans": None}
    (analysis,) = analyze_items([source], Work(tmp_path), recipe)
    assert analysis.payload["_timeout_s"] < recipe.analyze.timeout_s + 20 * 10


def test_pictures_far_apart_do_not_become_hours(tmp_path: Path) -> None:
    path = stills(tmp_path / "a.mkv", gap_s=50)
    assert probe(path).duration_s <= MAX_HOLE_S
    with VideoReader(path, fps=25) as video:
        frames = sum(1 for _ in video)
    assert 0 < frames <= 25 * (MAX_HOLE_S + 1)
    assert "cannot be the 100.0 s that its timestamps state" in (video.stopped_early or "")


def test_the_only_picture_before_a_hole_stays_a_second_at_most(tmp_path: Path) -> None:
    with VideoReader(stills(tmp_path / "a.mkv", gap_s=4000), fps=25) as video:
        assert sum(1 for _ in video) <= 25
    assert "timestamps jump" in (video.stopped_early or "")


@pytest.mark.parametrize("rate", [1, 2_000_000_000])
def test_sound_of_an_impossible_rate_is_not_used(rate: int, tmp_path: Path) -> None:
    data = bytearray(film(SCENE, "avi", "mpeg4", "pcm_s16le"))
    struct.pack_into("<I", data, data.index(b"strf", data.index(b"auds")) + 12, rate)
    path = tmp_path / "a.avi"
    path.write_bytes(data)
    assert probe(path).main_audio is None
    assert read_audio(path, end_s=0.1).tolist() == [0.0] * 1600


@pytest.mark.parametrize("size", [(1, 1), (1, 320), (1, 1280), (2, 4000), (400, 1), (1280, 3)])
def test_pictures_of_a_line_or_a_column_can_be_looked_at(size: tuple[int, int]) -> None:
    small = small_picture(np.zeros((*size, 3), np.uint8))
    assert small.shape[1] == 320
    assert small.shape[0] <= 2560
    assert halved(small).shape[1] == 160


def test_a_pipe_a_device_and_links_that_lead_nowhere_fail_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "zero.mp4").symlink_to("/dev/zero")
    (tmp_path / "loop.mp4").symlink_to("loop.mp4")
    (tmp_path / "gone.mp4").symlink_to("nothing")
    for item in scan_items(find_footage(tmp_path)):
        with pytest.raises(StepError) as told:
            scan_step(item.payload, None)
        assert told.value.kind in ("unreadable", "missing")


def test_a_name_that_is_not_utf_8_fails_by_itself(mp4: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(mp4.parent) + b"/b\xff.mp4"))
    mp4.rename(odd)
    (item,) = scan_items(find_footage(odd.parent))
    item.key.encode()
    with pytest.raises(StepError, match=r"b\\udcff\.mp4 has a name") as told:
        scan_step(item.payload, None)
    assert told.value.kind == "name"


def test_a_name_of_two_lines_or_colours_stays_in_one_line() -> None:
    assert media.display_name(Path("a\n\x1b[31mb.mp4")) == r"a\n\x1b[31mb.mp4"


def test_streams_that_appear_after_the_file_was_opened_are_passed_over(tmp_path: Path) -> None:
    """PyAV has no stream of their number, and fails over it when the file ends."""
    whole = film(SCENE, "flv", sound="aac")
    path = tmp_path / "late.flv"
    for number in range(60):
        path.write_bytes(KINDS["sectors blank"](Random(number), whole))
        with suppress(MediaError), VideoReader(path, fps=25) as video:
            assert sum(1 for _ in video) > 0
