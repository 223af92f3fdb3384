"""`doctor`: checks a machine for what a build needs, and says what a build of given footage would take on it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import facevid
from facevid.curate.scan import find_footage
from facevid.curate.work import Work
from facevid.engine import available_cores
from facevid.errors import FacevidError
from facevid.machine.check import Check, Status, gigabytes
from facevid.machine.estimate import Estimate, estimate
from facevid.machine.footage import Footage, Unusable, count_footage, draw
from facevid.machine.host import host_checks
from facevid.machine.place import output_check, remote_output_check, room_check, standing
from facevid.machine.sample import build_sample
from facevid.machine.scratch import OnProgress, Scratch, scratch
from facevid.machine.trials import trial_checks
from facevid.recipe import Recipe, load_recipe
from facevid.storage import is_address, local_path, scratch_bytes, scratch_folder

LEAST_SAMPLE_S = 5.0
_NAMED = 5
_SCRATCH_BYTES = 1_000_000_000


class DoctorError(FacevidError):
    """An option that `doctor` cannot use."""


@dataclass(frozen=True)
class Report:
    """What was found. footage and estimate are None where no footage was given, or nothing could be said of it."""

    facevid: str
    recipe: str
    checks: tuple[Check, ...]
    footage: Footage | None = None
    estimate: Estimate | None = None

    @property
    def worst(self) -> Status:
        """The gravest status of all checks; "fault" where something would stop a build."""
        found = {check.status for check in self.checks}
        order: tuple[Status, ...] = ("fault", "warning", "note")
        return next((status for status in order if status in found), "ok")

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return {
            "facevid": self.facevid, "recipe": self.recipe, "worst": self.worst,
            "checks": [asdict(check) for check in self.checks],
            "footage": self.footage.to_dict() if self.footage else None,
            "estimate": self.estimate.to_dict() if self.estimate else None,
        }  # fmt: skip


def doctor(
    footage: Sequence[str | os.PathLike[str]] | str | os.PathLike[str] | None = None,
    *,
    output: str | os.PathLike[str] | None = None,
    recipe: Recipe | str | Path | Mapping[str, Any] | None = None,
    sample_seconds: float = 60.0,
    nodes: int | None = None,
    cores_per_node: int | None = None,
    on_progress: OnProgress = None,
) -> Report:
    """Check this machine for what a build needs, and say what a build of `footage` would take.

    footage: as `build` takes it; without it only the machine is checked. output: folder where the dataset is to go, the
    current folder if not given; nothing is left there. recipe: as in `build`. sample_seconds: how much footage is
    really built, in a temporary folder that is removed, to see what it costs. nodes, cores_per_node: also divide the
    work by the cores of so many machines (1, and as many cores as here, where only the other is given). Files that
    cannot be used are named and stop nothing; what would stop a build is a check with status "fault". Raises
    RecipeError for a recipe and DoctorError for numbers that cannot be used.
    """
    _refuse(sample_seconds, nodes, cores_per_node)
    if footage is None and (nodes or cores_per_node):
        raise DoctorError(
            "nodes and cores_per_node divide the work that footage makes; name the footage too."
        )
    where = None if output is None else local_path(os.fspath(output))
    chosen = _recipe(where, recipe)
    machine = host_checks()
    checks = [*machine, *_place_checks(where, chosen)]
    temporary = _temporary_check()
    checks.append(temporary)
    counted, guess = None, None
    if temporary.status != "fault":
        with scratch(on_progress) as room:
            trials = trial_checks(room, chosen)
            checks += trials
            if footage is not None:
                cores = available_cores()
                cluster = (
                    None
                    if nodes is None and cores_per_node is None
                    else (nodes or 1, cores_per_node or cores)
                )
                sound = all(check.status != "fault" for check in (*machine, *trials))
                counted, guess, more = _weigh(footage, room, chosen, sample_seconds, cluster, sound)
                checks += more
    if guess is not None and not is_address(where or ""):
        checks.append(_enough_room(standing(Path(where or ".")), guess))
    return Report(facevid.__version__, chosen.name, tuple(checks), counted, guess)


def _weigh(
    footage: Sequence[str | os.PathLike[str]] | str | os.PathLike[str],
    room: Scratch,
    recipe: Recipe,
    sample_seconds: float,
    cluster: tuple[int, int] | None,
    sound: bool,
) -> tuple[Footage | None, Estimate | None, list[Check]]:
    """Count the footage, build a sample of it if the machine is sound, and scale that up."""
    given = [str(one) for one in ([footage] if isinstance(footage, (str, os.PathLike)) else footage)]
    try:
        found = find_footage(given)
    except FacevidError as error:
        return None, None, [Check("footage", "fault", str(error))]
    counted = count_footage(found, room, recipe)
    checks = [_footage_check(counted)]
    if not counted.pieces:
        return counted, None, checks
    if not sound:
        why = "not made: versions, memory, codecs and backends must be sound first"
        return counted, None, [*checks, Check("estimate", "note", why)]
    sample = build_sample(draw(counted.pieces, sample_seconds), room, recipe)
    if sample.unusable:
        checks.append(_sample_check(sample.unusable, stops=not sample.built))
    if not sample.built:
        return counted, None, checks
    guess = estimate(counted, sample, cores=available_cores(), cluster=cluster, part_s=recipe.analyze.part_s)
    return counted, guess, checks


def _footage_check(counted: Footage) -> Check:
    """What there is, and which files cannot be used."""
    said = f"{counted.files} files, {gigabytes(counted.bytes)}"
    if counted.probed < counted.files:
        said += f", {counted.probed} of them looked into"
    if not counted.unusable:
        return Check("footage", "ok", f"{said}; all can be used")
    said += f"; {len(counted.unusable)} cannot be used: {_named(counted.unusable)}"
    if counted.pieces:
        return Check(
            "footage", "warning", said, "A build goes on without them; copy them anew where they broke off."
        )
    return Check("footage", "fault", said, "Name footage that FFmpeg reads.")


def _sample_check(unusable: Sequence[Unusable], *, stops: bool) -> Check:
    said = f"{len(unusable)} stretches could not be built: {_named(unusable)}"
    if stops:
        return Check(
            "sample", "fault", f"{said}; so there is no estimate", "Mend what is named, then ask again."
        )
    return Check("sample", "warning", said, "The estimate is made from the others.")


def _named(unusable: Sequence[Unusable]) -> str:
    some = "; ".join(f"{one.item} ({one.message.rstrip('.')})" for one in unusable[:_NAMED])
    return some + (f"; and {len(unusable) - _NAMED} more" if len(unusable) > _NAMED else "")


def _place_checks(where: str | None, recipe: Recipe) -> list[Check]:
    """Where the dataset goes; room is looked for at a folder only."""
    if where is not None and is_address(where):
        checked = remote_output_check(where)
        why = f"the scratch holds what is in work, and may take {gigabytes(scratch_bytes())}"
        return [checked, room_check("scratch", standing(scratch_folder()), scratch_bytes(), why)]
    checked = output_check(None if where is None else Path(where))
    wanted = 2 * recipe.pack.shard_bytes
    why = f"more than a small dataset needs {gigabytes(wanted)}, room for two shards"
    return [checked, room_check("space", standing(Path(where or ".")), wanted, why)]


def _temporary_check() -> Check:
    try:
        folder = Path(tempfile.gettempdir())
    except OSError as error:
        return Check("temporary files", "fault", str(error), "Name a folder that can be written in TMPDIR.")
    why = f"checks and exports want {gigabytes(_SCRATCH_BYTES)}"
    return room_check("temporary files", folder, _SCRATCH_BYTES, why)


def _enough_room(place: Path, guess: Estimate) -> Check:
    """Whether dataset and work folder fit where the dataset is to go."""
    need = guess.dataset_bytes + guess.work_bytes
    free = shutil.disk_usage(place).free
    said = f"{gigabytes(free)} free at {place}; dataset and work folder need about {gigabytes(need.value)}"
    if need.high is not None:
        said += f" (to {gigabytes(need.high)})"
    if free < need.value:
        return Check(
            "space needed",
            "fault",
            said,
            "Free some space, name another folder, or build in parts and merge them.",
        )
    if need.high is not None and free < need.high:
        return Check(
            "space needed", "warning", said, "Free some space, or take a larger sample with --sample-seconds."
        )
    return Check("space needed", "ok", said)


def _recipe(where: str | None, given: Recipe | str | Path | Mapping[str, Any] | None) -> Recipe:
    """As `build` chooses it: the one given, else the one the dataset was last built with, else the default."""
    if where is None or is_address(where):
        return load_recipe(given)
    return Work(Path(where)).recipe(given)


def _refuse(sample_seconds: float, nodes: int | None, cores_per_node: int | None) -> None:
    if not sample_seconds >= LEAST_SAMPLE_S:
        raise DoctorError(f"sample_seconds must be {LEAST_SAMPLE_S:g} or more, not {sample_seconds:g}.")
    for name, value in (("nodes", nodes), ("cores_per_node", cores_per_node)):
        if value is not None and value < 1:
            raise DoctorError(f"{name} must be 1 or more, not {value}.")


__all__ = ["DoctorError", "Report", "doctor"]
