"""The fields of a recipe: every threshold, backend and size that a build uses, each with what it may be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

REASONS = (
    "no_face multiple_faces resolution duration sharpness brightness motion pose occlusion text border "
    "speech sync duplicate age licence consent review"
).split()
"""Every reason a stretch may be rejected for; a contract of the published tables."""

# score -> (lowest, highest) value the score can take; a threshold outside decides nothing.
SCORES: dict[str, tuple[float, float]] = {
    "faces": (0, 100),
    "face_px": (0, 16384),
    "face_px_min": (0, 16384),
    "face_area": (0, 1),
    "face_x": (0, 1),
    "face_y": (0, 1),
    "sharpness": (0, 100),
    "blockiness": (0, 100),
    "brightness": (0, 255),
    "contrast": (0, 255),
    "evenness": (0, 1),
    "yaw": (-180, 180),
    "pitch": (-180, 180),
    "roll": (-180, 180),
    "pose_extreme": (0, 180),
    "landmarks_inside": (0, 1),
    "motion_landmarks": (0, 1000),
    "motion_pixels": (0, 255),
    "stillness": (0, 1),
    "hand_over_face": (0, 1),
    "occlusion": (0, 1),
    "text_chars": (0, 10000),
    "border_px": (0, 8192),
    "speech_share": (0, 1),
    "speech_level": (-120, 0),
    "sync_correlation": (-1, 1),
    "sync_offset": (-1000, 1000),
    "mesh_confidence": (0, 1),
    "bits_per_pixel": (0, 1000),
}
"""Scores that `analyze` measures for every window of a track, with the range each can take."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]


class Analyze(_Part):
    """How sources are looked at: frame rates of the measurements and sizes of what they see."""

    max_side: int = Field(ge=320, le=4000)
    window_frames: int = Field(ge=2, le=100)
    detect_every: int = Field(ge=1, le=100)
    hands_every: int = Field(ge=1, le=100)
    light_every: int = Field(ge=1, le=100)
    text_every_s: Positive
    text_side: int = Field(ge=128, le=2048)
    text_confidence: Share
    max_faces: int = Field(ge=1, le=32)
    face_score: Share
    second_face_share: Share
    speech_probability: Share
    sync_max_offset: int = Field(ge=1, le=100)
    part_s: Positive | None
    part_overlap_s: Positive
    timeout_s: Positive
    timeout_per_second: Positive

    @model_validator(mode="after")
    def _room(self) -> Analyze:
        if self.part_s is not None and self.part_s < 4 * self.part_overlap_s:
            raise ValueError(
                f"part_s {self.part_s:g} is less than four times part_overlap_s {self.part_overlap_s:g}: the places "
                "where parts meet would run into each other; allowed: more, or null to split no source"
            )
        return self


class Shots(_Part):
    """Where one shot ends and the next begins."""

    adaptive_threshold: Positive
    min_content_val: Positive
    dissolve_frames: int = Field(ge=4, le=100)
    sudden_difference: Share
    dissolve_correlation: Share
    dissolve_residual: Share
    black_luma: float = Field(ge=0, le=255)
    guard_frames: int = Field(ge=0, le=25)


class Crop(_Part):
    """The square that a clip keeps, in units of the face height (hairline to chin)."""

    above: Annotated[float, Field(ge=0, le=3)]
    below: Annotated[float, Field(ge=0, le=3)]
    sides: Annotated[float, Field(ge=0, le=3)]


class Rule(_Part):
    """A threshold on a score: the stretch is rejected for `reason` where the score is out of bounds.

    `over_s` averages the score over that many seconds around each window first, inside the track.
    """

    reason: str
    score: str
    min: float | None = None
    max: float | None = None
    over_s: Annotated[float, Field(ge=0, le=60)] = 0.0

    @field_validator("reason")
    @classmethod
    def _known_reason(cls, value: str) -> str:
        if value not in REASONS:
            raise ValueError(f"is no reason; allowed: {', '.join(REASONS)}")
        return value

    @field_validator("score")
    @classmethod
    def _known_score(cls, value: str) -> str:
        if value not in SCORES:
            raise ValueError(f"is no score; allowed: {', '.join(SCORES)}")
        return value

    @model_validator(mode="after")
    def _possible(self) -> Rule:
        if self.min is None and self.max is None:
            raise ValueError(f"rule on {self.score} needs a min or a max")
        low, high = SCORES[self.score]
        for name, value in (("min", self.min), ("max", self.max)):
            if value is not None and not low <= value <= high:
                raise ValueError(
                    f"{name} {value:g} can never be met: {self.score} lies in {low:g} to {high:g}"
                )
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} is above max {self.max:g}: no {self.score} can pass")
        return self


