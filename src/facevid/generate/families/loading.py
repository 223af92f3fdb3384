"""Families by name, a family as a recipe describes it, and one from a folder that training or diffusers wrote."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from facevid.generate.errors import GenerateError
from facevid.generate.families.family import Family
from facevid.generate.recipe import Model, Times

FAMILIES = {
    "facevid": "facevid.generate.families.facevid:Facevid",
    "ltx": "facevid.generate.families.ltx:LTX",
    "wan": "facevid.generate.families.wan:Wan",
    "cogvideox": "facevid.generate.families.cogvideox:CogVideoX",
    "hunyuan": "facevid.generate.families.hunyuan:HunyuanVideo",
    "easyanimate": "facevid.generate.families.easyanimate:EasyAnimate",
    "latte": "facevid.generate.families.latte:Latte",
    "animatediff": "facevid.generate.families.animatediff:AnimateDiff",
}
"""Where each family's class is. It has `build(config, parts, objective)`, for a model anew, and
`of_pipeline(parts, config, objective)`, for the components of a loaded pipeline."""

PIPELINES = {
    "LTXPipeline": "ltx",
    "LTXImageToVideoPipeline": "ltx",
    "WanPipeline": "wan",
    "WanImageToVideoPipeline": "wan",
    "CogVideoXPipeline": "cogvideox",
    "CogVideoXImageToVideoPipeline": "cogvideox",
    "HunyuanVideoPipeline": "hunyuan",
    "HunyuanVideoImageToVideoPipeline": "hunyuan",
    "EasyAnimatePipeline": "easyanimate",
    "EasyAnimateInpaintPipeline": "easyanimate",
    "LattePipeline": "latte",
    "AnimateDiffPipeline": "animatediff",
    "StableDiffusionPipeline": "animatediff",
}
"""The family of a folder that facevid did not write, by the class in its model_index.json."""

_PARTS = {
    "autoencoder": "an autoencoder (model.autoencoder of a recipe)",
    "text": "a text encoder (facevid train --text)",
}
WEIGHTS = ("*.safetensors", "*.bin")


def family_named(name: str) -> Any:
    """The class of a family. Raises GenerateError that lists the families."""
    if name not in FAMILIES:
        raise GenerateError(f"There is no family {name}. Known: {', '.join(FAMILIES)}.")
    module, _, of = FAMILIES[name].partition(":")
    return getattr(import_module(module), of)


def build_family(
    model: Model,
    *,
    times: Times | None = None,
    seed: int = 0,
    dtype: Any = None,
    weights: bool = True,
    **parts: Any,
) -> Family:
    """The family that a recipe's `model` describes, with adapters where its method is "lora".

    pretrained: a folder, or a hub's id found in the cache or fetched; config then holds only what the family asks for
    beside weights, and what it lacks of that is as in the training that made the folder. Else weights are drawn by
    `seed` from config: arguments of each part by its name, where `tokenizer` and `text_encoder` may be folders. parts:
    made already, by their names (tokenizer, vae, text_encoder); they win. times: sampling of times in flow matching.
    dtype: of pretrained weights that are frozen, float32 when not given. weights: False for those of a model anew that
    have a shape and take no memory (device "meta"), to count with; our own family only, others have them all the same.

    Raises GenerateError for a field of config that the family does not have.
    """
    import torch

    from facevid.generate.families.parts import check_fields, seeded
    from facevid.generate.objectives import FlowMatching

    chosen = times or Times()
    objective = FlowMatching(chosen.mean, chosen.std, chosen.shift)
    if model.pretrained and model.family not in (kind := _family_in(model.pretrained)):
        raise GenerateError(
            f"{model.pretrained} is of the family {' or '.join(kind)}, and the recipe's model.family is "
            f"{model.family}. Set it to that."
        )
    of = family_named(model.family)
    config = dict(model.config)
    if model.pretrained:
        about = _about(Path(model.pretrained)).get("recipe") or {}
        config = {**of.tuned_as((about.get("model") or {}).get("config") or {}), **config}
    # A recipe that was written for a model anew may tune one, so its fields are no fault there.
    check_fields(config, (*of.fields, *of.fields_tuned) if model.pretrained else of.fields, of.name)
    parts = {name: part for name, part in parts.items() if part is not None}
    if model.autoencoder and "vae" not in parts:
        parts["vae"] = load_autoencoder(model.autoencoder, None if "vae" in of.precise else dtype)
    with seeded(seed):
        if model.pretrained:
            components, settings = _components(model.pretrained, parts, dtype, _precise(of, model, config))
            family = of.of_pipeline(components, {**settings, **config}, objective)
        else:
            for name, load in (("tokenizer", _tokenizer), ("text_encoder", _text_encoder)):
                if isinstance(config.get(name), str):
                    parts.setdefault(name, load(config[name]))
                    del config[name]
            # Other families' schedulers hold numbers that are needed.
            bare = not weights and model.method == "full" and model.family == "facevid"
            with torch.device("meta") if bare else nullcontext():
                family = of.build(config, parts, objective)
        if model.method == "lora":
            family.add_lora(model.lora_rank, model.lora_alpha, model.lora_targets)
    return cast(Family, family)


def _precise(of: Any, model: Model, config: Mapping[str, Any]) -> tuple[str, ...]:
    """Parts to load in float32: those that all learn, and those that the family keeps so."""
    if model.method == "lora":
        return tuple(of.precise)
    text = ("text_encoder",) if config.get("train_text") else ()
    return (*of.precise, of.denoiser_name, *text)


def load_family(folder: str | Path, *, dtype: Any = None) -> Family:
    """The family of a trained model: a folder of facevid's, any folder in diffusers' layout, or a hub's id.

    What facevid wrote says its family in facevid.json; others are told by their pipeline's class. Raises GenerateError
    where there is no model, or none of a family known here.
    """
    from facevid.generate.objectives import FlowMatching

    of = family_named(_family_in(str(folder))[0])
    components, settings = _components(str(folder), {}, dtype, of.precise)
    recipe = _about(Path(folder)).get("recipe") or {}
    times = Times(**(recipe.get("times") or {}))
    config = (recipe.get("model") or {}).get("config") or {}
    objective = FlowMatching(times.mean, times.std, times.shift)
    return cast(Family, of.of_pipeline(components, {**settings, **config}, objective))


def load_autoencoder(folder: str | Path, dtype: Any = None) -> Any:
    """An autoencoder of any class of diffusers, from its folder or from a model's folder with `vae` in it."""
    import diffusers

    place = Path(folder)
    if not (place / "config.json").is_file() and (place / "vae" / "config.json").is_file():
        place = place / "vae"
    if not (place / "config.json").is_file():
        raise GenerateError(
            f"There is no autoencoder in {folder}: neither config.json nor vae/config.json. Train one by "
            "`facevid train autoencoder.yaml`, or give a folder that a class of diffusers saved."
        )
    kind = _json(place / "config.json").get("_class_name", "")
    of = getattr(diffusers, kind, None)
    if of is None:
        raise GenerateError(f"{place}/config.json names the class {kind!r}, which diffusers does not have.")
    if not (hasattr(of, "encode") and hasattr(of, "decode")):
        raise GenerateError(
            f"{folder} holds a {kind}, which is no autoencoder. Give a folder of `facevid train autoencoder`, or of an "
            "autoencoder of diffusers."
        )
    _need_weights(place, "the autoencoder")
    return of.from_pretrained(str(place), dtype=dtype)


