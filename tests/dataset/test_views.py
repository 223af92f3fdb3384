"""A choice of clips behaves as a dataset; a dataset elsewhere is read by ranges, and its faults are sentences."""

from __future__ import annotations

import functools
import http.server
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from packing import clip_name

import facevid
from facevid.dataset import DatasetError


def test_a_condition_chooses_clips_and_everything_works_on_them(published: Path) -> None:
    whole = facevid.open(published)
    view = whole.where("identity = 'p0' and clip_id in (select clip_id from keypoints)")
    assert len(view) == 20 and all(clip["identity"] == "p0" for clip in view)
    assert (
        view.ids.to_pylist()
        == [clip.clip_id for clip in view]
        == view.rows(["clip_id"])["clip_id"].to_pylist()
    )
    assert view.sql("select count(*) from clips").fetchall() == [(20,)]
    assert view.sql("select count(*) from keypoints").fetchall() == [(20,)]
    assert len(view.to_arrow("keypoints")) == 20 and len(view.to_arrow("sources")) == 3
    assert (
        "20 of 40 clips" in repr(view) and "1 people" in repr(view) and "where identity = 'p0'" in repr(view)
    )
    other = next(clip for clip in whole if clip["identity"] != "p0")
    assert other.clip_id in whole and other.clip_id not in view
    with pytest.raises(KeyError, match="where identity = 'p0'"):
        view[other.clip_id]


def test_conditions_follow_one_another(published: Path) -> None:
    view = facevid.open(published).where("identity = 'p0'")
    first = view.ids.to_pylist()[:5]
    listed = ", ".join(f"'{name}'" for name in first)
    assert view.where(f"clip_id in ({listed}) or identity <> 'p0'").ids.to_pylist() == first


def test_a_condition_that_cannot_be_read_is_a_sentence(published: Path) -> None:
    dataset = facevid.open(published)
    with pytest.raises(DatasetError, match=r"'sharpnes > 1' cannot be used:.*sharpness"):
        dataset.where("sharpnes > 1")
    with pytest.raises(DatasetError, match="cannot be used"):
        dataset.where("true) union all select 1 --")
    with pytest.raises(DatasetError, match="has no attributes yet; `facevid annotate` gives it some"):
        dataset.where("attributes.gender.value = 'female' and sharpness > 1")


def test_ids_choose_clips_in_their_order(published: Path) -> None:
    dataset = facevid.open(published)
    wanted = [clip_name(9), clip_name(3), clip_name(30)]
    view = dataset.select(wanted)
    assert view.ids.to_pylist() == wanted
    assert [view[k].clip_id for k in range(-3, 3)] == wanted * 2
    assert view[0].frames(1, 2).shape[0] == 1 and (view[1].mesh == dataset[clip_name(3)].mesh).all()
    with pytest.raises(DatasetError, match="lacks 2 of the 3 clips asked for: nobody, x"):
        dataset.select([clip_name(1), "nobody", "x"])
    with pytest.raises(DatasetError, match="lacks 1 of the 1 clips asked for \\(selected\\)"):
        view.select([clip_name(1)])
    with pytest.raises(DatasetError, match="stand there twice"):
        dataset.select([clip_name(1), clip_name(1)])


def test_a_clip_knows_its_source(published: Path) -> None:
    clip = facevid.open(published)[0]
    assert clip.source["source_name"] == clip["source_name"] and "licence" in clip.source


def test_a_view_travels_to_another_process(published: Path) -> None:
    view = facevid.open(published).where("identity = 'p1'")
    there = pickle.loads(pickle.dumps(view))
    assert there.ids.equals(view.ids) and there[0].frames().shape == view[0].frames().shape


def test_pandas_gets_the_rows_of_the_view(published: Path) -> None:
    pytest.importorskip("pandas")
    frame = facevid.open(published).where("identity = 'p0'").to_pandas()
    assert len(frame) == 20 and set(frame["identity"]) == {"p0"}


