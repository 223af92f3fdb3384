"""What stands first on a benchmark's page: what was judged against what, what came out, notes, failed videos."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from html import escape
from typing import Any

from facevid.bench.page.document import bullets, section
from facevid.bench.page.judge import beside_floor, beside_real, measured
from facevid.bench.page.words import (
    SURE,
    better_of,
    count,
    listed,
    setting,
    shape_text,
)
from facevid.bench.result import Result

_FAILED = 50


def head(result: Result) -> str:
    """Tiles with counts, what was judged, what came out in a few sentences, notes, and videos that failed."""
    failed = result.videos.get("failed", [])
    tiles = [
        ("videos made", result.videos.get("count")),
        ("real clips", result.data.get("clips")),
        ("videos failed", len(failed)),
        ("distances", len(result.distances)),
        ("metrics", len(result.metrics)),
    ]
    shown = "".join(
        f"<div><b>{'–' if n is None else f'{n:,}'}</b><span>{escape(name)}</span></div>" for name, n in tiles
    )
    text = f'<div class="tiles">{shown}</div>{_judged(result)}{bullets(sentences(result))}'
    if result.notes:
        text += section("Notes", bullets(result.notes))
    if failed:
        title = f"{count(len(failed), 'video')} failed"
        text += f'<details class="crossed"><summary>{title}</summary>{_failed(failed)}</details>'
    return text


def sentences(result: Result) -> list[str]:
    """What came out, each in a sentence: distances beside the floor, metrics beside the real videos, gaps of groups."""
    return [*_of_distances(result), *_of_metrics(result), *_of_groups(result)]


def _judged(result: Result) -> str:
    data = result.data
    rows = [
        ("Made", _made(result)),
        ("Real", setting(data.get("name")) + (f" ({data['location']})" if data.get("location") else "")),
        ("Clips of it", _chosen(data)),
        ("Its hash", setting(data.get("dataset_sha256"))),
        ("Compared as", shape_text(result.shape) or "not stated"),
        ("Seed", setting(result.settings.get("seed"))),
        ("Date", f"{result.date}, facevid {result.facevid}"),
    ]
    return definitions(rows)


def definitions(rows: list[tuple[str, str]]) -> str:
    """Names and texts, which are escaped here, in two columns."""
    return f"<dl>{''.join(f'<dt>{escape(k)}</dt><dd>{escape(v)}</dd>' for k, v in rows)}</dl>"


def model_text(model: Mapping[str, Any] | None) -> str:
    """A model in a line: family and step first, then whatever else is known of it."""
    if not model:
        return ""
    first = [str(model["family"])] if model.get("family") else []
    first += [f"step {model['step']}"] if model.get("step") is not None else []
    others = [f"{k} {setting(v)}" for k, v in model.items() if k not in ("family", "step") and v is not None]
    return ", ".join(first + others)


def _made(result: Result) -> str:
    model = model_text(result.videos.get("model"))
    return f"{setting(result.videos.get('folder'))}" + (f", by {model}" if model else "")


def _chosen(data: Mapping[str, Any]) -> str:
    n = data.get("clips")
    by = data.get("chosen_by") or []
    return ("not stated" if n is None else f"{n:,}") + (f": {', '.join(map(str, by))}" if by else "")


def _failed(failed: list[Mapping[str, Any]]) -> str:
    lines = bullets([f"{one.get('video')}: {one.get('message')}" for one in failed[:_FAILED]])
    more = len(failed) - _FAILED
    return lines + (f"<p>And {more:,} more; bench.json names them all.</p>" if more > 0 else "")


def _of_distances(result: Result) -> list[str]:
    found = [one for one in (measured(d) for d in result.distances) if one is not None]
    if not found:
        return []
    told = Counter(beside_floor(one) for one in found)
    parts = [
        (told["above"], "above what real videos have among themselves"),
        (told["reaching"], "above it by value, though the interval reaches down to it"),
        (told["within"], "no larger than real videos have among themselves"),
        (told["unknown"], "without a floor that could tell"),
    ]
    return [f"Of {count(len(found), 'distance')}, {listed(f'{n} {_lie(n)} {t}' for n, t in parts if n)}."]


def _lie(n: int) -> str:
    return "lies" if n == 1 else "lie"


def _of_metrics(result: Result) -> list[str]:
    told = Counter(beside_real(better_of(one.name), one.made, one.real) for one in result.metrics)
    judged = sum(n for verdict, n in told.items() if verdict is not None)
    if not judged:
        return []
    parts = [
        (told["better"], "better than that of real videos"),
        (told["worse"], "worse"),
        (told["higher"] + told["lower"], "off the real mean, where near it is best"),
        (told["not clear"], "not clearly different"),
    ]
    said = listed(f"{n} {'is' if n == 1 else 'are'} {text}" for n, text in parts if n)
    return [f"Of {count(judged, 'metric')} with intervals on both sides, {said}."]


def _of_groups(result: Result) -> list[str]:
    tested = [one for one in result.groups if one.p_adjusted is not None]
    if not tested:
        return []
    sure = sum(one.p_adjusted is not None and one.p_adjusted < SURE for one in tested)
    return [
        f"Of {count(len(tested), 'gap')} between groups that could be tested, chance hardly explains "
        f"{sure or 'none'}."
    ]
