"""The sections of a report about clips and filters: durations, scores with thresholds, who is rejected and why."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from facevid.dataset.describing.figures import GROUPED, Share, durations, in_order, percent, thresholds, words
from facevid.web.report_data import Figures, Rejection
from facevid.web.report_sections import table
from facevid.web.report_svg import Bar, bars, histogram, number


def sizes(figures: Figures) -> str:
    """Duration, size of the face and of the source's picture, and clips per person."""
    panels = []
    lengths = figures.histogram("frames / fps")
    bounds = durations(figures.ds)
    plot = histogram(lengths.edges, lengths.kept, bounds=bounds, title="seconds")
    panels.append(_plot(f"duration of clips{_limits(bounds, lengths.edges)}", plot))
    if "face_px" in figures.ds.clips.columns:
        faces = figures.histogram("face_px")
        panels.append(_plot("face in the source", histogram(faces.edges, faces.kept, title="pixels across")))
    rows = [
        Bar(size, n / max(1, figures.clips), f"{n:,}, {sources:,} {'source' if sources == 1 else 'sources'}")
        for size, sources, n in figures.resolutions()[:12]
    ]
    panels.append(_plot("resolution of the source: clips, sources", bars(rows, "resolution of the source")))
    panels.append(_plot("clips per person", _per_person(figures)))
    return f"<div class='grid'>{''.join(panels)}</div>"


def _per_person(figures: Figures) -> str:
    bounds = [1, 2, 3, 5, 10, 20, 50, 100, 1000]
    counts = [0] * len(bounds)
    for clips, persons in figures.clips_per_person():
        counts[max(k for k, b in enumerate(bounds) if clips >= b)] += persons
    names = [
        f"{a} or more" if b is None else str(a) if b == a + 1 else f"{a} to {b - 1}"
        for a, b in zip(bounds, [*bounds[1:], None], strict=True)
    ]
    rows = [
        Bar(name, n / figures.persons, f"{n:,} persons") for name, n in zip(names, counts, strict=True) if n
    ]
    return bars(rows, "clips per person") or "<p>No clip has a person.</p>"


def scores(figures: Figures) -> str:
    """The distribution of every score over kept and rejected stretches, the recipe's thresholds drawn in."""
    limits = thresholds(figures.ds)
    names = figures.scores()
    panels = []
    for name in sorted(names, key=lambda n: (n not in limits, names.index(n))):
        found = figures.histogram(name, with_rejected=True)
        bounds = limits.get(name, [])
        if not found.edges:
            continue
        plot = histogram(found.edges, found.kept, found.rejected, bounds, title=words(name))
        panels.append(_plot(f"{escape(words(name))}{_limits(bounds, found.edges)}", plot))
    if not panels:
        return "<p>The dataset holds no scores.</p>"
    return (
        "<p class='key'><span class='k b'></span> kept <span class='k x'></span> rejected <span class='k t'></span> "
        "threshold of the recipe. A rule may look at a score frame by frame, so that a clip's own value can lie on "
        "either side; the outermost columns hold what lies beyond (0.5 % at each end).</p>"
        f"<div class='grid'>{''.join(panels)}</div>"
    )


def rejections(figures: Figures) -> str:
    """Reasons of rejection, overall and per group, with Wilson's 95 % intervals and chi-square tests."""
    reasons = figures.reasons()
    if not reasons:
        return "<p>Nothing was rejected.</p>"
    seconds = sum(s for _, _, s in reasons) or 1.0
    rows = [Bar(words(r), s / seconds, f"{n:,}, {_time(s)}") for r, n, s in reasons]
    groups = [_group(figures.rejection(name), [r for r, _, _ in reasons]) for name in GROUPED]
    return (
        f"<div class='grid'>{_plot('share of the time rejected; stretches, time', bars(rows, 'reasons'))}</div>"
        "<h3>Do the filters treat groups alike?</h3>"
        "<p>Of the stretches of each group (clips kept and stretches rejected), the share rejected, with its 95 % "
        "interval (Wilson). p: chance of differences this large if a filter were blind to the group (Pearson's "
        "chi-square); “too few” where an expected count is under 5. A stretch counts for what the person of its "
        "source states, else for what most clips of the source are labelled; a source of several people counts as "
        "one. Sources without either are left out, "
        "and a source of which nothing was kept has no label of its own. Stretches of one source resemble each "
        "other, so p is smaller than it should be; of many tests, one in twenty falls under 0.05 by chance.</p>"
        + "".join(groups)
    )


def _group(found: Rejection, reasons: list[str]) -> str:
    title = f"<h4>{escape(words(found.name))}</h4>"
    left_out = f"Unknown for {found.unknown_sources:,} sources, which are left out."
    unknown = f"<p class='note'>{left_out if found.unknown_sources else 'Known for every source.'}</p>"
    if not found.table:
        return f"{title}<p class='note'>Unknown for all {found.unknown_sources:,} sources.</p>"
    groups = in_order(found.table)
    body = []
    for reason in [None, *reasons]:
        cells = "".join(f"<td>{_interval(found.share(g, reason))}</td>" for g in groups)
        p = found.p(reason)
        said = "too few" if p is None else "under 0.001" if p < 0.001 else f"{p:.3f}"
        marked = " class='low'" if p is not None and p < 0.05 else ""
        why = "any reason" if reason is None else escape(words(reason))
        body.append(f"<tr><th>{why}</th>{cells}<td{marked}>{said}</td></tr>")
    sizes = "".join(f"<td>{found.share(g).total:,}</td>" for g in groups)
    body.insert(0, f"<tr><th>stretches</th>{sizes}<td></td></tr>")
    return title + table(["rejected for", *(words(g) for g in groups), "p"], body) + unknown


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:,.1f} min"


def _interval(share: Share) -> str:
    if not share.total:
        return "none"
    low, high = share.interval
    return f"{percent(share)}<br><small>{100 * low:.1f} to {100 * high:.1f}</small>"


def _limits(bounds: Sequence[tuple[str, float]], edges: Sequence[float]) -> str:
    said = "; ".join(f"{escape(words(name))} at {number(value)}" for name, value in bounds)
    outside = bool(edges) and any(not edges[0] <= v <= edges[-1] for _, v in bounds)
    return f"<br><small>{said}{' (outside the plot)' if outside else ''}</small>" if said else ""


def _plot(title: str, plot: str) -> str:
    return f"<figure><figcaption>{title}</figcaption>{plot or '<p>No values.</p>'}</figure>"
