"""Hours that 2,000 hours of raw footage would take on a cluster, from what was measured on a small machine.

    python benchmarks/scale_model.py [--into docs/scale.md]

The tables that it prints stand in docs/scale.md, where a test compares them; --into puts them there. Nothing here was
run on a large cluster: a step on workers takes its core-seconds over all cores, and its longest item at the end, or
what the driver can hand out, whichever is longer; the driver's own steps come after, one by one. All inputs are in
`MEASURED` and `ASSUMED`.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path


@dataclass(frozen=True)
class Measured:
    """Figures, in core-seconds where nothing else is said, with where they are from."""

    scan: float = 17.4
    """An hour of footage; 2026-11-22, `build_speed.py`: .5 s x 2 cores of 207 s."""
    analyze: float = 1360.0
    """An hour of footage; the same: 39.1 s x 2."""
    cut: float = 1328.0
    """An hour kept; the same: 21.4 s x 2 for 116 s kept."""
    embed: float = 273.0
    """An hour kept; the same: identify, 4.4 s x 2, the start of its workers included."""
    kept: float = 0.56
    """Share of the footage that is kept; the same: 116 of 207 s, composed half of defects."""
    clip_s: float = 4.8
    """Length of a clip; the same: 116 s in 24 clips."""
    footage_gb: float = 0.67
    """10^9 bytes of an hour of footage; the same: 38.8 MB of 207 s, 1280 x 720."""
    published_gb: float = 0.79
    """10^9 bytes published of an hour kept; 2026-11-27, `driver_speed.py`."""
    ray: float = 1.092
    """Time with Ray in that without: `ray_overhead.py --minutes 30`, 2026-11-27."""
    item_s: float = 0.00205
    """The driver's time to hand out an item by Ray; 2026-11-27, `engine_speed.py`: 487 a second."""
    embedding_s: float = 0.00014
    """Reading a clip's embedding; 2026-11-27, `driver_speed.py`, page cache."""
    trace_s: float = 0.0071
    """Reading a clip's movement for repeats; the same. By threads."""
    pack_s: float = 0.0108
    """Packing a clip; the same. By threads."""
    pairs_s: float = 17.9
    """Finding the near pairs of 50,000 clips; 2026-11-27, `cluster_speed.py`. Grows with the square. By threads."""
    merge_s: float = 5.1
    """Persons and groups of 50,000 clips out of their pairs; the same. Grows as the clips do."""
    select_s: float = 0.0025
    """Selecting in an hour of tracks; 2026-11-22, `select_speed.py`: 3.0 s for 10.7 million windows."""


@dataclass(frozen=True)
class Assumed:
    """What was not measured."""

    hours: float = 2000.0
    """Of raw footage."""
    source_s: float = 1800.0
    """Length of a source."""
    longest_s: float = 600.0
    """Footage in the longest item of analyze: a source, or the part of one where long ones are split."""
    cores: int = 96
    """Of a node, each as fast as the measuring machine's."""
    threads: int = 16
    """Of the driver for pairs, repeats and pack (`_MOST_THREADS` of `facevid.curate.tables`)."""
    speed: float = 1.0
    """Of a core, against the measuring machine's."""


@dataclass(frozen=True)
class Phase:
    """A part of the build. limit: what decides its length."""

    name: str
    seconds: float
    items_per_s: float
    limit: str


MEASURED, ASSUMED = Measured(), Assumed()


