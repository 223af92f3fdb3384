"""Who is in the pictures: shape of the head, looks and voice of one synthetic person, drawn from a seed."""

from __future__ import annotations

from dataclasses import dataclass

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

# name -> (lowest, highest, weight) of every number that shapes a head; centimetres where it says so, else factors or
# 0..1. The weight is how far dlib's face embedding moves from one end to the other on an average head, as measured.
SHAPE: dict[str, tuple[float, float, float]] = {
    "face_width": (0.84, 1.16, 0.28),
    "face_length": (0.84, 1.16, 0.48),  # below the eyes
    "skull_height": (0.92, 1.08, 0.13),
    "jaw_width": (0.75, 1.27, 0.36),
    "jaw_square": (-1.0, 1.0, 0.1),
    "cheek_full": (-0.8, 1.2, 0.1),
    "cheek_bone": (-0.4, 1.2, 0.1),
    "chin_size": (-0.8, 1.5, 0.1),
    "chin_cleft": (0.0, 1.0, 0.02),
    "brow_ridge": (-0.3, 1.4, 0.15),
    "brow_height": (-0.5, 0.7, 0.28),  # cm
    "brow_tilt": (-0.5, 0.5, 0.21),
    "brow_arch": (0.0, 0.55, 0.1),
    "brow_thick": (0.15, 0.58, 0.3),  # cm
    "brow_dense": (0.4, 1.0, 0.14),
    "brow_gap": (-0.35, 0.4, 0.16),  # cm
    "eye_space": (2.66, 3.72, 0.53),  # cm from the middle
    "eye_width": (1.22, 1.74, 0.17),  # cm, half
    "eye_open": (0.37, 0.74, 0.13),  # cm, upper lid above the pupil
    "eye_tilt": (-0.22, 0.32, 0.53),
    "eye_depth": (-0.6, 0.9, 0.08),
    "lid_fold": (0.0, 1.0, 0.07),
    "nose_length": (3.9, 5.7, 0.53),  # cm below the eyes
    "nose_width": (0.66, 1.6, 0.45),
    "nose_out": (0.7, 1.4, 0.11),
    "nose_hook": (-0.8, 0.9, 0.08),
    "nose_tip": (0.7, 1.45, 0.06),
    "mouth_width": (1.9, 3.1, 0.29),  # cm, half
    "mouth_drop": (1.7, 2.95, 0.57),  # cm below the nose
    "lip_upper": (0.24, 1.05, 0.32),  # cm
    "lip_lower": (0.42, 1.25, 0.18),  # cm
    "lip_out": (0.1, 0.5, 0.03),
    "philtrum": (0.2, 1.0, 0.05),
    "ear_size": (0.8, 1.25, 0.03),
    "ear_out": (0.1, 0.75, 0.06),
    "neck_width": (0.82, 1.15, 0.05),
}

# the same of the numbers of the skin and the hairline
LOOK: dict[str, tuple[float, float, float]] = {
    "age": (0.0, 1.0, 0.18),
    "blush": (0.0, 1.0, 0.03),
    "oily": (0.15, 0.8, 0.05),
    "under_eye": (0.0, 0.9, 0.1),
    "tint_red": (-1.0, 1.0, 0.03),
    "hairline": (-0.7, 1.2, 0.18),  # cm
}


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

    @property
    def skin_srgb(self) -> tuple[int, int, int]:
        return MONK[self.monk - 1]

    @property
    def lightness(self) -> float:
        """Mean of the skin's sRGB, 0..1."""
        return sum(self.skin_srgb) / 765

    def appearance(self) -> dict[str, object]:
        """The drawn attributes, as they go into truth.json."""
        return {
            "presentation": self.presentation,
            "monk": self.monk,
            "skin_srgb": list(self.skin_srgb),
            "hair_colour": None if self.hair_style == "bald" else self.hair_colour,
            "hair_style": self.hair_style,
            "hair_length": {
                "bald": "none",
                "long": "long",
                "bob": "medium",
                "medium": "medium",
                "afro": "medium",
            }.get(self.hair_style, "short"),
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
