"""Exports clips as WebDataset shards: tar files in which the members of a clip follow one another."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from facevid.dataset.dataset import Dataset
from facevid.dataset.shards import SHARD_BYTES, ClipMembers, Member, plan_shard, write_shard
from facevid.dataset.sharing.cards import webdataset_card
from facevid.dataset.sharing.choose import Choice
from facevid.dataset.sharing.flat import FlatRows, as_json
from facevid.dataset.sharing.members import read_member
from facevid.dataset.sharing.target import export_folder
from facevid.engine import atomic_path

_NO_SPLIT = "clips"


def export_webdataset(
    choice: Choice,
    output: Path,
    *,
    shard_bytes: int = SHARD_BYTES,
    on_clip: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Write `<split>-00000.tar` and so on: per clip mp4, flac (with sound), json and txt (with a caption).

    Clips with a value in the column `split` go into shards of that name, the others into `clips-...`. The json is the
    clip's flat row, labels, licence and consent included.
    """
    rows = FlatRows(choice)
    card = webdataset_card({split or _NO_SPLIT for split in choice.splits().to_pylist()})
    with export_folder(choice, output, form="webdataset", options={"shard_bytes": shard_bytes}, card=card):
        waiting: dict[str, list[ClipMembers]] = {}
        sizes: dict[str, int] = {}
        numbers: dict[str, int] = {}

        def write(split: str) -> None:
            number = numbers.get(split, 0)
            plan = plan_shard(number, waiting.pop(split), name=f"{split}-{{:05d}}.tar")
            if not (output / plan.name).exists():
                with atomic_path(output / plan.name) as partial:
                    write_shard(plan, partial)
            numbers[split], sizes[split] = number + 1, 0

        for k, (clip, split) in enumerate(_clips(choice.dataset, rows)):
            if split in waiting and sizes[split] + clip.bytes() > shard_bytes:
                write(split)
            waiting.setdefault(split, []).append(clip)
            sizes[split] = sizes.get(split, 0) + clip.bytes()
            if on_clip:
                on_clip(k + 1, len(rows))
        for split in sorted(waiting):
            write(split)
    return sorted(output.glob("*.tar"))


def _clips(dataset: Dataset, rows: FlatRows) -> Iterator[tuple[ClipMembers, str]]:
    """The members of each clip and its split; media are read when a shard is written."""
    for row, stored in rows.with_places():
        clip_id = row["clip_id"]
        kinds = {k: _stored(dataset, stored, k) for k in ("mp4", "flac") if stored[f"{k}_offset"] is not None}
        kinds["json"] = _text(f"{clip_id}.json", as_json(row))
        if row.get("caption"):
            kinds["txt"] = _text(f"{clip_id}.txt", row["caption"])
        yield ClipMembers(clip_id, kinds), row.get("split") or _NO_SPLIT


def _stored(dataset: Dataset, stored: Mapping[str, Any], kind: str) -> Member:
    return Member(
        f"{stored['clip_id']}.{kind}",
        stored[f"{kind}_size"],
        stored[f"{kind}_sha256"],
        read=lambda: read_member(dataset, stored, kind),
    )


def _text(name: str, text: str) -> Member:
    data = text.encode()
    return Member(name, len(data), hashlib.sha256(data).hexdigest(), content=data)
