"""Metrics by group: for whom a model is better, whether the gap could be chance, and who is too few to say.

`compare_groups` for one metric and one list of labels, `report_groups` for a table of videos with many of both;
`crossed` joins labels. `adjusted` fills in Holm's p values where results were made one by one.

**What a group's mean is of.** Videos: each counts once, whoever is shown. So the means of the groups, weighted by n,
give the mean of the whole, and the share of clips that a rule rejects is what a reader who counts them finds. The mean
over people would answer another question (a person drawn at random, not a video: Williamson, Datta and Satten,
"Marginal analyses of clustered data when cluster size is informative", 2003). That videos of one person resemble each
other is left to interval and test, which resample and deal out people, not videos; and a group of which one person
fills more than half is too few, as its mean is that person's.

**What is assumed.** People are independent of each other. The values may be anything: bounded or not, continuous or
0 and 1.
"""

from facevid.bench.groups.compare import compare_groups
from facevid.bench.groups.holm import adjusted, holm
from facevid.bench.groups.labels import crossed
from facevid.bench.groups.report import report_groups
from facevid.bench.groups.settings import GroupSettings

__all__ = ["GroupSettings", "adjusted", "compare_groups", "crossed", "holm", "report_groups"]
