"""Every registered architecture, untrained: int8 throughout, TFLM's bytes on the emulated core, and
the costs that `mcu-pipeline models` shows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.analysis.model_costs import BOARD, architecture_cost, costs, linked, untrained_model
from pipeline.aot.goal import Goal
from pipeline.aot.lowering import lower
from pipeline.boards import board
from pipeline.device import Device, open_link
from pipeline.inputs import load_inputs
from pipeline.models import models
from pipeline.tflite_reader import read_tflite
from pipeline.validate import first_differing_step, validate

pytestmark = [pytest.mark.emulator, pytest.mark.training]


@pytest.mark.parametrize("name", models())
def test_an_architecture_converts_computes_tflms_bytes_and_costs_what_is_listed(
    name: str, tmp_path: Path
) -> None:
    definition = models()[name]
    parameters, model = untrained_model(definition)  # refuses float islands
    image, arena_bytes = linked(model, tmp_path)

    graph = read_tflite(model.content)
    inputs = load_inputs("random:4", graph)
    with Device(open_link(board(BOARD), image.elf), model_sha256=model.sha256) as device:
        validation = validate(device, graph, model.content, inputs)
        assert (validation.compared, validation.first_difference) == (4, None)
        # The last layer of an untrained network may say the same of every input; others do not.
        steps = lower(graph, Goal(board(BOARD).core)).steps
        assert first_differing_step(device, model.content, steps, inputs[-1]) is None

    listed = costs()[name]
    found = architecture_cost(definition, parameters, model, image, arena_bytes)
    # Sizes follow the kernels and the compiler:
    # `python -m pipeline.analysis.model_costs` lists them anew.
    sizes = ("model_bytes", "flash_bytes", "ram_bytes")
    for size in sizes:
        assert getattr(found, size) == pytest.approx(getattr(listed, size), rel=0.05), size
    same = {size: getattr(listed, size) for size in sizes}
    assert replace(found, layers=(), **same) == replace(listed, layers=())
    assert [dict(layer) for layer in listed.layers] == _plain(found.layers)


def _plain(layers):
    import json

    return json.loads(json.dumps(list(layers)))
