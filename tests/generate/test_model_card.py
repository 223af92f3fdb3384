"""A model's card says what was counted in its data, and what is not known stands there as unknown."""

from __future__ import annotations

import dataclasses
import hashlib
import sys
from pathlib import Path

import pyarrow as pa
import pytest

import facevid
from facevid.curate.pack import pack_dataset
from facevid.dataset.annotating import update_annotations
from facevid.dataset.statements import Statement
from facevid.generate.data_facts import data_facts

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
