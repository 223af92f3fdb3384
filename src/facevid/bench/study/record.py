"""What is kept of a run in its folder, and the table that comes of all runs of a study."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from facevid.bench.errors import BenchError
from facevid.engine import atomic_path, write_json_atomic, write_parquet_atomic

FORMAT = 1
RECORD, RUNS, MODEL = "run.json", "runs", "model"
METRICS = {"held_out": "held-out loss", "held_out_loss_image": "held-out loss with the first picture"}
"""What the losses in the log of a training are called in sentences."""
Status = Literal["finished", "unfinished", "failed"]


@dataclass(frozen=True)
class Record:
    """One run. status: "finished" all steps; "unfinished" where its minutes were over; "failed", as `sentence` says.

    size: the name; parameters: trained. data: the amount in `unit`. curve: of each validation its step, and held-out
    losses by the names that the training's log has. flops: of one sample forwards. train_s: seconds of all its steps;
    wall_s: of all calls that were not killed, with start, latents and validations. deciding: what decided the result,
    by dotted names, None where the run failed before that was known.
    """

    name: str
    size: str
    fraction: float
    seed: int
    status: Status
    sentence: str | None
    parameters: int
    flops: float
    data: float
    unit: str
    clips: int
    people: int
    hours: float
    windows: int
    steps: int
    samples: int
    batch: int
    lr: float
    step: int = 0
    samples_seen: int = 0
    epochs: float = 0.0
    curve: list[dict[str, float]] = field(default_factory=list)
    train_s: float = 0.0
    wall_s: float = 0.0
    device: str | None = None
    deciding: dict[str, Any] | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def compute(self) -> float:
        """FLOP of the whole run: a training step takes three forward passes' worth."""
        return 3 * self.flops * self.samples_seen

    def losses(self, metric: str) -> list[tuple[int, float]]:
        """Steps and values of a metric, in order."""
        return [(int(point["step"]), point[metric]) for point in self.curve if metric in point]

    def row(self, metric: str, loss: str) -> dict[str, Any]:
        """A row of the table of runs; losses are None where there is no validation yet."""
        points = self.losses(metric)
        best = min(points, key=lambda p: p[1]) if points else (None, None)
        last = points[-1] if points else (None, None)
        return {
            "run": self.name,
            "size_name": self.size,
            "size": self.parameters,
            "fraction": self.fraction,
            "seed": self.seed,
            "data": self.data,
            "unit": self.unit,
            "clips": self.clips,
            "people": self.people,
            "hours": self.hours,
            "status": self.status,
            "sentence": self.sentence,
            "loss": best[1] if loss == "best" else last[1],
            "metric": METRICS[metric],
            "best": best[1],
            "best_step": best[0],
            "last": last[1],
            "steps": self.steps,
            "step": self.step,
            "samples_seen": self.samples_seen,
            "epochs": self.epochs,
            "compute": self.compute if self.samples_seen else None,
            "batch": self.batch,
            "lr": self.lr,
            "train_s": self.train_s,
            "wall_s": self.wall_s,
            "curve_steps": [step for step, _ in points],
            "curve": [value for _, value in points],
        }


def write_record(record: Record, folder: Path) -> None:
    """Keeps a record in its run's folder."""
    write_json_atomic({"format": FORMAT, **asdict(record)}, folder / RECORD)


def read_record(folder: Path) -> Record | None:
    """The record in a run's folder, None where there is none. Raises BenchError for one that cannot be read."""
    path = folder / RECORD
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        if held.pop("format") != FORMAT:
            raise ValueError(f"its format is not {FORMAT}")
        return Record(**held)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BenchError(
            f"{path} cannot be read ({error}); remove it and run the study again, which finds the training."
        ) from error


def curve_of(model: Path) -> tuple[list[dict[str, float]], float]:
    """The validations in the log of a training, and the seconds of all its steps; both empty where there is no log."""
    from facevid.generate.training.tracking import LOG, read_log
    from facevid.generate.training.trainer import TRAIN_FOLDER

    path = model / TRAIN_FOLDER / LOG
    if not path.exists():
        return [], 0.0
    lines = read_log(path)
    points = [line for line in lines if "held_out" in line]
    return points, round(sum(line.get("seconds", 0.0) for line in lines), 3)


def write_rows(rows: Sequence[Mapping[str, Any]], folder: Path) -> None:
    """Writes runs.jsonl and runs.parquet."""
    with atomic_path(folder / "runs.jsonl") as partial:
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        partial.write_text(text, encoding="utf-8")
    write_parquet_atomic(pa.Table.from_pylist([dict(row) for row in rows]), folder / "runs.parquet")
