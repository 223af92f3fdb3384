"""A clock that jumps by hours and years in the middle of a build changes nothing."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from building import Place, check

JUMPS = ("+3h", "-2h", "+5y", "-8y", "+1d", "+0")
EVERY_S = 0.4


def faketime() -> Path:
    """The library; without it the test is skipped."""
    program = shutil.which("faketime")
    found = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    if program is None or found is None:
        pytest.skip("no libfaketime: install the package faketime to let the clock jump")
    return found


@contextmanager
def jumping(file: Path) -> Iterator[None]:
    """Keep writing another time into the file that libfaketime reads."""
    ended = threading.Event()

    def jump() -> None:
        for offset in cycle(JUMPS):
            fresh = file.with_suffix(".new")
            fresh.write_text(f"{offset}\n")
            fresh.replace(file)
            if ended.wait(EVERY_S):
                return

    file.write_text("+0\n")
    thread = threading.Thread(target=jump)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_a_clock_that_jumps_back_and_forth_ends_no_item_and_changes_no_byte(place: Place, small: Any) -> None:
    # What the system measures durations with goes on evenly when a clock is set, and so it does here.
    clock = place.folder / "clock"
    shifted = {
        "LD_PRELOAD": str(faketime()),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    clock.write_text("+5y\n")
    told = subprocess.run(["date", "+%Y"], env=shifted, capture_output=True, text=True).stdout
    now = subprocess.run(["date", "+%Y"], capture_output=True, text=True).stdout
    assert int(told) == int(now) + 5, "the clock does not jump"
    with jumping(clock):
        ended = replace(place, environment=shifted).build()
    assert ended.code == 1 and ended.document["failed"] == 1, ended
    check(place, small.dataset)
