"""Which pixels show the person in front, from the weights inside the mediapipe wheel."""

from __future__ import annotations

import numpy as np

from .errors import BackendError, import_cv2
from .mediapipe_graph import bounded, import_mediapipe, outputs_of, quiet_stderr, version_of
from .protocols import Floats, Image


class MediapipePersonSegmenter:
    """mediapipe Selfie Segmentation, general model (256 x 256 input); calls are independent.

    Made for one person within about 2 m of the camera. The outline is soft over some 3 pixels of the model's own
    256; hair that stands off the head and things held in the hand come and go.
    """

    name = "mediapipe"

    def __init__(self, *, threads: int = 1) -> None:
        used_for = "the person segmenter (mediapipe)"
        import_cv2(threads=threads, used_for=used_for)
        mediapipe = import_mediapipe(threads=threads, used_for=used_for)
        with quiet_stderr():
            solution = mediapipe.solutions.selfie_segmentation.SelfieSegmentation
            self._graph = bounded(solution, threads=threads)(model_selection=0)
            self._graph.process(np.zeros((64, 64, 3), np.uint8))
        self.version = version_of("selfie_segmentation/selfie_segmentation.tflite")

    def mask(self, image: Image) -> Floats:
        """(h, w) float32, 0 background to 1 person, for each pixel of `image`."""
        seen = outputs_of(self._graph, np.ascontiguousarray(image)).segmentation_mask
        if seen is None:
            raise BackendError(f"mediapipe gave no person mask for a picture of shape {image.shape}.")
        return np.clip(np.array(seen, np.float32).reshape(image.shape[:2]), 0.0, 1.0)
