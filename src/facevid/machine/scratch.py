"""A temporary folder with a ledger, in which steps run on this machine's cores as a build runs them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from facevid.engine import Item, Ledger, LocalExecutor, Outcome, Progress, Step, available_cores, track
from facevid.recipe import Recipe

OnProgress = Callable[[Progress], None] | None


@dataclass(frozen=True)
class Scratch:
    """Runs steps; what they leave in `folder` goes when the scratch is closed."""

    folder: Path
    ledger: Ledger
    on_progress: OnProgress

    def run(
        self,
        step: Step,
        items: Sequence[Item],
        recipe: Recipe,
        *,
        workers: int | None = None,
        work_s: Mapping[str, float] | None = None,
    ) -> dict[str, Outcome]:
        """Outcomes by key. workers: processes, one a core by default; work_s: seconds of footage in each item."""
        if not items:
            return {}
        count = min(workers or available_cores(), len(items))
        executor = LocalExecutor(count, threads=1, log=self.folder / "worker.log")
        weights = work_s or {}
        running = executor.run(step, items, recipe, self.ledger)
        return {
            outcome.key: outcome
            for outcome in track(
                running, step=step.name, total=len(items), on_progress=self.on_progress,
                work_s=lambda o: weights.get(o.key, 0.0),
            )
        }  # fmt: skip


@contextmanager
def scratch(on_progress: OnProgress = None) -> Iterator[Scratch]:
    """A fresh scratch in the system's temporary folder, removed at the end."""
    with (
        tempfile.TemporaryDirectory(prefix="facevid-doctor-") as folder,
        Ledger(Path(folder) / "ledger.sqlite") as ledger,
    ):
        yield Scratch(Path(folder), ledger, on_progress)
