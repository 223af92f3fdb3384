"""The items of the map steps of a build: what each gets, and what of it decides whether it must run again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from facevid.curate.analyze import ANALYZE
from facevid.curate.cut import CUT
from facevid.curate.identify import EMBED
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
    limit, digest = recipe.analyze, PayloadHasher(ANALYZE, recipe)
    items = []
    for s in sources:
        payload = {name: s[name] for name in _PROBED} | _spans(s)
        paths = {
            "_path": s["path"],
            "_out": str(work.analysis(str(s["source_id"]), digest(payload))),
            "_timeout_s": limit.timeout_s + limit.timeout_per_second * _believed_s(s),
        }
        items.append(Item(str(s["source_id"]), payload | paths))
    return items


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
    analysed, digest = PayloadHasher(ANALYZE, recipe), PayloadHasher(CUT, recipe)
    analyses = {item.key: item.payload for item in analyze_items(list(sources.values()), work, recipe)}
    hashes = {source_id: analysed(payload) for source_id, payload in analyses.items()}
    items = []
    for s in stretches:
        source_id, clip_id = str(s["source_id"]), str(s["clip_id"])
        if source_id not in hashes:
            continue
        payload = {name: s[name] for name in _STRETCH} | {"analysis": hashes[source_id]}
        paths = {
            "_source_path": sources[source_id]["path"],
            "_analysis_dir": analyses[source_id]["_out"],
            "_clip_dir": str(work.clip(clip_id, digest(payload))),
        }
        items.append(Item(clip_id, payload | paths))
    return items


def embed_items(members: Members, work: Work, recipe: Recipe) -> list[Item]:
    """One item a clip that is cut."""
    embedded = PayloadHasher(EMBED, recipe)
    items = []
    for clip_id, digest in sorted(members.hashes.items()):
        payload = {"cut": digest}
        paths = {
            "_clip_dir": str(work.clip(clip_id, digest)),
            "_embedding_path": str(work.embedding(clip_id, embedded(payload))),
        }
        items.append(Item(clip_id, payload | paths))
    return items


__all__ = ["ANALYZE", "CUT", "analyze_items", "cut_items", "embed_items"]
