"""Parts of the trainer against values worked out by hand: rates, averages, decayed weights, shared ranks' errors."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs torch, which is an extra")
pytest.importorskip("accelerate", reason="needs accelerate, which is an extra")

from torch import nn  # noqa: E402

from facevid.generate.errors import GenerateError  # noqa: E402
from facevid.generate.training.ema import Ema, decay_at  # noqa: E402
from facevid.generate.training.feeding import Feeder  # noqa: E402
from facevid.generate.training.model import (  # noqa: E402
    checkpoint_activations,
    compile_blocks,
    compiling,
    keep_float32,
)
from facevid.generate.training.muon import Muon, orthogonal  # noqa: E402
from facevid.generate.training.schedule import learning_rate, optimizers  # noqa: E402
from facevid.generate.training.seeding import seed_for  # noqa: E402
from facevid.generate.training.timing import Laps  # noqa: E402
from facevid.generate.training.tracking import Log, read_log  # noqa: E402

from .toy_task import Network, Sine, toy_recipe  # noqa: E402

torch.set_num_threads(1)


@pytest.mark.parametrize(
    ("decay", "rates"),
    [
        # lr 1, warm-up over 4 steps, then 5 steps from p = 0 to p = 1 down to a tenth.
        ("cosine", [0.25, 0.5, 0.75, 1.0, 1.0, 0.1 + 0.9 * (2 + math.sqrt(2)) / 4, 0.55, None, 0.1]),
        ("linear", [0.25, 0.5, 0.75, 1.0, 1.0, 0.775, 0.55, 0.325, 0.1]),
        ("constant", [0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]),
    ],
)
def test_the_rate_rises_in_a_line_and_ends_where_it_should(decay: str, rates: list[float | None]) -> None:
    of = toy_recipe(
        "optimisation.lr=1", "optimisation.warmup=4", "optimisation.steps=9", "optimisation.final=0.1",
        f"optimisation.decay={decay}",
    ).optimisation  # fmt: skip
    for step, rate in enumerate(rates):
        if rate is not None:
            assert learning_rate(of, step) == pytest.approx(rate)


def test_without_warm_up_the_first_step_has_the_whole_rate() -> None:
    of = toy_recipe("optimisation.warmup=0", "optimisation.lr=0.5").optimisation
    assert learning_rate(of, 0) == 0.5


def test_biases_and_norms_are_not_decayed() -> None:
    network = Network(0.0)
    (adamw,) = optimizers(network, toy_recipe().optimisation)
    groups = adamw.param_groups
    by_decay = {group["weight_decay"]: {id(p) for p in group["params"]} for group in groups}
    names = {name for name, p in network.named_parameters() if id(p) in by_decay[0.1]}
    assert names == {"first.weight", "blocks.0.0.weight", "blocks.1.0.weight", "last.weight"}


def test_muon_takes_the_matrices_of_blocks_at_its_own_rate_and_adamw_the_rest() -> None:
    network = Network(0.0)
    of = toy_recipe(
        "optimisation.optimizer=muon", "optimisation.lr=0.01", "optimisation.muon_lr=0.03"
    ).optimisation
    muon, adamw = optimizers(network, of)
    names = {id(p): name for name, p in network.named_parameters()}
    assert isinstance(muon, Muon)
    inner = {names[id(p)] for group in muon.param_groups for p in group["params"]}
    rest = {names[id(p)] for group in adamw.param_groups for p in group["params"]}
    assert inner == {"blocks.0.0.weight", "blocks.1.0.weight"}
    assert inner | rest == set(names.values()) and not inner & rest
    assert [g["scale"] for g in muon.param_groups + adamw.param_groups] == pytest.approx([3.0, 1.0, 1.0])
    with pytest.raises(GenerateError, match=r"no matrix in a repeated block. Take adamw"):
        optimizers(nn.Linear(2, 2), of)


def test_muon_changes_matrices_as_torchs_own_does() -> None:
    torch.manual_seed(0)
    ours, theirs = ([nn.Parameter(torch.empty(s)) for s in ((8, 24), (24, 8), (8, 24))] for _ in range(2))
    for a, b in zip(ours, theirs, strict=True):
        nn.init.normal_(a)
        b.data.copy_(a)
    mine = Muon(ours, 0.1, weight_decay=0.05)
    reference = torch.optim.Muon(theirs, 0.1, weight_decay=0.05, adjust_lr_fn="match_rms_adamw")
    for _ in range(3):
        for a, b in zip(ours, theirs, strict=True):
            a.grad = torch.randn_like(a)
            b.grad = a.grad.clone()
        mine.step()
        reference.step()
    for a, b in zip(ours, theirs, strict=True):
        assert (a - b).abs().max() < 0.02 * 3 * 0.1 * 0.2 * 24**0.5  # bfloat16 has two digits


def test_orthogonal_matrices_have_singular_values_near_one() -> None:
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonal(torch.randn(3, 12, 40) * 7))
    assert values.min() > 0.6 and values.max() < 1.3
    with pytest.raises(ValueError, match="Muon takes matrices"):
        Muon([nn.Parameter(torch.zeros(3))], 0.1)


def test_the_average_follows_its_formula_and_swaps_without_losing_a_bit() -> None:
    values = [3.0, -1.0, 4.0, 1.5]
    parameter = nn.Parameter(torch.tensor([2.0]))
    ema = Ema({"w": parameter}, 0.3)
    average = 2.0
    for n, value in enumerate(values, start=1):
        parameter.data.fill_(value)
        ema.update(n)
        d = min(0.3, (1 + n) / (10 + n))
        average = d * average + (1 - d) * value
        assert float(ema.average["w"]) == pytest.approx(average, rel=1e-6)
    kept = float(ema.average["w"])
    with ema.swapped():
        assert parameter.item() == kept
    assert (parameter.item(), float(ema.average["w"])) == (1.5, kept)


def test_where_nothing_can_be_compiled_a_sentence_says_so() -> None:
    from torch._dynamo.exc import BackendCompilerFailed

    with (
        pytest.raises(GenerateError, match=r"cannot compile here: .*no g\+\+.*optimisation.compile to false"),
        compiling(True),
    ):
        raise BackendCompilerFailed(compile_blocks, RuntimeError("no g++"), None)


def test_the_average_warms_up() -> None:
    assert [decay_at(0.999, n) for n in (1, 90, 100_000)] == [2 / 11, 0.91, 0.999]


def test_chance_in_the_network_is_that_of_the_batch_alone() -> None:
    first, second = list(Sine(1).iterate(0, 2, batch=4))
    drawn = []
    for batch in (first, second, first):
        seed_for(batch)
        drawn.append(torch.rand(3).tolist())
        torch.rand(7)
    assert drawn[0] == drawn[2] != drawn[1]


def test_an_error_in_reading_comes_where_the_batch_is_asked_for_and_the_end_is_told() -> None:
    def broken():  # type: ignore[no-untyped-def]
        yield {"x": torch.ones(1), "seed": torch.ones(1, dtype=torch.int64)}
        raise OSError("a shard is gone")

    with Feeder(broken(), torch.device("cpu")) as feeder:
        assert float(feeder.next()["x"]) == 1
        with pytest.raises(OSError, match="a shard is gone"):
            feeder.next()
    with Feeder(iter([]), torch.device("cpu")) as feeder, pytest.raises(StopIteration):
        feeder.next()


def test_a_feeder_that_is_closed_early_lets_its_source_go() -> None:
    closed = []

    def endless():  # type: ignore[no-untyped-def]
        try:
            while True:
                yield {"seed": torch.ones(1, dtype=torch.int64)}
        finally:
            closed.append(True)

    with Feeder(endless(), torch.device("cpu")) as feeder:
        feeder.next()
    assert closed == [True]


def test_activation_checkpointing_is_asked_of_the_parts_that_offer_it() -> None:
    class Part(nn.Linear):
        asked = False

        def enable_gradient_checkpointing(self) -> None:
            self.asked = True

    part = Part(2, 2)
    checkpoint_activations(nn.ModuleList([part]), "toy")
    assert part.asked
    with pytest.raises(GenerateError, match="toy has no part that can do it"):
        checkpoint_activations(nn.Linear(2, 2), "toy")


def test_blocks_are_compiled_each_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[nn.Module] = []
    monkeypatch.setattr(nn.Module, "compile", lambda self: compiled.append(self))
    network = Network(0.0)
    compile_blocks(network)
    assert compiled == list(network.blocks)
    plain = nn.Linear(2, 2)
    compile_blocks(plain)
    assert compiled[-1] is plain


def test_trained_weights_are_kept_in_float32_and_others_as_they_are() -> None:
    network = Network(0.0).to(torch.bfloat16)
    network.first.requires_grad_(False)
    keep_float32(network)
    assert network.first.weight.dtype == torch.bfloat16
    assert network.last.weight.dtype == torch.float32


def test_a_log_of_before_is_cut_at_the_step_that_is_gone_on_from(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    log = Log(path, 0)
    for step in (1, 2, 2, 3):
        log.write(step=step, loss=float(step))
    log.close()
    log = Log(path, 2)
    log.write(step=3, loss=0.5)
    log.close()
    assert [(line["step"], line["loss"]) for line in read_log(path)] == [(1, 1), (2, 2), (2, 2), (3, 0.5)]


def test_samples_a_second_are_of_all_samples_though_steps_differ_in_size() -> None:
    laps = Laps()
    for count in (999, 999, 999, 8, 24, 16):  # the first three are warming up
        laps.lap(0.0, count)
    speed = laps.speed(2.0, 1e9)
    assert speed.steps == 3
    assert speed.samples_per_s == pytest.approx(48 / (3 * speed.step_s))
    assert speed.mfu == pytest.approx(3 * 2.0 * speed.samples_per_s / 1e9)
