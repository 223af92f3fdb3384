"""How a backend says that it cannot run, and the imports that turn into such a sentence."""

from __future__ import annotations

import importlib
from importlib import metadata
from typing import Any

from facevid.errors import FacevidError


class BackendError(FacevidError):
    """A backend cannot run here; the message is a sentence for the user that ends with what to do."""


def import_part(module: str, *, package: str, used_for: str, install: str | None = None) -> Any:
    """Import `module` of the Python package `package`, or raise BackendError naming what to install.

    install: what pip is to be given instead of the missing package, such as an extra of facevid.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or module
        what = package if module.split(".")[0] == missing.split(".")[0] else missing
        raise BackendError(
            f"{used_for} needs the Python package {what}, which is not installed here; "
            f"run: pip install {install or what}"
        ) from error
    except (ImportError, OSError) as error:
        raise BackendError(
            f"{used_for} needs the Python package {package}, which is installed but does not load ({error}); "
            f"run: pip install --force-reinstall {package}"
        ) from error


def import_cv2(*, threads: int, used_for: str) -> Any:
    """Import OpenCV and bound its threads; without libGL say which OpenCV package runs without a display."""
    try:
        cv2 = importlib.import_module("cv2")
    except ModuleNotFoundError as error:
        raise BackendError(
            f"{used_for} needs OpenCV, which is not installed here; run: pip install opencv-python-headless"
        ) from error
    except (ImportError, OSError) as error:
        raise BackendError(
            f"{used_for} needs OpenCV, whose installed build does not load on this machine ({error}); run: "
            "pip uninstall -y opencv-python opencv-contrib-python opencv-python-headless && "
            "pip install opencv-python-headless==4.11.0.86 (or install the libraries it wants: "
            "apt-get install libgl1 libglib2.0-0)"
        ) from error
    cv2.setNumThreads(threads)
    return cv2


def package_version(package: str) -> str:
    """The installed version of a distribution, "unknown" when it carries no metadata."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"
