"""What is shipped: one version, recipes and licence inside, and no address or path of any one machine."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata, resources
from pathlib import Path

import pytest

import facevid

ROOT = Path(__file__).resolve().parent.parent
# Written apart, so that this file does not find itself.
REGISTRIES = [
    "pypi" + ".org",
    "python" + "hosted",
    "registry." + "npmjs",
    "deb." + "debian.org",
    "--index" + "-url",
    "--find" + "-links",
]
MACHINE_PATHS = ["/" + folder + "/" for folder in ("work", "farm", "root", "opt", "tmp/bash_jobs")]


def _tracked() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout
    return [ROOT / name for name in names.split("\0") if name and (ROOT / name).is_file()]


def _texts() -> list[tuple[Path, str]]:
    found = []
    for path in _tracked():
        data = path.read_bytes()
        if b"\0" not in data:
            found.append((path, data.decode("utf-8")))
    return found


def test_the_installed_version_is_the_version_of_the_source() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", facevid.__version__)
    try:
        installed = metadata.version("facevid")
    except metadata.PackageNotFoundError:
        pytest.skip("facevid runs from a source tree without being installed")
    assert installed == facevid.__version__


def test_the_changelog_has_the_version() -> None:
    assert f"## {facevid.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_recipes_and_the_type_marker_are_inside_the_package() -> None:
    package = resources.files("facevid")
    assert (package / "recipes" / "dh-facevid.yaml").is_file()
    assert (package / "py.typed").is_file()


def test_the_licence_is_apache_2() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text and "Version 2.0, January 2004" in text


def test_entry_points_name_the_backends_that_are_built_in() -> None:
    from facevid.backends.registry import BUILT_IN, GROUP

    try:
        points = metadata.distribution("facevid").entry_points
    except metadata.PackageNotFoundError:
        pytest.skip("facevid runs from a source tree without being installed")
    assert {p.name: p.value for p in points if p.group == GROUP} == BUILT_IN


@pytest.mark.parametrize("word", REGISTRIES + MACHINE_PATHS)
def test_no_tracked_file_names_a_registry_or_a_path_of_one_machine(word: str) -> None:
    pattern = re.compile(rf"(?<![\w.)}}*]){re.escape(word)}" if word.startswith("/") else re.escape(word))
    found = [str(path.relative_to(ROOT)) for path, text in _texts() if pattern.search(text)]
    assert not found, f"{word} stands in {found}"


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_holds_names_versions_and_hashes_only(lock: str) -> None:
    lines = (ROOT / lock).read_text(encoding="utf-8").splitlines()
    entry = re.compile(r"[A-Za-z0-9._-]+==[^ ]+( ; [^\\]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?")
    assert [line for line in lines if not entry.fullmatch(line)] == []
    names = {line.split("==")[0] for line in lines if "==" in line and not line.startswith(" ")}
    assert not names & {"opencv-python", "opencv-contrib-python", "jax", "jaxlib", "torch"}


def test_help_loads_no_model_library_and_no_table_library() -> None:
    heavy = ["numpy", "cv2", "mediapipe", "av", "pyarrow", "duckdb", "scipy", "onnxruntime", "pydantic"]
    code = f"import sys, facevid.cli; print([m for m in {heavy} if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
