"""Moments of batches are those of all samples together, in whatever order and sizes the batches come."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facevid.bench.distances import RunningMoments
from facevid.bench.distances.features import Floats
from facevid.bench.errors import BenchError


def features(n: int = 1300, d: int = 17, seed: int = 0) -> Floats:
    """Correlated features whose means lie far from 0 beside their spread."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d)) @ rng.standard_normal((d, d)) + 100 * rng.standard_normal(d)
    return np.asarray(x, np.float64)


def in_batches(x: Floats, size: int) -> RunningMoments:
    moments = RunningMoments(x.shape[1])
    for start in range(0, len(x), size):
        moments.add(x[start : start + size])
    return moments


def test_mean_and_covariance_are_those_of_numpy_over_n_minus_1_and_over_n() -> None:
    x = features()
    moments = RunningMoments.of(x)
    assert moments.n == 1300
    np.testing.assert_allclose(moments.mean, x.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(moments.covariance(), np.cov(x.T), rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(moments.covariance(ddof=0), np.cov(x.T, bias=True), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("size", [1, 7, 512, 513, 1300])
def test_the_size_of_batches_changes_nothing(size: int) -> None:
    x = features()
    whole, parts = RunningMoments.of(x), in_batches(x, size)
    scale = np.abs(whole.covariance()).max()
    np.testing.assert_allclose(parts.mean, whole.mean, rtol=1e-9)
    np.testing.assert_allclose(parts.covariance(), whole.covariance(), rtol=0, atol=1e-9 * scale)


def test_the_order_of_samples_and_batches_changes_nothing() -> None:
    x = features()
    whole = RunningMoments.of(x)
    for seed in range(3):
        mixed = in_batches(x[np.random.default_rng(seed).permutation(len(x))], 100)
        np.testing.assert_allclose(mixed.mean, whole.mean, rtol=1e-9)
        scale = np.abs(whole.covariance()).max()
        np.testing.assert_allclose(mixed.covariance(), whole.covariance(), rtol=0, atol=1e-9 * scale)


def test_merged_moments_are_those_of_all_samples_even_where_one_is_empty() -> None:
    x = features()
    merged = RunningMoments(17)
    for part in (x[:0], x[:1], x[1:900], x[900:]):
        other = RunningMoments(17)
        other.add(part)
        merged.merge(other)
    merged.merge(RunningMoments(17))
    whole = RunningMoments.of(x)
    assert merged.n == whole.n
    np.testing.assert_allclose(merged.mean, whole.mean, rtol=1e-12)
    np.testing.assert_allclose(merged.covariance(), whole.covariance(), rtol=1e-9, atol=1e-9)


def test_half_and_single_floats_and_integers_are_summed_in_double() -> None:
    x = np.random.default_rng(0).integers(0, 255, (3000, 4), dtype=np.uint8)
    np.testing.assert_allclose(RunningMoments.of(x).covariance(), np.cov(x.T), rtol=1e-12, atol=1e-9)
    low = (x / 8).astype(np.float16)
    np.testing.assert_allclose(
        RunningMoments.of(low).covariance(), np.cov(low.T.astype(np.float64)), atol=1e-9
    )


def test_saved_moments_come_back_bit_for_bit_and_go_on(tmp_path: Path) -> None:
    x = features()
    moments = in_batches(x[:1000], 100)
    moments.save(tmp_path / "real.npz")
    again = RunningMoments.load(tmp_path / "real.npz")
    assert again.n == moments.n
    np.testing.assert_array_equal(again.mean, moments.mean)
    np.testing.assert_array_equal(again.scatter, moments.scatter)
    again.add(x[1000:])
    np.testing.assert_allclose(again.covariance(), np.cov(x.T), rtol=1e-9, atol=1e-9)


def test_a_file_that_is_missing_broken_or_anothers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="there is no file of moments at"):
        RunningMoments.load(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("mean")
    with pytest.raises(BenchError, match="is no file of moments"):
        RunningMoments.load(tmp_path / "text.npz")
    np.save(tmp_path / "array.npy", np.zeros(3))
    with pytest.raises(BenchError, match="is no file of moments"):
        RunningMoments.load(tmp_path / "array.npy")
    moments = in_batches(features(), 100)
    moments.save(tmp_path / "cut.npz")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "cut.npz").read_bytes()[:-200])
    with pytest.raises(BenchError, match="is no file of moments"):
        RunningMoments.load(tmp_path / "cut.npz")
    good: dict[str, Any] = {"format": 1, "n": 5, "mean": np.zeros(3), "scatter": np.eye(3)}
    for wrong, said in (
        ({"format": 2}, "its format is 2"),
        ({"n": -1}, "not a number of samples"),
        ({"scatter": np.eye(4)}, "do not fit"),
        ({"mean": np.array([0.0, np.nan, 0.0])}, "not finite"),
        ({"mean": np.zeros(3, np.complex128)}, "not floats"),
    ):
        np.savez(tmp_path / "wrong.npz", **{**good, **wrong})
        with pytest.raises(BenchError, match=said):
            RunningMoments.load(tmp_path / "wrong.npz")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_is_refused_by_its_row_and_nothing_of_the_batch_is_kept(
    bad: float,
) -> None:
    x = features()
    x[700, 3] = bad
    moments = RunningMoments(17)
    with pytest.raises(BenchError, match="in row 700, column 3"):
        moments.add(x)
    assert moments.n == 0
    assert not moments.scatter.any()


def test_batches_and_moments_of_other_sizes_are_refused() -> None:
    moments = RunningMoments(17)
    with pytest.raises(BenchError, match="has 3 columns and the moments are of 17"):
        moments.add(np.zeros((5, 3)))
    with pytest.raises(BenchError, match="shape \\(17,\\)"):
        moments.add(np.zeros(17))
    with pytest.raises(BenchError, match="bool"):
        moments.add(np.zeros((2, 17), bool))
    with pytest.raises(BenchError, match="cannot be merged"):
        moments.merge(RunningMoments(3))
    with pytest.raises(BenchError, match="one or more"):
        RunningMoments(0)


def test_a_covariance_of_fewer_than_two_samples_or_over_n_minus_2_is_refused() -> None:
    moments = RunningMoments(2)
    with pytest.raises(BenchError, match="at least 2 samples and 0 were seen"):
        moments.covariance()
    moments.add(np.ones((1, 2)))
    with pytest.raises(BenchError, match="at least 2 samples and 1 was seen"):
        moments.covariance(ddof=0)
    moments.add(np.ones((1, 2)))
    with pytest.raises(BenchError, match="ddof is 2"):
        moments.covariance(ddof=2)
    assert not moments.covariance().any()
