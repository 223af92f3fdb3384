"""How often what is told is what was asked, against chance, with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np


def score(asked: Sequence[str | None], told: Sequence[str], values: Sequence[str]) -> dict[str, Any]:
    """How often what is told is what was asked; None is not counted.

    accuracy: the mean over the values asked, so that chance is 1 / number of values also where some are asked more
    often. interval: Wilson's of 95 % about it. confusion: rows asked, columns told, in the order of `values`.
    """
    table = np.zeros((len(values), len(values)), np.int64)
    number = {value: k for k, value in enumerate(values)}
    for want, have in zip(asked, told, strict=True):
        if want is not None:
            table[number[want], number[have]] += 1
    each = table.sum(1)
    met = each > 0
    accuracy = float((table.diagonal()[met] / each[met]).mean()) if met.any() else float("nan")
    return {
        "values": list(values),
        "count": int(each.sum()),
        "accuracy": round(accuracy, 4),
        "chance": round(1 / len(values), 4),
        "interval": [round(v, 4) for v in wilson(accuracy, int(each.sum()))],
        "confusion": table.tolist(),
    }


def wilson(share: float, count: int, z: float = 1.96) -> tuple[float, float]:
    """Interval of a share of `count` tries (Wilson 1927); z 1.96 is 95 %."""
    if not count:
        return 0.0, 1.0
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return max(0.0, middle - half), min(1.0, middle + half)
