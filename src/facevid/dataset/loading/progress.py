"""Where a loader or a stream stands in its epochs, saved and loaded again, and which of its iterations runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from facevid.dataset.loading.wanted import Clips
from facevid.dataset.published import DatasetError

_VERSION = 1  # of saved states


class Progress:
    """The epoch, the place in it behind the last batch handed out, and the one iteration that may go on.

    owner: what it counts for, as errors name it. unit: what a place counts, and its key in a saved state. clips,
    options: what decides the batches; a state is only taken back where these are the same.
    """

    def __init__(
        self, owner: str, *, unit: str, epoch: int, clips: Clips, options: Mapping[str, Any]
    ) -> None:
        self.epoch = epoch
        self.place = 0
        self._owner, self._unit = owner, unit
        self._clips, self._options = clips, options
        self._first = 0  # the place at which the next iteration begins
        self._running: object | None = None

    def begin(self) -> object:
        """Begin an iteration at `epoch` and `place`; what comes back is the mark by which `check` knows it."""
        if self.place > self._first:  # an iteration was left before its end
            self.epoch, self._first = self.epoch + 1, 0
        self.place = self._first
        self._running = object()
        return self._running

    def check(self, iteration: object) -> None:
        """Raise DatasetError if this iteration is no longer the one that runs."""
        if iteration is not self._running:
            raise DatasetError(f"Another iteration of this {self._owner} has begun; one can run at a time.")

    def end(self, iteration: object) -> None:
        """All batches of the epoch were handed out: go on to the next one, unless another iteration has begun."""
        if iteration is self._running:
            self.epoch, self._first, self.place = self.epoch + 1, 0, 0

    def set_epoch(self, epoch: int) -> None:
        """Begin the next iteration with the first batch of this epoch."""
        self.epoch, self._first, self.place, self._running = epoch, 0, 0, None

    def state(self) -> dict[str, Any]:
        """All of it in plain values."""
        return {
            "version": _VERSION,
            "epoch": self.epoch,
            self._unit: self.place,
            "clips": self._clips.sha256,
            **{f"option {name}": value for name, value in self._options.items()},
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Let the next iteration begin where `state` was saved.

        Raises DatasetError, with what differs, if the state does not belong to a loader like this one.
        """
        _check(state, self.state())
        self.set_epoch(int(state["epoch"]))
        self._first = self.place = int(state[self._unit])


def _check(state: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    if state.get("version") != _VERSION or state.keys() != now.keys():
        raise DatasetError(
            f"This is no state of such a loader: it has {', '.join(map(str, state)) or 'nothing'}; load what its "
            "state_dict() gave."
        )
    if state["clips"] != now["clips"]:
        raise DatasetError(
            "The state was saved with other clips; open the same dataset, with the same choice of clips, or begin a "
            "new epoch with set_epoch."
        )
    for name, value in now.items():
        if name.startswith("option ") and state[name] != value:
            raise DatasetError(
                f"The state was saved with {name.removeprefix('option ')} = {state[name]!r} and this loader has "
                f"{value!r}; make it with the same, or begin a new epoch with set_epoch."
            )
