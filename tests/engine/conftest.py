"""Makes the test steps importable, here and, since workers inherit the import path, in the workers."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
# A store of S3 on this machine, with its fixtures.
sys.path.append(str(Path(__file__).parents[1] / "storage"))
