"""Measures what our trainer costs: against a bare loop, and with latents kept against encoding on the fly.

    python benchmarks/train_speed.py RECIPE --data DATASET [--autoencoder DIR] [--text DIR]
        [--set FIELD=VALUE]... [--steps 60] [--rounds 5] [--threads N] [--skip-fly] [--json]

The bare loop takes the same module, optimizers, batches and precision, and does forwards, backwards, clipping
and the step; no average, log, checks, or reading ahead. Both take turns in one process, first the one, then the
other; the figure is the median of the ratios of neighbours (1: as fast; .95 is what we want). Latents against on the
fly is the median over rounds of `facevid.train`'s samples a second, each in turn; latents are made before. Validation
and checkpoints are outside of what is measured. For recipes of an autoencoder, only the bare loop is compared.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

import facevid
from facevid.generate.recipe import TrainRecipe, read_recipe
from facevid.generate.train import make_task
from facevid.generate.training.parts import parts_of
from facevid.generate.training.ranks import accelerator_for, split_batch
from facevid.generate.training.schedule import optimizers, trained
from facevid.generate.training.task import Task
from facevid.generate.training.tracking import TrainProgress
from facevid.generate.training.trainer import Trainer
from facevid.generate.words.folder import parts_named

WARM = 10  # steps that are not timed; on a GPU the trainer looks at its losses every 10
NEVER = 10**9


def main() -> int:
    options = _options()
    if options.threads:
        torch.set_num_threads(options.threads)
    changes = [
        *options.changes, f"optimisation.steps={options.steps}", f"validation.every={NEVER}", "validation.samples=1",
        "validation.grid_seconds=0", f"checkpoints.every={NEVER}",
    ]  # fmt: skip
    changes += parts_named(options.autoencoder, options.text)
    recipe = read_recipe(options.recipe, changes)
    found = _against_bare(recipe, options)
    if recipe.model is not None and not options.skip_fly:
        found |= _against_fly(recipe, options)
    device = "cpu" if not torch.cuda.is_available() else torch.cuda.get_device_name()
    found |= {"device": device, "threads": torch.get_num_threads(), "batch": recipe.optimisation.batch}
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        for name, value in found.items():
            print(f"{name}: {value}")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("recipe")
    parser.add_argument("--data", required=True)
    parser.add_argument("--autoencoder")
    parser.add_argument("--text", help="folder of a text encoder")
    parser.add_argument("--set", action="append", default=[], dest="changes")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--skip-fly", action="store_true", help="only compare with the bare loop")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _against_bare(recipe: TrainRecipe, options: argparse.Namespace) -> dict[str, Any]:
    accelerator = accelerator_for(recipe)
    parts, _ = parts_of(facevid.open(options.data), recipe, where=None, subset=None, split=None)
    with tempfile.TemporaryDirectory() as place:
        task = make_task(recipe, *parts, Path(place), accelerator, False, None)
        _bare(task, recipe, accelerator.device, WARM + 1)  # kernels are chosen, caches filled
        ours, bare = [], []
        for turn in range(options.rounds):
            ours.append(_ours(task, recipe, Path(place, f"round-{turn}")))
            bare.append(_bare(task, recipe, accelerator.device, recipe.optimisation.steps))
    ratios = [o / b for o, b in zip(ours, bare, strict=True)]
    return {
        "trainer_samples_per_s": round(statistics.median(ours), 3),
        "bare_samples_per_s": round(statistics.median(bare), 3),
        "trainer_to_bare": round(statistics.median(ratios), 4),
        "trainer_to_bare_rounds": [round(r, 4) for r in ratios],
    }


def _ours(task: Task, recipe: TrainRecipe, folder: Path) -> float:
    """Samples a second of the trainer, between the first and the last look at its losses after the warm-up."""
    seen: list[tuple[int, float]] = []

    def told(progress: TrainProgress) -> None:
        if WARM <= progress.done < recipe.optimisation.steps:
            seen.append((progress.done, time.perf_counter()))

    Trainer(task, recipe, folder, peak=1.0, on_progress=told).run()
    (first, began), (last, ended) = seen[0], seen[-1]
    return (last - first) * recipe.optimisation.batch / (ended - began)


def _bare(task: Task, recipe: TrainRecipe, device: torch.device, steps: int) -> float:
    """Samples a second of the plainest loop."""
    options = recipe.optimisation
    module = task.module.to(device).train()
    parameters = list(trained(module).values())
    changing = optimizers(module, options)
    half = options.precision == "bf16"
    split_batch(recipe, 1)
    batches = task.training().iterate(0, steps, batch=options.batch, accumulate=options.accumulate)
    began = 0.0
    for step in range(steps):
        if step == WARM:
            _wait(device)
            began = time.perf_counter()
        for _ in range(options.accumulate):
            batch = {
                n: v.to(device) if torch.is_tensor(v) and n != "seed" else v for n, v in next(batches).items()
            }
            with torch.autocast(device.type, torch.bfloat16) if half else contextlib.nullcontext():
                loss = module(batch)["loss"].mean() / options.accumulate
            loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, options.clip)
        for optimizer in changing:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
    _wait(device)
    return (steps - WARM) * options.batch / (time.perf_counter() - began)


def _against_fly(recipe: TrainRecipe, options: argparse.Namespace) -> dict[str, Any]:
    rates: dict[bool, list[float]] = {False: [], True: []}
    stalls: dict[bool, list[float]] = {False: [], True: []}
    with tempfile.TemporaryDirectory() as place:
        for turn in range(options.rounds):
            for fly in rates:
                done = facevid.train(recipe, options.data, Path(place, f"{turn}-{fly}"), on_the_fly=fly)
                rates[fly].append(done.samples_per_s)
                stalls[fly].append(done.stall)
    kept, fly = statistics.median(rates[False]), statistics.median(rates[True])
    return {
        "latents_samples_per_s": round(kept, 3),
        "on_the_fly_samples_per_s": round(fly, 3),
        "latents_to_on_the_fly": round(kept / fly, 3),
        "latents_stall": round(statistics.median(stalls[False]), 4),
        "on_the_fly_stall": round(statistics.median(stalls[True]), 4),
    }


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


if __name__ == "__main__":
    sys.exit(main())
