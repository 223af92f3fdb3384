"""The filter of an address: which clips or rejected stretches are meant, and in which order.

The same filter is SQL over the server's tables (values bound, never pasted), SQL over the published tables for a
reader to copy, and the text of the address.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol
from urllib.parse import quote, urlencode

from facevid.dataset.vocabulary import ACTIONS, ATTRIBUTES
from facevid.recipe import REASONS
from facevid.web.errors import Refused

UNKNOWN = "unknown"
LENGTH = "seconds"
"""The length of a clip or stretch, which is filtered and drawn like a score."""
_PLAIN_SORTS = ("clip_id", "source_name", "start_s", "frames", "identity")
_CLIPS_ONLY = ("q", "identity", "action")
_MOST_WORDS, _LONGEST = 20, 2000

Table = Literal["clips", "rejected"]
Bounds = tuple[float | None, float | None]


@dataclass(frozen=True)
class Names:
    """What a dataset has to filter by: its scores per table, and the attributes that have a value somewhere."""

    scores: Mapping[Table, tuple[str, ...]]
    attributes: frozenset[str]
    labelled: bool


@dataclass(frozen=True)
class Filter:
    """All conditions must hold; several values of one field mean any of them, several actions or words all.

    attributes: name -> values, of a number also ranges "20..40"; "unknown" where no value is shown. scores: name ->
    lowest and highest value (inclusive), None for an open side; a score that could not be measured is in no range.
    """

    table: Table = "clips"
    words: tuple[str, ...] = ()
    identities: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    attributes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    scores: tuple[tuple[str, Bounds], ...] = ()
    actions: tuple[str, ...] = ()
    sort: str = ""
    descending: bool = False

    def without(self, field: str) -> Filter:
        """The filter without what it says of one field, so that the field's other values are counted too.

        Actions stay: they are all wanted at once, so the others are counted beside them.
        """
        if field == "identity":
            return replace(self, identities=())
        if field == "source":
            return replace(self, sources=())
        if field == "reason":
            return replace(self, reasons=())
        return replace(
            self,
            attributes=tuple(a for a in self.attributes if f"a.{a[0]}" != field),
            scores=tuple(s for s in self.scores if f"s.{s[0]}" != field),
        )

    def of(self, table: Table, names: Names) -> Filter:
        """What the filter says of another table: its sources and scores, no order."""
        if table == self.table:
            return self
        known = names.scores[table]
        return Filter(table, sources=self.sources, scores=tuple(s for s in self.scores if s[0] in known))

    def query(self) -> str:
        """The filter as the query of an address, which `parse` reads back."""
        pairs: list[tuple[str, str]] = [("table", "rejected")] if self.table == "rejected" else []
        pairs += [("q", " ".join(self.words))] if self.words else []
        pairs += [("identity", ",".join(self.identities))] if self.identities else []
        pairs += [("source", name) for name in self.sources]
        pairs += [("reason", ",".join(self.reasons))] if self.reasons else []
        pairs += [(f"a.{name}", ",".join(values)) for name, values in self.attributes]
        pairs += [(f"s.{name}", f"{_short(low)}..{_short(high)}") for name, (low, high) in self.scores]
        pairs += [("action", ",".join(self.actions))] if self.actions else []
        pairs += [("sort", self.sort)] if self.sort else []
        pairs += [("desc", "1")] if self.descending else []
        return urlencode(pairs, safe=",", quote_via=quote)


def parse(params: Iterable[tuple[str, str]], names: Names, *, also: Sequence[str] = ()) -> Filter:
    """The filter that the parameters of an address say; names in `also` are left to the caller.

    Raises Refused (400) with what is allowed for a name that the dataset does not have or a value that makes no
    sense, also for a condition that the chosen table cannot meet.
    """
    given: dict[str, str] = {}
    sources = []
    for name, value in params:
        if len(value) > _LONGEST:
            raise Refused(400, f"{_shown(name)} is longer than {_LONGEST} characters.")
        if "\0" in value:
            raise Refused(400, f"{_shown(name)} holds a character that no value has (NUL).")
        if name == "source":
            sources += [value] if value else []
        elif name in given and name not in also:
            raise Refused(400, f"{_shown(name)} is given twice; give its values once, with commas between.")
        else:
            given[name] = value
    for name in also:
        given.pop(name, None)
    table = _table(given.pop("table", "clips"))
    _check_names(given, table, names)
    return Filter(
        table=table,
        words=_words(given.get("q", "")),
        identities=_list(given.get("identity", "")),
        sources=tuple(sources),
        reasons=_each(given.get("reason", ""), REASONS, "reason"),
        attributes=tuple((n[2:], _values(n[2:], v)) for n, v in given.items() if n[:2] == "a." and v),
        scores=tuple(
            (n[2:], bounds(n, v)) for n, v in given.items() if n[:2] == "s." and v not in ("", "..")
        ),
        actions=_each(given.get("action", ""), ACTIONS, "action"),
        sort=_sort(given.get("sort", ""), table, names),
        descending=_flag(given.get("desc", "")),
    )


def field_of(name: str, table: Table, names: Names) -> str:
    """A field to count by, as it is named; raises Refused (400) with those there are."""
    fields = [f"s.{s}" for s in names.scores[table]] + ["source"]
    if table == "clips":
        fields += [f"a.{a}" for a in ATTRIBUTES] + ["action", "identity"]
    if name not in fields and name != "reason":
        raise Refused(
            400, f"There is no field {_shown(name)} to count by; allowed: {', '.join(fields)}, reason."
        )
    return name


def bounds(name: str, text: str) -> Bounds:
    """ "lo..hi" as numbers, None for an empty side."""
    low, dots, high = text.partition("..")
    try:
        if not dots:
            raise ValueError
        found = tuple(float(side) if side.strip() else None for side in (low, high))
        if any(side is not None and not math.isfinite(side) for side in found):
            raise ValueError
    except ValueError:
        raise Refused(
            400, f"{_shown(name)} cannot be {_shown(text)}; write LOW..HIGH, either of them may be empty."
        ) from None
    if found[0] is not None and found[1] is not None and found[0] > found[1]:
        raise Refused(400, f"{_shown(name)}: {text} is empty; the lower number goes first.")
    return found[0], found[1]


class _Dialect(Protocol):
    @property
    def lowered(self) -> str: ...
    def value(self, value: str | float) -> str: ...
    def attribute(self, name: str) -> str: ...
    def score(self, name: str) -> str: ...
    def action(self, name: str) -> str: ...


class Bound:
    """SQL over the server's own tables; `values` collects what stands for the question marks."""

    lowered = "lowered"

    def __init__(self) -> None:
        self.values: list[str | float] = []

    def value(self, value: str | float) -> str:
        self.values.append(value)
        return "?"

    def attribute(self, name: str) -> str:
        return f'"a.{name}"'

    def score(self, name: str) -> str:
        return f'"s.{name}"'

    def action(self, name: str) -> str:
        return f"list_contains(actions, {self.value(name)})"


