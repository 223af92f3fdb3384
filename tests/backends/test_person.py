"""The person mask covers faces and leaves out the walls behind them."""

from __future__ import annotations

import numpy as np
import pytest

from facevid import backends

from .conftest import Image


@pytest.fixture(scope="module")
def segmenter() -> backends.PersonSegmenter:
    return backends.load("person_segmenter", "mediapipe")


def test_mask_has_the_shape_of_the_picture_and_values_from_0_to_1(
    segmenter: backends.PersonSegmenter,
) -> None:
    for shape in ((120, 200, 3), (257, 131, 3)):
        mask = segmenter.mask(np.full(shape, 128, np.uint8))
        assert mask.shape == shape[:2]
        assert mask.dtype == np.float32
        assert 0 <= mask.min() <= mask.max() <= 1


def test_faces_are_person_and_upper_corners_are_not(
    segmenter: backends.PersonSegmenter, detector: backends.FaceDetector, faces: dict[str, list[Image]]
) -> None:
    for name, (image, _) in faces.items():
        mask = segmenter.mask(image)
        x0, y0, x1, y1 = (round(v) for v in detector.detect(image)[0].box)
        assert mask[y0 + (y1 - y0) // 4 : y1, x0 + (x1 - x0) // 4 : x1 - (x1 - x0) // 4].mean() > 0.95, name
        corner = image.shape[0] // 16
        assert min(mask[:corner, :corner].mean(), mask[:corner, -corner:].mean()) < 0.05, name


def test_the_same_picture_gives_the_same_mask_whatever_came_before(
    segmenter: backends.PersonSegmenter, faces: dict[str, list[Image]]
) -> None:
    first = segmenter.mask(faces["d3"][0])
    segmenter.mask(faces["kh"][0])
    assert segmenter.mask(faces["d3"][0]).tobytes() == first.tobytes()


def test_version_names_the_package_and_the_weights(segmenter: backends.PersonSegmenter) -> None:
    assert segmenter.version.startswith("mediapipe 0.10.21 weights ")
