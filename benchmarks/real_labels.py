"""Measured attributes and actions of real clips, against labels made by eye.

    python benchmarks/real_labels.py CLIPS [--labels tests/data/real_clips.yaml]

CLIPS is a folder with the files that the labels name. They are built into a dataset in a temporary folder, with hardly
any rule, so that all of them are kept, and annotated. An attribute counts where the eye gave a value; an action counts
if it overlaps one made by eye by at least half (intersection over union), among the names labelled for any clip.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

import facevid
from facevid.annotate import annotate
from facevid.recipe import SCORES

IOU = 0.5
KEPT = ("faces",)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", type=Path)
    default = Path(__file__).resolve().parent.parent / "tests" / "data" / "real_clips.yaml"
    parser.add_argument("--labels", type=Path, default=default)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    labels = yaml.safe_load(args.labels.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "dataset"
        rules = {score: None for score in SCORES if score not in KEPT}
        recipe = {"select": {"rules": rules, "min_s": 1.0}}
        files = [str(args.clips / name) for name in labels]
        facevid.build(files, output, recipe=recipe, workers=args.workers)
        annotate(output, workers=args.workers)
        report(facevid.open(output), labels)


def report(ds: Any, labels: dict[str, Any]) -> None:
    asked: dict[str, list[bool | None]] = defaultdict(list)
    acts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for clip in ds:
        wanted = labels[clip["source_name"]]
        for name, value in wanted["attributes"].items():
            said = (clip["attributes"] or {}).get(name)
            asked[name].append(None if said is None else said["value"] == value)
            if said is not None and said["value"] != value:
                print(
                    f"{clip['source_name']}: {name} is {value}, said {said['value']} ({said['confidence']:.2f})"
                )
        start, end = float(clip["start_s"]), float(clip["end_s"])
        true = [(n, max(a, start) - start, min(b, end) - start) for n, a, b in wanted["actions"]]
        true = [t for t in true if t[2] - t[1] >= 0.3]
        found = [(a["name"], a["start_s"], a["end_s"]) for a in clip["actions"] or ()]
        count(acts, found, true, clip["source_name"])
    print(f"\n{'attribute':16}{'right':>8}{'answered':>10}{'of':>5}")
    for name, answers in sorted(asked.items()):
        given = [a for a in answers if a is not None]
        print(f"{name:16}{share(sum(given), len(given)):>8}{len(given):>10}{len(answers):>5}")
    everything = [a for answers in asked.values() for a in answers]
    given = [a for a in everything if a is not None]
    print(f"{'all':16}{share(sum(given), len(given)):>8}{len(given):>10}{len(everything):>5}")
    print(f"\n{'action':16}{'precision':>10}{'recall':>8}{'found':>7}{'true':>6}")
    for name, (right, seen, real) in sorted(acts.items()):
        print(f"{name:16}{share(right, seen):>10}{share(right, real):>8}{seen:>7}{real:>6}")


def count(
    acts: dict[str, list[int]],
    found: Iterable[tuple[str, float, float]],
    true: list[tuple[str, float, float]],
    where: str,
) -> None:
    """Add one clip's right, found and true actions of each name that was labelled in any clip of the file."""
    for name in {t[0] for t in true} | {f[0] for f in found if f[0] in LABELLED}:
        left = [t for t in true if t[0] == name]
        acts[name][2] += len(left)
        for f in sorted(f for f in found if f[0] == name):
            acts[name][1] += 1
            best = max(left, key=lambda t: overlap(f, t), default=None)
            if best is not None and overlap(f, best) >= IOU:
                acts[name][0] += 1
                left.remove(best)
            else:
                print(f"{where}: {name} {f[1]:.2f}-{f[2]:.2f} was not seen by eye")
        for t in left:
            print(f"{where}: {name} {t[1]:.2f}-{t[2]:.2f} was missed")


LABELLED = ("talk", "smile", "close eyes", "wink", "frown")
"""Actions that the eye looked for in every clip; others are labelled where they are plain, for recall alone."""


def overlap(a: tuple[str, float, float], b: tuple[str, float, float]) -> float:
    """Intersection over union in time."""
    shared = max(0.0, min(a[2], b[2]) - max(a[1], b[1]))
    return shared / (max(a[2], b[2]) - min(a[1], b[1]))


def share(part: int, whole: int) -> str:
    return f"{part / whole:.2f}" if whole else "-"


if __name__ == "__main__":
    main()
