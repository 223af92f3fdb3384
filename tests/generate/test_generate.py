"""Videos from a saved model: what is asked is what comes, again and again, with a record that makes it anew."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

import facevid
from facevid.generate.errors import GenerateError, SizeError
from facevid.generate.model_folder import parameters, weights_sha256
from facevid.generate.pipeline import generate
from facevid.media import VideoReader, probe

from .test_family_ltx import made

FACTS: dict[str, Any] = {
    "format": "facevid-model",
    "version": 1,
    "kind": "video",
    "family": "ltx",
    "step": 12,
    "fps": 12.5,
    "recipe": {
        "model": {"family": "ltx"},
        "data": {
            "fps": 12.5,
            "buckets": [
                {"frames": 9, "height": 64, "width": 64, "share": 0.2},
                {"frames": 5, "height": 32, "width": 32, "share": 0.8},
            ],
        },
        "validation": {"grid_steps": 2, "guidance": 2.0, "temperature": 0.9},
    },
}
TEXT = "a woman with black hair smiles"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny LTX with random weights, trained on 5 frames of 32 x 32 by its own account."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    made().save(folder)
    (folder / "facevid.json").write_text(json.dumps(FACTS))
    return folder


@pytest.fixture
def own(model: Path, tmp_path: Path) -> Path:
    """A copy that a test may break."""
    shutil.copytree(model, tmp_path / "own")
    return tmp_path / "own"


def frames_of(path: Path) -> np.ndarray[Any, Any]:
    with VideoReader(path, fps=12.5) as reader:
        return np.stack([frame.image for frame in reader])


def test_the_file_has_the_frames_size_and_rate_the_model_was_trained_with(
    model: Path, tmp_path: Path
) -> None:
    found = facevid.generate(model, TEXT, seed=3, output=tmp_path / "out.mp4")
    info = probe(tmp_path / "out.mp4")
    assert (info.width, info.height) == (32, 32)
    assert float(info.fps) == 12.5
    assert frames_of(tmp_path / "out.mp4").shape == (5, 32, 32, 3)
    assert found.videos[0].path == str(tmp_path / "out.mp4") and found.videos[0].frames is None
    assert (found.shape.steps, found.shape.guidance, found.shape.temperature) == (2, 2.0, 0.9)


def test_what_is_asked_goes_before_what_was_trained(model: Path, tmp_path: Path) -> None:
    generate(model, TEXT, frames=9, size="64x32", fps=10, steps=1, guidance=1, temperature=0.5,
             output=tmp_path / "a.mp4")  # fmt: skip
    info = probe(tmp_path / "a.mp4")
    assert (info.width, info.height, float(info.fps)) == (64, 32, 10.0)
    with VideoReader(tmp_path / "a.mp4", fps=10) as reader:
        assert sum(1 for _ in reader) == 9
    record = json.loads((tmp_path / "a.json").read_text())
    told = [record["request"][name] for name in ("steps", "guidance", "temperature")]
    assert told == [1, 1, 0.5]


def test_the_record_says_how_to_make_the_video_again(model: Path, tmp_path: Path) -> None:
    generate(model, TEXT, seed=3, output=tmp_path / "out.mp4")
    record = json.loads((tmp_path / "out.json").read_text())
    assert record["request"] == {
        "prompt": TEXT, "seed": 3, "frames": 5, "width": 32, "height": 32, "fps": 12.5, "steps": 2, "guidance": 2.0,
        "temperature": 0.9, "strength": 1.0, "image": None,
    }  # fmt: skip
    assert record["model"] == {
        "name": "tiny", "family": "ltx", "weights_sha256": weights_sha256(model), "step": 12
    }  # fmt: skip
    assert record["tools"]["torch"] and record["device"] == "cpu" and record["precision"] == "float32"
    again = generate(
        model, record["request"]["prompt"], seed=record["request"]["seed"], output=tmp_path / "b.mp4"
    )
    assert (tmp_path / "b.mp4").read_bytes() == (tmp_path / "out.mp4").read_bytes()
    assert not again.videos[0].reused


def test_a_video_does_not_depend_on_its_neighbours(model: Path) -> None:
    together = generate(model, [TEXT, "the man nods"], count=2, seed=5)
    assert [(v.prompt, v.seed) for v in together.videos] == [
        (TEXT, 5), (TEXT, 6), ("the man nods", 7), ("the man nods", 8)
    ]  # fmt: skip
    alone = generate(model, "the man nods", seed=7).videos[0].frames
    assert together.videos[2].frames is not None and alone is not None
    assert np.array_equal(together.videos[2].frames, alone)
    assert not np.array_equal(alone, together.videos[3].frames)


def test_several_videos_go_into_a_folder_and_a_second_run_makes_none_again(
    model: Path, tmp_path: Path
) -> None:
    out, sheet = tmp_path / "out", tmp_path / "sheet.png"
    done: list[tuple[int, int]] = []
    generate(model, unconditional=True, count=2, output=out, on_progress=lambda *n: done.append(n))
    assert done[-1] == (2, 2)
    names = ["0000.json", "0000.mp4", "0001.json", "0001.mp4"]
    assert sorted(p.name for p in out.iterdir()) == names
    (out / "0001.mp4").unlink()
    before = (out / "0000.mp4").stat().st_mtime_ns
    (out / "0001.json").unlink()
    again = generate(model, unconditional=True, count=2, output=out, sheet=sheet)
    assert [v.reused for v in again.videos] == [True, False]
    assert (out / "0000.mp4").stat().st_mtime_ns == before
    assert sorted(p.name for p in out.iterdir()) == names
    picture = cv2.imread(str(sheet))
    assert picture.shape[0] > 2 * 32 and picture.shape[1] > 5 * 32
    assert json.loads((out / "0000.json").read_text())["request"]["prompt"] is None


def test_what_another_request_made_is_left_unless_told(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    generate(model, TEXT, output=out)
    with pytest.raises(GenerateError, match=r"out\.mp4 is there already.*--overwrite"):
        generate(model, TEXT, seed=1, output=out)
    generate(model, TEXT, seed=1, output=out, overwrite=True)
    assert json.loads((tmp_path / "out.json").read_text())["request"]["seed"] == 1
    (tmp_path / "mine.mp4").write_bytes(b"somebody's")
    with pytest.raises(GenerateError, match="was not made by this request"):
        generate(model, TEXT, output=tmp_path / "mine.mp4")
    assert (tmp_path / "mine.mp4").read_bytes() == b"somebody's"


def test_a_record_whose_video_was_deleted_stops_no_request_and_other_json_is_kept(
    model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.mp4"
    for seed in (0, 0, 1):
        assert not generate(model, TEXT, seed=seed, output=out).videos[0].reused
        assert json.loads((tmp_path / "out.json").read_text())["request"]["seed"] == seed
        out.unlink()
    for text in ("[1]", "notes", '{"format": "mine"}'):
        (tmp_path / "out.json").write_text(text)
        with pytest.raises(GenerateError, match=r"out\.json is there already, and is no record.*--overwrite"):
            generate(model, TEXT, output=out)
        assert (tmp_path / "out.json").read_text() == text and not out.exists()
    generate(model, TEXT, output=out, overwrite=True)
    assert json.loads((tmp_path / "out.json").read_text())["request"]["seed"] == 0


def test_each_video_may_have_a_seed_and_a_file_of_its_own(model: Path, tmp_path: Path) -> None:
    files = [tmp_path / "one" / "b.mp4", tmp_path / "two" / "a.mp4"]
    found = generate(model, [TEXT, "the man nods"], seed=[9, 4], output=files)
    assert [(v.seed, v.path) for v in found.videos] == [(9, str(files[0])), (4, str(files[1]))]
    alone = generate(model, "the man nods", seed=4, output=tmp_path / "alone.mp4")
    assert files[1].read_bytes() == (tmp_path / "alone.mp4").read_bytes() and not alone.videos[0].reused
    again = generate(model, ["the man nods", TEXT], seed=(4, 9), output=files[::-1])
    assert [v.reused for v in again.videos] == [True, True]


def test_prompts_of_a_file_are_one_a_line(model: Path, tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("a woman smiles\n\n  the man nods \n")
    found = generate(model, tmp_path / "prompts.txt", steps=1)
    assert [v.prompt for v in found.videos] == ["a woman smiles", "the man nods"]


def test_a_picture_is_the_first_of_its_video_and_the_record_names_it(model: Path, tmp_path: Path) -> None:
    picture = np.full((64, 64, 3), (200, 80, 40), np.uint8)
    cv2.imwrite(str(tmp_path / "p.png"), picture[:, :, ::-1])
    plain = generate(model, TEXT, seed=3).videos[0].frames
    given = generate(model, TEXT, seed=3, image=tmp_path / "p.png", crop=False, output=tmp_path / "o.mp4")
    record = json.loads((tmp_path / "o.json").read_text())
    assert len(record["request"]["image"]["sha256"]) == 64
    assert record["request"]["image"]["box"] == [0, 0, 64, 64]
    assert given.notes == []
    assert not np.array_equal(frames_of(tmp_path / "o.mp4"), plain)
    two = generate(model, [TEXT, TEXT], image=[picture, 255 - picture], crop=False)
    assert not np.array_equal(two.videos[0].frames, two.videos[1].frames)


def test_words_that_the_model_does_not_know_are_named(model: Path) -> None:
    notes = generate(model, "a woman juggles flamingos and smiles", steps=1).notes
    assert notes == [
        "The model's tokenizer does not know 'juggles', 'flamingos': it reads no more than that there is something."
    ]


def test_a_prompt_that_is_too_long_is_told_where_it_ends(model: Path) -> None:
    notes = generate(model, "a woman smiles and " * 40 + "nods", steps=1).notes
    assert len(notes) == 1 and "has 162 tokens and the model reads 128" in notes[0]
    assert "begins with 'and" in notes[0] or "begins with" in notes[0]


def test_the_hash_is_of_the_weights_and_not_of_what_is_said_of_them(own: Path) -> None:
    before = weights_sha256(own)
    (own / "README.md").write_text("words")
    (own / "facevid.json").write_text("{}")
    (own / ".train").mkdir()
    (own / ".train" / "log.jsonl").write_text("{}")
    assert weights_sha256(own) == before
    config = own / "scheduler" / "scheduler_config.json"
    config.write_text(config.read_text().replace("1000", "999"))
    assert weights_sha256(own) != before


def test_parameters_are_counted_in_the_files(model: Path) -> None:
    family = made()
    counts = parameters(model)
    for part in ("transformer", "vae"):
        state = family.parts[part].state_dict()
        assert counts[part] == sum(t.numel() for t in state.values()), part
    assert counts["text_encoder"] > 0 and "tokenizer" not in counts


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"prompt": None}, "There is no prompt"),
    ({"unconditional": True}, "exclude each other"),
    ({"prompt": "  "}, "A prompt is empty"),
    ({"prompt": ["a", "b"], "image": ["x.png"]}, "2 prompts and 1 images"),
    ({"count": 0}, "The count is 0"),
    ({"seed": -1}, "The seed is -1"),
    ({"seed": [3, -2], "count": 2}, "The seed is -2"),
    ({"seed": [3, 4]}, "1 videos and 2 seeds: give one seed, or one for each video"),
    ({"size": "big"}, "write WIDTHxHEIGHT"),
    ({"fps": 0}, "fps is 0; it must be above 0"),
    ({"guidance": 0.5}, "guidance is 0.5; it must be at least 1"),
    ({"steps": 0}, "steps is 0"),
    ({"temperature": 0}, "temperature is 0; it must be above 0"),
    ({"strength": 0.5}, "strength is 0.5, which is for videos from a picture. Give --image too"),
    ({"strength": 1.5, "image": "face.png"}, "strength is 1.5; it must be above 0 and at most 1"),
    ({"frames": 6}, r"cannot make 6 frames.*Nearest: 5 or 9"),
    ({"size": 40}, r"cannot make a height of 40.*Nearest: 32 or 64"),
    ({"device": "abacus"}, "There is no device 'abacus'"),
    ({"image": "gone.png"}, "There is no image gone.png"),
    ({"output": "a.gif"}, "videos are written as .mp4"),
    ({"output": "a.mp4", "count": 2}, "do not go into one file"),
    ({"output": ["a.mp4"], "count": 2}, "2 videos and 1 outputs: name a folder, or another .mp4 for each"),
    ({"output": ["a.mp4", "a.mp4"], "count": 2}, "2 videos and 1 outputs"),
    ({"sheet": "a.gif"}, "a sheet is a .png file"),
    ({"prompt": Path("gone.txt")}, "There is no file of prompts gone.txt"),
]


@pytest.mark.parametrize(("asked", "why"), REFUSED, ids=[w[:24] for _, w in REFUSED])
def test_what_cannot_be_done_is_refused_in_a_sentence(
    model: Path, asked: dict[str, Any], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(GenerateError, match=why) as error:
        generate(model, **{"prompt": TEXT, **asked})
    assert str(error.value).endswith(".")
    assert list(tmp_path.iterdir()) == []


def test_sizes_that_the_family_cannot_do_are_size_errors(model: Path) -> None:
    with pytest.raises(SizeError):
        generate(model, TEXT, frames=4)


def test_a_picture_without_a_face_is_refused(model: Path) -> None:
    with pytest.raises(GenerateError, match="No face was found in the image"):
        generate(model, TEXT, image=np.full((64, 64, 3), 90, np.uint8))


def test_no_gpu_is_said(model: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(GenerateError, match="--device cuda: torch finds 0 GPUs here"):
        generate(model, TEXT, device="cuda")


def test_an_output_that_cannot_be_written_is_said_before_sampling(model: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(facevid.FacevidError, match="cannot write in the folder"):
        generate(model, TEXT, output=tmp_path / "file" / "out.mp4")


def test_modes_that_the_family_lacks_are_refused(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from facevid.generate.families import loading

    def with_modes(*modes: str) -> None:
        family = made()
        family.modes = frozenset(modes)  # type: ignore[arg-type]
        monkeypatch.setattr(loading, "load_family", lambda *_, **__: family)

    with_modes("t2v", "unconditional")
    with pytest.raises(GenerateError, match="takes no image"):
        generate(model, TEXT, image="face.png")
    with_modes("unconditional")
    with pytest.raises(GenerateError, match="knows no text"):
        generate(model, TEXT)
    with_modes("i2v")
    with pytest.raises(GenerateError, match="starts from an image"):
        generate(model, TEXT)
    with_modes("t2v")
    with pytest.raises(GenerateError, match="makes no videos without a prompt"):
        generate(model, unconditional=True)


def test_what_is_no_model_is_refused(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(GenerateError, match=r"There is no model .*gone"):
        generate(tmp_path / "gone", TEXT)
    (tmp_path / "empty").mkdir()
    with pytest.raises(GenerateError, match=r"is no model: it has no model_index\.json"):
        generate(tmp_path / "empty", TEXT)
    (tmp_path / "empty" / ".train").mkdir()
    with pytest.raises(GenerateError, match="has saved no model yet"):
        generate(tmp_path / "empty", TEXT)
    (own / "facevid.json").write_text(json.dumps({**FACTS, "kind": "autoencoder"}))
    with pytest.raises(GenerateError, match="is an autoencoder"):
        generate(own, TEXT)
    (own / "facevid.json").write_text(json.dumps({**FACTS, "version": 9}))
    with pytest.raises(GenerateError, match="has version 9"):
        generate(own, TEXT)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(GenerateError, match="nobody/nothing, and it cannot be fetched from the hub"):
        generate("nobody/nothing", TEXT)


@pytest.mark.parametrize("harm", ["gone", "cut"])
def test_missing_and_damaged_weights_are_said(own: Path, harm: str) -> None:
    weights = next((own / "transformer").glob("*.safetensors"))
    if harm == "gone":
        weights.unlink()
    else:
        weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(GenerateError, match=str(own)) as error:
        generate(own, TEXT)
    assert ("The weights of the transformer are missing" in str(error.value)) == (harm == "gone")
    assert ("are cut off or damaged" in str(error.value)) == (harm == "cut")


def test_a_model_that_facevid_did_not_train_needs_no_facts(own: Path) -> None:
    (own / "facevid.json").unlink()
    found = generate(own, TEXT, frames=5, size=32, steps=1)
    assert found.shape.fps == 25.0 and found.videos[0].frames is not None
    assert found.videos[0].frames.shape == (5, 32, 32, 3)


def test_weights_in_bfloat16_as_on_a_gpu_give_nearly_the_same_video(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = np.full((64, 64, 3), (200, 80, 40), np.uint8)
    exact = generate(model, TEXT, image=picture, crop=False).videos[0].frames
    monkeypatch.setattr("facevid.generate.pipeline._precision", lambda where: torch.bfloat16)
    rough = generate(model, TEXT, image=picture, crop=False).videos[0].frames
    assert exact is not None and rough is not None and not np.array_equal(exact, rough)
    assert np.abs(exact.astype(int) - rough).mean() < 8
