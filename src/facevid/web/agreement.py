"""How well annotators agree: Cohen's kappa of two, Krippendorff's alpha of any number with gaps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations


@dataclass(frozen=True)
class Agreement:
    """A coefficient of agreement: 1 is perfect, 0 what chance gives, below 0 worse than chance.

    value is None where it is not defined, and then reason says why. n: clips that it rests on.
    """

    value: float | None
    n: int
    reason: str | None = None


def cohen_kappa(pairs: Iterable[tuple[Hashable, Hashable]]) -> Agreement:
    """Cohen's kappa of two annotators' values of the same clips, one pair a clip.

    kappa = (p_o - p_e) / (1 - p_e), with p_o the share of clips that got one value from both and p_e the sum over
    values of the product of both annotators' shares of that value. Source: J. Cohen, "A coefficient of agreement for
    nominal scales", Educational and Psychological Measurement 20 (1960), equation 1. Where both used one and the same
    value throughout, p_e is 1 and kappa is not defined.
    """
    both = list(pairs)
    n = len(both)
    if not n:
        return Agreement(None, 0, "no clip has a value from two annotators")
    first, second = Counter(a for a, _ in both), Counter(b for _, b in both)
    agreed = sum(a == b for a, b in both)
    chance = sum(first[value] * second[value] for value in first)  # in units of 1 / n^2, so that it is exact
    if chance == n * n:
        return Agreement(
            None, n, "both annotators used one value only, so chance cannot be told from agreement"
        )
    return Agreement((agreed * n - chance) / (n * n - chance), n)


def krippendorff_alpha(units: Iterable[Sequence[Hashable]]) -> Agreement:
    """Krippendorff's alpha for nominal values: per clip the values given, by any number of annotators.

    alpha = 1 - D_o / D_e over the coincidence matrix, where a clip with m >= 2 values adds 1 / (m - 1) for each
    ordered pair of its values; clips with fewer values say nothing. With n_c values c among n pairable values:
    D_o = n - sum_c o_cc and D_e = (n^2 - sum_c n_c^2) / (n - 1). Source: K. Krippendorff, "Computing Krippendorff's
    alpha-reliability" (2011), section C. Not defined where all values are the same.
    """
    pairable = [list(values) for values in units if len(values) >= 2]
    if not pairable:
        return Agreement(None, 0, "no clip has values from two annotators")
    totals: Counter[Hashable] = Counter()
    same = 0.0
    for values in pairable:
        counts = Counter(values)
        totals.update(counts)
        same += sum(k * (k - 1) for k in counts.values()) / (len(values) - 1)
    n = totals.total()
    chance = n * n - sum(k * k for k in totals.values())
    if chance == 0:
        return Agreement(
            None, len(pairable), "all annotators used one value only, so chance cannot be told from agreement"
        )
    return Agreement(1 - (n - same) * (n - 1) / chance, len(pairable))


def pairwise_kappa(by_clip: Mapping[str, Mapping[str, Hashable]]) -> dict[tuple[str, str], Agreement]:
    """Cohen's kappa of each two annotators with a clip in common; by_clip: clip -> annotator -> value."""
    pairs: dict[tuple[str, str], list[tuple[Hashable, Hashable]]] = {}
    for values in by_clip.values():
        for a, b in combinations(sorted(values), 2):
            pairs.setdefault((a, b), []).append((values[a], values[b]))
    return {who: cohen_kappa(both) for who, both in sorted(pairs.items())}
