"""Text found and read by PP-OCRv6 small, from the weights inside the rapidocr wheel."""

from __future__ import annotations

import numpy as np

from .errors import import_cv2, import_part, package_version
from .protocols import Image, TextBox
from .weights import resolve, weights_tag


class RapidocrTextDetector:
    """PP-OCRv6 small through ONNX Runtime: detection on the whole image, recognition only of boxes found.

    Text is taken to be upright; the orientation classifier is not loaded. Nothing is ever downloaded.
    """

    name = "rapidocr"

    def __init__(
        self,
        *,
        threads: int = 1,
        max_side: int = 480,
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
        return [
            TextBox(quad=np.asarray(quad, dtype=np.float32), text=str(text), confidence=float(score))
            for quad, text, score in zip(boxes, texts, scores, strict=True)
        ]
