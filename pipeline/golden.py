"""The golden reference: TensorFlow Lite Micro's own interpreter (PyPI `tflite-micro`) on this host.

The package exists for x86-64 Linux only. Where it cannot be had there is no reference: LiteRT's
kernels differ from TFLM's by up to 12 LSB, so nothing takes its place.
"""

from __future__ import annotations

import importlib.util
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import numpy.typing as npt

from pipeline.errors import ModelError, ToolError
from pipeline.golden_worker import NOT_INSTALLED
from pipeline.graph import Graph
from pipeline.tflite_reader import read_tflite

Arrays = tuple[npt.NDArray[Any], ...]

_WORKER = Path(__file__).with_name("golden_worker.py")
_MOST_WORKERS = 2
# Starting a second process takes as long as this many inferences of a small model.
_INPUTS_WORTH_A_SECOND_WORKER = 64
_SMALLEST_ARENA_BYTES = 1 << 20


def golden_outputs(
    model: bytes,
    inputs: Sequence[Arrays],
    progress: Callable[[int], None] | None = None,
) -> list[Arrays]:
    """TFLM's outputs for every input, in the order of `inputs`.

    Args:
        model: a .tflite file.
        inputs: for every inference the model's inputs in its order, with its dtypes and shapes
            (batch axis included).
        progress: called with the number of finished inferences, possibly from another thread.

    Returns:
        For every inference the model's outputs in its order, with its dtypes and shapes.

    Raises:
        ModelError: the file is damaged, or TFLM refuses it or crashes on it.
        ToolError: TFLM's interpreter is not installed.
    """
    graph = read_tflite(model)
    workers = 1 if len(inputs) < _INPUTS_WORTH_A_SECOND_WORKER else _worker_count()
    bounds = [len(inputs) * i // workers for i in range(workers + 1)]
    count = _Counter(progress)

    def infer(worker: int) -> list[Arrays]:
        share = inputs[bounds[worker] : bounds[worker + 1]]
        return [count.one(result) for result in _run_worker(graph, model, share, None)]

    if workers == 1:
        return infer(0)
    with ThreadPoolExecutor(workers) as pool:
        return [outputs for share in pool.map(infer, range(workers)) for outputs in share]


def golden_tensors(model: bytes, inputs: Arrays) -> dict[int, npt.NDArray[Any]]:
    """Every activation of one inference by tensor index: inputs, intermediates and outputs.

    Arguments and errors are those of `golden_outputs`.
    """
    (tensors,) = golden_tensors_of(model, [inputs])
    return tensors


def golden_tensors_of(
    model: bytes, inputs: Sequence[Arrays]
) -> Iterator[dict[int, npt.NDArray[Any]]]:
    """`golden_tensors` of one inference after the other."""
    graph = read_tflite(model)
    written = {t for op in graph.operators for t in op.outputs} | set(graph.inputs)
    indices = tuple(sorted(t.index for t in written if not t.is_constant))
    yield from _run_worker(graph, model, inputs, indices)


class _Counter:
    """Counts finished inferences of several threads."""

    def __init__(self, progress: Callable[[int], None] | None) -> None:
        self._progress = progress
        self._lock = threading.Lock()
        self._count = 0

    def one(self, result: Arrays) -> Arrays:
        if self._progress is not None:
            with self._lock:
                self._count += 1
                self._progress(self._count)
        return result


def _worker_count() -> int:
    return min(_MOST_WORKERS, len(os.sched_getaffinity(0)))


def _arena_bytes(graph: Graph, model: bytes) -> int:
    """More than TFLM can need: too small an arena ends it by a segmentation fault.

    Activations without any sharing of memory, as much again for the scratch of each, which is
    int32 at most; constants stay in the file, and what TFLM derives from them is below 8 times
    their size (multiplier and shift per channel). Pages that are not touched cost nothing.
    """
    activations = sum(t.size_bytes for t in graph.tensors if not t.is_constant)
    return _SMALLEST_ARENA_BYTES + 8 * activations + 8 * len(model)


def _run_worker(
    graph: Graph, model: bytes, inputs: Sequence[Arrays], preserved: tuple[int, ...] | None
) -> Iterator[Any]:
    """Yields the worker's result for every input."""
    if importlib.util.find_spec("tflite_micro") is None:
        raise _not_installed()
    job = (model, _arena_bytes(graph, model), len(graph.outputs), preserved, list(inputs))
    with (
        tempfile.TemporaryFile() as stderr,
        subprocess.Popen(
            # -P: the folder of the script holds modules of the pipeline, not to be imported here.
            [sys.executable, "-P", str(_WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            _send(process.stdin, job)
            for _ in inputs:
                try:
                    result = pickle.load(process.stdout)
                except (EOFError, pickle.UnpicklingError):
                    raise _ended(process.wait(), stderr) from None
                if isinstance(result, str):
                    raise ModelError(f"golden: TFLM refuses the model: {_reason(result, stderr)}")
                yield result
        finally:
            process.kill()


def _send(pipe: IO[bytes], job: Any) -> None:
    """A worker that died early is reported by its exit code, not by the broken pipe."""
    try:
        with pipe:
            pickle.dump(job, pipe, protocol=pickle.HIGHEST_PROTOCOL)
    except BrokenPipeError:
        pass


def _ended(exit_code: int, stderr: IO[bytes]) -> ModelError | ToolError:
    if exit_code == NOT_INSTALLED:
        return _not_installed()
    how = signal.Signals(-exit_code).name if exit_code < 0 else f"exit code {exit_code}"
    return ModelError(f"golden: TFLM crashed on the model: {_reason(how, stderr)}")


def _reason(summary: str, stderr: IO[bytes]) -> str:
    """What TFLM wrote says more than its status; the first line is the cause."""
    stderr.seek(0)
    lines = [line.strip() for line in stderr.read(65536).decode("utf-8", "replace").splitlines()]
    first = next((line for line in lines if line), None)
    return summary if first is None else f"{summary} ({first})"


def _not_installed() -> ToolError:
    return ToolError(
        "golden: TFLM's interpreter (PyPI tflite-micro) is not installed",
        "it exists for x86-64 Linux only, and nothing else is the reference: validate there",
    )
