"""Trains the toy task in a process of its own: python -m tests.generate.toy_run FOLDER[,FIELD=VALUE ...] ...

Several folders are trained one after the other; the environment of `torchrun` makes it one of several ranks.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from tests.generate.toy_task import ToyTask, toy_recipe

from facevid.generate.training.trainer import Trainer

if __name__ == "__main__":
    torch.set_num_threads(1)
    for job in sys.argv[1:]:
        folder, *changes = job.split(",")
        task = ToyTask(dropout=0.0 if "no-dropout" in changes else 0.1)
        recipe = toy_recipe(*(change for change in changes if "=" in change))
        trainer = Trainer(task, recipe, Path(folder), peak=1e9)
        trainer.run()
        weight = next(task.module.parameters())
        print("sharded" if hasattr(weight, "full_tensor") else "whole", folder, flush=True)