class Published:
    """SQL over the published tables, to be read and copied."""

    lowered = "lower(caption)"

    def value(self, value: str | float) -> str:
        return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else _short(value)

    def attribute(self, name: str) -> str:
        path = f"attributes.{name}.value"
        return f"try_cast({path} as double)" if ATTRIBUTES[name].kind == "number" else path

    def score(self, name: str) -> str:
        return "(end_s - start_s)" if name == LENGTH else f'"{name}"'

    def action(self, name: str) -> str:
        return f"list_contains([a.name for a in actions], {self.value(name)})"


def conditions(filter: Filter, names: Names, sql: _Dialect) -> str:
    """The filter as what follows `where`; "true" where it says nothing."""
    said = []
    for column, wanted in (
        ("identity", filter.identities),
        ("source_name", filter.sources),
        ("reason", filter.reasons),
    ):
        if wanted:
            said.append(_any(column, wanted, sql))
    if filter.words and not names.labelled:
        said.append("false")
    else:
        said += [f"contains({sql.lowered}, {sql.value(word)})" for word in filter.words]
    said += [_attribute(name, values, names, sql) for name, values in filter.attributes]
    for name, (low, high) in filter.scores:
        column = sql.score(name)
        said.append(_between(column, low, high, sql, kind="double" if name == LENGTH else "float"))
    if filter.actions and not names.labelled:
        said.append("false")
    else:
        said += [sql.action(name) for name in filter.actions]
    return " and ".join(said) or "true"


def order(filter: Filter, tie: str) -> str:
    """What follows `order by` over the server's tables: unknown values last, equal ones in the table's order."""
    down = " desc" if filter.descending else ""
    if filter.sort in ("", "clip_id"):
        return f"{tie}{down}"
    column = filter.sort if filter.sort in _PLAIN_SORTS else f'"s.{filter.sort}"'
    return f"{column}{down} nulls last, {tie}"


def as_command(filter: Filter, dataset: Path) -> str:
    """The command that opens the browser at this filter."""
    query = filter.query()
    return shlex.join(["facevid", "explore", str(dataset), *(["--filter", query] if query else [])])


def annotate_command(dataset: Path) -> str:
    """The command that fills a dataset's attributes, actions and captions."""
    return shlex.join(["facevid", "annotate", str(dataset)])


def as_sql(filter: Filter, names: Names) -> str:
    """The filter as a query of the published tables, for `Dataset.sql`."""
    where = conditions(filter, names, Published())
    text = f"select * from {filter.table}" + ("" if where == "true" else f" where {where}")
    if filter.sort or filter.descending:
        down = " desc" if filter.descending else ""
        sort = filter.sort or ("clip_id" if filter.table == "clips" else "start_s")
        column = sort if sort in _PLAIN_SORTS else Published().score(sort)
        text += f" order by {column}{down}"
    return text


