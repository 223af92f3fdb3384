"""Measures how the sharpness score falls when real faces are blurred by a known share of their width.

    python benchmarks/sharpness_curve.py CLIP... [--frames 6]

The source of the threshold on `sharpness` in the default recipe; its table stands in docs/scores.md.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from facevid import backends, media
from facevid.curate.pose import mesh_box
from facevid.curate.quality import face_measures
from facevid.recipe import load_recipe

BLURS = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
"""Standard deviations of the Gaussian, in percent of the face's width."""


def main() -> int:
    """Print the table over all clips, and where each crosses the default threshold."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--frames", type=int, default=6)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    threshold = next(r.min for r in load_recipe().select.rules if r.score == "sharpness")
    assert threshold is not None
    curves = []
    for path in given.clips:
        frames = blurred_sharpness(path, given.frames)
        if not len(frames):
            print(f"{path.name}: no face in {given.frames} frames")
            continue
        curves.append(np.median(frames, axis=0))
        values = "  ".join(f"{v:5.2f}" for v in curves[-1])
        print(f"{path.name:20s} {values}   crosses {threshold} at {crossing(curves[-1], threshold):.2f} %")
    if not curves:
        return 1
    for name, of in (("min", np.min), ("median", np.median), ("max", np.max)):
        print(f"{name:20s} " + "  ".join(f"{v:5.2f}" for v in of(curves, axis=0)))
    print(f"{'blur %':20s} " + "  ".join(f"{b:5.1f}" for b in BLURS))
    print(f"the median curve crosses {threshold} at {crossing(np.median(curves, axis=0), threshold):.2f} %")
    return 0


def blurred_sharpness(path: Path, frames: int) -> NDArray[np.float64]:
    """Sharpness of the largest face in some frames of a clip, (frames with a face, blurs)."""
    detector, mesher = backends.load("face_detector", "mediapipe"), backends.load("face_mesh", "mediapipe")
    total = int(media.probe(path).duration_s * 25)
    wanted = set(np.linspace(5, max(5, total - 5), frames).astype(int).tolist())
    rows = []
    with media.VideoReader(path, fps=25) as video:
        for frame in video:
            faces = detector.detect(frame.image) if frame.index in wanted else []
            if not faces:
                continue
            start = max(faces, key=lambda f: f.box[3] - f.box[1]).box
            tracker = mesher.tracker()
            # The first mesh starts from the detector's rough box; the next ones look where the mesh was.
            mesh = [tracker.update(frame.image, start) for _ in range(3)][-1]
            if mesh is None:
                continue
            box = mesh_box(mesh)
            rows.append([_sharpness(frame.image, mesh, box, b * (box[2] - box[0]) / 100) for b in BLURS])
    return np.array(rows)


def crossing(curve: NDArray[np.float64], threshold: float) -> float:
    """The blur at which a falling curve passes the threshold, linear in the logarithm; nan where it does not."""
    for left, right, above, below in zip(BLURS, BLURS[1:], curve, curve[1:], strict=False):
        if above >= threshold > below:
            return left + (right - left) * float(np.log(above / threshold) / np.log(above / below))
    return float("nan")


def _sharpness(
    image: NDArray[np.uint8], mesh: NDArray[np.float32], box: tuple[float, ...], sigma: float
) -> float:
    blurred = image if sigma == 0 else np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)
    return face_measures(blurred, mesh, (box[0], box[1], box[2], box[3]))["sharpness"]


if __name__ == "__main__":
    sys.exit(main())
