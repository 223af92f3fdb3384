"""The tables of docs/scale.md are what benchmarks/scale_model.py prints, and the model does what it says."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def model() -> ModuleType:
    spec = importlib.util.spec_from_file_location("scale_model", ROOT / "benchmarks" / "scale_model.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["scale_model"] = module
    spec.loader.exec_module(module)
    return module


def test_the_docs_have_the_tables_that_the_model_prints(model: ModuleType) -> None:
    text = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    stale = [name for name in model.TABLES if model.block(name) not in text]
    assert not stale, f"run: python benchmarks/scale_model.py --into docs/scale.md (stale: {stale})"


def test_a_step_takes_its_core_seconds_over_all_cores_and_its_longest_item(model: ModuleType) -> None:
    measured = replace(model.MEASURED, analyze=3600.0, ray=1.0)
    assumed = replace(model.ASSUMED, hours=960.0, longest_s=600.0, source_s=600.0, cores=96)
    (analyze,) = (p for p in model.workers_phases(measured, assumed, 10) if p.name == "analyze")
    assert analyze.seconds == pytest.approx(3600.0 + 600.0)
    assert analyze.items_per_s == pytest.approx(960 * 6 / 4200)
    assert analyze.limit == "cores"


def test_no_number_of_nodes_makes_the_driver_hand_out_faster(model: ModuleType) -> None:
    phases = list(model.workers_phases(model.MEASURED, model.ASSUMED, 1000))
    assert max(phase.items_per_s for phase in phases) == pytest.approx(1 / model.MEASURED.item_s)
    assert phases[-1].limit == "driver"


def test_pairs_grow_with_the_square_of_the_clips_and_are_shared_by_threads(model: ModuleType) -> None:
    def pairs(hours: float, threads: int) -> float:
        phases = model.driver_phases(model.MEASURED, replace(model.ASSUMED, hours=hours, threads=threads))
        return float(next(p.seconds for p in phases if p.name == "pairs"))

    assert pairs(2000, 16) == pytest.approx(4 * pairs(1000, 16))
    assert pairs(2000, 1) == pytest.approx(16 * pairs(2000, 16))
