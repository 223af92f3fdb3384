"""Copies to and from a hub and buckets: whole, checked, resumed where they broke off, and no token in any message."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest
from hub_server import Hub, running_hub

import facevid.dataset
from facevid.dataset.annotating import update_annotations
from facevid.dataset.choosing.subset_file import SubsetFile
from facevid.dataset.published import DatasetError
from facevid.dataset.removing import tombstones
from facevid.dataset.sharing.pulling import pull
from facevid.dataset.sharing.pushing import LEDGER, push
from facevid.dataset.statements import Statement

TOKEN = "hf_secretsecretsecret"
ADDRESS = "hf://datasets/org/name"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr("facevid.dataset.sharing.pulling._PAUSE_S", 0.0)
    from huggingface_hub import HfFileSystem

    HfFileSystem.clear_instance_cache()
    with running_hub() as hub:
        yield hub


@pytest.fixture
def source(published: Path) -> Path:
    ids = facevid.dataset.open(published).ids.to_pylist()
    SubsetFile("few", "small", ids=tuple(ids[:3])).write(published / "subsets" / "few.json")
    (published / "README.md").write_text("---\nlicense: other\n---\n# small\n")
    (published / "review").mkdir()
    (published / "review" / "notes.json").write_text("{}")
    return published


def files_of(folder: Path) -> dict[str, bytes]:
    """What a copy must hold."""
    manifest = facevid.dataset.open(folder).manifest
    names = [f.path for f in manifest.files] + [
        "dataset.json",
        "README.md",
        "subsets/few.json",
        "croissant.json",
    ]
    return {name: (folder / name).read_bytes() for name in names if (folder / name).exists()}


def options(hub: Hub) -> dict[str, str]:
    return {"endpoint": hub.url, "token": TOKEN}


def test_a_push_that_broke_off_sends_only_what_is_missing(source: Path, hub: Hub) -> None:
    hub.refuse_uploads_after = 3
    with pytest.raises(DatasetError, match=r"cannot be pushed to.*push again to go on") as caught:
        push(source, ADDRESS, storage_options=options(hub))
    assert TOKEN not in str(caught.value) and "quota" in str(caught.value)
    assert not hub.files and len(hub.objects) == 3
    hub.refuse_uploads_after = None
    push(source, ADDRESS, storage_options=options(hub))
    assert len(hub.uploads) == len(set(hub.uploads))
    assert hub.files == files_of(source)
    assert hub.tokens == {f"Bearer {TOKEN}"}
    assert (
        hub.repositories["org/name"]["type"] == "dataset"
        and hub.repositories["org/name"]["visibility"] == "private"
    )
    assert push(source, ADDRESS, storage_options=options(hub)).sent == 0


def test_a_changed_dataset_sends_what_changed_in_one_commit(source: Path, hub: Hub) -> None:
    push(source, ADDRESS, storage_options=options(hub))
    before = len(hub.uploads)
    first = facevid.dataset.open(source).ids[0].as_py()
    update_annotations(source, add=[Statement(first, "attribute", "gender", "female", "self")])
    (source / "subsets" / "few.json").unlink()
    told = push(source, ADDRESS, storage_options=options(hub))
    assert told.sent == 2 and len(hub.uploads) == before + 2
    assert len(hub.commits) == 2
    assert set(hub.commits[-1]) - {"README.md", "croissant.json"} == {
        "annotations/part-00000.parquet", "clips/part-00000.parquet", "dataset.json", "subsets/few.json",
    }  # fmt: skip
    assert "subsets/few.json" not in hub.files and "review/notes.json" not in hub.files


def test_a_pull_that_broke_off_goes_on_and_gives_the_same_dataset(
    source: Path, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facevid.dataset.sharing.pulling._BLOCK", 40_000)
    push(source, ADDRESS, storage_options=options(hub))
    hub.refuse_downloads_after = 1_000_000
    with pytest.raises(DatasetError, match="cannot be read"):
        pull(ADDRESS, tmp_path / "copy", storage_options=options(hub))
    assert not (tmp_path / "copy" / "dataset.json").exists()
    assert list((tmp_path / "copy").glob(".work/publish-*/media/*.partial"))
    whole = [p.name for p in (tmp_path / "copy").glob(".work/publish-*/media/*.tar")]
    assert whole and f"media/{whole[0]}" in hub.downloads
    hub.refuse_downloads_after, hub.downloads = None, []
    told = pull(ADDRESS, tmp_path / "copy", storage_options=options(hub))
    assert not {f"media/{name}" for name in whole} & set(hub.downloads)
    assert 0 < told.fetched_bytes < told.bytes
    assert files_of(tmp_path / "copy") == files_of(source)
    assert not (tmp_path / "copy" / "review").exists()
    assert pull(ADDRESS, tmp_path / "copy", storage_options=options(hub)).fetched_bytes == 0
    here, there = facevid.dataset.open(tmp_path / "copy"), facevid.dataset.open(source)
    assert np.array_equal(here[3].frames(), there[3].frames())


def test_the_command_reads_the_login_from_the_environment_and_prints_no_token(
    source: Path, hub: Hub, tmp_path: Path
) -> None:
    environment = {
        **os.environ, "HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(tmp_path),
    }  # fmt: skip
    for arguments in (
        ["push", str(source), ADDRESS],
        ["pull", ADDRESS, "-o", str(tmp_path / "copy"), "--json"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "facevid", *arguments], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert TOKEN not in done.stdout + done.stderr
    assert json.loads(done.stdout)["files"] == len(facevid.dataset.open(source).manifest.files)
    assert files_of(tmp_path / "copy") == files_of(source)


@pytest.mark.parametrize("scheme", ["memory", "file"])
def test_a_copy_to_a_file_system_resumes_and_replaces_without_a_gap(
    source: Path, tmp_path: Path, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = f"{scheme}://{tmp_path}/bucket/ds"
    fs, root = fsspec.core.url_to_fs(place)
    sent: list[str] = []
    put = type(fs).put_file

    def failing(self: object, local: str, remote: str, **kwargs: object) -> None:
        if len(sent) == 4:
            raise OSError("connection reset")
        sent.append(remote)
        put(self, local, remote, **kwargs)

    monkeypatch.setattr(type(fs), "put_file", failing)
    with pytest.raises(DatasetError, match=r"connection reset.*push again"):
        push(source, place)
    assert not fs.exists(f"{root}/dataset.json") and fs.exists(f"{root}/{LEDGER}")
    monkeypatch.setattr(type(fs), "put_file", put)
    total = len(facevid.dataset.open(source).manifest.files)
    assert push(source, place).sent == total - 4
    assert {name: fs.cat_file(f"{root}/{name}") for name in files_of(source)} == files_of(source)
    assert not fs.exists(f"{root}/{LEDGER}") and push(source, place).sent == 0
    first = facevid.dataset.open(source).ids[0].as_py()
    update_annotations(source, add=[Statement(first, "attribute", "gender", "female", "self")])
    assert push(source, place).sent == 2
    found = {str(p).removeprefix(f"{root}/") for p in fs.find(root)}
    assert found == set(files_of(source))
    assert {name: fs.cat_file(f"{root}/{name}") for name in found} == files_of(source)
    pull(place, tmp_path / "copy")
    assert files_of(tmp_path / "copy") == files_of(source)


def test_a_push_says_which_other_dataset_it_replaced(source: Path, tmp_path: Path) -> None:
    target = f"file://{tmp_path}/there"
    assert push(source, target).replaced is None
    assert push(source, target).replaced is None, "an earlier state of the same is no other"
    about = json.loads((source / "dataset.json").read_text())
    (source / "dataset.json").write_text(json.dumps({**about, "name": "another"}))
    assert push(source, target).replaced == f"{about['name']} of 40 clips"


def test_a_bucket_of_s3(source: Path, tmp_path: Path) -> None:
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        login = {
            "key": "k",
            "secret": "s",
            "client_kwargs": {"endpoint_url": f"http://{host}:{port}", "region_name": "eu-west-1"},
        }
        fsspec.filesystem("s3", **login).mkdir("bucket")
        push(source, "s3://bucket/sets/small", storage_options=login)
        assert push(source, "s3://bucket/sets/small", storage_options=login).sent == 0
        there = facevid.dataset.open("s3://bucket/sets/small", storage_options=login)
        assert np.array_equal(there[0].frames(), facevid.dataset.open(source)[0].frames())
        pull("s3://bucket/sets/small", tmp_path / "copy", storage_options=login)
        assert files_of(tmp_path / "copy") == files_of(source)
    finally:
        server.stop()


def test_a_bucket_without_a_login_is_a_sentence(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("s3fs")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    here = {"client_kwargs": {"endpoint_url": "http://127.0.0.1:9", "region_name": "eu-west-1"}}
    with pytest.raises(DatasetError, match=r"s3://bucket/small cannot be written to .*login"):
        push(source, "s3://bucket/small", storage_options=here)
    with pytest.raises(DatasetError, match=r"s3://bucket/small/dataset.json cannot be read .*login"):
        facevid.dataset.open("s3://bucket/small", storage_options=here)


def test_damaged_files_are_not_sent_and_not_taken(source: Path, tmp_path: Path) -> None:
    place = tmp_path / "there"
    shutil.copytree(source, place)
    shard = place / "media" / "shard-00000.tar"
    data = bytearray(shard.read_bytes())
    data[3000] ^= 1
    shard.write_bytes(data)
    with pytest.raises(DatasetError, match=r"shard-00000.tar does not have the SHA-256"):
        push(place, f"file://{tmp_path}/out")
    assert not (tmp_path / "out" / "dataset.json").exists()
    with pytest.raises(DatasetError, match=r"shard-00000.tar does not have the SHA-256"):
        pull(str(place), tmp_path / "copy")
    assert not (tmp_path / "copy" / "dataset.json").exists()
    shard.write_bytes((source / "media" / "shard-00000.tar").read_bytes())
    pull(str(place), tmp_path / "copy")
    assert files_of(tmp_path / "copy") == files_of(source)


def test_places_that_hold_something_else_are_refused(source: Path, tmp_path: Path) -> None:
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday" / "beach.jpg").write_bytes(b"x")
    with pytest.raises(DatasetError, match="not empty and not a dataset"):
        push(source, f"file://{tmp_path}/holiday")
    with pytest.raises(DatasetError, match="not empty and was not pulled"):
        pull(str(source), tmp_path / "holiday")
    pull(str(source), tmp_path / "copy")
    shutil.copytree(source, tmp_path / "elsewhere")
    with pytest.raises(DatasetError, match="was pulled from"):
        pull(str(tmp_path / "elsewhere"), tmp_path / "copy")
    with pytest.raises(DatasetError, match="s3://bucket/x is an address; write to a folder"):
        pull(str(source), "s3://bucket/x")
    with pytest.raises(DatasetError, match="Only a whole dataset"):
        push(facevid.dataset.open(source).where("audio"), f"file://{tmp_path}/x")


def test_a_pull_does_not_bring_back_what_was_taken_down_here(source: Path, tmp_path: Path) -> None:
    import pyarrow as pa

    from facevid.dataset.publish import publish
    from facevid.dataset.tables import staging_folder, write_table

    opened = facevid.dataset.open(source)
    sources = opened.to_arrow("sources")
    column = pa.array([hashlib.sha256(i.encode()).hexdigest() for i in sources["source_id"].to_pylist()])
    sources = sources.set_column(sources.column_names.index("sha256"), "sha256", column)
    staged = staging_folder(source, b"sources")
    files = [f for f in opened.manifest.files if not f.path.startswith("sources/")]
    files += write_table(staged, "sources", sources)
    publish(source, staged=staged, files=files, about=opened.manifest.about, card=None)
    pull(str(source), tmp_path / "copy")
    tombstones.add(tmp_path / "copy", sources=[tombstones.source_mark(column[0].as_py())])
    with pytest.raises(
        DatasetError, match=r"14 clips of .* were taken down, here or there, and would come back"
    ):
        pull(str(source), tmp_path / "copy")
