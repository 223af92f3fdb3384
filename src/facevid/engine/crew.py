"""The workers of one run, wherever they are: who starts, who works on what, whose time is up, what a death costs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from facevid.engine.step import Outcome, Payload, SetupError, Step
from facevid.engine.travel import Trip
from facevid.engine.work import Task, Work
from facevid.engine.worker import Reply

_ATTEMPTS = 2
# What takes its whole machine along each time is set aside in the end.
_LOSSES = 5
_SETUP_DEATHS = 3
_TICK_S = 0.25


@dataclass(frozen=True)
class Ending:
    """How a worker ended.

    how: words after "it". kind: of the failure if its item is set aside. lost: its machine went, or what held the
    worker there, which no item did.
    """

    how: str
    kind: str = "crash"
    lost: bool = False


class Worker(Protocol):
    """A worker that takes one payload after the other, somewhere.

    began: when it began to load the step (`time.monotonic`); None while it waits for a place to run. answered: whether
    the answer to the latest message has arrived, even if nobody has looked at it yet.
    """

    @property
    def began(self) -> float | None: ...

    @property
    def answered(self) -> bool: ...

    def send(self, payload: Payload | Trip) -> None:
        """Hand over what a worker gets of an item."""

    def end(self, *, kill: bool = False) -> Ending:
        """See it to its end, at once if `kill`; how it ended."""


W = TypeVar("W", bound=Worker)
W_co = TypeVar("W_co", bound=Worker, covariant=True)


class Workers(Protocol[W_co]):
    """What starts workers and passes on what they say."""

    def size(self) -> int:
        """How many workers there may be now."""

    def start(self) -> W_co:
        """Start one more; it reports when it is ready."""

    def report(self, timeout_s: float) -> tuple[W_co, Reply | None] | None:
        """What a worker said, None in place of a reply where it is gone; None after so many seconds of silence."""


class Crew(Generic[W]):
    """The workers of one run and what each is doing."""

    def __init__(self, work: Work, pool: Workers[W], *, setup_timeout_s: float, log: Path | None) -> None:
        self._work = work
        self._pool = pool
        self._setup_timeout_s = setup_timeout_s
        self._log = log
        self._setup_deaths = 0
        self._looked = 0.0
        self._starting: list[W] = []
        self._idle: list[W] = []
        self._running: dict[W, tuple[Task, float, float]] = {}

    def run(self) -> Iterator[Outcome]:
        """Yield one outcome per item, in the order they finish."""
        while True:
            yield from self._work.refill(self._pool.size())
            if not self._work.pending and not self._running:
                return
            self._hire()
            yield from self._step()

    def _hire(self) -> None:
        """Give waiting tasks to idle workers, and start workers while there are more tasks than workers."""
        while self._work.pending and self._idle:
            worker = self._idle.pop()
            task = self._work.begin()
            now = time.monotonic()
            self._running[worker] = (task, now, self._work.step.timeout_for(task.item.payload))
            worker.send(self._work.message(task))
        size = self._pool.size()
        while len(self._starting) + len(self._running) + len(self._idle) < size and len(self._starting) < len(
            self._work.pending
        ):
            self._starting.append(self._pool.start())

    def _step(self) -> Iterator[Outcome]:
        """Wait a moment for workers to report; yield what that finished."""
        found = self._pool.report(0)
        if found is None:
            self._work.idle()
            found = self._pool.report(_TICK_S)
        if found is not None:
            yield from self._heard(*found)
        yield from self._overdue()

    def _heard(self, worker: W, reply: Reply | None) -> Iterator[Outcome]:
        if reply is None:
            yield from self._gone(worker)
        elif reply.status == "setup":
            raise SetupError(setup_sentence(self._work.step, reply.message or "")) from _Remote.of(reply)
        elif worker in self._starting:
            self._starting.remove(worker)
            self._setup_deaths = 0
            self._idle.append(worker)
        elif worker in self._running:
            task, _, _ = self._running.pop(worker)
            self._idle.append(worker)
            # The worker gets its next item before the caller sees this outcome, so that it never waits.
            outcome = self._work.finish(task, reply)
            if self._work.pending:
                self._hire()
            yield outcome

    def _gone(self, worker: W) -> Iterator[Outcome]:
        """A worker is gone of itself (those that we end are in none of the tables)."""
        ending = worker.end()
        if worker in self._idle:
            self._idle.remove(worker)
        elif worker in self._starting:
            self._starting.remove(worker)
            self._setup_deaths += not ending.lost
            if self._setup_deaths >= _SETUP_DEATHS:
                raise SetupError(
                    f"workers of step {self._work.step.name!r} {ending.how} while starting{self._see_log()}"
                )
        elif worker in self._running:
            task, since, _ = self._running.pop(worker)
            seconds = time.monotonic() - since
            task.losses += ending.lost
            message = f"The process working on it {ending.how}, {_times(task)}{self._see_log()}."
            yield from self._again(task, Reply("failed", ending.kind, message, seconds=seconds))

    def _overdue(self) -> Iterator[Outcome]:
        """End workers whose time is up; an answer that has arrived counts, however long it lay unread."""
        now = time.monotonic()
        if now - self._looked < _TICK_S:
            return
        self._looked = now
        for worker, (task, since, limit) in list(self._running.items()):
            if now - since > limit and not worker.answered:
                del self._running[worker]
                worker.end(kill=True)
                message = f"It was not finished within its {limit:g} s, {_times(task)}."
                yield from self._again(task, Reply("failed", "timeout", message, seconds=now - since))
        for worker in self._starting:
            waited = 0.0 if worker.began is None else now - worker.began
            if waited > self._setup_timeout_s and not worker.answered:
                raise SetupError(
                    f"a worker of step {self._work.step.name!r} was not ready after {waited:.0f} s"
                    f"{self._see_log()}"
                )

    def _again(self, task: Task, reply: Reply) -> Iterator[Outcome]:
        if task.attempts - task.losses < _ATTEMPTS and task.losses < _LOSSES:
            self._work.pending.appendleft(task)
        else:
            yield self._work.finish(task, reply)

    def _see_log(self) -> str:
        # Only the name: a failure is published, and no table may depend on where it was built.
        return f"; its last words may be in {self._log.name}" if self._log is not None else ""


class _Remote(Exception):
    """Shows a worker's traceback as the cause of an error raised here."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"

    @staticmethod
    def of(reply: Reply) -> _Remote | None:
        return _Remote(reply.traceback) if reply.traceback else None


def setup_sentence(step: Step, why: str) -> str:
    """What to say where a step cannot be made ready."""
    return f"step {step.name!r} could not be set up: {why}"


def _times(task: Task) -> str:
    return f"tried {'once' if task.attempts == 1 else f'{task.attempts} times'}"
