"""Media come straight from the shard, whole or by range; what is missing or damaged has a status and a sentence."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from exploring import browser, clip_name, publish, said
from starlette.testclient import TestClient

import facevid
from facevid.web.errors import Refused
from facevid.web.media import byte_range


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from packing import work

    folder = tmp_path_factory.mktemp("media") / "clips"
    work(folder, 4, silent=(2,))
    return folder


@pytest.fixture(scope="module")
def folder(clip_folder: Path) -> Path:
    return publish(clip_folder.parent / "dataset", clip_folder, count=4)


@pytest.fixture(scope="module")
def client(folder: Path) -> TestClient:
    return browser(folder)


@pytest.fixture
def copied(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copied"))


def test_the_whole_member_is_what_the_library_reads(client: TestClient, folder: Path) -> None:
    clip = facevid.open(folder)[clip_name(1)]
    for kind, media_type in (("mp4", "video/mp4"), ("flac", "audio/flac")):
        answer = client.get(f"/media/{clip_name(1)}.{kind}")
        assert answer.status_code == 200 and answer.content == clip.read(kind)
        assert answer.headers["content-type"] == media_type
        assert answer.headers["accept-ranges"] == "bytes"


def test_ranges_are_cut_out_of_the_member(client: TestClient, folder: Path) -> None:
    whole = facevid.open(folder)[clip_name(1)].read("mp4")
    size = len(whole)
    for asked, first, last in (
        ("bytes=0-0", 0, 0),
        ("bytes=10-19", 10, 19),
        (f"bytes={size - 5}-", size - 5, size - 1),
        ("bytes=-7", size - 7, size - 1),
        (f"bytes=-{size * 2}", 0, size - 1),
        (f"bytes=100-{size * 2}", 100, size - 1),
    ):
        answer = client.get(f"/media/{clip_name(1)}.mp4", headers={"Range": asked})
        assert answer.status_code == 206 and answer.content == whole[first : last + 1]
        assert answer.headers["content-range"] == f"bytes {first}-{last}/{size}"


@pytest.mark.parametrize(
    "asked", ["bytes=5-2", "bytes=", "bytes=-", "lines=1-2", "bytes=0-1,4-5", "bytes=a-b", "junk"]
)
def test_a_range_that_says_nothing_gives_the_whole_member(client: TestClient, asked: str) -> None:
    answer = client.get(f"/media/{clip_name(1)}.mp4", headers={"Range": asked})
    assert answer.status_code == 200 and len(answer.content) == int(answer.headers["content-length"])


@pytest.mark.parametrize("asked", ["bytes={size}-", "bytes=99999999-99999999999", "bytes=-0"])
def test_a_range_beyond_the_end_is_refused_with_the_size(
    client: TestClient, folder: Path, asked: str
) -> None:
    size = facevid.open(folder)[clip_name(1)]["mp4_size"]
    answer = client.get(f"/media/{clip_name(1)}.mp4", headers={"Range": asked.format(size=size)})
    assert f"there are {size} bytes" in said(answer, 416)
    assert answer.headers["content-range"] == f"bytes */{size}"


def test_ranges_follow_the_rfc() -> None:
    assert byte_range("bytes=500-999", 10000) == (500, 999)  # RFC 9110, 14.1.2
    assert byte_range("bytes=-500", 10000) == (9500, 9999)
    assert byte_range("bytes=9500-", 10000) == (9500, 9999)
    assert byte_range("BYTES = 0-0", 10000) == (0, 0)
    with pytest.raises(Refused):
        byte_range("bytes=10000-", 10000)


def test_a_browser_that_has_the_member_is_told_so(client: TestClient) -> None:
    for path in (f"/media/{clip_name(1)}.mp4", f"/thumb/{clip_name(1)}.jpg"):
        tag = client.get(path).headers["etag"]
        again = client.get(path, headers={"If-None-Match": tag})
        assert again.status_code == 304 and again.content == b""


def test_an_old_copy_is_not_continued(client: TestClient) -> None:
    headers = {"Range": "bytes=0-9", "If-Range": '"another"'}
    assert client.get(f"/media/{clip_name(1)}.mp4", headers=headers).status_code == 200


def test_a_thumbnail_is_a_small_picture_of_the_clip(client: TestClient, folder: Path) -> None:
    answer = client.get(f"/thumb/{clip_name(1)}.jpg?w=48")
    picture = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
    frame = facevid.open(folder)[clip_name(1)].frames(4, 5)[0]
    assert picture.shape == (48, 48, 3)
    assert abs(picture.astype(float).mean() - frame.astype(float).mean()) < 4


@pytest.mark.parametrize("width", ["0", "-5", "31", "513", "9" * 30, "1e2", "x", "٣٢"])
def test_a_thumbnail_of_a_senseless_width_is_refused(client: TestClient, width: str) -> None:
    assert "32 to 512 pixels" in said(client.get("/thumb/x.jpg", params={"w": width}), 400)


def test_a_clip_that_is_not_there_is_404(client: TestClient) -> None:
    name = "0" * 16 + "_000000_000001_9"
    for path in (f"/media/{name}.mp4", f"/media/{name}.flac", f"/thumb/{name}.jpg", f"/api/clip/{name}",
                 f"/api/clip/{name}/points", f"/api/clip/{name}/curves"):  # fmt: skip
        assert "it may have been deleted" in said(client.get(path), 404)
    said(client.get(f"/media/{clip_name(1)}.json"), 404)


def test_a_clip_without_sound_has_no_flac(client: TestClient) -> None:
    assert "has no sound" in said(client.get(f"/media/{clip_name(2)}.flac"), 404)
    curves = client.get(f"/api/clip/{clip_name(2)}/curves").json()
    assert curves["waveform"] is None and curves["speech"] is None


def test_a_clip_deleted_while_the_server_runs_is_404_and_the_others_stay(
    copied: Path, clip_folder: Path
) -> None:
    client = browser(copied)
    assert client.get(f"/media/{clip_name(3)}.mp4").status_code == 200
    publish(copied, clip_folder, count=3)
    assert "it may have been deleted" in said(client.get(f"/media/{clip_name(3)}.mp4"), 404)
    for k in range(3):
        expected = facevid.open(copied)[clip_name(k)].read("mp4")
        assert client.get(f"/media/{clip_name(k)}.mp4").content == expected
    assert client.get("/api/clips").json()["total"] == 3


def test_a_damaged_member_is_told_from_its_hash(copied: Path) -> None:
    clip = facevid.open(copied)[clip_name(1)]
    shard = copied / "media" / clip["shard"]
    content = bytearray(shard.read_bytes())
    content[clip["mp4_offset"] + 200] ^= 0xFF
    shard.write_bytes(content)
    client = browser(copied)
    assert "is damaged" in said(client.get(f"/media/{clip_name(1)}.mp4"), 422)
    assert "is damaged" in said(client.get(f"/media/{clip_name(1)}.mp4", headers={"Range": "bytes=0-9"}), 422)
    assert "is damaged" in said(client.get(f"/thumb/{clip_name(1)}.jpg"), 422)
    assert client.get(f"/media/{clip_name(1)}.flac").status_code == 200


def test_a_shard_that_went_away_or_ends_early_is_said(copied: Path) -> None:
    client = browser(copied)
    row = facevid.open(copied)[clip_name(1)]
    shard = copied / "media" / row["shard"]
    shard.write_bytes(shard.read_bytes()[: row["mp4_offset"] + 10])
    assert "ends within the mp4" in said(client.get(f"/media/{clip_name(1)}.mp4"), 422)
    shard.unlink()
    assert "is missing" in said(client.get(f"/media/{clip_name(1)}.mp4"), 410)


def test_a_table_that_went_away_is_named_and_no_fault_of_facevid(tmp_path: Path) -> None:
    folder = publish(tmp_path / "dataset", tmp_path / "clips", count=3)
    client = browser(folder)
    name = clip_name(1)
    for table, path in (("keypoints", f"/api/clip/{name}/points"), ("clips", f"/api/clip/{name}")):
        for part in (folder / table).iterdir():
            part.unlink()
        assert "published anew" in said(client.get(path), 410)
