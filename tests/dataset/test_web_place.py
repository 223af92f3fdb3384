"""A dataset behind a web server that knows no byte ranges: it can be pulled, and reading clips says what to do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import facevid
from facevid.cli import main
from facevid.dataset.published import DatasetError
from facevid.dataset.sharing import pulling

pytest.importorskip("aiohttp", reason="needs aiohttp, by which fsspec reads https://")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing: tests look at what came."""


@pytest.fixture
def address(published: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    monkeypatch.setenv("FACEVID_CACHE", str(tmp_path / "cache"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(published)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_clips_are_not_read_from_a_server_without_ranges_and_it_says_what_to_do(address: str) -> None:
    ds = facevid.open(address)
    assert len(ds.where("identity = 'p0'")) > 0
    with pytest.raises(DatasetError, match=r"sends whole files only, no byte ranges.*facevid pull"):
        ds[0].frames(0, 1)
    assert list(facevid.info(address).next) == [f"facevid pull {address} -o FOLDER"]


def test_a_pull_needs_no_ranges_and_what_it_brings_is_sound(
    address: str, published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulling, "_BLOCK", 1 << 14)
    got = facevid.pull(address, tmp_path / "pulled")
    assert got.fetched_bytes == got.bytes > 10 * (1 << 14)
    for shard in (published / "media").iterdir():
        assert (tmp_path / "pulled" / "media" / shard.name).read_bytes() == shard.read_bytes()
    assert facevid.verify(tmp_path / "pulled").faults == facevid.verify(published).faults


def test_a_command_that_works_on_a_folder_says_that_an_address_must_be_pulled(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["card", "https://example.org/faces"]) == 2
    assert "is an address" in (told := capsys.readouterr().err) and "facevid pull" in told


def test_a_server_without_ranges_is_checked_by_files_fetched_whole(
    address: str, published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEVID_SCRATCH", str(tmp_path / "scratch"))
    (published / "failed" / "part-00000.parquet").write_bytes(b"")
    found = facevid.verify(address, decode="all")
    assert {f.kind for f in found.faults} >= {"file_size", "table_unreadable", "file_damaged"}
    assert found.faults == facevid.verify(published, decode="all").faults
    with pytest.raises(DatasetError, match=r"sends whole files only, no byte ranges.*facevid pull"):
        facevid.verify(address, quick=True)
