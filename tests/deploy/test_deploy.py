"""What deploy/ holds fits the lock, the documentation of what reads it, and the rest of the repository."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
SBATCH = DEPLOY / "slurm" / "facevid-build.sbatch"

# KubeRay's reference of the API ray.io/v1 (RayJobSpec, RayClusterSpec, HeadGroupSpec, WorkerGroupSpec, AuthOptions) and
# Kubernetes' of pods and containers, as far as they are used or may well be.
FIELDS = {
    "RayJob": {"apiVersion", "kind", "metadata", "spec"},
    "RayJobSpec": {
        "activeDeadlineSeconds", "backoffLimit", "rayClusterSpec", "submitterPodTemplate", "metadata",
        "clusterSelector", "submitterConfig", "managedBy", "deletionStrategy", "entrypoint",
        "runtimeEnvYAML", "jobId", "submissionMode",
        "entrypointResources", "entrypointNumCpus", "entrypointNumGpus", "ttlSecondsAfterFinished",
        "shutdownAfterJobFinishes", "suspend",
    },
    "RayClusterSpec": {
        "authOptions", "suspend", "managedBy", "autoscalerOptions", "headServiceAnnotations", "enableInTreeAutoscaling",
        "gcsFaultToleranceOptions", "headGroupSpec", "rayVersion", "workerGroupSpecs",
    },
    "AuthOptions": {"mode"},
    "HeadGroupSpec": {"template", "headService", "enableIngress", "rayStartParams", "serviceType"},
    "WorkerGroupSpec": {
        "suspend", "groupName", "replicas", "minReplicas", "maxReplicas", "idleTimeoutSeconds", "rayStartParams",
        "template", "scaleStrategy", "numOfHosts",
    },
    "PodTemplateSpec": {"metadata", "spec"},
    "PodSpec": {
        "containers", "initContainers", "volumes", "securityContext", "serviceAccountName", "nodeSelector",
        "tolerations", "affinity", "terminationGracePeriodSeconds", "imagePullSecrets",
        "restartPolicy", "priorityClassName",
    },
    "Container": {
        "name", "image", "imagePullPolicy", "command", "args", "env", "envFrom", "ports", "resources", "volumeMounts",
        "securityContext", "lifecycle", "readinessProbe", "livenessProbe",
    },
}  # fmt: skip


def locked(path: Path) -> dict[str, str]:
    """name -> version of a lock, and that every line has a hash."""
    text = path.read_text(encoding="utf-8")
    found = dict(re.findall(r"^([A-Za-z0-9_.-]+)==([^ ;\\]+)", text, re.MULTILINE))
    entries = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)
    assert all("--hash=sha256:" in entry for entry in entries if entry.strip())
    return found


def test_the_image_has_the_versions_of_the_other_locks() -> None:
    image, base = locked(DEPLOY / "requirements.lock"), locked(ROOT / "requirements.lock")
    development = locked(ROOT / "requirements-dev.lock")
    assert {name: image.get(name) for name in base} == base
    assert {
        name: version for name, version in image.items() if development.get(name, version) != version
    } == {}
    for needed in ("ray", "s3fs", "hatchling", "aiohttp-cors"):
        assert needed in image


def test_the_job_for_kubernetes_has_documented_fields_only() -> None:
    unknown = [
        f"{kind}.{name}" for kind, part in parts(rayjob()) for name in part if name not in FIELDS[kind]
    ]
    assert not unknown


def test_the_job_for_kubernetes_runs_the_locked_ray_and_writes_to_a_volume_that_all_pods_have() -> None:
    job = rayjob()
    cluster = job["spec"]["rayClusterSpec"]
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert cluster["rayVersion"] == locked(DEPLOY / "requirements.lock")["ray"]
    containers = [part for kind, part in parts(job) if kind == "Container"]
    assert len({container["image"] for container in containers}) == 1
    for container in containers:
        (mounted,) = container["volumeMounts"]
        assert f" {mounted['mountPath']}/" in job["spec"]["entrypoint"]
        assert container["resources"]["requests"] == container["resources"]["limits"]
    for kind, part in parts(job):
        if kind in ("HeadGroupSpec", "WorkerGroupSpec"):
            assert all(isinstance(value, str) for value in part["rayStartParams"].values())
    assert "--executor ray" in job["spec"]["entrypoint"]


def rayjob() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "kuberay" / "rayjob.yaml").read_text(encoding="utf-8"))
    return found


def parts(job: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every part of a RayJob with the name of its type."""
    cluster = job["spec"]["rayClusterSpec"]
    yield from (("RayJob", job), ("RayJobSpec", job["spec"]), ("RayClusterSpec", cluster))
    yield "AuthOptions", cluster["authOptions"]
    yield "HeadGroupSpec", cluster["headGroupSpec"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        if group is not cluster["headGroupSpec"]:
            yield "WorkerGroupSpec", group
        yield "PodTemplateSpec", group["template"]
        yield "PodSpec", group["template"]["spec"]
        for container in group["template"]["spec"]["containers"]:
            yield "Container", container


def test_the_container_file_copies_what_is_there_and_ends_as_a_user_who_is_not_root() -> None:
    lines = instructions(DEPLOY / "Containerfile")
    for name, rest in lines:
        if name == "COPY":
            *sources, _ = rest.split()
            assert all((ROOT / source).exists() for source in sources)
    names = [name for name, _ in lines]
    assert names[0] == "FROM"
    assert [rest for name, rest in lines if name == "USER"] == ["facevid"]
    assert ("RUN", "facevid doctor") in lines[names.index("USER") :]
    installs = [rest for name, rest in lines if name == "RUN" and "--requirement" in rest]
    assert installs and all("--require-hashes" in rest for rest in installs)


def test_the_container_file_finds_the_versions_it_looks_for() -> None:
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    torch = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert re.search(r'^    "(torch==[^"]*)",', torch, re.MULTILINE)
    assert "uv" in locked(ROOT / "requirements-dev.lock")
    wanted = tomllib.loads(torch)["project"]["requires-python"]
    assert "python:3.11-slim" in text and wanted.startswith(">=3.11")


def instructions(path: Path) -> list[tuple[str, str]]:
    text = re.sub(r"^#.*\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE).replace("\\\n", " ")
    lines = (line.split(None, 1) for line in text.splitlines() if line.strip())
    return [(name, " ".join(rest.split())) for name, rest in lines]


def test_the_script_for_slurm_is_sound_bash() -> None:
    subprocess.run(["bash", "-n", str(SBATCH)], check=True)


def test_the_script_for_slurm_has_no_findings() -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    done = subprocess.run(["shellcheck", "-s", "bash", str(SBATCH)], capture_output=True, text=True)
    assert done.stdout == ""


def test_the_job_for_slurm_survives_lost_nodes_preemption_and_the_end_of_its_time() -> None:
    options = re.findall(r"^#SBATCH (--\S+)", SBATCH.read_text(encoding="utf-8"), re.MULTILINE)
    assert {"--no-kill", "--requeue", "--open-mode=append"} <= set(options)
    assert any(option.startswith("--signal=B:USR1@") for option in options)


def test_the_script_for_slurm_without_arguments_says_what_it_needs() -> None:
    done = subprocess.run(["bash", str(SBATCH)], capture_output=True, text=True)
    assert done.returncode == 2
    assert "sbatch facevid-build.sbatch FOOTAGE... -o DATASET" in done.stderr
