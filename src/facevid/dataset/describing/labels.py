"""The sections of a dataset card about labels and limits: who said what, how often machines agree with people."""

from __future__ import annotations

from facevid.dataset.describing.figures import GROUPED, THIN_PERSONS, Figures, Share, percent, words
from facevid.dataset.describing.sections import table

_MOSTLY = 0.5


def labels(figures: Figures, *, tables: bool = True) -> str:
    """Who said what, and how often models and measures say what people said of the same clips."""
    said = figures.statements()
    title = "## How labels were obtained\n\n"
    if not said:
        return f"{title}There are none: the dataset has not been annotated.\n"
    rows = [
        (by, f"{kind}s", f"{n:,}", f"{clips:,}", percent(Share(clips, figures.clips)))
        for by, kind, n, clips in said
    ]
    where = "All statements stand in `annotations/`, also those that are not shown. " if tables else ""
    body = (
        f"{title}{where}Shown is what a person says of themselves, else an annotator, else a model, else a "
        "measurement; what nobody knows is null.\n\n"
        f"{table(['said by', 'what', 'statements', 'clips', 'share of clips'], rows)}\n"
    )
    agreed = figures.agreement()
    if not agreed:
        return body + (
            "No clip has both a label of a person and one of a machine, so how often machines are right here is not "
            "known.\n"
        )
    checked = [
        (
            words(name),
            maker,
            f"{share.total:,}",
            percent(share),
            f"{100 * share.interval[0]:.0f} to {100 * share.interval[1]:.0f} %",
        )
        for name, maker, share in agreed
    ]
    return body + (
        "How often a machine says what a person said of the same clip (95 % interval after Wilson):\n\n"
        f"{table(['attribute', 'said by', 'clips with both', 'the same', 'interval'], checked)}"
    )


def limits(figures: Figures) -> str:
    """What the dataset cannot be used for without care, each with its figure."""
    return "## Known limits\n\n" + "".join(f"- {limit}\n" for limit in known_limits(figures))


def known_limits(figures: Figures) -> list[str]:
    """One sentence a limit, found in the data."""
    totals = figures.totals()
    found = []
    unknown = [
        f"{words(name)} in {percent(Share(none, figures.clips))}"
        for name in GROUPED
        if (none := figures.values(name)[1]) > _MOSTLY * figures.clips
    ]
    if unknown:
        found.append(
            f"Unknown in most clips: {', '.join(unknown)}; shares of the rest say little about the whole."
        )
    axes = [name for name in GROUPED[:3] if figures.values(name)[0]]
    if len(axes) > 1 and (cells := figures.balance(axes)):
        thin = sum(persons < THIN_PERSONS for _, persons, _ in cells)
        if thin:
            found.append(
                f"{thin:,} of the {len(cells):,} groups of {' x '.join(words(a) for a in axes)} that anybody is in "
                f"have fewer than {THIN_PERSONS} people."
            )
    if figures.persons:
        most = max(n for n, _ in figures.clips_per_person())
        found.append(
            "People are clusters of similar faces, not names: one person may be two clusters, or two one, and more "
            "often so in some groups than in others. The person with the most clips has "
            f"{percent(Share(most, figures.clips))} of them."
        )
    if totals["nobody"]:
        found.append(
            f"{totals['nobody']:,} clips have no person, so that no split can keep their people apart."
        )
    for column, word in (("consent", "consent"), ("licence", "a licence")):
        none = sum(p.sources for p in figures.by_source(column) if not p.word)
        if none:
            found.append(f"{none:,} of {totals['sources']:,} sources state no {word.removeprefix('a ')}.")
    machines = sorted({by.split(":", 1)[0] for by, _, _, _ in figures.statements()} & {"model", "measured"})
    if machines:
        found.append(
            "Labels by a model or a measurement are guesses with a confidence; confidences of different origins are "
            "not on one scale. Skin tone is as pictured: light, exposure and make-up move it."
        )
    if figures.captioned():
        found.append(
            "Captions of `measured:grammar` are worded from labels and say nothing that those do not."
        )
    if totals["rejected"]:
        found.append(
            "Filters do not treat everybody alike; `facevid report` tests it on this dataset, group by group."
        )
    if not figures.clips:
        found.append("It has no clips.")
    return found
