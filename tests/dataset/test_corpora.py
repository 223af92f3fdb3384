"""Importers: each corpus's published format becomes manifest rows; what is wrong with a row is named by row."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facevid.cli.app import main
from facevid.dataset.corpora import CORPORA, CorpusError, Imported, import_corpus
from facevid.dataset.corpora.celebv_text import in_unstated_frame
from facevid.dataset.corpora.entry import Problems, RowError
from facevid.dataset.corpora.plain_pickle import read_pickle
from facevid.dataset.corpora.reading import read_json, seconds
from facevid.dataset.corpora.talkinghead_1kh import chunk_starts
from facevid.dataset.corpora.words import ACTIONS, APPEARANCE
from facevid.dataset.statements import Statement
from facevid.media import EncodeOptions, VideoWriter, keyframe_times

SAMPLES = Path(__file__).parents[1] / "data" / "corpora"


def video(path: Path, *, width: int = 640, height: int = 360, seconds: float = 10.0, fps: int = 25) -> Path:
    """A grey film."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = np.full((height, width, 3), 90, np.uint8)
    quick = EncodeOptions(preset="ultrafast", crf=40)
    with VideoWriter(path, width=width, height=height, fps=fps, options=quick) as writer:
        for _ in range(round(seconds * fps)):
            writer.write(picture)
    return path


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return video(tmp_path_factory.mktemp("film") / "film.mp4")


