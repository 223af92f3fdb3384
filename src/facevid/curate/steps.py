"""The items of the map steps of a build: what each gets, and what of it decides whether it must run again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from facevid.curate.analyze import ANALYZE, WATCH, part_payloads
from facevid.curate.cut import CUT
from facevid.curate.parts import parts_of, parts_payload
from facevid.curate.wanted import spans_payload, stretches_of, wanted_frames
from facevid.dataset.spans import read_spans
from facevid.engine import Item, PayloadHasher, StepError
from facevid.recipe import Recipe

if TYPE_CHECKING:
    from facevid.curate.tables import Members
    from facevid.curate.work import Work

_PROBED = ("source_id", "width", "height", "fps", "video_bit_rate")
_STRETCH = (
    "clip_id", "source_id", "track", "first_frame", "last_frame", "start_s", "end_s", "fps",
    "crop_x0", "crop_y0", "crop_x1", "crop_y1", "best_frames",
)  # fmt: skip


def analyze_items(sources: Sequence[Mapping[str, Any]], work: Work, recipe: Recipe) -> list[Item]:
    """One item a source."""
    return [
        Item(
            str(s["source_id"]),
            {name: s[name] for name in _PROBED}
            | _spans(s)
            | _parts(s, work, recipe)
            | {
                "_path": s["path"],
                "_out": str(work.analysis(str(s["source_id"]))),
                "_timeout_s": _timeout_s(float(s["duration_s"]), recipe),
            },
        )
        for s in sources
    ]


def watch_items(analyses: Sequence[Item], recipe: Recipe) -> list[tuple[str, Item]]:
    """The parts of the sources that are split, each with its source's key; one item a part."""
    longest = 2 * (recipe.analyze.part_s or 0.0) + recipe.analyze.part_overlap_s
    return [
        (item.key, Item(f"{item.key}_{k:04d}", {**payload, "_timeout_s": _timeout_s(longest, recipe)}))
        for item in analyses
        for k, payload in enumerate(part_payloads(item.payload))
    ]


def _timeout_s(seconds: float, recipe: Recipe) -> float:
    return recipe.analyze.timeout_s + recipe.analyze.timeout_per_second * seconds


def _parts(source: Mapping[str, Any], work: Work, recipe: Recipe) -> dict[str, Any]:
    """How a source is split; nothing for one that is looked at in one go."""
    try:
        stretches = stretches_of(wanted_frames(_spans(source).get("spans", ()), recipe), recipe)
    except StepError:
        return {}  # the step itself says what is wrong with its spans
    parts = parts_of(stretches, round(float(source["duration_s"]) * recipe.fps), recipe)
    split = parts_payload(parts, recipe)
    return {**split, "_parts": str(work.parts(str(source["source_id"])))} if split else {}


def _spans(source: Mapping[str, Any]) -> dict[str, Any]:
    """What of a source is looked at; nothing for a whole one, whose hash then is what it was before spans."""
    spans = spans_payload(read_spans(source.get("spans")))
    return {"spans": spans} if spans else {}


def cut_items(
    stretches: Sequence[Mapping[str, Any]],
    sources: Mapping[str, Mapping[str, Any]],
    work: Work,
    recipe: Recipe,
) -> list[Item]:
    """One item a stretch; scores are left out, so that a score alone never cuts a clip again."""
    digest = PayloadHasher(ANALYZE, recipe)
    hashes = {item.key: digest(item.payload) for item in analyze_items(list(sources.values()), work, recipe)}
    return [
        Item(
            str(s["clip_id"]),
            {name: s[name] for name in _STRETCH}
            | {
                "analysis": hashes[str(s["source_id"])],
                "_source_path": sources[str(s["source_id"])]["path"],
                "_analysis_dir": str(work.analysis(str(s["source_id"]))),
                "_clip_dir": str(work.clips / str(s["clip_id"])),
            },
        )
        for s in stretches
        if str(s["source_id"]) in hashes
    ]


def embed_items(members: Members, work: Work, recipe: Recipe) -> list[Item]:
    """One item a clip that is cut."""
    return [
        Item(
            clip_id,
            {
                "cut": digest,
                "_clip_dir": str(work.clips / clip_id),
                "_embedding_path": str(work.embedding(clip_id)),
            },
        )
        for clip_id, digest in sorted(members.hashes.items())
    ]


__all__ = ["ANALYZE", "CUT", "WATCH", "analyze_items", "cut_items", "embed_items", "watch_items"]
