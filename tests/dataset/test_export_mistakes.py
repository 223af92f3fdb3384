"""What an export tells its reader fits the files that are there; mistakes of whoever asks for one are sentences."""

from __future__ import annotations

from pathlib import Path

import pytest

import facevid
from facevid.dataset.published import DatasetError
from facevid.dataset.sharing.exporting import export


@pytest.mark.parametrize("form", ["folder", "webdataset", "huggingface"])
def test_the_card_of_an_export_names_no_file_that_only_a_dataset_has(
    published: Path, tmp_path: Path, form: str
) -> None:
    only_datasets = (
        "`rejected/`",
        "`failed/`",
        "`dataset.json`",
        "facevid verify",
        "facevid.open",
        " files, ",
    )
    export(published, tmp_path / "out", format=form)  # type: ignore[arg-type]
    card = (tmp_path / "out" / "README.md").read_text()
    assert [name for name in only_datasets if name in card] == []
    export(published, tmp_path / "own")
    card = (tmp_path / "own" / "README.md").read_text()
    assert [name for name in only_datasets if name not in card] == []


def test_a_table_s_name_without_its_format_is_refused_and_nothing_is_written(
    published: Path, tmp_path: Path
) -> None:
    for name, named in (("a.csv", "csv"), ("a.JSONL", "jsonl")):
        with pytest.raises(
            DatasetError, match=rf"{name} is named like a table, .* choose the format {named}"
        ):
            export(published, tmp_path / name)
        assert not (tmp_path / name).exists()
    assert len(facevid.open(published)) == export(published, tmp_path / "a.csv", format="csv")["clips"]


def test_the_example_of_a_card_reads_what_people_train_on(published: Path, tmp_path: Path) -> None:
    facevid.open(published).split([0.5, 0.5]).save("people")
    for form, first in (("huggingface", '["train"]'), ("webdataset", '"train-00000.tar"')):
        export(published, tmp_path / form, format=form, subset="people")  # type: ignore[arg-type]
        card = (tmp_path / form / "README.md").read_text()
        assert first in card
        assert card.index("split: train") < card.index("split: test")
