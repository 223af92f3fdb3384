"""The children of this process and what memory they hold, from /proc (Linux)."""

from __future__ import annotations

from pathlib import Path


def child_processes() -> list[int]:
    """Numbers of the processes that this one has started and that are there."""
    found: list[int] = []
    for task in Path("/proc/self/task").iterdir():
        try:
            found += map(int, (task / "children").read_text().split())
        except OSError:  # a thread that has just ended
            continue
    return found


def memory_of(pid: int, name: str) -> int:
    """Bytes of a process by a field of its status, such as VmHWM (proc_pid_status(5)); 0 for one that is gone."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in text.splitlines() if line.startswith(f"{name}:")), 0)
