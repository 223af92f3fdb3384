"""What the pages read: counts, histograms, what-if, one clip; with and without annotations, from many threads."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from exploring import COUNT, browser, clip_name, ids, publish, said
from starlette.testclient import TestClient

import facevid
from facevid.web.coded import round_edges
from facevid.web.server import ExploreError, explore


def test_info_says_what_there_is(client: TestClient) -> None:
    info = client.get("/api/info").json()
    assert (info["name"], info["clips"], info["persons"], info["rejected"]) == ("small", COUNT, 2, 1)
    assert info["seconds"] == pytest.approx(COUNT * 0.32)
    assert [a["name"] for a in info["attributes"]] == ["age", "hair_colour"]
    assert info["attributes"][1]["values"][0] == "black"
    assert len(info["all_attributes"]) > 50
    assert info["actions"] == [{"name": "talk", "count": 12}, {"name": "smile", "count": 6}]
    assert info["reasons"] == [{"reason": "sharpness", "count": 1, "seconds": 1.0}]
    assert {"reason": "sharpness", "score": "sharpness", "min": 0.5, "max": None} in info["rules"]
    scores = {s["name"]: s for s in info["scores"]}
    assert scores["sharpness"]["max"] == pytest.approx(11.1)
    assert scores["yaw"] == {"name": "yaw", "min": None, "max": None}  # nan only


def test_facets_count_values_and_the_unknown(client: TestClient) -> None:
    facets = client.get("/api/facets?fields=a.hair_colour,action,identity,reason,source,a.gender").json()
    assert facets["a.hair_colour"] == {
        "kind": "values", "distinct": 2, "unknown": 5,
        "values": [{"value": "black", "count": 4}, {"value": "brown", "count": 3}],
    }  # fmt: skip
    assert facets["action"]["values"] == [{"value": "talk", "count": 12}, {"value": "smile", "count": 6}]
    assert [v["count"] for v in facets["identity"]["values"]] == [6, 6]
    assert facets["reason"]["values"] == [{"value": "sharpness", "count": 1}]
    assert [v["count"] for v in facets["source"]["values"]] == [4, 4, 4]
    assert facets["a.gender"] == {"kind": "values", "distinct": 0, "unknown": 12, "values": []}


def test_a_facet_counts_under_all_other_conditions_but_not_its_own(client: TestClient) -> None:
    facets = client.get("/api/facets?fields=a.hair_colour,identity&a.hair_colour=black&action=smile").json()
    assert facets["a.hair_colour"]["values"] == [
        {"value": "black", "count": 2},
        {"value": "brown", "count": 2},
    ]
    assert facets["identity"]["values"] == [{"value": "p0", "count": 2}]


def test_actions_are_all_wanted_so_their_facet_counts_what_goes_with_them(client: TestClient) -> None:
    facet = client.get("/api/facets?fields=action&action=smile").json()["action"]
    assert facet["values"] == [{"value": "smile", "count": 6}, {"value": "talk", "count": 6}]


def test_a_histogram_counts_every_clip_once_beside_the_rejected(client: TestClient) -> None:
    facet = client.get("/api/facets?fields=s.sharpness").json()["s.sharpness"]
    values = [0.1 + k for k in range(COUNT)]
    expected, _ = np.histogram(values, facet["edges"])
    assert len(facet["edges"]) >= 21 and facet["counts"] == expected.tolist()
    assert facet["kept"] == facet["counts"] and sum(facet["rejected"]) == 1 and facet["rejected"][0] == 1
    assert facet["thresholds"] == [{"min": 0.5, "max": None, "reason": "sharpness"}]
    assert (facet["below"], facet["above"], facet["missing"]) == (0, 0, 0)


def test_what_a_bar_counts_is_what_filtering_by_it_finds(client: TestClient) -> None:
    facet = client.get("/api/facets?fields=s.sharpness").json()["s.sharpness"]
    for k, count in enumerate(facet["counts"]):
        low, high = facet["edges"][k : k + 2]
        assert client.get(f"/api/clips?s.sharpness={low}..{high}").json()["total"] == count


def test_scores_that_are_not_numbers_are_missing_and_nothing_else(client: TestClient) -> None:
    facet = client.get("/api/facets?fields=s.yaw").json()["s.yaw"]
    assert facet["missing"] == COUNT and sum(facet["counts"]) == 0


def test_number_attributes_have_a_histogram(client: TestClient) -> None:
    facet = client.get("/api/facets?fields=a.age").json()["a.age"]
    assert facet["kind"] == "histogram" and facet["missing"] == 9 and sum(facet["counts"]) == 3


def test_rejected_stretches_have_their_own_list_and_counts(client: TestClient) -> None:
    (row,) = client.get("/api/clips?table=rejected&reason=sharpness").json()["rows"]
    assert (row["source_name"], row["start_s"], row["reason"], row["threshold"]) == (
        "talk_0.mp4",
        1.0,
        "sharpness",
        0.5,
    )
    facets = client.get("/api/facets?table=rejected&fields=reason,s.sharpness&source=talk_0.mp4").json()
    assert facets["reason"]["values"] == [{"value": "sharpness", "count": 1}]
    assert sum(facets["s.sharpness"]["counts"]) == 1 and sum(facets["s.sharpness"]["kept"]) == 4


def test_what_if_counts_what_another_threshold_keeps(client: TestClient) -> None:
    answer = client.get("/api/whatif?score=sharpness&min=5").json()
    assert (answer["clips_now"], answer["clips_kept"]) == (COUNT, 7)
    assert answer["seconds_kept"] == pytest.approx(7 * 0.32)
    assert (answer["rejected_by_this_rule"], answer["rejected_that_would_pass"]) == (1, 0)
    back = client.get("/api/whatif?score=sharpness&min=0.05").json()
    assert back["rejected_that_would_pass"] == 1 and back["seconds_that_would_pass"] == 1.0
    for point in answer["points"]:
        expected = sum(np.float32(0.1 + k) >= np.float32(point["threshold"]) for k in range(COUNT))
        assert point["clips"] == expected
    assert len(answer["points"]) == 60


def test_what_if_on_the_other_side_and_on_values_never_measured(client: TestClient) -> None:
    answer = client.get("/api/whatif?score=sharpness&max=3&side=max").json()
    assert answer["clips_kept"] == 3 and answer["points"][0]["clips"] <= answer["points"][-1]["clips"]
    # What could not be measured breaks no rule: nan passes.
    assert client.get("/api/whatif?score=yaw&min=5").json()["clips_kept"] == COUNT
    said(client.get("/api/whatif?score=beauty"), 400)
    said(client.get("/api/whatif?score=sharpness&side=left"), 400)


def test_a_clip_comes_with_its_statements_source_and_neighbours(client: TestClient) -> None:
    order = ids(client.get("/api/clips?a.hair_colour=black&sort=sharpness&desc=1"))
    assert order == [3, 2, 1, 0]
    clip = client.get(f"/api/clip/{clip_name(2)}?a.hair_colour=black&sort=sharpness&desc=1").json()
    assert (clip["previous"], clip["next"]) == (clip_name(3), clip_name(1))
    assert clip["attributes"]["hair_colour"]["value"] == "black" and clip["attributes"]["gender"] is None
    assert [a["name"] for a in clip["actions"]] == ["smile", "talk"]
    assert clip["yaw"] is None and clip["seconds"] == pytest.approx(0.32)
    assert {s["kind"] for s in clip["annotations"]} == {"attribute", "action", "caption"}
    assert clip["source"]["source_name"] == "talk_2.mp4" and clip["source"]["licence"] is None
    ends = client.get(f"/api/clip/{clip_name(3)}?a.hair_colour=black&sort=sharpness&desc=1").json()
    assert (ends["previous"], ends["next"]) == (None, clip_name(2))
    outside = client.get(f"/api/clip/{clip_name(9)}?a.hair_colour=black").json()
    assert (outside["previous"], outside["next"]) == (None, None)


def test_points_are_the_mesh_in_clip_pixels(client: TestClient, folder: Path) -> None:
    answer = client.get(f"/api/clip/{clip_name(1)}/points")
    points = np.frombuffer(answer.content, "<f4").reshape(int(answer.headers["x-frames"]), 478, 2)
    assert np.array_equal(points, facevid.open(folder)[clip_name(1)].mesh[:, :, :2].astype(np.float32))


def test_curves_have_one_value_a_frame(client: TestClient, folder: Path) -> None:
    curves = client.get(f"/api/clip/{clip_name(1)}/curves").json()
    clip = facevid.open(folder)[clip_name(1)]
    assert curves["fps"] == 25.0 and curves["frames"] == 8
    for name in ("box", "yaw", "pitch", "roll", "mouth_opening", "eye_opening"):
        assert len(curves[name]) == 8
    assert curves["yaw"] == pytest.approx(clip.pose[:, 0].tolist(), abs=1e-3)
    assert curves["box"][0] == [10, 10, 50, 50]
    assert len(curves["speech"]) == 8 and all(0 <= p <= 1 for p in curves["speech"])
    peaks = np.array(curves["waveform"]["peaks"])
    assert peaks.min() == pytest.approx(clip.speech().min(), abs=1e-3) and len(peaks) == 400


def test_a_dataset_without_annotations_is_browsed_all_the_same(tmp_path: Path) -> None:
    client = browser(publish(tmp_path / "bare", tmp_path / "clips", count=3))
    info = client.get("/api/info").json()
    assert info["attributes"] == [] and info["actions"] == [] and info["annotated"] is False
    assert info["annotate"] == f"facevid annotate {tmp_path / 'bare'}"
    assert client.get("/api/clips?a.hair_colour=black").json()["total"] == 0
    assert client.get("/api/clips?a.hair_colour=unknown&s.sharpness=1..").json()["total"] == 2
    assert client.get("/api/clips?q=hair").json()["total"] == 0
    assert client.get("/api/clips?action=smile").json()["total"] == 0
    assert client.get("/api/facets?fields=action,a.age").json()["action"]["unknown"] == 3
    clip = client.get(f"/api/clip/{clip_name(0)}").json()
    assert clip["caption"] is None and clip["annotations"] == []


def test_many_threads_at_once_get_what_one_gets(client: TestClient) -> None:
    paths = [f"/api/clips?s.sharpness={k}.." for k in range(6)] + [
        "/api/facets?fields=action,s.sharpness",
        "/api/info",
    ]
    expected = [client.get(path).json() for path in paths]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda path: client.get(path).json(), paths * 5))
    assert found == expected * 5


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (1, 1), (-0.2, 0.013), (0, 16384), (0.7, 3.6), (-90, -89.9), (0, 0)]
)
def test_edges_are_round_and_hold_everything(low: float, high: float) -> None:
    edges = round_edges(low, high)
    assert len(edges) >= 21 and edges[0] <= low and edges[-1] >= high
    assert np.allclose(np.diff(edges), edges[1] - edges[0], rtol=1e-3) and len(edges) <= 60


def test_explore_prints_an_address_that_works_until_ctrl_c(folder: Path) -> None:
    command = [sys.executable, "-m", "facevid", "explore", str(folder), "--port", "0", "--no-browser"]
    server = subprocess.Popen(
        [*command, "--filter", "a.hair_colour=black"], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    try:
        line = server.stdout.readline()
        found = re.search(
            r"http://127\.0\.0\.1:(\d+)/\?token=([\w-]{32})&a\.hair_colour=black$", line.strip()
        )
        assert found is not None, line
        request = urllib.request.Request(
            f"http://127.0.0.1:{found[1]}/api/info", headers={"Authorization": f"Bearer {found[2]}"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status == 200
        with pytest.raises(ExploreError, match="give another port"):
            explore(folder, port=int(found[1]))
        server.send_signal(signal.SIGINT)
        assert server.wait(30) == 0
    finally:
        server.kill()
        server.stdout.close()
        server.wait()


def test_explore_refuses_a_filter_that_the_dataset_does_not_have(folder: Path) -> None:
    with pytest.raises(facevid.FacevidError, match="There is no score 'beauty'"):
        explore(folder, port=0, filter="s.beauty=1..")
