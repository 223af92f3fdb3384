"""Runs a step on this machine, each worker a process of its own: a crash or hang costs one item."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from facevid.engine.crew import Crew, setup_sentence
from facevid.engine.ledger import Ledger
from facevid.engine.limits import affinity_cores, core_quota
from facevid.engine.memory import allowance
from facevid.engine.pool import Pool
from facevid.engine.step import Item, Outcome, RecipeLike, SetupError, Step
from facevid.engine.travel import Travel
from facevid.engine.work import Work, recorded
from facevid.engine.worker import Start, perform, performer


def available_cores() -> int:
    """Cores this process may use: those it may run on, and no more than its container's quota of time pays for."""
    quota = core_quota()
    return affinity_cores() if quota is None else max(1, min(affinity_cores(), math.ceil(quota)))


class LocalExecutor:
    """Runs steps in `workers` processes with `threads` threads each.

    workers: 1 or more processes; 0 runs in this process (for debugging: no timeout, a crash ends everything).
    log: file that takes the workers' stderr and stdout (C libraries are noisy);
        None leaves them on the terminal.
    setup_timeout_s: how long a worker may take to start and load its models.
    resources: step -> fields of `Resources` in place of what the step declares; only memory_gb counts here. A worker
        whose step asks for none has its share of the machine's memory, and more while there is enough
        (`facevid.engine.memory`).
    travel: where the dataset lies behind an address.
    """

    def __init__(
        self,
        workers: int,
        threads: int = 1,
        *,
        log: str | os.PathLike[str] | None = None,
        setup_timeout_s: float = 900.0,
        resources: Mapping[str, Mapping[str, Any]] | None = None,
        travel: Travel | None = None,
    ) -> None:
        if workers < 0 or threads < 1:
            raise ValueError(f"workers must be 0 or more and threads 1 or more, not {workers} and {threads}")
        self.workers = workers
        self.threads = threads
        self.log = Path(log) if log is not None else None
        self.setup_timeout_s = setup_timeout_s
        self.resources = resources or {}
        self.travel = travel

    def run(
        self,
        step: Step,
        items: Iterable[Item],
        recipe: RecipeLike | None,
        ledger: Ledger,
        *,
        retry_failed: bool = False,
    ) -> Iterator[Outcome]:
        """Yield one outcome per item, as `facevid.engine.executor.Executor.run` says."""
        with recorded(
            step, items, recipe, ledger, workers=self.workers, retry_failed=retry_failed, travel=self.travel
        ) as work:
            if self.workers == 0:
                yield from self._in_process(work, recipe)
            else:
                yield from self._in_pool(work, recipe)

    def _in_process(self, work: Work, recipe: RecipeLike | None) -> Iterator[Outcome]:
        ready, function = False, performer(work.step.function, self.travel)
        while True:
            yield from work.refill(1)
            if not work.pending:
                return
            if not ready and work.step.setup is not None:
                try:
                    work.step.setup(recipe)
                except Exception as error:
                    raise SetupError(setup_sentence(work.step, f"{type(error).__name__}: {error}")) from error
            ready = True
            task = work.begin()
            yield work.finish(task, perform(function, work.message(task), recipe))

    def _in_pool(self, work: Work, recipe: RecipeLike | None) -> Iterator[Outcome]:
        start = Start.of(work.step, recipe, self.travel)
        title = work.step.name
        needs = replace(work.step.resources, **self.resources.get(title, {}))
        memory = allowance(needs.memory_bytes, self.workers)
        with Pool(
            start, size=self.workers, threads=self.threads, log=self.log, title=title, memory=memory
        ) as pool:
            yield from Crew(work, pool, setup_timeout_s=self.setup_timeout_s, log=self.log).run()
