"""Runs a step on this machine, each worker a process of its own: a crash or hang costs one item."""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import FrameType

from facevid.engine.ledger import Ledger
from facevid.engine.pool import Pool, WorkerProcess
from facevid.engine.step import (
    EngineError,
    Item,
    Outcome,
    PayloadHasher,
    RecipeLike,
    SetupError,
    Step,
    StorageError,
    reference,
)
from facevid.engine.worker import Reply, Start, perform

_LOOK_AHEAD = 256
_ATTEMPTS = 2
_SETUP_DEATHS = 3
_TICK_S = 0.25


@dataclass
class _Task:
    item: Item
    hash: str
    stale: bool
    attempts: int = 0


def available_cores() -> int:
    """Cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


class LocalExecutor:
    """Runs steps in `workers` processes with `threads` threads each.

    workers: 1 or more processes; 0 runs in this process (for debugging: no timeout, a crash ends everything).
    log: file that takes the workers' stderr and stdout (C libraries are noisy);
        None leaves them on the terminal.
    setup_timeout_s: how long a worker may take to start and load its models.
    """

    def __init__(
        self,
        workers: int,
        threads: int = 1,
        *,
        log: str | os.PathLike[str] | None = None,
        setup_timeout_s: float = 900.0,
    ) -> None:
        if workers < 0 or threads < 1:
            raise ValueError(f"workers must be 0 or more and threads 1 or more, not {workers} and {threads}")
        self.workers = workers
        self.threads = threads
        self.log = Path(log) if log is not None else None
        self.setup_timeout_s = setup_timeout_s

    def run(
        self,
        step: Step,
        items: Iterable[Item],
        recipe: RecipeLike | None,
        ledger: Ledger,
        *,
        retry_failed: bool = False,
    ) -> Iterator[Outcome]:
        """Yield one outcome per item, in the order they finish; finished ones come from the ledger at once.

        items may be an endless-looking iterator: at most 256 are held. Keys must be unique.
        retry_failed: run items again that failed earlier under the same hash.
        Raises SetupError (a worker cannot start), StorageError (output cannot be written), and
        KeyboardInterrupt on Ctrl-C or SIGTERM; what was finished until then is in the ledger, the rest runs
        next time.
        """
        run = ledger.start_run(step.name, workers=self.workers)
        work = _Work(step, items, recipe, ledger, run, retry_failed)
        ending = "interrupted"
        with contextlib.ExitStack() as stack:
            stack.callback(lambda: _end_run(ledger, run, ending))
            stack.enter_context(_terminate_as_interrupt())
            try:
                yield from (
                    self._in_process(work, recipe) if self.workers == 0 else self._in_pool(work, recipe)
                )
                ending = "done"
            except Exception as error:
                ending = str(error) or type(error).__name__
                raise

    def _in_process(self, work: _Work, recipe: RecipeLike | None) -> Iterator[Outcome]:
        ready = False
        while True:
            yield from work.refill(1)
            if not work.pending:
                return
            if not ready and work.step.setup is not None:
                try:
                    work.step.setup(recipe)
                except Exception as error:
                    raise SetupError(
                        _setup_sentence(work.step, f"{type(error).__name__}: {error}")
                    ) from error
            ready = True
            task = work.begin()
            yield work.finish(task, perform(work.step.function, task.item.payload, recipe))

    def _in_pool(self, work: _Work, recipe: RecipeLike | None) -> Iterator[Outcome]:
        step = work.step
        start = Start(
            reference(step.function),
            reference(step.setup) if step.setup is not None else None,
            pickle.dumps(recipe, protocol=pickle.HIGHEST_PROTOCOL),
        )
        with Pool(start, threads=self.threads, log=self.log, title=step.name) as pool:
            crew = _Crew(work, pool, self.workers, self.setup_timeout_s, self.log)
            while True:
                yield from work.refill(self.workers)
                if not work.pending and not crew.running:
                    break
                crew.hire()
                yield from crew.step()


class _Work:
    """The driver's view of one run: which items wait, and what goes into the ledger."""

    def __init__(
        self,
        step: Step,
        items: Iterable[Item],
        recipe: RecipeLike | None,
        ledger: Ledger,
        run: int,
        retry_failed: bool,
    ) -> None:
        self.step = step
        self.pending: deque[_Task] = deque()
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
                    self.pending.append(_Task(item, hash, stale=old is not None))
            yield from finished

    def begin(self) -> _Task:
        """Take the next task; an older answer is forgotten, since its files are about to be replaced."""
        task = self.pending.popleft()
        task.attempts += 1
        if task.stale:
            self._ledger.forget(self.step.name, task.item.key)
            task.stale = False
        return task

    def finish(self, task: _Task, reply: Reply) -> Outcome:
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
            return not self._retry_failed
        if outcome.status == "rejected" or self.step.outputs is None:
            return True
        return all(Path(path).exists() for path in self.step.outputs(item.payload, outcome.value))


