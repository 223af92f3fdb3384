"""Estimates are sums that can be checked by hand, and their ranges those of the textbook."""

from __future__ import annotations

import pytest

from facevid.machine.estimate import estimate
from facevid.machine.footage import Footage
from facevid.machine.ranges import exactly, ratio
from facevid.machine.sample import Built, Sample, Scanned


def built(analyze: float, clips: int = 1, seconds: float = 10.0) -> Built:
    return Built(
        seconds=seconds, looked_at_s=seconds + 2, clips=clips, kept_s=4.0 * clips,
        processor_s={"analyze": analyze, "cut": 2.0, "identify": 0.5, "annotate": 1.0},
        dataset_bytes=1_000_000 * clips, work_bytes=3_000_000, peak_bytes=600 << 20,
    )  # fmt: skip


def footage(hours: float, longest_s: float = 600.0) -> Footage:
    return Footage(10, 1_000_000_000, 10, (), exactly(hours * 3600), longest_s, ())


def sample(*stretches: Built) -> Sample:
    return Sample((Scanned(10_000_000, 0.1, 0.2), Scanned(30_000_000, 0.3, 0.6)), stretches, 2, ())


def test_a_ratio_and_its_interval_are_those_of_the_textbook() -> None:
    found = ratio([1.0, 3.0], [1.0, 1.0])
    # Residuals -1 and 1, standard error 1, t(.975, 1) = 12.706 (Fisher and Yates); below 0 nothing can cost.
    assert (found.value, found.low) == (2.0, 0.0)
    assert found.high == pytest.approx(14.706, abs=1e-3)
    wide = ratio([10.0, 14.0, 18.0], [1.0, 1.0, 1.0])
    # Standard deviation 4, standard error 4 / sqrt(3), t(.975, 2) = 4.303.
    assert (wide.low, wide.high) == (pytest.approx(14 - 9.937, abs=2e-3), pytest.approx(14 + 9.937, abs=2e-3))


def test_one_stretch_gives_a_figure_and_no_range() -> None:
    assert vars(ratio([3.0], [2.0])) == {"value": 1.5, "low": None, "high": None}


def test_what_a_sample_cost_is_scaled_to_all_footage() -> None:
    found = estimate(footage(10.0), sample(built(6.0), built(6.0)), cores=4, cluster=(5, 8))
    hours = {step.step: step.core_hours.value for step in found.steps}
    # 6 s for 12 s looked at, 2 s and .5 s for 10 s of footage, .1 s for 10 MB.
    assert hours == pytest.approx(
        {"scan": 10 / 3600, "analyze": 5.0, "cut": 2.0, "identify": 0.5, "annotate": 1.0}
    )
    assert {s.step: s.per_second.value for s in found.steps}["analyze"] == pytest.approx(0.5)
    core_hours = 7.5 + 10 / 3600
    assert found.core_hours.value == pytest.approx(core_hours), "annotate is a command of its own"
    assert found.here.build_h.value == pytest.approx(core_hours / 4)
    assert found.here.annotate_h.value == pytest.approx(0.25)
    assert found.cluster is not None
    assert found.cluster.build_h.value == pytest.approx(core_hours / 40)
    assert (found.clips.value, found.kept_s.value) == (pytest.approx(3600), pytest.approx(4 * 3600))
    assert (found.dataset_bytes.value, found.work_bytes.value) == (
        pytest.approx(3.6e9),
        pytest.approx(10.8e9),
    )


def test_however_many_cores_the_longest_source_takes_its_time() -> None:
    found = estimate(footage(1.0, longest_s=3600.0), sample(built(6.0), built(6.0)), cores=1000, cluster=None)
    assert found.here.build_h.value == pytest.approx(0.5)
    assert found.cluster is None


def test_a_long_source_that_is_split_takes_the_time_of_its_longest_part_and_of_its_sound() -> None:
    pieces = sample(built(6.0), built(6.0))
    found = estimate(footage(1.0, longest_s=3600.0), pieces, cores=1000, cluster=None, part_s=600.0)
    assert found.here.build_h.value == pytest.approx((900 * 0.5 + 2700 * 0.01) / 3600)


def test_a_sample_that_differs_gives_a_range_and_one_without_clips_says_so() -> None:
    found = estimate(footage(1.0), sample(built(4.0, clips=0), built(8.0, clips=0)), cores=1, cluster=None)
    low, high = found.core_hours.low, found.core_hours.high
    assert low is not None and high is not None and low < found.core_hours.value < high
    assert found.clips.value == 0
    assert any("No stretch of the sample was kept" in said for said in found.leaves_out)


def test_no_more_is_kept_than_there_is() -> None:
    found = estimate(footage(1.0), sample(built(4.0, clips=0), built(4.0, clips=2)), cores=1, cluster=None)
    assert (found.kept_s.value, found.kept_s.low, found.kept_s.high) == (pytest.approx(1440), 0.0, 3600.0)


def test_an_estimate_says_what_it_leaves_out() -> None:
    lone = estimate(footage(1.0), sample(built(4.0)), cores=1, cluster=(2, 2))
    said = " ".join(lone.leaves_out)
    for words in (
        "pack",
        "disks and networks",
        "50 MB/s",
        "longer clips",
        "Every machine",
        "One stretch gives no range",
    ):
        assert words.lower() in said.lower(), words
