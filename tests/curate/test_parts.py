"""A long source looked at in parts is what one pass over it would have been."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from films import (
    OVERLAP,
    PART,
    Picture,
    analysed,
    black,
    darker,
    item_of,
    mixed,
    recipe,
    rows,
    shot,
    sways,
    write,
    write_avi,
)
from hostile import cut_off
from squares_backend import register

from facevid.curate import analyze
from facevid.curate.analyze import part_payloads, watch_step
from facevid.curate.parts import Piece, parts_of
from facevid.engine import step_hash

TWO = (sways(60), sways(220))
LENGTH = 3 * PART + 8


@pytest.fixture(autouse=True, scope="module")
def backends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("plugins")
    register(folder)
    sys.path.append(str(folder))
    yield
    sys.path.remove(str(folder))


def cuts(*at: int, faces: Any = TWO) -> list[Picture]:
    """Shots that begin at 0 and at each of the frames given."""
    bounds = [0, *at, LENGTH]
    return [picture for seed, (a, b) in enumerate(pairwise(bounds)) for picture in shot(seed, b - a, faces)]


def leaves(at: int, begin: int = 0) -> Callable[[int], tuple[float, float] | None]:
    return lambda n: (60.0, 50.0 + n % 3) if begin <= n < at else None


def dissolving(at: int, length: int = 12) -> list[Picture]:
    a, b = shot(1, at + length), shot(2, LENGTH - at)
    return a[:at] + mixed(a[at:], b[:length]) + b[length:]


def fading(at: int, dark: int) -> list[Picture]:
    a, b, light = shot(1, at), shot(2, LENGTH - at - dark), np.linspace(1, 0, 10)[1:-1]
    return a[:-8] + darker(a[-8:], light) + black(dark) + darker(b[:8], light[::-1]) + b[8:]


CUT_IN_EVERY_OVERLAP: dict[str, list[Picture]] = {
    "cuts at the bounds": cuts(PART, 2 * PART),
    "cuts inside": cuts(40, PART + 3, PART + 5, 170, 2 * PART + 9),
    "cuts at the last moment": cuts(PART + OVERLAP, 2 * PART + OVERLAP),
    "cuts in the warm-up": cuts(PART + OVERLAP - 1, 2 * PART + 1, 2 * PART + 2),
    "a face that leaves at the bound": cuts(PART + 2, 2 * PART, faces=(leaves(PART), sways(200))),
    "no face": cuts(PART + 2, 2 * PART, faces=()),
    "three faces with two gone": cuts(PART + 4, 2 * PART, faces=(*TWO, leaves(20, 12))),
}
NO_CUT: dict[str, list[Picture]] = {
    "one shot": shot(1, LENGTH, TWO),
    "a dissolve over a bound": dissolving(PART - 6),
    "a dissolve over the end of the overlap": dissolving(PART + OVERLAP - 5),
    "a bound in black": fading(PART - 10, 40),
    "a fade over a bound": fading(PART - 2, 5),
    "a cut just before the overlap": cuts(PART - 1),
    "a cut just behind it": cuts(PART + OVERLAP + 1),
}


QUICK = ("cuts inside", "one shot", "a fade over a bound")


def some_slow(names: Iterable[str]) -> list[Any]:
    """Parameters of a test: each takes a few seconds, so the quick run has those that meet most."""
    return [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow, id=name) for name in names]


@pytest.mark.parametrize("name", some_slow(CUT_IN_EVERY_OVERLAP))
def test_parts_that_meet_at_cuts_are_one_pass_to_the_byte(tmp_path: Path, name: str) -> None:
    source = write(tmp_path / "a.mp4", CUT_IN_EVERY_OVERLAP[name])
    split, files = analysed(source, tmp_path / "split", recipe())
    value, whole = analysed(source, tmp_path / "whole", recipe(split=False))
    assert split.pop("not_split") is None
    assert split == value
    assert [name for name in whole if files[name] != whole[name]] == []


@pytest.mark.parametrize("name", some_slow(NO_CUT))
def test_parts_that_meet_inside_a_shot_have_the_same_shots_faces_and_tracks(
    tmp_path: Path, name: str
) -> None:
    """But a face that comes after such a place without a cut is found by a look that may be some frames off."""
    source = write(tmp_path / "a.mp4", NO_CUT[name])
    split, files = analysed(source, tmp_path / "split", recipe())
    value, whole = analysed(source, tmp_path / "whole", recipe(split=False))
    assert split.pop("not_split") is None
    assert split == value
    assert files["transitions.parquet"] == whole["transitions.parquet"]
    a, b = (
        [t for t in rows(tmp_path / place, "tracks.parquet") if t["track"] >= 0]
        for place in ("split", "whole")
    )
    same = ("track", "shot", "face", "last_frame")
    assert [[t[name] for name in same] for t in a] == [[t[name] for name in same] for t in b]
    late = np.array([t["first_frame"] for t in a]) - [t["first_frame"] for t in b]
    assert np.abs(late).max() < recipe().analyze.detect_every
    assert not late.any() or name in ("a bound in black", "a fade over a bound")
    for one, other in zip(a, b, strict=True):
        if one["first_frame"] == other["first_frame"]:
            for score in ("motion_pixels", "motion_landmarks", "face_px", "yaw"):
                np.testing.assert_allclose(one[score], other[score], rtol=0.1, atol=0.1, err_msg=score)
    a, b = (rows(tmp_path / place, "frames.parquet") for place in ("split", "whole"))
    assert len(set(map(place_of, a)) ^ set(map(place_of, b))) == np.abs(late).sum()
    assert list(map(place_of, a)) == sorted(map(place_of, a))


def place_of(row: dict[str, Any]) -> tuple[int, int]:
    return row["frame"], row["face"]


def watched(source: Path, folder: Path) -> dict[int, dict[str, Any]]:
    """The payloads of the parts of a source, all looked at, as workers leave them."""
    item = item_of(source, folder, recipe())
    out = dict(enumerate(part_payloads(item.payload)))
    for payload in out.values():
        watch_step(payload, recipe())
    return out


@pytest.mark.parametrize("name", some_slow(["one shot", "a dissolve over a bound"]))
def test_workers_parts_are_joined_to_what_one_process_makes(tmp_path: Path, name: str) -> None:
    source = write(tmp_path / "a.mp4", NO_CUT[name])
    parts = watched(source, tmp_path / "parts")
    assert len(parts) == 3
    shutil.rmtree(parts[1]["_out"])  # one is missing, so the analysis looks at it itself
    assert analysed(source, tmp_path / "parts", recipe()) == analysed(source, tmp_path / "one", recipe())


def test_a_part_of_another_recipe_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(tmp_path / "a.mp4", shot(1, LENGTH))
    watched(source, tmp_path / "d")
    looked: list[str] = []
    monkeypatch.setattr(analyze, "watch_step", lambda p, r: looked.append(p["_out"]) or watch_step(p, r))
    analysed(source, tmp_path / "d", recipe())
    assert looked == []
    analysed(source, tmp_path / "d", recipe(shots={"dissolve_frames": 8, "sudden_difference": 0.07}))
    assert len(looked) == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mkv", {}),
        ("a.ts", {}),
        ("a.mov", {"start_s": 3.0}),
        ("a.webm", {"codec": "libvpx-vp9", "sound_codec": "libopus"}),
        ("a.mpg", {"codec": "mpeg2video", "sound_codec": "mp2"}),
        ("variable.mkv", {"times": list(np.cumsum(np.random.default_rng(1).uniform(0.02, 0.06, LENGTH)))}),
    ],
)
def test_containers_that_can_be_sought_are_split(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    pictures = cuts(PART + 3, 2 * PART + 3)
    source = write(tmp_path / name, pictures, **options)
    split, files = analysed(source, tmp_path / "split", recipe())
    value, whole = analysed(source, tmp_path / "whole", recipe(split=False))
    assert split.pop("not_split", "not long") is None
    assert split == value
    assert files["transitions.parquet"] == whole["transitions.parquet"]
    if "times" not in options:
        assert files == whole


def test_a_file_that_cannot_be_sought_is_looked_at_in_one_go_and_said_to_be(tmp_path: Path) -> None:
    source = write_avi(tmp_path / "a.avi", shot(1, LENGTH))
    watched(source, tmp_path / "split")
    split, files = analysed(source, tmp_path / "split", recipe())
    value, whole = analysed(source, tmp_path / "whole", recipe(split=False))
    assert split.pop("not_split") == (
        "a.avi was looked at by one worker from end to end: it can only be read from its begin."
    )
    assert (split, files) == (value, whole)


def test_pictures_that_differ_when_sought_are_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(tmp_path / "a.mp4", shot(1, LENGTH))
    read = analyze.watch_piece

    def one_off(path: Path, piece: Piece, *rest: Any) -> Any:
        seen = read(path, piece, *rest)
        if piece.inside and piece.goes_on:
            seen.marks[piece.first + 2] += 1
        return seen

    monkeypatch.setattr(analyze, "watch_piece", one_off)
    split, files = analysed(source, tmp_path / "split", recipe())
    assert "pictures around 4.2 s are others" in split.pop("not_split")
    assert (split, files) == analysed(source, tmp_path / "whole", recipe(split=False))


@pytest.mark.parametrize("share", [0.63, *(pytest.param(s, marks=pytest.mark.slow) for s in (0.45, 0.9))])
def test_a_file_that_breaks_off_says_so_once_and_later_parts_are_empty(tmp_path: Path, share: float) -> None:
    source = write(tmp_path / "a.mp4", cuts(PART + 1, 2 * PART + 1), movflags="faststart")
    cut_off(source, share)
    split, files = analysed(source, tmp_path / "split", recipe())
    value, whole = analysed(source, tmp_path / "whole", recipe(split=False))
    assert split.pop("not_split") is None
    assert split == value
    assert split["stopped_early"]
    assert split["frames"] < LENGTH
    assert files == whole


def test_damage_is_counted_once(tmp_path: Path) -> None:
    source = write(tmp_path / "a.ts", cuts(PART + 1, 2 * PART + 1))
    data = bytearray(source.read_bytes())
    for at in (0.2, 0.3, 0.5, 0.8):
        begin = int(len(data) * at) // 188 * 188
        data[begin : begin + 188 * 4] = bytes(188 * 4)
    source.write_bytes(data)
    split, files = analysed(source, tmp_path / "split", recipe())
    value, whole = analysed(source, tmp_path / "whole", recipe(split=False))
    split.pop("not_split")
    assert (split, files) == (value, whole)


def test_sound_that_goes_on_after_the_picture_and_a_span_of_a_long_source(tmp_path: Path) -> None:
    source = write(tmp_path / "a.mp4", cuts(PART + 1, 2 * PART + 1))
    spans = '[{"start_s": 0.4, "end_s": 12.0}]'
    split, files = analysed(source, tmp_path / "split", recipe(), spans=spans)
    value, whole = analysed(source, tmp_path / "whole", recipe(split=False), spans=spans)
    split.pop("not_split")
    assert split["frames"] < LENGTH
    assert split == value
    assert files["transitions.parquet"] == whole["transitions.parquet"]


def bounds(parts: Sequence[Sequence[Piece]]) -> list[list[tuple[int, int | None, bool, bool]]]:
    return [[(p.first, p.end, p.inside, p.goes_on) for p in part] for part in parts]


def test_parts_are_half_to_one_and_a_half_times_as_long_and_the_last_reaches_to_the_end() -> None:
    one = [(0, None)]
    assert bounds(parts_of(one, 157, recipe())) == [[(0, None, False, False)]]
    assert bounds(parts_of(one, 158, recipe())) == [[(0, 105, False, True)], [(105, None, True, False)]]
    assert bounds(parts_of(one, 300, recipe()))[-1] == [(210, None, True, False)]
    assert bounds(parts_of(one, 10**6, recipe(split=False))) == [[(0, None, False, False)]]


def test_short_stretches_share_a_part_and_long_ones_are_divided() -> None:
    stretches = [(10, 60), (100, 160), (200, 500), (600, 650)]
    assert bounds(parts_of(stretches, 5000, recipe())) == [
        [(10, 60, False, False), (100, 160, False, False)],
        [(200, 305, False, True)], [(305, 410, True, True)], [(410, 500, True, False)],
        [(600, 650, False, False)],
    ]  # fmt: skip


def test_a_source_that_is_not_split_has_the_hash_it_had_before_sources_were_split(tmp_path: Path) -> None:
    source = write(tmp_path / "a.mp4", shot(1, 20))
    item, same = item_of(source, tmp_path, recipe()), item_of(source, tmp_path, recipe(split=False))
    public = {name for name in item.payload if not name.startswith("_")}
    assert public == {"source_id", "width", "height", "fps", "video_bit_rate"}
    assert not [name for name in analyze.ANALYZE.reads if name.startswith("analyze.part")]
    hashes = {
        step_hash(analyze.ANALYZE, r, i.payload) for r, i in ((recipe(), item), (recipe(split=False), same))
    }
    assert len(hashes) == 1
