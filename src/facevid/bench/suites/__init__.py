"""What models are asked to make, so that they can be compared, and the videos that they made of it.

`prompt_suite` and `picture_suite` write a suite, `make_videos` has a model make its videos, and `read_videos` reads
those, or anybody's, for `facevid bench`.
"""

from facevid.bench.suites.making import make_videos
from facevid.bench.suites.pictures import picture_suite
from facevid.bench.suites.prompts import prompt_suite
from facevid.bench.suites.suite import Entry, Suite, read_suite
from facevid.bench.suites.videos import Fault, VideoEntry, Videos, read_videos

__all__ = [
    "Entry",
    "Fault",
    "Suite",
    "VideoEntry",
    "Videos",
    "make_videos",
    "picture_suite",
    "prompt_suite",
    "read_suite",
    "read_videos",
]
