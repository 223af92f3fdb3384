"""What the review's routes answer: clips, verdicts, and a right status with a sentence for what is wrong."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from talking import CLIPS, HAIR

from facevid.web.server import create_app

TOKEN = "a-token-for-tests"


@pytest.fixture
def client(published: Path) -> Iterator[TestClient]:
    (published / "review").exists() and [p.unlink() for p in (published / "review").iterdir()]
    app = create_app(published, token=TOKEN)
    with TestClient(app, base_url="http://127.0.0.1", headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        yield client


def ask(client: TestClient, name: str, **query: str) -> Any:
    answer = client.get(f"/api/review/{name}", params={"task": "attributes", "annotator": "ann"} | query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def tell(client: TestClient, clip_id: str, verdict: str = "accept", **more: object) -> Any:
    body = {"task": "attributes", "clip_id": clip_id, "annotator": "ann", "verdict": verdict, "said": {},
            "seconds": 2.5, "client_id": str(uuid.uuid4())} | more  # fmt: skip
    return client.post("/api/review/verdict", content=json.dumps(body))


def test_the_next_clip_carries_what_is_said_of_it_and_by_whom(client: TestClient) -> None:
    item = ask(client, "next")["item"]
    assert item["attributes"]["hair_colour"]["value"] == HAIR[0]
    assert item["attributes"]["gender"]["by"] == "self"
    assert [a["name"] for a in item["actions"]] == ["talk"]
    assert item["caption"] == f"A person with {HAIR[0]} hair talks."
    assert (item["fps"], item["frames"], item["mine"]) == (25.0, 50, None)


def test_a_review_of_every_clip_ends_and_its_progress_says_so(client: TestClient) -> None:
    client.post("/api/review/settings", json={"settings": {"share": 0.0, "lot_size": 8}, "annotator": "ann"})
    seen = []
    while item := ask(client, "next")["item"]:
        seen.append(item["clip_id"])
        assert tell(client, item["clip_id"]).status_code == 200
    assert len(set(seen)) == CLIPS
    told = ask(client, "progress")
    assert (told["done"], told["answers"], told["median_seconds"]) == (CLIPS, {"ann": CLIPS}, 2.5)
    (lot,) = ask(client, "lots")["lots"]
    assert (lot["decision"], lot["plan"]["sample_size"]) == ("accept", 5)


def test_clips_whose_verdicts_are_on_their_way_are_not_given_again(client: TestClient) -> None:
    first = ask(client, "next")["item"]["clip_id"]
    assert ask(client, "next")["item"]["clip_id"] == first  # its own annotator may load the page again
    assert ask(client, "next", without=first)["item"]["clip_id"] != first


def test_undo_takes_back_the_verdict_that_is_named(client: TestClient) -> None:
    one = ask(client, "next")["item"]["clip_id"]
    tell(client, one, client_id="first-verdict")
    two = ask(client, "next")["item"]["clip_id"]
    tell(client, two, client_id="second-verdict")
    undo = {
        "task": "attributes",
        "annotator": "ann",
        "client_id": "the-undo-itself",
        "undoes": "first-verdict",
    }
    assert client.post("/api/review/undo", json=undo).json()["verdict"]["clip_id"] == one
    assert ask(client, "item", clip_id=one)["item"]["mine"] is None
    assert ask(client, "item", clip_id=two)["item"]["mine"]["verdict"] == "accept"
    again = undo | {"client_id": "another-undo-of-it"}
    assert client.post("/api/review/undo", json=again).status_code == 409


def test_a_third_person_sees_what_two_disagree_about(client: TestClient) -> None:
    clip_id = ask(client, "next")["item"]["clip_id"]
    for annotator, colour in (("ann", "black"), ("bob", "brown")):
        tell(client, clip_id, annotator=annotator, said={"attributes": {"hair_colour": colour}})
    item = ask(client, "adjudicate", annotator="cy")["item"]
    assert (item["clip_id"], item["about"]) == (clip_id, ["hair_colour"])
    assert [v["said"]["attributes"]["hair_colour"] for v in item["said"]] == ["black", "brown"]
    found = {a["name"]: a for a in ask(client, "agreement")["agreement"]}
    assert found["hair_colour"]["alpha"]["n"] == 1
    tell(client, clip_id, annotator="cy", role="adjudicate", said={"attributes": {"hair_colour": "black"}})
    assert ask(client, "adjudicate", annotator="dee")["item"] is None


def test_the_vocabulary_comes_with_the_tasks(client: TestClient) -> None:
    told = ask(client, "tasks")
    assert told["tasks"] == ["attributes", "captions", "keep"]
    hair = next(a for a in told["attributes"] if a["name"] == "hair_colour")
    assert "black" in hair["values"] and hair["kind"] == "choice"
    confirmed = {a["name"]: a["confirmed"] for a in told["attributes"]}
    assert {name for name, when in confirmed.items() if when == "never"} == {"ita", "blinks_per_minute"}
    assert {name for name, when in confirmed.items() if when == "if chosen"} == {"skin_tone"}
    assert {"nod", "gaze away"} < set(told["actions"])
    assert told["annotated"] is True and told["annotate"].startswith("facevid annotate ")


@pytest.mark.parametrize(
    ("path", "query", "says"),
    [
        ("next", {"annotator": "ann"}, "lacks task"),
        ("next", {"task": "colour", "annotator": "ann"}, "There is no task 'colour'"),
        ("next", {"task": "keep"}, "lacks annotator"),
        ("item", {"task": "keep", "annotator": "ann"}, "lacks clip_id"),
        ("adjudicate", {"task": "keep"}, "lacks annotator"),
        ("next", {"task": "keep", "annotator": "a" * 81}, "1 to 80 printable"),
        ("item", {"task": "keep", "annotator": "ann", "clip_id": "a\0b"}, "no clip"),
    ],
)
def test_a_question_that_lacks_something_gets_400(
    client: TestClient, path: str, query: dict[str, str], says: str
) -> None:
    answer = client.get(f"/api/review/{path}", params=query)
    assert answer.status_code == (404 if "clip_id" in query else 400)
    assert says in answer.json()["error"]


@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        ({"clip_id": "../../etc/passwd"}, 404, "no clip"),
        ({"clip_id": ""}, 400, "lacks 'clip_id'"),
        ({"verdict": "perhaps"}, 400, "accept, reject, skip"),
        ({"said": {"attributes": {"hair_colour": "plaid"}}}, 400, "hair_colour cannot be 'plaid'"),
        ({"said": {"attributes": {"ita": "30"}}}, 400, "ita is measured, and nobody can judge it by eye"),
        ({"said": {"actions": [{"name": "fly", "start_s": 0, "end_s": 1}]}}, 400, "no action 'fly'"),
        ({"said": {"actions": [{"name": "nod", "start_s": 1, "end_s": 0}]}}, 400, "in this order"),
        ({"said": [1]}, 400, "JSON object"),
        ({"said": {"changed": [["hair_colour"]]}}, 400, "cannot have been changed"),
        ({"said": {"actions": [{"name": "nod", "start_s": 0, "end_s": 10**400}]}}, 400, "needs start_s"),
        ({"clip_id": "a\0b"}, 404, "no clip"),
        ({"annotator": "\ud83d"}, 400, "no JSON"),
        ({"annotator": "a" * 81}, 400, "1 to 80 printable"),
        ({"seconds": float("1e308") * 10}, 400, "no JSON (Infinity is no number)"),
        ({"seconds": "long"}, 400, "number of seconds"),
        ({"client_id": "x"}, 400, "8 to 64"),
        ({"role": "king"}, 400, "annotate, adjudicate"),
    ],
)
def test_a_wrong_verdict_is_refused_and_nothing_is_stored(
    client: TestClient, change: dict[str, Any], status: int, says: str
) -> None:
    clip_id = ask(client, "next")["item"]["clip_id"]
    answer = tell(client, **({"clip_id": clip_id} | change))
    assert answer.status_code == status
    assert says in answer.json()["error"]
    assert ask(client, "progress")["answers"] == {}


def test_a_message_that_is_no_json_or_too_long_is_refused(client: TestClient) -> None:
    assert client.post("/api/review/verdict", content=b"{oops").status_code == 400
    assert (
        client.post("/api/review/verdict", content=b"[1]").json()["error"]
        == "The message must be a JSON object."
    )
    assert client.post("/api/review/verdict", content=b"[" * 200_000).status_code == 400
    assert client.post("/api/review/verdict", content=b" " * 300_000).status_code == 413


def test_no_more_of_a_message_is_read_than_may_be_sent(client: TestClient) -> None:
    read = []

    def endless() -> Iterator[bytes]:
        while True:
            read.append(1)
            yield b" " * 65_536

    call = {"type": "http", "method": "POST", "path": "/api/review/undo", "query_string": b"", "root_path": "",
            "headers": [(b"host", b"127.0.0.1"), (b"authorization", f"Bearer {TOKEN}".encode())]}  # fmt: skip
    parts = endless()
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": next(parts), "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    with ThreadPoolExecutor(
        1
    ) as own:  # the shared browser of the other tests keeps a loop running in this thread
        own.submit(asyncio.run, client.app(call, receive, send)).result()  # type: ignore[arg-type]
    assert sent[0]["status"] == 413 and len(read) <= 6


def test_a_setting_out_of_range_is_refused_and_a_right_one_kept_with_its_author(client: TestClient) -> None:
    huge = client.post(
        "/api/review/settings", content=b'{"settings": {"lot_size": 1e999}, "annotator": "ann"}'
    )
    assert huge.status_code == 400 and "whole number" in huge.json()["error"]
    wrong = client.post("/api/review/settings", json={"settings": {"aql": 1.1}, "annotator": "ann"})
    assert wrong.status_code == 400 and "2.5" in wrong.json()["error"]
    client.post(
        "/api/review/settings", json={"settings": {"queue": "samples", "lot_size": 8}, "annotator": "ann"}
    )
    told = ask(client, "settings")
    assert told["settings"]["queue"] == "samples"
    assert {(row["name"], row["who"]) for row in told["history"]} == {("queue", "ann"), ("lot_size", "ann")}
    assert ask(client, "progress")["clips"] == 5  # a lot of 8 at AQL 2.5: arrow to letter C


def test_who_has_no_token_reads_and_writes_nothing(client: TestClient) -> None:
    bare = {"Authorization": ""}
    assert client.get("/api/review/tasks", headers=bare).status_code == 401
    assert client.post("/api/review/undo", json={}, headers=bare).status_code == 401
    foreign = {"Origin": "http://elsewhere.example"}
    assert client.post("/api/review/undo", json={}, headers=foreign).status_code == 403
