"""What a crew makes of what its workers say, wherever they are; here a test speaks for them, and keeps the time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import steps

from facevid.engine import Item, Ledger, Outcome, SetupError, Step, crew
from facevid.engine.crew import Crew, Ending
from facevid.engine.work import recorded
from facevid.engine.worker import Reply

OK = Reply("ok")
CRASH = Ending("was killed by SIGSEGV")
LOST = Ending("was lost with its machine", lost=True)
MEMORY = Ending("needed more than its 2 GB of memory and was ended", "memory")

Does = Callable[[dict[str, Any]], "Reply | Ending | None"]
"""What comes of a payload; None: nothing is ever heard."""


class FakeWorker:
    def __init__(self, pool: FakePool) -> None:
        self.began: float | None = 0.0
        self.answered = False
        self.pool = pool
        self.ending = LOST

    def send(self, payload: dict[str, Any]) -> None:
        self.pool.say(self, self.pool.does(payload))

    def end(self, *, kill: bool = False) -> Ending:
        self.pool.ended.append(self)
        return self.ending


class FakePool:
    """Workers that answer at once; sizes: how many there may be, one look after the other."""

    def __init__(self, does: Does, *, size: int = 1, ready: Reply | Ending | None = OK) -> None:
        self.does = does
        self.room = size
        self.ready = ready
        self.said: deque[tuple[FakeWorker, Reply | None]] = deque()
        self.started: list[FakeWorker] = []
        self.ended: list[FakeWorker] = []

    def say(self, worker: FakeWorker, what: Reply | Ending | None) -> None:
        if isinstance(what, Ending):
            worker.ending = what
        if what is not None:
            self.said.append((worker, what if isinstance(what, Reply) else None))

    def size(self) -> int:
        return self.room

    def start(self) -> FakeWorker:
        worker = FakeWorker(self)
        self.started.append(worker)
        self.say(worker, self.ready)
        return worker

    def report(self, timeout_s: float) -> tuple[FakeWorker, Reply | None] | None:
        return self.said.popleft() if self.said else None


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Time that goes on by a second a look."""
    now = [100.0]

    def monotonic() -> float:
        now[0] += 1.0
        return now[0]

    monkeypatch.setattr(crew.time, "monotonic", monotonic)
    yield now


def run(
    pool: FakePool, folder: Path, count: int = 3, *, timeout_s: float = 1e6, setup_timeout_s: float = 1e6
) -> dict[str, Outcome]:
    step = Step("step", 1, steps.nothing, timeout_s=timeout_s)
    items = (Item(str(n), {"n": n}) for n in range(count))
    with (
        Ledger(folder / "ledger.sqlite") as ledger,
        recorded(step, items, None, ledger, workers=1, retry_failed=False) as work,
    ):
        found = Crew(work, pool, setup_timeout_s=setup_timeout_s, log=folder / "worker.log").run()
        return {outcome.key: outcome for outcome in found}


def first(times: int, what: Ending, number: int = 1) -> Does:
    """Item `number` ends its worker so many times before it succeeds."""
    tries: list[int] = []

    def does(payload: dict[str, Any]) -> Reply | Ending:
        if payload["n"] != number:
            return OK
        tries.append(1)
        return what if len(tries) <= times else OK

    return does


@pytest.mark.parametrize(
    ("times", "what", "status", "kind"),
    [
        (1, CRASH, "ok", None),
        (2, CRASH, "failed", "crash"),
        (1, MEMORY, "ok", None),
        (2, MEMORY, "failed", "memory"),
        (4, LOST, "ok", None),
        (5, LOST, "failed", "crash"),
    ],
)
def test_an_item_has_two_attempts_and_machines_that_go_are_not_counted_among_them(
    tmp_path: Path, times: int, what: Ending, status: str, kind: str | None
) -> None:
    pool = FakePool(first(times, what))
    found = run(pool, tmp_path)
    assert (found["1"].status, found["1"].kind) == (status, kind)
    assert [found[key].status for key in "02"] == ["ok", "ok"]
    assert len(pool.started) == 1 + times
    if status == "failed":
        assert (
            found["1"].message
            == f"The process working on it {what.how}, tried {times} times; its last words may be in worker.log."
        )


def test_a_crash_after_the_loss_of_a_machine_is_the_first_of_two_attempts(tmp_path: Path) -> None:
    ways = iter([LOST, CRASH, OK])
    found = run(FakePool(lambda payload: next(ways)), tmp_path, 1)
    assert found["0"].status == "ok"


def test_machines_that_join_are_used_and_those_that_leave_are_not_replaced(tmp_path: Path) -> None:
    sent = []

    def does(payload: dict[str, Any]) -> Reply:
        sent.append(payload["n"])
        pool.room = 4 if len(sent) > 5 else 1
        return OK

    pool = FakePool(does)
    run(pool, tmp_path, 30)
    assert len(pool.started) == 4 and len(sent) == 30


def test_a_worker_that_cannot_be_set_up_stops_the_run_with_its_sentence(tmp_path: Path) -> None:
    refused = Reply("setup", message="machine a does not see /data")
    with pytest.raises(SetupError, match="step 'step' could not be set up: machine a does not see /data"):
        run(FakePool(first(0, CRASH), ready=refused), tmp_path)
    with pytest.raises(SetupError, match="machine a does not see /data"):
        run(FakePool(lambda payload: refused), tmp_path)
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        assert ledger.counts() == {}


def test_three_workers_that_die_while_they_start_stop_the_run_and_lost_machines_do_not(
    tmp_path: Path,
) -> None:
    pool = FakePool(first(0, CRASH), ready=CRASH)
    with pytest.raises(SetupError, match="was killed by SIGSEGV while starting"):
        run(pool, tmp_path)
    assert len(pool.started) == 3
    endings = iter([LOST] * 7 + [OK])
    pool = FakePool(first(0, CRASH))
    pool.start = lambda: starting(pool, next(endings))  # type: ignore[method-assign]
    assert {outcome.status for outcome in run(pool, tmp_path).values()} == {"ok"}


def starting(pool: FakePool, what: Reply | Ending) -> FakeWorker:
    worker = FakeWorker(pool)
    pool.started.append(worker)
    pool.say(worker, what)
    return worker


def test_time_counts_from_when_a_worker_has_its_place(tmp_path: Path, clock: list[float]) -> None:
    pool = FakePool(first(0, CRASH), ready=None)
    waits: list[float] = []

    def report(timeout_s: float) -> tuple[FakeWorker, Reply | None] | None:
        worker = pool.started[0]
        worker.began = None if len(waits) < 50 else worker.began or clock[0]
        waits.append(clock[0])
        return None

    pool.report = report  # type: ignore[method-assign]
    with pytest.raises(SetupError, match=r"was not ready after 1[0-9] s"):
        run(pool, tmp_path, setup_timeout_s=10.0)
    assert len(waits) > 50


def test_an_item_whose_time_is_up_is_tried_once_more_on_a_fresh_worker(
    tmp_path: Path, clock: list[float]
) -> None:
    pool = FakePool(lambda payload: None if payload["n"] == 1 else OK)
    found = run(pool, tmp_path, timeout_s=20.0)
    assert (found["1"].kind, found["2"].status) == ("timeout", "ok")
    assert "within its 20 s, tried 2 times" in (found["1"].message or "")
    assert len(pool.ended) == 2 and len(pool.started) == 3
