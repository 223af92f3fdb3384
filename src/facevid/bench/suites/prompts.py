"""Prompt suites: labels of real clips with balanced attributes set anew, worded by the grammar of captions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import facevid
from facevid.annotate.caption_events import MENTION_FROM
from facevid.annotate.caption_person import sure_values
from facevid.annotate.captions import captions
from facevid.annotate.parse_caption import parse
from facevid.bench.errors import BenchError
from facevid.bench.suites.bases import BaseClips, labels_of, people_of, values_met
from facevid.bench.suites.decks import dealt, sampling_seed
from facevid.bench.suites.looks import AT_ODDS, BALANCED, check_balance, set_anew
from facevid.bench.suites.suite import GROUPS, Entry, Suite, dataset_facts, new_suite, read_suite, write_suite
from facevid.dataset.dataset import Dataset

Length = Literal["short", "medium", "long"]
_BASES, _WORDINGS = 20, 5  # clips, and wordings of each, tried until a text says all that it is to ask for


def prompt_suite(
    dataset: Dataset,
    folder: str | Path,
    *,
    count: int = 200,
    seeds: int = 1,
    seed: int = 0,
    length: Length = "long",
    duration_s: float,
    balance: Sequence[str] = BALANCED,
    least: int = 3,
    name: str | None = None,
    overwrite: bool = False,
) -> Suite:
    """Write a suite of `count` prompts, each to be sampled with `seeds` seeds.

    Every value of each attribute of `balance` is asked for equally often (to within one), whatever the others are; all
    else is what the labels of a real clip say, without what would contradict. These clips are chosen so that groups of
    ethnicity, gender, age and skin tone come equally often as far as the clips have them; where skin tone is asked for,
    ethnicity is not. A text is taken only if reading it back finds all that it is to ask for.

    dataset: gives values, labels and actions. length: of the texts, as captions have it; "short" has no room for the
    usual balance. duration_s: seconds of the videos to be made; what a clip does later is not asked for. least: people
    who must have a value for it to be asked for; an attribute that is left with fewer than two is not, which
    `Suite.notes` says. name: of the suite, else the folder's. A suite of fewer prompts or seeds is a part of the longer
    one of the same dataset and seed. Raises BenchError for what cannot be asked, where no clip is labelled, or
    something is there already; VocabularyError for an unknown attribute.
    """
    _check(dataset, count, seeds, seed, length, duration_s)
    check_balance(balance)
    folder = Path(folder)
    people = people_of(dataset)
    known = labels_of(dataset, tuple(dict.fromkeys((*balance, *GROUPS))))
    met = {attribute: values_met(attribute, known[attribute], people, least) for attribute in balance}
    asked = {attribute: values for attribute, values in met.items() if len(values) > 1}
    notes = [
        f"{attribute} is not asked for: {_few(values, least)} of the {len(dataset)} clips' people."
        for attribute, values in met.items()
        if attribute not in asked
    ]
    overruled = {*asked, *(other for attribute in asked for other in AT_ODDS[attribute])}
    groups = {attribute: known[attribute] for attribute in GROUPS if attribute not in overruled}
    with new_suite(folder, overwrite=overwrite) as place:
        made = _prompts(dataset, BaseClips(groups, people, seed), asked, seed, length, duration_s)
        entries = [
            _entry(prompt, number, repeat, seed)
            for number, prompt in zip(range(count), made, strict=False)
            for repeat in range(seeds)
        ]
        about = {
            "kind": "prompt", "name": name or folder.name, "facevid": facevid.__version__, "seed": seed,
            "count": count, "seeds": seeds, "dataset": dataset_facts(dataset), "shape": None, "length": length,
            "duration_s": duration_s, "values": {n: {g: list(v) for g, v in of.items()} for n, of in asked.items()},
            "balanced_over": sorted(groups), "least": least, "notes": notes,
        }  # fmt: skip
        write_suite(place, entries, about)
    return read_suite(folder)


def _prompts(
    dataset: Dataset,
    bases: BaseClips,
    asked: Mapping[str, Mapping[str, tuple[str, ...]]],
    seed: int,
    length: Length,
    duration_s: float,
) -> Iterator[dict[str, Any]]:
    """Prompts without end: "prompt", "asked", "groups" and "built_from"."""
    decks = {name: dealt(tuple(values), seed, name) for name, values in asked.items()}
    inner = {(n, g): dealt(of, seed, n, g) for n, values in asked.items() for g, of in values.items()}
    columns = ["clip_id", "attributes", *(["actions"] if "actions" in dataset.columns else [])]
    table = dataset.rows(columns).combine_chunks()
    for number in itertools.count():
        chosen = {name: next(deck) for name, deck in decks.items()}
        wanted = {name: next(inner[name, group]) for name, group in chosen.items()}
        for base in bases.ranked(_BASES):
            row = table.slice(base, 1).to_pylist()[0]
            said = _worded(row, wanted, f"suite {seed} {number}", length, duration_s)
            if said is not None:
                bases.take(base)
                yield {**said, "asked": chosen, "built_from": row["clip_id"]}
                break
        else:
            raise BenchError(
                f"no {length} text says all of {', '.join(f'{n} {v}' for n, v in wanted.items())}; take length='long', "
                "or balance over fewer attributes."
            )


def _worded(
    row: Mapping[str, Any], wanted: Mapping[str, str], name: str, length: Length, duration_s: float
) -> dict[str, Any] | None:
    """A text that says all that is wanted, and the groups that it names; None where no wording does."""
    early = [
        {**act, "end_s": min(act["end_s"], duration_s)}
        for act in row.get("actions") or ()
        if act["start_s"] < duration_s
    ]
    attributes, actions = set_anew(row["attributes"] or {}, early, wanted)
    values = sure_values(attributes, MENTION_FROM)
    for wording in range(_WORDINGS):
        text = captions(
            {"attributes": attributes, "actions": actions}, clip_id=f"{name} {wording}", duration_s=duration_s
        )[length]
        claims = parse(text)
        if not claims.errors and all(_says(claims.attributes.get(n), v) for n, v in wanted.items()):
            named = {*claims.attributes, *(() if claims.ages is None else ("age",))}
            return {"prompt": text, "groups": {n: values.get(n) if n in named else None for n in GROUPS}}
    return None


def _says(claimed: frozenset[str] | None, value: str) -> bool:
    """Whether a caption asks for a value; it says of what is absent nothing, or that it is."""
    return value in ("no", "none") if claimed is None else claimed == {value}


def _entry(prompt: Mapping[str, Any], number: int, repeat: int, seed: int) -> Entry:
    return Entry(
        entry=f"p{number:04d}-s{repeat}",
        kind="prompt",
        seed=sampling_seed(seed, "prompt", number, repeat),
        clip_id=None,
        person=None,
        picture=None,
        reference=None,
        partner=None,
        **prompt,
    )


def _few(values: Mapping[str, Any], least: int) -> str:
    one = next(iter(values), None)
    return f"{f'only {one!r} is' if one else 'no value is'} known of {least} or more"


def _check(dataset: Dataset, count: int, seeds: int, seed: int, length: str, duration_s: float) -> None:
    if not len(dataset):
        raise BenchError(f"there is no clip in {dataset!r}, and prompts are built from clips; choose others.")
    if count < 1 or seeds < 1 or seed < 0:
        raise BenchError(
            f"{count} prompts with {seeds} seeds, seed {seed}, cannot be made; count and seeds are 1 or more, seed 0 "
            "or more."
        )
    if length not in ("short", "medium", "long"):
        raise BenchError(f"a prompt cannot be {length!r}; allowed are short, medium and long.")
    if not (math.isfinite(duration_s) and duration_s > 0):
        raise BenchError(f"duration_s is {duration_s}; it is the seconds of a video, above 0.")