class _Ranges(http.server.SimpleHTTPRequestHandler):
    """A folder behind HTTP, with byte ranges as object stores give them; notes what was sent."""

    sent: list[tuple[str, int]]

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        asked = self.headers.get("Range")
        first, last = 0, len(data) - 1
        if asked:
            start, _, end = asked.removeprefix("bytes=").partition("-")
            first, last = int(start), min(last, int(end or last))
        body = data[first : last + 1]
        self.sent.append((path.name, len(body)))
        self.send_response(206 if asked else 200)
        self.send_header("Accept-Ranges", "bytes")
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_HEAD(self) -> None:
        path = Path(self.translate_path(self.path))
        self.send_response(200 if path.is_file() else 404)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(path.stat().st_size if path.is_file() else 0))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served(published: Path) -> Iterator[tuple[str, list[tuple[str, int]]]]:
    handler = type("Handler", (_Ranges,), {"sent": []})
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(handler, directory=str(published))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", handler.sent
    server.shutdown()
    server.server_close()


def test_a_dataset_behind_the_web_is_read_by_ranges(
    served: tuple[str, list[tuple[str, int]]],
    published: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("aiohttp")
    monkeypatch.setenv("FACEVID_CACHE", str(tmp_path / "cache"))
    url, sent = served
    remote, local = facevid.open(url), facevid.open(published)
    assert {name for name, _ in sent} == {"dataset.json"}
    assert len(remote) == 40 and remote.where("identity = 'p0'").ids.equals(
        local.where("identity = 'p0'").ids
    )
    clip = remote[clip_name(7)]
    sent.clear()
    assert (clip.frames() == local[clip_name(7)].frames()).all()
    assert sent == [(clip["shard"], clip["mp4_size"])]
    assert (clip.mesh == local[clip_name(7)].mesh).all()
    sent.clear()
    again = facevid.open(url)
    assert again.ids.equals(local.ids) and {name for name, _ in sent} == {"dataset.json"}, "tables are kept"
    assert (pickle.loads(pickle.dumps(remote))[3].speech() == local[3].speech()).all()
    with pytest.raises(DatasetError, match="is not on this machine; fetch it first"):
        _ = remote.folder


def test_a_dataset_behind_the_web_is_verified_and_every_byte_travels_about_once(
    served: tuple[str, list[tuple[str, int]]], published: Path
) -> None:
    pytest.importorskip("aiohttp")
    (published / "failed" / "part-00000.parquet").write_bytes(b"no table")
    url, sent = served
    found, here = facevid.verify(url, decode=0), facevid.verify(published, decode=0)
    assert {f.kind for f in here.faults} >= {"file_size", "table_unreadable"}
    assert found.faults == here.faults
    shards = {p.name: p.stat().st_size for p in (published / "media").iterdir()}
    travelled = sum(size for name, size in sent if name in shards)
    assert sum(shards.values()) <= travelled < 1.1 * sum(shards.values())


def test_a_remote_fault_is_a_sentence(
    served: tuple[str, list[tuple[str, int]]],
    published: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("aiohttp")
    monkeypatch.setenv("FACEVID_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FACEVID_STORAGE_ATTEMPTS", "1")
    url, _ = served
    with pytest.raises(DatasetError, match="is not a facevid dataset, or needs a login"):
        facevid.open(f"{url}/media")
    with pytest.raises(DatasetError, match=r"cannot be read .*check the address"):
        facevid.open("http://127.0.0.1:9/nothing")
    remote = facevid.open(url)
    part = next((published / "sources").iterdir())
    part.write_bytes(part.read_bytes()[:-9] + b"123456789")
    with pytest.raises(DatasetError, match="does not have the SHA-256"):
        remote.to_arrow("sources")
    clip = remote[0]
    (published / "media" / clip["shard"]).unlink()
    with pytest.raises(DatasetError, match=r"media/shard-00000.tar is missing"):
        clip.frames()
    with pytest.raises(DatasetError, match="cannot be used as an address: Protocol not known"):
        facevid.open("nosuch://a/b")


def test_a_dataset_in_a_bucket_is_read(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsspec = pytest.importorskip("fsspec")
    monkeypatch.setenv("FACEVID_CACHE", str(tmp_path / "cache"))
    memory = fsspec.filesystem("memory")
    memory.put(str(published), "/views", recursive=True)
    dataset = facevid.open("memory://views")
    assert (dataset[5].frames() == facevid.open(published)[5].frames()).all()
    memory.rm("/views", recursive=True)
