"""How far a step has come, how fast it goes and how long it will take; drawing is the caller's matter."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from facevid.engine.step import Outcome


@dataclass(frozen=True)
class Progress:
    """A snapshot of one step.

    done, total: items; ok + rejected + failed == done, of which `reused` came from the ledger.
    work_s: seconds of material (video) processed in this run, 0 if unknown.
    elapsed_s: wall seconds since the step began.
    """

    step: str
    done: int
    total: int
    ok: int
    rejected: int
    failed: int
    reused: int
    work_s: float
    elapsed_s: float = 0.0

    @property
    def words(self) -> str | None:
        """What to tell beside the bar in place of counts and rates; None for these."""
        return None

    @property
    def items_per_s(self) -> float:
        """Items really processed (not reused) per wall second; 0 before the first."""
        return (self.done - self.reused) / self.elapsed_s if self.elapsed_s > 0 else 0.0

    @property
    def realtime_factor(self) -> float:
        """Seconds of material per wall second; 0 if unknown."""
        return self.work_s / self.elapsed_s if self.elapsed_s > 0 else 0.0

    @property
    def eta_s(self) -> float | None:
        """Seconds left at the rate so far; None before anything was processed, 0 at the end."""
        left = max(self.total - self.done, 0)
        if left == 0:
            return 0.0
        return left / self.items_per_s if self.items_per_s > 0 else None


class Tally:
    """Counts outcomes into `Progress` snapshots."""

    def __init__(self, step: str, total: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.step = step
        self.total = total
        self._clock = clock
        self._started = clock()
        self._counts = {"ok": 0, "rejected": 0, "failed": 0}
        self._reused = 0
        self._work_s = 0.0

    def add(self, outcome: Outcome, *, work_s: float = 0.0) -> None:
        """Count one outcome; `work_s` seconds of material lay in it (ignored when it was reused)."""
        self._counts[outcome.status] += 1
        self._reused += outcome.reused
        self._work_s += 0.0 if outcome.reused else work_s

    def progress(self) -> Progress:
        """The snapshot now."""
        counts = self._counts
        return Progress(
            step=self.step,
            done=sum(counts.values()),
            total=self.total,
            ok=counts["ok"],
            rejected=counts["rejected"],
            failed=counts["failed"],
            reused=self._reused,
            work_s=self._work_s,
            elapsed_s=self._clock() - self._started,
        )


def track(
    outcomes: Iterable[Outcome],
    *,
    step: str,
    total: int,
    on_progress: Callable[[Progress], None] | None,
    work_s: Callable[[Outcome], float] | None = None,
    every_s: float = 0.1,
) -> Iterator[Outcome]:
    """Pass outcomes through and report at the start, at most once in `every_s` seconds, and at the end."""
    tally = Tally(step, total)
    if on_progress is not None:
        on_progress(tally.progress())
    reported = time.monotonic()
    for outcome in outcomes:
        tally.add(outcome, work_s=work_s(outcome) if work_s is not None else 0.0)
        if on_progress is not None and time.monotonic() - reported >= every_s:
            on_progress(tally.progress())
            reported = time.monotonic()
        yield outcome
    if on_progress is not None:
        on_progress(tally.progress())