def workers_phases(m: Measured, a: Assumed, nodes: int) -> Iterator[Phase]:
    """The steps that run on workers."""
    cores = nodes * a.cores * a.speed
    kept = a.hours * m.kept
    clips = clips_of(m, a)
    steps = (
        ("scan", m.scan * a.hours, a.hours * 3600 / a.source_s, m.scan * a.source_s / 3600),
        ("analyze", m.analyze * a.hours, a.hours * 3600 / min(a.source_s, a.longest_s), m.analyze * a.longest_s / 3600),
        ("cut", m.cut * kept, clips, m.cut * m.clip_s / 3600),
        ("embed", m.embed * kept, clips, m.embed * m.clip_s / 3600),
    )  # fmt: skip
    for name, work, items, longest in steps:
        on_cores = m.ray * work / cores + longest / a.speed
        handed_out = items * m.item_s / a.speed
        seconds = max(on_cores, handed_out)
        yield Phase(name, seconds, items / seconds, "driver" if handed_out > on_cores else "cores")


def driver_phases(m: Measured, a: Assumed) -> Iterator[Phase]:
    """The steps of the driver alone."""
    clips = clips_of(m, a)
    steps = (
        ("select", m.select_s * a.hours),
        ("pairs", m.pairs_s * (clips / 50_000) ** 2 / a.threads),
        ("persons", m.embedding_s * clips + m.merge_s * clips / 50_000),
        ("repeats", m.trace_s * clips / a.threads),
        ("pack", m.pack_s * clips / a.threads),
    )
    for name, seconds in steps:
        yield Phase(name, seconds / a.speed, clips * a.speed / seconds, "driver")


def clips_of(m: Measured, a: Assumed) -> float:
    """Clips that are kept."""
    return a.hours * m.kept * 3600 / m.clip_s


def hours(m: Measured, a: Assumed, nodes: int) -> tuple[float, float]:
    """Hours on workers, and of the driver alone."""
    return (
        sum(p.seconds for p in workers_phases(m, a, nodes)) / 3600,
        sum(p.seconds for p in driver_phases(m, a)) / 3600,
    )


