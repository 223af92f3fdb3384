"""The card of a model (README.md), as the Hugging Face hub reads one: what it is, and what it learnt from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from facevid.dataset.describing.card import NOTES, notes_in
from facevid.dataset.describing.figures import GROUPED, THIN_PERSONS, words
from facevid.dataset.describing.options import hub_licence
from facevid.dataset.describing.sections import plain, table
from facevid.engine import atomic_path
from facevid.generate.card_use import how_to_use
from facevid.generate.model_folder import parameters

CARD = "README.md"
_UNKNOWN = "unknown"
_HUB_DATASET = re.compile(r"(?:hf://|https://(?:www\.)?huggingface\.co/)datasets/([\w.-]+/[\w.-]+)/?")
_HUB_MODEL = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_TAGS = {"t2v": "text-to-video", "i2v": "image-to-video"}
_MEASURED = {"held_out_psnr": "held-out PSNR, dB", "held_out_ssim": "held-out SSIM"}
_CURVE = 8  # losses shown, spread over the training


def write_card(folder: Path, facts: Mapping[str, Any]) -> Path:
    """Write README.md of the model in `folder` from its facts (facevid.json), its files and its log; returns its path.

    What nobody told stands as unknown. What people wrote between the two lines of the notes stays. The same model
    gives the same bytes.
    """
    path = folder / CARD
    data = facts.get("data") or {}
    parts = [
        _front_matter(facts, data),
        _head(folder, facts, data),
        f"{NOTES[0]}\n{notes_in(path)}{NOTES[1]}\n",
        how_to_use(folder, facts),
        _trained_on(data),
        _balance(data),
        _training(folder, facts),
        _limits(facts, data),
        _people(data),
    ]
    with atomic_path(path) as partial:
        Path(partial).write_text("\n".join(part for part in parts if part), encoding="utf-8")
    return path


def _front_matter(facts: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    modes = _modes(facts)
    base, found = _base(facts), _HUB_DATASET.fullmatch(str(data.get("dataset_url") or ""))
    matter = {
        **_licence(facts, data),
        "library_name": "transformers" if facts.get("kind") == "text" else "diffusers",
        **({"pipeline_tag": tag} if (tag := _pipeline_tag(facts)) else {}),
        **({"base_model": base} if base and _HUB_MODEL.fullmatch(base) else {}),
        **({"datasets": [found[1]]} if found else {}),
        "tags": [
            "face",
            "talking-face",
            "video",
            *(_TAGS[m] for m in modes if m in _TAGS),
            "facevid",
        ],
    }
    return f"---\n{yaml.safe_dump(matter, sort_keys=False, allow_unicode=True, width=1000)}---\n"


def _pipeline_tag(facts: Mapping[str, Any]) -> str | None:
    modes = _modes(facts)
    return "text-to-video" if "t2v" in modes else "image-to-video" if "i2v" in modes else None


def _modes(facts: Mapping[str, Any]) -> list[str]:
    """What it makes videos from; text, where a model does not say."""
    return list(facts.get("modes") or ["t2v"]) if _makes_videos(facts) else []


def _makes_videos(facts: Mapping[str, Any]) -> bool:
    return facts.get("kind", "video") == "video"


def _licence(facts: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, str]:
    """Of the data, where all of it states the one licence and the model grew from nothing else."""
    stated = _stated(data)
    if not stated or None in stated:
        return {"license": _UNKNOWN}
    if len(stated) == 1 and not _base(facts):
        licence = str(next(iter(stated)))
        if known := hub_licence(licence):
            return {"license": known}
        return {
            "license": "other",
            "license_name": re.sub(r"[^a-z0-9.]+", "-", licence.lower()).strip("-.")[:80],
        }
    return {"license": "other", "license_name": "several-see-below"}


def _stated(data: Mapping[str, Any]) -> set[str | None]:
    return {entry["word"] for entry in data.get("licences") or []}


def _base(facts: Mapping[str, Any]) -> str | None:
    base = ((facts.get("recipe") or {}).get("model") or {}).get("pretrained")
    return str(base) if base else None


def _head(folder: Path, facts: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    recipe = facts.get("recipe") or {}
    name = str(facts.get("recipe_name") or recipe.get("name") or folder.name)
    counts = parameters(folder)
    if facts.get("kind") == "autoencoder":
        what = "A video autoencoder: it turns videos of faces into latents and back"
    elif facts.get("kind") == "text":
        what = "A text encoder that has learnt which captions go with which pictures of faces"
    else:
        made = [
            w for m, w in (("t2v", "from text"), ("i2v", "from a picture"), ("unconditional", "from neither"))
            if m in _modes(facts)
        ]  # fmt: skip
        last = f" or {made.pop()}" if len(made) > 1 else ""
        what = f"A model that makes videos of talking faces {', '.join(made)}{last}"
    base = _base(facts)
    method = ((recipe.get("model") or {}).get("method")) or "full"
    grown = (
        f"tuned from {base} ({'low-rank adapters' if method == 'lora' else 'all weights'})"
        if base
        else "trained from scratch"
    )
    rows = [
        ("family", _or_unknown(facts.get("family"))),
        ("grown", grown),
        ("parameters", "; ".join(f"{part} {n:,}" for part, n in counts.items()) or _UNKNOWN),
        ("sizes", _sizes(recipe)),
        ("frames a second", _number(facts.get("fps"))),
        ("steps of training", _number(facts.get("step"))),
        ("samples seen", _number(facts.get("samples_seen"))),
        ("held-out loss", _number(facts.get("held_out_loss"))),
        *((name, _number(facts[key])) for key, name in _MEASURED.items() if facts.get(key) is not None),
    ]
    return (
        f"# {plain(name)}\n\n{what}, trained with facevid on {_number(data.get('train_clips'))} clips of "
        f"{_number(data.get('train_people'))} people.\n\n{table(['', ''], rows)}"
    )


def _trained_on(data: Mapping[str, Any]) -> str:
    title = "## Training data\n\n"
    if not data:
        return f"{title}Unknown: nothing was recorded.\n"
    chosen = [*(data.get("chosen") or [])]
    for key in ("subset", "split"):
        if data.get(key):
            chosen.insert(0, f"{key} {data[key]}")
    rows = [
        ("dataset", _or_unknown(data.get("dataset"))),
        ("version", _or_unknown(data.get("dataset_version"))),
        ("where", _or_unknown(data.get("dataset_url"))),
        ("SHA-256 of its dataset.json", _or_unknown(data.get("dataset_sha256"))),
        ("licence of the dataset", _or_unknown(data.get("dataset_licence"))),
        ("chosen", "; ".join(map(str, chosen)) or "all clips"),
        ("training", f"{_number(data.get('train_clips'))} clips, {_number(data.get('train_people'))} people, "
         f"{_number(data.get('train_hours'))} hours"),
        ("with a caption", f"{_number(data.get('train_captioned'))} clips"),
        ("held out", f"{_number(data.get('validation_clips'))} clips, {_number(data.get('validation_people'))} people"),
    ]  # fmt: skip
    body = title + table(["", ""], rows)
    for key, what in (("licences", "licence of the source"), ("consents", "consent of the people shown")):
        found = data.get(key) or []
        if any(entry["word"] for entry in found):
            said = [(e["word"] or "not stated", f"{e['clips']:,}", f"{e['hours']:,}") for e in found]
            body += f"\n{table([what, 'clips', 'hours'], said)}"
        else:
            body += f"\nThe {what} is not stated for any training clip.\n"
    return body


def _balance(data: Mapping[str, Any]) -> str:
    title = "## Who it was trained on\n\n"
    balance = data.get("balance") or {}
    if not balance:
        return f"{title}Unknown: nothing was recorded.\n"
    parts = [f"{title}People and clips of the training part, by what was said of them and by whom.\n"]
    for name in GROUPED:
        found = balance.get(name) or {}
        values, unknown = found.get("values") or {}, found.get("unknown") or {}
        if not values:
            parts.append(f"**{words(name).capitalize()}**: unknown in every clip.\n")
            continue
        total = sum(v["clips"] for v in values.values()) + unknown.get("clips", 0)
        rows = [(words(value), v) for value, v in values.items()]
        rows.append((_UNKNOWN, {"people": 0, "clips": 0, **unknown}))
        said = found.get("said_by") or {}
        makers = ", ".join(
            f"{by} ({clips:,} clips)" for by, clips in sorted(said.items(), key=lambda s: (-s[1], s[0]))
        )
        shown = [
            (value, f"{v['people']:,}", f"{v['clips']:,}", f"{100 * v['clips'] / total:.1f} %")
            for value, v in rows
        ]
        parts.append(
            f"**{words(name).capitalize()}**, said by {makers or _UNKNOWN}:\n\n"
            f"{table([words(name), 'people', 'clips', 'share of clips'], shown)}"
        )
    return "\n".join(parts)


def _training(folder: Path, facts: Mapping[str, Any]) -> str:
    recipe = facts.get("recipe")
    body = "## How it was trained\n\n"
    if recipe:
        text = yaml.safe_dump(json.loads(json.dumps(recipe)), sort_keys=False, allow_unicode=True)
        body += f"The whole recipe:\n\n```yaml\n{text}```\n"
    else:
        body += "The recipe is unknown.\n"
    curve = _curve(folder / ".train" / "log.jsonl")
    if curve:
        fixed = ", at noise and times that are the same at every validation"
        same = fixed if _makes_videos(facts) else ""
        body += f"\nLoss on held-out clips{same}:\n\n" + table(
            ["step", "held-out loss"], [(f"{step:,}", f"{loss:.4f}") for step, loss in curve]
        )
    else:
        body += "\nHow the held-out loss fell is unknown: there is no log beside the model.\n"
    if versions := facts.get("tool_versions"):
        body += f"\nLibraries: {', '.join(f'{name} {version}' for name, version in versions.items())}.\n"
    return body


def _limits(facts: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    found = [
        "It makes people who do not exist; where few people were trained on, one may look like one of them. Whether it "
        "repeats training clips is unknown: it was not measured.",
        "It has no sound, and lips follow no words.",
    ]
    recipe = facts.get("recipe") or {}
    if facts.get("kind") == "autoencoder":
        found = [
            "It gives back what it is given, faces of real people too, and less well those that look like none it "
            "was trained on.",
            "It works on pictures alone: sound is not kept.",
        ]
    if facts.get("kind") == "text":
        found = [
            "It knows the words of the captions it was trained on, spells others in bytes, and has no grammar."
        ]
    if recipe.get("data", {}).get("buckets"):
        found.append(f"It was trained at {_sizes(recipe)}; other sizes and lengths are untried.")
    balance = data.get("balance") or {}
    unknown = [
        words(name) for name in GROUPED
        if (b := balance.get(name)) and (b.get("unknown") or {}).get("clips", 0) * 2 > (data.get("train_clips") or 0)
    ]  # fmt: skip
    if unknown:
        found.append(
            f"Unknown of most training clips: {', '.join(unknown)}; whether it treats all alike is unknown."
        )
    thin = [
        f"{words(name)} {words(value)} ({v['people']})"
        for name in GROUPED
        for value, v in ((balance.get(name) or {}).get("values") or {}).items()
        if v["people"] < THIN_PERSONS
    ]
    if thin:
        found.append(
            f"Trained on fewer than {THIN_PERSONS} people of: {', '.join(thin)}. Expect it to be worse there."
        )
    captioned, clips = data.get("train_captioned"), data.get("train_clips")
    if _makes_videos(facts) and clips and captioned == 0:
        found.append("No training clip had a caption, so text cannot steer it.")
    if all(facts.get(key) is None for key in _MEASURED):
        found.append("Its measurements, beside the held-out loss, are unknown: none were recorded.")
    return "## Known limits\n\n" + "".join(f"- {limit}\n" for limit in found)


def _people(data: Mapping[str, Any]) -> str:
    name = plain(f"the dataset {data['dataset']}" if data.get("dataset") else "the dataset")
    return (
        "## If you are in the training data\n\n"
        f"Write to whoever published this model, or {name}, and name the clip or the video it comes from. The dataset "
        "is rid of you by `facevid takedown`, which removes you from its latents and captions too. A model cannot "
        "forget: it is trained again on the dataset without you (the same recipe, `facevid train` into a new folder), "
        "and this version is withdrawn. The SHA-256 of dataset.json above tells which models have learnt from which "
        "state of the dataset.\n\n"
        "Do not use it to make anybody real seem to say or do what they did not, and say of what it makes that it was "
        "made by a machine.\n"
    )


def _curve(log: Path) -> list[tuple[int, float]]:
    """(step, held-out loss) of up to eight validations, spread from the first to the last."""
    try:
        lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError):
        return []
    found = [(int(x["step"]), float(x["held_out"])) for x in lines if x.get("held_out") is not None]
    if len(found) <= _CURVE:
        return found
    at = sorted({round(k * (len(found) - 1) / (_CURVE - 1)) for k in range(_CURVE)})
    return [found[k] for k in at]


def _sizes(recipe: Mapping[str, Any]) -> str:
    buckets: Iterable[Mapping[str, Any]] = (recipe.get("data") or {}).get("buckets") or []
    shown = [
        f"{b['width']}x{b['height']} " + ("(stills)" if b["frames"] == 1 else f"with {b['frames']} frames")
        for b in buckets
    ]
    return ", ".join(dict.fromkeys(shown)) or _UNKNOWN


def _or_unknown(value: Any) -> str:
    return _UNKNOWN if value is None or value == "" else str(value)


def _number(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _or_unknown(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
