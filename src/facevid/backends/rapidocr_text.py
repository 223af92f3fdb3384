"""Text found and read by PP-OCRv6 small, from the weights inside the rapidocr wheel."""

from __future__ import annotations

import numpy as np

from .errors import import_cv2, import_part, package_version
from .protocols import Floats, Image, TextBox
from .weights import resolve, weights_tag

LARGEST = 0.4


class RapidocrTextDetector:
    """PP-OCRv6 small through ONNX Runtime: detection on the whole image, recognition only of boxes found.

    Text is taken to be upright; the orientation classifier is not loaded. Nothing is ever downloaded. On
    a face that fills the image the detector tends to box the whole face, then read as one character; a
    box of more than 0.4 of the image is therefore no line of text. Capitals under 2 % of the image's
    height are often missed at the default size; single characters and lines of confidence below .6 are
    often no text at all.
    """

    name = "rapidocr"

    def __init__(
        self,
        *,
        threads: int = 1,
        max_side: int = 384,
        min_box_score: float = 0.5,
        min_confidence: float = 0.5,
    ) -> None:
        """max_side: the longer side the detector sees, in pixels; min_box_score, min_confidence: 0 to 1."""
        used_for = "the text detector (rapidocr)"
        import_cv2(threads=threads, used_for=used_for)
        import_part("onnxruntime", package="onnxruntime", used_for=used_for)
        rapidocr = import_part("rapidocr", package="rapidocr", used_for=used_for)
        found, read = resolve("ppocr-det"), resolve("ppocr-rec")
        self._ocr = rapidocr.RapidOCR(
            params={
                "Global.log_level": "critical",
                "Global.use_cls": False,
                "Global.text_score": min_confidence,
                "EngineConfig.onnxruntime.intra_op_num_threads": threads,
                "EngineConfig.onnxruntime.inter_op_num_threads": threads,
                "Det.model_path": str(found),
                "Det.limit_side_len": max_side,
                "Det.limit_type": "max",
                "Det.box_thresh": min_box_score,
                "Rec.model_path": str(read),
            }
        )
        self.version = f"rapidocr {package_version('rapidocr')} weights {weights_tag(found, read)}"

    def read(self, image: Image) -> list[TextBox]:
        """The lines of text in `image`, top to bottom."""
        result = self._ocr(np.ascontiguousarray(image[:, :, ::-1]))
        boxes = getattr(result, "boxes", None)
        texts, scores = getattr(result, "txts", None), getattr(result, "scores", None)
        if boxes is None or texts is None or scores is None:
            return []
        limit = LARGEST * image.shape[0] * image.shape[1]
        lines = [
            TextBox(quad=np.asarray(quad, dtype=np.float32), text=str(text), confidence=float(score))
            for quad, text, score in zip(boxes, texts, scores, strict=True)
        ]
        return [line for line in lines if _area(line.quad) <= limit]


def _area(quad: Floats) -> float:
    """Area of a quadrangle by the shoelace formula."""
    x, y = quad[:, 0], quad[:, 1]
    return 0.5 * abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))))
