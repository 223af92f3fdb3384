"""What a saved model says that it makes is what it has learnt, and nothing else is made with it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from facevid.generate.asking import check_modes
from facevid.generate.errors import GenerateError
from facevid.generate.model_folder import ModelFolder
from facevid.generate.recipe import read_recipe
from facevid.generate.saving import learnt_modes

ALL: Any = SimpleNamespace(modes=frozenset({"t2v", "i2v", "unconditional"}), name="facevid")


@pytest.mark.parametrize(
    ("image", "drop_prompt", "pretrained", "modes"),
    [
        (0.3, 0.1, None, {"t2v", "i2v", "unconditional"}),
        (0, 0.1, None, {"t2v", "unconditional"}),
        (0.3, 1, None, {"i2v", "unconditional"}),
        (0.3, 0, None, {"t2v", "i2v"}),
        (1, 0.1, None, {"i2v"}),
        (0, 1, "base", {"t2v", "i2v", "unconditional"}),
    ],
)
def test_modes_are_those_that_samples_showed(
    image: float, drop_prompt: float, pretrained: str | None, modes: set[str]
) -> None:
    recipe = read_recipe(
        "facevid-xs",
        [
            f"conditioning.image={image}",
            f"conditioning.drop_prompt={drop_prompt}",
            f"model.pretrained={pretrained or 'null'}",
        ],
    )
    assert learnt_modes(ALL, recipe) == modes


def test_what_a_model_never_learnt_is_refused() -> None:
    wordless = ModelFolder(
        Path("m"),
        "m",
        {
            "modes": ["i2v", "unconditional"],
            "recipe": {"conditioning": {"drop_prompt": 1.0}, "model": {"pretrained": None}},
        },
    )
    check_modes(ALL, wordless, text=False, image=True)
    for image in (False, True):
        with pytest.raises(GenerateError, match="knows no text"):
            check_modes(ALL, wordless, text=True, image=image)
    pictureless = ModelFolder(Path("m"), "m", {"modes": ["t2v", "unconditional"]})
    with pytest.raises(GenerateError, match="takes no image"):
        check_modes(ALL, pictureless, text=True, image=True)
    check_modes(ALL, ModelFolder(Path("m"), "m", {}), text=True, image=True)


def test_the_docs_have_the_sentences_by_which_a_model_refuses() -> None:
    docs = (Path(__file__).parents[2] / "docs" / "generate.md").read_text()
    for modes, text, image in (
        (["unconditional"], True, False),
        (["t2v"], True, True),
        (["i2v"], True, False),
        (["t2v", "i2v"], False, False),
    ):
        with pytest.raises(GenerateError) as refused:
            check_modes(ALL, ModelFolder(Path("M"), "M", {"modes": modes}), text=text, image=image)
        assert str(refused.value) in docs