def by_nodes(counts: tuple[int, ...] = (1, 4, 16, 64)) -> Iterator[str]:
    """The build, phase by phase."""
    yield (
        "| nodes | cores | scan | analyze | cut | embed | the driver alone | all, hours | against 1 node | "
        "read in analyze, MB/s |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|"
    first = sum(hours(MEASURED, ASSUMED, counts[0]))
    for nodes in counts:
        phases = {p.name: p for p in workers_phases(MEASURED, ASSUMED, nodes)}
        on_workers, alone = hours(MEASURED, ASSUMED, nodes)
        read = ASSUMED.hours * MEASURED.footage_gb * 1000 / phases["analyze"].seconds
        cells = [f"{p.seconds / 3600:.2f}{' *' * (p.limit == 'driver')}" for p in phases.values()]
        total = on_workers + alone
        yield (
            f"| {nodes} | {nodes * ASSUMED.cores:,} | {' | '.join(cells)} | {alone:.2f} | **{total:.1f}** | "
            f"{first / total:.1f} times | {read:,.0f} |"
        )


def driver_alone() -> Iterator[str]:
    """What the driver does after and beside the workers."""
    yield "| the driver alone | hours | clips a second |"
    yield "|---|---|---|"
    for phase in driver_phases(MEASURED, ASSUMED):
        yield f"| {phase.name} | {phase.seconds / 3600:.3f} | {phase.items_per_s:,.0f} |"
    written = clips_of(MEASURED, ASSUMED) * MEASURED.clip_s / 3600 * MEASURED.published_gb
    pack = next(p for p in driver_phases(MEASURED, ASSUMED) if p.name == "pack")
    yield ""
    rate = written * 1000 / pack.seconds
    yield (
        f"{clips_of(MEASURED, ASSUMED):,.0f} clips; pack reads and writes {written:,.0f} GB, {rate:,.0f} MB/s each way."
    )


def handed_out(counts: tuple[int, ...] = (1, 4, 16)) -> Iterator[str]:
    """Items a second, by step and number of nodes."""
    yield "| nodes | scan | analyze | cut | embed |"
    yield "|---|---|---|---|---|"
    for nodes in counts:
        cells = [f"{p.items_per_s:,.1f}" for p in workers_phases(MEASURED, ASSUMED, nodes)]
        yield f"| {nodes} | {' | '.join(cells)} |"


def variants() -> Iterator[tuple[str, Measured, Assumed]]:
    """What else the inputs could be."""
    yield "as above", MEASURED, ASSUMED
    yield "cores half as fast", MEASURED, replace(ASSUMED, speed=0.5)
    yield "cores twice as fast", MEASURED, replace(ASSUMED, speed=2.0)
    yield "a quarter is kept", replace(MEASURED, kept=0.25), ASSUMED
    yield "nine tenths are kept", replace(MEASURED, kept=0.9), ASSUMED
    yield "clips of 10 s", replace(
        MEASURED, clip_s=10.0, trace_s=MEASURED.trace_s * 10 / 4.8, pack_s=MEASURED.pack_s * 10 / 4.8
    ), ASSUMED  # fmt: skip
    yield "four threads of the driver", MEASURED, replace(ASSUMED, threads=4)
    yield "one thread of the driver", MEASURED, replace(ASSUMED, threads=1)
    yield "the driver hands out 2,000 items a second", replace(MEASURED, item_s=0.0005), ASSUMED
    yield "no part longer than an hour", MEASURED, replace(ASSUMED, longest_s=3600.0, source_s=3600.0)
    yield "200 hours of footage", MEASURED, replace(ASSUMED, hours=200.0)
    yield "20,000 hours of footage", MEASURED, replace(ASSUMED, hours=20_000.0)


def sensitivity(counts: tuple[int, ...] = (1, 4, 16)) -> Iterator[str]:
    """Hours of the whole build, and from how many nodes on it is the driver that decides."""
    head = " | ".join(map(str, counts))
    yield f"| hours in all, on nodes: | {head} | the driver alone | the driver decides from, nodes |"
    yield "|---|" + "---|" * (len(counts) + 2)
    for name, m, a in variants():
        totals = [f"{sum(hours(m, a, nodes)):.1f}" for nodes in counts]
        yield f"| {name} | {' | '.join(totals)} | {hours(m, a, 1)[1]:.2f} | {turning_point(m, a)} |"


def turning_point(m: Measured, a: Assumed, most: int = 1024) -> str:
    """The number of nodes from which on half of the time goes by what the driver can do."""
    for nodes in range(1, most + 1):
        phases = [*workers_phases(m, a, nodes), *driver_phases(m, a)]
        if sum(p.seconds for p in phases if p.limit == "driver") >= sum(p.seconds for p in phases) / 2:
            return str(nodes)
    return f"more than {most}"


def inputs() -> Iterator[str]:
    """Every input."""
    yield "| input | value | |"
    yield "|---|---|---|"
    for kind, source in (("measured", MEASURED), ("assumed", ASSUMED)):
        for field in fields(source):
            yield f"| {field.name} | {getattr(source, field.name):,g} | {kind} |"


TABLES = {
    "inputs": inputs,
    "nodes": by_nodes,
    "driver": driver_alone,
    "handed out": handed_out,
    "sensitivity": sensitivity,
}


def block(name: str) -> str:
    """A table between the marks by which it is found in docs/scale.md."""
    return "\n".join((f"<!-- scale_model.py: {name} -->", "", *TABLES[name](), "", "<!-- end -->"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--into", type=Path, help="replace the tables of this file instead of printing them")
    given = parser.parse_args()
    if given.into is None:
        print(*map(block, TABLES), sep="\n\n")
        return
    text = given.into.read_text(encoding="utf-8")
    for name in TABLES:
        mark = rf"<!-- scale_model\.py: {name} -->.*?<!-- end -->"
        text, found = re.subn(mark, lambda _, name=name: block(name), text, flags=re.DOTALL)
        if found != 1:
            raise SystemExit(
                f"{given.into} has the mark of the table {name!r} {found} times; it must have it once."
            )
    given.into.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
