"""Publishing to an address, a shard at a time: the bytes of a local publication, and never half a dataset."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from faulty import seeded
from faulty_store import Store, front, moto_port, no_waiting, scratch, store
from packing import work

import facevid
from facevid.curate.pack import ClipFolders, pack_dataset, pack_into
from facevid.dataset.published import DatasetError, parse_manifest
from facevid.dataset.sharing.address_outlet import NOTE, AddressOutlet
from facevid.storage import Place, objects

__all__ = ["front", "moto_port", "no_waiting", "scratch", "store"]
ADDRESS = "s3://raw/sets/small"
PLAIN: dict[str, Any] = {"recipe": {"fps": 25.0}, "name": "small", "shard_bytes": 90_000}


class Killed(BaseException):
    """In place of SIGKILL: nothing catches it."""


@pytest.fixture
def clips(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FACEVID_STORAGE_TIMEOUT_S", "20")
    monkeypatch.setenv("FACEVID_CACHE", str(tmp_path / "cache"))
    return tmp_path / "clips"


def publish(clips: Path, count: int, home: Path, before_switch: Callable[[], None] = lambda: None) -> None:
    outlet = AddressOutlet(Place(ADDRESS), home, check=lambda: None, before_switch=before_switch)
    pack_into(outlet, clips=ClipFolders(lambda clip_id: clips / clip_id), tables=work(clips, count), **PLAIN)


def local(clips: Path, count: int, folder: Path) -> dict[str, bytes]:
    pack_dataset(folder, tables=work(clips, count), clip_folder=clips, **PLAIN)
    files = (p for p in folder.rglob("*") if p.is_file() and ".work" not in p.parts)
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def check_whole(found: dict[str, bytes]) -> int:
    """Clips of the dataset that a reader would find; every file it lists must be there and whole."""
    manifest = parse_manifest(found["dataset.json"], "dataset.json")
    for file in manifest.files:
        assert hashlib.sha256(found[file.stored_as]).hexdigest() == file.sha256, file.stored_as
    return int(manifest.about["counts"]["clips"])


def test_the_bytes_are_those_of_a_local_publication_and_nothing_else_stays(
    store: Store, clips: Path, tmp_path: Path
) -> None:
    publish(clips, 5, tmp_path / "home")
    assert store.below("sets/small/") == local(clips, 5, tmp_path / "local")
    assert not [p for p in (tmp_path / "home").rglob("*") if p.is_file()]
    assert len(facevid.open(ADDRESS)) == 5
    store.front.reset()
    publish(clips, 5, tmp_path / "home")
    assert not [path for method, path in store.front.requests if method == "PUT" and "media" in path]
    publish(clips, 3, tmp_path / "home")
    assert store.below("sets/small/") == local(clips, 3, tmp_path / "local")


def test_faults_of_the_store_change_no_byte(store: Store, clips: Path, tmp_path: Path) -> None:
    publish(clips, 3, tmp_path / "home")
    store.front.reset(seeded(11, 0.15, ("reset", "half", "500", "503")))
    publish(clips, 5, tmp_path / "home")
    assert len(store.front.faults) > 5
    assert store.below("sets/small/") == local(clips, 5, tmp_path / "local")


@pytest.mark.slow
def test_a_kill_at_any_request_leaves_the_old_dataset_or_the_new_one_and_the_next_run_finishes(
    store: Store, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = {count: local(clips, count, tmp_path / str(count)) for count in (3, 5)}
    publish(clips, 3, tmp_path / "home")
    retried, left = objects.retried, [-1]

    def dying(call: Callable[[], Any], *, what: str) -> Any:
        left[0] -= 1
        if left[0] == 0:
            raise Killed
        return retried(call, what=what)

    monkeypatch.setattr(objects, "retried", dying)
    deaths, seen = 0, set()
    for count, step in [(5, 4), (3, 5)]:
        for request in range(1, 200, step):
            left[0] = request
            try:
                publish(clips, count, tmp_path / "home")
                break
            except Killed:
                deaths += 1
                seen.add(check_whole(store.below("sets/small/")))
        left[0] = -1
        publish(clips, count, tmp_path / "home")
        assert store.below("sets/small/") == wanted[count]
    assert deaths > 8 and seen == {3, 5}


@pytest.mark.slow
def test_who_may_not_switch_leaves_readers_the_old_dataset_and_sent_shards_are_kept(
    store: Store, clips: Path, tmp_path: Path
) -> None:
    publish(clips, 3, tmp_path / "home")
    before = check_whole(store.below("sets/small/"))

    def refuse() -> None:
        raise Killed

    with pytest.raises(Killed):
        publish(clips, 5, tmp_path / "home", refuse)
    found = store.below("sets/small/")
    assert check_whole(found) == before == 3
    assert json.loads(found[NOTE])
    store.front.reset()
    publish(clips, 5, tmp_path / "other home")
    assert not [p for m, p in store.front.requests if m == "PUT" and "media" in p and "x-amz" not in p][2:]
    assert store.below("sets/small/") == local(clips, 5, tmp_path / "local")


def test_uploads_in_parts_that_were_left_are_ended(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "PART_BYTES", 5 << 20)
    place, path = Place(ADDRESS), tmp_path / "large"
    path.write_bytes(b"x" * (12 << 20))
    store.client.create_multipart_upload(Bucket="raw", Key="sets/small/media/shard-00000.tar")
    store.client.create_multipart_upload(Bucket="raw", Key="other/film.mp4")
    objects.send(place, path, "media/shard-00001.tar")
    assert objects.sizes(place, "media")["media/shard-00001.tar"] == 12 << 20
    assert objects.abandon_uploads(place) == 1
    left = store.client.list_multipart_uploads(Bucket="raw").get("Uploads", ())
    assert [upload["Key"] for upload in left] == ["other/film.mp4"], "another's upload is not ours to end"
    for upload in left:
        store.client.abort_multipart_upload(Bucket="raw", Key=upload["Key"], UploadId=upload["UploadId"])


def test_an_upload_that_fails_in_the_middle_leaves_no_parts(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "PART_BYTES", 5 << 20)
    path = tmp_path / "large"
    path.write_bytes(b"x" * (12 << 20))
    faults = iter(["500"])
    store.front.reset(
        lambda method, where, number: next(faults, None) if number == 1 and method == "PUT" else None
    )
    objects.send(Place(ADDRESS), path, "large.bin")
    assert store.front.faults == ["500"]
    assert not store.client.list_multipart_uploads(Bucket="raw").get("Uploads")
    assert Place(ADDRESS).fs.info("raw/sets/small/large.bin")["size"] == 12 << 20


def test_a_place_that_holds_something_else_is_refused(store: Store, clips: Path, tmp_path: Path) -> None:
    store.put("sets/small/beach.jpg", b"x")
    with pytest.raises(
        DatasetError, match=r"sets/small is not empty and not a dataset \(it holds beach.jpg\)"
    ):
        publish(clips, 2, tmp_path / "home")
