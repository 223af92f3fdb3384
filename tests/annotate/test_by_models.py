"""What optional models say reaches a published dataset, beside what others said, and is not asked for twice."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from chat_server import Server, good
from packing import work

import facevid
from facevid.annotate import by_models, target, vlm_endpoint
from facevid.annotate.by_models import annotate_with_models
from facevid.annotate.vlm import VlmError, VlmSettings
from facevid.backends import FaceAttributes, FaceGuess, SpeechRecognizer, Spoken, Transcript
from facevid.curate.pack import pack_dataset
from facevid.dataset.annotating import update_annotations
from facevid.dataset.statements import Statement

CLIPS = 6


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six clips, the third without sound; no test changes them."""
    folder = tmp_path_factory.mktemp("models")
    tables = work(folder / "clips", CLIPS, silent=(2,))
    output = folder / "dataset"
    pack_dataset(output, tables=tables, clip_folder=folder / "clips", recipe={"fps": 25.0}, name="small")
    return output


@pytest.fixture
def published(original: Path, tmp_path: Path) -> Path:
    """A copy of them, which the test may change."""
    return Path(shutil.copytree(original, tmp_path / "dataset"))


class Faces:
    """Face attributes that say the same of every face, and count the pictures that they were shown."""

    name, version = "stand-in", "1"

    def __init__(self, gender: str = "female") -> None:
        self.gender, self.shown = gender, 0

    def read(self, images: Any, meshes: Any) -> list[FaceGuess]:
        assert images.shape[0] == meshes.shape[0] and meshes.shape[1:] == (478, 3)
        self.shown += len(images)
        return [FaceGuess("gender", self.gender, 0.8, "net", {"Female": 0.8, "Male": 0.2})]


class Ears:
    name, version = "ears", "1"

    def __init__(self) -> None:
        self.heard = 0

    def transcribe(self, samples: Any) -> Transcript:
        assert samples.dtype == np.float32
        self.heard += 1
        return Transcript("Hello.", "en", 0.9, 0.7, (Spoken(0.1, 0.5, "Hello.", 0.7),))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(vlm_endpoint, "FIRST_WAIT_S", 0.01)
    made = Server()
    yield made
    made.http.shutdown()
    made.http.server_close()


def rows(dataset: Path, query: str) -> list[tuple[Any, ...]]:
    return facevid.open(dataset).sql(query).fetchall()


def test_the_stand_ins_are_of_the_protocols() -> None:
    assert isinstance(Faces(), FaceAttributes) and isinstance(Ears(), SpeechRecognizer)


def test_faces_and_speech_become_labels_beside_what_others_said(published: Path) -> None:
    first = facevid.open(published)[0].clip_id
    update_annotations(
        published, add=[Statement(first, "attribute", "gender", "male", "annotator", 1.0, who="a")]
    )
    done = annotate_with_models(published, face_attributes=Faces(), speech_recognizer=Ears(), looks=3)
    assert (done.clips, done.statements, done.failures) == (2 * CLIPS, CLIPS + CLIPS - 1, [])
    query = "select attributes.gender.value, attributes.gender.by from clips where clip_id = '{}'"
    assert rows(published, query.format(first)) == [("male", "annotator")]
    second = facevid.open(published)[1].clip_id
    assert rows(published, query.format(second)) == [("female", "model:stand-in/net")]
    assert rows(
        published, "select count(*), any_value(transcript.text) from clips where transcript is not null"
    ) == [(CLIPS - 1, "Hello.")]


def test_a_clip_is_shown_once_unless_asked_again_and_then_replaced(published: Path) -> None:
    faces = Faces()
    annotate_with_models(published, face_attributes=faces, looks=2)
    annotate_with_models(published, face_attributes=faces, looks=2)
    assert faces.shown == 2 * CLIPS
    done = annotate_with_models(published, face_attributes=Faces("male"), looks=2, again=True)
    assert done.clips == CLIPS
    assert rows(published, "select value, count(*) from annotations group by 1") == [("male", CLIPS)]


@pytest.mark.parametrize(("a_clip_takes", "publications"), [(0.1, 2), (30.0, CLIPS)])
def test_publishing_takes_a_twentieth_of_the_time_at_most(
    published: Path, monkeypatch: pytest.MonkeyPatch, a_clip_takes: float, publications: int
) -> None:
    now, published_at = [0.0], []

    class SlowFaces(Faces):
        def read(self, images: Any, meshes: Any) -> list[FaceGuess]:
            now[0] += a_clip_takes
            return super().read(images, meshes)

    def publish(*given: Any, **named: Any) -> Any:
        published_at.append(now[0])
        now[0] += 1.0
        return update_annotations(*given, **named)

    monkeypatch.setattr(by_models, "BATCH", 1)
    monkeypatch.setattr(target, "update_annotations", publish)
    monkeypatch.setattr(by_models, "time", SimpleNamespace(monotonic=lambda: now[0]))
    done = annotate_with_models(published, face_attributes=SlowFaces(), looks=2)
    assert (done.statements, len(published_at)) == (CLIPS, publications)
    assert rows(published, "select value, count(*) from annotations group by 1") == [("female", CLIPS)]


def test_a_clip_that_cannot_be_read_fails_alone(published: Path) -> None:
    row = facevid.open(published)[1].row
    shard = next((published / "media").glob(f"*{Path(row['shard']).name}*"))
    with shard.open("r+b") as file:
        file.seek(row["mp4_offset"])
        file.write(bytes(row["mp4_size"]))
    done = annotate_with_models(published, face_attributes=Faces())
    assert [(f["item"], f["kind"]) for f in done.failures] == [(row["clip_id"], "unreadable")]
    assert done.statements == CLIPS - 1


def test_the_captioner_s_answers_are_published_and_cached(published: Path, server: Server) -> None:
    server.script = lambda n, body: good(gender="female")
    how = VlmSettings(url=server.url, model="test-vl", api_key_env=None, frames=2)
    done = annotate_with_models(published, captioner=how)
    assert (done.clips, done.usage.requests, done.failures) == (CLIPS, CLIPS, [])
    assert rows(published, "select distinct caption from clips") == [("A woman smiles.",)]
    assert rows(published, "select count(*) from annotations where \"by\" <> 'model:test-vl'") == [(0,)]
    before = (published / "dataset.json").read_bytes()
    again = annotate_with_models(published, captioner=how)
    assert (again.usage.requests, again.usage.from_cache) == (0, CLIPS)
    assert (published / "dataset.json").read_bytes() == before


def test_what_was_said_before_the_endpoint_gave_up_is_published(published: Path, server: Server) -> None:
    server.script = lambda n, body: (
        good(tie="no") if n < 2 else (401, {}, {"error": {"message": "key expired"}})
    )
    how = VlmSettings(url=server.url, model="test-vl", api_key_env=None, frames=2, concurrency=1)
    with pytest.raises(VlmError, match="key expired"):
        annotate_with_models(published, captioner=how)
    said = rows(published, "select count(*) from annotations where name = 'tie'")[0][0]
    assert 1 <= said <= 2
