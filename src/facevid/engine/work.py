"""The driver's view of one run: which items wait, what is known of them, and what goes into the ledger."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import FrameType

from facevid.engine.ledger import Ledger
from facevid.engine.step import (
    PASSING,
    EngineError,
    Item,
    Outcome,
    Payload,
    PayloadHasher,
    RecipeLike,
    Step,
    StorageError,
)
from facevid.engine.travel import There, Travel, Trip
from facevid.engine.worker import Reply

_LOOK_AHEAD = 256


@dataclass
class Task:
    """An item that is to run: how often it was begun, and how often its worker was lost through no doing of its own."""

    item: Item
    hash: str
    stale: bool
    attempts: int = 0
    losses: int = 0


class Work:
    """The items of one run, taken as needed, and their outcomes, recorded as they come."""

    def __init__(
        self,
        step: Step,
        items: Iterable[Item],
        recipe: RecipeLike | None,
        ledger: Ledger,
        run: int,
        retry_failed: bool,
        travel: Travel | None = None,
    ) -> None:
        self.step = step
        self.travel = travel
        self._there = There(travel) if travel is not None else None
        self.pending: deque[Task] = deque()
        self._items = iter(items)
        self._hash = PayloadHasher(step, recipe)
        self._ledger = ledger
        self._run = run
        self._retry_failed = retry_failed

    def refill(self, wanted: int) -> Iterator[Outcome]:
        """Take items until `wanted` wait or none are left, yielding the finished ones."""
        while len(self.pending) < wanted:
            batch = list(islice(self._items, _LOOK_AHEAD))
            if not batch:
                return
            known = self._ledger.get_many(self.step.name, [item.key for item in batch])
            finished = []
            for item in batch:
                hash = self._hash(item.payload)
                old = known.get(item.key)
                if old is not None and old[0] == hash and self._still_good(item, old[1]):
                    self._ledger.count(self._run, old[1])
                    finished.append(old[1])
                else:
                    self.pending.append(Task(item, hash, stale=old is not None))
            yield from finished

    def begin(self) -> Task:
        """Take the next task; an older answer is forgotten, since its files are about to be replaced."""
        task = self.pending.popleft()
        task.attempts += 1
        if task.stale:
            self._ledger.forget(self.step.name, task.item.key)
            task.stale = False
        return task

    def message(self, task: Task) -> Payload | Trip:
        """What a worker gets of a task."""
        payload = task.item.payload
        return payload if self.travel is None else self.travel.trip(self.step, payload)

    def finish(self, task: Task, reply: Reply) -> Outcome:
        """Record a reply and turn it into an outcome; a storage fault stops the run instead."""
        if reply.status == "storage":
            raise StorageError(reply.message)
        outcome = Outcome(
            key=task.item.key,
            step=self.step.name,
            status=reply.status,
            kind=reply.kind,
            message=reply.message,
            value=reply.parsed_value(),
            seconds=reply.seconds,
        )
        self._ledger.put(outcome, hash=task.hash, run=self._run, traceback=reply.traceback)
        return outcome

    def idle(self) -> None:
        """Nothing is happening: a good moment to commit."""
        self._ledger.flush()

    def _still_good(self, item: Item, outcome: Outcome) -> bool:
        if outcome.status == "failed":
            return not self._retry_failed and outcome.kind not in PASSING
        return outcome.status == "rejected" or has_outputs(self.step, item, outcome, self._there)


def has_outputs(step: Step, item: Item, outcome: Outcome, there: There | None = None) -> bool:
    """Whether all that a finished item put out is still there; True for a step that does not say what it puts out.

    there: what is there of a dataset behind an address.
    """
    if step.outputs is None:
        return True
    if there is not None:
        return there.has(there.travel.trip(step, item.payload).makes)
    return all(_is_whole(*output) for output in step.outputs(item.payload, outcome.value))


@contextlib.contextmanager
def recorded(
    step: Step,
    items: Iterable[Item],
    recipe: RecipeLike | None,
    ledger: Ledger,
    *,
    workers: int,
    retry_failed: bool,
    travel: Travel | None = None,
) -> Iterator[Work]:
    """One run of a step, whose begin and ending the ledger notes; SIGTERM ends it as Ctrl-C does."""
    run = ledger.start_run(step.name, workers=workers)
    ending = "interrupted"
    with contextlib.ExitStack() as stack:
        stack.callback(lambda: _end_run(ledger, run, ending))
        stack.enter_context(_terminate_as_interrupt())
        try:
            yield Work(step, items, recipe, ledger, run, retry_failed, travel)
            ending = "done"
        except Exception as error:
            ending = str(error) or type(error).__name__
            raise


def _is_whole(path: Path, size: int | None) -> bool:
    try:
        found = path.stat()
    except OSError:
        return False
    return size is None or found.st_size == size


def _end_run(ledger: Ledger, run: int, ending: str) -> None:
    # A full disk may be why the run ends: its last rows are then lost too, and their items run again.
    with contextlib.suppress(EngineError):
        ledger.end_run(run, ending)


@contextlib.contextmanager
def _terminate_as_interrupt() -> Iterator[None]:
    """Let SIGTERM end a run as Ctrl-C does, unless the program has its own handler or we are in a thread."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt("SIGTERM")

    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
