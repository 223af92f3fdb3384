"""Every way a command ends: its exit code, one sentence on stderr, JSON on stdout if asked for."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import facevid
from facevid.backends.errors import BackendError
from facevid.cli import main
from facevid.engine import FolderBusy, StorageError
from facevid.media import MediaError
from facevid.recipe import RecipeError

Result = tuple[int, str, str]
Run = Callable[..., Result]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command line in this process: (exit code, stdout, stderr)."""

    def command(*arguments: str) -> Result:
        code = main(list(arguments))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return command


@pytest.fixture
def build_raises(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Makes `facevid.build` fail with the given error."""

    def prepare(error: BaseException) -> None:
        def build(*_: Any, **__: Any) -> None:
            raise error

        monkeypatch.setitem(facevid.__dict__, "build", build)

    return prepare


def test_version_is_printed(run: Run) -> None:
    assert run("--version") == (0, f"facevid {facevid.__version__}\n", "")


def test_help_lists_the_exit_codes(run: Run) -> None:
    code, out, _ = run("--help")
    assert code == 0
    assert "130 stopped by Ctrl-C" in " ".join(out.split())


@pytest.mark.parametrize(
    "arguments",
    [
        ["build", "footage", "-o", "d", "--no-such-option"],
        ["build", "footage"],
        ["build", "footage", "-o", "d", "--workers", "0"],
        ["build", "footage", "-o", "d", "--workers", "many"],
        ["no-such-command"],
    ],
)
def test_wrong_usage_is_exit_code_2_and_says_what_is_wrong(run: Run, arguments: list[str]) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert "Error: " in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (RecipeError("cut.size: 7 is not allowed."), 2, "cut.size: 7 is not allowed."),
        (MediaError("not_media", "notes.mp4 is a text file."), 2, "notes.mp4 is a text file."),
        (BackendError("The face mesh needs mediapipe."), 2, "The face mesh needs mediapipe."),
        (FolderBusy("Process 7 works in dataset."), 3, "Process 7 works in dataset."),
        (StorageError("The disk is full."), 4, "The disk is full."),
        (
            OSError(errno.ENOSPC, "No space left on device", "dataset/x"),
            4,
            "No space left on device (dataset/x)",
        ),
        (PermissionError(errno.EACCES, "Permission denied", "dataset"), 4, "Permission denied (dataset)"),
        (FileNotFoundError(errno.ENOENT, "No such file", "gone.csv"), 2, "There is no gone.csv."),
        (
            ImportError("libGL.so.1: cannot open shared object file"),
            2,
            "pip install --no-deps 'opencv-python-headless<4.12'",
        ),
        (ZeroDivisionError("division by zero"), 70, "ZeroDivisionError: division by zero"),
        (RuntimeError("Query interrupted"), 130, "Stopped. Run the same command again to go on."),
        (KeyboardInterrupt(), 130, "Stopped. Run the same command again to go on."),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_an_error_becomes_one_sentence_and_its_exit_code(
    run: Run, build_raises: Callable[[BaseException], None], error: BaseException, code: int, says: str
) -> None:
    build_raises(error)
    ended, out, err = run("build", "footage", "-o", "dataset")
    assert ended == code
    assert says in err
    assert out == ""
    assert "Traceback" not in err


@pytest.mark.parametrize("way", ["option after", "option before", "environment"])
def test_debug_shows_the_traceback(
    run: Run, build_raises: Callable[[BaseException], None], monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    build_raises(StorageError("The disk is full."))
    command = ["build", "footage", "-o", "dataset"]
    if way == "environment":
        monkeypatch.setenv("FACEVID_DEBUG", "1")
    elif way == "option after":
        command = [*command, "--debug"]
    else:
        command = ["--debug", *command]
    code, _, err = run(*command)
    assert code == 4
    assert "Traceback (most recent call last)" in err
    assert err.endswith("facevid: The disk is full.\n")


def test_json_gives_one_document_for_an_error_too(
    run: Run, build_raises: Callable[[BaseException], None]
) -> None:
    build_raises(FolderBusy("Process 7 works in dataset."))
    code, out, _ = run("build", "footage", "-o", "dataset", "--json")
    assert json.loads(out) == {"error": "Process 7 works in dataset.", "exit_code": code}


def test_recipe_show_prints_the_recipe_with_its_sources(run: Run) -> None:
    code, out, _ = run("recipe", "show")
    assert code == 0
    assert "#" in out and "select:" in out


def test_recipe_show_of_an_own_recipe_fills_in_every_field(run: Run, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("cut: {size: 256}\n")
    code, out, _ = run("recipe", "show", str(own), "--json")
    shown = json.loads(out)
    assert code == 0
    assert shown["cut"]["size"] == 256
    assert shown["select"]["rules"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("cut: {sise: 512}", ["cut.sise", "size"]),
        ("cut: {size: big}", ["cut.size", "'big'"]),
        ("select: {min_s: 9.0, max_s: 3.0}", ["min_s 9", "max_s 3"]),
        ("[1, 2", ["YAML"]),
    ],
    ids=["unknown field", "wrong type", "impossible threshold", "no YAML"],
)
def test_recipe_check_names_field_value_and_what_is_allowed(
    run: Run, tmp_path: Path, text: str, names: list[str]
) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(text + "\n")
    code, _, err = run("recipe", "check", str(own))
    assert code == 2
    assert [name for name in names if name not in err] == []


def test_recipe_check_accepts_the_default(run: Run) -> None:
    code, out, _ = run("recipe", "check")
    assert code == 0
    assert "can be used" in out
