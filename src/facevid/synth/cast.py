"""Draws the people of a set of programmes from a seed, so that they differ from each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facevid.synth.person import IRIS, LOOK, SHAPE, Person, Voice

CANDIDATES = 150  # drawn for each place; the one least like the people already chosen gets it
CLOTHES = ("t-shirt", "v-neck", "shirt", "suit", "hoodie", "sweater")
CLOTH_COLOURS = (
    (196, 60, 52), (44, 66, 110), (40, 44, 52), (214, 210, 200), (66, 104, 78), (170, 130, 60), (120, 80, 120),
)  # fmt: skip
LIPSTICKS = ((178, 40, 58), (196, 84, 96), (140, 40, 62), (204, 98, 78), (120, 30, 70))
FEMALE_VOICES, MALE_VOICES = (
    ("f2", "f3", "f4", "f5", "Annie", "linda"),
    ("m1", "m3", "m4", "m7", "Lee", "david"),
)
LANGUAGES = ("en-us", "en-gb-x-rp", "de", "fr", "es", "it", "en-us")
# distance of dlib's embedding that a change of one of these made on an average head
_STEP = {"beard": 0.36, "glasses": 0.45, "hair_style": 0.12, "brow_colour": 0.15, "iris": 0.15, "lipstick": 0.13,
         "freckles": 0.35, "bangs": 0.15}  # fmt: skip
_TONE_STEP = 0.06  # per step of the Monk scale


def make_people(count: int, seed: int) -> list[Person]:
    """`count` persons, the same for the same arguments: every ten of them cover the ten Monk tones, every two both
    presentations, and each is the least similar of CANDIDATES draws to those before."""
    rng = np.random.default_rng([seed, 7001])
    tones = [int(t) for _ in range(-(-count // 10)) for t in rng.permutation(10) + 1]
    female = [bool(f) for _ in range(-(-count // 2)) for f in rng.permutation([True, False])]
    # the same frame on two faces makes them look alike to an embedder, so each kind comes once in six people
    frames = ("none", "none", "none", "round", "square", "thin")
    glasses = [frames[k] for _ in range(-(-count // 6)) for k in rng.permutation(6)]
    chosen: list[Person] = []
    vectors: list[NDArray[np.float64]] = []
    for i in range(count):
        drawn = [
            _draw(i, tones[i], female[i], glasses[i], np.random.default_rng([seed, 7002, i, k]))
            for k in range(CANDIDATES)
        ]
        looks = [_vector(p) for p in drawn]
        if vectors:
            nearest = [min(float(np.linalg.norm(v - w)) for w in vectors) for v in looks]
            best = int(np.argmax(nearest))
        else:
            best = 0
        chosen.append(drawn[best])
        vectors.append(looks[best])
    return chosen


def _vector(person: Person) -> NDArray[np.float64]:
    """A point whose distance to another's is about that of the two faces' embeddings."""
    numbers = [
        (values[k] - low) / (high - low) * weight
        for values, table in ((person.shape, SHAPE), (person.look, LOOK))
        for k, (low, high, weight) in table.items()
    ]
    flags: list[float] = []
    for name, options in (
        ("beard", ("none", "stubble", "mustache", "goatee", "full")),
        ("glasses", ("none", "round", "square", "thin")),
        ("hair_style", ("bald", "buzz", "short", "medium", "curly", "afro", "long", "bob", "bun")),
        ("brow_colour", ("black", "brown", "light brown", "blonde", "red", "grey")),
        ("iris", IRIS),
    ):
        flags += [_STEP[name] / np.sqrt(2) * (getattr(person, name) == option) for option in options]
    flags += [_STEP["lipstick"] * (person.lipstick is not None), _STEP["freckles"] * person.freckles]
    contrast = 1 - 0.05 * max(0, person.monk - 5)  # features of dark skin move the embedding less
    return contrast * np.array([*numbers, *flags, _STEP["bangs"] * person.bangs, _TONE_STEP * person.monk])


def _draw(index: int, monk: int, female: bool, glasses: str, rng: np.random.Generator) -> Person:
    shape = {k: float(rng.uniform(low, high)) for k, (low, high, _) in SHAPE.items()}
    look = {k: float(rng.uniform(low, high)) for k, (low, high, _) in LOOK.items()}
    if female:
        shape["jaw_width"] = 0.76 + 0.8 * (shape["jaw_width"] - 0.76)
        shape["brow_ridge"] *= 0.4
        shape["brow_thick"] = 0.14 + 0.7 * (shape["brow_thick"] - 0.15)
        shape["neck_width"] *= 0.9
        shape["eye_open"] += 0.04
    old, dark = look["age"] > 0.78, monk >= 6
    colours = ("black", "brown", "black") if dark else ("black", "brown", "light brown", "blonde", "red")
    colour = _pick(rng, ("grey", "white") if old else colours)
    if female:
        style = _pick(rng, ("long", "bob", "bun", "curly", "afro" if dark else "long", "medium"))
        beard = "none"
    else:
        style = _pick(rng, ("short", "buzz", "bald", "curly", "afro" if dark else "medium", "short"))
        beard = _pick(rng, ("none", "none", "stubble", "mustache", "goatee", "full"))
    return Person(
        name=f"p{index:02d}",
        seed=int(rng.integers(1 << 31)),
        shape=shape,
        look=look,
        presentation="female" if female else "male",
        monk=monk,
        hair_colour=colour,
        hair_style=style,
        bangs=bool(style in ("long", "bob", "medium", "short") and rng.random() < 0.35),
        beard=beard,
        brow_colour="grey" if old else colour,
        iris=IRIS[int(rng.integers(3 if dark else len(IRIS)))],
        glasses=glasses,
        lipstick=LIPSTICKS[int(rng.integers(len(LIPSTICKS)))] if female and rng.random() < 0.55 else None,
        freckles=bool(not dark and rng.random() < 0.15),
        moles=int(rng.integers(0, 4)),
        earrings=bool(female and style in ("bun", "curly", "afro") and rng.random() < 0.6),
        clothes=_pick(rng, CLOTHES),
        clothes_colour=CLOTH_COLOURS[int(rng.integers(len(CLOTH_COLOURS)))],
        voice=Voice(
            language=_pick(rng, LANGUAGES),
            variant=_pick(rng, FEMALE_VOICES if female else MALE_VOICES),
            pitch=int(rng.integers(48, 72) if female else rng.integers(18, 44)),
            range=int(rng.integers(40, 70)),
            rate=int(rng.integers(140, 185)),
        ),
    )


def _pick(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[int(rng.integers(len(options)))]
