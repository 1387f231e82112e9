"""What is generated for TFLM holds the model, its quantization and results of TFLM."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

import small_models
from pipeline.codegen.tflm import (
    render_golden,
    render_tflm,
    require_computed_right,
    rounded_otherwise,
)
from pipeline.codegen.tflm_arena import estimated_arena_bytes
from pipeline.errors import ModelError, UnsupportedOperatorError
from pipeline.golden import golden_outputs
from pipeline.graph import DType, Graph, Operator, Quantization, Tensor
from pipeline.inputs import load_inputs, pack
from pipeline.tflite_reader import read_tflite

DUMP = """
#include <cstdio>
#include "golden.h"
#include "model_data.h"
int main() {
  if (reinterpret_cast<uintptr_t>(model_data) % 16 != 0) return 1;
  fwrite(model_data, 1, model_data_bytes, stdout);
  for (int i = 0; i < GOLDEN_COUNT; i++) {
    fwrite(golden_inputs[i], 1, GOLDEN_INPUT_BYTES, stdout);
    fwrite(golden_outputs[i], 1, GOLDEN_OUTPUT_BYTES, stdout);
  }
}
"""


def test_a_program_reads_the_file_and_the_golden_data_back(tmp_path: Path) -> None:
    model = small_models.two_headed_convnet()
    graph = read_tflite(model)
    inputs = load_inputs("random:2", graph, seed=5)
    pairs = [(pack(x), pack(y)) for x, y in zip(inputs, golden_outputs(model, inputs), strict=True)]
    sources = render_tflm(graph, model, "two */ heads", "00" * 32) | render_golden("two", pairs)
    for name, text in sources.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "dump.cc").write_text(DUMP)
    files = [str(tmp_path / name) for name in ("dump.cc", "model_data.cc")]
    flags = ["-std=c++14", "-Wall", "-Wextra", "-Werror", "-funsigned-char"]
    subprocess.run(["g++", *flags, *files, "-o", str(tmp_path / "dump")], check=True)

    dumped = subprocess.run([tmp_path / "dump"], check=True, stdout=subprocess.PIPE).stdout

    assert dumped == model + b"".join(x + y for x, y in pairs)


def test_constants_state_the_quantization_of_inputs_and_outputs() -> None:
    model = small_models.two_headed_convnet()
    graph = read_tflite(model)
    text = render_tflm(graph, model, "m", "00" * 32)["model_data.h"]
    constants = dict(re.findall(r"#define MODEL_(\w+) ([-\d.e]+)", text))
    for side, tensors in (("INPUT", graph.inputs), ("OUTPUT", graph.outputs)):
        assert int(constants[f"{side}_COUNT"]) == len(tensors)
        for i, tensor in enumerate(tensors):
            assert int(constants[f"{side}{i}_BYTES"]) == tensor.size_bytes
            assert float(constants[f"{side}{i}_SCALE"]) == pytest.approx(tensor.scale, rel=1e-8)
            assert int(constants[f"{side}{i}_ZERO_POINT"]) == tensor.zero_point


def test_each_kind_of_operator_is_registered_once() -> None:
    model = small_models.two_headed_convnet()
    graph = read_tflite(model)
    text = render_tflm(graph, model, "m", "00" * 32)["op_resolver.h"]
    added = re.findall(r"resolver->Add(\w+)\(", text)
    kinds = {op.kind for op in graph.operators}
    assert len(added) == len(set(added)) == len(kinds)
    assert f"MicroMutableOpResolver<{len(kinds)}>" in text


def chain(*sizes: int) -> Graph:
    """RELU after RELU on int8 vectors of these sizes."""
    tensors = tuple(Tensor(i, f"t{i}", (1, size), DType.INT8) for i, size in enumerate(sizes))
    operators = tuple(
        Operator(i, "RELU", 1, (tensors[i],), (tensors[i + 1],)) for i in range(len(sizes) - 1)
    )
    return Graph(tensors, operators, tensors[:1], tensors[-1:])


def test_the_arena_grows_with_what_lives_at_once_and_not_with_all_tensors() -> None:
    short, long = chain(*[16000] * 3), chain(*[16000] * 23)
    kept = estimated_arena_bytes(long) - estimated_arena_bytes(short)
    assert estimated_arena_bytes(short) >= 32000
    assert kept < 20 * 400  # the interpreter's own bytes of 20 more operators, no activation


def test_an_operator_that_tflm_lacks_is_named() -> None:
    tensors = chain(4, 4).tensors
    graph = Graph(tensors, (Operator(0, "CUSTOM:MyOp", 1, tensors[:1], tensors[1:]),), (), ())
    with pytest.raises(UnsupportedOperatorError) as error:
        render_tflm(graph, b"", "m", "00" * 32)
    assert str(error.value) == (
        "generate: TensorFlow Lite Micro takes no CUSTOM:MyOp (op 0); change the model"
    )


def dense(scales: tuple[float, ...]) -> Graph:
    x, y = chain(4, 2).tensors
    zeros = (0,) * len(scales)
    weights = Tensor(2, "w", (2, 4), DType.INT8, Quantization(scales, zeros), data=None)
    return Graph((x, y, weights), (Operator(0, "FULLY_CONNECTED", 1, (x, weights), (y,)),), (), ())


def test_dense_per_channel_is_refused_for_tflm_that_computes_it_wrongly() -> None:
    require_computed_right(dense((0.5,)), 2023)
    require_computed_right(dense((0.5, 0.25)), 2026)
    with pytest.raises(ModelError, match=r"^generate: op 0 FULLY_CONNECTED is quantized per cha"):
        require_computed_right(dense((0.5, 0.25)), 2023)


def test_a_mean_is_named_where_the_library_rounds_it_otherwise() -> None:
    fine, coarse = Quantization((0.5,), (-128,)), Quantization((0.25,), (-128,))

    def mean(output: Quantization) -> Graph:
        x = Tensor(0, "x", (1, 7, 7, 4), DType.INT8, fine)
        axes, y = Tensor(1, "axes", (2,), DType.INT32), Tensor(2, "y", (1, 4), DType.INT8, output)
        return Graph((x, axes, y), (Operator(0, "MEAN", 1, (x, axes), (y,)),), (x,), (y,))

    assert [op.index for op in rounded_otherwise(mean(coarse), 2023)] == [0]
    assert rounded_otherwise(mean(coarse), 2026) == []
    assert rounded_otherwise(mean(fine), 2023) == []


def test_the_arena_holds_what_tflm_took_on_a_cortex_m4() -> None:
    """Of a MobileNet's first layers, whose two equal activations TFLM's planner places in the order
    that fragments most: measured with TFLM of August 2026, 73,728 bytes of activations."""
    sizes = (27648, 18432, 18432, 36864, 9216)
    graph = chain(*sizes)
    assert estimated_arena_bytes(graph) >= 73728
