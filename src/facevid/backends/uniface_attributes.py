"""Age, gender, ethnicity and emotion by the models of uniface, whose weight files come through `weights.resolve`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import BackendError, import_cv2, import_part, package_version
from .protocols import FaceGuess, Floats, Image
from .weights import resolve, weights_tag

USED_FOR = "the face attributes (uniface)"
INSTALL = "'facevid[models]'"
PARTS = {"fairface": "fairface", "age_gender": "genderage", "emotion": "affectnet8"}
"""Name of a part and the weights it needs."""

ETHNICITY = {
    "White": "white",
    "Black": "black",
    "Latino Hispanic": "latino",
    "East Asian": "east_asian",
    "Southeast Asian": "southeast_asian",
    "Indian": "indian",
    "Middle Eastern": "middle_eastern",
}
EMOTION = {
    "Neutral": "neutral",
    "Happy": "happy",
    "Sad": "sad",
    "Surprise": "surprise",
    "Fear": "fear",
    "Disgust": "disgust",
    "Angry": "angry",
    "Contempt": "contempt",
}
AGE_OF_GROUP = {
    "0-2": 1.0,
    "3-9": 6.0,
    "10-19": 14.5,
    "20-29": 24.5,
    "30-39": 34.5,
    "40-49": 44.5,
    "50-59": 54.5,
    "60-69": 64.5,
    "70+": 75.0,
}
"""The middle of FairFace's age groups in years; of the last, which is open, an assumption."""

FIVE_POINTS = (468, 473, 1, 61, 291)
"""Mesh points that stand for the five of uniface's alignment: eyes, nose tip, mouth corners, picture's left first."""

Probabilities = dict[str, NDArray[np.float64]]


class UnifaceAttributes:
    """Guesses by up to three models, each averaged over all pictures of the face before its best class is taken.

    parts: "fairface" (ethnicity in 7 classes, gender, age in 9 groups), "emotion" (8 classes of AffectNet; needs
    torch) and "age_gender" (InsightFace's age in years and gender; its weights are for research that is not
    commercial, so it is asked for by name). Pictures are prepared by uniface's own code; the sessions are opened
    here, since uniface bounds no threads and fetches weights on its own. Raises BackendError with what to do when
    uniface, torch or a weight file is missing. Where it fails: perceived traits are not identities, all three models
    are less accurate on small, turned or dark faces, and FairFace's authors report lower accuracy for the classes
    Latino and Middle Eastern than for the others.
    """

    name = "uniface"

    def __init__(self, *, threads: int = 1, parts: Sequence[str] = ("fairface", "emotion")) -> None:
        unknown = [part for part in parts if part not in PARTS]
        if unknown or not parts:
            raise BackendError(f"{USED_FOR} has no part {unknown}; allowed parts: {', '.join(PARTS)}.")
        import_cv2(threads=threads, used_for=USED_FOR)
        import_part("uniface", package="uniface", used_for=USED_FOR, install=INSTALL)
        paths = {part: resolve(PARTS[part]) for part in parts}
        load = {"fairface": _fairface, "age_gender": _age_gender, "emotion": _emotion}
        self._models = {part: load[part](path, threads) for part, path in paths.items()}
        self.version = f"uniface {package_version('uniface')} weights {weights_tag(*paths.values())}"

    def read(self, images: Image, meshes: Floats) -> list[FaceGuess]:
        """Guesses about the face of (k, h, w, 3) uint8 RGB images with meshes (k, 478, 2 or 3) in their pixels.

        A mesh of NaN, or one outside its picture, is passed over; without any left the list is empty.
        """
        if images.ndim != 4 or images.shape[-1] != 3 or images.dtype != np.uint8:
            raise BackendError(
                f"Pictures must be uint8 of shape (k, h, w, 3), not {images.dtype} {images.shape}."
            )
        if meshes.ndim != 3 or meshes.shape[:2] != (len(images), 478):
            raise BackendError(f"Meshes must have shape ({len(images)}, 478, 2 or 3), not {meshes.shape}.")
        guesses: list[FaceGuess] = []
        for part, model in self._models.items():
            seen = [model(image, box, points) for image, box, points in _faces(images, meshes)]
            if seen:
                mean = {key: np.mean([one[key] for one in seen], axis=0) for key in seen[0]}
                guesses += _GUESSES[part](mean)
        return guesses


Model = Callable[[Image, Floats, Floats], Probabilities]


def _faces(images: Image, meshes: Floats) -> Iterator[tuple[Image, Floats, Floats]]:
    """Each picture as uniface wants it (BGR), its face's box x0, y0, x1, y1 and five points."""
    for image, mesh in zip(images, meshes, strict=True):
        flat = mesh[:, :2].astype(np.float32)
        if not np.isfinite(flat).all():
            continue
        low, high = flat.min(0), flat.max(0)
        height, width = image.shape[:2]
        # Less than a pixel of face inside the picture leaves nothing to crop.
        if (np.minimum(high, (width, height)) - np.maximum(low, 0) < 1).any():
            continue
        yield np.ascontiguousarray(image[..., ::-1]), np.concatenate([low, high]), flat[list(FIVE_POINTS)]


