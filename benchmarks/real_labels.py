"""Measured attributes and actions of real clips, against labels made by eye.

    python benchmarks/real_labels.py CLIPS [--labels tests/data/real_clips.yaml]

CLIPS is a folder with the files that the labels name. They are built into a dataset in a temporary folder, with hardly
any rule, so that all of them are kept, and annotated. An attribute counts where the eye gave a value; an action counts
if it overlaps one seen by eye by at least half (intersection over union); what is doubtful counts on neither side.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import yaml

import facevid
from facevid.annotate import annotate
from facevid.recipe import SCORES

IOU = 0.5
Span = tuple[str, float, float]
"""Name, start and end in seconds of the clip."""
KEPT = ("faces",)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", type=Path)
    default = Path(__file__).resolve().parent.parent / "tests" / "data" / "real_clips.yaml"
    parser.add_argument("--labels", type=Path, default=default)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--annotated", action="store_true", help="CLIPS is such a dataset, annotated already")
    args = parser.parse_args()
    labels = yaml.safe_load(args.labels.read_text(encoding="utf-8"))
    if args.annotated:
        report(facevid.open(args.clips), labels)
        return
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
    acts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
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
        true = []
        for name, first, last, *doubt in wanted["actions"]:
            span = (name, max(first, start) - start, min(last, end) - start)
            short = span[2] - span[1] < SHORTEST_S.get(name, 0.3)  # not asked for, but no false alarm
            if span[2] > span[1]:
                true.append((span, bool(doubt) or short))
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
    for name, (right, seen, real, covered) in sorted(acts.items(), key=lambda a: -a[1][2]):
        print(f"{name:16}{share(right, seen):>10}{share(covered, real):>8}{seen:>7}{real:>6}")


def count(acts: dict[str, list[int]], found: list[Span], true: list[tuple[Span, bool]], where: str) -> None:
    """Add one clip's right, found and true actions of each name.

    A stretch labelled in pieces, firm and doubtful in turn, may be found piece by piece or whole. What lies mostly in a
    doubtful stretch counts on neither side.
    """
    for name in sorted({t[0] for t, _ in true} | {f[0] for f in found if f[0] in LABELLED}):
        firm = [t for t, doubt in true if t[0] == name and not doubt]
        doubtful = [t for t, doubt in true if t[0] == name and doubt]
        missed = list(firm)
        for f in sorted(f for f in found if f[0] == name):
            whole = joined(f, [*firm, *doubtful])
            hits = [t for t in firm if overlap(f, t) >= IOU]
            if not hits and whole is not None and overlap(f, whole) >= IOU:
                hits = [t for t in firm if t[1] >= whole[1] and t[2] <= whole[2]]
            if any(t in missed for t in hits):
                acts[name][1] += 1
                acts[name][0] += 1
                acts[name][3] += sum(t in missed for t in hits)
                missed = [t for t in missed if t not in hits]
            elif sum(shared(f, t) for t in doubtful) < IOU * (f[2] - f[1]):
                acts[name][1] += 1
                print(f"{where}: {name} {f[1]:.2f}-{f[2]:.2f} was not seen by eye")
        acts[name][2] += len(firm)
        for t in missed:
            print(f"{where}: {name} {t[1]:.2f}-{t[2]:.2f} was missed")


LABELLED = (
    "talk", "smile", "laugh", "frown", "raise brows", "blink", "close eyes", "wink", "gaze away", "open mouth", "yawn",
    "nod", "shake head", "wag head", "tilt",
)  # fmt: skip
"""Actions that were looked for in every clip, so that one found elsewhere is false."""
SHORTEST_S = {"blink": 0.1}


def joined(f: Span, labelled: list[Span]) -> Span | None:
    """The run of labelled stretches without a gap (.1 s at most) that a found one overlaps most."""
    runs: list[Span] = []
    for name, a, b in sorted(labelled, key=lambda t: t[1:]):
        if runs and a - runs[-1][2] <= 0.1:
            runs[-1] = (name, runs[-1][1], max(b, runs[-1][2]))
        else:
            runs.append((name, a, b))
    return max(runs, key=lambda t: overlap(f, t), default=None)


def shared(a: Span, b: Span) -> float:
    """Seconds that two stretches have in common."""
    return max(0.0, min(a[2], b[2]) - max(a[1], b[1]))


def overlap(a: Span, b: Span) -> float:
    """Intersection over union in time."""
    return shared(a, b) / (max(a[2], b[2]) - min(a[1], b[1]))


def share(part: int, whole: int) -> str:
    return f"{part / whole:.2f}" if whole else "-"


if __name__ == "__main__":
    main()
