"""What people say: short sentences put together by a seeded grammar, in the languages of the voices."""

from __future__ import annotations

import numpy as np

# language -> four columns; a sentence is one phrase of each
GRAMMAR: dict[str, tuple[tuple[str, ...], ...]] = {
    "en": (
        (
            "In the morning",
            "Last summer",
            "After the storm",
            "To our surprise",
            "As far as I know",
            "Every evening",
        ),
        (
            "my neighbour",
            "the old doctor",
            "a friend of mine",
            "our teacher",
            "the whole village",
            "her brother",
        ),
        (
            "walked down to",
            "wrote a letter about",
            "kept asking for",
            "painted a picture of",
            "dreamed about",
            "found",
        ),
        (
            "the river.",
            "a small blue boat.",
            "the missing key.",
            "five happy people.",
            "that empty house.",
            "the market.",
        ),
    ),
    "de": (
        (
            "Am Morgen",
            "Im letzten Sommer",
            "Nach dem Gewitter",
            "Zum Glück",
            "Jeden Abend",
            "Vor vielen Jahren",
        ),
        ("malte", "suchte", "fand", "besuchte", "zeigte uns", "vergaß"),
        (
            "mein Nachbar",
            "die alte Ärztin",
            "ein guter Freund",
            "unsere Lehrerin",
            "der Müller",
            "ihre Schwester",
        ),
        (
            "den Fluss.",
            "ein kleines Boot.",
            "das leere Haus.",
            "den Marktplatz.",
            "die blaue Tür.",
            "einen weißen Vogel.",
        ),
    ),
    "fr": (
        ("Ce matin", "L'été dernier", "Après la pluie", "Chaque soir", "Par bonheur", "Il y a longtemps"),
        ("mon voisin", "la vieille dame", "un bon ami", "notre maître", "sa petite soeur", "le boulanger"),
        ("a trouvé", "a peint", "cherchait", "nous montrait", "aimait beaucoup", "a oublié"),
        (
            "la rivière.",
            "un petit bateau bleu.",
            "la maison vide.",
            "le marché.",
            "une belle chanson.",
            "son parapluie.",
        ),
    ),
    "es": (
        (
            "Por la mañana",
            "El verano pasado",
            "Después de la lluvia",
            "Cada noche",
            "Por suerte",
            "Hace muchos años",
        ),
        ("mi vecino", "la vieja doctora", "un buen amigo", "nuestra maestra", "su hermano", "todo el pueblo"),
        ("encontró", "pintaba", "buscaba", "nos mostró", "visitaba", "olvidó"),
        (
            "el río.",
            "un pequeño barco azul.",
            "la casa vacía.",
            "el mercado.",
            "una canción muy bonita.",
            "su sombrero.",
        ),
    ),
    "it": (
        ("Questa mattina", "L'estate scorsa", "Dopo la pioggia", "Ogni sera", "Per fortuna", "Molti anni fa"),
        (
            "il mio vicino",
            "la vecchia signora",
            "un buon amico",
            "la nostra maestra",
            "suo fratello",
            "tutto il paese",
        ),
        ("ha trovato", "dipingeva", "cercava", "ci ha mostrato", "visitava", "ha dimenticato"),
        (
            "il fiume.",
            "una piccola barca blu.",
            "la casa vuota.",
            "il mercato.",
            "una bella canzone.",
            "il suo ombrello.",
        ),
    ),
}


def sentence(language: str, rng: np.random.Generator) -> str:
    """One of 1,296 sentences in `language` (an espeak-ng name such as "en-us")."""
    columns = GRAMMAR[language.split("-")[0]]
    return " ".join(column[int(rng.integers(len(column)))] for column in columns)