def _family_in(source: str) -> list[str]:
    """Families that may take a model: the one that facevid.json names, and that of the pipeline's class."""
    named = _about(Path(source)).get("family")
    kind = str(_index(source).get("_class_name", "of no class"))
    families = [name for name in (named, PIPELINES.get(kind)) if name]
    if not families:
        raise GenerateError(
            f"{source} holds a {kind}, which is of no family known here. Known: {', '.join(sorted(PIPELINES))}."
        )
    return list(dict.fromkeys(families))


def _about(folder: Path) -> dict[str, Any]:
    file = folder / "facevid.json"
    if not file.is_file():
        return {}
    about = _json(file)
    if about.get("kind", "video") != "video":
        raise GenerateError(
            f"{folder} holds {_PARTS.get(about['kind'], about['kind'])}, no video model. Name it as a part of one."
        )
    return about


def _json(file: Path) -> dict[str, Any]:
    try:
        body = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise GenerateError(f"{file} cannot be read as JSON: {error}.") from None
    if not isinstance(body, dict):
        raise GenerateError(f"{file} is no JSON object.")
    return body


def _components(
    source: str, given: Mapping[str, Any], dtype: Any, precise: Sequence[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A pipeline's components, and its other settings (such as expand_timesteps). precise: those in float32."""
    import torch
    from diffusers import DiffusionPipeline

    index = _index(source)
    # A part that the pipeline was saved without must be passed as None, or it is missed.
    absent = {name: None for name, part in _listed(index).items() if part[0] is None}
    if Path(source).is_dir():
        for name, part in _listed(index).items():
            if part[0] in ("diffusers", "transformers") and name not in given:
                _need_part(Path(source), name)
    dtypes = {"default": dtype or torch.float32, **dict.fromkeys(precise, torch.float32)}
    try:
        kept = not Path(source).is_dir() and _hub_is_silent(source) is not None
        pipeline = DiffusionPipeline.from_pretrained(
            source, dtype=dtypes, local_files_only=kept, **{**absent, **given}
        )
    except (OSError, ValueError, ImportError, KeyError, RuntimeError) as error:
        raise GenerateError(f"{_unreachable(source)} It says: {_first_line(error)}") from None
    settings = {
        name: value
        for name, value in index.items()
        if not name.startswith("_") and name not in _listed(index)
    }
    return dict(pipeline.components), settings


def _index(source: str) -> dict[str, Any]:
    from diffusers import DiffusionPipeline
    from huggingface_hub import try_to_load_from_cache

    if Path(source).is_dir():
        file = Path(source) / "model_index.json"
        if not file.is_file():
            raise GenerateError(
                f"{source} is no model: it has no model_index.json. Give a folder that `facevid train` or diffusers "
                "wrote."
            )
        return _json(file)
    if source.startswith((".", "/", "~")) or source.count("/") != 1:
        raise GenerateError(
            f"There is no model {source}: no such folder. Give a folder, or a hub's id OWNER/NAME."
        )
    silent = _hub_is_silent(source)
    if silent is not None:
        kept = try_to_load_from_cache(source, "model_index.json")
        if not isinstance(kept, str):
            raise GenerateError(f"{_unreachable(source)} It says: {silent}")
        return _json(Path(kept))
    try:
        return dict(DiffusionPipeline.load_config(source))
    except (OSError, ValueError) as error:
        raise GenerateError(f"{_unreachable(source)} It says: {_first_line(error)}") from None


def _hub_is_silent(source: str) -> str | None:
    """Why the hub does not answer for a model, so that only the cache is looked in; None where it answers.

    Asked once before anything is fetched: diffusers would try every file six times, for half a minute.
    """
    from huggingface_hub import HfApi

    try:
        HfApi().model_info(source, timeout=10)
    except Exception as error:  # noqa: BLE001  # of requests, httpx or httpx2, by huggingface_hub's version
        return _first_line(error)
    return None


def _listed(index: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Components by name, each [library, class], both None where the pipeline was saved without."""
    named = {name: value for name, value in index.items() if not name.startswith("_")}
    return {name: value for name, value in named.items() if isinstance(value, list) and len(value) == 2}


def _need_part(folder: Path, name: str) -> None:
    place = folder / name
    if not place.is_dir() or not any(place.iterdir()):
        raise GenerateError(
            f"{folder} lacks its {name}/, which its model_index.json lists. Copy the whole folder, or fetch it again."
        )
    if (place / "config.json").is_file():
        _need_weights(place, f"the {name}")


def _need_weights(place: Path, what: str) -> None:
    named = list(place.glob("*.index.json"))
    shards = {shard for f in named for shard in _json(f).get("weight_map", {}).values()}
    lacking = sorted(shard for shard in shards if not (place / shard).is_file())
    if lacking or not any(f for pattern in WEIGHTS for f in place.glob(pattern)):
        file = lacking[0] if lacking else "diffusion_pytorch_model.safetensors (or model.safetensors)"
        raise GenerateError(
            f"The weights of {what} are missing: {place / file}. Copy that file there, or fetch it."
        )


def _unreachable(source: str) -> str:
    if Path(source).is_dir():
        return f"The model in {source} cannot be loaded."
    from huggingface_hub import constants

    offline = " HF_HUB_OFFLINE is set, so it is not asked for." if os.environ.get("HF_HUB_OFFLINE") else ""
    return (
        f"The weights of {source} are not on this machine (looked in the cache {constants.HF_HUB_CACHE}; HF_HOME moves "
        f"it) and cannot be fetched from the hub.{offline} Where there is a network, run `hf download {source} "
        f"--local-dir {source.rsplit('/', 1)[-1]}`, bring that folder here, and set model.pretrained to it."
    )


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0]


def _tokenizer(source: str) -> Any:
    from transformers import AutoTokenizer

    return _from_folder_or_hub(AutoTokenizer, source, "tokenizer")


def _text_encoder(source: str) -> Any:
    from transformers import AutoConfig, AutoModel, T5EncoderModel, UMT5EncoderModel

    kind = _from_folder_or_hub(AutoConfig, source, "text encoder").model_type
    of = {"t5": T5EncoderModel, "umt5": UMT5EncoderModel}.get(kind, AutoModel)
    return _from_folder_or_hub(of, source, "text encoder")


def _from_folder_or_hub(of: Any, source: str, what: str) -> Any:
    try:
        return of.from_pretrained(source)
    except (OSError, ValueError) as error:
        where = f"The {what} {source} cannot be loaded." if Path(source).is_dir() else _unreachable(source)
        raise GenerateError(f"{where} It says: {_first_line(error)}") from None
