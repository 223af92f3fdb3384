"""The card and croissant.json say what is in the tables, are valid for the libraries that read them, and stay true."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import mlcroissant
import pyarrow as pa
import pytest
import yaml
from huggingface_hub import DatasetCard
from packing import work

import facevid
from facevid.cli import main
from facevid.curate.pack import pack_dataset
from facevid.dataset.annotating import update_annotations
from facevid.dataset.published import DatasetError
from facevid.dataset.statements import Statement


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve clips of three sources and two people: six female by themselves, three male by a model, three unknown."""
    place = tmp_path_factory.mktemp("card")
    tables = work(place / "cut", 12)
    sources = tables.sources.append_column("licence", pa.array(["CC-BY-4.0", "CC-BY-4.0", None]))
    sources = sources.append_column("consent", pa.array(["written", None, None]))
    sources = sources.append_column("language", pa.array(["en", "en", "de"]))
    pack_dataset(
        place / "dataset",
        tables=dataclasses.replace(tables, sources=sources),
        clip_folder=place / "cut",
        recipe={"name": "mine", "fps": 25.0, "select": {"min_s": 2.0, "rules": [RULE]}},
        name="faces | <b>",
    )
    ids = facevid.open(place / "dataset").to_arrow("clips")["clip_id"].to_pylist()
    said = [Statement(i, "attribute", "gender", "female", "self") for i in ids[:6]]
    said += [Statement(i, "attribute", "gender", "male", "model:guess", 0.5) for i in ids[4:9]]
    said += [Statement(i, "attribute", "age", "34", "self") for i in ids[:6]]
    update_annotations(place / "dataset", add=said)
    return place / "dataset"


RULE = {"reason": "sharpness", "score": "sharpness", "min": 0.5, "max": None, "over_s": 1.2}


@pytest.fixture
def dataset(base: Path, tmp_path: Path) -> Path:
    shutil.copytree(base, tmp_path / "dataset")
    return tmp_path / "dataset"


def _matter(folder: Path) -> dict[str, Any]:
    matter: dict[str, Any] = yaml.safe_load((folder / "README.md").read_text().split("---\n")[1])
    return matter


def test_every_figure_of_the_card_is_counted_in_the_tables(base: Path) -> None:
    text = (base / "README.md").read_text()
    assert "12 clips of talking faces, 0.00 hours, 2 people, cut from 3 sources; 1 stretches" in text
    assert (
        "| female | 6 | 50.0 % |" in text
        and "| male | 3 | 25.0 % |" in text
        and "| unknown | 3 | 25.0 % |" in text
    )
    assert "said by self (66.7 %), model:guess (33.3 %)" in text
    assert "| CC-BY-4.0 | 2 | 8 | 0.00 | 66.7 % |" in text and "| written | 1 | 4 | 0.00 | 33.3 % |" in text
    assert "| sharpness | sharpness | 0.5 |  | 1.2 |" in text
    assert "| gender | model:guess | 2 | 0.0 % | 0 to 66 % |" in text  # Wilson: 1.96^2 / (2 + 1.96^2) = .658
    assert "2 of 3 sources state no consent." in text
    assert "# faces \\| &lt;b>" in text


def test_the_hub_reads_the_front_matter(dataset: Path) -> None:
    facevid.card(dataset, licence="cc by 4.0", gated=True, gate_fields=[("I agree", "checkbox")])
    card = DatasetCard.load(dataset / "README.md")
    assert card.data.license == "cc-by-4.0" and card.data.language == ["de", "en"]
    assert card.data.size_categories == ["n<1K"] and "text-to-video" in card.data.task_categories
    matter = _matter(dataset)
    assert (
        matter["extra_gated_fields"] == {"I agree": "checkbox"}
        and "real people" in matter["extra_gated_prompt"]
    )
    assert [c["config_name"] for c in matter["configs"]] == [
        "clips",
        "sources",
        "annotations",
        "rejected",
        "failed",
    ]
    facevid.card(dataset, gated=False)
    assert "extra_gated_prompt" not in _matter(dataset)


def test_a_licence_from_a_file_is_copied_and_linked(dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "terms.txt").write_text("Faces Licence 1.0\n\nOnly for research.\n")
    facevid.card(dataset, licence=tmp_path / "terms.txt")
    matter = _matter(dataset)
    assert (matter["license"], matter["license_name"], matter["license_link"]) == (
        "other", "faces-licence-1.0", "LICENSE",
    )  # fmt: skip
    assert (dataset / "LICENSE").read_text().startswith("Faces Licence")
    assert facevid.verify(dataset, decode=0).sound


