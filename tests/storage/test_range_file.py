"""A file behind an address: the same bytes through every fault, nothing read that is not needed, no wrong byte ever."""

from __future__ import annotations

import hashlib
import io
import random

import pytest
from faulty import KINDS, FaultyServer, always, once, seeded
from faulty_store import Store

from facevid.storage import PlaceError, RangeFile
from facevid.storage.range_file import BLOCK, _blocks

DATA = random.Random(5).randbytes(3 * BLOCK + 12_345)


@pytest.fixture(autouse=True)
def forgotten(no_waiting: None) -> None:
    """Pieces that an earlier test read are not kept."""
    _blocks.__init__()  # type: ignore[misc]


def whole(address: str) -> bytes:
    with RangeFile(address) as file:
        return file.read()


@pytest.mark.parametrize(
    ("kind", "number"),
    [(kind, number) for kind in KINDS for number in ((3,) if kind == "hang" else (0, 1, 3))],
)
def test_every_fault_is_asked_again(store: Store, kind: str, number: int) -> None:
    address = store.put("a.mp4", DATA)
    store.front.reset(lambda method, path, asked: kind if asked == number else None)
    assert whole(address) == DATA
    assert store.front.faults == [kind]


def test_a_body_that_is_not_the_one_of_its_checksum_is_asked_again(store: Store) -> None:
    address = store.put("small.mp4", DATA[:1000])  # botocore checks what came whole
    for _ in range(2):
        _blocks.__init__()  # type: ignore[misc]
        store.front.reset(lambda method, path, asked: "short" if asked == 0 else None)
        assert whole(address) == DATA[:1000]


@pytest.mark.parametrize("kind", KINDS)
def test_a_web_server_with_faults_gives_the_same_bytes(kind: str) -> None:
    with FaultyServer(files={"/a.mp4": DATA}) as web:
        for number in (3,) if kind == "hang" else (0, 1, 3):
            _blocks.__init__()  # type: ignore[misc]
            web.reset(lambda method, path, asked, at=number: kind if asked == at else None)
            assert whole(web.url("/a.mp4")) == DATA
            assert web.faults == [kind]


def test_many_faults_together(store: Store) -> None:
    address = store.put("a.mp4", DATA)
    store.front.reset(seeded(3, 0.4, tuple(k for k in KINDS if k != "hang")))
    for _ in range(5):
        _blocks.__init__()  # type: ignore[misc]
        assert whole(address) == DATA
    assert len(store.front.faults) > 5


