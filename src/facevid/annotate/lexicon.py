"""The words in which captions say what the vocabulary names: one or more wordings for every value and action."""

from __future__ import annotations

AGES: tuple[tuple[float, str], ...] = (
    (13, "child"),
    (20, "teenage"),
    (40, "young"),
    (65, "middle-aged"),
    (float("inf"), "elderly"),
)
"""Age groups: years below which the word holds."""
DECADES = ("twenties", "thirties", "forties", "fifties", "sixties", "seventies", "eighties", "nineties")
AGE_WORDS: dict[str, tuple[str, ...]] = {
    "young": ("young",),
    "middle-aged": ("middle-aged",),
    "elderly": ("elderly", "older"),
}

ETHNICITY: dict[str, str] = {
    "asian": "Asian", "white": "white", "indian": "Indian", "european": "European", "african": "African",
    "arab": "Arab", "latino": "Latino", "chinese": "Chinese", "japanese": "Japanese", "korean": "Korean",
    "latina": "Latina", "jewish": "Jewish", "mexican": "Mexican", "black": "Black",
    "middle_eastern": "Middle Eastern", "southeast_asian": "Southeast Asian", "east_asian": "East Asian",
}  # fmt: skip
ETHNICITY_OTHER = "of another ethnic background"
LATIN = "Latin American"
"""For latino or latina where the word's own gender is not the one stated."""

HAIR_COLOUR: dict[str, tuple[str, ...]] = {
    "black": ("black",), "brown": ("brown",), "blonde": ("blonde", "fair"), "red": ("red",),
    "grey": ("grey",), "white": ("white",),
}  # fmt: skip
HAIR_COLOUR_OTHER = "of an unusual colour"
HAIR_LENGTH: dict[str, tuple[str, ...]] = {
    "short": ("short",),
    "medium": ("medium-length",),
    "long": ("long",),
}
HAIR_SHAPE: dict[str, tuple[str, ...]] = {"straight": ("straight",), "wavy": ("wavy",), "curly": ("curly",)}
BALD = "bald"
BALD_HEAD = "a bald head"
HAIR_WORN: dict[str, tuple[str, ...]] = {
    "ponytail": ("in a ponytail", "tied in a ponytail"),
    "pigtails": ("in pigtails",),
    "braids": ("in braids",),
    "dreadlocks": ("in dreadlocks",),
    "pompadour": ("in a pompadour",),
}
HAIR_ASIDE: dict[str, tuple[str, ...]] = {"bangs": ("bangs",), "sideburns": ("sideburns",)}

SKIN: tuple[tuple[int, str], ...] = ((3, "light"), (6, "medium"), (10, "dark"))
"""Groups of the Monk scale, by their last tone, as Heldreth et al. 2024 (doi:10.1145/3632120) group it."""
SKIN_TONE: tuple[str, ...] = (
    "skin of tone {tone} on the Monk scale",
    "{kind} skin of Monk tone {tone}",
    "{kind} skin of tone {tone} on the Monk scale",
)

FEATURES: dict[str, tuple[str, ...]] = {
    "beard": ("a beard",),
    "mustache": ("a mustache",),
    "goatee": ("a goatee",),
    "bushy_eyebrows": ("bushy eyebrows", "thick eyebrows"),
    "arched_eyebrows": ("arched eyebrows",),
    "narrow_eyes": ("narrow eyes",),
    "big_nose": ("a big nose", "a large nose"),
    "big_lips": ("full lips",),
    "rosy_cheeks": ("rosy cheeks",),
    "chubby": ("full cheeks", "chubby cheeks"),
    "double_chin": ("a double chin",),
    "oval_face": ("an oval face",),
    "pale_skin": ("pale skin",),
    "tan": ("tanned skin",),
    "freckles": ("freckles",),
    "wrinkles": ("wrinkles",),
    "looks_old": ("an aged look",),
    "mole": ("a mole",),
    "blemish": ("blemished skin",),
    "scars": ("a scar",),
    "tattoos": ("a tattoo",),
    "piercings": ("a piercing",),
}
"""Flags of what somebody has, in the order in which captions name them."""

