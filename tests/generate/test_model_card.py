"""A model's card says what was counted in its data, and what is not known stands there as unknown."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from huggingface_hub import ModelCard

import facevid
from facevid.curate.pack import pack_dataset
from facevid.dataset.annotating import update_annotations
from facevid.dataset.statements import Statement
from facevid.generate.card import write_card
from facevid.generate.data_facts import data_facts
from facevid.media import probe

from .test_family_ltx import made
from .test_generate import FACTS

sys.path.insert(0, str(Path(__file__).parents[1] / "curate"))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> facevid.Dataset:
    """Twelve clips of three sources: six women by themselves, three men by a model, three unknown."""
    from packing import work

    place = tmp_path_factory.mktemp("model-card")
    tables = work(place / "cut", 12)
    sources = tables.sources.append_column("licence", pa.array(["CC-BY-4.0", "CC-BY-4.0", None]))
    pack_dataset(
        place / "dataset",
        tables=dataclasses.replace(tables, sources=sources),
        clip_folder=place / "cut",
        recipe={"name": "mine", "fps": 25.0},
        name="faces | <b>",
    )
    ids = facevid.open(place / "dataset").to_arrow("clips")["clip_id"].to_pylist()
    said = [Statement(i, "attribute", "gender", "female", "self") for i in ids[:6]]
    said += [Statement(i, "attribute", "gender", "male", "model:guess", 0.5) for i in ids[6:9]]
    said += [Statement(i, "attribute", "age", "34", "self") for i in ids[:6]]
    update_annotations(place / "dataset", add=said)
    return facevid.open(place / "dataset")


def test_data_facts_are_counted_in_the_training_clips_alone(dataset: facevid.Dataset) -> None:
    ids = dataset.ids.to_pylist()
    facts = data_facts(dataset.select(ids[4:]), dataset.select(ids[:4]))
    assert facts["dataset"] == "faces | <b>"
    manifest = (dataset.folder / "dataset.json").read_bytes()
    assert facts["dataset_sha256"] == hashlib.sha256(manifest).hexdigest()
    assert facts["train_clips"] == 8 and facts["validation_clips"] == 4
    gender = facts["balance"]["gender"]
    assert {v: n["clips"] for v, n in gender["values"].items()} == {"male": 3, "female": 2}
    assert gender["unknown"]["clips"] == 3 and gender["said_by"] == {"self": 2, "model:guess": 3}
    assert facts["balance"]["age_group"]["values"].keys() == {"30 to 39"}
    assert facts["balance"]["skin_tone"] == {
        "values": {},
        "unknown": facts["balance"]["skin_tone"]["unknown"],
        "said_by": {},
    }
    assert facts["balance"]["skin_tone"]["unknown"]["clips"] == 8


def test_licences_are_those_of_the_training_clips_with_unknown_named(dataset: facevid.Dataset) -> None:
    facts = data_facts(dataset, dataset.select([]))
    clips = {x["word"]: x["clips"] for x in facts["licences"]}
    assert sum(clips.values()) == 12 and set(clips) == {"CC-BY-4.0", None}


@pytest.fixture(scope="module")
def facts(dataset: facevid.Dataset) -> dict[str, Any]:
    """facevid.json of a model that learnt from eight of the clips."""
    ids = dataset.ids.to_pylist()
    return {
        **FACTS,
        "modes": ["i2v", "t2v", "unconditional"],
        "recipe_name": "tiny",
        "held_out_loss": 0.51234,
        "samples_seen": 1200,
        "data": data_facts(dataset.select(ids[4:]), dataset.select(ids[:4])),
        "tool_versions": {"facevid": "0.1.0"},
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, facts: dict[str, Any]) -> Path:
    place = tmp_path_factory.mktemp("carded") / "model"
    made().save(place)
    (place / ".train").mkdir()
    rows: list[dict[str, Any]] = [{"step": k, "loss": 1.0} for k in range(1, 13)]
    rows += [{"step": 12 * k, "held_out": 1 / k} for k in range(1, 21)]
    (place / ".train" / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_card(place, facts)
    return place


def text_of(folder: Path) -> str:
    return (folder / "README.md").read_text()


def test_the_card_says_what_was_counted(folder: Path, facts: dict[str, Any]) -> None:
    text = text_of(folder)
    assert facts["data"]["dataset_sha256"] in text
    assert "| training | 8 clips, " in text and "| held out | 4 clips, " in text
    assert re.search(r"\| male \| \d \| 3 \| 37\.5 % \|", text)
    assert "said by model:guess (3 clips), self (2 clips)" in text
    assert "**Skin tone**: unknown in every clip." in text
    assert "| held-out loss | 0.5123 |" in text and "faces \\| &lt;b>" in text
    shown = re.findall(r"^\| (\d+) \| (\d\.\d{4}) \|$", text, re.MULTILINE)
    assert len(shown) == 8 and shown[0] == ("12", "1.0000") and shown[-1] == ("240", "0.0500")
    recipe = yaml.safe_load(text.split("```yaml\n")[1].split("```")[0])
    assert recipe == FACTS["recipe"]


def test_the_hub_reads_the_front_matter(folder: Path) -> None:
    card = ModelCard.load(folder / "README.md")
    assert card.data.library_name == "diffusers" and card.data.pipeline_tag == "text-to-video"
    assert card.data.license == "unknown", "one source states no licence"
    assert "datasets" not in card.data.to_dict(), "the dataset is on no hub"


@pytest.mark.parametrize(
    ("stated", "base", "licence"),
    [
        (["CC-BY-4.0"], None, {"license": "cc-by-4.0"}),
        (["CC-BY-4.0", "CC0-1.0"], None, {"license": "other", "license_name": "several-see-below"}),
        (["Faces Licence 1"], None, {"license": "other", "license_name": "faces-licence-1"}),
        (["CC-BY-4.0"], "org/base", {"license": "other", "license_name": "several-see-below"}),
        ([], None, {"license": "unknown"}),
    ],
)
def test_the_licence_is_that_of_the_data_where_it_is_one(
    folder: Path,
    facts: dict[str, Any],
    tmp_path: Path,
    stated: list[str],
    base: str | None,
    licence: dict[str, str],
) -> None:
    data = {**facts["data"], "licences": [{"word": w, "clips": 1, "hours": 0.1} for w in stated]}
    data["dataset_url"] = "https://huggingface.co/datasets/org/faces"
    recipe = {**FACTS["recipe"], "model": {"family": "ltx", "pretrained": base}}
    (tmp_path / "model_index.json").write_bytes((folder / "model_index.json").read_bytes())
    path = write_card(tmp_path, {**facts, "data": data, "recipe": recipe})
    matter = yaml.safe_load(path.read_text().split("---\n")[1])
    assert {k: v for k, v in matter.items() if k.startswith("license")} == licence
    assert matter["datasets"] == ["org/faces"] and matter.get("base_model") == base


def test_what_is_not_known_stands_as_unknown(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_bytes((folder / "model_index.json").read_bytes())
    text = write_card(tmp_path, {"kind": "video"}).read_text()
    for line in ("trained with facevid on unknown clips of unknown people", "| family | unknown |",
                 "Unknown: nothing was recorded.", "The recipe is unknown."):  # fmt: skip
        assert line in text


def test_a_card_says_how_facevid_begins_where_diffusers_begins_otherwise(
    folder: Path, facts: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "model_index.json").write_bytes((folder / "model_index.json").read_bytes())

    def told(**sampling: float) -> str:
        recipe = {**facts["recipe"], "validation": {**facts["recipe"]["validation"], **sampling}}
        return write_card(tmp_path, {**facts, "recipe": recipe}).read_text()

    assert "facevid begins" not in told(temperature=1.0)
    text = told(temperature=0.8, strength=0.5)
    assert "noise of deviation 0.8" in text and "under 0.5 of the noise" in text


def test_notes_of_people_stay_and_the_same_model_gives_the_same_bytes(
    folder: Path, facts: dict[str, Any]
) -> None:
    path, before = folder / "README.md", text_of(folder)
    write_card(folder, facts)
    assert text_of(folder) == before
    path.write_text(before.replace("and stays -->\n", "and stays -->\nMine.\n"))
    mine = text_of(folder)
    write_card(folder, facts)
    assert text_of(folder) == mine and "Mine." in mine
    path.write_text(before)


def test_the_code_of_the_card_runs_as_it_is(
    folder: Path, facts: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "facevid.json").write_text(json.dumps(facts))
    code = text_of(folder).split("```python\n")[1].split("```")[0]
    assert "num_frames=5" in code and "frame_rate=12.5" in code and "guidance_scale=2.0" in code
    monkeypatch.chdir(folder)
    exec(compile(code, "README.md", "exec"), {})
    info = probe(folder / "out.mp4")
    assert (info.width, info.height) == (32, 32)
    shell = text_of(folder).split("```bash\n")[1].split("```")[0].splitlines()
    assert shell[0].startswith("facevid generate . --prompt") and "--image face.jpg" in shell[1]
