"""How much footage there is, and which stretches of it are taken as a sample."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from facevid.curate.manifest import Found
from facevid.dataset.spans import Span
from facevid.engine import Item, Outcome
from facevid.machine import footage
from facevid.machine.footage import STRETCH_S, count_footage, draw, names_of, pieces_of
from facevid.recipe import load_recipe


class Probed:
    """Stands for a scratch: every file lasts as many seconds as its name says, "bad" cannot be read."""

    def run(self, step: Any, items: Sequence[Item], recipe: Any) -> dict[str, Outcome]:
        self.asked = [Path(item.key).stem for item in items]
        return {item.key: self._outcome(item.key) for item in items}

    def _outcome(self, key: str) -> Outcome:
        stem = Path(key).stem
        if stem == "bad":
            return Outcome(key, "probe", "failed", "unreadable", "bad.mp4 is broken.")
        return Outcome(key, "probe", "ok", value={"duration_s": float(stem.split("_")[0])})


def files(folder: Path, *names: str) -> list[Found]:
    """Files of 100 bytes a second."""
    for name in names:
        (folder / f"{name}.mp4").write_bytes(b"x" * (100 * int(name.split("_")[0]) if name != "bad" else 50))
    return [Found(folder / f"{name}.mp4") for name in sorted(names)]


def test_every_file_is_looked_into_and_a_broken_one_is_named(tmp_path: Path) -> None:
    found = count_footage(files(tmp_path, "10_a", "20_b", "bad"), Probed(), load_recipe())  # type: ignore[arg-type]
    assert (found.files, found.bytes, found.probed) == (3, 3050, 3)
    assert (found.seconds.value, found.seconds.low, found.seconds.high) == (30.0, 30.0, 30.0)
    assert [(u.item, u.message) for u in found.unusable] == [("bad.mp4", "bad.mp4 is broken.")]
    assert found.longest_s == 20.0


def test_of_many_files_some_are_looked_into_and_the_rest_counts_by_its_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(footage, "PROBED_AT_MOST", 3)
    given = files(tmp_path, *(f"{10 * k}_{k}" for k in range(1, 9)))
    room = Probed()
    found = count_footage(given, room, load_recipe())  # type: ignore[arg-type]
    again = Probed()
    count_footage(given, again, load_recipe())  # type: ignore[arg-type]
    assert (found.files, found.probed, len(room.asked)) == (8, 3, 3)
    assert room.asked == again.asked
    assert found.seconds.value == pytest.approx(360.0)
    assert found.seconds.high == pytest.approx(360.0), "100 bytes a second in every file leave no doubt"


def test_of_a_manifest_only_its_spans_are_footage() -> None:
    one = Found(Path("a.mp4"), spans=(Span(5.0, 9.0), Span(8.0, 12.0, person="x"), Span(90.0, None)))
    assert [(p.start_s, p.end_s, p.whole) for p in pieces_of(one, 100.0)] == [
        (5, 12, False),
        (90, 100, False),
    ]
    assert [p.whole for p in pieces_of(Found(Path("a.mp4")), 100.0)] == [True]
    assert pieces_of(one, 3.0) == []


def test_a_small_folder_is_sampled_whole() -> None:
    pieces = [p for name in ("a", "b") for p in pieces_of(Found(Path(name)), 8.0)]
    drawn = draw(pieces, 60.0)
    assert drawn == pieces
    assert [p.spans for p in drawn] == [(), ()]


def test_stretches_come_from_all_over_the_footage_and_are_the_same_every_time() -> None:
    pieces = [p for k in range(10) for p in pieces_of(Found(Path(f"{k}.mp4")), 100.0)]
    drawn = draw(pieces, 50.0)
    assert drawn == draw(pieces, 50.0)
    assert len({p.found.path for p in drawn}) == len(drawn) == 5
    assert sum(p.seconds for p in drawn) == pytest.approx(50.0)
    assert all(p.start_s >= 0 and p.end_s <= 100.0 for p in drawn)
    assert all(p.spans == (Span(p.start_s, p.end_s),) for p in drawn)
    assert len(set(names_of(drawn))) == 5


def test_a_stretch_lies_inside_its_piece_however_late_it_was_drawn() -> None:
    (piece,) = pieces_of(Found(Path("a.mp4")), 61.0)
    for seconds in (5.0, 20.0, 60.0):
        drawn = draw([piece], seconds)
        assert all(p.end_s <= 61.0 and p.seconds <= STRETCH_S + 1e-9 for p in drawn)


def test_spans_are_cut_to_the_stretch_and_keep_whom_they_name() -> None:
    who = Span(0.0, 40.0, (1.0, 2.0, 3.0, 4.0), "x", {"licence": "CC0"})
    one = Found(Path("a.mp4"), spans=(who, Span(60.0, 100.0, person="y")))
    (first, second) = pieces_of(one, 100.0)
    (stretch,) = draw([first], 10.0)
    (span,) = stretch.spans
    assert (span.start_s, span.end_s) == (stretch.start_s, stretch.end_s)
    assert (span.box, span.person, span.facts) == (who.box, "x", {"licence": "CC0"})
    assert [s.person for s in draw([second], 10.0)[0].spans] == ["y"]
