"""The trainer on the CPU: goes on bitwise, names what went wrong, keeps what was trained."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from facevid.engine import FolderBusy, StorageError, folder_lock

torch = pytest.importorskip("torch", reason="needs torch, which is an extra")
pytest.importorskip("accelerate", reason="needs accelerate, which is an extra")

from safetensors.torch import load_file  # noqa: E402

from facevid.generate.errors import GenerateError  # noqa: E402
from facevid.generate.recipe import TrainRecipe  # noqa: E402
from facevid.generate.training.ranks import accelerator_for  # noqa: E402
from facevid.generate.training.tracking import TrainProgress, read_log  # noqa: E402
from facevid.generate.training.trainer import Trained, Trainer  # noqa: E402
from facevid.generate.training.validating import held_out  # noqa: E402

from .toy_task import ToyTask, toy_recipe  # noqa: E402

torch.set_num_threads(1)
TIMES = ("seconds", "waited_s")


def train(folder: Path, recipe: TrainRecipe, task: ToyTask | None = None, **options: Any) -> Trained:
    return Trainer(task or ToyTask(), recipe, folder, peak=1e9, **options).run()


def curve(folder: Path) -> list[dict[str, Any]]:
    """The log without its times of day."""
    lines = read_log(folder / ".train" / "log.jsonl")
    return [{name: value for name, value in line.items() if name not in TIMES} for line in lines]


def weights(folder: Path, step: int) -> dict[str, bytes]:
    place = folder / ".train" / "checkpoints" / f"step-{step:08d}"
    return {path.name: path.read_bytes() for path in place.glob("*.safetensors")}


def at_step(step: int, what: Callable[[], Any]) -> Callable[[TrainProgress], None]:
    """An on_progress that does something once, when a step was made."""
    done: list[int] = []

    def told(progress: TrainProgress) -> None:
        if progress.done == step and not done:
            done.append(step)
            what()

    return told


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole training of 12 steps, with dropout; nobody writes in it."""
    folder = tmp_path_factory.mktemp("undisturbed")
    train(folder, toy_recipe())
    return folder


def test_a_training_tells_its_losses_and_ends_with_a_checkpoint(undisturbed: Path) -> None:
    lines = curve(undisturbed)
    assert [line["step"] for line in lines if "loss" in line] == list(range(1, 13))
    assert [line["step"] for line in lines if "held_out" in line] == [4, 8, 12]
    assert sorted(p.name for p in (undisturbed / ".train/checkpoints").iterdir()) == [
        "step-00000008",
        "step-00000012",
    ]


def test_stopped_by_ctrl_c_it_goes_on_bitwise(undisturbed: Path, tmp_path: Path) -> None:
    for step in (3, 4, 10):  # beside, at and after a checkpoint of its own
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path, toy_recipe(), on_progress=at_step(step, interrupt))
        assert (tmp_path / f".train/checkpoints/step-{step:08d}/state.json").exists()
    result = train(tmp_path, toy_recipe())
    assert (result.step, result.trained_steps, result.samples_seen) == (12, 2, 96)
    assert curve(tmp_path) == curve(undisturbed)
    assert weights(tmp_path, 12) == weights(undisturbed, 12)


def test_with_muon_it_goes_on_bitwise_too(tmp_path: Path) -> None:
    recipe = toy_recipe("optimisation.optimizer=muon", "optimisation.muon_lr=0.02")
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(whole, recipe)
    with pytest.raises(KeyboardInterrupt):
        train(parts, recipe, on_progress=at_step(6, interrupt))
    assert train(parts, recipe).trained_steps == 6
    assert curve(parts) == curve(whole)
    assert weights(parts, 12) == weights(whole, 12)


def test_a_finished_training_has_nothing_left_to_do(undisturbed: Path) -> None:
    before = curve(undisturbed)
    result = train(undisturbed, toy_recipe())
    assert (result.trained_steps, result.speed, result.held_out) == (0, None, before[-1]["held_out"])
    assert curve(undisturbed) == before


