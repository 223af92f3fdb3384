"""Prompts against a tokenizer: words that nothing was learnt of are named, and where a long prompt stops being read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from facevid.generate.errors import GenerateError
from facevid.generate.prompts import prompt_notes, read_prompts, unknown_words
from facevid.generate.text import train_tokenizer

from . import tiny

CAPTIONS = ["A young woman with salt-and-pepper hair smiles.", "The man's eyes are closed; he nods twice."]


@pytest.fixture(scope="module")
def learnt() -> Any:
    return train_tokenizer(CAPTIONS, length=12)


def test_every_word_of_the_captions_is_known(learnt: Any) -> None:
    assert unknown_words(learnt, CAPTIONS, learnt=True) == []
    assert unknown_words(learnt, ["a YOUNG man nods, eyes closed"], learnt=True) == []


def test_words_that_the_captions_lack_are_named_once(learnt: Any) -> None:
    found = unknown_words(learnt, ["a young wizard nods", "the wizard's parrot smiles 3 times"], learnt=True)
    assert found == ["wizard", "parrot", "times"]
    note = prompt_notes(learnt, ["a wizard"], learnt=True)
    assert note == [
        "The captions that the model learnt from do not have 'wizard': it cannot know what is meant."
    ]


def test_a_pretrained_tokenizer_knows_what_it_has_no_unknown_token_for(learnt: Any) -> None:
    assert unknown_words(learnt, ["a young wizard nods"]) == []
    assert unknown_words(tiny.tokenizer(), ["a wizard smiles"]) == ["wizard"]


def test_a_long_prompt_is_told_what_is_not_read(learnt: Any) -> None:
    prompt = "A young woman with hair smiles. The man nods twice, he smiles, he nods."
    kept = learnt(prompt, truncation=True, max_length=12)["input_ids"]
    assert len(kept) == 12
    (note,) = prompt_notes(learnt, [prompt], learnt=True)
    assert "tokens and the model reads 12: what it does not read begins with ', he smiles" in note
    assert prompt_notes(learnt, ["a woman smiles"], length=4) == []
    assert len(prompt_notes(learnt, ["a woman smiles"], length=3)) == 1


def test_no_tokenizer_and_no_prompt_have_nothing_to_say(learnt: Any) -> None:
    assert prompt_notes(None, ["anything"]) == [] and prompt_notes(learnt, ["", ""]) == []


def test_a_file_of_prompts_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n \n")
    with pytest.raises(GenerateError, match=r"empty\.txt holds no prompt"):
        read_prompts(tmp_path / "empty.txt")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(GenerateError, match=r"binary\.txt is no text"):
        read_prompts(tmp_path / "binary.txt")
    (tmp_path / "bom.txt").write_bytes("\ufeffa woman\r\na man\r\n".encode())
    assert read_prompts(tmp_path / "bom.txt") == ["a woman", "a man"]
