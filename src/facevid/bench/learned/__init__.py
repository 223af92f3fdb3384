"""Features by trained networks, for those who have the weights: FVD and KVD, content-debiased FVD, JEDi, CLIP score.

Nothing is downloaded. `available()` says which weights are at hand, and of the others in a sentence where they are had;
`load_features("i3d")` gives the network, `learned_features` its vectors of a set of videos, `learned_distances` the
distances between two sets.
"""

from facevid.bench.learned.between import (
    LEARNED_DISTANCES,
    LearnedDistance,
    learned_distances,
    learned_features,
)
from facevid.bench.learned.clip import ClipScore
from facevid.bench.learned.i3d import I3d
from facevid.bench.learned.registry import (
    LEARNED,
    FeatureModel,
    Learned,
    available,
    load_clip,
    load_features,
)
from facevid.bench.learned.videomae import VideoMae
from facevid.bench.learned.vjepa import VJepa

__all__ = [
    "LEARNED",
    "LEARNED_DISTANCES",
    "ClipScore",
    "FeatureModel",
    "I3d",
    "Learned",
    "LearnedDistance",
    "VJepa",
    "VideoMae",
    "available",
    "learned_distances",
    "learned_features",
    "load_clip",
    "load_features",
]
