"""Rates and time left."""

from __future__ import annotations

from facevid.engine import Outcome, Progress, Tally, track


def test_reused_items_do_not_flatter_the_rate() -> None:
    now = [100.0]
    tally = Tally("analyze", 10, clock=lambda: now[0])
    assert tally.progress().eta_s is None
    for n in range(3):
        tally.add(Outcome(str(n), "analyze", "ok", reused=True), work_s=60)
    for status in ("ok", "rejected", "failed"):
        tally.add(Outcome(status, "analyze", status), work_s=20)
    now[0] += 6.0
    progress = tally.progress()
    assert (progress.done, progress.ok, progress.rejected, progress.failed, progress.reused) == (
        6,
        4,
        1,
        1,
        3,
    )
    assert (progress.items_per_s, progress.realtime_factor, progress.eta_s) == (0.5, 10.0, 8.0)


def test_progress_is_reported_at_the_start_and_the_end() -> None:
    seen: list[Progress] = []
    outcomes = [Outcome(str(n), "cut", "ok") for n in range(5)]
    passed = list(track(outcomes, step="cut", total=5, on_progress=seen.append, work_s=lambda _: 2.0))
    assert passed == outcomes
    assert (seen[0].done, seen[-1].done, seen[-1].work_s, seen[-1].eta_s) == (0, 5, 10.0, 0.0)
