"""Steps that the engine's tests run in real worker processes: quick, slow, hanging and dying ones."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from facevid.engine import Rejected, StepError, atomic_path, worker_threads

LOADED: list[str] = []


class Recipe:
    """The least that the engine asks of a recipe."""

    def __init__(self, **fields: Any) -> None:
        self.fields = fields

    def subset(self, names: tuple[str, ...]) -> dict[str, Any]:
        return {name: self.fields[name] for name in names}


def double(payload: dict[str, Any], recipe: Recipe | None) -> dict[str, Any]:
    return {"twice": 2 * payload["n"], "pid": os.getpid()}


def nothing(payload: dict[str, Any], recipe: Recipe | None) -> dict[str, Any]:
    return {}


def load(recipe: Recipe | None) -> None:
    LOADED.append("model")


def loaded(payload: dict[str, Any], recipe: Recipe | None) -> dict[str, Any]:
    return {"loads": len(LOADED), "threads": worker_threads(), "omp": os.environ["OMP_NUM_THREADS"]}


def load_missing_model(recipe: Recipe | None) -> None:
    raise FileNotFoundError("the weights file face.onnx is missing")


def die_in_setup(recipe: Recipe | None) -> None:
    os._exit(7)


def mixed(payload: dict[str, Any], recipe: Recipe | None) -> dict[str, Any]:
    """Does what payload["do"] says."""
    what = payload["do"]
    if what == "reject":
        raise Rejected("sharpness", value=1.5, threshold=2)
    if what == "unreadable":
        raise StepError("unreadable", "a.mp4 has no picture")
    if what == "bug":
        return {"x": 1 // 0}
    if what == "not json":
        return {"x": object()}
    if what == "exit":
        sys.exit(3)
    if what == "print":
        print("noise on stdout")
        os.write(1, b"noise on descriptor 1\n")
        return {"read": sys.stdin.read()}
    return {"did": what}


def hang(payload: dict[str, Any], recipe: Recipe | None) -> dict[str, Any]:
    if payload.get("hang", True):
        time.sleep(60)
    return {}


def segfault(payload: dict[str, Any], recipe: Recipe | None) -> dict[str, Any]:
    if payload["bad"]:
        os.kill(os.getpid(), signal.SIGSEGV)
    return {}


def leave(payload: dict[str, Any], recipe: Recipe | None) -> dict[str, Any]:
    if payload["bad"]:
        os._exit(9)
    return {}


def killed_once(payload: dict[str, Any], recipe: Recipe | None) -> dict[str, Any]:
    """Dies by SIGKILL the first time, works the second."""
    mark = Path(payload["_mark"])
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return {"survived": True}


def disk_full(payload: dict[str, Any], recipe: Recipe | None) -> dict[str, Any]:
    if payload["n"] == 3:
        with Path("/dev/full").open("wb", buffering=0) as device:
            device.write(b"x")
    return {}


def wrapped_disk_full(payload: dict[str, Any], recipe: Recipe | None) -> dict[str, Any]:
    try:
        raise OSError(errno.ENOSPC, "No space left on device", "clip.mp4")
    except OSError as error:
        raise StepError("unreadable", "the clip could not be made") from error


def slow_write(payload: dict[str, Any], recipe: Recipe | None) -> dict[str, Any]:
    """Takes a moment, writes its file atomically and notes that it ran."""
    time.sleep(payload.get("_sleep", 0.02))
    with atomic_path(payload["_out"]) as temporary:
        temporary.write_text(str(payload["n"]))
    with Path(payload["_log"]).open("a") as log:
        log.write(f"{payload['n']}\n")
    return {"n": payload["n"]}


def with_child(payload: dict[str, Any], recipe: Recipe | None) -> dict[str, Any]:
    """Starts a long-lived child, writes both process ids down and hangs."""
    child = subprocess.Popen(["sleep", "60"])
    Path(payload["_pids"]).write_text(f"{os.getpid()} {child.pid}")
    time.sleep(60)
    return {}


def anything(payload: dict[str, Any], recipe: Recipe | None) -> dict[str, Any]:
    """Does what payload["do"] says, be it to die."""
    what = payload["do"]
    if what == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if what == "hang":
        time.sleep(600)
    if what == "killed once":
        return killed_once(payload, recipe)
    if what == "grow":
        grow()
    if what == "children grow":
        with ThreadPoolExecutor(1) as thread:
            path = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
            thread.submit(
                subprocess.run, [sys.executable, "-c", "import steps; steps.grow()"], env=path, check=True
            ).result()
    if what == "threads":
        return loaded(payload, recipe)
    return mixed(payload, recipe)


def grow() -> None:
    """Holds half a gigabyte until it is ended."""
    held = bytearray(500_000_000)
    held[::4096] = b"x" * len(held[::4096])
    time.sleep(600)


def asleep(payload: dict[str, Any], recipe: Recipe | None) -> dict[str, Any]:
    """Sleeps for as long as it is told."""
    time.sleep(payload["_sleep"])
    return {"n": payload["n"]}


def third_time(payload: dict[str, Any], recipe: Recipe | None) -> dict[str, Any]:
    """Notes that it begins; hangs the first two times."""
    with Path(payload["_log"]).open("a") as log:
        log.write("begun\n")
    if len(Path(payload["_log"]).read_text().split()) < 3:
        time.sleep(600)
    return {"n": payload["n"]}


def grow_in_setup(recipe: Recipe | None) -> None:
    grow()


def holds(payload: dict[str, Any], recipe: Recipe | None) -> dict[str, Any]:
    """Holds 400 MB for as long as it is told."""
    held = bytearray(400_000_000)
    held[::4096] = b"x" * len(held[::4096])
    time.sleep(payload["seconds"])
    return {}


def score(payload: dict[str, Any], recipe: Recipe | None) -> dict[str, Any]:
    return {"score": int(Path("/proc/self/oom_score_adj").read_text())}
