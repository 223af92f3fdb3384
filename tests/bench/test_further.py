"""Further clips for the floor: of other people, whole people by chance, no more than it takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import facevid
from facevid.bench.looking.step import Shape
from facevid.bench.running.evidence import real_windows
from facevid.bench.running.further import about_floors, further_windows
from facevid.bench.running.judged import Asked, Judged, Others
from facevid.bench.suites import VideoEntry
from facevid.generate.data.windows import Windows

from ..generate import fakes

SHAPE = Shape(4, 32, 32, 25.0)


@pytest.fixture(scope="module")
def ds(tmp_path_factory: pytest.TempPathFactory) -> facevid.Dataset:
    return facevid.open(fakes.six_people(tmp_path_factory.mktemp("people")))


def judged(ds: facevid.Dataset, videos: int, shape: Shape = SHAPE, people: str = "'p0', 'p1'") -> Judged:
    real = ds.where(f"identity in ({people})")
    entries = [VideoEntry(f"{k}.mp4", Path(f"{k}.mp4")) for k in range(videos)]
    return Judged("m", entries, shape, real, {}, others=Others(ds, "people whom the training knew"))


def drawn(ds: facevid.Dataset, videos: int, *, most: int = 500, seed: int = 0) -> list[str]:
    one = judged(ds, videos)
    found = further_windows(one, real_windows(one.real, SHAPE), most=most, seed=seed)
    assert found is not None
    return who(found)


def who(windows: Windows) -> list[str]:
    return [str(p) for p in windows.dataset.rows(["identity"]).take(windows.row)["identity"].to_pylist()]


def test_whole_people_who_are_not_compared_are_drawn_and_no_more_than_it_takes(ds: facevid.Dataset) -> None:
    assert sorted(drawn(ds, 100)) == [p for p in ("p2", "p3", "p4", "p5") for _ in range(2)]
    three = drawn(ds, 2)  # 2 videos and a tenth more
    assert len(three) == 3 and len(set(three)) == 2
    assert drawn(ds, 2) == three and set(three) <= set(drawn(ds, 5))
    assert len(drawn(ds, 100, most=5)) == 5
    assert len({tuple(drawn(ds, 1, seed=s)) for s in range(8)}) > 1


def test_where_nobody_else_is_there_no_clip_is_drawn(ds: facevid.Dataset) -> None:
    one = judged(ds, 9)
    windows = real_windows(one.real, SHAPE)
    assert further_windows(one, windows, most=0, seed=0) is None
    one.others = None
    assert further_windows(one, windows, most=9, seed=0) is None
    everybody = judged(ds, 9, people="'p0', 'p1', 'p2', 'p3', 'p4', 'p5'")
    assert further_windows(everybody, real_windows(everybody.real, SHAPE), most=9, seed=0) is None
    long = judged(ds, 9, Shape(100_000, 32, 32, 25.0))
    assert further_windows(long, windows, most=9, seed=0) is None


def test_a_sentence_says_how_many_they_are_and_whose(ds: facevid.Dataset) -> None:
    one = judged(ds, 2)
    found = further_windows(one, real_windows(one.real, SHAPE), most=9, seed=0)
    (said,) = about_floors(one, found)
    assert "3 further ones, of 2 people (people whom the training knew)" in said
    assert not list(about_floors(one, None))
    one.videos = [replace(one.videos[0], picture=Path("0.png"))]
    assert "a faithful model lies well below the floor" in next(about_floors(one, None))


def test_only_a_split_says_who_the_others_are(ds: facevid.Dataset) -> None:
    assert Asked(where="identity = 'p0'").others(ds) is None and Asked().others(ds) is None
    ds.split([0.5, 0.5], names=("a", "b")).save("halves")
    found = Asked(subset="halves", split="a").others(ds)
    assert found is not None and len(found.clips) == len(ds)
    some = Asked(subset="halves", split="a", where="identity != 'p0'").others(ds)
    assert some is not None and len(some.clips) == len(ds) - 2
