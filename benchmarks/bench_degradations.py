"""How far known degradations of real clips move every metric and distance of `facevid bench`, and whether ever further.

    python benchmarks/bench_degradations.py DATASET [--clips 48] [--side 64] [--frames 17] [-o degradations.json]

Windows of the clips are cut to the head as facevid-xs sees them. Half of the people are the real side of the distances,
the other half is spoiled: blur, noise, frames in another order, frozen frames, a colour cast, and another person in the
last frames, each by three amounts. A line for each: mean of the metric, or the distance, by amount, and "ever further"
where the amounts move it one way all along.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from spoiling import Video, blurred, cast, frozen, noisy, shuffled, swapped

import facevid
from facevid.bench.distances import Settings
from facevid.bench.features.between import FeatureSet, distances, features_of
from facevid.bench.looking.eyes import Eyes
from facevid.bench.looking.seen import Seen
from facevid.bench.measures.measure import Against, measure
from facevid.generate.data.reading import PixelReader
from facevid.generate.data.windows import windows_of
from facevid.generate.recipe import Bucket, read_recipe
from facevid.recipe import load_recipe

AMOUNTS: dict[str, tuple[float, ...]] = {
    "blur": (0.5, 1, 2), "noise": (4, 10, 25), "shuffle": (0.3, 0.6, 1), "freeze": (0.3, 0.6, 1),
    "cast": (5, 15, 40), "swap": (0.25, 0.5, 0.75),
}  # fmt: skip
EXPECTED: dict[str, tuple[str, ...]] = {
    "blur": ("-sharpness", "appearance_frechet"),
    "noise": ("flicker", "appearance_frechet"),
    "shuffle": ("motion", "head_turn", "mesh_motion", "dynamics_frechet"),
    "freeze": ("-motion", "-head_turn", "-mesh_motion", "dynamics_frechet"),
    "cast": ("colour_picture", "colours_frechet"),
    "swap": ("identity_first", "identity_picture", "-identity_margin"),
}
"""What each moves upwards, or with a minus downwards."""


def main() -> None:
    arguments = _arguments()
    videos, people = _clips(arguments)
    half = len(set(people)) // 2
    names = sorted(set(people))
    real_side = [k for k, who in enumerate(people) if who in names[:half]]
    made_side = [k for k, who in enumerate(people) if who in names[half:]]
    eyes = Eyes(load_recipe(None))

    def look(video: Video) -> Seen:
        return eyes.look(iter(video), count=len(video), fps=25.0)

    real = features_of((people[k], look(videos[k])) for k in real_side)
    firsts = {k: look(videos[k][:1]) for k in made_side}
    others = {
        k: made_side[(n + _others(people, made_side, n)) % len(made_side)] for n, k in enumerate(made_side)
    }
    report: dict[str, dict[str, list[float]]] = {}
    plain = _measured([(k, videos[k]) for k in made_side], people, look, firsts, others, real)
    for kind, amounts in AMOUNTS.items():
        found = [plain]
        for amount in amounts:
            spoiled = [(k, _spoil(kind)(videos[k], videos[others[k]], amount)) for k in made_side]
            found.append(_measured(spoiled, people, look, firsts, others, real))
        report[kind] = {}
        for name in EXPECTED[kind]:
            values = [f[name.lstrip("-")] for f in found]
            further = bool((np.diff(values) * (-1 if name[0] == "-" else 1) > 0).all())
            report[kind][name] = values
            print(
                f"{kind:8} {name:20} {' '.join(f'{v:9.4g}' for v in values)}  {'ever further' if further else 'NOT'}",
                flush=True,
            )
    arguments.output.write_text(json.dumps({"amounts": AMOUNTS, "found": report}, indent=1) + "\n")


def _others(people: list[str], some: list[int], n: int) -> int:
    """How many places on the next clip of somebody else is."""
    return next(d for d in range(1, len(some)) if people[some[(n + d) % len(some)]] != people[some[n]])


def _spoil(kind: str) -> Callable[[Video, Video, float], Video]:
    by = {"blur": blurred, "noise": noisy, "shuffle": shuffled, "freeze": frozen, "cast": cast}
    return swapped if kind == "swap" else lambda video, _, amount: by[kind](video, amount)


def _measured(
    videos: list[tuple[int, Video]],
    people: list[str],
    look: Callable[[Video], Seen],
    firsts: dict[int, Seen],
    others: dict[int, int],
    real: FeatureSet,
) -> dict[str, float]:
    seen = [(k, look(video)) for k, video in videos]
    rows = [measure(s, Against(picture=firsts[k], partner=firsts[others[k]])) for k, s in seen]
    found = {
        name: float(np.mean([r[name] for r in rows if name in r])) for name in {n for r in rows for n in r}
    }
    made = features_of((people[k], s) for k, s in seen)
    for one in distances(real, made, settings=Settings(resamples=2, floor_draws=0)):
        if one.found is not None:
            found[one.name] = one.found["value"]
    return found


def _clips(arguments: argparse.Namespace) -> tuple[list[Video], list[str]]:
    dataset = facevid.open(arguments.dataset)
    bucket = Bucket(frames=arguments.frames, height=arguments.side, width=arguments.side)
    data = read_recipe("facevid-xs").data.model_copy(update={"buckets": [bucket], "windows": 1})
    windows = windows_of(dataset, data, captions=False)
    chosen = np.linspace(0, len(windows) - 1, min(arguments.clips, len(windows))).round().astype(int)
    reader = PixelReader(windows)
    people = dataset.rows(["identity"])["identity"].to_pylist()
    return (
        [np.ascontiguousarray(reader.read(int(k)).transpose(0, 2, 3, 1)) for k in chosen],
        [str(people[int(windows.row[k])]) for k in chosen],
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset")
    parser.add_argument("--clips", type=int, default=48)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--frames", type=int, default=17)
    parser.add_argument("-o", "--output", type=Path, default=Path("degradations.json"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
