"""Agreement of annotators against worked examples that others published."""

from __future__ import annotations

import pytest

from facevid.web.agreement import cohen_kappa, krippendorff_alpha, pairwise_kappa

# K. Krippendorff, "Computing Krippendorff's alpha-reliability" (2011), section C: four observers, twelve units.
A = [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None]
B = [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3]
C = [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None]
D = [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None]


def _units(*observers: list[int | None]) -> list[list[int]]:
    return [[value for value in unit if value is not None] for unit in zip(*observers, strict=True)]


def test_alpha_of_krippendorffs_four_observers_with_gaps_is_743() -> None:
    alpha = krippendorff_alpha(_units(A, B, C, D))
    assert alpha.value == pytest.approx(0.743, abs=0.0005)
    assert alpha.n == 11  # his twelfth unit was seen by one observer only


def test_alpha_of_krippendorffs_two_observers_is_692() -> None:
    """Section B of the same paper: twelve units, nominal, two observers without gaps."""
    meg = "a a b b d c c c e d d a".split()
    owen = "b a b b b c c c e d d d".split()
    assert krippendorff_alpha(zip(meg, owen, strict=True)).value == pytest.approx(0.692, abs=0.0005)


def test_alpha_of_krippendorffs_two_observers_of_two_values_is_095() -> None:
    """Section A of the same paper: ten units, binary."""
    meg = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0]
    owen = [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    assert krippendorff_alpha(zip(meg, owen, strict=True)).value == pytest.approx(0.095, abs=0.0005)


@pytest.mark.parametrize(
    ("table", "kappa"),
    [
        ([[20, 5], [10, 15]], 0.4000),  # fifty grant proposals read by two readers, a textbook example
        ([[45, 15], [25, 15]], 0.1304),  # the pair that shows what marginals do to kappa
        ([[25, 35], [5, 35]], 0.2593),
        ([[88, 14, 18], [10, 40, 10], [2, 6, 12]], 0.4915),  # proportions of J. Cohen (1960), table 1, of 200
    ],
)
def test_kappa_of_published_tables(table: list[list[int]], kappa: float) -> None:
    pairs = [(a, b) for a, row in enumerate(table) for b, count in enumerate(row) for _ in range(count)]
    assert cohen_kappa(pairs).value == pytest.approx(kappa, abs=0.0005)
    assert cohen_kappa(pairs).n == len(pairs)


def test_kappa_is_not_defined_where_only_one_value_was_used_and_says_so() -> None:
    kappa = cohen_kappa([("yes", "yes")] * 9)
    assert kappa.value is None and kappa.n == 9
    assert "one value" in (kappa.reason or "")
    assert krippendorff_alpha([("yes", "yes")] * 9).value is None


def test_nobody_agrees_where_no_clip_was_seen_twice() -> None:
    assert cohen_kappa([]).value is None
    assert krippendorff_alpha([("yes",), ("no",), ()]) == krippendorff_alpha([])


def test_annotators_who_always_differ_agree_less_than_chance() -> None:
    assert cohen_kappa([("a", "b"), ("b", "a")]).value == -1
    assert (krippendorff_alpha([("a", "b"), ("b", "a")]).value or 0) < 0


def test_kappa_is_given_for_each_pair_that_shares_a_clip() -> None:
    said = {"1": {"ann": "x", "bob": "x"}, "2": {"ann": "y", "bob": "y"}, "3": {"ann": "x", "cy": "x"}}
    kappas = pairwise_kappa(said)
    assert set(kappas) == {("ann", "bob"), ("ann", "cy")}
    assert kappas["ann", "bob"].value == 1
