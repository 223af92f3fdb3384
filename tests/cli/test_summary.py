"""What people see at the end of a step."""

from __future__ import annotations

import pytest

from facevid.cli.summary import print_step
from facevid.engine import StepSummary


def test_names_of_files_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    bad = {"item": "a\x1b[2J\nb.mp4", "step": "scan", "kind": "empty", "message": "No \x07 bytes."}
    print_step(StepSummary("scan", "d", total=1, failed=1, failures=[bad], notes=["See \x1b]0;x."]).to_dict())
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert r"\x1b[2J\nb.mp4" in shown.replace("\n", "")
