"""Persons out of embeddings: right, the same in any order, and without an n x n matrix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage

from facevid.curate.identify import cluster, identify, mean_embedding, near_pairs


def mixture(persons: int, *, seed: int = 0, clips: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings with the distances of dlib's: about .28 within a person, about .8 between, .55 at the least.

    Persons lie around group centres, since people who look alike are what makes this hard.
    """
    rng = np.random.default_rng(seed)
    decay = np.exp(-np.arange(128) / 40)
    decay /= np.sqrt((decay**2).sum())

    def spread(count: int, size: float) -> np.ndarray:
        return rng.normal(0, 1, (count, 128)) * decay * size

    groups = spread(20, 0.35)
    people = groups[rng.integers(20, size=persons)] + spread(persons, 0.44)
    people[:, 0] += 1.2
    who = np.repeat(np.arange(persons), rng.integers(1, 2 * clips, persons))
    vectors = people[who] + spread(len(who), 0.2)
    order = rng.permutation(len(who))
    return vectors[order].astype(np.float32), who[order]


def pair_f1(truth: np.ndarray, got: np.ndarray) -> float:
    def pairs(labels: np.ndarray) -> float:
        counts = np.unique(labels, return_counts=True)[1].astype(float)
        return float((counts * (counts - 1)).sum())

    both = truth.astype(np.int64) * (got.max() + 1) + got
    return 2 * pairs(both) / (pairs(truth) + pairs(got))


def test_people_are_told_apart() -> None:
    vectors, who = mixture(300)
    assert pair_f1(who, cluster(vectors)) > 0.99


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7])
def test_clusters_equal_scipy_average_linkage_of_squared_distances(threshold: float) -> None:
    vectors, _ = mixture(60, seed=1)
    tree = linkage(vectors.astype(np.float64), "average", metric="sqeuclidean")
    expected = fcluster(tree, threshold**2, "distance")
    assert pair_f1(expected, cluster(vectors, threshold=threshold, block=64)) == 1.0


def test_the_order_of_the_clips_does_not_matter() -> None:
    vectors, _ = mixture(40, seed=2)
    ids = [f"clip{k:04d}" for k in range(len(vectors))]
    order = np.random.default_rng(0).permutation(len(ids))
    names = identify(ids, vectors)
    assert [names[k] for k in order] == identify([ids[k] for k in order], vectors[order])


def test_a_person_keeps_the_name_when_clips_are_added() -> None:
    vectors, _ = mixture(30, seed=3)
    ids = [f"clip{k:04d}" for k in range(len(vectors))]
    half = len(ids) // 2
    assert identify(ids[:half], vectors[:half]) == identify(ids, vectors)[:half]


def test_block_size_changes_nothing() -> None:
    vectors, _ = mixture(50, seed=4)
    assert (cluster(vectors, block=37) == cluster(vectors)).all()


@pytest.mark.parametrize("threads", [1, 3])
def test_pairs_of_a_larger_distance_give_the_same_persons_with_any_number_of_threads(threads: int) -> None:
    vectors, _ = mixture(80, seed=5)
    pairs = near_pairs(vectors, threshold=0.5, block=64, threads=threads)
    assert (pairs == near_pairs(vectors, threshold=0.5, block=64)).all()
    for threshold in (0.4, 0.5):
        expected = cluster(vectors, threshold=threshold)
        assert (cluster(vectors, threshold=threshold, pairs=pairs) == expected).all()


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_clips(count: int) -> None:
    vectors = np.zeros((count, 128), np.float32)
    assert cluster(vectors).tolist() == [0] * count
    assert len(identify([str(k) for k in range(count)], vectors)) == count


def test_many_equal_clips_stay_one_person_within_the_neighbour_limit() -> None:
    assert cluster(np.ones((700, 128), np.float32), max_neighbours=8, block=128).max() == 0


def test_embeddings_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        cluster(np.full((3, 128), np.nan, np.float32))


def test_the_mean_leaves_out_a_chip_of_someone_else() -> None:
    near = np.zeros((4, 128), np.float32)
    near[:, 1] = [0.0, 0.1, -0.1, 0.0]
    near[3, 0] = 0.9
    mean, used, spread = mean_embedding(near)
    assert used == 3 and np.allclose(mean, 0, atol=1e-6) and 0 < spread < 0.1


def test_embed_step_writes_the_mean_and_rejects_a_clip_without_a_face(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from facevid.curate import identify as module
    from facevid.engine import Rejected
    from facevid.recipe import load_recipe

    class Embedder:
        embed: Callable[..., Any] = staticmethod(lambda chips: chips[:, 0, 0, :1].repeat(128, 1) / 1000)

    monkeypatch.setattr(module, "face_embedder", lambda name: Embedder())
    payload = {"_clip_dir": str(tmp_path), "_embedding_path": str(tmp_path / "e" / "clip.npy")}
    np.save(tmp_path / "chips.npy", np.full((3, 150, 150, 3), 20, np.uint8))
    assert module.embed_step(payload, load_recipe()) == {
        "chips": 3, "used": 3, "spread": 0.0, "bytes": 640,
    }  # fmt: skip
    assert np.allclose(np.load(tmp_path / "e" / "clip.npy"), 0.02)
    np.save(tmp_path / "chips.npy", np.zeros((0, 150, 150, 3), np.uint8))
    with pytest.raises(Rejected):
        module.embed_step(payload, load_recipe())
