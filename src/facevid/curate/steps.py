"""The items of the map steps of a build: what each gets, and what of it decides whether it must run again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from facevid.curate.analyze import ANALYZE, WATCH, part_payloads
from facevid.curate.cut import CUT
from facevid.curate.identify import EMBED
from facevid.curate.parts import parts_of, parts_payload
from facevid.curate.wanted import spans_payload, stretches_of, wanted_frames
from facevid.dataset.spans import read_spans
from facevid.engine import Item, PayloadHasher, StepError
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
    digest, part_digest = PayloadHasher(ANALYZE, recipe), PayloadHasher(WATCH, recipe)
    items = []
    for s in sources:
        source_id = str(s["source_id"])
        payload = {name: s[name] for name in _PROBED} | _spans(s) | _parts(s, recipe)
        paths: dict[str, Any] = {
            "_path": s["path"],
            "_out": str(work.analysis(source_id, digest(payload))),
            "_timeout_s": _timeout_s(_believed_s(s), recipe),
        }
        if "parts" in payload:
            parts = part_payloads(payload)
            paths["_parts"] = [str(work.part(source_id, k, part_digest(p))) for k, p in enumerate(parts)]
        items.append(Item(source_id, payload | paths))
    return items


def _believed_s(source: Mapping[str, Any]) -> float:
    """Seconds of a source for which it is given time: no more than its bytes can be worth."""
    return max(0.0, min(float(source["duration_s"]), float(source["size_bytes"]) / _BYTES_PER_S))


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


def _parts(source: Mapping[str, Any], recipe: Recipe) -> dict[str, Any]:
    """How a source is split; nothing for one that is looked at in one go."""
    try:
        stretches = stretches_of(wanted_frames(_spans(source).get("spans", ()), recipe), recipe)
    except StepError:
        return {}  # the step itself says what is wrong with its spans
    return parts_payload(parts_of(stretches, round(_believed_s(source) * recipe.fps), recipe), recipe)


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


__all__ = ["ANALYZE", "CUT", "WATCH", "analyze_items", "cut_items", "embed_items", "watch_items"]
