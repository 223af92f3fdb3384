"""Precision and recall of the measured actions of a dataset made from synthetic footage, against its truth.

    python benchmarks/action_truth.py DATASET FOOTAGE

DATASET was built from FOOTAGE, which holds truth.json (facevid synth). Found and true actions are matched one to one,
best overlap first, at a temporal intersection over union of .5. True actions are cut to the clip; what is then shorter
than .3 s counts on neither side (blinks: .1 s).

Then what is said of whole clips: head_pose against the median of the true angles, by the same borders (frontal
within 15 degrees); blinks_per_minute, right within one blink or 20 %; emotion, happy where true smiles and laughs fill
40 % of the clip, sad and surprise where frowns and raised brows do, neutral where there is none of these and no yawn,
and otherwise no answer is right; gaze, aside where looks away fill more than half of the clip.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import facevid
from facevid import backends
from facevid.annotate.actions import measure_actions
from facevid.annotate.expression import BLINKS_FROM_S, FRONTAL_DEG, PITCH_DEG, PREVAILS, measure_dynamic
from facevid.annotate.observe import observe
from facevid.dataset.clip import Clip

Span = tuple[str, float, float]
IOU = 0.5
SHORTEST_S = {"blink": 0.1}
OTHER_SHORTEST_S = 0.3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("footage", type=Path)
    parser.add_argument(
        "--list", metavar="NAME", help="print the misses and false alarms of one action or attribute"
    )
    args = parser.parse_args()
    programmes = {p["video"]: p for p in json.loads((args.footage / "truth.json").read_text())}
    detector = backends.load("speech_detector", "silero")
    counts: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(("right", "found", "true"), 0))
    answers: dict[str, list[bool | None]] = defaultdict(list)
    for clip in facevid.open(args.dataset):
        seen = observe(clip, segmenter=NoPerson(), speech_detector=detector, looks=1)
        programme = programmes[clip["source_name"]]
        acts, true = measure_actions(seen), truth_of(clip, programme)
        score_clip(clip, [(a.name, a.start_s, a.end_s) for a in acts], true, counts, args.list)
        said = {a.name: a.value for a in measure_dynamic(seen, acts)}
        for name, right in whole_clip(clip, programme, true, said).items():
            if name == args.list and right is False:
                print(f"wrong  {said[name]:14} {clip.clip_id}")
            answers[name].append(right)
    print(f"{'action':14}{'precision':>10}{'recall':>8}{'found':>7}{'true':>6}")
    for name, c in sorted(counts.items(), key=lambda item: -item[1]["true"]):
        print(
            f"{name:14}{share(c['right'], c['found']):>10}{share(c['right'], c['true']):>8}"
            f"{c['found']:>7}{c['true']:>6}"
        )
    print(f"\n{'whole clip':20}{'right':>7}{'answered':>10}{'clips':>7}")
    for name, given in answers.items():
        told = [right for right in given if right is not None]
        print(f"{name:20}{share(sum(told), len(told)):>7}{share(len(told), len(given)):>10}{len(given):>7}")


def share(part: int, whole: int) -> str:
    return f"{part / whole:.2f}" if whole else "-"


class NoPerson:
    """A segmenter that looks for nobody: actions need no person mask."""

    name, version = "none", "1"

    def mask(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.zeros(image.shape[:2], np.float32)


def truth_of(clip: Clip, programme: dict[str, Any]) -> list[Span]:
    """The true actions of a clip in its own seconds."""
    first, last = float(clip["start_s"]), float(clip["end_s"])
    spans = []
    for segment in programme["segments"]:
        spans += [(a["name"], a["start_s"], a["end_s"]) for a in segment.get("actions", [])]
        spans += [("blink", start, end) for start, end in segment.get("blinks", [])]
    cut = [(name, max(a, first) - first, min(b, last) - first) for name, a, b in spans]
    return [s for s in cut if s[2] > s[1]]


def whole_clip(
    clip: Clip, programme: dict[str, Any], true: Sequence[Span], said: dict[str, str]
) -> dict[str, bool | None]:
    """Whether each answer for the whole clip is right; None where there is none."""
    seconds = clip.duration_s
    fills = {
        name: sum(b - a for n, a, b in true if n == name) / seconds
        for name in ("smile", "laugh", "frown", "raise brows", "yawn", "gaze away")
    }
    moods = {
        "happy": fills["smile"] + fills["laugh"],
        "sad": fills["frown"],
        "surprise": fills["raise brows"],
    }
    still = not any(fills[name] for name in ("smile", "laugh", "frown", "raise brows", "yawn"))
    emotions = {"neutral"} if still else {name for name, part in moods.items() if part >= PREVAILS}
    blinks = sum(1 for n, a, b in true if n == "blink" and b - a >= SHORTEST_S["blink"])
    rate = 60 * blinks / seconds
    away = fills["gaze away"] > 0.5
    out: dict[str, bool | None] = dict.fromkeys(("head_pose", "blinks_per_minute", "emotion", "gaze"))
    if "head_pose" in said:
        out["head_pose"] = said["head_pose"] == pose_of(clip, programme)
    if "blinks_per_minute" in said and seconds >= BLINKS_FROM_S:
        off = abs(float(said["blinks_per_minute"]) - rate)
        out["blinks_per_minute"] = off <= max(0.2 * rate, 60 / seconds) + 0.1
    if "emotion" in said:
        out["emotion"] = said["emotion"] in emotions
    if "gaze" in said:
        out["gaze"] = (said["gaze"] != "camera") == away
    return out


def pose_of(clip: Clip, programme: dict[str, Any]) -> str:
    """Where the face points by the true angles; on drawn faces a pitch of 0 is level."""
    first, last, fps = float(clip["start_s"]), float(clip["end_s"]), programme["fps"]
    angles: list[list[float]] = []
    for segment in programme["segments"]:
        frames = np.arange(len(segment.get("pose", []))) / fps + segment["start_s"]
        angles += [segment["pose"][k] for k in np.flatnonzero((frames >= first) & (frames < last))]
    yaw, pitch, _ = np.median(angles, axis=0)
    aside, tipped = abs(yaw) / FRONTAL_DEG, abs(pitch) / PITCH_DEG
    if max(aside, tipped) < 1:
        return "frontal"
    if aside >= tipped:
        return "right" if yaw > 0 else "left"
    return "up" if pitch > 0 else "down"


def score_clip(
    clip: Clip,
    found: Sequence[Span],
    true: Sequence[Span],
    counts: dict[str, dict[str, int]],
    listed: str | None,
) -> None:
    """Adds a clip's hits to `counts`; what matches a true action that is too short counts nowhere."""
    for name in {s[0] for s in (*found, *true)}:
        here = [s for s in found if s[0] == name]
        real = [s for s in true if s[0] == name]
        least = SHORTEST_S.get(name, OTHER_SHORTEST_S)
        short = [s for s in real if s[2] - s[1] < least]
        pairs = match(here, real)
        hits = {f: t for f, t in pairs.items() if real[t] not in short}
        ignored = [
            k for k, s in enumerate(here)
            if k not in hits and (s[2] - s[1] < least or any(overlap(s, t) > 0 for t in short))
        ]  # fmt: skip
        counts[name]["right"] += len(hits)
        counts[name]["found"] += len(here) - len(ignored)
        counts[name]["true"] += len(real) - len(short)
        if name == listed:
            missed = [r for k, r in enumerate(real) if k not in hits.values() and r not in short]
            false = [s for k, s in enumerate(here) if k not in hits and k not in ignored]
            for word, spans in (("missed", missed), ("false", false)):
                for _, a, b in spans:
                    print(f"{word:7}{a:6.2f} {b:6.2f}  {clip.clip_id} of {clip.duration_s:.2f} s")


def match(found: Sequence[Span], true: Sequence[Span]) -> dict[int, int]:
    """Index of the true action of each found one that has one, the best overlap first."""
    pairs = sorted(
        ((overlap(f, t), i, j) for i, f in enumerate(found) for j, t in enumerate(true)), reverse=True
    )
    out: dict[int, int] = {}
    for iou, i, j in pairs:
        if iou >= IOU and i not in out and j not in out.values():
            out[i] = j
    return out


def overlap(a: Span, b: Span) -> float:
    """Intersection over union in time."""
    shared = max(0.0, min(a[2], b[2]) - max(a[1], b[1]))
    return shared / (max(a[2], b[2]) - min(a[1], b[1]))


if __name__ == "__main__":
    main()
