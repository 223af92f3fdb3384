"""Makes a module of these tests a package with backends, as if it were installed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def register(folder: Path, module: str, backends: Mapping[str, str]) -> None:
    """Write the metadata that such a package would have; `folder` must be on sys.path.

    backends: kind and name, as in "face_detector.faulty" -> the class in `module`.
    """
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module.replace('_', '-')}\nVersion: 1.0\n")
    lines = [f"{name} = {module}:{of}" for name, of in backends.items()]
    (info / "entry_points.txt").write_text("\n".join(["[facevid.backends]", *lines, ""]))
