"""From a .tflite to checked outputs over the serial line, with real firmware at the other end."""

import hashlib
import io
import re

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

import small_models
from command import run
from emulated_boards import EMULATED
from pipeline import firmware
from pipeline.aot.lowering import lower
from pipeline.benchmark import benchmark
from pipeline.boards import board
from pipeline.codegen.aot import render_aot
from pipeline.codegen.model_info import render_model_info
from pipeline.device import Device, ProcessLink, open_link
from pipeline.errors import DeviceError
from pipeline.graph import DType, Quantization
from pipeline.inputs import load_inputs, pack
from pipeline.tflite_reader import read_tflite
from pipeline.tflite_writer import TfliteWriter
from pipeline.validate import first_differing_step, validate

BOARDS = ["host", *EMULATED]
MODEL = small_models.two_headed_convnet()
SHA256 = hashlib.sha256(MODEL).hexdigest()
GRAPH = read_tflite(MODEL)


def build(target, folder, model):
    """An image that says it runs MODEL and runs `model`."""
    generated = folder / "generated"
    generated.mkdir()
    graph = read_tflite(model)
    files = render_aot(lower(graph), "convnet", SHA256) | render_model_info(
        graph, "convnet", SHA256
    )
    for name, text in files.items():
        (generated / name).write_text(text)
    return firmware.build(generated, target, "aot", folder / "build").elf


@pytest.fixture(scope="module", params=BOARDS)
def target(request):
    return board(request.param)


@pytest.fixture(scope="module")
def elf(target, tmp_path_factory):
    return build(target, tmp_path_factory.mktemp("right"), MODEL)


@pytest.fixture
def log():
    return io.BytesIO()


@pytest.fixture
def device(target, elf, log):
    with Device(open_link(target, elf), model_sha256=SHA256, log=log) as device:
        yield device


def test_the_greeting_describes_the_device(device, target, log):
    assert (device.info.board, device.info.runtime) == (target.id, "aot")
    assert (device.info.input_bytes, device.info.output_bytes) == (2400, 1610)
    assert device.info.step_count == 6
    assert log.getvalue().startswith(f"mcu-pipeline {target.id} aot convnet\r\n\0".encode())


def test_every_byte_of_every_step_is_tflms(device):
    inputs = load_inputs("random:12", GRAPH)
    validation = validate(device, GRAPH, MODEL, inputs)
    assert (validation.compared, validation.first_difference) == (12, None)
    assert len(np.unique(np.stack([features for features, _ in validation.outputs]))) > 200
    assert first_differing_step(device, MODEL, lower(GRAPH).steps, inputs[5]) is None


def test_measurements_repeat_and_the_steps_add_up(device, target):
    data = pack(load_inputs("random:3", GRAPH)[2])
    first, second = (benchmark(device, target.counter, data, warmups=1, runs=5) for _ in range(2))
    if target.kind == "host":
        assert first.instructions is None
        assert first.latency_us.min > 0
        assert len(first.step_us) == 6
        return
    assert first == second
    assert first.latency_us is None
    assert first.instructions.min == first.instructions.max
    # Each hook costs some tens of instructions of its own.
    assert sum(first.step_instructions) == pytest.approx(first.instructions.median, abs=600)
    assert first.arena_bytes == lower(GRAPH).memory.arena_bytes


def test_a_wrong_weight_is_found_and_its_layer_named(target, tmp_path):
    elf = build(target, tmp_path, small_models.two_headed_convnet(dense_seed=3))
    inputs = load_inputs("random:4", GRAPH)
    with Device(open_link(target, elf), model_sha256=SHA256) as device:
        validation = validate(device, GRAPH, MODEL, inputs)
        difference = first_differing_step(device, MODEL, lower(GRAPH).steps, inputs[2])
    assert validation.first_difference.output == 1
    assert difference.title == "op 4 FULLY_CONNECTED"


def test_firmware_of_another_model_is_refused(target, elf):
    with pytest.raises(DeviceError, match=r"runs the model with sha256 .*, not ffffffffffffffff"):
        Device(open_link(target, elf), model_sha256="ff" * 32)


def test_an_emulator_that_is_killed_is_reported(target, elf):
    link = open_link(target, elf)
    assert isinstance(link, ProcessLink)
    with Device(link) as device:
        link._process.kill()
        with pytest.raises(DeviceError, match="ended with signal 9"):
            device.infer(bytes(2400))


def too_large(memory, available):
    """A model whose weights exceed a flash, or whose activations exceed a RAM, of this size."""
    writer = TfliteWriter()
    scale = Quantization((0.1,), (0,))
    if memory == "RAM":
        x, y = (writer.tensor((1, available + 1), DType.INT8, scale) for _ in range(2))
        writer.operator("RELU", [x], [y])
        return writer.build([x], [y])
    shape = (available // 1000 + 1, 1000)
    x = writer.tensor((1, shape[1]), DType.INT8, scale)
    y = writer.tensor((1, shape[0]), DType.INT8, scale)
    w = writer.tensor(shape, DType.INT8, scale, np.ones(shape, np.int8))
    writer.operator("FULLY_CONNECTED", [x, w, -1], [y], schema.FullyConnectedOptionsT())
    return writer.build([x], [y])


@pytest.mark.parametrize("board_id", EMULATED)
@pytest.mark.parametrize("memory", ["flash", "RAM"])
def test_what_does_not_fit_exits_with_3_and_says_by_how_much(
    monkeypatch, tmp_path, capsys, board_id, memory
):
    target = board(board_id)
    available = target.flash_bytes if memory == "flash" else target.ram_bytes
    (tmp_path / "large.tflite").write_bytes(too_large(memory, available))
    assert run(monkeypatch, tmp_path, "build", "large.tflite", "--board", board_id) == 3
    message = rf"{memory}.* exceed {board_id}'s {available:,} by [\d,]+ bytes"
    assert re.search(message, capsys.readouterr().err)
