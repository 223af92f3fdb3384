"""The vocabulary of annotations: attributes of a clip and the values each may take, and the actions in it.

It covers DH-FaceVid-1K's list of attributes (its figure "Comprehensive attribute list") under names of our own:
`Attribute.dh` and `DH_APPEARANCE` say which of its words a value stands for. Every attribute may also be unknown;
then nothing is stored.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from facevid.errors import FacevidError

Kind = Literal["choice", "flag", "number"]
FLAG_VALUES = ("yes", "no")


class VocabularyError(FacevidError):
    """A name or a value that the vocabulary does not have; the message says what is allowed."""


@dataclass(frozen=True)
class Attribute:
    """One attribute of a clip.

    kind: "choice" (one of `values`), "flag" ("yes" or "no"), "number" (text of a number in `unit`, from `low` to
    `high`). group: "person", "hair", "face", "clothes", "light", "scene" or "dynamic". dh: value -> the word that
    DH-FaceVid-1K prints for it, where it has one.
    """

    name: str
    kind: Kind
    group: str
    about: str
    values: tuple[str, ...] = ()
    unit: str | None = None
    low: float = 0.0
    high: float = 0.0
    dh: dict[str, str] = field(default_factory=dict)

    @property
    def choices(self) -> tuple[str, ...]:
        """The values allowed; empty for a number."""
        return FLAG_VALUES if self.kind == "flag" else self.values

    def check(self, value: str) -> str:
        """The value as it is stored; raises VocabularyError where it is not allowed."""
        if self.kind != "number":
            if value not in self.choices:
                raise VocabularyError(
                    f"{self.name} cannot be {value!r}; allowed: {', '.join(self.choices)} (or leave it out: unknown)."
                )
            return value
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not self.low <= number <= self.high:
            raise VocabularyError(
                f"{self.name} cannot be {value!r}; allowed: a number from {self.low:g} to {self.high:g} {self.unit}."
            )
        return f"{number:g}"


def _flags(group: str, **about: str) -> list[Attribute]:
    return [Attribute(name, "flag", group, text) for name, text in about.items()]


ATTRIBUTES: dict[str, Attribute] = {
    a.name: a
    for a in [
        # --- who ---
        Attribute(
            "ethnicity", "choice", "person", "ethnicity as stated or perceived",
            ("asian", "white", "indian", "european", "african", "arab", "latino", "chinese", "japanese", "korean",
             "latina", "jewish", "mexican", "black", "middle_eastern", "southeast_asian", "east_asian", "other"),
        ),
        Attribute("gender", "choice", "person", "gender as stated or perceived", ("female", "male", "other")),
        Attribute("age", "number", "person", "age in years", unit="years", low=0, high=120),
        Attribute("skin_tone", "choice", "person", "tone of the Monk Skin Tone scale, 1 lightest to 10 darkest",
                  tuple(str(k) for k in range(1, 11))),
        Attribute("ita", "number", "person", "individual typology angle of the skin as pictured",
                  unit="degrees", low=-90, high=90),
        # --- hair ---
        Attribute("hair_colour", "choice", "hair", "colour of the hair on the head",
                  ("black", "brown", "blonde", "red", "grey", "white", "other"),
                  dh={"black": "black hair", "brown": "brown hair", "blonde": "blonde hair", "red": "redhead",
                      "white": "white hair"}),
        Attribute("hair_length", "choice", "hair", "length of the hair on the head",
                  ("bald", "short", "medium", "long"),
                  dh={"bald": "bald", "short": "short hair", "long": "long hair"}),
        Attribute("hair_shape", "choice", "hair", "texture of the hair", ("straight", "wavy", "curly"),
                  dh={"straight": "straight hair", "wavy": "wavy hair"}),
        *_flags("hair", bangs="hair over the forehead", ponytail="hair tied in one tail", pigtails="two tails",
                braids="braided hair", dreadlocks="dreadlocks", pompadour="hair swept up from the forehead",
                sideburns="hair grown down before the ears"),
        # --- face ---
        *_flags("face", beard="hair on chin or cheeks", mustache="hair on the upper lip",
                goatee="beard on the chin alone", eyeglasses="glasses with clear lenses", sunglasses="dark glasses",
                lipstick="coloured lips", heavy_makeup="make-up that is plain to see", rosy_cheeks="red cheeks",
                bushy_eyebrows="thick eyebrows", arched_eyebrows="eyebrows with a high arch", chubby="full cheeks",
                double_chin="a second fold under the chin", oval_face="oval outline", big_nose="large nose",
                big_lips="full lips", narrow_eyes="narrow eyes", pale_skin="pale skin", tan="tanned skin",
                wrinkles="lines of age", blemish="spots or blemishes", mole="a mole", scars="a scar",
                freckles="freckles", tattoos="a tattoo", piercings="a piercing", looks_old="looks old"),
        # --- clothes and things worn ---
        Attribute("clothing", "choice", "clothes", "what is worn on the upper body",
                  ("shirt", "jacket", "suit", "coat", "blazer", "hoodie", "cloak", "sweater", "blouse", "dress",
                   "vest", "robe", "t-shirt")),
        Attribute("headwear", "choice", "clothes", "what is worn on the head",
                  ("none", "cap", "hat", "bonnet", "headband", "beanie", "hijab", "hood", "bandana", "turban")),
        *_flags("clothes", tie="a tie", scarf="a scarf", necklace="a necklace", earrings="earrings", ring="a ring",
                backpack="a backpack", purse="a purse or handbag"),
        # --- light and scene ---
        Attribute("light", "choice", "light", "how bright the face is lit", ("dark", "dim", "normal", "bright")),
        Attribute("light_direction", "choice", "light", "from which side of the picture the light comes",
                  ("even", "left", "right")),
        Attribute("light_tone", "choice", "light", "colour of the light", ("warm", "neutral", "cool")),
        Attribute("light_source", "choice", "light", "kind of light", ("daylight", "artificial", "natural")),
        Attribute("environment", "choice", "scene", "where the clip was taken",
                  ("indoor", "outdoor", "studio", "vehicle", "stage")),
        # --- dynamic, over the whole clip ---
        Attribute("emotion", "choice", "dynamic", "expression that prevails",
                  ("neutral", "happy", "sad", "angry", "fear", "surprise", "contempt", "disgust")),
        Attribute("head_pose", "choice", "dynamic", "where the face points most of the time, seen in the picture",
                  ("frontal", "left", "right", "up", "down")),
        Attribute("gaze", "choice", "dynamic", "where the eyes look most of the time, seen in the picture",
                  ("camera", "left", "right", "up", "down")),
        Attribute("blinks_per_minute", "number", "dynamic", "how often the eyes blink", unit="a minute",
                  low=0, high=120),
    ]
}  # fmt: skip
"""Every attribute, in the order in which pages and captions name them."""

DH_APPEARANCE: dict[str, tuple[str, str]] = {
    "no beard": ("beard", "no"), "male": ("gender", "male"), "female": ("gender", "female"),
    "straight hair": ("hair_shape", "straight"), "black hair": ("hair_colour", "black"),
    "anchored eyebrow": ("arched_eyebrows", "yes"), "short hair": ("hair_length", "short"),
    "eyeglasses": ("eyeglasses", "yes"), "brown hair": ("hair_colour", "brown"),
    "rosy cheeks": ("rosy_cheeks", "yes"), "long hair": ("hair_length", "long"),
    "bush eyebrow": ("bushy_eyebrows", "yes"), "chubby": ("chubby", "yes"),
    "heavy makeup": ("heavy_makeup", "yes"), "oval face": ("oval_face", "yes"), "lipsticks": ("lipstick", "yes"),
    "big nose": ("big_nose", "yes"), "wavy hair": ("hair_shape", "wavy"), "bangs": ("bangs", "yes"),
    "double chin": ("double_chin", "yes"), "side burn": ("sideburns", "yes"), "earrings": ("earrings", "yes"),
    "goatee": ("goatee", "yes"), "white hair": ("hair_colour", "white"), "blonde hair": ("hair_colour", "blonde"),
    "bald": ("hair_length", "bald"), "old": ("looks_old", "yes"), "narrow eyes": ("narrow_eyes", "yes"),
    "big lips": ("big_lips", "yes"), "pale skin": ("pale_skin", "yes"), "wearing shirt": ("clothing", "shirt"),
    "wearing jacket": ("clothing", "jacket"), "wearing suit": ("clothing", "suit"), "wearing tie": ("tie", "yes"),
    "wearing coat": ("clothing", "coat"), "wearing blazer": ("clothing", "blazer"),
    "wearing hoodie": ("clothing", "hoodie"), "redhead": ("hair_colour", "red"),
    "wearing cloak": ("clothing", "cloak"), "wearing bonnet": ("headwear", "bonnet"), "blemish": ("blemish", "yes"),
    "pompadour": ("pompadour", "yes"), "mustache": ("mustache", "yes"), "wearing necklace": ("necklace", "yes"),
    "wearing sweater": ("clothing", "sweater"), "wearing blouse": ("clothing", "blouse"),
    "wearing cap": ("headwear", "cap"), "wearing scarf": ("scarf", "yes"), "wearing hat": ("headwear", "hat"),
    "wearing dress": ("clothing", "dress"), "wearing headband": ("headwear", "headband"), "mole": ("mole", "yes"),
    "wearing vest": ("clothing", "vest"), "tattoos": ("tattoos", "yes"), "wearing sunglasses": ("sunglasses", "yes"),
    "piercings": ("piercings", "yes"), "wearing beanie": ("headwear", "beanie"),
    "wearing hijab": ("headwear", "hijab"), "ponytail": ("ponytail", "yes"), "scars": ("scars", "yes"),
    "wearing robe": ("clothing", "robe"), "tan": ("tan", "yes"), "wearing ring": ("ring", "yes"),
    "wrinkles": ("wrinkles", "yes"), "wearing hood": ("headwear", "hood"), "wearing backpack": ("backpack", "yes"),
    "wearing bandana": ("headwear", "bandana"), "braids": ("braids", "yes"), "wearing turban": ("headwear", "turban"),
    "pigtails": ("pigtails", "yes"), "dreadlocks": ("dreadlocks", "yes"), "with purse": ("purse", "yes"),
}  # fmt: skip
"""Every word of DH-FaceVid-1K's list of appearances: the attribute and the value that stand for it."""

