"""The items of the map steps of a build: what each gets, and what of it decides whether it must run again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from facevid.curate.analyze import ANALYZE
from facevid.curate.cut import CUT
from facevid.curate.wanted import spans_payload
from facevid.dataset.spans import read_spans
from facevid.engine import Item, PayloadHasher
from facevid.recipe import Recipe

if TYPE_CHECKING:
    from facevid.curate.tables import Members
    from facevid.curate.work import Work

_PROBED = ("source_id", "width", "height", "fps", "video_bit_rate")
# 8 kbit/s, less than speech alone needs. A film below it still has its base, and half the usual time at 4 kbit/s.
_BYTES_PER_S = 1000.0
_STRETCH = (
    "clip_id", "source_id", "track", "first_frame", "last_frame", "start_s", "end_s", "fps",
    "crop_x0", "crop_y0", "crop_x1", "crop_y1", "best_frames",
)  # fmt: skip


def analyze_items(sources: Sequence[Mapping[str, Any]], work: Work, recipe: Recipe) -> list[Item]:
    """One item a source."""
    limit = recipe.analyze
    return [
        Item(
            str(s["source_id"]),
            {name: s[name] for name in _PROBED}
            | _spans(s)
            | {
                "_path": s["path"],
                "_out": str(work.analysis(str(s["source_id"]))),
                "_timeout_s": limit.timeout_s + limit.timeout_per_second * _believed_s(s),
            },
        )
        for s in sources
    ]


def _believed_s(source: Mapping[str, Any]) -> float:
    """Seconds of a source for which it is given time: no more than its bytes can be worth."""
    return max(0.0, min(float(source["duration_s"]), float(source["size_bytes"]) / _BYTES_PER_S))


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


__all__ = ["ANALYZE", "CUT", "analyze_items", "cut_items", "embed_items"]
