"""The manifest of synthetic footage: who is in which stretch, what these people state of themselves, and the light."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

LICENCE = "CC0-1.0"
CONSENT = "synthetic"  # nobody is shown who could refuse
MANIFEST = "manifest.jsonl"


def write_manifest(folder: str | os.PathLike[str]) -> Path:
    """Writes `manifest.jsonl` beside the truth.json of a folder of programmes; returns its path.

    Raises FileNotFoundError where there is no truth.json.
    """
    truth = json.loads((Path(folder) / "truth.json").read_text())
    path = Path(folder) / MANIFEST
    path.write_text("".join(json.dumps(row, separators=(",", ":")) + "\n" for row in manifest_rows(truth)))
    return path


def manifest_rows(truth: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of a manifest for what truth.json holds: one a segment, so that all of each programme is a span.

    A segment with two people has a row for each of them and states nothing: its times do not tell whose face is whose.
    The light is a label by an annotator, "synth": whoever set the lamps knows it.
    """
    rows: list[dict[str, Any]] = []
    for programme in truth:
        for segment in programme["segments"]:
            row = {
                "path": programme["video"],
                "start_s": segment["start_s"],
                "end_s": segment["end_s"],
                "licence": LICENCE,
                "consent": CONSENT,
            }
            if segment["person"] is None:
                rows.append(row)
            elif segment["second_person"] is None:
                said = {"person": segment["person"], "self_reported": stated(segment["appearance"])}
                rows.append(row | said | {"labels": _light(segment["light"])})
            else:
                rows += [row | {"person": name} for name in (segment["person"], segment["second_person"])]
    return rows


def stated(appearance: Mapping[str, Any]) -> dict[str, str]:
    """`Person.appearance()` in the words of the vocabulary of annotations, as the person would state it.

    Left out: the hair's colour of who has none, and the beard of who wears stubble, which is neither a beard nor none.
    """
    said = {
        "gender": appearance["presentation"],
        "skin_tone": str(appearance["monk"]),
        "hair_length": "bald" if appearance["bald"] else appearance["hair_length"],
    }
    if not appearance["bald"]:
        said["hair_colour"] = {"light brown": "brown"}.get(
            appearance["hair_colour"], appearance["hair_colour"]
        )
        said["bangs"] = _flag(appearance["bangs"])
    if appearance["hair_style"] in ("curly", "afro"):
        said["hair_shape"] = "curly"
    kind = appearance["facial_hair"]
    if kind != "stubble":
        said["beard"] = _flag(kind in ("goatee", "full"))
    said["goatee"] = _flag(kind == "goatee")
    for name in ("mustache", "eyeglasses", "lipstick", "freckles", "earrings"):
        said[name] = _flag(appearance[name])
    said["clothing"] = {"v-neck": "t-shirt"}.get(appearance["clothes"], appearance["clothes"])
    return said


def _light(light: Mapping[str, Any]) -> list[dict[str, str]]:
    values = {
        "light": light["name"],
        "light_direction": {"front": "even"}.get(light["side"], light["side"]),
        "light_tone": light["tone"],
    }
    return [
        {"kind": "attribute", "name": name, "value": value, "by": "annotator", "who": "synth"}
        for name, value in values.items()
    ]


def _flag(shown: object) -> str:
    return "yes" if shown else "no"
