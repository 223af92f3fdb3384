"""The recipe of a training: one YAML file with model, data, optimisation and validation, checked when it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from facevid.generate.errors import GenerateError
from facevid.recipe import Crop

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Bucket(_Part):
    """One shape of training sample; a batch holds one bucket only. `share`: weight among buckets; one frame is a still,
    which is never given its first picture. batches: how many times optimisation.batch a step of it holds, since small
    samples cost less."""

    frames: Count
    height: Count
    width: Count
    share: Positive = 1.0
    batches: Count = 1


class Data(_Part):
    """Which windows of clips are seen. Times in seconds, rates in frames a second.

    windows: of each clip and bucket, evenly spread over it. captions: lengths to draw from, and their weights.
    holdout: share of people kept for validation where no split is named. workers: processes that decode; 0 decodes in
    a thread. keep_mib: decoded windows that each of them keeps in memory, for small pictures that come again and again.
    crop: margins around the face, in face heights, that every window is cut by; None shows clips as they were cut.
    """

    fps: Positive = 12.5
    windows: Count = 4
    captions: Mapping[Literal["short", "medium", "long"], Positive] = {
        "short": 1.0,
        "medium": 1.0,
        "long": 1.0,
    }
    buckets: Annotated[Sequence[Bucket], Field(min_length=1)]
    holdout: Share = 0.1
    workers: Annotated[int, Field(ge=0)] = 0
    keep_mib: Annotated[int, Field(ge=0)] = 0
    crop: Crop | None = None


class Model(_Part):
    """Which family, and its parts. `pretrained`: folder or hub id of a whole pipeline; else `config` builds it anew.

    config: arguments of the family's file, e.g. {"width": 128, "depth": 4}. autoencoder: folder of one trained by
    facevid or of a diffusers class. method: all weights, or low-rank adapters.
    """

    family: str
    pretrained: str | None = None
    config: Mapping[str, Any] = Field(default_factory=dict)
    autoencoder: str | None = None
    method: Literal["full", "lora"] = "full"
    lora_rank: Count = 16
    lora_alpha: Positive = 16.0
    lora_targets: Sequence[str] | None = None


class Conditioning(_Part):
    """Shares of the samples: given their first picture (image-to-video), and with their prompt dropped."""

    image: Share = 0.0
    drop_prompt: Share = 0.1


class Times(_Part):
    """Sampling of times in flow matching: see `objectives.FlowMatching`."""

    mean: float = 0.0
    std: Positive = 1.0
    shift: Positive = 1.0


class Optimisation(_Part):
    """The optimizer and its schedule. batch: samples of one step over all ranks (times a
    bucket's `batches`). warmup, steps: in steps.

    optimizer: "adamw", or "muon" for the matrices in repeated blocks and AdamW for the rest. muon_lr: rate of these
    matrices, which has the schedule of `lr`; null is `lr`, since updates are scaled to the size of AdamW's.
    decay: "cosine" to `final` x lr at the last step, "linear", or "constant". clip: largest norm of the gradient.
    ema: decay of the averaged weights, 0 for none; it warms up as min(ema, (1 + n) / (10 + n)). minutes: stop after
    that many of one process, with a checkpoint; the schedule is that of `steps`.
    """

    steps: Count
    batch: Count
    accumulate: Count = 1
    optimizer: Literal["adamw", "muon"] = "adamw"
    lr: Positive
    muon_lr: Positive | None = None
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    betas: tuple[Share, Share] = (0.9, 0.99)
    eps: Positive = 1e-8
    warmup: Annotated[int, Field(ge=0)] = 100
    decay: Literal["cosine", "linear", "constant"] = "cosine"
    final: Share = 0.0
    clip: Positive = 1.0
    ema: Share = 0.999
    precision: Literal["fp32", "bf16"] = "fp32"
    checkpoint_activations: bool = False
    compile: bool = False
    minutes: Positive | None = None
    distributed: Literal["ddp", "fsdp"] = "ddp"


class Validation(_Part):
    """every: steps between validations. samples: held-out windows, all at fixed noise and times. seconds: budget of
    the sample grid; prompts: "" is unconditional. guidance, temperature, strength (see `Request`): of grids, and
    what the model is sampled with where nothing else is asked."""

    every: Count = 500
    samples: Count = 256
    grid_seconds: Annotated[float, Field(ge=0)] = 60.0
    grid_steps: Count = 30
    guidance: Annotated[float, Field(ge=1)] = 3.0
    temperature: Positive = 1.0
    strength: Annotated[float, Field(gt=0, le=1)] = 1.0
    prompts: Sequence[str] = ()


class Checkpoints(_Part):
    """every: steps between checkpoints. keep: how many of the newest stay."""

    every: Count = 500
    keep: Count = 2


class Autoencoder(_Part):
    """Losses of an autoencoder, as weights: reconstruction |x - x'| + squared (x - x')^2 + perceptual (face embedder's
    features) + temporal (of frame differences) + kl (of the posterior against a standard normal, nats a number).

    begin: with random weights, or as principal components of the data (AutoencoderKLLTXVideo of one change of size).
    perceptual_frames: frames of each window that the face embedder looks at. perceptual_side: to how many pixels it has
    their shorter side resized, 103 at least; it was trained on faces of 150 x 150.
    """

    type: str = "AutoencoderKLLTXVideo"
    config: Mapping[str, Any] = Field(default_factory=dict)
    begin: Literal["random", "principal"] = "random"
    reconstruction: Positive = 1.0
    squared: Annotated[float, Field(ge=0)] = 0.0
    perceptual: Annotated[float, Field(ge=0)] = 0.1
    perceptual_frames: Count = 4
    perceptual_side: Annotated[int, Field(ge=103)] = 112
    temporal: Annotated[float, Field(ge=0)] = 0.5
    kl: Annotated[float, Field(ge=0)] = 1e-6


class Text(_Part):
    """A text encoder that learns which caption goes with which picture: T5's, of `width` channels and `depth` layers.

    length: tokens of a caption. The picture encoder beside it, which is left behind: `side`, pixels that pictures are
    resized to, a multiple of 8; `hidden`, channels of a patch; `common`, of the vectors that are compared.
    """

    width: Annotated[int, Field(ge=32, multiple_of=32)] = 128
    depth: Count = 2
    length: Count = 128
    side: Annotated[int, Field(ge=8, multiple_of=8)] = 64
    hidden: Count = 64
    common: Count = 128


class TrainRecipe(_Part):
    """A whole training; exactly one of `model`, `autoencoder` and `text` is there."""

    name: str
    seed: Annotated[int, Field(ge=0)] = 0
    data: Data
    model: Model | None = None
    autoencoder: Autoencoder | None = None
    text: Text | None = None
    conditioning: Conditioning = Conditioning()
    times: Times = Times()
    optimisation: Optimisation
    validation: Validation = Validation()
    checkpoints: Checkpoints = Checkpoints()
    tracking: Sequence[Literal["tensorboard", "wandb"]] = ("tensorboard",)

    @property
    def kind(self) -> Literal["video", "autoencoder", "text"]:
        """What comes of it, as facevid.json says it."""
        return "text" if self.text is not None else "autoencoder" if self.autoencoder is not None else "video"

    @model_validator(mode="after")
    def _one_kind(self) -> TrainRecipe:
        if sum(part is not None for part in (self.model, self.autoencoder, self.text)) != 1:
            raise ValueError("give one of `model`, `autoencoder` and `text`, not several and not none")
        return self


_PARTS: dict[str, type[BaseModel]] = {
    "data": Data,
    "buckets": Bucket,
    "model": Model,
    "autoencoder": Autoencoder,
    "text": Text,
    "conditioning": Conditioning,
    "times": Times,
    "optimisation": Optimisation,
    "validation": Validation,
    "checkpoints": Checkpoints,
}


def usual_bucket(buckets: Sequence[Bucket]) -> Bucket:
    """The bucket that a model makes videos of where nothing else is asked: of the largest share among those of more
    than one frame, or of the largest share where all are stills."""
    return max(buckets, key=lambda b: (b.frames > 1, b.share))


def recipe_names() -> list[str]:
    """Names of the recipes that come with facevid."""
    folder = resources.files("facevid.recipes").joinpath("train")
    return sorted(Path(f.name).stem for f in folder.iterdir() if f.name.endswith(".yaml"))


def read_recipe(source: str | Path | Mapping[str, Any], changes: Sequence[str] = ()) -> TrainRecipe:
    """A recipe by its name, its file, or as a mapping; changes: "optimisation.steps=100", in order.

    Raises GenerateError that names every field that is wrong, its value and what is allowed.
    """
    body, where = _body(source)
    for change in changes:
        _apply(body, change)
    try:
        return TrainRecipe.model_validate(body)
    except ValidationError as error:
        faults = [told(fault, what="recipe", known=_fields) for fault in error.errors()]
        raise GenerateError(f"The recipe {where} cannot be used. " + "; ".join(faults) + ".") from None


def told(fault: Any, *, what: str, known: Callable[[Sequence[Any]], list[str]]) -> str:
    """One fault as pydantic finds it, in a sentence: a field that is not known, with the nearest, or a wrong value.

    what: the document, such as "recipe". known: names of the fields in the part of it at a path.
    """
    *inside, last = fault["loc"] or (what,)
    name = ".".join(str(p) for p in (*inside, last))
    if fault["type"] == "missing":
        return f"{name} is missing"
    if fault["type"] == "extra_forbidden":
        fields = known(inside)
        near = get_close_matches(str(last), fields, 1)
        hint = f"did you mean {near[0]}?" if near else f"known there: {', '.join(fields)}"
        return f"{name} is no field of a {what}; {hint}"
    said = fault["msg"].removeprefix("Value error, ")
    if not fault["loc"]:
        return said
    message = {"sequence_type": "it must be a list", "is_instance_of": "it must be a list"}.get(fault["type"])
    return f"{name} = {_short(fault['input'])}: {message or said}"


def _fields(path: Sequence[Any]) -> list[str]:
    """Names of the fields in a part of a recipe."""
    part: type[BaseModel] = TrainRecipe
    for name in path:
        if isinstance(name, str):
            part = _PARTS.get(name, part)
    return list(part.model_fields)


def _body(source: str | Path | Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    if isinstance(source, Mapping):
        return _copy(source), str(source.get("name", "given"))
    path = Path(source)
    if path.suffix in (".yaml", ".yml"):
        if not path.is_file() and path.name == str(source) and path.stem in recipe_names():
            text = resources.files("facevid.recipes").joinpath("train").joinpath(path.name).read_text()
            return _parsed(text, str(source)), str(source)
        if not path.is_file():
            raise GenerateError(
                f"There is no recipe {source}. Give a YAML file, or one of: {', '.join(recipe_names())}."
            )
        return _parsed(path.read_text(), str(source)), str(source)
    if str(source) not in recipe_names():
        raise GenerateError(
            f"There is no recipe named {source}. Give a YAML file, or one of: {', '.join(recipe_names())}."
        )
    text = resources.files("facevid.recipes").joinpath("train").joinpath(f"{source}.yaml").read_text()
    return _parsed(text, str(source)), str(source)


def _parsed(text: str, where: str) -> dict[str, Any]:
    try:
        body = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise GenerateError(f"The recipe {where} is no YAML: {error}.") from None
    if not isinstance(body, dict):
        raise GenerateError(f"The recipe {where} is no mapping of fields to values.")
    return body


def _apply(body: dict[str, Any], change: str) -> None:
    key, sign, value = change.partition("=")
    if not sign or not key:
        raise GenerateError(
            f"{change!r} is no change of a recipe; write FIELD=VALUE: optimisation.steps=100."
        )
    place: Any = body
    *path, last = key.strip().split(".")
    for name in path:
        place = place.setdefault(name, {})
        if isinstance(place, list):
            raise GenerateError(f"{change!r}: {name} of the recipe is a list; give it whole, {name}=[...].")
        if not isinstance(place, dict):
            raise GenerateError(f"{change!r}: {name} of the recipe has no fields.")
    try:
        place[last] = yaml.safe_load(value)
    except yaml.YAMLError:
        raise GenerateError(
            f"{change!r}: the value cannot be read as YAML. Close its brackets and quotes."
        ) from None


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _copy(v) for k, v in value.items()}
    return [_copy(v) for v in value] if isinstance(value, list | tuple) else value


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
