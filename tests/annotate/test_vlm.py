"""The captioner against a server on this machine that speaks the protocol, well and badly."""

from __future__ import annotations

import base64
import json
import logging
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from chat_server import Reply, Server, answer, completion, good
from jsonschema import Draft202012Validator
from numpy.typing import NDArray

from facevid.annotate import vlm, vlm_endpoint, vlm_schema
from facevid.annotate.vlm import VlmError, VlmItem, VlmResult, VlmSettings, annotate_clips
from facevid.dataset.statements import CAPTION_LENGTHS
from facevid.dataset.vocabulary import ATTRIBUTES

KEY = "sk-secret-of-the-test"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(vlm_endpoint, "FIRST_WAIT_S", 0.01)
    monkeypatch.setenv("VLM_TEST_KEY", KEY)
    made = Server()
    yield made
    made.http.shutdown()
    made.http.server_close()


def settings(server: Server, **other: Any) -> VlmSettings:
    return VlmSettings(url=server.url, model="test-vl", api_key_env="VLM_TEST_KEY", **other)


def clip(name: str = "c0", *, k: int = 4, seed: int = 0) -> VlmItem:
    images = np.random.default_rng(seed).integers(0, 255, (k, 48, 64, 3), dtype=np.uint8)
    return VlmItem(name, images, [0.5 * i for i in range(k)], 2.0)


def run(items: Any, how: VlmSettings, folder: Path) -> list[VlmResult]:
    return sorted(annotate_clips(items, how, folder / "answers.sqlite"), key=lambda r: r.clip_id)


def test_a_good_answer_becomes_statements_and_unknown_becomes_none(server: Server, tmp_path: Path) -> None:
    server.script = lambda n, body: good(gender="female", bangs="no", age=31, ethnicity="unknown")
    (result,) = run([clip()], settings(server), tmp_path)
    assert (result.kind, result.error) == ("ok", None)
    said = {(s.kind, s.name): s for s in result.statements}
    assert {name for kind, name in said if kind == "attribute"} == {"gender", "bangs", "age"}
    assert said["attribute", "gender"].value == "female"
    assert said["attribute", "age"].value == "31"
    assert said["caption", "medium"].value == "A woman smiles."
    # The model's end at 9 s is brought back to the clip's own end.
    assert (said["action", "smile"].start_s, said["action", "smile"].end_s) == (0.125, 2.0)
    assert {s.by for s in result.statements} == {"model:test-vl"}
    assert {s.confidence for s in result.statements} == {None}
    assert result.usage == vlm.Usage(1, 1000, 200, 0)


def test_the_request_has_the_frames_as_jpeg_and_the_schema(server: Server, tmp_path: Path) -> None:
    images = np.zeros((7, 400, 800, 3), np.uint8)
    images[6, ..., 0] = 255  # the last one is red
    run([VlmItem("c", images, [0.1 * i for i in range(7)], 0.7)], settings(server, frames=3), tmp_path)
    (body,) = server.bodies
    assert server.paths == ["/v1/chat/completions"]
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert body["model"] == "test-vl"
    form = body["response_format"]
    assert (form["type"], form["json_schema"]["strict"]) == ("json_schema", True)
    Draft202012Validator.check_schema(form["json_schema"]["schema"])
    text, *pictures = body["messages"][1]["content"]
    assert "0.00, 0.30, 0.60 s" in text["text"]
    decoded = [_decode(p["image_url"]["url"]) for p in pictures]
    assert [p.shape for p in decoded] == [(256, 512, 3)] * 3
    red = decoded[2].reshape(-1, 3).mean(0)
    assert red[2] > 250 and red[0] < 5, "OpenCV decodes to BGR: red is its last channel"


def _decode(url: str) -> NDArray[np.uint8]:
    head, data = url.split(",", 1)
    assert head == "data:image/jpeg;base64"
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    return np.asarray(picture, dtype=np.uint8)


def test_the_schema_offers_every_choice_and_unknown() -> None:
    asked = vlm_schema.answer_schema(timed=True)["properties"]["attributes"]["properties"]
    for name, attribute in ATTRIBUTES.items():
        if attribute.kind != "number":
            assert asked[name]["enum"] == [*attribute.choices, "unknown"], name
    assert "age" in asked and "ita" not in asked


