"""From nothing to a model that follows its text and its picture, on two CPU cores; says how long each part takes.

    python benchmarks/train_demo.py FOLDER [--people 400] [--videos 48] [--seed 21] [--samples 200] [--pairs 100]
        [--no-compile]

Synthetic footage of many people, a dataset of it, its captions, an autoencoder, a text encoder, facevid-xs, and
benchmarks/follow.py on the model. Every part goes on where it was stopped; the minutes are those of this run, kept in
FOLDER/minutes.json. The held-out losses of the training are printed at the end.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import facevid

KINDS = ("clean", "clean", "clean", "clean", "silent")
RECIPE = {"name": "synth", "select": {"rules": {"speech_share": None, "brightness": None}}}
"""Silent people and dim rooms are wanted here: it is about faces."""
MINUTES = 56
"""After which the training of facevid-xs ends, where it has not: with its text encoder it shall take an hour."""


def main() -> int:
    options = _options()
    place: Path = options.folder
    place.mkdir(parents=True, exist_ok=True)
    parts = ("footage", "dataset", "autoencoder", "text", "model")
    footage, dataset, autoencoder, text, model = (place / name for name in parts)
    minutes = _Minutes(place / "minutes.json")
    if not (footage / "truth.json").exists():
        with minutes("footage"):
            facevid.synthesize(
                footage, people=options.people, videos=options.videos, seed=options.seed, seconds=27, kinds=KINDS
            )  # fmt: skip
    if not (dataset / "dataset.json").exists():
        with minutes("dataset"):
            facevid.build(footage / "manifest.jsonl", dataset, recipe=RECIPE)
            _facevid("annotate", str(dataset))
    with minutes("autoencoder"):
        facevid.train("autoencoder", dataset, autoencoder)
    with minutes("text"):
        facevid.train("text", dataset, text)
    with minutes("model"):
        changes = [f"optimisation.compile={not options.no_compile}", f"optimisation.minutes={MINUTES}"]
        facevid.train("facevid-xs", dataset, model, autoencoder=autoencoder, text=text, changes=changes)
    with minutes("follow"):
        script = Path(__file__).with_name("follow.py")
        told = [str(model), str(dataset), "--samples", str(options.samples), "--pairs", str(options.pairs)]
        subprocess.run([sys.executable, str(script), *told, "-o", str(place / "follow")], check=False)
    print(json.dumps({"minutes": minutes.all, "held_out": held_out(model)}, indent=2))
    return 0


def held_out(model: Path) -> list[tuple[int, float]]:
    """Steps and held-out losses of a training."""
    lines = [json.loads(line) for line in (model / ".train" / "log.jsonl").read_text().splitlines()]
    return [(line["step"], line["held_out"]) for line in lines if "held_out" in line]


class _Minutes:
    """How long parts took; kept in a file, so that parts made before are still told."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.all: dict[str, float] = json.loads(path.read_text()) if path.exists() else {}

    def __call__(self, part: str) -> Any:
        return _Timer(lambda minutes: self._add(part, minutes))

    def _add(self, part: str, minutes: float) -> None:
        self.all[part] = round(self.all.get(part, 0.0) + minutes, 2)
        self.path.write_text(json.dumps(self.all))


class _Timer:
    def __init__(self, done: Callable[[float], None]) -> None:
        self._done = done

    def __enter__(self) -> None:
        self._began = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self._done((time.monotonic() - self._began) / 60)


def _facevid(*arguments: str) -> None:
    from facevid.cli import main as command

    if command(arguments):
        raise SystemExit(f"facevid {' '.join(arguments)} failed.")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--people", type=int, default=400, help="of whom some 180 appear in 48 videos")
    parser.add_argument("--videos", type=int, default=48)
    parser.add_argument("--seed", type=int, default=21)
    parser.add_argument("--no-compile", action="store_true", help="where no C++ compiler is at hand")
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--pairs", type=int, default=100)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
