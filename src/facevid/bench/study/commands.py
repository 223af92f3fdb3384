"""A study as lines for a shell, one a run, for a queue (SLURM, Ray) or several machines that share its folder."""

from __future__ import annotations

import shlex
from collections.abc import Sequence


def study_command(
    study: str,
    *,
    data: str | None,
    output: str,
    autoencoder: str | None = None,
    text: str | None = None,
    changes: Sequence[str] = (),
    only: Sequence[str] = (),
    more: Sequence[str] = (),
) -> str:
    """The line that runs a study, or some runs of it."""
    words = ["facevid", "scale", study]
    words += [] if data is None else ["--data", data]
    words += ["-o", output]
    words += [] if autoencoder is None else ["--autoencoder", autoencoder]
    words += [] if text is None else ["--text", text]
    words += [word for change in changes for word in ("--set", change)]
    words += [word for name in only for word in ("--only", name)]
    return shlex.join([*words, *more])


def run_commands(
    study: str,
    names: Sequence[str],
    *,
    data: str | None,
    output: str,
    autoencoder: str | None,
    text: str | None,
    changes: Sequence[str] = (),
) -> list[str]:
    """One line for each run, and a last one that fits what they came to; in any order but the last."""
    lines = [
        study_command(
            study, data=data, output=output, autoencoder=autoencoder, text=text, changes=changes, only=[name]
        )
        for name in names
    ]
    return [*lines, study_command(study, data=None, output=output, changes=changes, more=["--fit-only"])]