DH_LIGHT: dict[str, tuple[str, str]] = {
    "dark": ("light", "dark"), "dim": ("light", "dim"), "normal": ("light", "normal"), "bright": ("light", "bright"),
    "outdoor": ("environment", "outdoor"), "natural": ("light_source", "natural"),
    "artificial": ("light_source", "artificial"), "daylight": ("light_source", "daylight"),
}  # fmt: skip
"""Every word of DH-FaceVid-1K's list of light."""

ACTIONS: tuple[str, ...] = (
    "talk", "smile", "wag head", "frown", "gaze", "nod", "shake head", "sing", "glare", "close eyes", "laugh",
    "whisper", "wink", "shout", "sigh", "listen to music", "yawn", "cough", "sneeze", "study", "speak", "sleep",
    "kiss", "pile", "stand", "think", "eat", "drink", "read", "touch", "roll", "rest", "work", "wash", "ride", "drive",
    "play", "hold", "throw", "run", "clutch", "tilt", "hug", "walk",
    # what DH-FaceVid-1K's list lacks and a mesh can show
    "gaze away", "raise brows", "blink", "open mouth",
)  # fmt: skip
"""Names of actions; "blink" is kept among them so that every closing of the eyes has its time."""


def attribute(name: str) -> Attribute:
    """The attribute of that name; raises VocabularyError with those there are."""
    if name not in ATTRIBUTES:
        raise VocabularyError(f"There is no attribute {name!r}; there are {', '.join(ATTRIBUTES)}.")
    return ATTRIBUTES[name]


def check_action(name: str) -> str:
    """The action's name; raises VocabularyError with those there are."""
    if name not in ACTIONS:
        raise VocabularyError(f"There is no action {name!r}; there are {', '.join(ACTIONS)}.")
    return name
