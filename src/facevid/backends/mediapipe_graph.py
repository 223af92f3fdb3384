"""Builds mediapipe graphs quietly and on few threads, for the four backends that run on them."""

from __future__ import annotations

import math
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from .errors import BackendError, import_cv2, import_part, package_version
from .protocols import Image
from .weights import package_folder, weights_tag

NOISE = (
    "TensorFlow Lite XNNPACK delegate",
    "absl::InitializeLog",
    "inference_feedback_manager.cc",
    "landmark_projection_calculator.cc",
    "face_landmarker_graph.cc",
    "gl_context",
)


def import_mediapipe(*, threads: int, used_for: str) -> Any:
    """The `mediapipe` module with its start-up chatter silenced; BackendError when it cannot load."""
    import_cv2(threads=threads, used_for=used_for)
    os.environ.setdefault("GLOG_minloglevel", "2")
    warnings.filterwarnings("ignore", message=r"SymbolDatabase\.GetPrototype\(\) is deprecated")
    with quiet_stderr():
        mediapipe = import_part("mediapipe", package="mediapipe==0.10.21", used_for=used_for)
    if not hasattr(mediapipe, "solutions"):
        raise BackendError(
            f"{used_for} needs the models inside mediapipe 0.10.21; "
            f"mediapipe {package_version('mediapipe')}, installed here, carries none; "
            "run: pip install mediapipe==0.10.21"
        )
    return mediapipe


def version_of(*models: str) -> str:
    """Version of a backend that uses the given .tflite files of the mediapipe wheel (under modules/)."""
    folder = package_folder("mediapipe")
    paths = [Path(folder or ".") / "modules" / model for model in models]
    return f"mediapipe {package_version('mediapipe')} weights {weights_tag(*paths)}"


def landmark_graph(text: str, *, threads: int, **arguments: Any) -> Any:
    """A running graph from a text description, with the arguments of mediapipe's SolutionBase."""
    package, used_for = "mediapipe==0.10.21", "the face mesh (mediapipe)"
    base = import_part("mediapipe.python.solution_base", package=package, used_for=used_for)
    text_format = import_part("google.protobuf.text_format", package="protobuf", used_for=used_for)
    protos = import_part("mediapipe.framework.calculator_pb2", package=package, used_for=used_for)
    config = text_format.Parse(text, protos.CalculatorGraphConfig())
    return bounded(base.SolutionBase, threads=threads)(graph_config=config, **arguments)


def bounded(solution: Any, *, threads: int) -> Any:
    """The given mediapipe solution class with its graph's threads bounded; alone, it takes every core."""

    def initialize(self: Any, *arguments: Any) -> Any:
        config = solution._initialize_graph_interface(self, *arguments)
        # The graph comes with a default executor of one thread per core, which excludes num_threads.
        named = [executor for executor in config.executor if executor.name]
        del config.executor[:]
        config.executor.extend(named)
        config.num_threads = threads
        return config

    return type(solution.__name__, (solution,), {"_initialize_graph_interface": initialize})


def shrunk(cv2: Any, image: Image, *, at_most: int) -> tuple[Image, int]:
    """`image` reduced by a whole number so that its longer side is at most so many pixels, and that number.

    Averaging whole blocks of pixels costs a tenth of a reduction by any other factor; up to a block less
    one of pixels is cut off at the right and the bottom.
    """
    factor = math.ceil(max(image.shape[:2]) / at_most)
    height, width = image.shape[0] // factor, image.shape[1] // factor
    if factor == 1 or min(height, width) < 1:
        return np.ascontiguousarray(image), 1
    whole = np.ascontiguousarray(image[: height * factor, : width * factor])
    return cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), factor


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Keep known chatter of native code off the screen; every other line still gets there, a moment later.

    absl and TensorFlow Lite write straight to file descriptor 2 and offer Python no switch for it.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as heard:
        os.dup2(heard.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)
            heard.seek(0)
            for line in heard.read().decode(errors="replace").splitlines():
                if line.strip() and not any(noise in line for noise in NOISE):
                    os.write(2, (line + "\n").encode())


def outputs_of(graph: Any, inputs: Image | Mapping[str, Any]) -> Any:
    """Run a graph once; a failure inside mediapipe becomes a BackendError with its message.

    Does what SolutionBase.process of the pinned mediapipe does, which makes a new class for every answer:
    a tenth of a mesh's whole cost.
    """
    streams = inputs if isinstance(inputs, Mapping) else {next(iter(graph._input_stream_type_info)): inputs}
    try:
        graph._graph_outputs.clear()
        graph._simulated_timestamp += 33333
        for name, data in streams.items():
            packet = graph._make_packet(graph._input_stream_type_info[name], data)
            graph._graph.add_packet_to_input_stream(stream=name, packet=packet.at(graph._simulated_timestamp))
        graph._graph.wait_until_idle()
        answers = {
            name: graph._get_packet_content(kind, graph._graph_outputs[name])
            if name in graph._graph_outputs
            else None
            for name, kind in graph._output_stream_type_info.items()
        }
        return SimpleNamespace(**answers)
    except (RuntimeError, ValueError) as error:
        raise BackendError(f"mediapipe could not process a picture: {error}") from error
