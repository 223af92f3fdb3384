"""Talking-face footage with known truth, made from nothing but a seed."""

from facevid.synth.cast import make_people
from facevid.synth.manifest import manifest_rows, stated, write_manifest
from facevid.synth.person import MONK, Person
from facevid.synth.programme import synthesize
from facevid.synth.segments import KINDS

__all__ = [
    "KINDS",
    "MONK",
    "Person",
    "make_people",
    "manifest_rows",
    "stated",
    "synthesize",
    "write_manifest",
]
