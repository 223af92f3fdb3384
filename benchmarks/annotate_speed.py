"""What measuring a clip costs, part by part, against decoding it once.

    python benchmarks/annotate_speed.py DATASET [--clips 40] [--workers 2]

First one process measures the clips part by part, then `--workers` processes measure them as `facevid annotate` does,
models loaded before. What counts is processor time, so that other work on the machine counts little; wall time is
printed too. Exit code 1 where the workers, each with a core of its own, would run at less than 8 times real time.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from io import BytesIO
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

import facevid
from facevid.annotate.actions import measure_actions
from facevid.annotate.expression import measure_dynamic
from facevid.annotate.face_looks import measure_face
from facevid.annotate.hair import measure_hair
from facevid.annotate.light import measure_light
from facevid.annotate.measure import load_models, measure_step, models
from facevid.annotate.observe import heard, look, look_at
from facevid.annotate.observed import Observed
from facevid.annotate.skin import measure_skin
from facevid.dataset import Clip
from facevid.recipe import load_recipe

REALTIME_LIMIT = 8.0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    dataset = facevid.open(arguments.dataset)
    clips = [clip for clip, _ in zip(dataset, range(arguments.clips), strict=False)]
    seconds = sum(float(clip["frames"]) / float(clip["fps"]) for clip in clips)
    load_models(load_recipe())
    spent: Counter[str] = Counter()
    decoded = 0.0
    for clip in clips:
        parts(clip, spent)
        began = time.process_time()
        decode(clip.read("mp4"))
        decoded += time.process_time() - began
    whole = sum(spent.values())
    print(f"{len(clips)} clips of {seconds / len(clips):.1f} s; processor time a clip, one process")
    for name, cost in spent.most_common():
        print(f"  {name:28}{1000 * cost / len(clips):7.1f} ms{cost / whole:7.1%}")
    print(f"  {'all':28}{1000 * whole / len(clips):7.1f} ms{seconds / whole:7.1f} times real time")
    print(
        f"  {'decoding every frame once':28}{1000 * decoded / len(clips):7.1f} ms{whole / decoded:7.2f} : 1"
    )
    wall, busy = measured_together(dataset, len(clips), arguments.workers)
    realtime = arguments.workers * seconds / busy
    print(
        f"{arguments.workers} processes: {realtime:.1f} times real time, a core each; {seconds / wall:.1f} as it ran"
    )
    return 0 if realtime >= REALTIME_LIMIT else 1


def parts(clip: Clip, spent: Counter[str]) -> None:
    """Measure one clip as `measure_step` does, and add the processor seconds of each part."""

    def timed(name: str, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        began = time.process_time()
        result = function(*args, **options)
        spent[name] += time.process_time() - began
        return result

    recipe = load_recipe()
    ready = models(recipe.backends.person_segmenter, recipe.backends.speech_detector)
    frames, fps = int(clip["frames"]), float(clip["fps"])
    at = look_at(frames, recipe.annotate.looks)
    mesh, pose = timed("mesh and pose, read", lambda: (clip.mesh.astype(np.float32), clip.pose))
    images, upper = timed("pictures, brows and eyes", look, clip, mesh, at)
    masks = timed("person masks", lambda: np.stack([ready.segmenter.mask(image) for image in images]))
    speech = level = None
    if clip.has_audio:
        speech, level = timed("sound", lambda: heard(clip.speech(), ready.speech, frames=frames, fps=fps))
    seen = Observed(fps, mesh, pose, at, images, masks, speech, level, upper)
    acts = timed("actions", measure_actions, seen)
    timed("expression", measure_dynamic, seen, acts)
    timed("hair", measure_hair, seen)
    timed("light", measure_light, seen)
    timed("skin tone", measure_skin, seen)
    timed("glasses, beard, lips", measure_face, seen)


def decode(data: bytes) -> int:
    """Decode every frame of a clip with one thread and throw it away."""
    with av.open(BytesIO(data)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        return sum(1 for _ in container.decode(stream))


def measured_together(dataset: facevid.dataset.Dataset, count: int, workers: int) -> tuple[float, float]:
    """Wall and processor seconds in which `workers` processes, models loaded, measure the first `count` clips."""
    places = [{"_place": place} for place, _ in zip(dataset.places(), range(count), strict=False)]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=ready_worker) as pool:
        list(pool.map(measured, places[: 2 * workers]))
        began = time.perf_counter()
        busy = sum(pool.map(measured, places))
        return time.perf_counter() - began, busy


def ready_worker() -> None:
    cv2.setNumThreads(1)
    load_models(load_recipe())


def measured(payload: dict[str, Any]) -> float:
    """Processor seconds that `measure_step` takes for one clip."""
    began = time.process_time()
    measure_step(payload, load_recipe())
    return time.process_time() - began


if __name__ == "__main__":
    sys.exit(main())
