"""Thousands of hostile files through one build: how each kind ends, how long it takes, how much memory it costs.

    python benchmarks/hostile_files.py [--files 10000] [--seed 1] [--workers N] [--output hostile] [--keep DIR]

The corpus is that of the tests (tests/curate/fuzz.py) with another seed. Writes OUTPUT.md and OUTPUT.json, a table by
kind and the files that were slowest and largest. Exit code 1 where a file has no outcome or more than one, a worker
crashed or hung, a step met a bug, or an address was visited. Linux only.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "curate"))

from fuzz import make_corpus
from fuzz_places import trap
from fuzz_run import Report, build_hostile, miscounted, table
from fuzz_seeds import valid_files

WORST = ("bug", "crash", "timeout", "memory", "none")
SHOWN = 10


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, help="processes (default: one a core)")
    parser.add_argument("--output", type=Path, default=Path("hostile"), help="files to write, without ending")
    parser.add_argument("--keep", type=Path, help="folder for corpus and dataset (default: a temporary one)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="facevid-hostile-") as scratch:
        place = given.keep or Path(scratch)
        footage = place / "footage"
        footage.mkdir(parents=True)
        seeds = valid_files(place / "seeds")
        with trap(place / "canary.mp4", seeds[0]) as set_up:
            kinds = make_corpus(footage, seeds, given.files, seed=given.seed, set_up=set_up)
            report = build_hostile(footage, place / "dataset", kinds, workers=given.workers)
        facts = facts_of(report, given.seed, visits=len(set_up.visits))
    given.output.with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    text = markdown(facts)
    given.output.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)
    return 1 if facts["faults"] else 0


def facts_of(report: Report, seed: int, *, visits: int) -> dict[str, Any]:
    """All figures of a run."""
    fates = report.fates
    worst = [(p.name, f) for p, f in fates.items() if f.ending in WORST]
    faults = [f"{name} ({f.kind}): {f.ending}. {f.message}" for name, f in worst if f.ending != "memory"]
    faults += [f"{visits} visits to the address that no file may lead to"] * bool(visits)
    wrong = miscounted(report)
    faults += [wrong] if wrong else []
    slow = sorted(fates.items(), key=lambda item: -item[1].seconds)[:SHOWN]
    large = sorted(fates.items(), key=lambda item: -item[1].peak)[:SHOWN]
    return {
        "files": len(fates), "seed": seed, "seconds": report.seconds, "files_per_s": len(fates) / report.seconds,
        "peak_mib": report.peak / 2**20, "endings": dict(report.outcomes.most_common()), "clips": report.summary.clips,
        "steps": [{k: s[k] for k in ("step", "total", "ok", "failed", "seconds")} for s in report.summary.steps],
        "kinds": table(report), "faults": faults,
        "slowest": [[p.name, f.kind, f.step, f.ending, round(f.seconds, 2)] for p, f in slow],
        "largest": [[p.name, f.kind, f.step, f.ending, f.peak >> 20] for p, f in large],
    }  # fmt: skip


def markdown(facts: dict[str, Any]) -> str:
    """The table for docs/hostile.md, and what was slowest and largest."""
    lines = [
        f"{facts['files']:,} files, seed {facts['seed']}, {facts['seconds'] / 60:.1f} minutes, "
        f"{facts['files_per_s']:.1f} files a second, {facts['clips']} clips; "
        f"largest worker {facts['peak_mib']:,.0f} MiB.",
        "",
        "| kind | files | ends as | s a file | most s | peak MiB |",
        "|---|---|---|---|---|---|",
    ]
    for row in facts["kinds"]:
        endings = ", ".join(f"{name} {count}" for name, count in row["endings"].items())
        lines.append(
            f"| {row['kind']} | {row['files']} | {endings} | {row['seconds_mean']:.2f} | {row['seconds_most']:.1f} "
            f"| {row['peak_mib']:.0f} |"
        )
    lines += [
        "",
        "Slowest: " + "; ".join(f"{n} ({k}, {s}, {e}) {t} s" for n, k, s, e, t in facts["slowest"]) + ".",
    ]
    lines += [
        "",
        "Largest: " + "; ".join(f"{n} ({k}, {s}, {e}) {m} MiB" for n, k, s, e, m in facts["largest"]) + ".",
    ]
    lines += ["", *(f"FAULT: {fault}" for fault in facts["faults"])]
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    sys.exit(main())
