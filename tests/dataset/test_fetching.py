"""Fetching from a server that fails in all the usual ways: what is whole is kept, what is dead is not asked again."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from facevid.dataset.corpora import (
    CorpusError,
    FetchError,
    FetchSettings,
    Imported,
    crema_d,
    fetch_site,
    import_corpus,
)
from facevid.dataset.corpora.links import Links
from facevid.errors import FacevidError
from facevid.media import VideoWriter

sys.path.insert(0, str(Path(__file__).parent))

from web_server import Answer, Handler, WebServer, breaking, ok, silent_first, status

QUICK = FetchSettings(per_minute=1e6, first_wait_s=0.01, timeout_s=5.0, retries=2)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An MP4 of 20 kB of noise, so that it can break off in the middle."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    noise = np.random.default_rng(1).integers(0, 255, (5, 96, 160, 3), np.uint8)
    with VideoWriter(path, width=160, height=96, fps=5) as writer:
        for picture in noise:
            writer.write(picture)
    return path.read_bytes()


def table(folder: Path, web: WebServer, *paths: str, extra: str = "") -> Path:
    csv = folder / "clips.csv"
    csv.write_text("url\n" + "".join(web.url(path) + "\n" for path in paths) + extra, encoding="utf-8")
    return csv


def run(folder: Path, csv: Path, settings: FetchSettings = QUICK) -> Imported:
    return import_corpus("general", csv, folder / "out", fetch=True, settings=settings)


def fetched(folder: Path) -> list[Path]:
    return sorted(p for p in (folder / "out" / "media").iterdir() if p.suffix == ".mp4")


def ledger(folder: Path) -> list[dict[str, str]]:
    text = (folder / "out" / "media" / "fetched.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def once(
    tmp_path: Path, answer: Answer, settings: FetchSettings = QUICK
) -> tuple[Imported, list[str | None]]:
    """Fetch one address that answers so; what became of it, and the ranges that were asked for."""
    with WebServer({"/a.mp4": answer}) as web:
        found = run(tmp_path, table(tmp_path, web, "/a.mp4"), settings)
    return found, [wanted for _, wanted in web.asked]


def test_what_is_there_is_fetched_once_and_never_again(tmp_path: Path, data: bytes) -> None:
    with WebServer({"/a.mp4": ok(data)}) as web:
        csv = table(tmp_path, web, "/a.mp4", "/a.mp4")
        found = run(tmp_path, csv)
        assert (found.fetched and found.fetched.fetched, found.prepared.rows, len(found.problems)) == (
            1,
            2,
            0,
        )
        (path,) = fetched(tmp_path)
        assert path.read_bytes() == data
        mark = hashlib.sha256(web.url("/a.mp4").encode()).hexdigest()[:12]
        assert path.name == f"a-{mark}.mp4"
        again = run(tmp_path, csv)
        assert again.fetched and (again.fetched.fetched, again.fetched.already_there) == (0, 1)
        assert len(web.asked) == 1
    assert not [p for p in path.parent.iterdir() if p.name.endswith((".part", ".part.json"))]
    assert [e["state"] for e in ledger(tmp_path)] == ["fetched"]


def test_a_dead_link_is_written_down_and_left_alone_until_asked(tmp_path: Path, data: bytes) -> None:
    answers: dict[str, Answer] = {}
    with WebServer(answers) as web:
        csv = table(tmp_path, web, "/gone.mp4")
        found = run(tmp_path, csv)
        assert found.fetched and found.fetched.dead == 1 and len(web.asked) == 1
        (problem,) = found.problems
        assert (problem.row, problem.kind) == ("line 2", "dead") and "404" in problem.message
        (event,) = ledger(tmp_path)
        assert event["state"] == "dead" and "404" in event["reason"] and event["when"].endswith("Z")
        again = run(tmp_path, csv)
        assert len(web.asked) == 1 and again.problems[0].message.endswith(f"(found on {event['when'][:10]})")
        answers["/gone.mp4"] = ok(data)
        asked = run(tmp_path, csv, FetchSettings(per_minute=1e6, retry_dead=True))
        assert asked.fetched and asked.fetched.fetched == 1 and not asked.problems


def test_a_busy_server_is_asked_again(tmp_path: Path, data: bytes) -> None:
    found, asked = once(tmp_path, status(503, 500, then=data))
    assert found.fetched and found.fetched.fetched == 1 and len(asked) == 3
    assert fetched(tmp_path)[0].read_bytes() == data


def test_what_fails_too_often_fails_this_time_only(tmp_path: Path, data: bytes) -> None:
    with WebServer({"/a.mp4": status(503, 503, 503, then=data)}) as web:
        csv = table(tmp_path, web, "/a.mp4")
        found = run(tmp_path, csv)
        assert found.fetched and found.fetched.failed == 1 and len(web.asked) == 3
        assert [p.kind for p in found.problems] == ["fetch"] and "503" in found.problems[0].message
        assert not run(tmp_path, csv).problems
    assert [e["state"] for e in ledger(tmp_path)] == ["failed", "fetched"]


def test_the_server_says_how_long_to_wait(tmp_path: Path, data: bytes) -> None:
    settings = FetchSettings(per_minute=1e6, first_wait_s=60.0, retries=1)
    began = time.monotonic()
    found, asked = once(tmp_path, status(429, then=data, headers={"Retry-After": "1"}), settings)
    assert found.fetched and found.fetched.fetched == 1 and len(asked) == 2
    assert 1.0 <= time.monotonic() - began < 30


def test_a_broken_connection_goes_on_where_it_broke(tmp_path: Path, data: bytes) -> None:
    found, asked = once(tmp_path, breaking(data, 5000))
    assert found.fetched and found.fetched.fetched == 1
    assert asked == [None, "bytes=5000-"]
    assert fetched(tmp_path)[0].read_bytes() == data


def test_a_partial_file_of_an_earlier_run_goes_on(tmp_path: Path, data: bytes) -> None:
    with WebServer({"/a.mp4": breaking(data, 7000)}) as web:
        csv = table(tmp_path, web, "/a.mp4")
        first = run(tmp_path, csv, FetchSettings(per_minute=1e6, retries=0))
        assert first.fetched and first.fetched.failed == 1 and not fetched(tmp_path)
        run(tmp_path, csv)
        assert [wanted for _, wanted in web.asked] == [None, "bytes=7000-"]
    assert fetched(tmp_path)[0].read_bytes() == data


def test_halves_of_two_different_files_are_never_joined(tmp_path: Path, data: bytes) -> None:
    other = data + b"\x00\x00\x00\x08free"
    found, asked = once(tmp_path, breaking(data, 5000, change=other))
    assert found.fetched and found.fetched.fetched == 1 and asked == [None, "bytes=5000-"]
    assert fetched(tmp_path)[0].read_bytes() == other


def test_a_silent_server_is_left_and_asked_again(tmp_path: Path, data: bytes) -> None:
    settings = FetchSettings(per_minute=1e6, first_wait_s=0.01, timeout_s=0.5, retries=1)
    found, asked = once(tmp_path, silent_first(data, 1.5), settings)
    assert found.fetched and found.fetched.fetched == 1 and len(asked) == 2


def test_a_file_shorter_than_promised_is_not_taken_for_whole(tmp_path: Path, data: bytes) -> None:
    found, asked = once(tmp_path, lambda request: request.give(data[:9000], length=len(data)))
    assert found.fetched and found.fetched.failed == 1 and len(asked) == 3
    assert not fetched(tmp_path) and [p.kind for p in found.problems] == ["fetch"]


def test_a_page_in_place_of_a_video_is_dead_and_not_kept(tmp_path: Path) -> None:
    found, asked = once(tmp_path, ok(b"<html>Sign in</html>", "text/html; charset=utf-8"))
    assert found.fetched and found.fetched.dead == 1 and len(asked) == 1
    assert "page (text/html)" in found.problems[0].message and not fetched(tmp_path)


def test_what_is_no_video_is_dead_and_not_kept(tmp_path: Path) -> None:
    found, _ = once(tmp_path, ok(b"these are no pictures" * 50))
    assert found.fetched and found.fetched.dead == 1 and not fetched(tmp_path)
    assert "no video" in found.problems[0].message


def test_a_server_that_was_asked_too_often_ends_the_run(tmp_path: Path, data: bytes) -> None:
    with WebServer({"/a.mp4": status(429, 429, then=data), "/b.mp4": ok(data)}) as web:
        found = run(tmp_path, table(tmp_path, web, "/a.mp4", "/b.mp4"))
        assert [path for path, _ in web.asked] == ["/a.mp4"]
    assert found.fetched and found.fetched.not_tried == 2
    assert found.fetched.stopped and "asked too often" in found.fetched.stopped
    assert not (tmp_path / "out" / "media" / "fetched.jsonl").exists()  # nothing is known of either link


def test_no_more_is_asked_for_than_the_limit_and_what_lies_elsewhere_is_not(
    tmp_path: Path, data: bytes
) -> None:
    with WebServer({f"/{name}.mp4": ok(data) for name in "abc"}) as web:
        csv = table(tmp_path, web, "/a.mp4", "/b.mp4", "/c.mp4")
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        mark = hashlib.sha256(web.url("/a.mp4").encode()).hexdigest()[:12]
        (elsewhere / f"a-{mark}.mp4").write_bytes(data)
        found = import_corpus(
            "general", csv, tmp_path / "out", fetch=True, footage=elsewhere, limit=2, settings=QUICK
        )
        assert [path for path, _ in web.asked] == ["/b.mp4"]
    assert found.prepared.rows == 2


def test_sources_are_begun_no_faster_than_allowed(tmp_path: Path, data: bytes) -> None:
    with WebServer({f"/{name}.mp4": ok(data) for name in "abc"}) as web:
        began = time.monotonic()
        run(tmp_path, table(tmp_path, web, "/a.mp4", "/b.mp4", "/c.mp4"), FetchSettings(per_minute=150))
        assert time.monotonic() - began >= 0.8  # two pauses of .4 s


def test_bytes_come_no_faster_than_allowed(tmp_path: Path, data: bytes) -> None:
    began = time.monotonic()
    once(tmp_path, ok(data), FetchSettings(per_minute=1e6, bytes_per_s=len(data) / 0.5))
    assert time.monotonic() - began >= 0.5


def test_the_ledger_survives_a_write_that_was_cut_off(tmp_path: Path) -> None:
    links = Links(tmp_path)
    links.add("a", "http://a", "dead", reason="gone")
    links.add("b", "http://b", "fetched", file="b.mp4", size_bytes=3)
    whole = links.path.read_bytes()
    for cut in range(len(whole) - 1, len(whole.splitlines()[0]), -7):
        links.path.write_bytes(whole[:cut])
        again = Links(tmp_path)
        assert [link.source for link in again] == ["a"]
        again.add("c", "http://c", "failed", reason="later")
        assert [link.source for link in Links(tmp_path)] == ["a", "c"]
    links.path.write_bytes(b"no event\n" + whole)
    with pytest.raises(FacevidError, match="line 1"):
        Links(tmp_path)


def test_a_site_is_asked_through_yt_dlp(tmp_path: Path, data: bytes) -> None:
    pytest.importorskip("yt_dlp")
    # An address without a video's ending goes to yt-dlp, whose generic extractor sees that it is a video.
    with WebServer({"/watch": ok(data)}) as web:
        found = run(tmp_path, table(tmp_path, web, "/watch?v=1"))
    assert found.fetched and found.fetched.fetched == 1 and not found.problems
    (path,) = fetched(tmp_path)
    assert path.read_bytes() == data


def test_a_page_without_a_video_and_one_that_is_not_there_are_dead_for_a_site_too(tmp_path: Path) -> None:
    pytest.importorskip("yt_dlp")
    with WebServer({"/text": ok(b"<html><body>Nothing here</body></html>", "text/html")}) as web:
        found = run(tmp_path, table(tmp_path, web, "/text", "/nowhere"))
    assert found.fetched and found.fetched.dead == 2
    assert all("ERROR" not in p.message and "--" not in p.message for p in found.problems)


def test_a_site_that_is_busy_is_asked_again_and_fails_this_time_only(tmp_path: Path, data: bytes) -> None:
    pytest.importorskip("yt_dlp")
    with WebServer({"/watch": status(503, then=data), "/busy": status(*[503] * 20, then=data)}) as web:
        found = run(tmp_path, table(tmp_path, web, "/watch", "/busy"))
    assert found.fetched and (found.fetched.fetched, found.fetched.failed, found.fetched.dead) == (1, 1, 0)


def test_a_list_of_videos_is_not_fetched(tmp_path: Path, data: bytes) -> None:
    pytest.importorskip("yt_dlp")
    page = b"<html><body>" + b"".join(
        b'<video><source src="/film%d.mp4" type="video/mp4"></video>' % k for k in range(3)
    )
    answers = {"/list": ok(page + b"</body></html>", "text/html")}
    with WebServer({**answers, **{f"/film{k}.mp4": ok(data) for k in range(3)}}) as web:
        found = run(tmp_path, table(tmp_path, web, "/list"))
        assert not [path for path, _ in web.asked if path.startswith("/film")]
    assert found.fetched and found.fetched.dead == 1 and "a list of videos" in found.problems[0].message


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("ERROR: [youtube] x: Sign in to confirm you’re not a bot. Use --cookies", fetch_site.Refused),
        ("ERROR: unable to download: HTTP Error 429: Too Many Requests", fetch_site.Refused),
        ("ERROR: [youtube] x: Private video. Sign in if you've been granted access", fetch_site.LinkDead),
        ("ERROR: [youtube] x: Video unavailable", fetch_site.LinkDead),
        ("ERROR: [youtube] x: This video has been removed by the uploader", fetch_site.LinkDead),
        ("ERROR: Unable to download webpage: HTTP Error 503: Service Unavailable", fetch_site.LinkFailed),
        ("ERROR: Unable to download webpage: timed out", fetch_site.LinkFailed),
        ("ERROR: [youtube] x: Requested format is not available. Use --list-formats", fetch_site.LinkFailed),
        ("ERROR: [x] 1: Something nobody has seen before", fetch_site.LinkFailed),
    ],
)
def test_the_words_of_yt_dlp_mean_dead_robot_or_later(message: str, kind: type[Exception]) -> None:
    error = fetch_site.error_of(message)
    assert type(error) is kind and "ERROR" not in str(error) and "--cookies" not in str(error)


def test_settings_that_cannot_be_are_refused() -> None:
    for wrong in ({"per_minute": 0}, {"timeout_s": -1}, {"retries": -1}, {"bytes_per_s": -5}, {"height": 0}):
        with pytest.raises(FetchError):
            FetchSettings(**wrong)


def test_an_address_outside_of_the_web_is_named_by_row(tmp_path: Path) -> None:
    csv = tmp_path / "clips.csv"
    csv.write_text("url\nfile:///etc/hostname\nftp://example.org/a.mp4\n", encoding="utf-8")
    found = run(tmp_path, csv)
    assert [(p.row, p.kind) for p in found.problems] == [("line 2", "row"), ("line 3", "row")]
    csv.write_text("what\nx\n", encoding="utf-8")
    with pytest.raises(CorpusError, match="no column `url`"):
        run(tmp_path, csv)


def test_one_failure_after_the_other_ends_the_run(tmp_path: Path, data: bytes) -> None:
    busy = {f"/{k}.mp4": status(503, then=data) for k in range(7)}
    settings = FetchSettings(per_minute=1e6, retries=0)
    with WebServer(busy) as web:
        csv = table(tmp_path, web, *busy)
        found = run(tmp_path, csv, settings)
        assert found.fetched and (found.fetched.failed, found.fetched.not_tried) == (5, 2)
        assert found.fetched.stopped and "5 videos in a row" in found.fetched.stopped
        # What failed is tried again, and what was not tried is tried now.
        again = run(tmp_path, csv, settings)
        assert again.fetched and (again.fetched.fetched, again.fetched.failed) == (5, 2)


def test_a_corpus_asks_for_the_clips_that_were_wanted_and_no_others(
    tmp_path: Path, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = Path(__file__).parents[1] / "data" / "corpora" / "VideoDemographics.csv"
    with WebServer({f"/9001_IEO_ANG_{level}.flv": ok(data) for level in ("LO", "HI")}) as web:
        monkeypatch.setattr(crema_d, "VIDEOS", web.url("").rstrip("/"))
        found = import_corpus("crema-d", sample, tmp_path / "out", fetch=True, limit=3, settings=QUICK)
        assert sorted(path for path, _ in web.asked) == [f"/9001_IEO_ANG_{k}.flv" for k in ("HI", "LO", "MD")]
    assert found.fetched and (found.fetched.fetched, found.fetched.dead, found.prepared.rows) == (2, 1, 2)
    assert [p.kind for p in found.problems] == ["dead"]


_KILLED = """
import sys
from facevid.dataset.corpora import FetchSettings, import_corpus
import_corpus("general", sys.argv[1], sys.argv[2], fetch=True, settings=FetchSettings(per_minute=1e6))
"""


@pytest.mark.slow
def test_a_killed_fetch_goes_on_and_ends_as_if_nothing_had_been(tmp_path: Path, data: bytes) -> None:
    def slowly(request: Handler) -> None:
        # In pieces, so that a kill falls into the middle of a file as often as between two.
        wanted = request.headers.get("Range")
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        request.send_response(206 if wanted else 200)
        request.send_header("Content-Type", "video/mp4")
        request.send_header("Content-Length", str(len(data) - start))
        request.send_header("ETag", '"same"')
        if wanted:
            request.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        request.end_headers()
        for at in range(start, len(data), 2000):
            request.wfile.write(data[at : min(at + 2000, len(data))])
            time.sleep(0.005)

    names = [f"/{k}.mp4" for k in range(12)]
    with WebServer(dict.fromkeys(names, slowly)) as web:
        csv = table(tmp_path, web, *names)
        for asked_before_kill in (2, 5, 9):
            process = subprocess.Popen([sys.executable, "-c", _KILLED, str(csv), str(tmp_path / "out")])
            while process.poll() is None and len(web.asked) < asked_before_kill:
                time.sleep(0.01)
            time.sleep(0.02)
            process.kill()
            process.wait()
        found = run(tmp_path, csv)
        times = [sum(path == name for path, _ in web.asked) for name in names]
    assert not found.problems and found.prepared.rows == len(names)
    assert [path.read_bytes() for path in fetched(tmp_path)] == [data] * len(names)
    assert sum(times) <= len(names) + 3  # each once, and once more where a kill fell into it
    assert not list((tmp_path / "out" / "media").glob(".*.part*"))
