"""Talking-face footage with known truth, made from nothing but a seed."""

from facevid.synth.cast import make_people
from facevid.synth.person import MONK, Person
from facevid.synth.programme import synthesize
from facevid.synth.segments import KINDS

__all__ = ["KINDS", "MONK", "Person", "make_people", "synthesize"]
