"""The sections of a dataset card about people, sources and filters, as Markdown: each counts in the tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from facevid.dataset.describing.figures import (
    GROUPED,
    THIN_PERSONS,
    Figures,
    Part,
    Share,
    durations,
    in_order,
    percent,
    selection,
    words,
)
from facevid.dataset.describing.options import CardOptions, licence_address
from facevid.dataset.published import MANIFEST, MEDIA
from facevid.dataset.vocabulary import ATTRIBUTES

_MOST_VALUES = 20
_CONTENTS = ("hair", "face", "clothes", "light", "scene", "dynamic")


def head(figures: Figures, options: CardOptions, *, tables: bool = True) -> str:
    """Name, one sentence, and the figures that people look for first; `tables` says whether its files lie beside it."""
    ds = figures.ds
    name, licence = str(ds.manifest.about.get("name") or "dataset"), ds.manifest.about.get("licence")
    totals = figures.totals()
    shortest, median, longest = figures.lengths()
    shapes = [
        f"{w} x {h} at {fps:g} fps ({percent(Share(n, figures.clips))})" for w, h, fps, n in figures.shapes()
    ]
    size = sum(f.bytes for f in ds.manifest.files)
    rows = [
        ("clips", f"{figures.clips:,}"),
        ("hours", f"{figures.seconds / 3600:,.2f}"),
        ("people", f"{figures.persons:,}{_of_nobody(totals['nobody'])}"),
        ("sources", f"{totals['sources']:,}"),
        ("length of a clip", f"{shortest:.1f} to {longest:.1f} s, half of them above {median:.1f} s"),
        ("picture", "; ".join(shapes[:5]) or "none"),
        ("with sound", percent(Share(figures.with_sound(), figures.clips))),
        ("with a caption", percent(Share(figures.captioned(), figures.clips))),
        ("with a transcript", percent(Share(figures.transcribed(), figures.clips))),
        (
            "size",
            f"{_bytes(size)} in {len(ds.manifest.files):,} files, {_bytes(_media(figures))} of it media"
            if tables
            else f"{_bytes(_media(figures))} of media",
        ),
        ("licence", _licence_text(licence, options)),
        ("version", options.version + (f", published {options.published}" if options.published else "")),
    ]
    if options.creators:
        rows.append(("made by", ", ".join(options.creators)))
    return (
        f"# {plain(name)}\n\n{figures.clips:,} clips of talking faces, {figures.seconds / 3600:,.2f} hours, "
        f"{figures.persons:,} people, cut from {totals['sources']:,} sources; "
        f"{totals['rejected']:,} stretches were left out{' and are listed with the reason' if tables else ''}.\n\n"
        f"{table(['', ''], rows)}"
    )


def people(figures: Figures) -> str:
    """Who is in it: ethnicity, gender, age and skin tone, and who said so."""
    parts = ["## Who is in it\n"]
    for name in GROUPED:
        values, unknown = figures.values(name)
        plain_name = "age" if name == "age_group" else name
        if not values:
            parts.append(f"**{words(name).capitalize()}**: unknown in every clip.\n")
            continue
        counts = dict(values)
        order = in_order(counts) if name in ("age_group", "skin_tone") else list(counts)
        rows = [(words(v), f"{counts[v]:,}", percent(Share(counts[v], figures.clips))) for v in order]
        rows.append(("unknown", f"{unknown:,}", percent(Share(unknown, figures.clips))))
        parts.append(
            f"**{words(name).capitalize()}**, said by {_makers(figures, plain_name)}:\n\n"
            f"{table([words(name), 'clips', 'share'], rows)}"
        )
    return "\n".join(parts)


def balance(figures: Figures) -> str:
    """Persons in each cell of ethnicity x gender x age; cells of fewer than `THIN_PERSONS` are marked and counted."""
    axes = [name for name in GROUPED[:3] if figures.values(name)[0]]
    title = "## Balance\n\n"
    if len(axes) < 2:
        return f"{title}Fewer than two of ethnicity, gender and age are known: balance cannot be judged.\n"
    cells = figures.balance(axes)
    known = {values: persons for values, persons, _ in cells}
    if not known:
        return f"{title}No clip has {', '.join(words(a) for a in axes)} together: balance cannot be judged.\n"
    rows = sorted({values[:-1] for values in known})
    columns = in_order({values[-1] for values in known})
    body, thin = [], 0
    for row in rows:
        persons = [known.get((*row, c), 0) for c in columns]
        thin += sum(n < THIN_PERSONS for n in persons)
        body.append((", ".join(words(v) for v in row), *(_cell(n) for n in persons)))
    clips = Share(sum(n for _, _, n in cells), figures.clips)
    return (
        f"{title}People in each cell of {' x '.join(words(a) for a in axes)}, from the {percent(clips)} of clips where "
        f"all of these are known. A person whose clips are labelled differently counts in each cell; rows that nobody "
        f"is in are not listed.\n\n{table(['', *(words(c) for c in columns)], body)}\n"
        f"{thin:,} of {len(rows) * len(columns):,} cells are thin: fewer than {THIN_PERSONS} people (*in italics*). A "
        "result on such a cell rests on single people.\n"
    )


def contents(figures: Figures) -> str:
    """Looks, light, scene, expressions and actions: what is known, of how many, said by whom."""
    names = [n for n in figures.names if ATTRIBUTES[n].group in _CONTENTS and ATTRIBUTES[n].kind != "number"]
    rows = []
    for name in names:
        values, unknown = figures.values(name)
        said = ", ".join(
            f"{words(v)} {percent(Share(n, figures.clips - unknown))}" for v, n in values[:_MOST_VALUES]
        )
        rows.append((words(name), said, percent(Share(unknown, figures.clips)), _makers(figures, name)))
    actions = figures.actions()
    if not rows and not actions:
        return "## What is in it\n\nNothing is known yet: the dataset has not been annotated.\n"
    seen = ", ".join(f"{name} {percent(Share(n, figures.clips))}" for name, n in actions)
    return (
        "## What is in it\n\nShares are of the clips where the attribute is known.\n\n"
        f"{table(['attribute', 'values', 'unknown', 'said by'], rows)}"
        + (f"\nClips that show an action: {seen}.\n" if seen else "")
    )


def origin(figures: Figures) -> str:
    """Sources by licence, consent, language and collector, and clips by split."""
    parts = ["## Where it comes from\n"]
    for column, title in (
        ("licence", "licence of the source"),
        ("consent", "consent of the people shown"),
        ("language", "language"),
        ("collected_by", "collected by"),
    ):
        found = figures.by_source(column)
        if any(p.word for p in found):
            parts.append(_shares(title, found, figures.seconds, "not stated"))
        else:
            parts.append(f"**{title.capitalize()}**: not stated for any source.\n")
    splits = figures.splits()
    if any(p.word for p in splits):
        parts.append(_shares("split", splits, figures.seconds, "in none"))
    return "\n".join(parts)


def left_out(figures: Figures, *, tables: bool = True) -> str:
    """What was rejected and why, what failed, and the rules of the recipe."""
    reasons = figures.reasons()
    failed = figures.totals()["failed"]
    seconds = sum(s for _, _, s in reasons)
    rows = [
        (words(reason), f"{n:,}", f"{s / 3600:,.3f}", f"{100 * s / seconds:.1f} %" if seconds else "")
        for reason, n, s in reasons
    ]
    body = (
        table(["reason", "stretches", "hours", "share of the time left out"], rows)
        if rows
        else "Nothing was.\n"
    )
    listed = " `rejected/` lists every stretch with its value and the threshold." if tables else ""
    why = "; `failed/` says why" if tables else ""
    told = f"{listed} {failed:,} sources or clips could not be processed{why}.".strip()
    return f"## What was left out\n\n{body}\n{told}\n"


def made(figures: Figures, *, tables: bool = True) -> str:
    """The recipe's rules, its models and the versions of the tools."""
    about = figures.ds.manifest.about
    recipe, tools = about.get("recipe") or {}, about.get("tools") or {}
    rules = selection(figures.ds).get("rules") or []
    rows = [
        (
            words(r["score"]),
            words(r["reason"]),
            _number(r.get("min")),
            _number(r.get("max")),
            _number(r.get("over_s")),
        )
        for r in rules
    ]
    bounds = "; ".join(f"{name} clip {value:g} s" for name, value in durations(figures.ds))
    lines = [f"## How it was made\n\nBy facevid {tools.get('facevid', '(version not recorded)')}"]
    lines[0] += f" with the recipe `{recipe['name']}`." if recipe.get("name") else "."
    if bounds:
        lines.append(f"{bounds.capitalize()}.")
    if rows:
        lines.append(table(["score", "reason", "at least", "at most", "over s"], rows))
    if backends := recipe.get("backends"):
        models = ", ".join(f"{words(part)} {name}" for part, name in backends.items() if name)
        lines.append(f"Models: {models}.")
    if versions := ", ".join(f"{name} {version}" for name, version in tools.items() if name != "facevid"):
        lines.append(f"Libraries: {versions}.")
    if tables:
        lines.append(f"`{MANIFEST}` holds the whole recipe, and the SHA-256 of every file.")
    return "\n\n".join(line.rstrip("\n") for line in lines) + "\n"


