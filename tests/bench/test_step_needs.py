"""Every step that runs on workers says what it reads, and a recipe can say what the workers of a dataset's take up."""

from __future__ import annotations

from facevid.annotate.measure import MEASURE
from facevid.bench.looking.step import LOOK
from facevid.curate.analyze import ANALYZE
from facevid.curate.cut import CUT
from facevid.curate.identify import EMBED
from facevid.curate.scan import SCAN
from facevid.recipe import StepNeeds

STEPS = (SCAN, ANALYZE, CUT, EMBED, MEASURE)


def test_a_recipe_can_name_every_step_of_a_dataset_and_no_step_reads_its_needs() -> None:
    assert {step.name for step in STEPS} == set(StepNeeds.model_fields)
    assert not [step.name for step in STEPS if "resources" in {name.split(".")[0] for name in step.reads}]


def test_every_step_says_what_it_reads_so_that_a_machine_without_it_is_found_out() -> None:
    assert not [step.name for step in (*STEPS, LOOK) if step.inputs is None]
