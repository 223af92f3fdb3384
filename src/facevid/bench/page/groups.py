"""Groups on a benchmark's page: per attribute, or attributes crossed, a table of metrics by groups with the gaps."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from facevid.bench.page.document import bullets, small, table
from facevid.bench.page.words import (
    NONE,
    SURE,
    better_of,
    capital,
    chance,
    count,
    in_order,
    side,
    spread,
    title_of,
    unit_of,
)
from facevid.bench.result import GroupResult, GroupValue


def groups(found: Sequence[GroupResult]) -> str:
    """All tables of groups with what stands out before them, or a sentence that there are none."""
    if not found:
        return "<p>No groups were compared: the videos carry no attribute, or none was asked for.</p>"
    sets: dict[tuple[str, ...], list[GroupResult]] = {}
    for one in found:
        sets.setdefault(tuple(one.attributes), []).append(one)
    text = _standing_out(found)
    # A crossing has many columns; it waits behind its title.
    for attributes, results in sorted(sets.items(), key=lambda item: len(item[0])):
        title = escape(capital(" and ".join(map(_plain, attributes))))
        if len(attributes) == 1:
            text += f"<h3>{title}</h3>{_set(results)}"
        else:
            text += f'<details class="crossed"><summary>{title}</summary>{_set(results)}</details>'
    return text


def _standing_out(found: Sequence[GroupResult]) -> str:
    tested = [one for one in found if one.p_adjusted is not None]
    sure = sorted((one for one in tested if _sure(one)), key=lambda one: one.p_adjusted or 0.0)
    note = (
        '<p class="note">A gap is the difference between the best and the worst group that are large enough. Its p is '
        "how often people dealt out to groups at random give a gap as large, after Holm over all gaps of this report: "
        f"below {f'{SURE:g}'.removeprefix('0')} chance hardly explains it.</p>"
    )
    if not tested:
        return note + "<p>No gap could be tested: too few groups are large enough.</p>"
    if not sure:
        return note + f"<p>Chance can explain {_all(len(tested))} between groups.</p>"
    return (
        note + f"<p>Chance hardly explains {_of(len(sure), len(tested))}:</p>" + bullets([*map(_said, sure)])
    )


def _all(n: int) -> str:
    return "the one gap" if n == 1 else f"all {n:,} gaps"


def _of(n: int, tested: int) -> str:
    return f"{n:,} of {count(tested, 'gap')} between groups"


def _said(one: GroupResult) -> str:
    gap, interval = spread(one.gap or 0.0, one.gap_interval)
    unit = f" {unit_of(one.metric)}" if unit_of(one.metric) else ""
    between = f" ({interval})" if interval else ""
    return (
        f"{title_of(one.metric)}, by {' and '.join(map(_plain, one.attributes))}: best for “{one.best}”, worst for "
        f"“{one.worst}”, {gap}{unit}{between} apart, {chance(one.p_adjusted or 0.0)}."
    )


def _set(results: Sequence[GroupResult]) -> str:
    by_name = {one.metric: one for one in results}
    largest: dict[str, GroupValue] = {}
    for one in results:
        for value in one.groups:
            if value.group not in largest or value.n > largest[value.group].n:
                largest[value.group] = value
    order = sorted(largest.values(), key=lambda value: (-value.n, value.group))
    heads = ["metric", "gap", "can chance explain it"]
    heads += [escape(v.group) + small(f"{count(v.n, 'video')}, {v.people:,} people") for v in order]
    rows = [_row(by_name[name], order) for name in in_order(by_name)]
    unknown = max(one.unknown for one in results)
    left = f'<p class="note">Of {count(unknown, "video")} it is not known.</p>' if unknown else ""
    return table(heads, rows, "groups") + left


def _row(one: GroupResult, order: Sequence[GroupValue]) -> list[str]:
    values = {value.group: value for value in one.groups}
    unit = unit_of(one.metric)
    way = side(better_of(one.metric)) + (f"; {unit}" if unit else "")
    cells = [_cell(values.get(head.group), head) for head in order]
    return [escape(title_of(one.metric)) + small(way), *_gap(one), *cells]


def _gap(one: GroupResult) -> list[str]:
    if one.gap is None:
        return [NONE + small("fewer than two groups are large enough", wraps=True), NONE]
    gap, interval = spread(one.gap, one.gap_interval)
    cell = f"<b>{gap}</b>{small(interval)}" + small(f"best “{one.best}”, worst “{one.worst}”", wraps=True)
    if one.p_adjusted is None:
        return [cell, "not tested"]
    if _sure(one):
        return [cell, f'<strong class="sure">▲ hardly</strong>{small(chance(one.p_adjusted))}']
    return [cell, f"it can{small(chance(one.p_adjusted))}"]


def _cell(value: GroupValue | None, head: GroupValue) -> str:
    if value is None:
        return NONE
    other = f"{count(value.n, 'video')}, {value.people:,} people" if value.n != head.n else ""
    if value.mean is None:
        return f'<span class="few">{escape(value.note or "too few")}</span>{small(other)}'
    mean, interval = spread(value.mean, value.interval)
    return mean + small(interval) + small(other) + small(value.note or "", wraps=True)


def _sure(one: GroupResult) -> bool:
    return one.p_adjusted is not None and one.p_adjusted < SURE


def _plain(attribute: str) -> str:
    return attribute.removeprefix("group_").replace("_", " ")