def rule_words(figures: Figures) -> list[str]:
    """Each rule of the recipe in words."""
    rules = []
    for r in selection(figures.ds).get("rules") or []:
        ends = [
            f"at {word} {_number(r[end])}"
            for end, word in (("min", "least"), ("max", "most"))
            if r.get(end) is not None
        ]
        rules.append(f"{words(r['reason'])}: {words(r['score'])} {' and '.join(ends)}")
    return rules


def left_out_words(figures: Figures) -> list[str]:
    """How much each reason left out, in words."""
    return [f"left out for {words(reason)}: {n:,} stretches" for reason, n, _ in figures.reasons()]


def use(figures: Figures) -> str:
    """How to read it, with and without facevid."""
    return f"""## How to use it

```python
import facevid

ds = facevid.open(".")
clip = ds[0]
clip.frames(0, 16)  # (16, height, width, 3) uint8
clip.speech()       # (samples,) float32, 16 kHz mono
clip.mesh           # (frames, 478, 3) float16, in clip pixels
ds.where("sharpness > 1 and attributes.gender.value = 'female'")
```

Every table is Parquet, and each column carries its description; `{MEDIA}/shard-*.tar` are WebDataset shards of
`<clip_id>.mp4`, `.flac` and `.json`. `facevid verify .` checks all of it.
"""


