"""Reports of the shapes that runs have, for the suites that render them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.analysis.mistakes import picture
from pipeline.analysis.quantization_error import LayerExamination
from pipeline.aot.memory import Buffer
from pipeline.report.compare import comparison
from pipeline.report.details import Curves, Details, LayerParameters, Provenance
from pipeline.report.examination import Examination, examination_of
from pipeline.report.model import Confusion, Golden, OpCost, Report, Scores, Spread
from pipeline.sweep.page import render_page, sweep_table
from pipeline.sweep.plan import SweepPlan
from pipeline.sweep.study import Outcome

FASHION = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
CONFUSION = tuple(
    tuple(940 if row == column else (row * 7 + column * 3) % 23 for column in range(10))
    for row in range(10)
)


def emulated_run() -> tuple[Report, Details]:
    """A trained model of four layers on the emulated Nano, classes with long names."""
    report = Report(
        model="sepconv_with_a_name_that_is_longer_than_a_telephone_is_wide",
        dataset="fashion_mnist",
        board="nano33ble_sim",
        runtime="aot",
        kind="emulated",
        accuracy=Scores(0.9674, 0.9672, 0.959, 1000, 0.95),
        instructions_per_inference=Spread(1112015, 1112015, 1112015, 30),
        estimated_cycles=None,
        estimated_ms=None,
        latency_us=None,
        model_bytes=10696,
        flash_bytes=15068,
        ram_bytes=10236,
        code_bytes=3080,
        const_bytes=8374,
        arena_bytes=7840,
        golden=Golden(1000, True),
        per_op=(
            OpCost(0, "DEPTHWISE_CONV_2D + CONV_2D", (1, 28, 28, 8), 13328, 677841),
            OpCost(2, "MAX_POOL_2D", (1, 14, 14, 8), 0, 111235),
            OpCost(3, "CUSTOM:<script>alert(1)</script>", (1, 10), None, None),
            OpCost(4, "SOFTMAX", (1, 10), 0, 676),
        ),
        versions={"numpy": "2.4.6", "arm-none-eabi-gcc": "arm-none-eabi-gcc (15:12.2.rel1-1) " * 3},
        confusion=Confusion("host", 10000, FASHION, CONFUSION),
    )
    curve = (0.83, 0.941, 0.95, 0.957, 0.961, 0.9625)
    details = Details(
        board_title="Arduino Nano 33 BLE stand-in (QEMU)",
        flash_limit=1 << 20,
        ram_limit=1 << 18,
        curves=Curves(
            {"training": tuple(1 - v for v in curve), "test": tuple(1.1 - v for v in curve)},
            {"training": curve, "test": tuple(v + 0.01 for v in curve)},
            4,
        ),
        layers=(
            LayerParameters(0, "DEPTHWISE_CONV_2D", 10, 13, (3, 3)),
            LayerParameters(1, "CONV_2D", 16, 40, (3, 3)),
            LayerParameters(2, "MAX_POOL_2D", 0, 0),
            LayerParameters(3, "CUSTOM:<script>alert(1)</script>", 0, 0),
            LayerParameters(4, "SOFTMAX", 0, 0),
        ),
        buffers=(
            Buffer("input 0", (1, 28, 28, 1), 0, 784, 0, 0),
            Buffer("CONV_2D 1", (1, 28, 28, 8), 784, 6272, 0, 1),
            Buffer("RELU 1", (1, 28, 28, 8), 784, 6272, 0, 1),
            Buffer("scratch of DEPTHWISE_CONV_2D 0", None, 7056, 784, 0, 0),
            Buffer("MAX_POOL_2D 2", (1, 14, 14, 8), 0, 784, 1, 2),
            Buffer("CUSTOM:<script>alert(1)</script> 3", (1, 10), 784, 12, 2, 3),
            Buffer("SOFTMAX 4", (1, 10), 796, 12, 3, 4),
        ),
        provenance=_provenance("name = 'x'\n" + "[model] # " + "long " * 60 + "\n"),
        examination=examination(),
    )
    return report, details


def examination() -> Examination:
    """Of the layers of `emulated_run`, with three mistakes of which one has no confidence."""
    shades = np.arange(28 * 28, dtype=np.uint32).reshape(28, 28, 1) % 256
    pictures = {str(n): base64.b64encode(picture(shades.astype(np.uint8))).decode() for n in (3, 8)}
    bins = [max(0, 40 - 3 * abs(n - 25)) for n in range(51)]
    layers = [
        LayerExamination(0, "DEPTHWISE_CONV_2D", (1, 3, 3, 1), tuple(bins), 0.0, 51.25, 44.5),
        LayerExamination(1, "CONV_2D", (8, 1, 1, 1), tuple(bins[::-1]), 0.125, None, -3.0),
        LayerExamination(2, "MAX_POOL_2D", None, None, None, None, 39.75),
        LayerExamination(3, "CUSTOM:<script>alert(1)</script>", None, None, None, None, None),
        LayerExamination(4, "SOFTMAX", None, None, None, None, 38.5),
    ]
    mistakes = [
        {"image": 8, "actual": 9, "taken": 0, "confidence": 0.99609375},
        {"image": 3, "actual": 2, "taken": 4, "confidence": None},
        {"image": 5, "actual": 2, "taken": 4, "confidence": 0.5},  # its picture is not there
    ]
    device = {"class_names": FASHION, "samples": 10000, "mistakes": mistakes}
    values = {"compared_images": 32, "layers": [x.to_json() for x in layers], "pictures": pictures}
    return examination_of(values, {"benchmark": {**device, "confusion": CONFUSION}})


def own_model_on_host() -> tuple[Report, Details]:
    """A .tflite brought along, on this computer: no accuracy, no training, no limits, one step."""
    report = Report(
        model="tiny",
        dataset=None,
        board="host",
        runtime="tflm",
        kind="host",
        accuracy=None,
        instructions_per_inference=None,
        estimated_cycles=None,
        estimated_ms=None,
        latency_us=Spread(1.25, 1.0, 2.5, 30, 2.25),
        model_bytes=900,
        flash_bytes=None,
        ram_bytes=None,
        code_bytes=None,
        const_bytes=None,
        arena_bytes=None,
        golden=Golden(None, None),
        per_op=(OpCost(0, "FULLY_CONNECTED", (1, 2), 4, None, 0.5),),
        versions={},
    )
    return report, Details("This computer", None, None, None, (), (), _provenance(None))


def deep_network() -> tuple[Report, Details]:
    """Sixty layers and a hundred classes; the outputs differ."""
    report, details = emulated_run()
    steps = tuple(
        OpCost(i, "CONV_2D", (1, 12, 12, 256), 10**8 + i, 10**9 + 10**7 * i) for i in range(60)
    )
    buffers = tuple(
        Buffer(f"CONV_2D {i}", (1, 12, 12, 256), 36864 * (i % 2), 36864, i, i + 1)
        for i in range(60)
    )
    names = tuple(f"class {i}" for i in range(100))
    counts = tuple(tuple(int(a != b) * (a + b) for b in range(100)) for a in range(100))
    changed = {
        "per_op": steps,
        "golden": Golden(1000, False),
        "arena_bytes": 80000,
        "ram_bytes": 260000,
        "flash_bytes": 1 << 20,
        "confusion": Confusion("device", 1000, names, counts),
    }
    report = Report(**{**vars(report), **changed})
    layers = tuple(LayerParameters(i, "CONV_2D", 590080, 591104) for i in range(60))
    return report, Details(**{**vars(details), "buffers": buffers, "layers": layers})


def _provenance(spec: str | None) -> Provenance:
    hashes: Mapping[str, str] = {"model_int8.tflite": "0f" * 32, "generated/model.c": "a1" * 32}
    command = "mcu-pipeline benchmark model_int8.tflite --board host --runtime aot --seed 0"
    return Provenance(command, spec, 1, "mcu-pipeline 0.1.0", hashes)


CASES: Mapping[str, Callable[[], tuple[Report, Details]]] = {
    "emulated_run": emulated_run,
    "own_model_on_host": own_model_on_host,
    "deep_network": deep_network,
}


def comparison_rows() -> list[dict[str, Any]]:
    """Twelve runs on two data sets, some in one place, some of unknown cost or accuracy."""
    report, _ = emulated_run()
    rng = np.random.default_rng(4)
    runs = []
    for number in range(12):
        accuracy = round(0.9 + float(rng.uniform(0, 0.09)), 4)
        changed = {
            "model": f"model_{number}",
            "dataset": "mnist" if number < 10 else "a folder of images with a long name/",
            "accuracy": None if number == 3 else Scores(accuracy, accuracy, accuracy, 1000),
            "instructions_per_inference": Spread(int(10 ** rng.uniform(4, 7)), 1, 1, 30),
            "flash_bytes": None if number == 4 else int(rng.integers(20_000, 30_000)),
            "ram_bytes": 5000 + 40 * (number // 3),
        }
        runs.append(Report(**{**vars(report), **changed}))
    written = [(f"runs/{run.model}", json.dumps(run.to_json())) for run in runs]
    return comparison([(name, json.loads(text)) for name, text in written])


def sweep_page() -> str:
    """sweep.html of settings that are done, failed with a long line, and open."""
    settings = [
        {"model.name": name, "training.epochs": epochs, "training.learning_rate": 10.0**-epochs}
        for name in ("linear_mnist", "a_model_of_ones_own_with_a_long_name.py:network")
        for epochs in (1, 3, 40)
    ]
    failed = "train: " + "no " * 60
    outcomes = [Outcome(settings[0], None, None), Outcome(settings[1], None, failed)]
    for setting in settings[2:]:
        curve = [[200 * n, 1 - 0.9**n, 0.95 - 0.9**n] for n in range(1, setting["training.epochs"])]
        result = {
            "accuracy": 0.95,
            "train_accuracy": 0.99,
            "epochs": 40,
            "parameters": 7000,
            "curve": curve,
            "curve_unit": "update",
            "instructions": 12345678,
        }
        outcomes.append(Outcome(setting, result, None))
    plan = SweepPlan("course_sheet", "", Path("base.toml"), "train", tuple(settings), None)
    return render_page("sweep.html", sweep_table(plan, outcomes))
