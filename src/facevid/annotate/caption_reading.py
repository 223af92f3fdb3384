"""The words that the reader of captions knows, written apart from the writer's: a wrong word there is found here.

Every entry is a pattern and what a sentence that contains it claims.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_P = "(?:his|her|their)"

AGES: dict[str, tuple[float, float]] = {
    "child": (0, 13), "teenage": (13, 20), "teenager": (13, 20), "young": (20, 40), "middle-aged": (40, 65),
    "elderly": (65, 999), "older": (65, 999), "twenties": (20, 30), "thirties": (30, 40), "forties": (40, 50),
    "fifties": (50, 60), "sixties": (60, 70), "seventies": (70, 80), "eighties": (80, 90), "nineties": (90, 100),
}  # fmt: skip
"""Word -> years from (inclusive) and to (exclusive)."""

GENDERS = {
    "woman": "female", "girl": "female", "she": "female", "her": "female", "man": "male", "boy": "male",
    "he": "male", "his": "male", "gender-diverse": "other",
}  # fmt: skip

ETHNICITIES: dict[str, frozenset[str]] = {
    word: frozenset(values.split())
    for word, values in {
        "asian": "asian", "white": "white", "indian": "indian", "european": "european", "african": "african",
        "arab": "arab", "latino": "latino", "latina": "latina", "latin american": "latino latina",
        "chinese": "chinese", "japanese": "japanese", "korean": "korean", "jewish": "jewish", "mexican": "mexican",
        "black": "black", "middle eastern": "middle_eastern", "southeast asian": "southeast_asian",
        "east asian": "east_asian",
    }.items()
}  # fmt: skip
_NOUNS = ("woman", "man", "girl", "boy", "child", "teenager", "person")
_BEFORE_NOUN = ("bald", "teenage", "young", "middle-aged", "elderly", "older", "gender-diverse", *ETHNICITIES)

HAIR = {
    "short": ("hair_length", "short"), "medium-length": ("hair_length", "medium"), "long": ("hair_length", "long"),
    "straight": ("hair_shape", "straight"), "wavy": ("hair_shape", "wavy"), "curly": ("hair_shape", "curly"),
    "black": ("hair_colour", "black"), "brown": ("hair_colour", "brown"), "blonde": ("hair_colour", "blonde"),
    "fair": ("hair_colour", "blonde"), "red": ("hair_colour", "red"), "grey": ("hair_colour", "grey"),
    "white": ("hair_colour", "white"), "of an unusual colour": ("hair_colour", "other"),
    "ponytail": ("ponytail", "yes"), "pigtails": ("pigtails", "yes"), "braids": ("braids", "yes"),
    "dreadlocks": ("dreadlocks", "yes"), "pompadour": ("pompadour", "yes"),
}  # fmt: skip

EMOTIONS = {
    "neutral": "neutral", "happy": "happy", "cheerful": "happy", "sad": "sad", "unhappy": "sad", "angry": "angry",
    "fearful": "fear", "frightened": "fear", "surprised": "surprise", "contemptuous": "contempt",
    "disgusted": "disgust",
}  # fmt: skip

LIGHTS = {
    "very faint": ("light", "dark"), "dim": ("light", "dim"), "moderate": ("light", "normal"),
    "bright": ("light", "bright"), "warm": ("light_tone", "warm"), "neutral": ("light_tone", "neutral"),
    "cool": ("light_tone", "cool"), "even": ("light_direction", "even"), "left": ("light_direction", "left"),
    "right": ("light_direction", "right"), "daylight": ("light_source", "daylight"),
    "artificial": ("light_source", "artificial"), "natural": ("light_source", "natural"),
}  # fmt: skip


def _any(words: Iterable[str]) -> str:
    return "(?:" + "|".join(sorted(words, key=len, reverse=True)) + ")"


_HAIR_ADJECTIVE = _any(w for w, (name, _) in HAIR.items() if name.startswith("hair_"))
_QUALITY = _any(w for w, (name, v) in LIGHTS.items() if name != "light_source" and v not in ("left", "right"))
_LIGHT = "(?:daylight|artificial light|natural light|light)"

PERSON = rf"(?:(?:an?|the) (?:{_any(_BEFORE_NOUN)} )*{_any(_NOUNS)}|someone)"
BEHIND = rf"in {_P} (?:twent|thirt|fort|fift|sixt|sevent|eight|ninet)ies"
BACKGROUND = "of another ethnic background"
PRONOUN = "(?:she|he|they)"
_TIED = "(?:tied )?in (?:a ponytail|a pompadour|pigtails|braids|dreadlocks)"
HAIR_PHRASE = rf"(?:{_HAIR_ADJECTIVE} )*hair(?: of an unusual colour)?(?: {_TIED})?"
SKIN_PHRASE = "(?:(?:light|medium|dark) )?skin of (?:monk tone [0-9]+|tone [0-9]+ on the monk scale)"
SKIN = {"light": range(1, 4), "medium": range(4, 7), "dark": range(7, 11)}
EMOTION_PHRASE = rf"an? (?:mostly )?{_any(EMOTIONS)} (?:expression|look)"
EMOTION_SENTENCE = rf"{_P} expression is (?:mostly )?{_any(EMOTIONS)}"
LIGHT_PHRASE = rf"(?:{_QUALITY}(?:, {_QUALITY})* )?{_LIGHT}(?: from the (?:left|right))?"
LIGHT_SIDE = "(?:the light comes |lit )?from the (?:left|right)"
LIGHT_SENTENCE = (
    rf"the {_LIGHT} is {_QUALITY}(?:, {_QUALITY})*(?: and {_QUALITY})?(?: and comes from the (?:left|right))?"
)

_LOOK = "(?:look|looks|looking)"
_POSES = {
    "frontal": "the camera", "left": "left|the left of the picture", "right": "right|the right of the picture",
    "up": "upwards", "down": "downwards",
}  # fmt: skip
_GAZES = {
    "camera": f"{_LOOK} (?:mostly |straight )?(?:into|at) (?:the camera|it)|(?:keeps?|keeping) {_P} eyes on the camera",
    **{side: f"{_LOOK} to the {side}" for side in ("left", "right")},
    **{way: f"{_LOOK} {way}" for way in ("up", "down")},
}

THINGS: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...] = tuple(
    (slot, pattern, tuple((name, value) for name, value in pairs))
    for slot, pattern, pairs in [
        ("feature", "a bald head", [("hair_length", "bald")]),
        ("feature", "bangs", [("bangs", "yes")]),
        ("feature", "sideburns", [("sideburns", "yes")]),
        ("feature", "a beard", [("beard", "yes")]),
        ("feature", "a mustache", [("mustache", "yes")]),
        ("feature", "a goatee", [("goatee", "yes")]),
        ("feature", "a clean-shaven face", [("beard", "no"), ("mustache", "no")]),
        ("feature", "(?:bushy|thick) eyebrows", [("bushy_eyebrows", "yes")]),
        ("feature", "arched eyebrows", [("arched_eyebrows", "yes")]),
        ("feature", "narrow eyes", [("narrow_eyes", "yes")]),
        ("feature", "a (?:big|large) nose", [("big_nose", "yes")]),
        ("feature", "full lips", [("big_lips", "yes")]),
        ("feature", "rosy cheeks", [("rosy_cheeks", "yes")]),
        ("feature", "(?:full|chubby) cheeks", [("chubby", "yes")]),
        ("feature", "a double chin", [("double_chin", "yes")]),
        ("feature", "an oval face", [("oval_face", "yes")]),
        ("feature", "pale skin", [("pale_skin", "yes")]),
        ("feature", "tanned skin", [("tan", "yes")]),
        ("feature", "freckles", [("freckles", "yes")]),
        ("feature", "wrinkles", [("wrinkles", "yes")]),
        ("feature", "an aged look", [("looks_old", "yes")]),
        ("feature", "a mole", [("mole", "yes")]),
        ("feature", "blemished skin", [("blemish", "yes")]),
        ("feature", "a scar", [("scars", "yes")]),
        ("feature", "a tattoo", [("tattoos", "yes")]),
        ("feature", "a piercing", [("piercings", "yes")]),
        ("worn", "(?:eye)?glasses", [("eyeglasses", "yes")]),
        ("worn", "sunglasses|dark glasses", [("sunglasses", "yes")]),
        ("worn", "a tie", [("tie", "yes")]),
        ("worn", "a scarf", [("scarf", "yes")]),
        ("worn", "a necklace", [("necklace", "yes")]),
        ("worn", "earrings", [("earrings", "yes")]),
        ("worn", "a ring", [("ring", "yes")]),
        ("worn", "lipstick", [("lipstick", "yes")]),
        ("worn", "heavy make-up", [("heavy_makeup", "yes")]),
        ("carried", "a backpack", [("backpack", "yes")]),
        ("carried", "a purse|a handbag", [("purse", "yes")]),
        ("bare", f"{_P} head is uncovered", [("headwear", "none")]),
        *[
            ("worn", f"a {garment}", [("clothing", garment)])
            for garment in "shirt jacket suit coat blazer hoodie cloak sweater blouse dress vest robe t-shirt".split()
        ],
        *[
            ("worn", f"a {thing}", [("headwear", thing)])
            for thing in "cap hat bonnet headband beanie hijab hood bandana turban".split()
        ],
        *[
            ("turned", f"(?:face|faces|facing) (?:{to})", [("head_pose", pose)])
            for pose, to in _POSES.items()
        ],
        *[("gaze", f"(?:mostly )?(?:{look})", [("gaze", gaze)]) for gaze, look in _GAZES.items()],
        ("place", "indoors", [("environment", "indoor")]),
        ("place", "outdoors|in the open air", [("environment", "outdoor")]),
        ("place", "in a studio", [("environment", "studio")]),
        ("place", "in a vehicle", [("environment", "vehicle")]),
        ("place", "on (?:a )?stage", [("environment", "stage")]),
    ]
)
"""(kind, pattern, claims) of things said of the person and the scene."""

_REGULAR = (
    "talk talking, smile smiling, frown frowning, sing singing, glare glaring, laugh laughing, whisper whispering, "
    "wink winking, shout shouting, sigh sighing, yawn yawning, cough coughing, sneeze sneezing, speak speaking, "
    "sleep sleeping, stand standing, eat eating, drink drinking, read reading, rest resting, work working, "
    "ride riding, drive driving, play playing, run running, walk walking, blink blinking"
)

ACTS: tuple[tuple[str, str, str], ...] = (
    *((name, f"{name}s?", going) for name, going in (verb.split() for verb in _REGULAR.split(", "))),
    ("wag head", f"wags? {_P} head", f"wagging {_P} head"),
    ("gaze", "holds? a steady gaze", "holding a steady gaze"),
    ("nod", f"nods?(?: {_P} head)?", f"nodding(?: {_P} head)?"),
    ("shake head", f"shakes? {_P} head", f"shaking {_P} head"),
    ("close eyes", f"(?:closes?|shuts?) {_P} eyes", f"(?:closing|shutting) {_P} eyes"),
    ("listen to music", "listens? to music", "listening to music"),
    ("study", "study|studies", "studying"),
    ("kiss", "gives? a kiss", "giving a kiss"),
    ("pile", "piles? things up|stacks? things", "piling things up|stacking things"),
    ("think", "thinks?|ponders?", "thinking|pondering"),
    ("touch", "touch(?:es)? something", "touching something"),
    ("roll", "makes? a rolling movement", "making a rolling movement"),
    ("wash", "wash(?:es)?", "washing"),
    ("hold", "holds? something", "holding something"),
    ("throw", "throws? something", "throwing something"),
    ("clutch", "clutch(?:es)? something", "clutching something"),
    ("tilt", f"tilts? {_P} head(?: to one side)?", f"tilting {_P} head(?: to one side)?"),
    ("hug", "gives? a hug", "giving a hug"),
    ("gaze away", f"looks? away|averts? {_P} eyes", f"looking away|averting {_P} eyes"),
    ("raise brows", f"(?:raises?|lifts?) {_P} eyebrows", f"(?:raising|lifting) {_P} eyebrows"),
    ("open mouth", f"opens? {_P} mouth", f"opening {_P} mouth"),
)
"""(action, its finite forms, its -ing forms)."""

OFTEN: dict[str, tuple[int, int]] = {
    "once": (1, 1), "twice": (2, 2), "several times": (3, 9999), "repeatedly": (3, 9999),
}  # fmt: skip
"""Adverb -> how many times at least and at most."""

GLUE: tuple[tuple[str, str], ...] = (
    (",", ","), ("and", "and"), ("with", "with"), ("who", "who"), ("also", "also"), ("as well", "as well"),
    ("in", "in"), ("on", "on"), ("wears?", "wears"), ("wearing", "wearing"), ("has|have", "has"),
    ("having", "having"), ("carr(?:y|ies)", "carries"), ("is shown", "is shown"), ("lit by", "lit by"),
    ("is|are", "is"), ("the clip shows|we see|this is", "{shown is}"), ("appears in the clip", "appears"),
    ("in the clip", "in the clip"), ("the clip was filmed", "the clip was filmed"),
    ("the scene is set", "the scene is set"), ("the scene is", "the scene is"), ("falls on", "falls on"),
    ("illuminates", "illuminates"), (f"{_P} face", "{p} face"),
)  # fmt: skip
"""Words that claim nothing by themselves -> how they stand in a sentence's shape."""

FOLLOWS = ("then", "next", "afterwards", "after that")
TIME = ("while", "all while", "after", "before", "first", "finally", "at the same time", *FOLLOWS)
"""Words that claim how actions lie in time; FOLLOWS, where a sentence has none before them: after the last one's."""

AGAINST: dict[tuple[str, str], str] = {
    ("gaze", "camera"): "gaze away, close eyes, sleep",
    ("emotion", "neutral"): "smile, laugh, frown, glare",
    ("emotion", "happy"): "frown, glare",
    **{("emotion", value): "smile, laugh" for value in ("sad", "angry", "fear", "contempt", "disgust")},
}
"""What cannot be said of a whole clip, without "mostly", beside these actions."""


def compiled(pattern: str) -> re.Pattern[str]:
    """The pattern, to be matched where a word begins, up to where a word ends."""
    return re.compile(rf"(?:{pattern})(?![\w-])" if pattern != "," else ",")