@pytest.mark.parametrize("kind", ["reset", "half", "shifted", "503"])
def test_a_fault_that_stays_is_told_in_a_sentence(
    store: Store, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEVID_STORAGE_ATTEMPTS", "3")
    address = store.put("a.mp4", DATA)
    store.front.reset(always(kind))
    with pytest.raises(
        PlaceError, match=r"s3://raw/a\.mp4 could not be reached: it was asked 3 times"
    ) as told:
        whole(address)
    assert told.value.kind == "unreachable" and "very-secret-key" not in str(told.value)
    assert 3 <= len(store.front.requests) <= 6  # an opening asks twice


def test_a_file_that_failed_goes_on_failing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    file = RangeFile(store.put("a.mp4", DATA))
    monkeypatch.setenv("FACEVID_STORAGE_ATTEMPTS", "1")
    store.front.reset(always("reset"))
    file.seek(2 * BLOCK)
    with pytest.raises(PlaceError, match="could not be reached"):
        file.read(10)
    store.front.reset()
    with pytest.raises(PlaceError, match="could not be reached"):
        file.read(10)
    assert not store.front.requests


@pytest.mark.parametrize(("key", "kind"), [("nothing.mp4", "missing"), ("", "refused")])
def test_what_is_not_there_is_not_asked_again(store: Store, key: str, kind: str) -> None:
    with pytest.raises(PlaceError) as told:
        RangeFile(f"s3://raw/{key}")
    assert told.value.kind == kind
    assert len(store.front.requests) <= 1


def test_an_object_that_is_replaced_is_noticed(store: Store) -> None:
    file = RangeFile(store.put("a.mp4", DATA))
    store.put("a.mp4", DATA[::-1])
    file.seek(2 * BLOCK)
    with pytest.raises(PlaceError, match="was replaced while it was read") as told:
        file.read(10)
    assert told.value.kind == "changed"
    assert whole("s3://raw/a.mp4") == DATA[::-1]


def test_a_web_file_that_is_replaced_is_noticed() -> None:
    with FaultyServer(files={"/a.mp4": DATA}) as web:
        file = RangeFile(web.url("/a.mp4"))
        web.files["/a.mp4"] = DATA[::-1]
        file.seek(2 * BLOCK)
        with pytest.raises(PlaceError, match="was replaced while it was read"):
            file.read(10)


@pytest.mark.parametrize("size", [0, 1, 1000, BLOCK, BLOCK + 1])
def test_files_of_all_sizes(store: Store, size: int) -> None:
    address = store.put(f"of {size} bytes, ü.mp4", DATA[:size])
    assert whole(address) == DATA[:size]
    assert RangeFile(address).size == size
    with FaultyServer(files={"/ü b.mp4": DATA[:size]}) as web:
        assert whole(web.url("/%C3%BC%20b.mp4")) == DATA[:size]


def test_seeking_is_that_of_a_file(store: Store) -> None:
    file, known = RangeFile(store.put("a.mp4", DATA)), io.BytesIO(DATA)
    drawn = random.Random(2)
    for _ in range(200):
        at, count = drawn.randrange(len(DATA) + 10), drawn.randrange(40_000)
        assert file.seek(at) == known.seek(at)
        assert file.read(count) == known.read(count)
        assert file.tell() == known.tell()
    assert file.seek(-5, io.SEEK_END) == len(DATA) - 5 and file.read() == DATA[-5:]
    with pytest.raises(ValueError):
        file.seek(-1)


def test_only_what_is_read_travels_and_what_was_read_does_not_travel_again() -> None:
    big = random.Random(6).randbytes(12 * BLOCK)
    with FaultyServer(files={"/big.mp4": big}) as web:
        file = RangeFile(web.url("/big.mp4"))
        file.seek(9 * BLOCK + 5)
        assert file.read(10) == big[9 * BLOCK + 5 :][:10]
        assert web.sent == 2 * BLOCK + 1
        web.reset()
        again = RangeFile(web.url("/big.mp4"))
        again.seek(9 * BLOCK)
        assert again.read(100) == big[9 * BLOCK :][:100]
        assert web.sent == 1


def test_reading_on_and_on_asks_for_more_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facevid.storage.range_file.BLOCK", 1 << 17)
    monkeypatch.setattr("facevid.storage.range_file.CACHE_BYTES", 1 << 22)
    big = random.Random(6).randbytes(90 << 17)
    with FaultyServer(files={"/big.mp4": big}) as web:
        digest, file = hashlib.sha256(), RangeFile(web.url("/big.mp4"))
        while part := file.read(100_000):
            digest.update(part)
        assert digest.digest() == hashlib.sha256(big).digest()
        assert len(web.requests) < 20 and web.sent == len(big) + 1
        assert sum(len(kept[0]) for kept in _blocks._kept.values()) <= 1 << 22


@pytest.mark.parametrize(
    ("etags", "lengths"),
    [(True, True), (False, True), (True, False), (False, False)],
    ids=["said", "no etag", "no length", "neither"],
)
def test_a_server_without_ranges_is_read_whole_once(scratch: object, etags: bool, lengths: bool) -> None:
    data = 8 * DATA
    with FaultyServer(files={"/a.mp4": data}, ranges=False, etags=etags, lengths=lengths) as web:
        web.plan = once("half" if lengths else "500")
        assert whole(web.url("/a.mp4")) == data
        sent = web.sent
        file = RangeFile(web.url("/a.mp4"))
        file.seek(BLOCK)
        assert file.read(5) == data[BLOCK:][:5]
        # Asking whether it is the same one costs what is on the way before the answer is broken off.
        assert web.sent - sent < len(data) / 2


def test_a_server_without_ranges_is_not_read_into_memory(
    scratch: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEVID_SCRATCH_GB", "0.001")
    with (
        FaultyServer(files={"/a.mp4": DATA}, ranges=False) as web,
        pytest.raises(PlaceError, match=r"a\.mp4 needs 0.00316 GB of scratch and 0.001 GB are allowed"),
    ):
        RangeFile(web.url("/a.mp4"))


def test_any_other_file_system_of_fsspec() -> None:
    import fsspec

    fsspec.filesystem("memory").pipe("/any/a b.mp4", DATA)
    assert whole("memory://any/a b.mp4") == DATA
    fsspec.filesystem("memory").pipe("/any/a b.mp4", DATA[::-1])
    assert whole("memory://any/a b.mp4") == DATA[::-1]
    with pytest.raises(PlaceError) as told:
        RangeFile("memory://any/none.mp4")
    assert told.value.kind == "missing"
