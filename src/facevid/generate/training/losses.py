"""Losses of steps that nobody has looked at yet: read from the device a few steps at a time, and checked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor

from facevid.generate.errors import GenerateError


@dataclass
class Pending:
    """One step of this rank: figures of each sample by name, lists of its micro-batches; and what is known beside."""

    step: int
    figures: dict[str, list[Tensor]] = field(default_factory=dict)
    clips: list[str] = field(default_factory=list)
    batches: list[str] = field(default_factory=list)
    norm: Tensor | None = None
    lr: float = 0.0
    seconds: float = 0.0
    waited_s: float = 0.0

    def add(self, answer: Mapping[str, Tensor], clips: Sequence[str], batch_id: str) -> None:
        """Takes in a micro-batch."""
        for name, values in answer.items():
            self.figures.setdefault(name, []).append(values.detach().float())
        self.clips += clips
        self.batches.append(batch_id)


def read(pending: Sequence[Pending], accelerator: Accelerator) -> list[dict[str, float]]:
    """The figures of steps, averaged over all samples of all ranks; "grad_norm" beside them.

    Raises GenerateError, on every rank, that names the first step whose loss or gradient is no finite number, and the
    clips whose losses are not; those of the whole batch where only the gradient is not.
    """
    names = sorted(pending[0].figures)
    rows = [
        torch.stack([torch.cat(step.figures[name]).mean() for name in names] + [_norm(step)])
        for step in pending
    ]
    table = accelerator.reduce(torch.stack(rows), "mean").tolist()
    for step, row in zip(pending, table, strict=True):
        loss, norm = row[names.index("loss")], row[-1]
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise GenerateError(_sentence(step, loss, norm))
    return [dict(zip([*names, "grad_norm"], row, strict=True)) for row in table]


def _norm(step: Pending) -> Tensor:
    assert step.norm is not None
    return step.norm.detach().float()


def _sentence(step: Pending, loss: float, norm: float) -> str:
    losses = torch.cat(step.figures["loss"]).tolist()
    bad = [clip for clip, value in zip(step.clips, losses, strict=True) if not math.isfinite(value)]
    mine = [(bad, step.clips, step.batches)]
    every = gather_object(mine)
    bad = [clip for of_rank in every for clip in of_rank[0]]
    clips = [clip for of_rank in every for clip in of_rank[1]]
    batches = [name for of_rank in every for name in of_rank[2]]
    what = (
        f"The loss of step {step.step} is {loss}"
        if not math.isfinite(loss)
        else f"The loss of step {step.step} is {loss:g}, but the norm of its gradient is {norm}"
    )
    who = "the clips whose losses are no numbers" if bad else "the clips of its batch"
    return (
        f"{what}; {who}: {', '.join(bad or clips)} (batch {', '.join(batches)}). The training stops; the last "
        "checkpoint stays. Look at these clips and leave them out (--where), or lower optimisation.lr or "
        "optimisation.clip in a new folder."
    )
