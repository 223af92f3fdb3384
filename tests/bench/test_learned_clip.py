"""The CLIP score, by a small CLIP of transformers' own class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from facevid.bench.errors import BenchError
from facevid.bench.learned import ClipScore

from . import learned_weights as weights


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "clip-vit-base-patch32"
    weights.write_clip(folder)
    return folder


def read(folder: Path) -> ClipScore:
    return ClipScore(path=folder)


def test_the_score_is_the_mean_cosine_of_transformers_own_forward_pass(tmp_path: Path) -> None:
    model = weights.write_clip(tmp_path / "clip")
    words = weights.vocabulary(tmp_path / "clip")
    video = weights.video(frames=40, height=32, width=32)
    ids = [words["<|startoftext|>"], words["h"], words["i</w>"], words["<|endoftext|>"]]
    mean, deviation = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
    pixels = ((video / 255.0 - mean) / deviation).transpose(0, 3, 1, 2).astype(np.float32)
    with torch.no_grad():
        out = model(input_ids=torch.tensor([ids]), pixel_values=torch.from_numpy(pixels))
        cosines = (out.logits_per_image / model.logit_scale.exp())[:, 0].numpy()
    assert read(tmp_path / "clip").score(video, "Hi") == pytest.approx(100 * float(cosines.mean()), abs=1e-3)


@pytest.mark.parametrize("size", [(200, 90), (61, 47), (20, 31), (32, 32)])
def test_pictures_are_made_smaller_as_pillow_does_and_cut_from_the_middle(
    folder: Path, size: tuple[int, int]
) -> None:
    scorer = read(folder)
    frame = weights.video(frames=1, height=size[0], width=size[1])[0]
    short = min(size)
    to = (int(32 * size[1] / short), int(32 * size[0] / short))
    left, top = (to[0] - 32) // 2, (to[1] - 32) // 2
    small = Image.fromarray(frame).resize(to, Image.Resampling.BICUBIC).crop((left, top, left + 32, top + 32))
    ours = scorer._pictures(frame[None])[0].numpy().transpose(1, 2, 0)
    back = 255 * (ours * [0.26862954, 0.26130258, 0.27577711] + [0.48145466, 0.4578275, 0.40821073])
    assert np.abs(back - np.asarray(small, float)).max() < 1.01


def test_one_vector_for_prompt_and_frames_is_100_and_the_opposite_minus_100(tmp_path: Path) -> None:
    model = weights.write_clip(tmp_path / "clip")
    scorer = read(tmp_path / "clip")
    video = np.repeat(weights.video(frames=1, height=32, width=32), 3, axis=0)
    picture = torch.from_numpy(scorer.features(video))
    with torch.no_grad():
        ids = scorer._tokenizer("hi", return_tensors="pt")["input_ids"]
        word = model.text_model(input_ids=ids).pooler_output[0]
        for sign in (1, -1):
            model.text_projection.weight.copy_(sign * torch.outer(picture, word) / (word @ word))
            model.save_pretrained(tmp_path / "clip")
            assert read(tmp_path / "clip").score(video, "hi") == pytest.approx(100 * sign, abs=1e-3)


def test_the_score_is_the_same_each_time_and_of_the_mean_of_frames(folder: Path) -> None:
    scorer, video = read(folder), weights.video(frames=33, height=40, width=36)
    assert scorer.score(video, "a b, c.") == scorer.score(video, "a b, c.")
    single = np.mean([scorer.features(video[k : k + 1]) for k in range(33)], axis=0)
    assert np.allclose(single, scorer.features(video), atol=1e-5)
    assert np.linalg.norm(scorer.text("a b, c.")) == pytest.approx(1, abs=1e-5)


def test_backbone_and_tokens_that_count_are_named(folder: Path) -> None:
    scorer = read(folder)
    assert scorer.backbone == "clip-vit-base-patch32"
    assert scorer.metric.name == "clip_b32" and "clip-vit-base-patch32" in scorer.metric.title
    assert "first 12 tokens" in scorer.about and scorer.metric.better == "higher"
    long = "a b c d e f g h i j"  # with start and end just 12
    assert np.array_equal(scorer.text(long + " k l m"), scorer.text(long))


def test_an_empty_prompt_is_refused(folder: Path) -> None:
    with pytest.raises(BenchError, match="empty prompt"):
        read(folder).text("  ")


def test_a_folder_without_tokenizer_or_weights_is_refused_and_nothing_made_up(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    clip = tmp_path / "clip"
    weights.write_clip(clip)
    version = read(clip).version
    file = clip / "model.safetensors"
    held = load_file(file)
    save_file({**held, "logit_scale": held["logit_scale"] + 1}, file, metadata={"format": "pt"})
    assert read(clip).version != version
    del held["visual_projection.weight"]
    save_file(held, file, metadata={"format": "pt"})
    with pytest.raises(
        BenchError, match=r"lacks 1 weights of a CLIP model, such as visual_projection\.weight"
    ):
        read(clip)
    file.unlink()
    with pytest.raises(BenchError, match="is no CLIP model that transformers reads"):
        read(clip)
    (clip / "tokenizer.json").unlink()
    with pytest.raises(BenchError, match=r"lacks tokenizer\.json, or vocab\.json and merges\.txt"):
        read(clip)
