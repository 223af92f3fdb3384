"""One small picture of a clip, as the pages and the report show it."""

from __future__ import annotations

import cv2
import numpy as np

from facevid import media

_FRAME = 12
"""Decoding stops here: the picture half a second in costs a tenth of the one in the middle of a clip."""
_QUALITY = 82


def jpeg_of(mp4: bytes, *, frames: int, width: int) -> bytes:
    """A JPEG of a clip of so many frames, `width` pixels wide. Raises MediaError where the clip does not decode."""
    picture = media.read_clip_frames(mp4, [min(frames // 2, _FRAME)])[0]
    height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    done, data = cv2.imencode(
        ".jpg", np.ascontiguousarray(small[:, :, ::-1]), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    )
    if not done:
        raise media.MediaError("unreadable", "The picture of the clip cannot be encoded as JPEG.")
    return data.tobytes()
