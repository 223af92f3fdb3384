"""The filter of an address: what it finds, what it says back as Python and SQL, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote

import pytest
from exploring import COUNT, clip_name, ids, said
from starlette.testclient import TestClient

import facevid
from facevid.web.filters import Filter, Names, as_command, parse

NAMES = Names(
    {"clips": ("seconds", "sharpness", "yaw"), "rejected": ("sharpness",)}, frozenset({"age"}), True
)
EVERY = list(range(COUNT))


FOUND: dict[str, list[int]] = {
    "": EVERY,
    "a.hair_colour=black": [0, 1, 2, 3],
    "a.hair_colour=black,brown": [0, 1, 2, 3, 4, 5, 6],
    "a.hair_colour=unknown": [7, 8, 9, 10, 11],
    "a.hair_colour=brown,unknown": [4, 5, 6, 7, 8, 9, 10, 11],
    "a.hair_colour=red": [],
    "a.gender=female": [],
    "a.gender=unknown": EVERY,
    "a.age=30": [1],
    "a.age=25..45": [1, 2],
    "a.age=..20,40..": [0, 2],
    "a.age=20,unknown": [0, 3, 4, 5, 6, 7, 8, 9, 10, 11],
    "action=smile": [0, 2, 4, 6, 8, 10],
    "action=smile,talk": [0, 2, 4, 6, 8, 10],
    "action=nod": [],
    "q=BROWN": [4, 5, 6],
    "q=hair+black": [0, 1, 2, 3],
    "q=o'hara": [0, 1, 2, 3, 4, 5, 6],
    "q=100%25": [0, 1, 2, 3, 4, 5, 6],
    "q=1_0": [],
    "identity=p0": [0, 2, 4, 6, 8, 10],
    "identity=p0,p1": EVERY,
    "identity=unknown": [],
    "source=talk_1.mp4": [1, 4, 7, 10],
    "source=talk_1.mp4&source=talk_2.mp4": [1, 2, 4, 5, 7, 8, 10, 11],
    "s.sharpness=5..": [5, 6, 7, 8, 9, 10, 11],
    "s.sharpness=..2.1": [0, 1, 2],
    "s.sharpness=2.1..3.1": [2, 3],
    "s.yaw=..": EVERY,
    "s.yaw=-999..": [],
    "s.yaw=..999": [],
    "s.seconds=.3..": EVERY,
    "s.seconds=..0.1": [],
    "a.hair_colour=black&action=smile&s.sharpness=1..": [2],
}  # fmt: skip


@pytest.mark.parametrize("query", FOUND)
def test_a_filter_finds_the_clips_that_meet_all_of_it(client: TestClient, query: str) -> None:
    assert sorted(ids(client.get(f"/api/clips?{query}"))) == FOUND[query]


@pytest.mark.parametrize("query", FOUND)
def test_the_python_that_is_offered_finds_the_same_clips(
    client: TestClient, query: str, folder: Path
) -> None:
    text = client.get(f"/api/command?{query}").json()["python"]
    lines = text.splitlines()
    relation = eval(lines[-1], {"facevid": facevid})
    numbers = {clip_name(k): k for k in range(COUNT)}
    rows = relation.select("clip_id").fetchall()
    assert sorted(numbers[name] for (name,) in rows) == FOUND[query]


@pytest.mark.parametrize("query", FOUND)
def test_the_query_that_is_offered_means_the_same_filter(client: TestClient, query: str) -> None:
    back = client.get(f"/api/command?{query}").json()["query"]
    names = Names({"clips": NAMES.scores["clips"], "rejected": ()}, frozenset({"age", "hair_colour"}), True)
    assert parse(parse_qsl(back), names) == parse(parse_qsl(query), names)


def test_the_command_opens_the_browser_at_the_filter() -> None:
    filter = parse([("q", "it's red"), ("s.yaw", "..3"), ("sort", "yaw"), ("desc", "1")], NAMES)
    assert (
        as_command(filter, Path("my data"))
        == "facevid explore 'my data' --filter 'q=it%27s%20red&s.yaw=..3&sort=yaw&desc=1'"
    )
    assert as_command(Filter(), Path("d")) == "facevid explore d"


def test_clips_come_sorted_with_the_unknown_last_and_in_pages(client: TestClient) -> None:
    assert ids(client.get("/api/clips?sort=sharpness&desc=1&limit=3")) == [11, 10, 9]
    assert ids(client.get("/api/clips?sort=sharpness&desc=1&limit=3&offset=10")) == [1, 0]
    assert ids(client.get("/api/clips?sort=sharpness&action=smile&offset=1&limit=2")) == [2, 4]
    in_order = sorted(range(COUNT), key=clip_name)
    assert ids(client.get("/api/clips")) == in_order
    assert ids(client.get("/api/clips?desc=1")) == in_order[::-1]
    assert ids(client.get("/api/clips?sort=yaw")) == in_order  # nan everywhere
    answer = client.get("/api/clips?offset=999").json()
    assert answer == {"total": COUNT, "rows": []}


WRONG: dict[str, str] = {
    "a.hare_colour=black": "There is no attribute 'hare_colour'; allowed: ethnicity",
    "a.hair_colour=purple": "hair_colour cannot be 'purple'; allowed: black",
    "a.age=old": "'a.age' cannot be",
    "s.beauty=1..2": "There is no score 'beauty' in clips; allowed: seconds, sharpness, yaw",
    "s.sharpness=much": "write LOW..HIGH",
    "s.sharpness=5": "write LOW..HIGH",
    "s.sharpness=nan..": "write LOW..HIGH",
    "s.sharpness=inf..": "write LOW..HIGH",
    "s.sharpness=3..1": "the lower number goes first",
    "s.sharpness=1..&s.sharpness=..9": "is given twice",
    "action=jump": "There is no action 'jump'; allowed: talk",
    "reason=pose": "add table=rejected",
    "table=sources": "allowed: clips, rejected",
    "table=rejected&q=x": "leave it out",
    "table=rejected&a.age=3": "leave it out",
    "table=rejected&reason=ugly": "There is no reason 'ugly'",
    "sort=beauty": "cannot be sorted by 'beauty'",
    "desc=yes": "allowed: 0, 1",
    "offset=-1": "a whole number from 0",
    "limit=1e9": "a whole number from 0",
    "limit=100000": "a whole number from 0 to 500",
    "colour=red": "A filter has no 'colour'",
    "q=%00": "NUL",
    f"q={'x' * 2001}": "longer than 2000",
    f"q={'x+' * 21}": "",
}  # fmt: skip


@pytest.mark.parametrize("query", WRONG)
def test_what_cannot_be_filtered_is_refused_with_what_is_allowed(client: TestClient, query: str) -> None:
    if query == f"q={'x+' * 21}":  # the same word over and over is one word
        assert client.get(f"/api/clips?{query}").status_code == 200
    else:
        assert WRONG[query] in said(client.get(f"/api/clips?{query}"), 400)


INJECTIONS = [
    "'; drop table clips; --",
    "x') or 1=1 --",
    '" or ""="',
    "1); attach 'x' as y; --",
    "%27+or+1=1",
    "\\",
    "?",
]
PLACES = [
    "/api/clips?q={}", "/api/clips?identity={}", "/api/clips?source={}", "/api/clips?a.hair_colour={}",
    "/api/clips?a.age={}", "/api/clips?a.{}=x", "/api/clips?s.{}=1..2", "/api/clips?s.sharpness={}",
    "/api/clips?action={}",
    "/api/clips?sort={}", "/api/clips?desc={}", "/api/clips?offset={}", "/api/clips?limit={}", "/api/clips?table={}",
    "/api/clips?table=rejected&reason={}", "/api/facets?fields={}", "/api/facets?fields=s.{}", "/api/whatif?score={}",
    "/api/whatif?score=sharpness&min={}", "/api/whatif?score=sharpness&side={}", "/api/command?q={}", "/api/clip/{}",
    "/api/clip/{}/points", "/api/clip/{}/curves", "/media/{}.mp4", "/thumb/{}.jpg",
]  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_sql_in_any_parameter_is_a_value_that_nothing_has(client: TestClient, place: str) -> None:
    for text in INJECTIONS:
        answer = client.get(place.format(quote(text, safe="")))
        assert answer.status_code in (200, 400, 404), answer.text
        if place.startswith("/api/clips") and answer.status_code == 200:
            assert answer.json()["total"] in (0, 7) and (answer.json()["total"] == 0 or text == "%27+or+1=1")
    assert client.get("/api/clips").json()["total"] == COUNT


@pytest.mark.parametrize("text", INJECTIONS)
def test_sql_in_the_python_that_is_offered_stays_a_text(client: TestClient, text: str) -> None:
    code = client.get("/api/command", params={"q": text, "identity": text.replace(",", "")}).json()["python"]
    relation: Any = eval(code.splitlines()[-1], {"facevid": facevid})
    assert relation.fetchall() == []
