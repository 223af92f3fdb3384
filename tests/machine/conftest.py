"""Makes the makers of odd footage, which lie beside the tests of building, importable."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "curate"))