class Select(_Part):
    """Which stretches of a track become clips."""

    min_s: Positive
    max_s: Positive
    rules: tuple[Rule, ...]

    @field_validator("rules", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value

    @model_validator(mode="after")
    def _ordered(self) -> Select:
        if self.min_s > self.max_s:
            raise ValueError(f"min_s {self.min_s:g} is above max_s {self.max_s:g}: no clip can pass")
        return self


class People(_Part):
    """What must be known of the people shown, and of the footage, before a stretch is kept."""

    require_consent: bool
    licences: tuple[str, ...] | None
    minimum_age: int | None = Field(ge=0, le=120)

    @field_validator("licences", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value

    @field_validator("licences")
    @classmethod
    def _named(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value is not None and not (value and all(name.strip() for name in value)):
            raise ValueError("must name at least one licence, or be null to allow any")
        return value


class Cut(_Part):
    """How a kept stretch is written."""

    size: int = Field(ge=64, le=4096, multiple_of=2)
    crf: int = Field(ge=0, le=51)
    preset: Literal[
        "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"
    ]
    audio_bit_rate: int = Field(ge=8000, le=512000)
    keyframe_s: Positive


class Identify(_Part):
    """Which clips show one person, and which repeat another."""

    faces_per_clip: int = Field(ge=1, le=50)
    distance: Positive
    duplicate_min_s: Positive
    duplicate_min_share: Share
    duplicate_place: Share
    duplicate_motion: Share
    duplicate_sound: Share


class Pack(_Part):
    """How the dataset lies on disk."""

    shard_bytes: int = Field(ge=1_000_000)


class Annotate(_Part):
    """How finished clips are looked at for attributes and actions."""

    looks: int = Field(ge=1, le=64)
    caption_confidence: Share
    timeout_s: Positive
    timeout_per_second: Positive


class Backends(_Part):
    """Which model does what; names as registered under the entry points `facevid.backends`."""

    face_detector: str
    face_mesh: str
    hand_detector: str
    face_embedder: str
    speech_detector: str
    text_detector: str
    person_segmenter: str


class Needs(_Part):
    """What one worker of a step takes up; None leaves what the step itself declares.

    memory_gb holds everywhere, the rest only on the machines of a cluster.
    """

    cpus: Positive | None = None
    gpus: Annotated[float, Field(ge=0)] | None = None
    memory_gb: Positive | None = None
    custom: dict[str, Positive] | None = None

    @field_validator("cpus", "gpus")
    @classmethod
    def _whole(cls, value: float | None) -> float | None:
        if value is not None and value > 1 and value != int(value):
            raise ValueError("must be a share below 1 or a whole number")
        return value

    @field_validator("custom")
    @classmethod
    def _each_whole(cls, value: dict[str, float] | None) -> dict[str, float] | None:
        for amount in (value or {}).values():
            cls._whole(amount)
        return value


class StepNeeds(_Part):
    """`Needs` of each step of a dataset that runs on workers. No step reads them, so no result depends on them."""

    scan: Needs
    analyze: Needs
    cut: Needs
    identify: Needs
    measure: Needs

    def given(self) -> dict[str, dict[str, Any]]:
        """Step -> what is asked for in place of what it declares; `watch`, a part of `analyze`, has its needs."""
        given = self.model_dump(exclude_none=True)
        return {**given, "watch": given["analyze"]}


class Recipe(_Part):
    """Everything a build decides by; see `recipes/dh-facevid.yaml` for each default and its source."""

    name: str
    fps: Annotated[float, Field(ge=1, le=240)]
    analyze: Analyze
    shots: Shots
    crop: Crop
    select: Select
    people: People
    cut: Cut
    identify: Identify
    pack: Pack
    annotate: Annotate
    backends: Backends
    resources: StepNeeds

    def subset(self, names: Sequence[str]) -> dict[str, Any]:
        """The named fields (dotted, e.g. `"cut.size"` or `"select"`) as plain JSON values."""
        plain = self.model_dump(mode="json")
        out: dict[str, Any] = {}
        for name in names:
            value: Any = plain
            for part in name.split("."):
                value = value[part]
            out[name] = value
        return out

    def published(self) -> dict[str, Any]:
        """The recipe as plain values, but for what speaks of machines and not of data."""
        return self.model_dump(mode="json", exclude={"resources"})

    def to_yaml(self) -> str:
        """The recipe as YAML that `load_recipe` reads back to an equal recipe."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
