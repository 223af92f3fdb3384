"""How far a build has come: a bar on a terminal, a line every few seconds elsewhere, nothing if quiet."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from facevid.engine import Progress

_OK_WORDS = {
    "cut": "kept",
    "watch": "seen",
    "analyze": "seen",
    "scan": "found",
    "identify": "told apart",
    "synth": "made",
}


class ProgressDisplay:
    """Pass `display.update` as `on_progress`; use as a context manager so that the bar is left whole.

    every_s: least seconds between two plain lines of one step where `stream` is no terminal.
    """

    def __init__(self, *, quiet: bool = False, stream: TextIO | None = None, every_s: float = 5.0) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._quiet = quiet
        self._every_s = every_s
        self._last_line: dict[str, float] = {}
        self._ended: set[str] = set()
        self._tasks: dict[str, TaskID] = {}
        self._bars: Bars | None = None
        if not quiet and self._stream.isatty():
            self._bars = Bars(
                SpinnerColumn(),
                TextColumn("{task.description:<9}"),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TextColumn("{task.fields[words]}"),
                TimeElapsedColumn(),
                console=Console(file=self._stream),
            )

    def __enter__(self) -> ProgressDisplay:
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def update(self, progress: Progress) -> None:
        """Show one snapshot."""
        if self._bars is not None:
            self._update_bar(self._bars, progress)
        elif not self._quiet:
            self._print_line(progress)

    def counting(self, step: str, unit: int = 1) -> Callable[[int, int], None]:
        """A callback for work that tells only how much of how much is done; shown in steps of `unit`, rounded up."""
        started = time.monotonic()

        def tell(done: int, total: int) -> None:
            some, all_of_it = -(-done // unit), -(-total // unit)
            self.update(Progress(step, some, all_of_it, some, 0, 0, 0, 0.0, time.monotonic() - started))

        return tell

    def _update_bar(self, bars: Bars, progress: Progress) -> None:
        if progress.step not in self._tasks:
            self._tasks[progress.step] = bars.add_task(progress.step, total=max(progress.total, 1), words="")
        task = self._tasks[progress.step]
        finished = progress.done >= progress.total
        bars.update(
            task,
            total=max(progress.total, 1),
            completed=progress.done if progress.total else 1,
            words=words_of(progress),
        )
        if finished:
            bars.stop_task(task)

    def _print_line(self, progress: Progress) -> None:
        now = time.monotonic()
        finished = progress.done >= progress.total
        if progress.step in self._ended:
            return
        if not finished and now - self._last_line.setdefault(progress.step, now) < self._every_s:
            return
        self._last_line[progress.step] = now
        if finished:
            self._ended.add(progress.step)
        line = f"{progress.step}: {progress.done} of {progress.total}, {words_of(progress)}"
        print(line.rstrip(", "), file=self._stream, flush=True)


def words_of(progress: Progress) -> str:
    """What there is to say beside the bar, for example "12 kept, 1 failed, 4.2x real time, 1:30 left"."""
    if progress.words is not None:
        return progress.words
    words = [f"{progress.ok} {_OK_WORDS.get(progress.step, 'done')}"]
    for count, word in (
        (progress.rejected, "rejected"),
        (progress.failed, "failed"),
        (progress.reused, "as before"),
    ):
        if count:
            words.append(f"{count} {word}")
    if progress.realtime_factor:
        words.append(f"{progress.realtime_factor:.1f}x real time")
    if progress.eta_s:
        words.append(f"{clock(progress.eta_s)} left")
    return ", ".join(words)


def clock(seconds: float) -> str:
    """Seconds as m:ss, or h:mm:ss from an hour on."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
