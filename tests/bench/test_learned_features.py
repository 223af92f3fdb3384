"""Features of I3D, VideoMAE and V-JEPA, by small stand-in weights in the formats of the real files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from facevid.bench.errors import BenchError
from facevid.bench.learned import FeatureModel, I3d, VideoMae, VJepa
from facevid.bench.learned.computing import resized, running
from facevid.bench.learned.vit import sinusoids

from . import learned_weights as weights


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    weights.write_i3d(folder)
    weights.write_videomae(folder)
    weights.write_vjepa(folder)
    return folder


def i3d(folder: Path) -> I3d:
    return I3d(folder / "i3d_torchscript.pt")


def videomae(folder: Path) -> VideoMae:
    return VideoMae(folder / "vit_g_hybrid_pt_1200e_ssv2_ft.pth")


def vjepa(folder: Path) -> VJepa:
    return VJepa((folder / "vith16.pth.tar", folder / "ssv2-probe.pth.tar"))


every = pytest.mark.parametrize("make", [i3d, videomae, vjepa])
Make = Callable[[Path], FeatureModel]


def test_i3d_is_called_with_values_from_0_to_255_rescaled_resized_and_for_logits(tmp_path: Path) -> None:
    head = weights.write_i3d(tmp_path)
    video = np.full((16, 40, 30, 3), (255, 102, 0), np.uint8)  # 1, -0.2 and -1 after x / 127.5 - 1
    by_hand = head.weight.detach().numpy() @ [1, -0.2, -1] + head.bias.detach().numpy()
    assert np.allclose(i3d(tmp_path).features(video), by_hand, atol=1e-5)


def test_videomae_gives_what_transformers_gives_of_the_same_weights(tmp_path: Path) -> None:
    model = weights.write_videomae(tmp_path)
    video = weights.video()
    with torch.no_grad():
        pixels = torch.from_numpy(video).permute(0, 3, 1, 2)[None].float() / 255
        tokens = model.videomae(pixels).last_hidden_state.mean(dim=1)
        theirs = torch.nn.functional.layer_norm(
            tokens, (weights.WIDTH,), model.fc_norm.weight, model.fc_norm.bias, 1e-6
        )
    ours = videomae(tmp_path).features(video)
    assert ours.shape == (weights.WIDTH,) and ours.dtype == np.float32
    assert np.allclose(ours, theirs[0].numpy(), atol=1e-5)


def test_vjepa_gives_what_torchs_own_layers_give_of_the_same_weights(tmp_path: Path) -> None:
    model = weights.write_vjepa(tmp_path)
    video = weights.video()
    with torch.no_grad():
        scaled = (video / 255.0 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
        theirs = model(torch.from_numpy(scaled.transpose(3, 0, 1, 2)[None].astype(np.float32)))
    assert np.allclose(vjepa(tmp_path).features(video), theirs[0].numpy(), atol=1e-5)


def test_resizing_is_bilinear_between_centres_of_pixels() -> None:
    video = weights.video(frames=2, height=300, width=150)
    ours = resized(torch.from_numpy(video.transpose(3, 0, 1, 2)[None].copy()).float(), 224)[0].numpy()
    for frame, found in zip(video, ours.transpose(1, 2, 3, 0), strict=True):
        theirs = cv2.resize(frame.astype(np.float32), (224, 224), interpolation=cv2.INTER_LINEAR)
        assert np.abs(found - theirs).max() < 0.01


def test_positions_are_those_of_transformers() -> None:
    from transformers.models.videomae.modeling_videomae import get_sinusoid_encoding_table

    assert torch.allclose(sinusoids(50, 24), get_sinusoid_encoding_table(50, 24)[0], atol=1e-6)


@every
def test_the_same_video_gives_the_same_bits_alone_and_nearly_in_a_batch(make: Make, folder: Path) -> None:
    model = make(folder)
    videos = [weights.video(height=90, width=70, seed=seed) for seed in range(3)]
    alone = np.array([model.features(video) for video in videos])
    assert np.array_equal(alone, np.array([model.features(video) for video in videos]))
    batch = model.features_batch(videos)
    assert batch.shape == (3, model.dimensions)
    assert np.allclose(batch, alone, rtol=1e-4, atol=1e-5)
    assert not np.allclose(alone[0], alone[1], rtol=1e-4, atol=1e-5)


@every
def test_frames_after_the_sixteenth_change_nothing(make: Make, folder: Path) -> None:
    model, video = make(folder), weights.video(frames=20, height=32, width=32)
    assert np.array_equal(model.features(video), model.features(video[:16]))


@every
def test_a_video_of_fewer_frames_is_refused_with_how_many_there_must_be(make: Make, folder: Path) -> None:
    with pytest.raises(BenchError, match="needs 16 frames and the video has 15"):
        make(folder).features(weights.video(frames=15, height=32, width=32))


@every
def test_what_is_no_video_is_refused_with_what_is(make: Make, folder: Path) -> None:
    with pytest.raises(BenchError, match=r"takes uint8 \(frames, height, width, 3\)"):
        make(folder).features(np.zeros((16, 32, 32, 3), np.float32))  # type: ignore[arg-type]
    with pytest.raises(BenchError, match="different sizes"):
        make(folder).features_batch([weights.video(16, 32, 32), weights.video(16, 32, 40)])
    with pytest.raises(BenchError, match="no video"):
        make(folder).features_batch([])


def test_the_version_is_the_sha256_of_the_weights(folder: Path, tmp_path: Path) -> None:
    bytes_ = (folder / "i3d_torchscript.pt").read_bytes()
    assert i3d(folder).version == hashlib.sha256(bytes_).hexdigest()
    weights.write_vjepa(tmp_path)
    same = vjepa(tmp_path).version
    probe = torch.load(tmp_path / "ssv2-probe.pth.tar", weights_only=True)
    torch.save({**probe, "epoch": 21}, tmp_path / "ssv2-probe.pth.tar")
    assert vjepa(tmp_path).version != same


def test_threads_are_bounded_while_a_network_runs_and_then_as_before() -> None:
    before = torch.get_num_threads()
    with running(before + 1):
        assert torch.get_num_threads() == before + 1
        assert torch.is_inference_mode_enabled()
    assert torch.get_num_threads() == before


def test_a_device_that_is_not_there_is_refused(folder: Path) -> None:
    with pytest.raises(BenchError, match="there is no device 'nonsense'"):
        I3d(folder / "i3d_torchscript.pt", device="nonsense")
    with pytest.raises(BenchError, match="GPUs; take another or cpu"):
        I3d(folder / "i3d_torchscript.pt", device="cuda:63")


def test_files_that_are_not_what_they_are_named_for_are_refused(folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "i3d_torchscript.pt"
    broken.write_bytes(b"not found")
    with pytest.raises(BenchError, match="is no TorchScript that loads"):
        I3d(broken)
    with pytest.raises(BenchError, match="cannot be read as weights of torch"):
        VideoMae(broken)
    torch.jit.script(torch.nn.Linear(3, 3)).save(str(broken))
    with pytest.raises(BenchError, match="cannot be run on"):
        I3d(broken).features(weights.video(16, 32, 32))
    with pytest.raises(BenchError, match="holds no weights called model or module"):
        VideoMae(folder / "vith16.pth.tar")


def test_weights_of_another_network_are_refused_by_the_tensor_that_differs(tmp_path: Path) -> None:
    weights.write_vjepa(tmp_path)
    encoder, probe = tmp_path / "vith16.pth.tar", tmp_path / "ssv2-probe.pth.tar"
    held = torch.load(encoder, weights_only=True)
    del held["target_encoder"]["module.backbone.blocks.1.attn.proj.bias"]
    torch.save(held, tmp_path / "lacking.pt")
    with pytest.raises(BenchError, match=r"holds no tensor attn\.proj\.bias"):
        VJepa((tmp_path / "lacking.pt", probe)).features(weights.video(16, 32, 32))
    held["target_encoder"]["module.backbone.pos_embed"] = torch.zeros(1, 7, weights.WIDTH)
    torch.save(held, tmp_path / "other.pt")
    with pytest.raises(BenchError, match=r"pos_embed is \(1, 7, 32\), not \(1, 128, 32\)"):
        VJepa((tmp_path / "other.pt", probe)).features(weights.video(16, 32, 32))


class Command:
    def __init__(self, line: str) -> None:
        self.line = line

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.line,)


def test_a_checkpoint_that_would_run_a_command_is_not_run(tmp_path: Path) -> None:
    torch.save({"module": {}, "args": Command(f"touch {tmp_path / 'was-run'}")}, tmp_path / "weights.pth")
    with pytest.raises(BenchError, match="cannot be read as weights of torch"):
        VideoMae(tmp_path / "weights.pth")
    assert not (tmp_path / "was-run").exists()
