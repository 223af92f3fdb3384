"""Pictures for image-to-video: read, cut to the face as clips are, and brought to the model's size."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facevid import backends
from facevid.curate.crop import crop_square, even_squares
from facevid.curate.pose import face_height, mesh_box
from facevid.curate.stills import LARGEST, look_for_faces, settled_mesh
from facevid.generate.errors import GenerateError
from facevid.recipe import Crop, Recipe, load_recipe

Image = NDArray[np.uint8]
Box = tuple[int, int, int, int]
_TIGHT = 0.7
"""Below this share of the square that clips have, the face is said to fill more of the picture than theirs do."""


@dataclass(frozen=True)
class Picture:
    """A picture as a model is given it.

    image: uint8 (height, width, 3) RGB. sha256: of the file, or of the pixels where an array was given. box: what was
    kept of the upright original, x0, y0, x1, y1 in its pixels. notes: sentences on what a person should know.
    """

    image: Image
    sha256: str
    box: Box
    notes: list[str] = field(default_factory=list)


class PictureReader:
    """Prepares pictures; the models that find faces load with the first picture that is cut.

    crop: margins around the face, of the recipe that the training clips were cut by; None: of the default recipe.
    cut: False takes pictures as they are, but for a centred cut to the model's aspect.
    """

    def __init__(self, *, crop: Mapping[str, Any] | None = None, cut: bool = True) -> None:
        self._recipe: Recipe = load_recipe(None if crop is None else {"crop": dict(crop)})
        self._cut = cut
        self._found_by: tuple[Any, Any] | None = None

    def read(self, source: str | Path | Image, *, width: int, height: int) -> Picture:
        """A picture of width x height from a file (JPEG, PNG, WebP, ...; turned as its EXIF says) or RGB array.

        Raises GenerateError where it cannot be read, or does not show exactly one face.
        """
        image, sha256, name = _opened(source)
        box: Box = (0, 0, image.shape[1], image.shape[0])
        notes: list[str] = []
        if self._cut:
            box = self._face_square(image, name, notes)
        box = _aspect(box, width, height)
        part = image[box[1] : box[3], box[0] : box[2]]
        if part.shape[0] < height or part.shape[1] < width:
            notes.append(
                f"{name}: what is kept is {part.shape[1]}x{part.shape[0]} pixels and is enlarged to {width}x{height}."
            )
        return Picture(_scaled(part, width, height), sha256, box, notes)

    def _face_square(self, image: Image, name: str, notes: list[str]) -> Box:
        detector, mesh = self._models()
        share = min(1.0, LARGEST / max(image.shape[:2]))
        small = image
        if share < 1:
            small = np.asarray(
                cv2.resize(image, None, fx=share, fy=share, interpolation=cv2.INTER_AREA), np.uint8
            )
        still = look_for_faces(small, detector, self._recipe.analyze)
        if not still.faces:
            raise GenerateError(
                f"No face was found in {name}. Give a picture of one face from the front, in good light, or take the "
                "picture as it is with --no-crop (crop=False)."
            )
        if len(still.faces) > 1:
            raise GenerateError(
                f"{name} shows {len(still.faces)} faces. Cut out the one that is meant, or take the picture as it is "
                "with --no-crop (crop=False)."
            )
        points = settled_mesh(still, still.faces[0], mesh)
        if points is None:
            raise GenerateError(
                f"The face in {name} is seen too badly to be measured. Give one from the front, in good light, or "
                "take the picture as it is with --no-crop (crop=False)."
            )
        tall = face_height(points) / share
        x0, y0, x1, y1 = ((v - still.margin) / share for v in mesh_box(points))
        settings = self._recipe.crop
        size = (float(image.shape[1]), float(image.shape[0]))
        square = crop_square((x0, y0, x1, y1), tall, size, settings)
        if (square[2] - square[0]) < _TIGHT * _wanted(x1 - x0, y1 - y0, tall, settings):
            notes.append(
                f"{name}: the picture ends close around the face, which will be larger than in most clips; one with "
                "the shoulders in it suits the model better."
            )
        even = even_squares(np.array([square]), np.array([size]))[0]
        return int(even[0]), int(even[1]), int(even[2]), int(even[3])

    def _models(self) -> tuple[Any, Any]:
        if self._found_by is None:
            names = self._recipe.backends
            self._found_by = (
                backends.load("face_detector", names.face_detector),
                backends.load("face_mesh", names.face_mesh),
            )
        return self._found_by


def _opened(source: str | Path | Image) -> tuple[Image, str, str]:
    """Pixels, SHA-256 and a name for messages."""
    if isinstance(source, np.ndarray):
        if source.dtype != np.uint8 or source.ndim != 3 or source.shape[2] != 3 or not source.size:
            raise GenerateError(
                f"The image is an array of {source.dtype} {source.shape}; uint8 (height, width, 3), RGB, is needed."
            )
        return source, hashlib.sha256(np.ascontiguousarray(source).tobytes()).hexdigest(), "the image"
    path = Path(source)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise GenerateError(f"There is no image {path}. Check the path.") from None
    except OSError as error:
        raise GenerateError(f"The image {path} cannot be read: {error.strerror}.") from None
    return _decoded(data, path), hashlib.sha256(data).hexdigest(), path.name


def _decoded(data: bytes, path: Path) -> Image:
    """Upright RGB of a picture's bytes; what is transparent is white."""
    import PIL.Image
    import PIL.ImageOps

    try:
        with PIL.Image.open(io.BytesIO(data)) as opened:
            upright = PIL.ImageOps.exif_transpose(opened)
            if upright.has_transparency_data:
                upright = upright.convert("RGBA")
                white = PIL.Image.new("RGBA", upright.size, (255, 255, 255, 255))
                upright = PIL.Image.alpha_composite(white, upright)
            return np.ascontiguousarray(np.asarray(upright.convert("RGB"), np.uint8))
    except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError) as error:
        raise GenerateError(
            f"{path} cannot be read as a picture ({_why(error)}). Give a whole JPEG, PNG or WebP file."
        ) from None


def _wanted(wide: float, high: float, tall: float, settings: Crop) -> float:
    """Side of the square that a clip would have where the picture is large enough."""
    return max(wide + 2 * settings.sides * tall, high + (settings.above + settings.below) * tall)


def _aspect(box: Box, width: int, height: int) -> Box:
    """The largest part in the middle of a box with the aspect of width x height."""
    wide, high = box[2] - box[0], box[3] - box[1]
    share = min(wide / width, high / height)
    keep_w, keep_h = min(wide, max(1, round(width * share))), min(high, max(1, round(height * share)))
    left, top = box[0] + (wide - keep_w) // 2, box[1] + (high - keep_h) // 2
    return left, top, left + keep_w, top + keep_h


def _scaled(part: Image, width: int, height: int) -> Image:
    # By area where it shrinks, as the frames of clips are; area averaging cannot enlarge.
    how = cv2.INTER_AREA if part.shape[1] >= width and part.shape[0] >= height else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(np.ascontiguousarray(part), (width, height), interpolation=how), np.uint8)


def _why(error: Exception) -> str:
    """Pillow names the bytes that it was given by their place in memory, which tells nobody anything."""
    import PIL

    return (
        "it is none, or of an unknown format" if isinstance(error, PIL.UnidentifiedImageError) else str(error)
    )