def test_the_schema_keeps_to_what_strict_endpoints_take() -> None:
    """Their limits as OpenAI's guide to structured outputs states them."""
    kinds: set[str] = set()
    values = properties = 0

    def walk(node: Any) -> None:
        nonlocal values, properties
        if isinstance(node, list):
            for item in node:
                walk(item)
        elif isinstance(node, dict):
            kinds.update(node)
            values += len(node.get("enum", ()))
            if node.get("type") == "object":
                assert node["additionalProperties"] is False
                assert node["required"] == list(node["properties"])
                properties += len(node["properties"])
            for item in [*node.get("properties", {}).values(), node.get("items"), *node.get("anyOf", ())]:
                walk(item)

    walk(vlm_schema.answer_schema(timed=True))
    assert kinds <= {
        "type", "properties", "required", "additionalProperties", "items", "anyOf", "enum", "description", "minimum",
        "maximum",
    }  # fmt: skip
    assert values <= 1000 and properties <= 5000


def test_without_times_no_actions_are_asked_for(server: Server, tmp_path: Path) -> None:
    server.script = lambda n, body: (200, {}, completion(json.dumps(answer(timed=False, tie="yes"))))
    (result,) = run([("plain", clip().images)], settings(server), tmp_path)
    assert result.kind == "ok"
    assert [s.name for s in result.statements if s.kind != "caption"] == ["tie"]
    assert "actions" not in server.bodies[0]["response_format"]["json_schema"]["schema"]["properties"]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (json.dumps(answer(gender="woman")), "attributes.gender: 'woman' is not one of"),
        ("Sure! Here is what I see.", "it is not JSON"),
        (
            json.dumps(answer() | {"actions": [{"name": "nod", "start_s": 1.5, "end_s": 1.0}]}),
            "actions.0: end_s 1.0 lies before start_s 1.5",
        ),
        (
            json.dumps(answer() | {"actions": [{"name": "nod", "start_s": 5.0, "end_s": 6.0}]}),
            "lies after the clip's end at 2.00",
        ),
        (json.dumps({"attributes": {}}), "'captions' is a required property"),
        (
            json.dumps(answer() | {"captions": dict.fromkeys(CAPTION_LENGTHS, " ")}),
            "captions.long: is empty",
        ),
        (
            json.dumps(answer() | {"captions": dict.fromkeys(CAPTION_LENGTHS, "Unknown")}),
            "captions.long: cannot be unknown",
        ),
        (
            json.dumps(answer() | {"captions": dict.fromkeys(CAPTION_LENGTHS, "A man \ud83d smiles.")}),
            "captions.long: holds half a character",
        ),
        ("{" + '"a":[' * 100_000 + "}", "it is not JSON"),
    ],
)
def test_an_invalid_answer_is_shown_its_errors_and_repaired_once(
    wrong: str, told: str, server: Server, tmp_path: Path
) -> None:
    server.script = lambda n, body: (200, {}, completion(wrong)) if n == 0 else good(gender="female")
    (result,) = run([clip()], settings(server), tmp_path)
    assert result.kind == "ok"
    assert ("gender", "female") in {(s.name, s.value) for s in result.statements}
    assert result.usage == vlm.Usage(2, 2000, 400, 0)
    first, second = (body["messages"] for body in server.bodies)
    assert second[: len(first)] == first
    assert second[-2] == {"role": "assistant", "content": wrong}
    assert told in second[-1]["content"]


def test_an_answer_in_a_code_fence_is_read(server: Server, tmp_path: Path) -> None:
    text = f"<think>hm</think>\n```json\n{json.dumps(answer(tie='no'))}\n```"
    server.script = lambda n, body: (200, {}, completion(text))
    assert run([clip()], settings(server), tmp_path)[0].kind == "ok"
    assert len(server.bodies) == 1


def test_an_answer_invalid_twice_is_a_failure_that_is_not_asked_again(server: Server, tmp_path: Path) -> None:
    server.script = lambda n, body: (200, {}, completion(json.dumps(answer(gender="woman"))))
    (result,) = run([clip()], settings(server), tmp_path)
    assert (result.kind, result.statements) == ("invalid_answer", [])
    assert result.error is not None and "'woman' is not one of" in result.error
    assert len(server.bodies) == 2
    (again,) = run([clip()], settings(server), tmp_path)
    assert (again.kind, again.error) == ("invalid_answer", result.error)
    assert again.usage == vlm.Usage(0, 0, 0, 2)
    assert len(server.bodies) == 2