def put(film: Path, folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(film, folder / name)
    return folder


def rows(found: Imported) -> list[dict[str, Any]]:
    text = found.prepared.manifest.read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def named(row: dict[str, Any], kind: str) -> dict[str, str]:
    return {label["name"]: label["value"] for label in row["labels"] if label["kind"] == kind}


def faults(found: Imported) -> dict[str, list[str]]:
    told: dict[str, list[str]] = {}
    for problem in found.problems:
        told.setdefault(problem.row, []).append(problem.kind)
    return told


def test_celebv_hq_gives_the_crop_of_its_own_tool_and_labels_by_name(film: Path, tmp_path: Path) -> None:
    videos = put(film, tmp_path / "videos", "vCelebvHq_1.mp4")
    found = import_corpus("celebv-hq", SAMPLES / "celebvhq_info.json", tmp_path / "out", footage=videos)
    first, second = rows(found)
    # 640 x 360; .02 wider on each side and rounded: 147..429, 29..295; a square of 2 x 133 in the middle.
    assert (first["start_s"], first["end_s"], first["box"]) == (1.0, 4.0, [155.0, 29.0, 421.0, 295.0])
    assert second["box"] == [362.5, 0.5, 584.5, 222.5]
    looks = named(first, "attribute")
    assert looks["gender"] == "male" and looks["hair_colour"] == "brown" and looks["beard"] == "no"
    assert looks["eyeglasses"] == "yes" and looks["goatee"] == "no" and looks["emotion"] == "neutral"
    assert [a["name"] for a in first["labels"] if a["kind"] == "action"] == ["talk"]
    assert "start_s" not in next(a for a in first["labels"] if a["kind"] == "action")
    assert {label["by"] for label in first["labels"]} == {"annotator"}
    assert (
        first["url"] == "https://www.youtube.com/watch?v=vCelebvHq_1" and "non-commercial" in first["licence"]
    )
    # Two colours of hair at once say neither; what is not marked as male is female.
    looks = named(second, "attribute")
    assert "hair_colour" not in looks and looks["gender"] == "female" and looks["headwear"] == "hat"
    moods = [(m["value"], m["start_s"], m["end_s"]) for m in second["labels"] if m["name"] == "emotion"]
    assert moods == [("neutral", 5.0, 5.5), ("happy", 6.5, 8.0)]
    assert not found.problems
    words = {"young": 1, "turn": 1, "bags_under_eyes": 1, "black_hair": 1, "brown_hair": 1}
    assert found.prepared.without_equal == words


def test_a_box_follows_a_source_whose_resolution_changed(tmp_path: Path) -> None:
    video(tmp_path / "videos" / "vCelebvHq_1.mp4", width=1280, height=720, seconds=9, fps=2)
    found = import_corpus(
        "celebv-hq", SAMPLES / "celebvhq_info.json", tmp_path / "out", footage=tmp_path / "videos"
    )
    assert rows(found)[0]["box"] == [310.0, 58.0, 842.0, 590.0]


def test_every_malformed_row_is_named_and_the_rest_goes_on(film: Path, tmp_path: Path) -> None:
    videos = put(film, tmp_path / "videos", "vCelebvHq_1.mp4")
    found = import_corpus("celebv-hq", SAMPLES / "celebvhq_broken.json", tmp_path / "out", footage=videos)
    told = faults(found)
    assert told["clips.noId_0"] == ["row"]
    assert told["clips.backwards_0"] == ["time"]
    assert told["clips.outside_0"] == ["box"]
    # The emotion, and the look that nobody knows.
    assert told["clips.strange_emotion_0"] == ["label", "label"]
    assert told["clips.short_list_0"] == ["label", "row"]
    assert told["clips.../up_0"] == ["row"]
    assert told["clips.words_0"] == ["time"]
    assert told["clips.beyond_0"] == ["label", "time"]
    assert len(rows(found)) == 3  # the strange emotion, the short list and the sound row lose a label at most
    assert "wearing_crown" in next(p.message for p in found.problems if p.row == "clips.fine_0")
    text = (tmp_path / "out" / "problems.jsonl").read_text(encoding="utf-8")
    assert [json.loads(line)["row"] for line in text.splitlines()] == [p.row for p in found.problems]


def test_a_clip_that_was_cut_already_has_no_span_and_shifted_times(film: Path, tmp_path: Path) -> None:
    videos = put(film, tmp_path / "videos", "vCelebvHq_1_1.mp4")
    found = import_corpus("celebv-hq", SAMPLES / "celebvhq_info.json", tmp_path / "out", footage=videos)
    (row,) = rows(found)
    assert "start_s" not in row and "box" not in row
    moods = [(m["value"], m["start_s"], m["end_s"]) for m in row["labels"] if m["name"] == "emotion"]
    assert moods == [("neutral", 0.0, 0.5), ("happy", 1.5, 3.0)]
    assert faults(found) == {"clips.vCelebvHq_1_0": ["missing"]}


def test_celebv_text_boxes_times_and_sentences(film: Path, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    shutil.copytree(SAMPLES / "celebv_text", corpus)
    said = {
        "act": {
            "vCelebText1_0": [
                ["talk", ["0:00:01", "0:00:04", 3, 0]],
                ["head_wagging", ["0:00:02", "0:00:03", 1, 1]],
                ["squint", ["0:00:02", "0:00:03", 1, 1]],
                ["juggle", ["0:00:02", "0:00:03", 1, 1]],
                ["nod", ["0:00:03", "0:00:02", 1, 1]],
            ],
        },
        "app": {
            "vCelebText1_0": {
                "scar": [],
                "mole": ["cheek"],
                "lighting": [["frontal", ["0:00:01", "0:00:04", 3]]],
            }
        },
    }
    (corpus / "annotations.pkl").write_bytes(pickle.dumps(said, protocol=2))
    videos = put(film, tmp_path / "videos", "vCelebText1.mp4")
    found = import_corpus("celebv-text", corpus, tmp_path / "out", footage=videos)
    first, second = rows(found)
    # The boxes of this video reach to (1800, 1000): of 1920 x 1080, here 640 x 360.
    assert first["box"] == [160.0, 0.0, 340.0, 180.0]
    assert (second["start_s"], second["end_s"]) == (5.0, 8.5)  # start_frame holds seconds
    timed = [(a["name"], a["start_s"], a["end_s"]) for a in first["labels"] if a["kind"] == "action"]
    assert timed == [("talk", 1.0, 4.0), ("wag head", 2.0, 3.0)]
    assert named(first, "attribute") == {"mole": "yes", "light_direction": "even"}
    captions = [label for label in first["labels"] if label["kind"] == "caption"]
    assert sorted(c["name"] for c in captions) == ["medium", "short", "short"]
    assert {c["by"] for c in captions} == {"model:celebv-text-templates"}
    assert faults(found) == {"celebvtext_info.json vCelebText1_0": ["time", "label"]}
    assert found.prepared.without_equal == {"squint": 1}


def test_clips_that_share_a_name_are_both_kept_and_untimed_labels_go_to_neither(
    film: Path, tmp_path: Path
) -> None:
    clip = '{"ytb_id": "vCelebText1", "duration": {"start_sec": %s, "end_sec": %s}, "bbox": %s}'
    box = '{"top": 0, "bottom": 300, "left": 100, "right": 400}'
    text = f'{{"clips": {{"same_0": {clip % (1, 3, box)}, "same_0": {clip % (5, 8, box)}}}}}'
    corpus = tmp_path / "corpus"
    (corpus / "texts" / "emotion").mkdir(parents=True)
    (corpus / "texts" / "emotion" / "same_0.txt").write_text("She laughs.\n", encoding="utf-8")
    (corpus / "celebvtext_info.json").write_text(text, encoding="utf-8")
    act = {"same_0": [["talk", ["0:00:01", "0:00:03", 2, 0]], ["laugh", ["0:00:06", "0:00:07", 1, 0]]]}
    (corpus / "annotations.pkl").write_bytes(pickle.dumps({"act": act, "app": {}}))
    videos = put(film, tmp_path / "videos", "vCelebText1.mp4")
    found = import_corpus("celebv-text", corpus, tmp_path / "out", footage=videos)
    assert [[label["name"] for label in row["labels"]] for row in rows(found)] == [["talk"], ["laugh"]]
    assert faults(found) == {f"celebvtext_info.json same_0 #{k}": ["name"] for k in (1, 2)}


def test_a_box_without_a_stated_resolution_stays_where_the_file_can_hold_it() -> None:
    box = (849.0, 0.0, 1872.0, 937.0)
    place = in_unstated_frame(box, (1872.0, 937.0))
    assert place(1920, 1080) == box
    assert place(960, 540) == pytest.approx((424.5, 0.0, 936.0, 468.5))
    with pytest.raises(RowError, match="beyond any picture"):
        in_unstated_frame(box, (99999.0, 937.0))


class Hostile:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (print, ("this must never be printed",))


def test_a_hostile_pickle_is_refused_with_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "annotations.pkl"
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        path.write_bytes(pickle.dumps({"act": {"a_0": Hostile()}}, protocol=protocol))
        with pytest.raises(CorpusError, match="not plain data"):
            read_pickle(path)
    assert "never" not in capsys.readouterr().out
    for broken in (b"", b"\x80\x04", b"no pickle at all", pickle.dumps([1, 2])[:-3]):
        path.write_bytes(broken)
        with pytest.raises(CorpusError, match="broken pickle"):
            read_pickle(path)
    plain = {"act": {"a_0": [("talk", [1, 2.5, None, True])]}, "set": {1}, "fixed": frozenset((2,))}
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        path.write_bytes(pickle.dumps(plain, protocol=protocol))
        assert read_pickle(path) == plain


def test_hdtf_crops_are_scaled_from_the_reference_height(film: Path, tmp_path: Path) -> None:
    videos = put(film, tmp_path / "videos", "RD_Talk1.mp4", "Talk2.mp4")
    found = import_corpus("hdtf", SAMPLES / "hdtf", tmp_path / "out", footage=videos)
    first, second = rows(found)
    assert (first["start_s"], first["end_s"], first["box"]) == (1.0, 4.0, [200.0, 20.0, 440.0, 260.0])
    assert (second["start_s"], second["end_s"], second["box"]) == (5.0, 8.0, [50.0, 5.0, 300.0, 255.0])
    assert first["licence"].startswith("CC BY 4.0")
    assert faults(found) == {
        "RD_annotion_time.txt line 2 (Talk2_0)": ["row"],  # no crop
        "RD_annotion_time.txt line 3 (Talk3_0)": ["row"],  # no height
        "RD_annotion_time.txt line 4 (Talk4_0)": ["time"],
    }


def test_talkinghead_tubes_are_frames_of_one_minute_chunks(film: Path, tmp_path: Path) -> None:
    videos = put(film, tmp_path / "videos", "vTalkHeads1_0000.mp4")
    found = import_corpus("talkinghead-1kh", SAMPLES / "talkinghead", tmp_path / "out", footage=videos)
    (row,) = rows(found)
    # Frames 25 to 74, the last included, at 25 a second.
    assert (row["start_s"], row["end_s"], row["box"]) == (1.0, 3.0, [160.0, 45.0, 340.0, 225.0])
    assert faults(found) == {
        f"small_video_tubes.txt line {k}": [kind]
        for k, kind in ((2, "missing"), (3, "time"), (4, "box"), (5, "row"))
    }


def test_chunks_begin_with_the_first_keyframe_after_each_minute(film: Path) -> None:
    assert chunk_starts([0.0, 30.0, 59.0, 62.0, 90.0, 119.0, 121.0]) == [0.0, 62.0, 121.0]
    # After a gap of more than a minute the next keyframe ends the chunk that is overdue.
    assert chunk_starts([0.0, 130.0, 135.0, 181.0]) == [0.0, 130.0, 135.0, 181.0]
    assert keyframe_times(film) == [float(k) for k in range(10)]


def test_talkinghead_tubes_are_found_in_the_whole_video_too(film: Path, tmp_path: Path) -> None:
    videos = put(film, tmp_path / "videos", "vTalkHeads1.mp4")
    found = import_corpus("talkinghead-1kh", SAMPLES / "talkinghead", tmp_path / "out", footage=videos)
    assert [(r["start_s"], r["end_s"]) for r in rows(found)] == [(1.0, 3.0)]
    assert faults(found)["small_video_tubes.txt line 2"] == ["time"]  # there is no second minute


def test_voxceleb2_utterances_give_person_span_and_one_box(film: Path, tmp_path: Path) -> None:
    videos = put(film, tmp_path / "videos", "vVoxCelebA1.mp4")
    found = import_corpus("voxceleb2", SAMPLES / "voxceleb2", tmp_path / "out", footage=videos)
    (row,) = rows(found)
    assert row["person"] == "voxceleb2:id90001"
    assert (row["start_s"], row["end_s"]) == (1.0, 3.0)  # frames 25 to 74 at 25 a second
    assert row["box"] == pytest.approx([160.0, 72.0, 0.599 * 640, 252.0])
    assert faults(found) == {"id90001/vVoxCelebA1/00002.txt": ["row"]}


def test_talkvid_records_give_people_and_captions_and_keep_scores(film: Path, tmp_path: Path) -> None:
    videos = put(film, tmp_path / "videos", "vTalkVideo1.mp4")
    found = import_corpus("talkvid", SAMPLES / "talkvid.json", tmp_path / "out", footage=videos)
    first, second = rows(found)
    assert named(first, "attribute") == {"ethnicity": "black", "gender": "female", "age": "31-45"}
    assert (first["person"], first["language"]) == ("talkvid:12", "fr")
    (caption,) = [label for label in first["labels"] if label["kind"] == "caption"]
    assert (caption["name"], caption["by"]) == ("short", "model:talkvid-captioner")
    assert named(second, "attribute") == {"gender": "female"}
    details = [json.loads(line) for line in (tmp_path / "out" / "details.jsonl").read_text().splitlines()]
    assert details[0]["detail"]["dover_scores"] == 8.1 and details[0]["detail"]["age_group"] == "31-45"
    assert faults(found) == {
        "record 1 (videovideovTalkVideo1-scene1-scene3)": ["label", "label"],
        "record 2 (videovideovTalkVideo1-scene1-scene4)": ["row"],
        "record 3 (videovideovTalkVideo1-scene1-scene5)": ["row"],
    }


def test_crema_d_actors_speak_for_themselves_and_emotions_are_acted(film: Path, tmp_path: Path) -> None:
    names = ("9001_IEO_ANG_HI.flv", "9002_DFA_HAP_XX.mp4", "9004_WSI_NEU_XX.mp4")
    videos = put(film, tmp_path / "videos", *names)
    found = import_corpus("crema-d", SAMPLES / "VideoDemographics.csv", tmp_path / "out", footage=videos)
    first, second, third = rows(found)
    assert first["self_reported"] == {"age": 34, "gender": "female", "ethnicity": "black"}
    assert second["self_reported"] == {"age": 27, "gender": "male", "ethnicity": "latino"}
    assert third["self_reported"] == {"age": 40, "gender": "male"}
    assert first["labels"] == [
        {
            "kind": "attribute",
            "name": "emotion",
            "value": "angry",
            "by": "annotator",
            "who": "CREMA-D (acted)",
        }
    ]
    assert (first["person"], first["licence"]) == ("crema-d:9001", "ODbL 1.0")
    assert faults(found).pop("VideoDemographics.csv line 4") == ["row"]
    assert found.prepared.entries == 3 * 82  # clips an actor of the corpus's design


def test_dh_facevid_1k_is_a_folder_and_cannot_be_fetched(film: Path, tmp_path: Path) -> None:
    put(film, tmp_path / "dh", "a.mp4", "part/b.mp4")
    (tmp_path / "dh" / "c.mp4").write_bytes(b"no film")
    found = import_corpus("dh-facevid-1k", tmp_path / "dh", tmp_path / "out")
    assert [Path(row["path"]).name for row in rows(found)] == ["a.mp4", "b.mp4"]
    assert faults(found) == {"c.mp4": ["file"]}
    with pytest.raises(CorpusError, match="on request"):
        import_corpus("dh-facevid-1k", tmp_path / "dh", tmp_path / "out", fetch=True)


def test_a_table_of_ones_own(film: Path, tmp_path: Path) -> None:
    put(film, tmp_path, "mine/a.mp4")
    table = tmp_path / "mine" / "clips.csv"
    table.write_text(
        "path,start,end,box,box_size,person,licence,consent,by,annotator,age,emotion,shoe_size,caption\n"
        "a.mp4,0:01,0:03.5,960 540 1440 1080,1920x1080,p1,CC0,signed,self,,31,happy,44,\n"
        'a.mp4,4,6,"0.1,0.2,0.5,0.9",,p2,CC0,signed,annotator,kim,,sad,,A man sits.\n'
        "a.mp4,7,6,,,,,,,,,,,\n"
        "a.mp4,7,,,,,,,,,,,,\n"
        "a.mp4,7,8,700 0 900 100,,,,,,,,,,\n"
        "a.mp4,7,8,,,,,,,,300,,,\n"
        ",1,2,,,,,,,,,,,\n"
        "b.mp4,1,2,,,,,,,,,,,\n",
        encoding="utf-8",
    )
    found = import_corpus("general", table, tmp_path / "mine")
    first, second, third = rows(found)
    assert first["path"] == "a.mp4"  # the folder can be moved as a whole
    assert (first["start_s"], first["end_s"], first["box"]) == (1.0, 3.5, [320.0, 180.0, 480.0, 360.0])
    assert first["self_reported"] == {"age": "31", "emotion": "happy"} and "labels" not in first
    assert (first["licence"], first["consent"], first["person"]) == ("CC0", "signed", "p1")
    assert second["box"] == [64.0, 72.0, 320.0, 324.0]
    assert [(label["value"], label["who"]) for label in second["labels"]] == [
        ("sad", "kim"),
        ("A man sits.", "kim"),
    ]
    assert third["start_s"] == 7.0 and "licence" not in third
    assert faults(found) == {
        "header": ["label"],
        "line 4": ["time"],
        "line 5": ["time"],
        "line 6": ["box"],
        "line 7": ["label"],
        "line 8": ["row"],
        "line 9": ["missing"],
    }


def test_a_range_of_ages_goes_along_for_the_rules_of_people(film: Path, tmp_path: Path) -> None:
    put(film, tmp_path, "a.mp4")
    table = tmp_path / "clips.csv"
    table.write_text(
        "path,by,age\na.mp4,self,13-17\na.mp4,annotator,60+\na.mp4,self,young\n", encoding="utf-8"
    )
    found = import_corpus("general", table, tmp_path / "mine")
    stated, labelled, unknown = rows(found)
    assert stated["self_reported"] == {"age": "13-17"}
    assert named(labelled, "attribute") == {"age": "60+"} and labelled["labels"][0]["by"] == "annotator"
    assert "self_reported" not in unknown and faults(found) == {"line 4": ["label"]}


def test_a_mistyped_column_is_named_with_the_one_that_is_near(film: Path, tmp_path: Path) -> None:
    put(film, tmp_path, "a.mp4")
    table = tmp_path / "clips.csv"
    table.write_text("path,Consent,license\na.mp4,signed,CC0\n", encoding="utf-8")
    said = [problem.message for problem in import_corpus("general", table, tmp_path / "mine").problems]
    assert said[0].endswith("and is left out; rename it if 'consent' is meant.")
    assert said[1].endswith("and is left out; rename it if 'licence' is meant.")
    table.write_text("path;consent\na.mp4;signed\n", encoding="utf-8")
    with pytest.raises(CorpusError, match=r"parted by commas, are 'path;consent'\."):
        import_corpus("general", table, tmp_path / "mine")


def test_a_video_that_is_not_there_is_no_failure_unless_all_are(
    film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(film, tmp_path, "a.mp4")
    table = tmp_path / "clips.csv"

    def code(text: str) -> int:
        table.write_text(text, encoding="utf-8")
        return main(["import", "general", str(table), "-o", str(tmp_path / "mine")])

    assert code("path\na.mp4\nb.mp4\nc.mp4\n") == 0
    said = capsys.readouterr().err
    assert "Clips without a video: 2" in said and "line 3: There is no video b.mp4" in said
    assert code("path,end\na.mp4,\nb.mp4,\na.mp4,soon\n") == 1
    assert code("path\nb.mp4\n") == 1


def test_the_same_import_writes_the_same_bytes(film: Path, tmp_path: Path) -> None:
    videos = put(film, tmp_path / "videos", "vCelebvHq_1.mp4")
    written = []
    for name in ("one", "two"):
        import_corpus("celebv-hq", SAMPLES / "celebvhq_info.json", tmp_path / name, footage=videos)
        written.append(
            [(tmp_path / name / f).read_bytes() for f in ("footage.jsonl", "details.jsonl", "problems.jsonl")]
        )
    assert written[0] == written[1]


def test_limit_takes_the_first_clips_only(film: Path, tmp_path: Path) -> None:
    videos = put(film, tmp_path / "videos", "vCelebvHq_1.mp4")
    found = import_corpus(
        "celebv-hq", SAMPLES / "celebvhq_info.json", tmp_path / "out", footage=videos, limit=1
    )
    assert len(rows(found)) == found.prepared.entries == 1


def test_a_build_reads_the_manifest(film: Path, tmp_path: Path) -> None:
    from facevid.curate.scan import find_footage

    videos = put(film, tmp_path / "videos", "vCelebvHq_1.mp4")
    found = import_corpus("celebv-hq", SAMPLES / "celebvhq_info.json", tmp_path / "out", footage=videos)
    (source,) = find_footage(found.prepared.manifest)
    assert source.path == (videos / "vCelebvHq_1.mp4").resolve()
    assert source.facts["licence"] == CORPORA["celebv-hq"].ABOUT.licence


def test_what_cannot_be_imported_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no corpus 'celebv'; there are dh-facevid-1k, celebv-hq"):
        import_corpus("celebv", tmp_path, tmp_path / "out")
    with pytest.raises(CorpusError, match=r"no folder .*nowhere"):
        import_corpus(
            "celebv-hq", SAMPLES / "celebvhq_info.json", tmp_path / "out", footage=tmp_path / "nowhere"
        )
    for name, file in (("celebv-hq", "talkvid.json"), ("hdtf", "voxceleb2"), ("voxceleb2", "hdtf"),
                              ("talkvid", "celebvhq_info.json"), ("crema-d", "talkvid.json")):  # fmt: skip
        with pytest.raises(CorpusError):
            import_corpus(name, SAMPLES / file, tmp_path / "out")


def test_words_of_the_corpora_mean_what_the_vocabulary_has() -> None:
    assert len(APPEARANCE) == 41  # the 40 of CelebV-HQ, one of them in two spellings
    assert len(ACTIONS) == 37  # CelebV-Text's; CelebV-HQ has all but blink and squint
    for meanings in APPEARANCE.values():
        for meaning in meanings:
            if meaning is not None:
                Statement("", "attribute", *meaning, by="annotator")
    for action in ACTIONS.values():
        if action is not None:
            Statement("", "action", action, "", "annotator", start_s=0, end_s=1)


def test_times_and_repeated_keys_are_read_as_published(tmp_path: Path) -> None:
    assert [seconds(t, "t") for t in ("0:03:37", "00:20", "1:02:03.5", 7, "8.25")] == [
        217,
        20,
        3723.5,
        7,
        8.25,
    ]
    for wrong in ("0:70", "soon", "", None, float("nan"), True, "1:60:00"):
        with pytest.raises(RowError):
            seconds(wrong, "t")
    path = tmp_path / "twice.json"
    path.write_text('{"a": 1, "a": 2}', encoding="utf-8")
    assert read_json(path).pairs == [("a", 1), ("a", 2)]


@pytest.mark.parametrize(
    ("name", "file", "clips", "faults_"),
    [
        ("celebv-hq", "celebvhq_info.sample.json", 2, 0),
        ("celebv-text", "celebvtext_info.sample.json", 2, 0),
        ("hdtf", ".", 64, 2),
        ("talkvid", "talkvid.sample.json", 1, 0),
        ("crema-d", "cremad_VideoDemographics.csv", 91 * 82, 0),
    ],
)
def test_the_corpora_own_samples_are_read(
    name: str, file: str, clips: int, faults_: int, shared_footage: Path
) -> None:
    folder = shared_footage.parent / "refs" / "corpora"
    if not folder.is_dir():
        pytest.skip("no samples of the corpora in the shared folder")
    problems = Problems()
    assert len(list(CORPORA[name].read(folder / file, problems))) == clips
    assert len(problems) == faults_


def nodes(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where in a JSON value something stands."""
    found = [path]
    for key, part in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        found += nodes(part, (*path, key))
    return found


def replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    """The value with something else at a place; `by` is REMOVED to take it away."""
    if not path:
        return by
    copy = dict(value) if isinstance(value, dict) else list(value)
    if len(path) == 1 and by is REMOVED:
        del copy[path[0]]
    else:
        copy[path[0]] = replaced(copy[path[0]], path[1:], by)
    return copy


REMOVED = object()
NONSENSE = (REMOVED, None, [], {}, "x", -1, 1e308, True, [[1]], {"a": 1}, "9" * 400, "\u0000", float("nan"))
RECORDS = {
    "celebv-hq": {
        "ytb_id": "vCelebvHq_1",
        "duration": {"start_sec": 1.0, "end_sec": 4.0},
        "bbox": {"top": 0.1, "bottom": 0.8, "left": 0.25, "right": 0.65},
        "attributes": {
            "appearance": [0, 1],
            "action": [1],
            "emotion": {"sep_flag": True, "labels": [{"emotion": "sad", "start_sec": 0, "end_sec": 0.5}]},
        },
    },
    "celebv-text": {
        "ytb_id": "vCelebText1",
        "duration": {"start_sec": 1.0, "end_sec": 4.0},
        "bbox": {"top": 0, "bottom": 540, "left": 480, "right": 1020},
    },
    "talkvid": {
        "id": "clip-1",
        "start-time": 1.0,
        "end-time": 4.0,
        "info": {
            "Person ID": "12",
            "Ethnicity": "Black",
            "Gender": "Female",
            "Video Link": "https://www.youtube.com/watch?v=vTalkVideo1",
            "Language": "French",
        },
        "description": "A woman speaks.",
        "dover_scores": 8.1,
    },
}


@pytest.mark.parametrize("name", RECORDS)
def test_nonsense_anywhere_in_a_record_costs_that_record_at_most(
    name: str, film: Path, tmp_path: Path
) -> None:
    sound = RECORDS[name]
    bad = [replaced(sound, path, by) for path in nodes(sound) for by in NONSENSE if path or by is not REMOVED]
    clips = {f"bad_{k}": clip for k, clip in enumerate(bad)} | {"sound_0": sound}
    if name == "talkvid":
        data: Any = [*bad, sound]
    else:
        data = {
            "meta_info": {"appearance_mapping": ["male", "tan"], "action_mapping": ["talk"]},
            "clips": clips,
        }
    (tmp_path / "info.json").write_text(json.dumps(data), encoding="utf-8")
    videos = put(film, tmp_path / "videos", "vCelebvHq_1.mp4", "vCelebText1.mp4", "vTalkVideo1.mp4")
    found = import_corpus(name, tmp_path / "info.json", tmp_path / "out", footage=videos)
    last = rows(found)[-1]
    assert last["path"].startswith(str(tmp_path)) and (last["start_s"], last["end_s"]) == (1.0, 4.0)
    assert len(found.problems) > len(bad) / 4
    from facevid.curate.scan import find_footage

    assert len(find_footage(found.prepared.manifest)) == 1  # whatever is written, a build can read


@pytest.mark.parametrize("part", ["act", "app"])
def test_nonsense_anywhere_in_the_pickle_costs_its_label_at_most(part: str, tmp_path: Path) -> None:
    said = {
        "act": {"vCelebText1_0": [["talk", ["0:00:01", "0:00:04", 3, 0]]]},
        "app": {"vCelebText1_0": {"mole": ["x"], "lighting": [["frontal", ["0:00:01", "0:00:04", 3]]]}},
    }
    (tmp_path / "celebvtext_info.json").write_text(
        json.dumps({"clips": {"vCelebText1_0": RECORDS["celebv-text"]}})
    )
    for path in nodes(said)[1:]:
        for by in NONSENSE:
            if path[0] == part:
                (tmp_path / "annotations.pkl").write_bytes(pickle.dumps(replaced(said, path, by)))
                problems = Problems()
                read = CORPORA["celebv-text"].read(tmp_path / "celebvtext_info.json", problems)
                assert [entry.name for entry in read] == ["vCelebText1_0"]


def test_the_command_prints_what_was_done_and_says_that_rows_failed(
    film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from facevid.cli import main

    videos = put(film, tmp_path / "videos", "RD_Talk1.mp4")
    given = ["import", "hdtf", str(SAMPLES / "hdtf"), "-o", str(tmp_path / "out"), "--from", str(videos)]
    assert main([*given, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["rows"], told["sources"], told["problems"]) == (2, 1, {"row": 2, "time": 1})
    assert main(given) == 1
    out, err = capsys.readouterr()
    assert "2 of 2 clips, from 1 videos. Licence: CC BY 4.0" in out and "facevid build" in out
    assert "RD_annotion_time.txt line 4 (Talk4_0): It starts at 9 s and ends at 6 s" in err
    assert main(["import", "nothing", "x", "-o", str(tmp_path / "out")]) == 2
    assert "there are dh-facevid-1k" in capsys.readouterr().err
