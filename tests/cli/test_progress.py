"""Progress: words beside the bar, plain lines off a terminal, silence when quiet."""

from __future__ import annotations

import io

import pytest

from facevid.cli.progress import ProgressDisplay, clock, words_of
from facevid.engine import Progress


def _progress(
    done: int, *, step: str = "cut", total: int = 10, elapsed_s: float = 5.0, failed: int = 0
) -> Progress:
    return Progress(
        step=step,
        done=done,
        total=total,
        ok=done - failed,
        rejected=0,
        failed=failed,
        reused=0,
        work_s=done * 4.0,
        elapsed_s=elapsed_s,
    )


def test_words_tell_clips_kept_rate_and_time_left() -> None:
    assert words_of(_progress(5, failed=1)) == "4 kept, 1 failed, 4.0x real time, 0:05 left"


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0:00"), (61, "1:01"), (3725, "1:02:05")])
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_off_a_terminal_lines_are_few_and_the_last_is_never_missed() -> None:
    stream = io.StringIO()
    with ProgressDisplay(stream=stream, every_s=60) as display:
        for done in [*range(11), 10]:
            display.update(_progress(done))
    lines = stream.getvalue().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("cut: 10 of 10, 10 kept")


def test_quiet_prints_nothing() -> None:
    stream = io.StringIO()
    with ProgressDisplay(quiet=True, stream=stream, every_s=0) as display:
        display.update(_progress(10))
    assert stream.getvalue() == ""


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_there_is_a_bar_for_each_step() -> None:
    stream = _Terminal()
    with ProgressDisplay(stream=stream) as display:
        display.update(_progress(3, step="analyze"))
        display.update(_progress(10, step="analyze"))
        display.update(_progress(2))
    shown = stream.getvalue()
    assert "analyze" in shown and "cut" in shown and "2 kept" in shown