def test_a_cut_off_answer_says_so_in_the_repair(server: Server, tmp_path: Path) -> None:
    cut = json.dumps(answer())[:50]
    server.script = lambda n, body: (200, {}, completion(cut, finish_reason="length")) if n == 0 else good()
    assert run([clip()], settings(server, max_tokens=77), tmp_path)[0].kind == "ok"
    assert "cut off after 77 tokens" in server.bodies[1]["messages"][-1]["content"]


def test_a_refusal_is_a_failure_of_the_clip(server: Server, tmp_path: Path) -> None:
    refused = {"role": "assistant", "content": None, "refusal": "I cannot describe people."}
    server.script = lambda n, body: (200, {}, completion("", message=refused))
    (result,) = run([clip()], settings(server), tmp_path)
    assert result.kind == "refused"
    assert result.error is not None and "I cannot describe people." in result.error


def test_429_waits_as_long_as_retry_after_says(server: Server, tmp_path: Path) -> None:
    busy = {"error": {"message": "slow down"}}
    server.script = lambda n, body: (429, {"Retry-After": "0.4"}, busy) if n == 0 else good()
    (result,) = run([clip()], settings(server), tmp_path)
    assert result.kind == "ok"
    assert server.times[1] - server.times[0] >= 0.4


def test_retry_after_may_be_a_date(server: Server, tmp_path: Path) -> None:
    past = {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}
    server.script = lambda n, body: (503, past, "busy") if n == 0 else good()
    assert run([clip()], settings(server), tmp_path)[0].kind == "ok"


@pytest.mark.parametrize("status", [500, 502, 503])
def test_errors_of_the_server_are_tried_again(status: int, server: Server, tmp_path: Path) -> None:
    server.script = lambda n, body: (status, {}, "oops") if n < 3 else good()
    (result,) = run([clip()], settings(server, max_retries=3), tmp_path)
    assert result.kind == "ok"
    assert len(server.bodies) == 4


def test_when_the_tries_are_used_up_the_clip_fails_and_the_next_run_asks_again(
    server: Server, tmp_path: Path
) -> None:
    server.script = lambda n, body: (500, {}, {"error": {"message": "out of memory"}})
    (result,) = run([clip()], settings(server, max_retries=2), tmp_path)
    assert result.kind == "server"
    assert result.error is not None and "500: out of memory" in result.error
    assert len(server.bodies) == 3
    server.script = lambda n, body: good()
    assert run([clip()], settings(server), tmp_path)[0].kind == "ok"


def test_a_server_that_hangs_is_a_timeout_of_that_clip_alone(server: Server, tmp_path: Path) -> None:
    def script(n: int, body: dict[str, Any]) -> Reply:
        if n == 0:
            time.sleep(1.1)
        return good()

    server.script = script
    how = settings(server, timeout_s=0.7, max_retries=0, concurrency=1)
    first, second = run([clip("a"), clip("b", seed=1)], how, tmp_path)
    assert (first.kind, second.kind) == ("timeout", "ok")
    assert first.error is not None and "no answer within 0.7 s" in first.error


def test_a_timeout_is_tried_again(server: Server, tmp_path: Path) -> None:
    def script(n: int, body: dict[str, Any]) -> Reply:
        if n == 0:
            time.sleep(0.9)
        return good()

    server.script = script
    assert run([clip()], settings(server, timeout_s=0.5, max_retries=3), tmp_path)[0].kind == "ok"


def test_a_request_that_is_refused_fails_its_clip_without_another_try(server: Server, tmp_path: Path) -> None:
    server.script = lambda n, body: (400, {}, {"error": {"message": "context too long"}})
    (result,) = run([clip()], settings(server), tmp_path)
    assert result.kind == "refused"
    assert result.error is not None and "context too long" in result.error
    assert len(server.bodies) == 1


def test_a_page_instead_of_a_completion_is_named(server: Server, tmp_path: Path) -> None:
    server.script = lambda n, body: (200, {}, "<html>hello</html>")
    (result,) = run([clip()], settings(server, max_retries=0), tmp_path)
    assert result.kind == "protocol"
    assert result.error is not None and "<html>hello</html>" in result.error


