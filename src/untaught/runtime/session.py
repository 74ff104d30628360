"""A graph, loaded once and called from any thread, by ONNX Runtime or OpenVINO."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Mapping
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from untaught.errors import BundleError, ConfigError

Backend: TypeAlias = Literal["auto", "onnxruntime", "openvino"]
Answers: TypeAlias = tuple[NDArray[np.float32], NDArray[np.float32]]


class Session(Protocol):
    """A loaded graph. `backend` names the runtime, `version` is that of its package."""

    backend: str
    version: str

    def __call__(self, inputs: Mapping[str, NDArray[Any]], /) -> Answers:
        """Maps (n, h, w) and scores (n,) of a batch of n; of `inputs` those count that the graph has."""


def installed() -> list[Backend]:
    """The runtimes that are there, the preferred one last."""
    return [backend for backend in KINDS if importlib.util.find_spec(backend)]


def open_session(model: bytes, backend: Backend = "auto", threads: int | None = None, *, at_a_time: int = 1) -> Session:
    """Load a graph whose outputs are `map` and `score`.

    Args:
        model: the ONNX graph.
        backend: the runtime; `auto` is OpenVINO where it is installed, else ONNX Runtime.
        threads: for one call; None: as many as there are cores.
        at_a_time: calls that run beside each other, in threads of the caller.

    Raises:
        ConfigError: no such runtime, or it is not installed, or not a positive number of threads.
        BundleError: the runtime refuses the graph.
    """
    if threads is not None and threads < 1:
        raise ConfigError(f"threads is {threads}", "at least 1", "leave it out to use all cores")
    if backend == "auto":
        backend = installed()[-1]
    if backend not in KINDS:
        raise ConfigError(f"there is no backend called {backend!r}", "auto, onnxruntime or openvino", "choose one")
    if backend not in installed():
        raise ConfigError(f"{backend} is not installed", "its package", f"pip install {backend}")
    try:
        return KINDS[backend](model, threads, at_a_time)
    except Exception as error:  # each runtime has its own, and they share no base
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
        raise BundleError(f"{backend} does not load the graph ({reason})", "a graph it can run", "update it") from error


def check_ends(outputs: set[str]) -> None:
    """Raise ValueError where a graph is not one of ours."""
    if outputs != {"map", "score"}:
        raise ValueError(f"its outputs are {sorted(outputs)}, not map and score")


class OnnxRuntimeSession:
    """ONNX Runtime on the processor."""

    backend = "onnxruntime"

    def __init__(self, model: bytes, threads: int | None, at_a_time: int) -> None:
        import onnxruntime  # whose calls run in their callers' threads, any number at a time

        self.version: str = onnxruntime.__version__
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # what goes wrong is raised
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        check_ends({end.name for end in self._session.get_outputs()})
        self._inputs = [end.name for end in self._session.get_inputs()]

    def __call__(self, inputs: Mapping[str, NDArray[Any]], /) -> Answers:
        """Maps and scores."""
        map_, score = self._session.run(["map", "score"], {name: inputs[name] for name in self._inputs})
        return map_, score


class OpenVinoSession:
    """OpenVINO on the processor, computing in float32 where the graph does.

    Left to itself OpenVINO rounds to bfloat16 on processors that have it, and scores would differ from torch's.
    """

    backend = "openvino"

    def __init__(self, model: bytes, threads: int | None, at_a_time: int) -> None:
        import openvino

        self.version: str = openvino.__version__.partition("-")[0]
        settings = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
        if threads:
            settings["INFERENCE_NUM_THREADS"] = str(threads * at_a_time)
        if at_a_time > 1:
            settings["NUM_STREAMS"] = str(at_a_time)
        core = openvino.Core()
        self._compiled = core.compile_model(core.read_model(model), "CPU", settings)
        check_ends({end.any_name for end in self._compiled.outputs})
        self._inputs = [end.any_name for end in self._compiled.inputs]
        self._own = threading.local()  # a request belongs to one thread at a time

    def __call__(self, inputs: Mapping[str, NDArray[Any]], /) -> Answers:
        """Maps and scores."""
        request = getattr(self._own, "request", None)
        if request is None:
            request = self._own.request = self._compiled.create_infer_request()
        request.infer({name: inputs[name] for name in self._inputs}, share_inputs=True)
        return request.get_tensor("map").data.copy(), request.get_tensor("score").data.copy()


KINDS: Mapping[Backend, type[OnnxRuntimeSession] | type[OpenVinoSession]] = {
    "onnxruntime": OnnxRuntimeSession,
    "openvino": OpenVinoSession,
}