def as_python(filter: Filter, names: Names, dataset: Path) -> str:
    """The filter as Python: a DuckDB relation with the rows."""
    return f"import facevid\n\nfacevid.open({str(dataset)!r}).sql({as_sql(filter, names)!r})"


def _attribute(name: str, values: Sequence[str], names: Names, sql: _Dialect) -> str:
    if name not in names.attributes:  # nobody gave a value: all are unknown
        return "true" if UNKNOWN in values else "false"
    column = sql.attribute(name)
    said = [f"{column} is null"] if UNKNOWN in values else []
    known = [v for v in values if v != UNKNOWN]
    if ATTRIBUTES[name].kind == "number":
        for value in known:
            low, high = bounds(f"a.{name}", value if ".." in value else f"{value}..{value}")
            said.append(_between(column, low, high, sql, kind="double"))
    elif known:
        said.append(_any(column, known, sql))
    return said[0] if len(said) == 1 else "(" + " or ".join(said) + ")"


def _any(column: str, values: Sequence[str], sql: _Dialect) -> str:
    marks = ", ".join(sql.value(v) for v in values if v != UNKNOWN)
    said = [f"{column} in ({marks})"] if marks else []
    said += [f"{column} is null"] if UNKNOWN in values else []
    return said[0] if len(said) == 1 else "(" + " or ".join(said) + ")"


def _between(
    column: str, low: float | None, high: float | None, sql: _Dialect, *, kind: Literal["float", "double"]
) -> str:
    """Scores are float32, and so is a rule's threshold when it is applied to them. DuckDB sorts nan above all."""
    said = [f"{column} >= cast({sql.value(low)} as {kind})"] if low is not None else []
    said += [f"{column} <= cast({sql.value(high)} as {kind})"] if high is not None else []
    return "(" + " and ".join([*said, f"not isnan({column})"]) + ")"


def _check_names(given: Mapping[str, str], table: Table, names: Names) -> None:
    for name in given:
        if name[:2] == "a." and table == "clips":
            if name[2:] not in ATTRIBUTES:
                raise Refused(
                    400, f"There is no attribute {_shown(name[2:])}; allowed: {', '.join(ATTRIBUTES)}."
                )
        elif name[:2] == "s.":
            if name[2:] not in names.scores[table]:
                allowed = ", ".join(names.scores[table])
                raise Refused(400, f"There is no score {_shown(name[2:])} in {table}; allowed: {allowed}.")
        elif name == "reason" and table == "clips":
            raise Refused(400, "Only rejected stretches have a reason; add table=rejected.")
        elif table == "rejected" and (name in _CLIPS_ONLY or name[:2] == "a."):
            raise Refused(
                400,
                f"{_shown(name)} says something of clips, and rejected stretches were never cut; leave it out "
                "or leave out table=rejected.",
            )
        elif name not in ("q", "identity", "reason", "action", "sort", "desc"):
            raise Refused(
                400,
                f"A filter has no {_shown(name)}; allowed: table, q, identity, source, reason, a.ATTRIBUTE, "
                "s.SCORE, action, sort, desc.",
            )


def _table(text: str) -> Table:
    if text == "rejected":
        return "rejected"
    if text != "clips":
        raise Refused(400, f"There is no table {_shown(text)} to look at; allowed: clips, rejected.")
    return "clips"


def _words(text: str) -> tuple[str, ...]:
    words = tuple(dict.fromkeys(text.lower().split()))
    if len(words) > _MOST_WORDS:
        raise Refused(400, f"q has {len(words)} words; at most {_MOST_WORDS} are searched for.")
    return words


def _values(name: str, text: str) -> tuple[str, ...]:
    values = _list(text)
    for value in values:
        if value == UNKNOWN:
            continue
        if ATTRIBUTES[name].kind == "number":
            bounds(f"a.{name}", value if ".." in value else f"{value}..{value}")
        else:
            ATTRIBUTES[name].check(value)
    return values


def _each(text: str, allowed: Sequence[str], what: str) -> tuple[str, ...]:
    values = _list(text)
    for value in values:
        if value not in allowed:
            raise Refused(400, f"There is no {what} {_shown(value)}; allowed: {', '.join(allowed)}.")
    return values


def _list(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def _sort(text: str, table: Table, names: Names) -> str:
    plain = _PLAIN_SORTS if table == "clips" else ("source_name", "start_s")
    allowed = (*plain, *names.scores[table])
    name = text.removeprefix("s.")
    if name and name not in allowed:
        raise Refused(400, f"{table} cannot be sorted by {_shown(text)}; allowed: {', '.join(allowed)}.")
    return name


def _flag(text: str) -> bool:
    if text not in ("", "0", "1"):
        raise Refused(400, f"desc cannot be {_shown(text)}; allowed: 0, 1.")
    return text == "1"


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "…")


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.12g}"