class _Crew:
    """The workers of one run and what each is doing."""

    def __init__(self, work: _Work, pool: Pool, size: int, setup_timeout_s: float, log: Path | None) -> None:
        self._work = work
        self._pool = pool
        self._size = size
        self._setup_timeout_s = setup_timeout_s
        self._log = log
        self._setup_deaths = 0
        self._looked = 0.0
        self._starting: dict[WorkerProcess, float] = {}
        self._idle: list[WorkerProcess] = []
        self.running: dict[WorkerProcess, tuple[_Task, float, float]] = {}

    def hire(self) -> None:
        """Give waiting tasks to idle workers, and start workers while there are more tasks than workers."""
        while self._work.pending and self._idle:
            worker = self._idle.pop()
            task = self._work.begin()
            now = time.monotonic()
            self.running[worker] = (task, now, self._work.step.timeout_for(task.item.payload))
            worker.send(task.item.payload)
        while len(self._starting) + len(self.running) + len(self._idle) < self._size and len(
            self._starting
        ) < len(self._work.pending):
            self._starting[self._pool.start()] = time.monotonic()

    def step(self) -> Iterator[Outcome]:
        """Wait a moment for workers to report; yield what that finished."""
        try:
            worker, reply = self._pool.reports.get_nowait()
        except queue.Empty:
            self._work.idle()
            try:
                worker, reply = self._pool.reports.get(timeout=_TICK_S)
            except queue.Empty:
                yield from self._overdue()
                return
        if reply is None:
            yield from self._gone(worker)
        elif worker in self._starting:
            self._ready(worker, reply)
        elif worker in self.running:
            task, _, _ = self.running.pop(worker)
            self._idle.append(worker)
            # The worker gets its next item before the caller sees this outcome, so that it never waits.
            outcome = self._work.finish(task, reply)
            if self._work.pending:
                self.hire()
            yield outcome
        yield from self._overdue()

    def _ready(self, worker: WorkerProcess, reply: Reply) -> None:
        del self._starting[worker]
        if reply.status == "setup":
            raise SetupError(_setup_sentence(self._work.step, reply.message or "")) from _Remote.of(reply)
        self._setup_deaths = 0
        self._idle.append(worker)

    def _gone(self, worker: WorkerProcess) -> Iterator[Outcome]:
        """A worker closed its pipe: it crashed (those that we end ourselves are in none of the tables)."""
        how = worker.end()
        if worker in self._idle:
            self._idle.remove(worker)
        elif worker in self._starting:
            del self._starting[worker]
            self._setup_deaths += 1
            if self._setup_deaths >= _SETUP_DEATHS:
                raise SetupError(
                    f"workers of step {self._work.step.name!r} {how} while starting{self._see_log()}"
                )
        elif worker in self.running:
            task, since, _ = self.running.pop(worker)
            seconds = time.monotonic() - since
            message = f"The process working on it {how}, {_times(task)}{self._see_log()}."
            yield from self._again(task, Reply("failed", "crash", message, seconds=seconds))

    def _overdue(self) -> Iterator[Outcome]:
        """End workers whose time is up; an answer that has arrived counts, however long it lay unread."""
        now = time.monotonic()
        if now - self._looked < _TICK_S:
            return
        self._looked = now
        for worker, (task, since, limit) in list(self.running.items()):
            if now - since > limit and not worker.answered:
                del self.running[worker]
                worker.end(kill=True)
                message = f"It was not finished within its {limit:g} s, {_times(task)}."
                yield from self._again(task, Reply("failed", "timeout", message, seconds=now - since))
        for worker, since in self._starting.items():
            if now - since > self._setup_timeout_s and not worker.answered:
                raise SetupError(
                    f"a worker of step {self._work.step.name!r} was not ready after {now - since:.0f} s"
                    f"{self._see_log()}"
                )

    def _again(self, task: _Task, reply: Reply) -> Iterator[Outcome]:
        if task.attempts < _ATTEMPTS:
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


def _setup_sentence(step: Step, why: str) -> str:
    return f"step {step.name!r} could not be set up: {why}"


def _times(task: _Task) -> str:
    return f"tried {'once' if task.attempts == 1 else f'{task.attempts} times'}"


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
