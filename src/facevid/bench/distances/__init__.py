"""Distances between two sets of features, with interval and floor; no model, no download, numpy and scipy alone.

`RunningMoments` and `frechet_distance` for features that come in batches; `compare_frechet(Sides(real, made))` and
`compare_mmd2(...)` for what a report prints.
"""

from facevid.bench.distances.bootstrap import bootstrap_frechet, bootstrap_mmd2, interval
from facevid.bench.distances.compare import Distance, Settings, Sides, compare_frechet, compare_mmd2
from facevid.bench.distances.floor import Floor, floor_sizes, real_floor
from facevid.bench.distances.frechet import frechet_distance, frechet_from_features, frechet_from_moments
from facevid.bench.distances.kernel import CUBIC, JEDI, PolynomialKernel, SubsetMmd2, jedi, kid, mmd2
from facevid.bench.distances.moments import RunningMoments

__all__ = [
    "CUBIC",
    "JEDI",
    "Distance",
    "Floor",
    "PolynomialKernel",
    "RunningMoments",
    "Settings",
    "Sides",
    "SubsetMmd2",
    "bootstrap_frechet",
    "bootstrap_mmd2",
    "compare_frechet",
    "compare_mmd2",
    "floor_sizes",
    "frechet_distance",
    "frechet_from_features",
    "frechet_from_moments",
    "interval",
    "jedi",
    "kid",
    "mmd2",
    "real_floor",
]