EYEWEAR: dict[str, tuple[str, ...]] = {
    "eyeglasses": ("glasses", "eyeglasses"),
    "sunglasses": ("sunglasses", "dark glasses"),
}
HEADWEAR = ("cap", "hat", "bonnet", "headband", "beanie", "hijab", "hood", "bandana", "turban")
GARMENTS: dict[str, tuple[str, ...]] = {"tie": ("a tie",), "scarf": ("a scarf",)}
ORNAMENTS: dict[str, tuple[str, ...]] = {
    "necklace": ("a necklace",),
    "earrings": ("earrings",),
    "ring": ("a ring",),
    "lipstick": ("lipstick",),
    "heavy_makeup": ("heavy make-up",),
}
CARRIED: dict[str, tuple[str, ...]] = {"backpack": ("a backpack",), "purse": ("a purse", "a handbag")}

EMOTION: dict[str, tuple[str, ...]] = {
    "neutral": ("neutral",), "happy": ("happy", "cheerful"), "sad": ("sad", "unhappy"), "angry": ("angry",),
    "fear": ("fearful", "frightened"), "surprise": ("surprised",), "contempt": ("contemptuous",),
    "disgust": ("disgusted",),
}  # fmt: skip
HEAD_POSE: dict[str, tuple[str, ...]] = {
    "frontal": ("face the camera",),
    "left": ("face left", "face the left of the picture"),
    "right": ("face right", "face the right of the picture"),
    "up": ("face upwards",),
    "down": ("face downwards",),
}
GAZE: dict[str, tuple[str, ...]] = {
    "camera": (
        "look into the camera",
        "look at the camera",
        "look straight into the camera",
        "keep {p} eyes on the camera",
    ),
    "left": ("look to the left",),
    "right": ("look to the right",),
    "up": ("look up",),
    "down": ("look down",),
}
GAZE_AT_IT = ("look into it", "look straight at it")
"""A gaze into the camera where the camera was just named."""
GAZE_MOSTLY = ("look mostly at the camera", "mostly look into the camera")
GAZE_MOSTLY_AT_IT = ("look mostly at it", "mostly look into it")

PLACE: dict[str, tuple[str, ...]] = {
    "indoor": ("indoors",),
    "outdoor": ("outdoors", "in the open air"),
    "studio": ("in a studio",),
    "vehicle": ("in a vehicle",),
    "stage": ("on a stage", "on stage"),
}
BRIGHTNESS = {"dark": "very faint", "dim": "dim", "normal": "moderate", "bright": "bright"}
LIGHT_KIND = {"daylight": "daylight", "artificial": "artificial light", "natural": "natural light"}

VERBS: dict[str, tuple[str, ...]] = {
    "talk": ("talk",),
    "smile": ("smile",),
    "wag head": ("wag {p} head",),
    "frown": ("frown",),
    "gaze": ("hold a steady gaze",),
    "nod": ("nod", "nod {p} head"),
    "shake head": ("shake {p} head",),
    "sing": ("sing",),
    "glare": ("glare",),
    "close eyes": ("close {p} eyes", "shut {p} eyes"),
    "laugh": ("laugh",),
    "whisper": ("whisper",),
    "wink": ("wink",),
    "shout": ("shout",),
    "sigh": ("sigh",),
    "listen to music": ("listen to music",),
    "yawn": ("yawn",),
    "cough": ("cough",),
    "sneeze": ("sneeze",),
    "study": ("study",),
    "speak": ("speak",),
    "sleep": ("sleep",),
    "kiss": ("give a kiss",),
    "pile": ("pile things up", "stack things"),
    "stand": ("stand",),
    "think": ("think", "ponder"),
    "eat": ("eat",),
    "drink": ("drink",),
    "read": ("read",),
    "touch": ("touch something",),
    "roll": ("make a rolling movement",),
    "rest": ("rest",),
    "work": ("work",),
    "wash": ("wash",),
    "ride": ("ride",),
    "drive": ("drive",),
    "play": ("play",),
    "hold": ("hold something",),
    "throw": ("throw something",),
    "run": ("run",),
    "clutch": ("clutch something",),
    "tilt": ("tilt {p} head", "tilt {p} head to one side"),
    "hug": ("give a hug",),
    "walk": ("walk",),
    "gaze away": ("look away", "avert {p} eyes"),
    "raise brows": ("raise {p} eyebrows", "lift {p} eyebrows"),
    "blink": ("blink",),
    "open mouth": ("open {p} mouth",),
}
"""Verb phrases in the plain form, {p} for the possessive; the first wording is the one that takes "twice"."""

COUNTED = frozenset({
    "nod", "shake head", "wink", "cough", "sneeze", "yawn", "sigh", "laugh", "tilt", "raise brows", "close eyes",
    "gaze away", "open mouth", "blink",
})  # fmt: skip
"""Actions of a moment, of which it is worth to say that they came more than once."""
