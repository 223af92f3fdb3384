"""Another program's own Ray on the same machine: a run leaves it alone, and does not end when it ends."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip("ray", reason="Ray is not installed")
pytestmark = pytest.mark.slow

PRIVATE = """
import sys, ray
ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR",
         object_store_memory=100 << 20)
print(ray.get_runtime_context().gcs_address, flush=True)
sys.stdin.read()
"""
OURS = """
import ray
from facevid.engine.ray_executor import joined
with joined(None):
    print(ray.get_runtime_context().gcs_address, flush=True)
"""


def test_a_cluster_that_another_program_started_for_itself_is_not_joined() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    environment["PYTHONPATH"] = os.pathsep.join(entry for entry in sys.path if entry)
    other = subprocess.Popen(
        [sys.executable, "-c", PRIVATE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        assert other.stdout is not None and other.stdin is not None
        theirs = other.stdout.readline().strip()
        ended = subprocess.run(
            [sys.executable, "-c", OURS], stdout=subprocess.PIPE, text=True, env=environment, timeout=300
        )
        ours = ended.stdout.strip()
        assert theirs and ours and ours != theirs
        assert other.poll() is None
    finally:
        other.communicate()
