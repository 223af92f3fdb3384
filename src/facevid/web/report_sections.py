"""The sections of a report about people and labels, as HTML: each says what it counts and what it does not know."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from facevid.dataset.describing.figures import GROUPED, THIN_PERSONS, Share, in_order, percent, words
from facevid.dataset.vocabulary import ATTRIBUTES
from facevid.web.report_data import Figures
from facevid.web.report_dh import REPORTED, REPORTED_ACTIONS, REPORTED_AGES
from facevid.web.report_svg import Bar, bars, histogram

_MOST_BARS = 16
_ORIGINS = ("self", "annotator", "model", "measured")

_SKIN = (
    "<p>Skin is described as pictured: exposure and make-up move it. A measured tone is given only where it is clear, "
    "and the lightest tones hardly ever are, so the angle (ITA) shows the spread better than the tones do.</p>"
)


def people(figures: Figures) -> str:
    """Ethnicity, gender, age and skin tone, and how evenly persons spread over the first three together."""
    panels = [_panel(figures, "ethnicity"), _panel(figures, "gender"), _ages(figures)]
    panels += [_ita(figures), _panel(figures, "skin_tone", ordered=True)]
    return _grid(panels) + _SKIN + balance(figures)


def balance(figures: Figures) -> str:
    """Persons in each cell of ethnicity x gender x age as a heat map; cells of fewer than `THIN_PERSONS` are named.

    An attribute that is unknown in every clip is left out of the cells.
    """
    axes = [name for name in GROUPED[:3] if figures.values(name)[0]]
    head = f"<h3>Balance: {' x '.join(words(a) for a in axes)}</h3>"
    if len(axes) < 2:
        return "<h3>Balance</h3><p>Fewer than two of ethnicity, gender and age are known: none to show.</p>"
    cells = figures.balance(axes)
    known = {values: persons for values, persons, _ in cells}
    clips = sum(n for _, _, n in cells)
    if not known:
        return f"{head}<p>No clip has all of these, so balance cannot be judged.</p>"
    rows = sorted({values[:-1] for values in known})
    columns = in_order({values[-1] for values in known})
    most = max(known.values()) or 1
    body, thin, count = [], [], 0
    for row in rows:
        name = escape(", ".join(words(v) for v in row))
        persons = [known.get((*row, c), 0) for c in columns]
        tds = "".join(_heat(n, n / most, thin=n < THIN_PERSONS) for n in persons)
        body.append(f"<tr><th>{name}</th>{tds}</tr>")
        few = [f"{c} ({n})" for c, n in zip(columns, persons, strict=True) if n < THIN_PERSONS]
        count += len(few)
        if few:
            thin.append(f"<li>{name}: {escape(', '.join(few))}</li>")
    left_out = [words(a) for a in GROUPED[:3] if a not in axes]
    note = f" {escape(left_out[0].capitalize())} is unknown in every clip and left out." if left_out else ""
    rest = " These, with the persons in them:" if thin else ""
    return (
        f"{head}<p>Persons per cell, from the {percent(Share(clips, figures.clips))} of clips where all of these are "
        "known; a person whose clips are labelled differently counts in each cell. Rows that nobody is in are not "
        f"listed.{note}</p>{table(['', *(words(c) for c in columns)], body)}<p><b>{count:,} of "
        f"{len(rows) * len(columns):,} cells are thin</b>: fewer than {THIN_PERSONS} persons (outlined)."
        f"{rest}</p><ul class='thin-list'>{''.join(thin)}</ul>"
    )


def _heat(count: int, heat: float, *, thin: bool) -> str:
    return f'<td class="h{" thin" if thin else ""}" style="--h:{heat:.2f}">{count:,}</td>'


def looks(figures: Figures) -> str:
    """Hair, things worn, light and the yes-or-no attributes of appearance."""
    names = [a.name for a in ATTRIBUTES.values() if a.kind == "choice" and a.group in _LOOKS]
    flags = [
        Bar(words(name), yes / n, f"{percent(Share(yes, n))} of {n:,}")
        for name, yes, n in figures.flags()
        if yes
    ]
    none = [words(name) for name, yes, _ in figures.flags() if not yes]
    plot = _figure("appearance: yes, of clips with an answer", bars(flags, "appearance")) if flags else ""
    never = f"<p class='note'>Looked for and never found: {escape(', '.join(none))}.</p>" if none else ""
    return _grid([*(_panel(figures, n) for n in names if n in figures.names), plot]) + never


_LOOKS = ("hair", "clothes", "light", "scene")


def acts(figures: Figures) -> str:
    """Emotion, actions, head pose and gaze."""
    actions = [_bar(name, n, figures.clips, REPORTED_ACTIONS.get(name)) for name, n in figures.actions()]
    plot = bars(actions, "actions") or "<p>Nobody looked for actions.</p>"
    names = [n for n in ("emotion", "head_pose", "gaze") if n in figures.names]
    return _grid(
        [*(_panel(figures, n) for n in names), _figure("actions: share of clips that show it", plot)]
    )


def labels(figures: Figures) -> str:
    """Attribute x who said it: share of all clips and mean confidence of the label shown, and what stays unknown."""
    found: dict[str, dict[str, tuple[int, float | None]]] = {}
    for name, by, n, sure in figures.origins():
        found.setdefault(name, {})[by] = (n, sure)
    if not found:
        return "<p>No attribute of any clip is known: run <code>facevid annotate</code> on the dataset.</p>"
    body = []
    for name in (n for n in ATTRIBUTES if n in found):
        tds = ""
        for by in _ORIGINS:
            n, sure = found[name].get(by, (0, None))
            how = "" if sure is None else f" <small>{sure:.2f}</small>"
            tds += (
                f'<td class="h" style="--h:{n / figures.clips:.2f}">{percent(Share(n, figures.clips))}{how}</td>'
                if n
                else "<td></td>"
            )
        known = sum(n for n, _ in found[name].values())
        tds += f"<td>{percent(Share(figures.clips - known, figures.clips))}</td>"
        body.append(f"<tr><th>{escape(words(name))}</th>{tds}</tr>")
    missing = [words(n) for n in ATTRIBUTES if n not in found]
    rest = f"<p class='note'>Unknown in every clip: {escape(', '.join(missing))}.</p>" if missing else ""
    return (
        "<p>Share of clips whose label comes from the person shown, an annotator, a model or a measurement, with the "
        "mean confidence where one was given. Confidences of different sources are not on one scale.</p>"
        + table(["attribute", *_ORIGINS, "unknown"], body) + rest
    )  # fmt: skip


def table(head: Sequence[str], body: Iterable[str]) -> str:
    """A table of escaped headings and rows that are HTML already."""
    ths = "".join(f"<th>{escape(h)}</th>" for h in head)
    return (
        f"<div class='wide'><table><thead><tr>{ths}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def _panel(figures: Figures, name: str, *, ordered: bool = False) -> str:
    values, unknown = figures.values(name)
    known = sum(n for _, n in values)
    theirs = REPORTED.get(name, {})
    title = f"{words(name)}: known of {percent(Share(known, known + unknown))} of clips"
    if not known:
        return _figure(f"{words(name)}: unknown in every clip", "") if name in GROUPED else ""
    counts = dict(values)
    names = in_order(counts) if ordered else [*counts, *(v for v in theirs if v not in counts)][:_MOST_BARS]
    rows = [_bar(words(v), counts.get(v, 0), known, theirs.get(v)) for v in names]
    return _figure(title, bars(rows, words(name)))


def _ages(figures: Figures) -> str:
    values, unknown = figures.ages()
    known = sum(n for _, n in values)
    if not known:
        return _figure("age: unknown in every clip", "")
    counts = dict(values)
    years = sorted({*counts, *REPORTED_AGES})
    rows = [_bar(f"{a} to {a + 4}", counts.get(a, 0), known, REPORTED_AGES.get(a)) for a in years]
    return _figure(
        f"age: known of {percent(Share(known, known + unknown))} of clips", bars(rows, "age in years")
    )


def _ita(figures: Figures) -> str:
    found = figures.histogram(figures.numbers("ita"))
    plot = histogram(found.edges, found.kept, title="individual typology angle, degrees")
    return (
        _figure(f"ITA of the skin as pictured: {sum(found.kept):,} clips", plot)
        if plot
        else _figure("ITA: unknown in every clip", "")
    )


def _bar(label: str, count: int, total: int, reported: float | None) -> Bar:
    share = Share(count, total)
    theirs = "" if reported is None else f" (DH {100 * reported:.1f} %)"
    return Bar(label, share.value, f"{percent(share)}{theirs}", reported)


def _figure(title: str, plot: str) -> str:
    return f"<figure><figcaption>{title}</figcaption>{plot}</figure>"


def _grid(panels: Iterable[str]) -> str:
    return f"<div class='grid'>{''.join(panels)}</div>"
