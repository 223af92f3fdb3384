"""Makes a small published dataset whose pictures say which frame they are: a white bar moves, and the mesh with it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import uvicorn

from facevid import media
from facevid.curate.pack import pack_dataset
from facevid.dataset.annotating import update_annotations
from facevid.dataset.statements import Statement
from facevid.web.server import create_app

sys.path.insert(0, str(Path(__file__).parents[1] / "curate"))

CLIPS, FRAMES, SIDE, FPS = 8, 50, 256, 25.0
STEP = 4  # pixels that the bar moves a frame
HAIR = ("black", "brown", "black", "red", "black", "brown", "grey", "black")
"""Hair colour said of each clip, in the order of the dataset."""


def bar_at(frame: int) -> int:
    """Left edge of the bar, which is 8 pixels wide; the mesh's first point lies on its middle."""
    return 8 + STEP * frame


def talking_dataset(folder: Path) -> Path:
    """Publish the dataset in `folder / "dataset"`, with attributes, actions and captions; returns it."""
    from packing import clip_name, work

    names = [clip_name(k) for k in range(CLIPS)]
    for k, name in enumerate(names):
        _cut(folder / "cut" / name, k)
    output = folder / "dataset"
    recipe = {"fps": FPS, "select": {"rules": [{"reason": "sharpness", "score": "sharpness", "min": 0.5}]}}
    pack_dataset(
        output,
        tables=work(folder / "cut", CLIPS),
        clip_folder=folder / "cut",
        recipe=recipe,
        name="talking",
    )
    update_annotations(output, add=[s for k, name in enumerate(sorted(names)) for s in _said(name, k)])
    return output


@contextlib.contextmanager
def served(dataset: Path, token: str) -> Iterator[str]:
    """A live server over a dataset in a thread of this process; gives its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()  # who comes before the server has started waits for it
        app = create_app(dataset, token=token)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def unreviewed(dataset: Path, copy: Path) -> Path:
    """A copy of a dataset without its review."""
    return Path(shutil.copytree(dataset, copy, ignore=shutil.ignore_patterns("review", ".work")))


def _said(clip_id: str, k: int) -> list[Statement]:
    hair = HAIR[k]
    return [
        Statement(clip_id, "attribute", "hair_colour", hair, "measured:hair", 0.8),
        Statement(clip_id, "attribute", "gender", "female" if k % 2 else "male", "self"),
        Statement(clip_id, "action", "talk", "", "measured:mouth", 0.9, 0.2, 1.6),
        Statement(clip_id, "caption", "medium", f"A person with {hair} hair talks.", "measured:grammar"),
    ]


def _cut(place: Path, seed: int) -> None:
    """A clip folder as the step `cut` leaves it."""
    place.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    picture = np.full((SIDE, SIDE, 3), rng.integers(30, 120, 3), np.uint8)
    sound = (0.3 * np.sin(np.arange(int(FRAMES / FPS * 16000)) / 12)).astype(np.float32)
    with media.VideoWriter(place / "clip.mp4", width=SIDE, height=SIDE, fps=FPS, audio_rate=16000) as out:
        for frame in range(FRAMES):
            image = picture.copy()
            image[:, bar_at(frame) : bar_at(frame) + 8] = 255
            out.write(image)
        out.write_audio(sound)
    media.write_flac(place / "speech.flac", sound, 16000)
    # Multiples of a quarter below 256 are exact in float16.
    mesh = np.zeros((FRAMES, 478, 3), np.float16)
    for frame in range(FRAMES):
        mesh[frame, :, 0] = bar_at(frame) + 4 + np.arange(478) % 24
        mesh[frame, :, 1] = 60 + np.arange(478) // 24 * 4 + frame / 4
    np.savez(
        place / "keypoints.npz",
        mesh=mesh,
        pose=np.stack([np.linspace(-20, 20, FRAMES)] * 3, axis=1).astype(np.float32),
        box=np.stack([[bar_at(f), 50, bar_at(f) + 40, 200] for f in range(FRAMES)]).astype(np.float32),
    )
    members = {
        p.name: {"bytes": p.stat().st_size, "sha256": hashlib.sha256(p.read_bytes()).hexdigest()}
        for p in sorted(place.iterdir())
    }
    meta = {"clip_id": place.name, "frames": FRAMES, "fps": FPS, "width": SIDE, "height": SIDE, "audio": True,
            "chips": 0, "members": members}  # fmt: skip
    (place / "meta.json").write_text(json.dumps(meta))
