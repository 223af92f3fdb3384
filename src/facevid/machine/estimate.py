"""What a build of all footage would take, from what a sample of it took."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from facevid.machine.footage import Footage
from facevid.machine.ranges import Range, exactly, ratio
from facevid.machine.sample import PER_STRETCH, Built, Sample

_HOUR = 3600.0
_SOUND = 0.01
"""Seconds of processor that joining parts takes per second of their source (docs/performance.md, Long sources)."""
_BUILD = ("scan", "analyze", "cut", "identify")


@dataclass(frozen=True)
class StepCost:
    """One step over all footage: seconds of processor per second of footage, and hours of one core."""

    step: str
    per_second: Range
    core_hours: Range


@dataclass(frozen=True)
class Wall:
    """Hours by the clock, where `nodes` machines of `cores_per_node` cores each do nothing else."""

    nodes: int
    cores_per_node: int
    build_h: Range
    annotate_h: Range


@dataclass(frozen=True)
class Estimate:
    """What all footage would take; `leaves_out` says what it does not count and what it takes for granted.

    stretches, files, sampled_s: the size of the sample. core_hours: of a build, without `annotate`.
    worker_bytes: the most memory of a worker that did all steps one after the other.
    """

    stretches: int
    files: int
    sampled_s: float
    steps: tuple[StepCost, ...]
    core_hours: Range
    here: Wall
    cluster: Wall | None
    clips: Range
    kept_s: Range
    dataset_bytes: Range
    work_bytes: Range
    worker_bytes: int
    leaves_out: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return asdict(self)


def estimate(
    footage: Footage,
    sample: Sample,
    *,
    cores: int,
    cluster: tuple[int, int] | None,
    part_s: float | None = None,
) -> Estimate:
    """Scale a sample up; it must hold a stretch that was built. cluster: machines, and cores of each.

    part_s: the recipe's `analyze.part_s`, to which longer sources are split; None where none is.
    """
    seconds = footage.seconds
    scan = ratio([s.processor_s for s in sample.scanned], [s.bytes for s in sample.scanned]) * footage.bytes
    rates = {
        step: _rate(sample, _spent(step), _looked_at if step == "analyze" else _seconds)
        for step in PER_STRETCH
    }
    core_s = {"scan": scan, **{step: rate.times(seconds) for step, rate in rates.items()}}
    per_second = {"scan": scan * (1 / seconds.value), **rates}
    build = exactly(0.0)
    for step in _BUILD:
        build += core_s[step]
    # A source, or the longest part of one, is one worker's; so is the sound of a whole source.
    alone_s = footage.longest_s if part_s is None else min(footage.longest_s, 1.5 * part_s)
    longest = rates["analyze"] * alone_s + exactly(_SOUND * (footage.longest_s - alone_s))

    def wall(nodes: int, each: int) -> Wall:
        share = 1 / (nodes * each)
        return Wall(
            nodes,
            each,
            (build * share).at_least(longest) * (1 / _HOUR),
            core_s["annotate"] * share * (1 / _HOUR),
        )

    def whole(amount: Callable[[Built], float]) -> Range:
        return _rate(sample, amount, _seconds).times(seconds)

    return Estimate(
        stretches=len(sample.built), files=sample.files, sampled_s=sum(b.seconds for b in sample.built),
        steps=tuple(StepCost(step, per_second[step], core_s[step] * (1 / _HOUR)) for step in core_s),
        core_hours=build * (1 / _HOUR),
        here=wall(1, cores), cluster=None if cluster is None else wall(*cluster),
        clips=whole(lambda b: b.clips), kept_s=whole(lambda b: b.kept_s).at_most(seconds),
        dataset_bytes=whole(lambda b: b.dataset_bytes), work_bytes=whole(lambda b: b.work_bytes),
        worker_bytes=max(b.peak_bytes for b in sample.built),
        leaves_out=tuple(_leaves_out(footage, sample, cluster is not None)),
    )  # fmt: skip


def _leaves_out(footage: Footage, sample: Sample, clustered: bool) -> list[str]:
    read = sum(s.bytes for s in sample.scanned) / max(1e-9, sum(s.wall_s for s in sample.scanned))
    out = [
        "Not counted: select, the comparison of persons, and pack, which are table work of seconds to minutes; "
        "starting workers, some 2 s for each step; what was built here before, which a build takes over.",
        f"Not counted: waiting for disks and networks. scan read {read / 1e6:.0f} MB/s a worker; a build reads every "
        "byte twice, and kept stretches once more.",
        "Taken for granted: the cores do nothing else, and map steps take half the time on twice the cores.",
        "Clips are cut short at the ends of the stretches sampled; where people talk for long, all footage gives fewer "
        "and longer clips.",
        "Copies of a file, and footage that was uploaded twice, are counted as often as they are there; a build keeps "
        "one.",
        "Bytes of the dataset are those of clips, speech and keypoints; its other tables add some kilobytes a clip.",
    ]
    if clustered:
        out.append("Taken for granted: every machine is like this one and reads the footage as fast.")
    if len(sample.built) < 2:
        out.append("One stretch gives no range; raise --sample-seconds for one.")
    if not any(b.clips for b in sample.built):
        out.append(
            "No stretch of the sample was kept, so clips and bytes are 0 here; raise --sample-seconds."
        )
    if footage.probed < footage.files:
        out.append(
            f"Looked into {footage.probed} of {footage.files} files, drawn at random; the seconds of the others are "
            "taken to be the same per byte."
        )
    return out


def _rate(sample: Sample, amount: Callable[[Built], float], size: Callable[[Built], float]) -> Range:
    return ratio([amount(b) for b in sample.built], [size(b) for b in sample.built])


def _spent(step: str) -> Callable[[Built], float]:
    return lambda built: built.processor_s[step]


def _seconds(built: Built) -> float:
    return built.seconds


def _looked_at(built: Built) -> float:
    return built.looked_at_s