def test_lines_after_the_checkpoint_and_half_a_line_are_cut_off(undisturbed: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, toy_recipe(), on_progress=at_step(6, interrupt))
    with (tmp_path / ".train/log.jsonl").open("a") as log:
        log.write('{"step": 7, "loss": 99}\n{"step": 8, "lo')
    train(tmp_path, toy_recipe())
    assert curve(tmp_path) == curve(undisturbed)


def test_micro_batches_add_up_to_the_large_batch(tmp_path: Path) -> None:
    for name, accumulate in (("one", 1), ("four", 4)):
        recipe = toy_recipe(f"optimisation.accumulate={accumulate}")
        train(tmp_path / name, recipe, ToyTask(dropout=0.0))
    for one, four in zip(curve(tmp_path / "one"), curve(tmp_path / "four"), strict=True):
        assert four == pytest.approx(one, rel=1e-4)


def test_a_batch_that_cannot_be_split_is_told_with_one_that_can(tmp_path: Path) -> None:
    with pytest.raises(GenerateError, match=r"batch = 8 cannot be split .* multiple of 3, such as 9"):
        train(tmp_path, toy_recipe("optimisation.accumulate=3"))


def test_a_loss_that_is_no_number_names_the_step_and_the_clip_and_keeps_the_checkpoint(
    tmp_path: Path,
) -> None:
    # Clip numbers are 3 + 7 place (mod 50): place 43 has 4, in the sixth batch of eight.
    with pytest.raises(GenerateError, match=r"loss of step 6 is nan; .* no numbers: clip-4 \(batch 5:40\)"):
        train(tmp_path, toy_recipe(), ToyTask(bad="clip-4"))
    assert [p.name for p in (tmp_path / ".train/checkpoints").iterdir()] == ["step-00000004"]
    assert curve(tmp_path)[-2]["step"] == 5 or curve(tmp_path)[-1]["step"] == 5


