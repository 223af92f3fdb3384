"""Staged releases: shards in such an order that what is out after each stage is a stratified sample of the whole."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from facevid.dataset.choosing.fractions import fraction_order, fraction_rows
from facevid.dataset.choosing.methods import looked_at
from facevid.dataset.choosing.strata import needed
from facevid.dataset.dataset import Dataset, open
from facevid.dataset.ordering import fill_shards
from facevid.dataset.published import DatasetError, Manifest, check_output
from facevid.dataset.shards import SHARD_BYTES
from facevid.dataset.sharing.choose import Choice
from facevid.dataset.sharing.own import clip_rows, write_own
from facevid.dataset.sharing.taken_down import without_taken_down
from facevid.dataset.writing import local_place

STAGES, RELEASED = "stages", "released"
"""Fields of `dataset.json`: the stages of one prepared for release, and which stage of it a release is."""


def write_staged(
    choice: Choice,
    output: Path,
    *,
    stages: Sequence[float],
    by: Sequence[str] = (),
    seed: int = 0,
    shard_bytes: int = SHARD_BYTES,
    on_shard: Callable[[int, int], None] | None = None,
) -> Manifest:
    """Write the chosen clips as a dataset that can be released in stages.

    stages: shares of the clips in percent that shall be out after each stage, such as [10, 40, 50]; what is left comes
    as the last stage. by: attributes, columns or SQL of which what is out shall hold the same shares as the whole.

    The clips stand in the shards in the order of `Dataset.fraction`: after a stage of p percent those are out that
    `fraction(p / 100, seed, by=by)` gives, so that each stage holds the ones before it. Stages end with a shard.
    `dataset.json` lists under `stages` the shards of each. Raises DatasetError for shares that do not rise or a stage
    without clips.
    """
    dataset = choice.dataset
    shares = _shares(stages)
    table = looked_at(dataset, by, needed("clips"))
    ids = table["clip_id"].combine_chunks()
    order = pc.index_in(ids.take(pa.array(fraction_order(table, seed, by))), value_set=dataset.ids)
    ends = [len(fraction_rows(table, share / 100, seed, by)) for share in shares]
    for share, (start, end) in zip(shares, pairwise([0, *ends]), strict=True):
        if start == end:
            raise DatasetError(
                f"The stage that ends at {share:g} % would add no clip: there are {len(dataset)}; name fewer stages."
            )
    numbers = np.asarray(order, np.int64)
    counts = fill_shards(clip_rows(dataset).take(pa.array(numbers)), shard_bytes, ends)
    shard_ends = np.cumsum(counts)
    told, first = [], 0
    for share, end in zip(shares, ends, strict=True):
        last = int(np.searchsorted(shard_ends, end)) + 1
        shards = [f"shard-{k:05d}.tar" for k in range(first, last)]
        told.append({"percent": share, "clips": end, "shards": shards})
        first = last
    about = {STAGES: {"by": list(by), "seed": seed, "stages": told}}
    return write_own(
        choice,
        output,
        shard_bytes=shard_bytes,
        order=numbers.tolist(),
        breaks=ends,
        about=about,
        on_shard=on_shard,
    )


def release(
    dataset: Dataset | str | os.PathLike[str],
    output: str | os.PathLike[str],
    stage: int,
    *,
    on_progress: Callable[[int, int], None] | None = None,
) -> Manifest:
    """Publish what is out after a stage (1 is the first) of a dataset that was exported with stages: only those shards.

    `output` may hold an earlier stage: shards that are there stay untouched, so that a push to a hub sends the new ones
    only. Raises DatasetError for a dataset without stages, or without that one, and where `output` holds a later stage.
    """
    dataset, output = dataset if isinstance(dataset, Dataset) else open(dataset), local_place(output)
    plan = dataset.manifest.about.get(STAGES)
    if not plan:
        raise DatasetError(
            f"{dataset.location} has no stages; prepare them with facevid export --stages 10,40,50 first."
        )
    stages = plan["stages"]
    if not 1 <= stage <= len(stages):
        raise DatasetError(f"{dataset.location} has stages 1 to {len(stages)}, and no stage {stage}.")
    _refuse_to_take_back(output, stage)
    out = [shard for one in stages[:stage] for shard in one["shards"]]
    rows = dataset.rows(["clip_id", "shard"])
    ids = rows.filter(pc.is_in(rows["shard"], value_set=pa.array(out, pa.string())))["clip_id"]
    choice = without_taken_down(Choice(dataset.select(ids, f"stage {stage} of {len(stages)}")), output)
    about: dict[str, Any] = {
        RELEASED: {"stage": stage, "of": len(stages), "percent": stages[stage - 1]["percent"]}
        | {k: plan[k] for k in ("by", "seed")}
    }
    held = Counter(choice.dataset.rows(["shard"])["shard"].to_pylist())
    counts = [held[shard] for shard in out if held[shard]]
    return write_own(choice, output, shards=counts, about=about, on_shard=on_progress)


def _refuse_to_take_back(output: Path, stage: int) -> None:
    """What was released is out: its clips would only seem to be taken back."""
    there = check_output(output)
    released = int((there.about.get(RELEASED) or {}).get("stage", 0)) if there else 0
    if released > stage:
        raise DatasetError(
            f"{output} holds stage {released} already, and a release cannot be taken back to stage {stage}; write "
            "it into another folder, or use facevid takedown where people must be taken out."
        )


def _shares(stages: Sequence[float]) -> list[float]:
    """The shares in percent that are out after each stage, the whole last."""
    shares = [float(s) for s in stages]
    if not shares or not all(0 < s <= 100 for s in shares) or any(b <= a for a, b in pairwise(shares)):
        raise DatasetError(
            f"Stages cannot end at {', '.join(f'{s:g}' for s in shares) or 'nothing'} %; give rising shares of the "
            "whole, above 0 and up to 100, such as 10,40,50."
        )
    return shares if shares[-1] == 100 else [*shares, 100.0]
