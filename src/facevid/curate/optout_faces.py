"""Pictures in an opt-out list: the one face in each, as an embedding that clips are compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from facevid import backends
from facevid.backends import BackendError
from facevid.curate.optout import Entry, OptOut, OptOutError
from facevid.curate.stills import LARGEST, look_for_faces, settled_mesh
from facevid.recipe import Recipe

Image = NDArray[np.uint8]
Floats = NDArray[np.float32]


def embed_faces(opt_out: OptOut, listed: Path, recipe: Recipe) -> OptOut:
    """The list with the embedding of every picture's face.

    Raises OptOutError for a picture that cannot be read or does not show exactly one face: it could not be honoured.
    """
    if not opt_out.of("face"):
        return opt_out
    names = recipe.backends
    detector = backends.load("face_detector", names.face_detector, threads=1)
    mesh = backends.load("face_mesh", names.face_mesh, threads=1)
    embedder = backends.load("face_embedder", names.face_embedder, threads=1)

    def embedded(entry: Entry) -> Entry:
        def refuse(why: str) -> OptOutError:
            return OptOutError(f"{listed}, line {entry.line}: the picture {entry.value} {why}.")

        image = _read(Path(entry.value))
        if image is None:
            raise refuse("cannot be read as a picture; give a JPEG or PNG file")
        still = look_for_faces(image, detector, recipe.analyze)
        if len(still.faces) > 1:
            raise refuse(f"shows {len(still.faces)} faces; cut out the one that is meant")
        if not still.faces:
            raise refuse("shows no face that could be found; give one from the front, in good light")
        points = settled_mesh(still, still.faces[0], mesh)
        if points is None:
            raise refuse("shows a face that no mesh fits; give one from the front, in good light")
        try:
            vector = embedder.embed(embedder.chip(still.image, points)[None])[0]
        except BackendError as error:
            raise refuse(f"cannot be used ({error})") from error
        return replace(entry, vector=tuple(float(v) for v in vector))

    entries = tuple(embedded(e) if e.kind == "face" else e for e in opt_out.entries)
    return OptOut(opt_out.name, entries, names.face_embedder)


def match_faces(
    faces: Sequence[Entry],
    clip_ids: Sequence[str],
    vectors: Floats,
    persons: Mapping[str, str | None],
    threshold: float,
) -> tuple[set[str], list[str]]:
    """The clips of everybody whose picture is in the list, and a sentence on each picture.

    vectors: (n, d) embeddings of the clips. A clip nearer than `threshold` matches, and with it all clips of its
    person: who opts out is meant, not one clip, and single clips lie further off than their person does.
    """
    out: set[str] = set()
    notes = []
    for entry in faces:
        far = (
            np.linalg.norm(vectors - np.asarray(entry.vector, np.float32), axis=1)
            if len(vectors)
            else np.zeros(0)
        )
        near = [clip_ids[k] for k in np.flatnonzero(far < threshold)]
        met = {persons.get(clip_id) for clip_id in near} - {None}
        clips = set(near) | {c for c in clip_ids if persons.get(c) in met}
        nearest = f"; the nearest face is {far.min():.2f} away" if len(far) else ""
        notes.append(
            f"Opt-out line {entry.line}, {Path(entry.value).name}: {len(clips)} clips of {len(met)} persons left out "
            f"(threshold {threshold:g}{nearest})."
        )
        out |= clips
    return out, notes


def _read(path: Path) -> Image | None:
    data = np.fromfile(path, np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    if image is None:
        return None
    share = LARGEST / max(image.shape[:2])
    if share < 1:
        image = cv2.resize(image, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(image[:, :, ::-1])
