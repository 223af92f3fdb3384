"""Drivers and workers that are killed, stopped and interrupted on this machine: the same command goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from building import Place, check, ended, kill_session, processes_of, until, workers_of

MOMENTS = {
    "before anything": ".work",
    "scanned": ".work/sources.parquet",
    "analysing": ".work/analyses/.*.tmp-*",
    "one analysed": ".work/analyses/[0-9a-f]*",
    "selecting": ".work/selection",
    "selected": ".work/selection/rejected.parquet",
    "cutting": ".work/clips/.*.tmp-*",
    "one cut": ".work/clips/[0-9a-f]*",
    "embedding": ".work/embeddings/*",
    "identified": ".work/identity.parquet",
    "publishing": ".work/publish-*",
    "media placed": "media/*",
    "switched": "dataset.json",
}
"""What is seen in the dataset's folder when a kill comes."""


def seen(place: Place, pattern: str) -> bool:
    return any(place.dataset.glob(pattern))


def disturb_at(place: Place, pattern: str, *numbers: int) -> bool:
    """Start the build and send it signals as soon as something is seen; False if it ended before."""
    process = place.start()
    until(lambda: process.poll() is not None or seen(place, pattern), pattern)
    alive = process.poll() is None
    for number in numbers:
        process.send_signal(number)
        time.sleep(0.1)
    process.communicate(timeout=60)
    return alive


def test_a_driver_that_is_killed_at_any_moment_leaves_nothing_and_the_same_command_goes_on(
    place: Place, small: Any
) -> None:
    struck = []
    for name, pattern in MOMENTS.items():
        if not seen(place, pattern) and disturb_at(place, pattern, signal.SIGKILL):
            struck.append(name)
            until(lambda: not processes_of(place.folder), "the end of the workers", within_s=120)
    assert len(struck) >= 8, struck
    done = place.build()
    assert done.code == 1, done
    check(place, small.dataset)


def test_interrupts_at_bad_moments_end_the_run_with_one_sentence(place: Place, small: Any) -> None:
    twice = (signal.SIGINT, signal.SIGINT)
    for pattern, numbers in {
        ".work/lock": twice,
        ".work/analyses/.*.tmp-*": twice,
        ".work/clips/.*.tmp-*": (signal.SIGTERM, signal.SIGINT),
        ".work/publish-*": (signal.SIGTERM,),
    }.items():
        process = place.start()
        until(lambda: process.poll() is not None or seen(place, pattern), pattern)  # noqa: B023
        if process.poll() is None:
            for number in numbers:
                process.send_signal(number)
                time.sleep(0.1)
            end = ended(process)
            assert end.code in (130, -numbers[-1]), (pattern, end)
            assert "Traceback" not in end.stderr, end.stderr
        until(lambda: not processes_of(place.folder), "the end of the workers", within_s=120)
    assert place.build().code == 1
    check(place, small.dataset)


def test_workers_that_are_killed_or_stopped_for_a_while_change_nothing(place: Place, small: Any) -> None:
    process = place.start()
    until(lambda: seen(place, ".work/analyses/.*.tmp-*"), "an analysis", of=process)
    for pid in workers_of(place.folder):
        os.kill(pid, signal.SIGSTOP)
    time.sleep(3)
    stopped = workers_of(place.folder)
    assert len(stopped) >= 1 and process.poll() is None
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)
    [first, *_] = until(lambda: workers_of(place.folder), "a worker")
    os.kill(first, signal.SIGKILL)
    assert ended(process).code == 1
    check(place, small.dataset)


def test_a_second_driver_is_refused_with_who_holds_the_folder(place: Place, small: Any) -> None:
    first = place.start()
    until(lambda: seen(place, ".work/analyses"), "the first step", of=first)
    second = place.build()
    assert (second.code, f"process {first.pid} on " in second.sentence) == (3, True), second
    kill_session(first)
    until(lambda: not processes_of(place.folder), "the end of the workers", within_s=120)
    assert place.build().code == 1
    check(place, small.dataset)


def test_of_two_drivers_that_start_at_the_same_instant_one_wins_each_time(tmp_path: Path) -> None:
    script = Path(__file__).with_name("contender.py")
    both = [
        subprocess.Popen(
            [sys.executable, script, tmp_path, name, "20"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "other")
    ]
    rounds = list(zip(*(process.communicate(timeout=120)[0].split() for process in both), strict=True))
    assert [sorted(answers) for answers in rounds] == [["busy", "won"]] * 20
