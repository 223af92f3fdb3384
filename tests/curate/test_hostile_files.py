"""A build over hostile files: it ends, every file has one outcome with a sentence, and nothing else is touched."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import av
import pytest
from fuzz import ORDER, make_corpus
from fuzz_places import Trap, reference, trap
from fuzz_run import Report, build_hostile, miscounted
from fuzz_seeds import Seed, valid_files

import facevid
from facevid.media import MediaError, probe
from facevid.media.limits import FORMATS

COUNT, SEED = 200, 20_261_127
PEAK_MIB = 2_000
"""What a worker may hold at most: the models take about 600 MiB, and the largest picture allowed some hundred."""


@dataclass(frozen=True)
class Built:
    """The corpus, the dataset of it, and what lay in the folders around before."""

    place: Path
    report: Report
    trap: Trap
    before: dict[Path, bytes]


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> list[Seed]:
    return valid_files(tmp_path_factory.mktemp("seeds"))


@pytest.fixture(scope="module")
def built(seeds: list[Seed], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    place = tmp_path_factory.mktemp("hostile")
    (place / "footage").mkdir()
    with trap(place / "canary.mp4", seeds[4]) as set_up:
        kinds = make_corpus(place / "footage", seeds, COUNT, seed=SEED, set_up=set_up)
        before = contents(place)
        report = build_hostile(place / "footage", place / "dataset", kinds)
        yield Built(place, report, set_up, before)
    shutil.rmtree(place)


def contents(place: Path) -> dict[Path, bytes]:
    files = (p for p in place.rglob("*") if "dataset" not in p.relative_to(place).parts[:1])
    return {p: p.read_bytes() if p.is_file() and not p.is_symlink() else b"" for p in files}


def test_every_kind_is_there() -> None:
    assert set(ORDER) == set(ORDER[:COUNT])


def test_every_file_has_one_outcome(built: Built) -> None:
    fates = built.report.fates
    assert [p.name for p, fate in fates.items() if fate.ending == "none"] == []
    assert miscounted(built.report) is None
    assert {"ok", "unreadable", "not_media", "too_large"} <= set(built.report.outcomes)


def test_nothing_crashes_hangs_or_is_a_bug(built: Built) -> None:
    worst = {p.name: (f.kind, f.ending, f.message) for p, f in built.report.fates.items()}
    assert {k: v for k, v in worst.items() if v[1] in ("bug", "crash", "timeout")} == {}


def test_every_failure_is_one_sentence_that_names_no_place_of_this_machine(built: Built) -> None:
    for row in facevid.open(built.place / "dataset").to_arrow("failed").to_pylist():
        assert re.fullmatch(r"[ -~]*\S\.", row["message"]), row
        assert str(built.place) not in row["message"]


def test_no_worker_holds_more_than_it_may(built: Built) -> None:
    assert 0 < built.report.peak / 2**20 < PEAK_MIB


def test_no_other_file_and_no_address_is_opened(built: Built) -> None:
    assert built.trap.visits == []
    sources = facevid.open(built.place / "dataset").to_arrow("sources").to_pylist()
    assert {s["container"] for s in sources} <= set(FORMATS)


def test_no_file_outside_the_dataset_is_touched_and_none_is_left_half(built: Built) -> None:
    assert contents(built.place) == built.before
    left = [
        p
        for p in (built.place / "dataset").rglob("*")
        if ".tmp-" in p.name or p.suffix in (".part", ".partial")
    ]
    assert left == []


def test_a_file_that_refers_to_others_leads_nowhere(seeds: list[Seed], tmp_path: Path) -> None:
    by_name = {s.name: s for s in seeds}
    path, other = tmp_path / "list.mp4", by_name["ts"]
    with trap(tmp_path / "canary.mp4", other) as set_up:
        for number in range(60):
            path.write_bytes(reference(Random(number), by_name, set_up))
            if path.read_bytes()[4:8] == b"ftyp":
                assert probe(path).width == 320, "the canary's pictures have 64"
                continue
            with pytest.raises(MediaError, match=r"list\.mp4 is not a video file") as told:
                probe(path)
            assert told.value.kind == "not_media"
        assert set_up.visits == []


def test_the_trap_catches_a_reader_without_limits(seeds: list[Seed], tmp_path: Path) -> None:
    with trap(tmp_path / "canary.mp4", seeds[0]) as set_up:
        path = tmp_path / "list.mp4"
        path.write_text(f"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:{set_up.port}/a.ts\n#EXT-X-ENDLIST\n")
        with pytest.raises(av.FFmpegError):
            av.open(str(path), format="hls", options={"protocol_whitelist": "file,http,tcp"}, timeout=2)
        assert set_up.visits
