"""Kills `facevid train` with SIGKILL at random steps, finishes it, and compares it bitwise with an undisturbed one.

    python benchmarks/train_kill.py RECIPE --data DATASET [--autoencoder DIR] [--text DIR]
        [--set FIELD=VALUE]... [--kills 10] [--seed 1] [--keep DIR]

The command is the real one, in a process of its own. Each kill waits until the log has a number of steps that is drawn
evenly over the training, in rising order, and then for up to a step longer. Compared are the losses, rates and gradient
norms of every step and every held-out loss, every tensor of the last checkpoint (weights, average, optimizer), and the
files of the model. Exit code 1 where one of them differs. Small recipes and short training make it quick; checkpoints
should lie close, as each kill costs the steps since the last one.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

TIMES = ("seconds", "waited_s")


def main() -> int:
    options = _options()
    root = Path(options.keep or tempfile.mkdtemp(prefix="facevid-train-kill-"))
    plain, killed = root / "undisturbed", root / "killed"
    began = time.monotonic()
    if _start(options, plain).wait():
        raise SystemExit(f"The undisturbed training failed: {_said(plain)}")
    whole_s = time.monotonic() - began
    curve = _curve(plain)
    steps = max(line["step"] for line in curve)
    step_s = sum(line.get("seconds", 0.0) for line in _log(plain)) / steps
    chance = random.Random(options.seed)
    marks = sorted(chance.sample(range(1, steps), min(options.kills, steps - 1)))
    hits = [hit for mark in marks if (hit := _kill(options, killed, mark, chance.uniform(0, step_s)))]
    if _start(options, killed).wait():
        raise SystemExit(f"The last start failed: {_said(killed)}")
    faults = _differences(plain, killed)
    print(
        f"{steps} steps in {whole_s:.0f} s undisturbed; {len(hits)} kills of {len(marks)} hit, at steps {hits}"
    )
    print(f"{len(curve)} lines of the curve compared; differences: {'; '.join(faults) or 'none'}")
    if options.keep is None:
        shutil.rmtree(root)
    return 1 if faults or len(hits) < len(marks) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("recipe")
    parser.add_argument("--data", required=True)
    parser.add_argument("--autoencoder")
    parser.add_argument("--text", help="folder of a text encoder")
    parser.add_argument("--set", action="append", default=[], dest="changes")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", help="folder for both trainings; otherwise they are removed")
    return parser.parse_args()


def _start(options: argparse.Namespace, output: Path) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-m",
        "facevid",
        "train",
        options.recipe,
        "--data",
        options.data,
        "-o",
        str(output),
    ]
    if options.autoencoder:
        command += ["--autoencoder", options.autoencoder]
    if options.text:
        command += ["--text", options.text]
    for change in options.changes:
        command += ["--set", change]
    output.parent.mkdir(parents=True, exist_ok=True)
    with output.with_suffix(".txt").open("ab") as said:
        return subprocess.Popen(command, stdout=said, stderr=said)


def _kill(options: argparse.Namespace, output: Path, mark: int, after_s: float) -> int | None:
    """The step that was running when the process was killed, None where it had ended before."""
    process = _start(options, output)
    while _last_step(output) < mark:
        if process.poll() is not None:
            if process.returncode:
                raise SystemExit(f"A start failed: {_said(output)}")
            return None
        time.sleep(0.002)
    time.sleep(after_s)
    os.kill(process.pid, signal.SIGKILL)
    if process.wait() != -signal.SIGKILL:
        return None
    return _last_step(output) + 1


def _last_step(output: Path) -> int:
    """The last whole line's step of a log that is being written."""
    try:
        with (output / ".train" / "log.jsonl").open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 4096))
            lines = log.read().split(b"\n")[:-1]
        return int(json.loads(lines[-1])["step"])
    except (FileNotFoundError, IndexError, ValueError):
        return 0


def _log(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (output / ".train" / "log.jsonl").read_text().splitlines()]


def _curve(output: Path) -> list[dict[str, Any]]:
    return [{name: value for name, value in line.items() if name not in TIMES} for line in _log(output)]


def _differences(plain: Path, killed: Path) -> list[str]:
    import torch
    from safetensors.torch import load_file

    faults = []
    one, other = _curve(plain), _curve(killed)
    if one != other:
        first = next(
            (k for k, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
        )
        faults.append(
            f"the curves part at line {first + 1}: {one[first : first + 1]} and {other[first : first + 1]}"
        )
    last = sorted((plain / ".train/checkpoints").iterdir())[-1].name
    for file in sorted((plain / ".train/checkpoints" / last).glob("*.safetensors")):
        a, b = load_file(file), load_file(killed / ".train/checkpoints" / last / file.name)
        same = {name for name in a.keys() & b.keys() if torch.equal(a[name], b[name])}
        wrong = sorted((a.keys() | b.keys()) - same)
        if wrong:
            faults.append(f"{file.name} of {last} differs in {len(wrong)} tensors, such as {wrong[0]}")
    for file in sorted(plain.rglob("*.safetensors")):
        inside = file.relative_to(plain)
        if ".train" not in inside.parts and file.read_bytes() != (killed / inside).read_bytes():
            faults.append(f"{inside} differs")
    left = [
        p for p in (killed / ".train").rglob("*") if ".tmp-" in p.name or p.name in ("model-new", "model-old")
    ]
    return faults + [f"{path} was left behind" for path in left]


def _said(output: Path) -> str:
    return output.with_suffix(".txt").read_text()[-2000:]


if __name__ == "__main__":
    sys.exit(main())
