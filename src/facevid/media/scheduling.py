"""Keeps an encoder from changing how urgently the system runs this process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def same_urgency() -> Iterator[None]:
    """Encode in the `with` block: afterwards the calling thread is scheduled as before.

    SVT-AV1 makes the thread that opens it a realtime one (SCHED_FIFO, 99) where it may, which is where root runs it.
    Processes started later inherit that, and then nothing else on the machine gets a turn.
    """
    if not hasattr(os, "sched_getscheduler"):
        yield
        return
    policy, param = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        if (os.sched_getscheduler(0), os.sched_getparam(0)) != (policy, param):
            os.sched_setscheduler(0, policy, param)
