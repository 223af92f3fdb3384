"""Holds a dataset behind an address for one run: counts on in its lock and saves checkpoints, in its own threads."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from types import TracebackType

from facevid.engine import remote_lock
from facevid.engine.checkpoint import Checkpoint
from facevid.engine.remote_lock import RemoteLock
from facevid.engine.step import EngineError

SAVE_S = 60.0
"""A running step is saved so often; where a save takes more than a tenth of that, after ten times as long."""
_SHARE = 10


class Keeper:
    """Use as a context manager: it takes the lock, restores what is newer at the address, and gives the lock back.

    restores: False for who is going to throw away what is there. Raises FolderBusy and StorageError as `RemoteLock` and
    `Checkpoint` do.
    """

    def __init__(self, lock: RemoteLock, checkpoint: Checkpoint, *, restores: bool = True) -> None:
        self._lock, self.checkpoint, self._restores = lock, checkpoint, restores
        self._saving = threading.Lock()
        self._stop = threading.Event()
        self._fault: Exception | None = None
        # Two: a checkpoint may take longer than others wait for the next beat.
        self._threads = [
            threading.Thread(target=self._until_fault, args=(loop,), name="facevid-keeper", daemon=True)
            for loop in (self._beats, self._checkpoints)
        ]
        self._saves = False
        self._every_s = SAVE_S

    def __enter__(self) -> Keeper:
        self._lock.take()
        try:
            if self._restores:
                self.checkpoint.restore()
            for thread in self._threads:
                thread.start()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self._fault is not None:
            return
        try:
            if kind is not None and self._saves:
                with contextlib.suppress(EngineError):  # why the run ends is what people are told
                    self.save()
        finally:
            self._lock.release()

    def begin(self) -> None:
        """From now on there is something to save."""
        self._saves = True

    def save(self) -> None:
        """Save a checkpoint now, if the dataset is still ours."""
        self.check()
        with self._saving:
            began = time.monotonic()
            self.checkpoint.save()
            self._every_s = max(SAVE_S, _SHARE * (time.monotonic() - began))

    def check(self) -> None:
        """Raise what the thread met; FolderBusy where the dataset is no longer ours."""
        if self._fault is not None:
            raise self._fault
        self._lock.check()

    def fault(self) -> Exception | None:
        """What the thread met; asks the place for nothing."""
        return self._fault

    def _until_fault(self, loop: Callable[[], None]) -> None:
        try:
            loop()
        except Exception as error:  # noqa: BLE001 - told to the driver, which stops the run with it
            self._fault = error

    def _beats(self) -> None:
        while not self._stop.wait(remote_lock.BEAT_S):
            self._lock.beat()

    def _checkpoints(self) -> None:
        while not self._stop.wait(self._every_s):
            if self._saves and self._fault is None:
                self.save()
