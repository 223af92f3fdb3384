"""Every command has help, a section with an example in docs/commands.md, and a documented library call."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import typer.main

from facevid.cli import app
from facevid.cli.endings import EXIT_CODES

COMMANDS_MD = Path(__file__).resolve().parent.parent / "docs" / "commands.md"


def _commands(group: Any, prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, command in group.commands.items():
        path = f"{prefix}{name}"
        if hasattr(command, "commands"):
            found.update(_commands(command, f"{path} "))
        else:
            found[path] = command
    return found


COMMANDS = _commands(typer.main.get_command(app))


def _section(name: str) -> str:
    text = COMMANDS_MD.read_text(encoding="utf-8")
    found = re.search(rf"^## facevid {re.escape(name)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"docs/commands.md has no section '## facevid {name}'"
    return found.group(1)


def _options(command: Any) -> list[Any]:
    return [p for p in command.params if p.param_type_name == "option" and "--help" not in p.opts]


def test_the_commands_that_the_issue_names_exist() -> None:
    wanted = [
        "build",
        "scan",
        "analyze",
        "select",
        "cut",
        "identify",
        "pack",
        "status",
        "clean",
        "synth",
        "demo",
    ]
    assert set(wanted) | {"recipe show", "recipe check"} <= set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_and_each_of_its_options_have_help(name: str) -> None:
    assert COMMANDS[name].help, f"facevid {name} has no help text"
    silent = [
        p.name for p in COMMANDS[name].params if "--help" not in p.opts and not getattr(p, "help", None)
    ]
    assert not silent, f"facevid {name}: no help for {silent}"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_an_example_and_its_options_in_the_docs(name: str) -> None:
    section = _section(name)
    shell = "".join(re.findall(r"```bash\n(.*?)```", section, re.DOTALL))
    assert f"facevid {name}" in shell, f"docs/commands.md shows no example of facevid {name}"
    missing = [o.opts[-1] for o in _options(COMMANDS[name]) if f"`{o.opts[-1]}" not in section]
    assert not missing, f"docs/commands.md, facevid {name}: options not described: {missing}"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_docs_name_no_option_that_the_command_lacks(name: str) -> None:
    known = {opt for o in _options(COMMANDS[name]) for opt in (*o.opts, *o.secondary_opts)} | {
        "--debug",
        "--help",
    }
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", _section(name)))
    assert named <= known, f"docs/commands.md, facevid {name}: there is no {sorted(named - known)}"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_a_documented_library_call(name: str) -> None:
    section = _section(name)
    found = re.search(r"^Library: `(facevid(?:\.\w+)+)", section, re.MULTILINE)
    assert found, f"docs/commands.md, facevid {name}: no line 'Library: `facevid...`'"
    assert "```python" in section, f"docs/commands.md, facevid {name}: no example of the library call"
    path = found.group(1)
    module, _, attribute = path.rpartition(".")
    call = getattr(importlib.import_module(module), attribute)
    assert callable(call) and (call.__doc__ or "").strip(), f"{path} has no docstring"


def test_the_docs_list_the_exit_codes_of_the_program() -> None:
    text = COMMANDS_MD.read_text(encoding="utf-8")
    listed = {
        int(code): meaning for code, meaning in re.findall(r"^\| (\d+) \| (.+?) \|$", text, re.MULTILINE)
    }
    assert listed == EXIT_CODES
