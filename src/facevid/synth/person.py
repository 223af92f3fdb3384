"""Who is in the pictures: shape of the head, looks and voice of one synthetic person, drawn from a seed."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

# The ten tones of the Monk Skin Tone scale, as sRGB (skintone.google, published values).
MONK: tuple[tuple[int, int, int], ...] = (
    (246, 237, 228),
    (243, 231, 219),
    (247, 234, 208),
    (234, 218, 186),
    (215, 189, 150),
    (160, 126, 86),
    (130, 92, 67),
    (96, 65, 52),
    (58, 49, 42),
    (41, 36, 32),
)

HAIR: dict[str, tuple[int, int, int]] = {
    "black": (28, 24, 24),
    "brown": (72, 48, 34),
    "light brown": (112, 80, 54),
    "blonde": (186, 150, 96),
    "red": (136, 62, 30),
    "grey": (132, 130, 130),
    "white": (206, 204, 200),
}
IRIS: tuple[tuple[int, int, int], ...] = (
    (62, 40, 26),
    (88, 58, 34),
    (112, 92, 52),
    (86, 112, 84),
    (84, 116, 150),
    (104, 118, 126),
)

# name -> (lowest, highest) of every number that shapes a head; centimetres where it says so, else factors or 0..1
SHAPE: dict[str, tuple[float, float]] = {
    "face_width": (0.87, 1.13),
    "face_length": (0.9, 1.1),  # below the eyes
    "skull_height": (0.92, 1.08),
    "jaw_width": (0.8, 1.18),
    "jaw_square": (-1.0, 1.0),
    "cheek_full": (-0.7, 1.0),
    "cheek_bone": (-0.3, 1.0),
    "chin_size": (-0.6, 1.3),
    "chin_cleft": (0.0, 1.0),
    "brow_ridge": (-0.2, 1.2),
    "brow_height": (-0.35, 0.5),  # cm
    "brow_tilt": (-0.35, 0.35),
    "brow_arch": (0.0, 0.45),
    "brow_thick": (0.18, 0.5),  # cm
    "brow_dense": (0.45, 1.0),
    "brow_gap": (-0.25, 0.3),  # cm
    "eye_space": (2.85, 3.55),  # cm from the middle
    "eye_width": (1.28, 1.66),  # cm, half
    "eye_open": (0.42, 0.68),  # cm, upper lid above the pupil
    "eye_tilt": (-0.12, 0.2),
    "eye_depth": (-0.5, 0.7),
    "lid_fold": (0.0, 1.0),
    "nose_length": (4.1, 5.4),  # cm below the eyes
    "nose_width": (0.78, 1.4),
    "nose_out": (0.7, 1.35),
    "nose_hook": (-0.6, 0.7),
    "nose_tip": (0.75, 1.35),
    "mouth_width": (2.05, 3.0),  # cm, half
    "mouth_drop": (1.95, 2.75),  # cm below the nose
    "lip_upper": (0.32, 0.95),  # cm
    "lip_lower": (0.5, 1.15),  # cm
    "lip_out": (0.1, 0.5),
    "philtrum": (0.2, 1.0),
    "ear_size": (0.8, 1.25),
    "ear_out": (0.1, 0.75),
    "neck_width": (0.82, 1.15),
}

# name -> (lowest, highest) of the numbers of the skin
LOOK: dict[str, tuple[float, float]] = {
    "age": (0.0, 1.0),
    "blush": (0.0, 1.0),
    "oily": (0.15, 0.8),
    "under_eye": (0.0, 0.8),
    "tint_red": (-1.0, 1.0),
    "hairline": (-0.6, 1.1),  # cm
    "hair_part": (-1.0, 1.0),
}

CLOTHES = ("t-shirt", "v-neck", "shirt", "suit", "hoodie", "sweater")


@dataclass(frozen=True)
class Voice:
    """How somebody speaks: an espeak-ng language and variant, pitch 0..99, words a minute."""

    language: str
    variant: str
    pitch: int
    range: int
    rate: int


@dataclass(frozen=True)
class Person:
    """Everything that stays the same about one synthetic person."""

    name: str
    seed: int
    shape: dict[str, float]
    look: dict[str, float]
    presentation: str  # "female" or "male": how the person is drawn
    monk: int  # 1..10
    hair_colour: str
    hair_style: str  # bald buzz short medium curly afro long bob bun
    bangs: bool
    beard: str  # none stubble mustache goatee full
    brow_colour: str
    iris: tuple[int, int, int]
    glasses: str  # none round square thin
    lipstick: tuple[int, int, int] | None
    freckles: bool
    moles: int
    earrings: bool
    clothes: str
    clothes_colour: tuple[int, int, int]
    voice: Voice
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def skin_srgb(self) -> tuple[int, int, int]:
        return MONK[self.monk - 1]

    def appearance(self) -> dict[str, object]:
        """The drawn attributes, as they go into truth.json."""
        return {
            "presentation": self.presentation,
            "monk": self.monk,
            "skin_srgb": list(self.skin_srgb),
            "hair_colour": None if self.hair_style == "bald" else self.hair_colour,
            "hair_style": self.hair_style,
            "hair_length": {"bald": "none", "long": "long", "bob": "medium", "medium": "medium", "afro": "medium"}.get(
                self.hair_style, "short"
            ),
            "bald": self.hair_style == "bald",
            "bangs": self.bangs,
            "beard": self.beard in ("goatee", "full", "stubble"),
            "mustache": self.beard in ("mustache", "goatee", "full"),
            "facial_hair": self.beard,
            "eyeglasses": self.glasses != "none",
            "lipstick": self.lipstick is not None,
            "freckles": self.freckles,
            "earrings": self.earrings,
            "wrinkles": self.look["age"] > 0.65,
            "clothes": self.clothes,
            "clothes_srgb": list(self.clothes_colour),
        }


def spread(count: int, dimensions: int, rng: np.random.Generator) -> np.ndarray:
    """(count, dimensions) in 0..1: each column a shuffled, jittered ladder, so that few people already differ."""
    columns = [(rng.permutation(count) + rng.uniform(0, 1, count)) / count for _ in range(dimensions)]
    return np.stack(columns, 1)


def make_people(count: int, seed: int) -> list[Person]:
    """`count` people who differ from each other as much as the ranges allow; the same for the same arguments."""
    rng = np.random.default_rng([seed, 7001])
    names = [*SHAPE, *LOOK]
    ranges = np.array([*SHAPE.values(), *LOOK.values()])
    values = ranges[:, 0] + spread(count, len(names), rng) * (ranges[:, 1] - ranges[:, 0])
    tones = [int(t) for _ in range(-(-count // 10)) for t in rng.permutation(10) + 1]
    female = [bool(f) for _ in range(-(-count // 2)) for f in rng.permutation([True, False])]
    return [
        _person(i, seed, dict(zip(names, map(float, values[i]), strict=True)), tones[i], female[i])
        for i in range(count)
    ]


def _person(index: int, seed: int, numbers: dict[str, float], monk: int, female: bool) -> Person:
    rng = np.random.default_rng([seed, 7002, index])
    shape = {k: numbers[k] for k in SHAPE}
    look = {k: numbers[k] for k in LOOK}
    if female:
        shape["jaw_width"] = 0.8 + 0.75 * (shape["jaw_width"] - 0.8)
        shape["brow_ridge"] *= 0.35
        shape["brow_thick"] = 0.16 + 0.6 * (shape["brow_thick"] - 0.18)
        shape["neck_width"] *= 0.9
        shape["eye_open"] += 0.06
    old = look["age"] > 0.75
    dark = monk >= 6
    colours = ["black", "brown"] if dark else ["black", "brown", "light brown", "blonde", "red"]
    colour = str(rng.choice(["grey", "white"] if old else colours))
    if female:
        style = str(rng.choice(["long", "bob", "bun", "curly", "afro" if dark else "long", "medium", "long"]))
        beard = "none"
    else:
        style = str(rng.choice(["short", "buzz", "bald", "curly", "afro" if dark else "medium", "short", "medium"]))
        beard = str(rng.choice(["none", "none", "stubble", "mustache", "goatee", "full"]))
    lips = [(178, 40, 58), (196, 84, 96), (140, 40, 62), (204, 98, 78)]
    clothes = [(196, 60, 52), (44, 66, 110), (40, 44, 52), (214, 210, 200), (66, 104, 78), (170, 130, 60), (120, 80, 120)]
    variant = str(rng.choice(["f2", "f3", "f4", "f5", "Annie", "linda"] if female else ["m1", "m3", "m4", "m7", "Lee", "david"]))
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
        iris=IRIS[int(rng.integers(2 if dark else len(IRIS)))],
        glasses=str(rng.choice(["none", "none", "none", "round", "square", "thin"])),
        lipstick=lips[int(rng.integers(len(lips)))] if female and rng.random() < 0.5 else None,
        freckles=bool(not dark and rng.random() < 0.25),
        moles=int(rng.integers(0, 4)),
        earrings=bool(female and style in ("bun", "curly", "afro") and rng.random() < 0.6),
        clothes=str(rng.choice(CLOTHES)),
        clothes_colour=clothes[int(rng.integers(len(clothes)))],
        voice=Voice(
            language=str(rng.choice(["en-us", "en-gb", "de", "fr", "es", "it", "en-us"])),
            variant=variant,
            pitch=int(rng.integers(48, 72) if female else rng.integers(18, 44)),
            range=int(rng.integers(40, 70)),
            rate=int(rng.integers(140, 185)),
        ),
    )
