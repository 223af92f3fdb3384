"""The recipe: one YAML file with every threshold, backend and size that a build uses.

A recipe is validated when it is read; every mistake is named with its field, its value and what is
allowed. `Recipe.subset` gives a step exactly the fields it reads, which is what its ledger entry hashes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from facevid.errors import FacevidError

DEFAULT_RECIPE = "dh-facevid"

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


class RecipeError(FacevidError):
    """A recipe that cannot be used; the message names each field, its value and what is allowed."""


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
    timeout_s: Positive
    timeout_per_second: Positive


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
    """What one worker of a step takes up on a machine of a cluster; None leaves what the step itself declares."""

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


class StepNeeds(_Part):
    """`Needs` of each step of a dataset that runs on workers. No step reads them, so no result depends on them."""

    scan: Needs
    analyze: Needs
    cut: Needs
    identify: Needs
    measure: Needs

    def given(self) -> dict[str, dict[str, Any]]:
        """Step -> what is asked for in place of what it declares."""
        return self.model_dump(exclude_none=True)


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

    def with_people(
        self,
        *,
        require_consent: bool | None = None,
        licences: Sequence[str] | None = None,
        minimum_age: int | None = None,
    ) -> Recipe:
        """The recipe with these rules of people changed; what is None stays. Raises `RecipeError` as `load_recipe`."""
        given = {
            "require_consent": require_consent,
            "licences": None if licences is None else list(licences),
            "minimum_age": minimum_age,
        }
        change = {name: value for name, value in given.items() if value is not None}
        return load_recipe(
            {**self.model_dump(mode="json"), "people": {**self.people.model_dump(mode="json"), **change}}
        )

    def published(self) -> dict[str, Any]:
        """The recipe as plain values, but for what speaks of machines and not of data."""
        return self.model_dump(mode="json", exclude={"resources"})

    def to_yaml(self) -> str:
        """The recipe as YAML that `load_recipe` reads back to an equal recipe."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def load_recipe(recipe: Recipe | str | Path | Mapping[str, Any] | None = None) -> Recipe:
    """The recipe of that name or file, or the default one.

    A file or a mapping may give only the fields it changes; the rest comes from the default recipe, or
    from the recipe named by its `base`. `select.rules` as a list replaces all rules; as a mapping of scores it
    changes these alone: `{sharpness: {min: 1.0}}` sets a bound, `{pose_extreme: null}` drops the rule. A file
    that gives no `name` is named after itself. Raises `RecipeError` with one line a mistake.
    """
    if isinstance(recipe, Recipe):
        return recipe
    if recipe is None:
        recipe = DEFAULT_RECIPE
    if isinstance(recipe, Mapping):
        where, given = "the recipe given", dict(recipe)
    else:
        where, given = _read(recipe)
    base = given.pop("base", DEFAULT_RECIPE)
    if not isinstance(base, str) or base not in shipped_recipes():
        raise RecipeError(f"{where}: base {base!r} is no recipe; allowed: {', '.join(shipped_recipes())}.")
    if given and "name" not in given:
        given["name"] = f"{base}, changed" if isinstance(recipe, Mapping) else Path(recipe).stem
    merged = _merge(yaml.safe_load(_shipped(base)), given)
    try:
        return Recipe.model_validate(merged)
    except ValidationError as error:
        raise RecipeError(f"{where} cannot be used:\n" + "\n".join(_sentences(error, merged))) from None


def shipped_recipes() -> list[str]:
    """Names of the recipes that come with facevid."""
    folder = resources.files("facevid") / "recipes"
    return sorted(f.name[: -len(".yaml")] for f in folder.iterdir() if f.name.endswith(".yaml"))


def recipe_text(name: str = DEFAULT_RECIPE) -> str:
    """The shipped recipe's own file with its comments, which name the source of each default."""
    if name not in shipped_recipes():
        raise RecipeError(f"There is no recipe {name!r}; allowed: {', '.join(shipped_recipes())}.")
    return _shipped(name)


def _shipped(name: str) -> str:
    return (resources.files("facevid") / "recipes" / f"{name}.yaml").read_text(encoding="utf-8")


def _read(recipe: str | Path) -> tuple[str, dict[str, Any]]:
    path = Path(recipe)
    if str(recipe) in shipped_recipes() and not path.is_file():
        return f"recipe {recipe}", {"base": str(recipe)}
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        names = ", ".join(shipped_recipes())
        raise RecipeError(
            f"Recipe {path} cannot be read ({error}); give a YAML file or one of: {names}."
        ) from None
    try:
        given = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"Recipe {path} is not YAML: {' '.join(str(error).split())}.") from None
    if given is None:
        given = {}
    if not isinstance(given, dict):
        raise RecipeError(f"Recipe {path} must be a mapping of fields, not a {type(given).__name__}.")
    return f"Recipe {path}", given


def _merge(base: dict[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    out = dict(base)
    for key, value in change.items():
        old = out.get(key)
        if key == "rules" and isinstance(old, list) and isinstance(value, Mapping):
            out[key] = _merge_rules(old, value)
        else:
            out[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, Mapping) else value
    return out


def _merge_rules(rules: list[dict[str, Any]], change: Mapping[str, Any]) -> list[Any]:
    """Rules with those of the named scores changed (by a mapping), dropped (by null) or added at the end."""
    out: list[Any] = []
    for rule in rules:
        value = change.get(rule["score"], {})
        if value is not None:
            out.append({**rule, **value} if isinstance(value, Mapping) else value)
    known = {rule["score"] for rule in rules}
    for name in (n for n, value in change.items() if value is None and n not in known):
        meant = [rule["score"] for rule in rules if rule["reason"] == name] or sorted(known)
        raise RecipeError(
            f"select.rules.{name}: there is no rule on a score {name!r} to drop; rules are named by their scores, such "
            f"as {', '.join(meant)}."
        )
    added = {score: value for score, value in change.items() if score not in known and value is not None}
    return out + [{"score": s, **v} if isinstance(v, Mapping) else v for s, v in added.items()]


def _sentences(error: ValidationError, given: Mapping[str, Any]) -> list[str]:
    lines = []
    for problem in error.errors():
        field = ".".join(str(p) for p in problem["loc"])
        value = problem["input"]
        shown = repr(value) if not isinstance(value, (dict, list)) else "this part"
        if problem["type"] == "extra_forbidden":
            parent: Any = given
            for part in problem["loc"][:-1]:
                parent = parent[part]
            model = _model_at(problem["loc"][:-1])
            lines.append(
                f"  {field}: unknown field (value {value!r}); allowed here: {', '.join(model.model_fields)}."
            )
        elif problem["type"] == "missing":
            lines.append(f"  {field}: is missing.")
        else:
            lines.append(
                f"  {field}: {shown} is not allowed: {problem['msg'].removeprefix('Value error, ')}."
            )
    return lines


def _model_at(location: Sequence[Any]) -> type[BaseModel]:
    model: type[BaseModel] = Recipe
    for part in location:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[str(part)].annotation
        if str(part) == "rules":
            annotation = Rule
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            model = annotation
    return model
