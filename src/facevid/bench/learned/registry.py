"""Which networks there are, what each needs, and whether that is here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import util
from typing import Protocol

from facevid.bench.errors import BenchError
from facevid.bench.learned.clip import CLIP_B32, CLIP_L14, ClipScore
from facevid.bench.learned.computing import Floats, Video
from facevid.bench.learned.files import Needed, find
from facevid.bench.learned.i3d import I3D, I3d
from facevid.bench.learned.videomae import VIDEOMAE, VideoMae
from facevid.bench.learned.vjepa import ENCODER, PROBE, VJepa


class FeatureModel(Protocol):
    """A network that gives a vector of a video.

    name: of the feature. version: SHA-256 of the weights, to be part of the key under which results are kept. about:
    features and preprocessing in a sentence. frames: that a video must have, of which later ones are not looked at.
    dimensions: of the vector.
    """

    name: str
    version: str
    about: str
    frames: int
    dimensions: int

    def features(self, video: Video) -> Floats:
        """The vector (d,) of a video, uint8 (T, H, W, 3)."""
        ...

    def features_batch(self, videos: Sequence[Video]) -> Floats:
        """Vectors (n, d) of videos of one size."""
        ...


@dataclass(frozen=True)
class Learned:
    """A network that there is.

    gives: what comes of it, in words. needs: its weights. packages: that it runs on, and what pip installs for them.
    features: makes it, given device and threads; None for a CLIP score, which is of a video and its prompt.
    """

    name: str
    gives: str
    needs: tuple[Needed, ...]
    packages: Mapping[str, str]
    features: Callable[..., FeatureModel] | None


_TORCH = {"torch": "'facevid[torch]'"}
_BOTH = {**_TORCH, "transformers": "'facevid[generate]'"}

LEARNED: Mapping[str, Learned] = {
    one.name: one
    for one in (
        Learned("i3d", "FVD and KVD", (I3D,), _TORCH, I3d),
        Learned("videomae", "content-debiased FVD", (VIDEOMAE,), _TORCH, VideoMae),
        Learned("vjepa", "JEDi", (ENCODER, PROBE), _TORCH, VJepa),
        Learned("clip_b32", "CLIP score (ViT-B/32)", (CLIP_B32,), _BOTH, None),
        Learned("clip_l14", "CLIP score (ViT-L/14)", (CLIP_L14,), _BOTH, None),
    )
}
"""By name."""


def available(names: Iterable[str] | None = None) -> tuple[list[str], dict[str, str]]:
    """Which of the named networks (None: all) can be loaded here, and of each other one a sentence that says what is
    missing and how to get it. Looks for files and packages alone, and reads neither. Raises BenchError for a name that
    is not in LEARNED."""
    ready, missing = [], {}
    for name in LEARNED if names is None else names:
        why = _missing(_known(name))
        if why is None:
            ready.append(name)
        else:
            missing[name] = why
    return ready, missing


def load_features(name: str, *, device: str = "cpu", threads: int = 1) -> FeatureModel:
    """The network of that name, one that gives features of videos.

    device: as torch names it. threads: of the CPU. Raises BenchError for another name, and where weights are missing or
    are not what they are named for; BackendError where a package is missing.
    """
    make = _known(name).features
    if make is None:
        raise BenchError(
            f"{name} scores a video and its prompt and gives no features to compare; use load_clip."
        )
    return make(device=device, threads=threads)


def load_clip(name: str = "clip_b32", *, device: str = "cpu", threads: int = 1) -> ClipScore:
    """The CLIP score by that backbone, clip_b32 or clip_l14; raises as `load_features` does."""
    learned = _known(name)
    if learned.features is not None:
        scores = ", ".join(one.name for one in LEARNED.values() if one.features is None)
        raise BenchError(f"{name} gives features of videos alone; those that score a prompt are {scores}.")
    return ClipScore(learned.needs[0], device=device, threads=threads)


def _known(name: str) -> Learned:
    if name not in LEARNED:
        raise BenchError(f"there is no network called {name!r}; there are {', '.join(LEARNED)}.")
    return LEARNED[name]


def _missing(learned: Learned) -> str | None:
    for package, install in learned.packages.items():
        if util.find_spec(package) is None:
            return (
                f"{learned.gives} needs the Python package {package}, which is not installed here; run: pip install "
                f"{install}"
            )
    whys = []
    for needed in learned.needs:
        try:
            find(needed)
        except BenchError as error:
            whys.append(str(error))
    return f"{learned.gives}: {' And '.join(whys)}" if whys else None
