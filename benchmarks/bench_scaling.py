"""Fits Chinchilla's runs as Epoch AI's replication did, with its 4,000 resamples, and prints both sides' figures.

    python benchmarks/bench_scaling.py [--resamples 4000] [--runs ../shared/refs/chinchilla_runs.csv]

Ends with 1 if a figure is off or the whole takes longer than 60 s.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from facevid.bench.scaling import best_split, bootstrap, fit_law, read_runs, say_fit, say_split

LIMIT_S = 60.0
BUDGET = 5.76e23  # FLOP of Chinchilla itself
# Besiroglu et al. 2024 (arXiv 2404.10102): value, how far we may be off, standard error of 4,000 resamples.
REFERENCE = {
    "E": (1.8172, 0.002, 0.026),
    "A": (477.84, 5.0, 124.5),
    "B": (2143.9, 50.0, 1293.0),
    "alpha": (0.3473, 0.002, 0.0154),
    "beta": (0.3672, 0.002, 0.0206),
}
OBJECTIVE, EXPONENT = 0.00101827, (0.513, 0.020)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    shared = Path(__file__).resolve().parents[2] / "shared"
    parser.add_argument("--runs", type=Path, default=shared / "refs" / "chinchilla_runs.csv")
    parser.add_argument("--resamples", type=int, default=4000)
    args = parser.parse_args()

    begun, cpu = time.perf_counter(), time.process_time()
    runs = read_runs(args.runs, size="Model Size", data=None, compute="Training FLOP", unit="tokens")
    fit = fit_law(runs.without_highest(5), "additive")
    fitted = time.perf_counter() - begun
    boot = bootstrap(fit, args.resamples)
    took, cpu = time.perf_counter() - begun, time.process_time() - cpu

    errors = boot.standard_errors()
    good = abs(fit.objective - OBJECTIVE) < 1e-6
    print(f"{'':10}{'ours':>14}{'reference':>14}{'our s.e.':>12}{'reference':>12}")
    for name, (value, off, error) in REFERENCE.items():
        ours = fit.constants[name]
        good &= abs(ours - value) < off
        print(f"{name:10}{ours:14.6g}{value:14.6g}{errors[name]:12.4g}{error:12.4g}")
    print(f"{'objective':10}{fit.objective:14.8f}{OBJECTIVE:14.8f}")
    constants = boot.constants()
    spread = float((constants["beta"] / (constants["alpha"] + constants["beta"])).std())
    exponent = best_split(boot, BUDGET, factor=6).exponent
    good &= abs(exponent.value - EXPONENT[0]) < 0.002
    print(f"{'exponent':10}{exponent.value:14.6f}{EXPONENT[0]:14.6g}{spread:12.4g}{EXPONENT[1]:12.4g}")
    print(f"{fit.agreed} of {fit.starts} starts came to the best objective")
    print(say_fit(boot))
    print(say_split(best_split(boot, BUDGET, factor=6), BUDGET, "tokens", "loss"))
    print(f"fit {fitted:.1f} s, with {args.resamples} resamples {took:.1f} s ({cpu:.1f} s of processor)")
    return 0 if good and took < LIMIT_S else 1


if __name__ == "__main__":
    sys.exit(main())