def test_losses_that_are_read_a_few_steps_at_a_time_name_the_same_step_and_are_logged_alike(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As on a GPU, which is not made to wait at every step.
    monkeypatch.setattr(Trainer, "_due", lambda self, _: len(self._pending) >= 10)
    train(tmp_path / "lazy", toy_recipe())
    assert curve(tmp_path / "lazy") == curve(undisturbed)
    with pytest.raises(GenerateError, match=r"loss of step 6 is nan; .* no numbers: clip-4 \(batch 5:40\)"):
        train(tmp_path / "bad", toy_recipe(), ToyTask(bad="clip-4"))
    assert [p.name for p in (tmp_path / "bad/.train/checkpoints").iterdir()] == ["step-00000004"]


def test_a_gradient_that_is_no_number_names_the_whole_batch(tmp_path: Path) -> None:
    task = ToyTask()
    task.module.last.bias.register_hook(lambda grad: grad * float("inf"))
    with pytest.raises(
        GenerateError, match=r"the norm of its gradient is (inf|nan); the clips of its batch: clip-3, "
    ):
        train(tmp_path, toy_recipe(), task)


def test_another_recipe_is_refused_by_the_names_of_its_fields(undisturbed: Path) -> None:
    with pytest.raises(GenerateError) as told:
        train(undisturbed, toy_recipe("optimisation.lr=0.1", "optimisation.steps=20"))
    assert "optimisation.lr was 0.01 and is now 0.1" in str(told.value)
    assert "optimisation.steps was 12 and is now 20" in str(told.value)
    assert "cannot be raised afterwards" in str(told.value)


def test_other_data_are_refused(undisturbed: Path) -> None:
    with pytest.raises(GenerateError, match='dataset_sha256 was null and is now "abc"'):
        train(undisturbed, toy_recipe(), identity={"data": {"dataset_sha256": "abc"}})


def test_what_does_not_decide_the_result_may_change(undisturbed: Path) -> None:
    changes = [
        "validation.every=5",
        "checkpoints.keep=3",
        "data.workers=1",
        "optimisation.minutes=7",
        "name=other",
    ]
    assert train(undisturbed, toy_recipe(*changes)).step == 12


def test_at_a_constant_rate_more_steps_may_be_added(tmp_path: Path) -> None:
    train(tmp_path / "a", toy_recipe("optimisation.decay=constant", "optimisation.steps=4"))
    for name in ("a", "b"):
        train(tmp_path / name, toy_recipe("optimisation.decay=constant", "optimisation.steps=8"))
    assert weights(tmp_path / "a", 8) == weights(tmp_path / "b", 8)


@pytest.mark.parametrize("fault", ["flipped", "cut", "missing", "state"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(
    undisturbed: Path, tmp_path: Path, fault: str
) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, toy_recipe(), on_progress=at_step(10, interrupt))
    place = tmp_path / ".train/checkpoints/step-00000010"
    file = place / ("state.json" if fault == "state" else "ema.safetensors")
    held = bytearray(file.read_bytes())
    if fault == "missing":
        file.unlink()
    else:
        held[-30] ^= 1
        file.write_bytes(held[:-1] if fault == "cut" else held)
    result = train(tmp_path, toy_recipe())
    assert len(result.notes) == 1 and "step-00000010 is damaged" in result.notes[0]
    assert result.trained_steps == 4
    assert curve(tmp_path) == curve(undisturbed)
    assert weights(tmp_path, 12) == weights(undisturbed, 12)


def test_with_all_checkpoints_damaged_nothing_is_trained_over_them(tmp_path: Path) -> None:
    train(tmp_path, toy_recipe("checkpoints.keep=1"))
    (tmp_path / ".train/checkpoints/step-00000012/weights.safetensors").write_bytes(b"")
    with pytest.raises(GenerateError, match="There is no other"):
        train(tmp_path, toy_recipe())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "facevid-test", str(place)]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_disk_that_is_full_at_a_checkpoint_keeps_the_one_before(
    undisturbed: Path, small_disk: Path
) -> None:
    def fill() -> None:
        with (small_disk / "ballast").open("wb", buffering=0) as ballast:
            try:
                while ballast.write(b"x" * 4096):
                    pass
            except OSError:
                pass

    with pytest.raises(
        StorageError, match=r"checkpoint of step 8 could not be written.*disk is full.*step 4 is whole"
    ):
        train(small_disk, toy_recipe(), on_progress=at_step(8, fill))
    assert [p.name for p in (small_disk / ".train/checkpoints").iterdir()] == ["step-00000004"]
    (small_disk / "ballast").unlink()
    train(small_disk, toy_recipe())
    assert weights(small_disk, 12) == weights(undisturbed, 12)
    assert curve(small_disk) == curve(undisturbed)


def test_two_trainings_in_one_folder_are_refused(tmp_path: Path) -> None:
    with folder_lock(tmp_path / ".train"), pytest.raises(FolderBusy, match="is working in"):
        train(tmp_path, toy_recipe())


def test_a_training_whose_folder_was_removed_ends_and_leaves_the_new_one_alone(tmp_path: Path) -> None:
    place = tmp_path / "m"

    def anew() -> None:
        shutil.rmtree(place)
        (place / ".train").mkdir(parents=True)
        (place / ".train" / "lock").touch()

    with pytest.raises(FolderBusy, match=r"m was removed or made again while this training ran.*of its own"):
        train(place, toy_recipe(), on_progress=at_step(2, anew))
    assert [p.name for p in (place / ".train").iterdir()] == ["lock"]


def test_minutes_end_a_training_which_goes_on_as_it_would_have(undisturbed: Path, tmp_path: Path) -> None:
    short = toy_recipe("optimisation.minutes=0.0005")
    result = train(tmp_path, short, on_progress=at_step(2, lambda: time.sleep(0.05)))
    assert result.ended == "minutes" and result.step < 12
    train(tmp_path, toy_recipe())
    assert weights(tmp_path, 12) == weights(undisturbed, 12)


def test_the_held_out_loss_is_that_of_the_averaged_weights_and_the_same_at_any_batch(
    undisturbed: Path,
) -> None:
    task = ToyTask()
    place = undisturbed / ".train/checkpoints/step-00000012"
    task.module.load_state_dict(load_file(place / "ema.safetensors"), strict=False)
    accelerator = accelerator_for(toy_recipe())
    found = [
        held_out(task.module, task.validation(), accelerator, micro_batch=size)["loss"]
        for size in (8, 8, 3, 100)
    ]
    assert found[0] == found[1] == curve(undisturbed)[-1]["held_out"]
    assert found[2:] == pytest.approx(found[:2], rel=1e-6)


def test_a_figure_that_some_samples_lack_is_the_mean_of_those_that_have_it() -> None:
    class Partly(torch.nn.Module):
        def forward(self, batch: Any) -> dict[str, Any]:
            one = batch["x"][:, 0]
            with_picture = torch.where(torch.arange(len(one)) > 0, 2.0, torch.nan)
            return {
                "loss": torch.ones_like(one),
                "picture": with_picture,
                "no": torch.full_like(one, torch.nan),
            }

    accelerator = accelerator_for(toy_recipe())
    assert held_out(Partly(), ToyTask().validation(), accelerator, micro_batch=4) == {
        "loss": 1.0,
        "picture": 2.0,
    }


def test_afterwards_the_module_holds_the_averaged_weights(tmp_path: Path) -> None:
    task = ToyTask()
    train(tmp_path, toy_recipe(), task)
    averaged = load_file(tmp_path / ".train/checkpoints/step-00000012/ema.safetensors")
    for name, parameter in task.module.named_parameters():
        assert torch.equal(parameter, averaged[name])


def test_samples_are_made_at_each_validation_with_the_averaged_weights(tmp_path: Path) -> None:
    task = ToyTask()
    train(tmp_path, toy_recipe("validation.grid_seconds=1", "checkpoints.keep=3"), task)
    assert [path.parent.name for path in task.sampled] == ["step-00000004", "step-00000008", "step-00000012"]
    for path in task.sampled:
        averaged = load_file(tmp_path / ".train/checkpoints" / path.parent.name / "ema.safetensors")
        assert float(path.read_text()) == float(averaged["last.bias"])


def test_bfloat16_computes_in_it_and_keeps_float32_weights(tmp_path: Path) -> None:
    task = ToyTask()
    train(tmp_path, toy_recipe("optimisation.precision=bf16"), task)
    assert {p.dtype for p in task.module.parameters()} == {torch.float32}
    assert "forward" not in vars(task.module)  # accelerate's hook is off again
    loss = curve(tmp_path)[0]["loss"]
    plain = curve(_trained_plain(tmp_path / "plain"))[0]["loss"]
    assert loss != plain and loss == pytest.approx(plain, rel=0.02)


def _trained_plain(folder: Path) -> Path:
    train(folder, toy_recipe("optimisation.steps=1"))
    return folder


def test_curves_go_to_tensorboard(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(tmp_path, toy_recipe("tracking=[tensorboard]"))
    events = EventAccumulator(str(tmp_path / ".train/tensorboard"))
    events.Reload()
    drawn = events.Scalars("held_out/held_out")
    told = [line for line in curve(tmp_path) if "held_out" in line]
    assert [point.step for point in drawn] == [line["step"] for line in told]
    assert [point.value for point in drawn] == pytest.approx([line["held_out"] for line in told])
    assert [e.step for e in events.Scalars("train/loss")] == [10]


def test_a_missing_tracker_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "wandb", None)
    with pytest.raises(GenerateError, match="wandb, which is not installed: pip install wandb"):
        train(tmp_path, toy_recipe("tracking=[wandb]"))


def test_the_speed_adds_up(tmp_path: Path) -> None:
    speed = train(tmp_path, toy_recipe()).speed
    assert speed is not None and speed.steps == 9
    assert speed.samples_per_s == pytest.approx(8 / speed.step_s)
    assert 0 <= speed.stall <= 1
    flops = ToyTask().cost().flops
    assert speed.mfu == pytest.approx(3 * flops * 8 / speed.step_s / 1e9)
