"""Shares that the authors of DH-FaceVid-1K report of their dataset (arXiv 2410.07151), for comparison."""

from __future__ import annotations

REPORTED: dict[str, dict[str, float]] = {
    "ethnicity": {
        "asian": 0.8099,
        "white": 0.1057,
        "african": 0.0412,
        "latino": 0.0231,
        "middle_eastern": 0.0136,
        "other": 0.0065,
    },
    "hair_colour": {"black": 0.6329, "brown": 0.2752, "white": 0.0429, "blonde": 0.0245, "other": 0.0235},
    "emotion": {
        "neutral": 0.7789,
        "happy": 0.1425,
        "sad": 0.0216,
        "angry": 0.0177,
        "fear": 0.0135,
        "disgust": 0.0124,
        "contempt": 0.0089,
        "surprise": 0.0045,
    },
}
"""Attribute -> value of our vocabulary -> share of their clips."""
REPORTED_AGES: dict[int, float] = {
    20: 0.0527,
    25: 0.3055,
    30: 0.3676,
    35: 0.1334,
    40: 0.0681,
    45: 0.0532,
    50: 0.0106,
    55: 0.0089,
}
"""First year of their five-year groups -> share."""
REPORTED_ACTIONS: dict[str, float] = {"talk": 0.9323}
