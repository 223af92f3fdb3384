"""Micro-batches, read ahead by a thread and put on the device; the time spent waiting for them is kept."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from typing import Any

import torch

from facevid.generate.training.task import Batch

_END = object()
_POLL_S = 0.1


class Feeder:
    """Iterates over `batches`, at most `ahead` of which wait ready. Close it, or use it in a `with`.

    waited_s: seconds for which the caller had to wait, since it was last set to 0.
    """

    def __init__(self, batches: Iterator[Batch], device: torch.device, ahead: int = 2) -> None:
        self._device = device
        self._ready: queue.Queue[Any] = queue.Queue(max(1, ahead))
        self._stopped = threading.Event()
        self._thread = threading.Thread(
            target=self._read, args=(batches,), daemon=True, name="facevid-feeder"
        )
        self._thread.start()
        self.waited_s = 0.0

    def __enter__(self) -> Feeder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def next(self) -> Batch:
        """The next micro-batch, its tensors on the device. Raises StopIteration at the end, and what reading raised."""
        began = time.perf_counter()
        found = self._ready.get()
        self.waited_s += time.perf_counter() - began
        if found is _END:
            raise StopIteration
        if isinstance(found, BaseException):
            raise found
        return on_device(found, self._device)

    def close(self) -> None:
        """Ends the thread."""
        self._stopped.set()
        self._thread.join(timeout=30)

    def _read(self, batches: Iterator[Batch]) -> None:
        # Of this thread alone: with a team of its own it would spin on the cores that the step computes on.
        torch.set_num_threads(1)
        try:
            for batch in batches:
                if not self._hand_over(_pinned(batch) if self._device.type == "cuda" else batch):
                    return
            self._hand_over(_END)
        except BaseException as error:  # noqa: BLE001 - it is raised where the batch is asked for
            self._hand_over(error)
        finally:
            close = getattr(batches, "close", None)
            if close is not None:
                close()

    def _hand_over(self, found: Any) -> bool:
        while not self._stopped.is_set():
            try:
                self._ready.put(found, timeout=_POLL_S)
                return True
            except queue.Full:
                continue
        return False


def on_device(batch: Batch, device: torch.device) -> Batch:
    """The batch with its tensors on a device; "seed" stays on the CPU, where all chance is drawn."""
    return {
        name: value.to(device, non_blocking=True)
        if isinstance(value, torch.Tensor) and name != "seed"
        else value
        for name, value in batch.items()
    }


def _pinned(batch: Batch) -> Batch:
    return {
        name: value.pin_memory() if isinstance(value, torch.Tensor) and name != "seed" else value
        for name, value in batch.items()
    }
