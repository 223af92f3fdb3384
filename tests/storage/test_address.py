"""Addresses: told apart from paths, opened without a request, and never kept with a secret in them."""

from __future__ import annotations

import importlib.util
import pickle

import fsspec
import pytest

from facevid.storage import Place, PlaceError, file_name, folder_name, is_address, local_path


@pytest.mark.parametrize(
    "text",
    [
        "s3://raw/",
        "gs://a/b.mp4",
        "https://h/a.mp4?id=5",
        "simplecache::s3://a/b",
        "zip://a.mp4::s3://a/b.zip",
    ],
)
def test_addresses_are_known(text: str) -> None:
    assert is_address(text)


@pytest.mark.parametrize(
    "text", ["raw/a.mp4", "/raw/a://b", "C:\\raw", "file:///raw/a.mp4", "local:///raw", "a:b", "", "ü://x"]
)
def test_paths_are_none(text: str) -> None:
    assert not is_address(text)


@pytest.mark.parametrize(
    ("text", "meant"),
    [("s3:/sets/ours", "s3://sets/ours"), ("gs:raw", "gs://raw"), ("https:/a/b", "https://a/b")],
)
def test_an_address_that_lacks_a_slash_is_no_folder(text: str, meant: str) -> None:
    with pytest.raises(PlaceError, match=f"{text} is no address; it must begin with .*, as in {meant}"):
        is_address(text)


def test_file_addresses_are_paths() -> None:
    assert local_path("file:///raw/a b.mp4") == "/raw/a b.mp4"
    assert local_path("raw/a.mp4") == "raw/a.mp4"


@pytest.mark.parametrize(
    ("location", "name", "folder"),
    [
        ("s3://raw/2024/a b.mp4", "a b.mp4", "2024"), ("s3://raw/a#1?.mp4", "a#1?.mp4", "raw"),
        ("https://host/talks/%C3%BC%20b.mp4?id=5", "ü b.mp4", "talks"), ("/raw/x/a.mp4", "a.mp4", "x"),
        ("a.mp4", "a.mp4", ""), ("zip://in/a.mp4::s3://raw/all.zip", "a.mp4", "in"),
        ("simplecache::s3://raw/x/a.mp4", "a.mp4", "x"),
    ],
)  # fmt: skip
def test_a_file_has_the_name_that_people_call_it(location: str, name: str, folder: str) -> None:
    assert (file_name(location), folder_name(location)) == (name, folder)


@pytest.mark.parametrize(
    "address",
    [
        "https://me:hidden@host/a.mp4", "https://host/a.mp4?X-Amz-Signature=hidden", "ftp://me:hidden@host/a",
        "https://host/a.mp4?id=1&token=hidden", "simplecache::https://me:hidden@host/a.mp4",
    ],
)  # fmt: skip
def test_a_secret_in_an_address_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(PlaceError, match="credentials as fsspec takes them") as told:
        Place(address)
    assert told.value.kind == "address" and "hidden" not in str(told.value)


@pytest.mark.parametrize("address", ["s3://", "https:///", "simplecache::s3://", "raw/a.mp4"])
def test_an_address_without_a_place_is_none(address: str) -> None:
    with pytest.raises(PlaceError, match="is no address; it must begin like"):
        Place(address)


def test_an_unknown_scheme_and_a_missing_package_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PlaceError, match=r"nosuch://bucket cannot be used as an address"):
        Place("nosuch://bucket")
    if importlib.util.find_spec("gcsfs") is None:
        with pytest.raises(PlaceError, match=r"gs:// needs the package gcsfs.*pip install gcsfs") as told:
            Place("gs://bucket")
        assert told.value.kind == "package"


def test_a_place_travels_as_address_and_options() -> None:
    place = pickle.loads(pickle.dumps(Place("memory://raw/2024/")))
    assert (place.location, place.root) == ("memory://raw/2024", "/raw/2024")
    child = pickle.loads(pickle.dumps(place.child("a b.mp4")))
    assert (child.location, child.root) == ("memory://raw/2024/a b.mp4", "/raw/2024/a b.mp4")
    assert child.fs is place.fs


def test_what_a_listing_gives_has_an_address() -> None:
    fsspec.filesystem("memory").pipe("/listed/a/b.mp4", b"x")
    place = Place("memory://listed")
    assert [place.address_of(path) for path in place.fs.find(place.root)] == ["memory:///listed/a/b.mp4"]
    pytest.importorskip("s3fs")
    assert Place("s3://raw").address_of("raw/2024/a.mp4") == "s3://raw/2024/a.mp4"
    assert Place("simplecache::s3://raw").address_of("raw/a.mp4") == "simplecache::s3://raw/a.mp4"


def test_the_library_does_not_ask_again_by_itself() -> None:
    pytest.importorskip("s3fs")
    place = Place("s3://raw", {"config_kwargs": {"signature_version": "s3v4"}})
    assert place.fs.retries == 1
    assert place.fs.config_kwargs["retries"]["total_max_attempts"] == 1
    assert place.fs.config_kwargs["signature_version"] == "s3v4"
