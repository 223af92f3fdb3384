"""Trains members of our own family for a few steps on a GPU: throughput, memory, utilisation, share of waiting.

    python benchmarks/train_gpu.py DATASET --autoencoder DIR [--sizes s m l] [--side 128] [--frames 17] [--steps 200]
        [--batch N] [--keep FOLDER] [--json]

Each is its recipe (facevid-s and so on) at one size and in bf16, trained by `facevid.train` on latents that are made
before; the first model's latents serve the others. Utilisation is three times the forward operations of the trained
networks (torch's flop counter) over the time and over a large bf16 matrix product measured on the card at the start.
--keep leaves the models there. Says so and ends with 3 where there is no GPU.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

import facevid
from facevid.generate.training.estimate import Estimate


def main() -> int:
    options = _options()
    if not torch.cuda.is_available():
        print("There is no GPU here.", file=sys.stderr)
        return 3
    found = []
    with tempfile.TemporaryDirectory() as place:
        for size in options.sizes:
            found.append(_trained(size, options, Path(options.keep or place)))
            print(json.dumps(found[-1]), flush=True)
    if options.json:
        print(json.dumps({"device": torch.cuda.get_device_name(), "torch": torch.__version__, "runs": found}))
        return 0
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
    print("model  parameters  batch  samples/s  tokens/s  step ms  memory GiB  utilisation  waiting")
    for run in found:
        print(
            f"{run['size']:5}  {run['parameters']:10,}  {run['batch']:5}  {run['samples_per_s']:9.1f}  "
            f"{run['tokens_per_s']:8,.0f}  {1000 * run['step_s']:7.1f}  {run['memory_gib']:10.2f}  {run['mfu']:11.1%}  "
            f"{run['stall']:7.2%}"
        )
    return 0


def _trained(size: str, options: argparse.Namespace, place: Path) -> dict[str, Any]:
    batch = options.batch or {"s": 256, "m": 256, "l": 128, "xl": 64}.get(size, 256)
    side, frames = options.side, options.frames
    summary = facevid.train(
        f"facevid-{size}",
        options.dataset,
        place / f"facevid-{size}",
        autoencoder=options.autoencoder,
        changes=[
            f"data.buckets=[{{frames: {frames}, height: {side}, width: {side}}}]",
            "data.fps=12.5",
            f"data.windows={options.windows}",
            "data.holdout=0.1",
            f"data.workers={options.workers}",
            f"optimisation.steps={options.steps}",
            f"optimisation.batch={batch}",
            "optimisation.accumulate=1",
            "optimisation.precision=bf16",
            "optimisation.distributed=ddp",
            "optimisation.checkpoint_activations=false",
            f"optimisation.warmup={min(100, options.steps // 4)}",
            f"validation.every={options.steps}",
            "validation.samples=64",
            f"validation.grid_seconds={20 if options.keep else 0}",
            f"checkpoints.every={options.steps}",
        ],
    )
    assert not isinstance(summary, Estimate)
    latents = ((frames - 1) // 2 + 1) * (side // 16) ** 2
    return {
        "size": size,
        "parameters": summary.parameters,
        "batch": batch,
        "samples_per_s": summary.samples_per_s,
        "tokens_per_s": (summary.samples_per_s or 0) * latents,
        "step_s": summary.step_s,
        "memory_gib": summary.peak_memory_bytes / 2**30,
        "mfu": summary.mfu,
        "peak_tflops": (summary.peak_flops or 0) / 1e12,
        "stall": summary.stall,
        "held_out": summary.held_out_loss,
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("dataset")
    parser.add_argument("--autoencoder", required=True)
    parser.add_argument("--sizes", nargs="+", default=["s", "m", "l"])
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--frames", type=int, default=17)
    parser.add_argument("--windows", type=int, default=4)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--keep")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
