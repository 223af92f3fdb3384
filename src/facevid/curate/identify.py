"""Tell the people of a dataset apart: one embedding a clip, clustered into persons across sources."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from facevid.curate.cut import face_embedder, load_models
from facevid.curate.undamaged import undamaged
from facevid.engine import Rejected, Step, atomic_path

if TYPE_CHECKING:
    from facevid.recipe import Recipe

F32 = npt.NDArray[np.float32]
I64 = npt.NDArray[np.int64]

# dlib's published "same person" distance (99.38 % on LFW): a chip farther off shows someone else, or no face.
CHIP_OUTLIER = 0.6


def embed_step(payload: dict[str, Any], recipe: Recipe) -> dict[str, Any]:
    """Embed one clip's face chips: `_clip_dir`/chips.npy -> `_embedding_path` (float32 (128,), not
    normalised).

    Returns chips, used (chips that agree with the most central one), spread (mean distance of the used
    chips from their mean; 0 for one chip) and the bytes of the file. A clip without chips is rejected with
    reason "no_face".
    """
    folder = Path(payload["_clip_dir"])
    with undamaged(folder / "chips.npy", delete=folder):
        chips = np.load(folder / "chips.npy")
    if len(chips) == 0:
        raise Rejected("no_face", chips=0)
    vectors = np.asarray(face_embedder(str(recipe.backends.face_embedder)).embed(chips), np.float32)
    mean, used, spread = mean_embedding(vectors)
    path = Path(payload["_embedding_path"])
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as partial, Path(partial).open("wb") as file:
        np.save(file, mean)
        size = file.tell()
    return {"chips": len(chips), "used": used, "spread": round(spread, 4), "bytes": size}


def embedding_files(payload: dict[str, Any], value: dict[str, Any]) -> list[tuple[Path, int | None]]:
    """The file that a finished embedding must still have, with its bytes (older ones did not tell them)."""
    return [(Path(payload["_embedding_path"]), value.get("bytes"))]


def mean_embedding(vectors: F32) -> tuple[F32, int, float]:
    """Mean of (k, d) embeddings without outliers, how many it used, and their mean distance from it.

    The most central vector (least summed distance) decides: whoever is farther from it than `CHIP_OUTLIER` is
    left out.
    """
    apart = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    centre = int(np.argmin(apart.sum(axis=1)))
    good = vectors[apart[centre] <= CHIP_OUTLIER]
    mean = good.mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean, len(good), float(np.linalg.norm(good - mean, axis=1).mean())


def identify(clip_ids: Sequence[str], embeddings: F32, *, threshold: float = 0.4) -> list[str]:
    """Name the person of every clip: "p" and 12 hex digits made from the first clip_id (sorted) of the
    person.

    The answer for a clip does not depend on the order of the input, and a person keeps the name when clips
    are added, unless an added clip sorts before all others of that person.
    """
    order = sorted(range(len(clip_ids)), key=lambda i: clip_ids[i])
    labels = cluster(embeddings[order], threshold=threshold)
    found = dict(zip(order, person_names([clip_ids[k] for k in order], labels), strict=True))
    return [found[k] for k in range(len(clip_ids))]


def person_names(clip_ids: Sequence[str], labels: I64) -> list[str]:
    """The names that `identify` gives to the clusters of sorted clip_ids; labels (n,) of `cluster`."""
    names: dict[int, str] = {}
    for clip_id, label in zip(clip_ids, labels.tolist(), strict=True):
        if label not in names:
            names[label] = "p" + hashlib.sha256(clip_id.encode()).hexdigest()[:12]
    return [names[label] for label in labels.tolist()]


def cluster(
    embeddings: F32,
    *,
    threshold: float = 0.4,
    max_neighbours: int = 256,
    block: int = 1024,
    pairs: I64 | None = None,
) -> I64:
    """Average-linkage clusters of (n, d) embeddings, cut where clusters are `threshold` apart; labels (n,),
    0-based.

    The distance of two clusters is the root of the mean squared distance over their pairs (UPGMA, Sokal and
    Michener 1958, on squared Euclidean distances), which follows from their means alone: mean |a - b|^2 =
    mean |a|^2 + mean |b|^2 - 2 mean(a).mean(b). Average linkage is reducible, so merging all pairs of mutual
    nearest neighbours gives the same tree as merging one nearest pair at a time (Murtagh 1983); and two
    clusters can only come under the threshold if some pair of their points is under it. So one pass over
    blocks of points finds the pairs that matter, and only those are ever looked at again: no n x n matrix.
    The result is exact unless a point has more than `max_neighbours` later points under the threshold; then
    its nearest ones stand for them.

    Memory: about 2 KiB a point plus 40 bytes a pair. Labels are numbered by first appearance. pairs: of
    `near_pairs` for this or a larger threshold, which take most of the time; None finds them.

    `threshold`: dlib's model was trained so that .6 separates same from not same for single photos (99.38 %
    on LFW, hardly any of them Asian). Means over about four frames are tighter, and so must be the threshold:
    for eight real speakers clips of one person were .17 apart (median; at most .33), but three East Asian men
    only .41 to .47 from each other. .4 lies between; .5 would make these three one person.
    """
    points = _checked(embeddings)
    n, limit = len(points), float(threshold) ** 2
    if pairs is None:
        pairs = near_pairs(points, threshold=threshold, max_neighbours=max_neighbours, block=block)
    means, squares, sizes = points.astype(np.float64), _row_dot(points, points), np.ones(n)
    parent = np.arange(n)
    while len(pairs):
        a, b = pairs[:, 0], pairs[:, 1]
        apart = squares[a] + squares[b] - 2 * _chunked_dot(means, a, b)
        close = apart < limit
        pairs, apart = pairs[close], apart[close]
        if not len(pairs):
            break
        a, b = _mutual_nearest(pairs, apart, n)
        total = sizes[a] + sizes[b]
        means[a] = (means[a] * sizes[a, None] + means[b] * sizes[b, None]) / total[:, None]
        squares[a] = (squares[a] * sizes[a] + squares[b] * sizes[b]) / total
        sizes[a] = total
        target = np.arange(n)
        target[b] = a
        parent = target[parent]
        pairs = np.sort(target[pairs], axis=1)
        pairs = pairs[pairs[:, 0] != pairs[:, 1]]
        pairs = _unique_pairs(pairs, n)
    first, labels = np.unique(parent, return_inverse=True)
    return _by_first_appearance(labels.astype(np.int64), len(first))


def near_pairs(
    embeddings: F32, *, threshold: float, max_neighbours: int = 256, block: int = 1024, threads: int = 1
) -> I64:
    """Pairs (i < j) of (n, d) embeddings closer than `threshold`, (k, 2); at most `max_neighbours` nearest j of each i.

    Pairs that are hardly farther apart may be among them: `cluster` decides in double. threads: blocks of points looked
    at in parallel, which changes nothing else.
    """
    points, limit = _checked(embeddings), float(threshold) ** 2
    n = len(points)
    half = np.einsum("ij,ij->i", points, points)[:, None] / np.float32(2)
    one = np.ones((n, 1), np.float32)
    # One product gives (limit - squared distance) / 2. It is rounded to float32: near misses are let through
    # and decided in double later.
    left = np.concatenate([points, np.float32(limit / 2 + 1e-4) - half, one], axis=1)
    right = np.concatenate([points, one, -half], axis=1)

    def of_block(start: int) -> I64:
        mine: list[tuple[I64, I64, F32]] = []
        count = 0
        for other in range(start, n, block):
            near = left[start : start + block] @ right[other : other + block].T
            i, j = np.divmod(np.flatnonzero(near > 0), near.shape[1])
            keep = (j + other) > (i + start)
            i, j = i[keep], j[keep]
            mine.append((i + start, j + other, near[i, j]))
            count += len(i)
            if count > 4 * max_neighbours * block:
                mine = [_nearest(mine, max_neighbours)]
                count = len(mine[0][0])
        first, second, _ = _nearest(mine, max_neighbours)
        return np.stack([first, second], axis=1)

    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(of_block, range(0, n, block)))
    return np.concatenate(found) if found else np.zeros((0, 2), np.int64)


def _checked(embeddings: F32) -> F32:
    points = np.ascontiguousarray(embeddings, np.float32)
    if points.ndim != 2 or not np.isfinite(points).all():
        raise ValueError(f"embeddings must be finite and of shape (n, d), got shape {points.shape}.")
    return points


def _nearest(parts: list[tuple[I64, I64, F32]], count: int) -> tuple[I64, I64, F32]:
    """Join parts (i, j, nearness) and keep the `count` nearest j of each i; equal ones by lower j."""
    i, j, near = (np.concatenate(x) for x in zip(*parts, strict=True))
    order = np.lexsort((j, -near, i))
    i, j, near = i[order], j[order], near[order]
    starts = np.flatnonzero(np.r_[True, i[1:] != i[:-1]]) if len(i) else np.zeros(0, np.int64)
    rank = np.arange(len(i)) - np.repeat(starts, np.diff(np.r_[starts, len(i)]))
    keep = rank < count
    return i[keep], j[keep], near[keep]


def _mutual_nearest(pairs: I64, apart: npt.NDArray[np.float64], n: int) -> tuple[I64, I64]:
    """The pairs whose two sides are each other's nearest (equal distances: the lower partner)."""
    side = np.r_[pairs[:, 0], pairs[:, 1]]
    mate = np.r_[pairs[:, 1], pairs[:, 0]]
    order = np.lexsort((mate, np.r_[apart, apart], side))
    side, mate = side[order], mate[order]
    head = np.r_[True, side[1:] != side[:-1]]
    nearest = np.full(n, -1)
    nearest[side[head]] = mate[head]
    a = np.flatnonzero(nearest >= 0)
    a = a[(nearest[nearest[a]] == a) & (a < nearest[a])]
    return a, nearest[a]


def _unique_pairs(pairs: I64, n: int) -> I64:
    keys = np.unique(pairs[:, 0] * n + pairs[:, 1])
    return np.stack([keys // n, keys % n], axis=1)


def _row_dot(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    result: npt.NDArray[np.float64] = np.einsum("ij,ij->i", a, b, dtype=np.float64)
    return result


def _chunked_dot(
    means: npt.NDArray[np.float64], a: I64, b: I64, chunk: int = 1 << 16
) -> npt.NDArray[np.float64]:
    result = np.empty(len(a))
    for k in range(0, len(a), chunk):
        part = slice(k, k + chunk)
        result[part] = _row_dot(means[a[part]], means[b[part]])
    return result


def _by_first_appearance(labels: I64, count: int) -> I64:
    _, first = np.unique(labels, return_index=True)
    rank = np.empty(count, np.int64)
    rank[np.argsort(first)] = np.arange(count)
    return rank[labels]


EMBED = Step(
    name="identify",
    version=1,
    function=embed_step,
    reads=("backends.face_embedder",),
    timeout_s=120.0,
    setup=load_models,
    inputs=lambda payload: [payload["_clip_dir"]],
    outputs=embedding_files,
    makes=lambda payload: [payload["_embedding_path"]],
)
