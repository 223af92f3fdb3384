"""`facevid generate` on the command line: it makes files, tells of them, and ends with a sentence and a code."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import pytest

from facevid.cli import main

from .test_generate import TEXT
from .test_generate import model as model  # a fixture


def test_a_video_is_made_and_told_of(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.mp4"
    asked = ["generate", str(model), "--prompt", TEXT, "-o", str(out), "--seed", "4"]
    assert main(asked) == 0
    said = capsys.readouterr()
    assert f"Made {out}: 5 frames of 32x32 at 12.5 fps, seed 4" in said.out
    assert "Loading" not in said.err
    assert out.is_file() and json.loads(out.with_suffix(".json").read_text())["request"]["seed"] == 4
    assert main(asked) == 0
    assert "1 of 1 videos were there already" in capsys.readouterr().out


def test_json_is_one_document(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["generate", str(model), "--unconditional", "--count", "2", "-o", str(tmp_path / "out"), "--json"]
    assert main([*asked, "--sheet", str(tmp_path / "sheet.png")]) == 0
    said = capsys.readouterr()
    document = json.loads(said.out)
    assert [video["seed"] for video in document["videos"]] == [0, 1] and said.err == ""
    assert Path(document["sheet"]).is_file() and document["shape"]["frames"] == 5


def test_a_refusal_is_a_sentence_and_code_2(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "out.mp4")
    assert main(["generate", str(model), "-o", out]) == 2
    assert "There is no prompt. Give --prompt or --prompts" in capsys.readouterr().err
    assert main(["generate", str(model), "--prompt", "a", "--prompts", "b", "-o", out]) == 2
    assert main(["generate", str(model), "--prompt", TEXT, "--frames", "6", "-o", out]) == 2
    assert "Nearest: 5 or 9" in capsys.readouterr().err


def test_the_library_call_and_the_room_have_one_name() -> None:
    import facevid.generate.recipe

    assert callable(facevid.generate)
    assert facevid.generate.recipe.recipe_names() is not None  # type: ignore[attr-defined]
    assert list(inspect.signature(facevid.generate.pipeline.generate).parameters)[:2] == ["model", "prompt"]  # type: ignore[attr-defined]
