"""Whether the benchmark finds what a training set lacks, and says that it is gone where nothing lacks.

    python benchmarks/group_gap.py DATASET AUTOENCODER TEXT -o FOLDER [--steps 850] [--few 0.05] [--prompts 0]
        [--pictures 60] [--recipe facevid-xs] [--set FIELD=VALUE ...]

Two models of one recipe, seed, number of people and steps learn from a dataset of synthetic people. Of those of one,
a share of `--few` have dark skin (tones 7 to 10 of the Monk scale) and the others light skin (1 to 3); of those of the
other, half and half. Both are judged on people held out of both, as many dark as light: `facevid.benchmark` asks them
for videos from the same first pictures, and from the same prompts if any. Videos begin from noise alone (strength 1):
where they begin from copies of the picture, as recipes have it, most of what shows was not painted by the model.

Printed, and kept in FOLDER/gap.json: for each model and number of a video what the groups are like, the gap, and the p
of the permutation test over people, adjusted for all gaps of the report.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import facevid
from facevid.bench.running.judged import Task
from facevid.bench.running.table import group_of
from facevid.dataset import Dataset

SIDES = ("light", "dark")
TOLD = ("asked_right", "identity_picture", "identity_margin", "colour_picture", "face_found")
HELD = 10
"""People of each side who are held out: five is the least that a group of a report needs, and twice that shows more."""


def main() -> int:
    options = _options()
    options.output.mkdir(parents=True, exist_ok=True)
    dataset = facevid.open(options.dataset)
    test, models = deal(people_by_side(dataset), options.few, options.seed)
    found: dict[str, Any] = {
        "test": len(test),
        "people": {n: len(p) for n, p in models.items()},
        "few": options.few,
    }
    for name, people in models.items():
        place = options.output / name
        changes = [
            f"optimisation.steps={options.steps}", f"validation.every={options.steps}",
            f"checkpoints.every={options.steps}", "validation.grid_seconds=0", "validation.strength=1", *options.set,
        ]  # fmt: skip
        began = time.monotonic()
        facevid.train(
            options.recipe, dataset, place, where=among(people), autoencoder=options.autoencoder, text=options.text,
            changes=changes,
        )  # fmt: skip
        print(f"{name}: {len(people)} people, {(time.monotonic() - began) / 60:.1f} minutes", flush=True)
        counts: dict[Task, int] = {"prompts": options.prompts, "pictures": options.pictures}
        for task, count in counts.items():
            if count:
                report = options.output / f"{name}-{task}"
                done = facevid.benchmark(
                    place, dataset, output=report, task=task, count=count, where=among(test), crossings=(),
                    cache=options.output / "cache",
                )  # fmt: skip
                found[f"{name}-{task}"] = gaps(done.result.to_dict())
    (options.output / "gap.json").write_text(json.dumps(found, indent=2))
    for report, lines in found.items():
        if isinstance(lines, list):
            for line in lines:
                print(report, json.dumps(line))
    return 0


def people_by_side(dataset: Dataset) -> dict[str, list[str]]:
    """The people of each side, by the tone that most of their clips are measured to have."""
    said: dict[str, list[str]] = defaultdict(list)
    rows = dataset.rows(["identity", "attributes"]).to_pylist()
    for row in rows:
        tone = (row["attributes"] or {}).get("skin_tone")
        if row["identity"] is not None and tone and tone["value"] not in (None, "unknown"):
            said[row["identity"]].append(str(group_of("skin_tone", tone["value"])))
    sides: dict[str, list[str]] = {side: [] for side in SIDES}
    for person, tones in sorted(said.items()):
        side = max(sorted(set(tones)), key=tones.count)
        if side in sides and tones.count(side) == len(tones):
            sides[side].append(person)
    return sides


def deal(sides: dict[str, list[str]], few: float, seed: int) -> tuple[list[str], dict[str, list[str]]]:
    """People held out, and those of each model: as many in all, with few dark ones and with half."""
    dice = random.Random(seed)
    left = {side: dice.sample(people, len(people)) for side, people in sides.items()}
    test = [person for side in SIDES for person in left[side][:HELD]]
    light, dark = left["light"][HELD:], left["dark"][HELD:]
    total = 2 * min(int(len(light) / (1 - few)) // 2, len(dark))
    if total < 20:
        raise SystemExit(
            f"The dataset has {len(sides['light'])} light and {len(sides['dark'])} dark people; beside {HELD} of each "
            "that are held out, 20 are needed. Make more footage."
        )
    rare, half = round(few * total), total // 2
    return test, {
        "unbalanced": light[: total - rare] + dark[:rare],
        "balanced": light[:half] + dark[:half],
    }


def among(people: list[str]) -> str:
    """A condition on clips: that they show one of these people."""
    return "identity in ({})".format(", ".join(f"'{person}'" for person in sorted(people)))


def gaps(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Of the metrics told here what the report says by skin tone."""
    kept = []
    for group in result["groups"]:
        if group["attributes"] == ["skin_tone"] and group["metric"] in TOLD:
            kept.append(group)
    return kept


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("autoencoder", type=Path)
    parser.add_argument("text", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=850)
    parser.add_argument(
        "--few", type=float, default=0.05, help="share of dark-skinned people in the unbalanced set"
    )
    parser.add_argument("--prompts", type=int, default=0)
    parser.add_argument("--pictures", type=int, default=60)
    parser.add_argument("--recipe", default="facevid-xs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
