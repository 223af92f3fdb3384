"""What a training tells while it runs: log.jsonl, which a restart cuts back, TensorBoard, and W&B where it is there."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from facevid.engine import Progress, StorageError, storage_sentence
from facevid.generate.errors import GenerateError

LOG = "log.jsonl"
_BOARD_EVERY = 10  # steps between two points of a curve; the log has every step


@dataclass(frozen=True)
class TrainProgress(Progress):
    """How far a training is; `done` and `total` are steps. loss: of the last step told."""

    loss: float = math.nan
    held_out: float | None = None
    samples_per_s: float = 0.0
    left_s: float | None = None

    @property
    def words(self) -> str:
        told = [f"loss {self.loss:.4g}"] if math.isfinite(self.loss) else []
        if self.held_out is not None:
            told.append(f"held out {self.held_out:.4g}")
        if self.samples_per_s:
            told.append(f"{self.samples_per_s:.3g} samples/s")
        if self.left_s:
            minutes, seconds = divmod(round(self.left_s), 60)
            hours, minutes = divmod(minutes, 60)
            told.append(
                f"{hours}:{minutes:02d}:{seconds:02d} left" if hours else f"{minutes}:{seconds:02d} left"
            )
        return ", ".join(told)


class Log:
    """A file of one JSON object a line, in the order of the steps; only ever appended to.

    Lines after the step that a restart goes on from are cut off, so the curve is that of an undisturbed training.
    """

    def __init__(self, path: Path, step: int) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+b")
        self._file.truncate(self._end_of(step))

    def write(self, **values: Any) -> None:
        """Adds a line. Raises StorageError where there is no room."""
        try:
            self._file.write(json.dumps(values, ensure_ascii=False, default=float).encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise StorageError(storage_sentence(error, self.path) or f"{self.path}: {error}") from error

    def sync(self) -> None:
        """Makes what was written last, before a checkpoint that builds on it."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()

    def _end_of(self, step: int) -> int:
        end = 0
        self._file.seek(0)
        for line in self._file:
            try:
                if json.loads(line)["step"] > step or not line.endswith(b"\n"):
                    break
            except (ValueError, KeyError, TypeError):
                break  # half a line, of a process that was killed
            end += len(line)
        return end


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines of a log.jsonl."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


class Board(Protocol):
    """Where curves are drawn."""

    def scalars(self, step: int, values: Mapping[str, float]) -> None: ...

    def close(self) -> None: ...


def boards(wanted: Sequence[str], folder: Path, name: str, step: int) -> list[Board]:
    """The trackers of a recipe. Raises GenerateError where one is not installed.

    step: curves go on after it; what an earlier process drew past it is taken back.
    """
    made: list[Board] = []
    for tracker in wanted:
        made.append(
            _TensorBoard(folder / "tensorboard", step) if tracker == "tensorboard" else _Wandb(folder, name)
        )
    return made


class _TensorBoard:
    def __init__(self, folder: Path, step: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise GenerateError(
                'The recipe asks for tracking by tensorboard, which is not installed: pip install "facevid[generate]", '
                "or leave it out: --set tracking=[]"
            ) from None
        self._writer: Any = SummaryWriter(str(folder), purge_step=step + 1 if step else None)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


class _Wandb:
    def __init__(self, folder: Path, name: str) -> None:
        try:
            import wandb  # type: ignore[import-not-found,unused-ignore]
        except ImportError:
            raise GenerateError(
                "The recipe asks for tracking by wandb, which is not installed: pip install wandb, or leave it out: "
                "--set tracking=[tensorboard]"
            ) from None
        kept = folder / "wandb-id"
        if not kept.exists():
            kept.write_text(os.urandom(8).hex())
        self._run: Any = wandb.init(
            project="facevid", name=name, id=kept.read_text(), dir=str(folder), resume="allow"
        )

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        self._run.finish()


class Tracking:
    """The log and the boards of one training, on rank 0 only."""

    def __init__(self, folder: Path, wanted: Sequence[str], name: str, step: int) -> None:
        self.log = Log(folder / LOG, step)
        self._boards = boards(wanted, folder, name, step)

    def step(self, step: int, values: Mapping[str, Any]) -> None:
        """A step of training."""
        self.log.write(step=step, **values)
        if step % _BOARD_EVERY == 0:
            self._draw(step, {f"train/{name}": value for name, value in values.items()})

    def held_out(self, step: int, values: Mapping[str, float]) -> None:
        """A validation."""
        self.log.write(step=step, **values)
        self._draw(step, {f"held_out/{name}": value for name, value in values.items()})

    def close(self) -> None:
        for board in self._boards:
            board.close()
        self.log.close()

    def _draw(self, step: int, values: Mapping[str, Any]) -> None:
        try:
            for board in self._boards:
                board.scalars(step, {k: v for k, v in values.items() if isinstance(v, int | float)})
        except OSError as error:
            raise StorageError(storage_sentence(error) or f"The curves cannot be written: {error}") from error
