"""How often the measures of looks and light are right on synthetic footage with truth, and how often they answer.

    python benchmarks/look_truth.py DATASET FOOTAGE [--wrong]

DATASET is built from FOOTAGE, which `facevid synth` made; its truth.json says who is drawn how. A clip counts where
at least .8 of it lies in one segment of one person. --wrong prints each wrong answer.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import facevid
from facevid import backends
from facevid.annotate.observe import observe
from facevid.annotate.observed import Answer, Observed
from facevid.dataset import Clip

MEASURES = {
    "hair": "measure_hair",
    "light": "measure_light",
    "face_looks": "measure_face",
    "skin": "measure_skin",
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", type=Path)
    parser.add_argument("footage", type=Path)
    parser.add_argument("--wrong", action="store_true", help="print each wrong answer")
    arguments = parser.parse_args()
    truth = {p["video"]: p["segments"] for p in json.loads((arguments.footage / "truth.json").read_text())}
    measures = _measures()
    segmenter = backends.load("person_segmenter", "mediapipe")
    detector = backends.load("speech_detector", "silero")
    right: dict[str, list[bool]] = defaultdict(list)
    asked: dict[str, int] = defaultdict(int)
    for clip in facevid.open(arguments.dataset):
        segment = segment_of(clip, truth)
        if segment is None:
            continue
        observed = observe(clip, segmenter=segmenter, speech_detector=detector)
        answers = {a.name: a for measure in measures for a in measure(observed)}
        for name, (value, accepted) in expected(segment).items():
            asked[name] += 1
            answer = answers.get(name.removesuffix(" (within 1)"))
            if answer is None:
                continue
            right[name].append(answer.value in accepted)
            if arguments.wrong and answer.value not in accepted:
                print(f"{clip.clip_id} {segment['person']} {name}: {answer.value} is {value} {_told(answer)}")
    print(f"{'attribute':24} {'clips':>5} {'answered':>8} {'accuracy':>8}")
    for name, count in asked.items():
        if told := right[name]:
            print(f"{name:24} {count:5} {len(told) / count:8.2f} {sum(told) / len(told):8.2f}")
        else:
            print(f"{name:24} {count:5} {0:8.2f} {'-':>8}")


def segment_of(clip: Clip, truth: dict[str, Any]) -> dict[str, Any] | None:
    """The truth of the one segment that fills .8 of the clip or more; None where none does."""
    for segment in truth.get(Path(clip["source_name"]).name, ()):
        shared = min(clip["end_s"], segment["end_s"]) - max(clip["start_s"], segment["start_s"])
        if shared >= 0.8 * (clip["end_s"] - clip["start_s"]) and segment.get("appearance"):
            return dict(segment)
    return None


def expected(segment: dict[str, Any]) -> dict[str, tuple[str, tuple[str, ...]]]:
    """For each attribute that the truth tells: what it is, and the answers that count as right."""
    looks, light = segment["appearance"], segment["light"]
    values: dict[str, str] = {
        "hair_length": looks["hair_length"].replace("none", "bald"),
        "bangs": _flag(looks["bangs"]),
        "eyeglasses": _flag(looks["eyeglasses"]),
        "mustache": _flag(looks["mustache"]),
        "goatee": _flag(looks["facial_hair"] == "goatee"),
        "lipstick": _flag(looks["lipstick"]),
        "skin_tone": str(looks["monk"]),
        "light": light["name"],
        "light_direction": {"front": "even"}.get(light["side"], light["side"]),
        "light_tone": light["tone"],
        "headwear": "none",
    }
    if looks["hair_colour"]:
        values["hair_colour"] = {"light brown": "brown"}.get(looks["hair_colour"], looks["hair_colour"])
    if looks["facial_hair"] != "stubble":  # neither a beard nor none
        values["beard"] = _flag(looks["facial_hair"] in ("goatee", "full"))
    judged: dict[str, tuple[str, tuple[str, ...]]] = {
        name: (value, (value,)) for name, value in values.items()
    }
    tone = looks["monk"]
    judged["skin_tone (within 1)"] = (str(tone), tuple(str(tone + step) for step in (-1, 0, 1)))
    return judged


def _flag(shown: object) -> str:
    return "yes" if shown else "no"


def _measures() -> list[Callable[[Observed], Iterable[Answer]]]:
    """The measures that are there."""
    return [
        getattr(importlib.import_module(f"facevid.annotate.{module}"), function)
        for module, function in MEASURES.items()
        if importlib.util.find_spec(f"facevid.annotate.{module}")
    ]


def _told(answer: Answer) -> str:
    detail = " ".join(
        f"{k}={v:.2f}" if isinstance(v, float) else f"{k}={v}" for k, v in answer.detail.items()
    )
    return f"({answer.confidence:.2f}) {detail}"


if __name__ == "__main__":
    main()