def take_out(figures: Figures, options: CardOptions, *, tables: bool = True) -> str:
    """What somebody does who is in it and does not want to be."""
    to = f"Write to {plain(options.contact)}" if options.contact else "Write to whoever gave you this dataset"
    return (
        "## If you are in it\n\n"
        f"{to} and name the clip, or the video it comes from. Who holds a copy takes you out with `facevid takedown`: "
        "tables, media, keypoints, captions and subsets go, and a mark that names nobody keeps you from coming back. "
        "Whoever uses the dataset should renew their copy when a new version is published"
        f"{', and run `facevid verify` on it' if tables else ''}.\n"
    )


def cite(figures: Figures, options: CardOptions) -> str:
    """How to cite it."""
    return f"## Citation\n\n```bibtex\n{citation(figures, options)}\n```\n"


def citation(figures: Figures, options: CardOptions) -> str:
    """The citation given, else one of what is known."""
    if options.cite:
        return options.cite.strip()
    name = str(figures.ds.manifest.about.get("name") or "dataset")
    key = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "dataset"
    fields = {
        "title": name,
        "author": " and ".join(options.creators),
        "year": (options.published or "")[:4],
        "version": options.version,
        "url": options.url or "",
    }
    said = ",\n".join(f"  {word} = {{{text}}}" for word, text in fields.items() if text)
    return f"@misc{{{key},\n{said}\n}}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; what would break a cell is escaped."""
    lines = [_row(header), _row(["---"] * len(header)), *(_row([plain(c) for c in row]) for row in rows)]
    return "\n".join(lines) + "\n"


def plain(text: str) -> str:
    """Text of others as it may stand in Markdown: on one line, without HTML and without breaking a table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _shares(title: str, found: Sequence[Part], seconds: float, unknown: str) -> str:
    rows = [
        (
            p.word or unknown,
            f"{p.sources:,}",
            f"{p.clips:,}",
            f"{p.seconds / 3600:,.2f}",
            f"{100 * p.seconds / seconds:.1f} %" if seconds else "",
        )
        for p in found[:_MOST_VALUES]
    ]
    more = f"\n{len(found) - _MOST_VALUES:,} more, each of less.\n" if len(found) > _MOST_VALUES else ""
    return table([title, "sources", "clips", "hours", "share of the hours"], rows) + more


def _makers(figures: Figures, name: str) -> str:
    found = figures.makers(name)
    total = sum(n for _, n, _ in found)
    return ", ".join(
        f"{by}" + (f" ({percent(Share(n, total))})" if len(found) > 1 else "")
        for by, n, _ in sorted(found, key=lambda f: (-f[1], f[0]))
    )


def _licence_text(licence: str | None, options: CardOptions) -> str:
    if not licence:
        return "not stated: ask before you use it"
    address = licence_address(licence) or options.licence_link
    return f"[{licence}]({address})" if address else licence


def _media(figures: Figures) -> int:
    return sum(f.bytes for f in figures.ds.manifest.of(MEDIA))


def _of_nobody(clips: int) -> str:
    return f"; {clips:,} clips are of nobody known" if clips else ""


def _cell(persons: int) -> str:
    return f"*{persons:,}*" if persons < THIN_PERSONS else f"{persons:,}"


def _bytes(size: int) -> str:
    value, unit = float(size), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{value:.3g} {unit}" if value < 1000 else f"{value:,.0f} {unit}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:g}"
