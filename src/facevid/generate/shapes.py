"""What a video is to be like: frames, size, rate and how it is sampled, as asked or as the model was trained."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from facevid.generate.errors import GenerateError
from facevid.generate.families.family import Family
from facevid.generate.model_folder import ModelFolder
from facevid.generate.recipe import Bucket, usual_bucket


@dataclass(frozen=True)
class Shape:
    """frames; width and height in pixels; fps in frames a second; steps of sampling; guidance, 1 for none;
    temperature, the deviation of the noise that sampling begins with; strength, its share over copies of a picture."""

    frames: int
    width: int
    height: int
    fps: float
    steps: int
    guidance: float
    temperature: float = 1.0
    strength: float = 1.0


# For models that facevid did not train: the defaults of their pipelines in diffusers 0.42, and where those leave a
# size or rate open, what the model was published with.
_PUBLISHED = {
    "ltx": Shape(161, 704, 512, 25.0, 50, 3.0),
    "wan": Shape(81, 832, 480, 16.0, 50, 5.0),
    "cogvideox": Shape(49, 720, 480, 8.0, 50, 6.0),
    "hunyuan": Shape(129, 1280, 720, 24.0, 50, 6.0),
    "easyanimate": Shape(49, 512, 512, 8.0, 50, 5.0),
    "latte": Shape(16, 512, 512, 8.0, 50, 7.5),
    "animatediff": Shape(16, 512, 512, 8.0, 50, 7.5),
}
_SIZE = re.compile(r"\s*(\d+)\s*(?:[xX×]\s*(\d+)\s*)?")


def shape_of(
    model: ModelFolder,
    family: Family,
    *,
    frames: int | None = None,
    size: int | tuple[int, int] | str | None = None,
    fps: float | None = None,
    steps: int | None = None,
    guidance: float | None = None,
    temperature: float | None = None,
    strength: float | None = None,
) -> Shape:
    """What is asked, filled up from how the model was trained. size: (width, height), "WxH", or a square's side.

    Raises SizeError for what the family cannot make, GenerateError for what no model can, or where neither the model
    nor the caller says.
    """
    width, height = (None, None) if size is None else _parsed(size)
    asked: dict[str, Any] = {
        "frames": frames,
        "width": width,
        "height": height,
        "fps": fps,
        "steps": steps,
        "guidance": guidance,
        "temperature": temperature,
        "strength": strength,
    }
    for name, value in asked.items():
        least = 1 if name == "guidance" else 0
        fine = value is None or (math.isfinite(value) and (value > 0 if least == 0 else value >= 1))
        if not fine:
            raise GenerateError(f"{name} is {value}; it must be {'at least 1' if least else 'above 0'}.")
    usual = usual_shape(model.facts) or _PUBLISHED.get(family.name)
    whole: dict[str, Any] = {
        name: getattr(usual, name, None) if value is None else value for name, value in asked.items()
    }
    for name in ("temperature", "strength"):
        whole[name] = 1.0 if whole[name] is None else whole[name]
    if whole["strength"] > 1:
        raise GenerateError(f"strength is {whole['strength']}; it must be above 0 and at most 1.")
    if whole["strength"] < 1 and not family.strengths:
        raise GenerateError(
            f"strength is {whole['strength']}, and models of the family {family.name} begin with noise alone. Leave "
            "--strength out."
        )
    if missing := [f.name for f in fields(Shape) if whole[f.name] is None]:
        raise GenerateError(
            f"The model {model.name} does not say its {', '.join(missing)}. Give --frames, --size, --fps, --steps and "
            "--guidance."
        )
    shape = Shape(**whole)
    family.check(shape.frames, shape.height, shape.width)
    if shape.width % 2 or shape.height % 2:
        raise GenerateError(
            f"A video of {shape.width}x{shape.height} cannot be written; both sides must be even."
        )
    return shape


def usual_shape(facts: Mapping[str, Any]) -> Shape | None:
    """How a model was trained, by its facevid.json: its usual bucket, and how its grids are sampled."""
    recipe = facts.get("recipe")
    if not recipe or not recipe.get("data", {}).get("buckets"):
        return None
    bucket = usual_bucket([Bucket.model_validate(b) for b in recipe["data"]["buckets"]])
    validation = recipe.get("validation", {})
    return Shape(
        bucket.frames,
        bucket.width,
        bucket.height,
        float(facts.get("fps") or recipe["data"].get("fps", 12.5)),
        validation.get("grid_steps", 30),
        float(validation.get("guidance", 3.0)),
        float(validation.get("temperature", 1.0)),
        float(validation.get("strength", 1.0)),
    )


def _parsed(size: int | tuple[int, int] | str) -> tuple[int, int]:
    if isinstance(size, int):
        return size, size
    if isinstance(size, str):
        found = _SIZE.fullmatch(size)
        if not found:
            raise GenerateError(
                f"The size {size!r} is none: write WIDTHxHEIGHT, such as 128x96, or one side, 128."
            )
        return int(found[1]), int(found[2] or found[1])
    width, height = size
    return int(width), int(height)