def test_croissant_is_valid_and_its_records_are_read(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlcroissant._src.operation_graph.operations import extract

    monkeypatch.setattr(extract, "EXTRACT_PATH", extract.epath.Path(tmp_path / "cache"))
    facevid.card(
        dataset,
        licence="CC-BY-4.0",
        published="2026-11-26",
        creators=["Lab"],
        url="https://example.org/faces",
    )
    read = mlcroissant.Dataset(jsonld=dataset / "croissant.json")
    assert not read.metadata.ctx.issues.errors and not read.metadata.ctx.issues.warnings
    assert read.metadata.ctx.is_v1_1()
    assert read.metadata.personal_sensitive_information and read.metadata.data_limitations
    ds = facevid.open(dataset)
    rows = list(read.records("clips"))
    assert [r["clips/clip_id"].decode() for r in rows] == ds.ids.to_pylist()
    assert [r["clips/gender_value"] for r in rows[:7]] == [b"female"] * 6 + [b"male"]
    assert rows[9]["clips/gender_value"] is None and rows[0]["clips/frames"] == 8
    videos = {r["mp4/clip_id"].decode(): r["mp4/content"] for r in read.records("mp4")}
    assert videos == {clip.clip_id: clip.read("mp4") for clip in ds}
    assert len(list(read.records("annotations"))) == len(ds.to_arrow("annotations"))


def test_croissant_lists_every_file_with_its_hash(base: Path) -> None:
    listed = json.loads((base / "croissant.json").read_text())
    files = {f["@id"]: f["sha256"] for f in listed["distribution"] if f["@type"] == "cr:FileObject"}
    assert files == {f.path: f.sha256 for f in facevid.open(base).manifest.files}
    assert listed["conformsTo"][0].endswith("croissant/1.1") and "license" not in listed


def test_what_was_said_and_the_notes_stay_when_the_dataset_is_published_anew(dataset: Path) -> None:
    facevid.card(dataset, contact="privacy@example.org", release="2.0.0")
    readme = dataset / "README.md"
    readme.write_text(
        readme.read_text().replace("<!-- end of notes -->", "Read me first.\n<!-- end of notes -->")
    )
    ids = facevid.open(dataset).ids.to_pylist()
    update_annotations(
        dataset, add=[Statement(ids[11], "attribute", "gender", "female", "annotator", who="a")]
    )
    text = readme.read_text()
    assert "Read me first." in text and "privacy@example.org" in text and "| female | 7 | 58.3 % |" in text
    assert facevid.verify(dataset, decode=0).sound


def test_the_same_dataset_gives_the_same_bytes(dataset: Path) -> None:
    facevid.card(dataset, licence="MIT")
    first = [(dataset / n).read_bytes() for n in ("README.md", "croissant.json", "dataset.json")]
    facevid.card(dataset)
    assert [(dataset / n).read_bytes() for n in ("README.md", "croissant.json", "dataset.json")] == first


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"release": "two"}, "MAJOR.MINOR.PATCH"),
        ({"published": "yesterday"}, "YYYY-MM-DD"),
        ({"gate_fields": [("Name", "essay")]}, "allowed: text, checkbox"),
        ({"licence": " "}, "needs a name"),
    ],
)
def test_what_is_not_allowed_is_said_and_changes_nothing(
    dataset: Path, given: dict[str, Any], said: str
) -> None:
    before = (dataset / "dataset.json").read_bytes()
    with pytest.raises(DatasetError, match=said):
        facevid.card(dataset, **given)
    assert (dataset / "dataset.json").read_bytes() == before


def test_stats_count_attributes_rights_and_combinations(base: Path) -> None:
    found = facevid.stats(base)
    gender = found.attributes["gender"]
    assert gender.values == {"female": 6, "male": 3} and gender.unknown == 3
    assert gender.by == {"model:guess": (3, 0.5), "self": (6, None)}
    assert [(p.word, p.sources, p.clips) for p in found.rights["licence"]] == [
        ("CC-BY-4.0", 2, 8),
        (None, 1, 4),
    ]
    assert found.rejected == {"sharpness": (1, 1.0)} and found.seconds == pytest.approx(12 * 8 / 25)
    cells = facevid.stats(base, by=["gender", "language"]).cells
    assert sum(c.clips for c in cells) == 12
    assert {c.values: c.clips for c in cells}[("female", "en")] == 6
    assert {c.values: c.clips for c in facevid.stats(base, by=["age_group"]).cells} == {
        ("30 to 39",): 6,
        (None,): 6,
    }


def test_stats_of_a_choice_count_those_clips(base: Path) -> None:
    found = facevid.stats(base, where="attributes.gender.value = 'male'")
    assert (found.clips, found.attributes["gender"].values, found.rejected) == (3, {"male": 3}, {})
    assert found.sources == len(
        {c["source_id"] for c in facevid.open(base).where("attributes.gender.value = 'male'")}
    )
    with pytest.raises(DatasetError, match=r"cannot be counted by 'height_of_nose'.*age_group"):
        facevid.stats(base, by=["height_of_nose"])


def test_info_says_what_it_is_and_what_to_do_next(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = facevid.info(dataset)
    assert (found.clips, found.people, found.annotated, found.tables["sources"]) == (12, 2, True, 3)
    assert found.bytes == sum(f.bytes for f in facevid.open(dataset).manifest.files)
    assert any(step.startswith("facevid card") for step in found.next)
    assert not any(step.startswith("facevid split") for step in found.next), (
        "two people do not fill three parts"
    )
    assert main(["info", str(dataset)]) == 0 and main(["stats", str(dataset), "--by", "gender"]) == 0
    assert main(["card", str(dataset), "--licence", "MIT", "--contact", "me@example.org"]) == 0
    shown = capsys.readouterr().out
    assert "12 clips" in shown and "female" in shown and "croissant.json" in shown
    assert not any(step.startswith("facevid card") for step in facevid.info(dataset).next)


def test_info_suggests_a_split_where_there_are_people_for_it(
    dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facevid.dataset.describing.info._PARTS", 2)
    assert any(
        step.startswith("facevid split") and step.endswith(" people") for step in facevid.info(dataset).next
    )
