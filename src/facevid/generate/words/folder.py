"""Folders of an autoencoder and of a text encoder as changes of the recipe of a model."""

from __future__ import annotations

import json
import os
from pathlib import Path

from facevid.generate.errors import GenerateError
from facevid.generate.model_folder import FACTS, read_facts


def parts_named(autoencoder: str | os.PathLike[str] | None, text: str | os.PathLike[str] | None) -> list[str]:
    """The changes of a recipe by which a model takes these parts; none for those that are None."""
    coder = [] if autoencoder is None else [f"model.autoencoder={json.dumps(os.fspath(autoencoder))}"]
    return coder + ([] if text is None else words_of(os.fspath(text)))


def words_of(folder: str) -> list[str]:
    """The changes of a recipe by which a model takes this text encoder, its tokenizer and their length of captions.

    Raises GenerateError where the folder holds none that facevid trained.
    """
    place = Path(folder)
    facts = read_facts(place) if (place / FACTS).is_file() else {}
    if facts.get("kind") != "text":
        raise GenerateError(
            f"There is no text encoder of facevid's in {folder}. Train one (facevid train text --data DATASET -o TEXT) "
            "and name its folder; one of transformers is named in model.config.text_encoder and model.config.tokenizer."
        )
    length = facts["recipe"]["text"]["length"]
    name = json.dumps(folder)
    return [
        f"model.config.text_encoder={name}",
        f"model.config.tokenizer={name}",
        f"model.config.text_length={length}",
    ]
