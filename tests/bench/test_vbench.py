"""Videos of a report as VBench takes them: names that it reads back, prompts, commands, and nothing ever replaced."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest

from facevid.bench.errors import BenchError
from facevid.bench.result import RESULT, VIDEOS
from facevid.bench.running.table import Row, table_of
from facevid.bench.vbench import DIMENSIONS, vbench_folder
from facevid.cli.app import main
from facevid.engine import write_json_atomic, write_parquet_atomic

from .page_results import result

PLAIN = [
    "A woman talks.",
    "A woman talks.",
    'A man, 30-40, says "no" in take-3',
    "Ein Mann lächelt; déjà vu?",
]
LONG = ["word " * 60, "left/right"]
SHAPE = {"width": 64, "height": 64, "frames": 16, "fps": 8.0}


def report(place: Path, prompts: Sequence[str | None], **shape: float) -> Path:
    """A report of videos that hold their own number."""
    (place / "videos").mkdir(parents=True)
    for k in range(len(prompts)):
        (place / "videos" / f"p{k}.mp4").write_text(f"video {k}")
    rows = [Row(f"p{k}.mp4", "made", prompt=p) for k, p in enumerate(prompts)]
    write_parquet_atomic(table_of([*rows, Row("c0", "real", prompt="no")], ()), place / VIDEOS)
    found = result(videos={"folder": "gone", "count": len(rows), "failed": []}, shape={**SHAPE, **shape})
    write_json_atomic(found.to_dict(), place / RESULT)
    return place


def names_in(folder: str) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def as_vbench_reads(name: str) -> str:
    """The prompt by VBench's rule: the stem without a last "-" and digits (vbench/utils.py of 0.1.5)."""
    return re.sub(r"-\d+$", "", Path(name).stem)


def test_vbench_reads_the_prompts_back_from_the_names_and_finds_them_by_its_own_index(tmp_path: Path) -> None:
    made = vbench_folder(report(tmp_path / "r", PLAIN), tmp_path / "o")
    names = names_in(made.videos)
    assert sorted(as_vbench_reads(name) for name in names) == sorted(PLAIN)
    assert {"A woman talks.-0.mp4", "A woman talks.-1.mp4"} <= set(
        names
    )  # as its standard mode looks for them
    assert json.loads(Path(made.prompts).read_text()) == {n: as_vbench_reads(n) for n in names}
    videos = Path(made.videos)
    assert [(videos / f"A woman talks.-{k}.mp4").read_text() for k in (0, 1)] == ["video 0", "video 1"]
    assert names_in(made.output) == ["prompts.json", "videos"] and made.notes == []


def test_a_prompt_that_is_no_file_name_gives_a_number_and_stands_in_the_prompt_file(tmp_path: Path) -> None:
    made = vbench_folder(report(tmp_path / "r", [*PLAIN, *LONG]), tmp_path / "o")
    held = json.loads(Path(made.prompts).read_text())
    assert [held["0004.mp4"], held["0005.mp4"]] == LONG and set(held) == set(names_in(made.videos))
    assert "The prompt of 2 videos can be no file name" in made.notes[0]
    just = "x" * (255 - len("-0.mp4"))
    names = names_in(vbench_folder(report(tmp_path / "s", [just, just + "x"]), tmp_path / "p").videos)
    assert names == ["0001.mp4", f"{just}-0.mp4"]


@pytest.mark.parametrize("links", [True, False])
def test_the_same_again_writes_nothing_and_more_videos_are_added(
    links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(18, "another disk")))
    few = vbench_folder(report(tmp_path / "r", PLAIN[:2]), tmp_path / "o")
    again = vbench_folder(tmp_path / "r", tmp_path / "o")
    assert (few.added, again.added) == (2, 0)
    more = vbench_folder(report(tmp_path / "s", [*PLAIN, None]), tmp_path / "o")
    assert (more.added, more.count) == (2, 4) and more.notes == ["Left out, as they have no prompt: 1 video."]
    assert len(json.loads(Path(more.prompts).read_text())) == 4
    linked = (Path(few.videos) / "A woman talks.-0.mp4").samefile(tmp_path / "r" / "videos" / "p0.mp4")
    assert linked is links and names_in(more.output) == ["prompts.json", "videos"]


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ("videos/holiday.MP4", r"holds 1 file not of this report, such as holiday\.MP4"),
        ("videos/A woman talks.-0.mp4", r"such as A woman talks\.-0\.mp4; name another"),
        ("prompts.json", "holds something else than the prompts of this report"),
    ],
)
def test_what_somebody_else_has_there_is_left_alone(there: str, said: str, tmp_path: Path) -> None:
    other = tmp_path / "o" / there
    other.parent.mkdir(parents=True)
    other.write_text('{"mine": 1}')
    with pytest.raises(BenchError, match=said):
        vbench_folder(report(tmp_path / "r", PLAIN), tmp_path / "o")
    assert other.read_text() == '{"mine": 1}'
    assert [p.name for p in (tmp_path / "o").rglob("*") if p.is_file()] == [other.name]


def test_a_report_without_prompts_or_without_its_videos_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"no video of .* has a prompt.*--videos_path .*videos --mode="):
        vbench_folder(report(tmp_path / "r", [None, ""]), tmp_path / "o")
    place = report(tmp_path / "s", PLAIN)
    (place / "videos" / "p2.mp4").unlink()
    with pytest.raises(BenchError, match=r"1 of the 4 videos of .* are not in .* \(such as p2\.mp4\)"):
        vbench_folder(place, tmp_path / "o")
    with pytest.raises(BenchError, match=r"holds no bench\.json"):
        vbench_folder(tmp_path / "nothing", tmp_path / "o")
    assert not (tmp_path / "o").exists()


def test_the_command_prints_lines_that_a_shell_gives_to_vbench_word_for_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place, out = report(tmp_path / "r", PLAIN, frames=48), tmp_path / "my folder"
    assert main(["bench", "vbench", str(place), "-o", str(out)]) == 0
    said = capsys.readouterr().out
    assert "4 videos are in" in said and "6.0 s" in said and "VBench-Long" in said
    checkout, pip = [line.strip() for line in said.splitlines() if "--mode=custom_input" in line]
    words = shlex.split(checkout)
    at = words.index("--dimension")
    assert words[:2] == ["python", "evaluate.py"] and words[at + 1 :] == list(DIMENSIONS)
    assert words[words.index("--videos_path") + 1] == str(out / "videos")
    assert words[words.index("--prompt_file") + 1] == str(out / "prompts.json")
    once = shlex.split(pip)
    pasted = once[once.index("--prompt_file") + 1]  # `vbench evaluate` gives it to a shell once more
    assert shlex.split(pasted) == [str(out / "prompts.json")]
    assert main(["bench", "vbench", str(place), "-o", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["added"] == 0
