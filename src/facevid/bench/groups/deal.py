"""Labels dealt out anew: what the means of the groups would be if the labels had nothing to do with the values.

Where all videos of a person carry one label, the labels are dealt out to people, each with all of his videos: under the
null hypothesis people are exchangeable, and the test is exact whatever the distribution.

Where a label changes from video to video (light, or a label that a model gets wrong now and then), neither people nor
videos alone will do. Shuffling videos across people takes them for independent; shuffling within each person says
nothing of labels that hardly vary within one. So both: each person is handed the list of labels of another with about
as many videos (half to twice), shrunk or stretched to his number in proportion, and the list is shuffled over his
videos. Lists keep how labels clump in people, so that the test holds where people differ in labels and in values; with
equal numbers of videos it is exact, being the whole-block and within-block exchanges of Winkler et al. ("Multi-level
block permutation", 2015) together; with unequal ones close (tests/bench/test_groups_chance.py measures how often it is
wrong). It tests the gap of plain means; where people differ much and everyone has videos of each label, a comparison
within people would see more.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from facevid.bench.groups.sample import Floats, Ints, Sample, cell_sums

_STREAM = 1  # beside that of the resamples, so that no draws are shared
_DEALS = 250
"""Deals in memory at once; each lot of them has its own seed, so that more can follow later."""

_Labels = NDArray[np.int16]


def dealt_means(sample: Sample, seed: int, first: int, last: int) -> Iterator[Floats]:
    """Means, less the centre, of deals `first` to `last` - 1, in lots (deals, groups, m).

    NaN for a group that was dealt no video, which may be only where labels change from video to video.
    """
    if sample.one_group_each:
        _, label, sums, videos = cell_sums(sample)
    else:
        label, sums, videos = sample.group, sample.values, np.ones(len(sample.group), np.int64)
    units = np.column_stack([sums, videos])
    for lot in range(first // _DEALS, -(-last // _DEALS)):
        rng = np.random.default_rng([seed, _STREAM, lot])
        start = lot * _DEALS
        dealt = _to_people(label, rng) if sample.one_group_each else _to_videos(sample, rng)
        yield _means(dealt[max(0, first - start) : last - start], units, sample.groups)


def _to_people(label: Ints, rng: np.random.Generator) -> _Labels:
    dealt = np.tile(label.astype(np.int16), (_DEALS, 1))
    rng.permuted(dealt, axis=1, out=dealt)
    return dealt


def _to_videos(sample: Sample, rng: np.random.Generator) -> _Labels:
    label = sample.group.astype(np.int16)
    first = np.flatnonzero(np.concatenate([[True], np.diff(sample.person) != 0]))
    videos = np.diff(np.append(first, len(sample.person)))
    place = np.arange(len(sample.person)) - first[sample.person]
    donor = _donors(videos, rng)[:, sample.person]
    # Evenly spaced looks at the donor's sorted list, begun at random: each label comes in proportion, give or take one.
    look = (place + rng.random((_DEALS, sample.people))[:, sample.person]) * videos[donor]
    look = np.minimum((look / videos[sample.person]).astype(np.int64), videos[donor] - 1)
    dealt: _Labels = label[first[donor] + look]
    for number in np.unique(videos[videos > 1]):
        rows = first[videos == number][:, None] + np.arange(number)
        dealt[:, rows] = rng.permuted(dealt[:, rows], axis=2)
    return dealt


def _donors(videos: Ints, rng: np.random.Generator) -> Ints:
    """Whose list each person is handed, (deals, people): somebody's of 2^k to 2^(k + 1) - 1 videos like himself."""
    donor = np.tile(np.arange(len(videos)), (_DEALS, 1))
    size = np.floor(np.log2(videos))
    for one in np.unique(size):
        members = np.flatnonzero(size == one)
        donor[:, members] = rng.permuted(donor[:, members], axis=1)
    return donor


def _means(dealt: _Labels, units: Floats, groups: int) -> Floats:
    totals = np.stack([(dealt == group).astype(np.float64) @ units for group in range(groups)], axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(totals[:, :, :-1] / totals[:, :, -1:], np.float64)
