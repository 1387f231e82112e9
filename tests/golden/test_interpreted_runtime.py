"""TFLM's interpreter as a runtime of the host: the reference itself, neither timed nor compared."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as schema

import small_models
from command import run
from pipeline import deployment
from pipeline.aot.goal import Goal
from pipeline.boards import board
from pipeline.data import Dataset, InputScaling
from pipeline.graph import DType, Quantization
from pipeline.spec import BenchmarkSpec
from pipeline.tflite_reader import read_tflite
from pipeline.tflite_writer import TfliteWriter


def test_what_it_cannot_know_is_null(monkeypatch, tmp_path, capsys):
    (tmp_path / "heads.tflite").write_bytes(small_models.two_headed_convnet())
    arguments = ("--board", "host", "--runtime", "tflm", "--output-dir", "out")

    assert run(monkeypatch, tmp_path, "benchmark", "heads.tflite", *arguments, "--json") == 0

    report = json.loads(capsys.readouterr().out)
    assert (report["kind"], report["runtime"]) == ("host", "tflm")
    assert report["golden"] == {"compared": None, "identical": None}
    unknown = (
        "latency_us",
        "instructions_per_inference",
        "arena_bytes",
        "flash_bytes",
        "ram_bytes",
    )
    assert [report[name] for name in unknown] == [None] * len(unknown)
    graph = read_tflite(small_models.two_headed_convnet())
    assert [row["op"] for row in report["per_op"]] == [op.kind for op in graph.operators]
    assert (tmp_path / "out" / "generated" / "golden.h").is_file()


def test_accuracy_is_that_of_the_reference_on_the_samples_asked_for():
    writer = TfliteWriter()
    x = writer.tensor((1, 2, 2, 1), DType.INT8, Quantization((1 / 255,), (-128,)))
    w = writer.tensor(
        (2, 4), DType.INT8, Quantization((0.1,), (0,)), np.int8([[9, 9, 0, 0], [0, 0, 9, 9]])
    )
    b = writer.tensor((2,), DType.INT32, Quantization((0.1 / 255,), (0,)), np.zeros(2, np.int32))
    y = writer.tensor((1, 2), DType.INT8, Quantization((0.02,), (-128,)))
    writer.operator("FULLY_CONNECTED", [x, w, b], [y], schema.FullyConnectedOptionsT())
    images = np.uint8([[[200, 200], [0, 0]], [[0, 0], [200, 200]]] * 4).reshape(8, 2, 2, 1)
    # The model tells the brighter row; the labels of the first six images are right four times.
    labels = np.array([0, 1, 0, 1, 1, 0, 0, 0])
    dataset = Dataset("rows", images, labels, images, labels, ("up", "down"), InputScaling(1 / 255))

    shown = deployment.measure(
        board("host"),
        Path("no-image"),
        writer.build([x], [y]),
        BenchmarkSpec(samples=6),
        runtime="tflm",
        goal=Goal("host"),
        dataset=dataset,
        seed=0,
        log=io.BytesIO(),
        progress=lambda done, total: None,
    )

    assert shown.validation is None
    assert shown.score is not None
    assert (shown.score.value, shown.score.samples) == (4 / 6, 6)