def _fairface(path: Path, threads: int) -> Model:
    module = _module("fairface")
    model: Any = object.__new__(module.FairFace)
    # uniface's constructor would fetch the file itself; these are what its preprocess reads.
    model.input_size = (224, 224)
    session = _session(path, threads)
    if len(session.get_outputs()) != 3:
        raise _wrong(path, "has not the three outputs race, gender, age")
    name = session.get_inputs()[0].name

    def run(image: Image, box: Floats, points: Floats) -> Probabilities:
        race, gender, age = session.run(None, {name: model.preprocess(image, box)})
        return {"race": _softmax(race[0]), "gender": _softmax(gender[0]), "age": _softmax(age[0])}

    return run


def _age_gender(path: Path, threads: int) -> Model:
    module = _module("age_gender")
    model: Any = object.__new__(module.AgeGender)
    session = _session(path, threads)
    entry = session.get_inputs()[0]
    # Of an input whose size is free: InsightFace trained it at 96 pixels.
    size = tuple(v if isinstance(v, int) else 96 for v in entry.shape[2:4])
    model.input_size = size

    def run(image: Image, box: Floats, points: Floats) -> Probabilities:
        out = session.run(None, {entry.name: model.preprocess(image, box)})[0][0]
        return {"gender": _softmax(out[:2]), "years": np.array([100.0 * out[2]])}

    return run


def _emotion(path: Path, threads: int) -> Model:
    torch = import_part("torch", package="torch", used_for="the emotions of uniface")
    module = _module("emotion")
    torch.set_num_threads(threads)
    model: Any = object.__new__(module.Emotion)
    model.input_size, model.device = (112, 112), torch.device("cpu")
    try:
        network = torch.jit.load(str(path), map_location="cpu").eval()
    except RuntimeError as error:
        raise _wrong(path, f"is not a TorchScript model ({str(error).splitlines()[0]})") from error

    def run(image: Image, box: Floats, points: Floats) -> Probabilities:
        with torch.no_grad():
            out = network(model.preprocess(image, points))
        logits = out[0] if isinstance(out, tuple) else out
        return {"emotion": _softmax(logits.numpy()[0])}

    return run


def _guess_fairface(mean: Probabilities) -> list[FaceGuess]:
    ages = dict(zip(AGE_OF_GROUP, mean["age"].tolist(), strict=True))
    years = sum(AGE_OF_GROUP[group] * p for group, p in ages.items())
    return [
        _best("ethnicity", ETHNICITY, mean["race"], "fairface"),
        _best("gender", {"Male": "male", "Female": "female"}, mean["gender"], "fairface"),
        FaceGuess("age", f"{years:.0f}", max(ages.values()), "fairface", ages),
    ]


def _guess_age_gender(mean: Probabilities) -> list[FaceGuess]:
    years = min(max(float(mean["years"][0]), 0.0), 100.0)
    return [
        _best("gender", {"Female": "female", "Male": "male"}, mean["gender"], "genderage"),
        FaceGuess("age", f"{years:.0f}", None, "genderage"),
    ]


def _guess_emotion(mean: Probabilities) -> list[FaceGuess]:
    return [_best("emotion", EMOTION, mean["emotion"], "affectnet8")]


_GUESSES: dict[str, Callable[[Probabilities], list[FaceGuess]]] = {
    "fairface": _guess_fairface,
    "age_gender": _guess_age_gender,
    "emotion": _guess_emotion,
}


def _best(name: str, words: dict[str, str], mean: NDArray[np.float64], model: str) -> FaceGuess:
    """The most probable class; `words` has the model's classes in its own order with our word for each."""
    if len(mean) != len(words):
        raise BackendError(
            f"The model {model} gives {len(mean)} classes of {name}, not the {len(words)} it should; "
            "take the file named in docs/licences.md."
        )
    scores = dict(zip(words, mean.tolist(), strict=True))
    best = max(scores, key=lambda label: scores[label])
    return FaceGuess(name, words[best], min(scores[best], 1.0), model, scores)


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    powers = np.exp(logits.astype(np.float64) - float(logits.max()))
    return np.asarray(powers / powers.sum())


def _module(name: str) -> Any:
    return import_part(f"uniface.attribute.{name}", package="uniface", used_for=USED_FOR, install=INSTALL)


def _session(path: Path, threads: int) -> Any:
    runtime = import_part("onnxruntime", package="onnxruntime", used_for=USED_FOR)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    errors = runtime.capi.onnxruntime_pybind11_state
    try:
        return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except (errors.Fail, errors.InvalidProtobuf, errors.InvalidGraph, errors.NoSuchFile) as error:
        raise _wrong(path, f"is not an ONNX model ({error})") from error


def _wrong(path: Path, what: str) -> BackendError:
    return BackendError(f"The weight file {path} {what}; replace it by the file named in docs/licences.md.")
