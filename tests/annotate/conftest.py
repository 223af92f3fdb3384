"""Helpers of these tests lie beside them; the one that makes a small dataset lies beside the tests of packing."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "curate"))
