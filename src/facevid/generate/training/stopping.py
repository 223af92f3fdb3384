"""Ctrl-C and the end of a job's time: the step is finished and a checkpoint written before the process goes."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import Any


class Stop:
    """Ctrl-C and SIGTERM are kept until a step is done; a second Ctrl-C ends at once."""

    def __init__(self) -> None:
        self.wanted = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Stop:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            with contextlib.suppress(ValueError, TypeError):
                signal.signal(number, handler)

    def _note(self, number: int, frame: Any) -> None:
        if self.wanted and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.wanted = True