def test_a_wrong_key_ends_the_run_with_one_sentence_that_hides_the_key(
    server: Server, tmp_path: Path
) -> None:
    told = {"error": {"message": f"Incorrect API key provided: {KEY}."}}
    server.script = lambda n, body: (401, {}, told)
    many = [clip(f"c{i:02}", seed=i) for i in range(40)]
    with pytest.raises(VlmError, match="VLM_TEST_KEY") as raised:
        run(many, settings(server, concurrency=2), tmp_path)
    assert "401" in str(raised.value) and KEY not in str(raised.value)
    assert len(server.bodies) <= 4, "the other clips are not tried"


def test_an_unset_key_is_named(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VLM_TEST_KEY")
    server.script = lambda n, body: (401, {}, {"error": {"message": "no key"}})
    with pytest.raises(VlmError, match=r"without a key \(VLM_TEST_KEY is not set\)"):
        run([clip()], settings(server), tmp_path)
    assert "Authorization" not in server.headers[0]


def test_an_unknown_model_ends_the_run(server: Server, tmp_path: Path) -> None:
    server.script = lambda n, body: (404, {}, {"error": {"message": "model not found"}})
    with pytest.raises(VlmError, match=r"no model 'test-vl'.*model not found"):
        run([clip()], settings(server), tmp_path)


def test_a_used_up_quota_ends_the_run(server: Server, tmp_path: Path) -> None:
    told = {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}
    server.script = lambda n, body: (429, {}, told)
    with pytest.raises(VlmError, match="no quota left"):
        run([clip()], settings(server), tmp_path)
    assert len(server.bodies) == 1


def test_no_server_ends_the_run(server: Server, tmp_path: Path) -> None:
    nobody = VlmSettings(url="http://127.0.0.1:9/v1", model="m", max_retries=1)
    with pytest.raises(VlmError, match=r"cannot be reached .*server runs"):
        run([clip()], nobody, tmp_path)


def test_requests_run_at_the_same_time_but_no_more_than_asked(server: Server, tmp_path: Path) -> None:
    def script(n: int, body: dict[str, Any]) -> Reply:
        time.sleep(0.15)
        return good()

    server.script = script
    results = run([clip(f"c{i}", seed=i) for i in range(9)], settings(server, concurrency=3), tmp_path)
    assert [r.kind for r in results] == ["ok"] * 9
    assert server.most == 3


def test_few_clips_are_held_in_memory(server: Server, tmp_path: Path) -> None:
    drawn = 0

    def items() -> Iterator[VlmItem]:
        nonlocal drawn
        for i in range(50):
            drawn += 1
            yield clip(f"c{i}", seed=i)

    running = annotate_clips(items(), settings(server, concurrency=2), tmp_path / "a.sqlite")
    next(running)
    assert drawn <= 4
    running.close()  # type: ignore[attr-defined]


def test_the_rate_limit_spaces_the_requests(server: Server, tmp_path: Path) -> None:
    how = settings(server, requests_per_minute=600)
    began = time.monotonic()
    run([clip(f"c{i}", seed=i) for i in range(4)], how, tmp_path)
    # The fourth may start three tenths of a second after the first.
    assert max(server.times) - began >= 0.3


def test_a_run_that_was_stopped_goes_on_and_asks_nothing_twice(server: Server, tmp_path: Path) -> None:
    items = [clip(f"c{i}", seed=i) for i in range(8)]
    first = annotate_clips(items, settings(server, concurrency=1), tmp_path / "answers.sqlite")
    got = [next(first) for _ in range(3)]
    first.close()  # type: ignore[attr-defined]
    asked = len(server.bodies)
    assert 3 <= asked <= 5
    results = run(items, settings(server), tmp_path)
    assert [r.kind for r in results] == ["ok"] * 8
    assert len(server.bodies) == 8
    assert sum(r.usage.requests for r in results) == 8 - asked
    assert sum(r.usage.from_cache for r in results) == asked
    kept = {r.clip_id: r.statements for r in results}
    assert all(kept[r.clip_id] == r.statements for r in got)


KILLED = """
import sys
import numpy as np
from facevid.annotate.vlm import VlmItem, VlmSettings, annotate_clips
images = [np.random.default_rng(i).integers(0, 255, (4, 48, 64, 3), dtype=np.uint8) for i in range(6)]
items = [VlmItem(f"c{i}", images[i], [0.5 * k for k in range(4)], 2.0) for i in range(6)]
how = VlmSettings(url=sys.argv[1], model="test-vl", api_key_env="VLM_TEST_KEY", concurrency=1)
list(annotate_clips(items, how, sys.argv[2]))
"""


def test_a_run_that_was_killed_asks_again_only_what_was_under_way(server: Server, tmp_path: Path) -> None:
    under_way = threading.Event()

    def script(n: int, body: dict[str, Any]) -> Reply:
        if n == 3:
            under_way.set()
            time.sleep(1.0)
        return good()

    server.script = script
    cache = tmp_path / "answers.sqlite"
    process = subprocess.Popen([sys.executable, "-c", KILLED, server.url, str(cache)])
    assert under_way.wait(60)
    process.kill()
    process.wait()
    results = run([clip(f"c{i}", seed=i) for i in range(6)], settings(server), tmp_path)
    assert [(r.usage.from_cache, r.usage.requests) for r in results] == [(1, 0)] * 3 + [(0, 1)] * 3
    assert len(server.bodies) == 4 + 3


def test_another_model_or_another_picture_is_asked_anew(server: Server, tmp_path: Path) -> None:
    run([clip()], settings(server), tmp_path)
    run([clip()], settings(server, extra={"seed": 1}), tmp_path)
    run([clip(seed=5)], settings(server), tmp_path)
    assert len(server.bodies) == 3
    assert server.bodies[1]["seed"] == 1


def test_extra_takes_a_field_away(server: Server, tmp_path: Path) -> None:
    run([clip()], settings(server, extra={"temperature": None, "max_completion_tokens": 900}), tmp_path)
    assert "temperature" not in server.bodies[0]
    assert server.bodies[0]["max_completion_tokens"] == 900


def test_the_key_is_neither_cached_nor_logged(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        run([clip()], settings(server), tmp_path)
    assert KEY not in caplog.text
    for path in tmp_path.iterdir():
        assert KEY.encode() not in path.read_bytes()
    with sqlite3.connect(tmp_path / "answers.sqlite") as db:
        assert db.execute("SELECT count(*) FROM answers").fetchone() == (1,)


def test_a_cache_that_is_no_cache_is_named(server: Server, tmp_path: Path) -> None:
    (tmp_path / "answers.sqlite").write_text("not a database, but long enough to look at " * 30)
    with pytest.raises(VlmError, match="move it away"):
        run([clip()], settings(server), tmp_path)


def test_the_estimate_follows_its_formula() -> None:
    how = VlmSettings(
        url="http://x/v1", model="m", frames=4, price_per_million_input=2.0, price_per_million_output=8.0
    )
    one, thousand = vlm.estimate(1, how), vlm.estimate(1000, how)
    assert thousand.requests == 1000
    assert (thousand.input_tokens, thousand.output_tokens) == (
        1000 * one.input_tokens,
        1000 * one.output_tokens,
    )
    assert thousand.cost == pytest.approx((thousand.input_tokens * 2 + thousand.output_tokens * 8) / 1e6)
    # Qwen2-VL: a 512 x 512 picture is 19 x 19 tokens and two marks, four more of them are 1452 more.
    eight = vlm.estimate(1, VlmSettings(url="http://x/v1", model="m", frames=8))
    assert eight.cost is None
    assert 4 * 363 <= eight.input_tokens - one.input_tokens <= 4 * 363 + 10


def test_the_estimate_covers_an_answer() -> None:
    longest = vlm_schema.longest_answer(vlm_schema.answer_schema(timed=True))
    parsed, errors = vlm_schema.read_answer(longest, vlm_schema.answer_schema(timed=True), 20.0)
    assert errors == [] and parsed is not None
    assert len(longest) >= len(json.dumps(answer()))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"url": "localhost:8000"}, "give its base"),
        ({"url": "http://me:secret@host/v1"}, "environment variable"),
        ({"url": "http://host/v1?key=1"}, "environment variable"),
        ({"model": ""}, "empty"),
        ({"frames": 0}, "frames cannot be 0"),
        ({"max_retries": -1}, "max_retries cannot be -1"),
        ({"timeout_s": 0}, "more than 0"),
    ],
)
def test_settings_that_cannot_work_are_refused(change: dict[str, Any], told: str) -> None:
    with pytest.raises(VlmError, match=told) as raised:
        VlmSettings(**({"url": "http://x/v1", "model": "m"} | change))
    assert "secret" not in str(raised.value)


def test_pictures_of_another_shape_are_refused(server: Server, tmp_path: Path) -> None:
    with pytest.raises(VlmError, match=r"of c must be uint8 of shape \(k, h, w, 3\)"):
        run([("c", np.zeros((4, 8, 8), np.uint8))], settings(server), tmp_path)
