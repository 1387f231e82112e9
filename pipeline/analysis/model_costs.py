"""What the registered architectures cost with default parameters: measured once, then read.

`python -m pipeline.analysis.model_costs [NAME...]` measures anew and writes model_costs.json; a
test holds the file against the code. Reading it imports neither TensorFlow nor the compiler.
"""

from __future__ import annotations

import functools
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.boards import board, boards

if TYPE_CHECKING:
    from pipeline.analysis.analyze import CostTable
    from pipeline.convert import TfliteModel
    from pipeline.firmware import FirmwareImage
    from pipeline.models import ModelDefinition

FILE = Path(__file__).with_name("model_costs.json")
BOARD = "nano33ble_sim"  # whose images are measured
_CALIBRATION_IMAGES = 8
_SEED = 1


@dataclass(frozen=True)
class ModelCost:
    """One architecture with default parameters, or one network for accounting.

    Attributes:
        summary: one line.
        input_shape: (height, width, channels).
        trainable: False for a network for accounting: never built, its bytes are a lower bound.
        parameters: of the Keras model; weights and biases of a network for accounting.
        weights: the same without biases; None for an architecture.
        macs: of one int8 inference.
        model_bytes: the int8 .tflite; None for a network for accounting.
        flash_bytes: code and constants of model, kernels and aot runtime in the image for `BOARD`,
            from its link map. For accounting: the int8 constants alone.
        ram_bytes: the arena. For accounting: inputs and outputs of the layer that has most.
        layers: as `analyze.CostTable.to_json()["layers"]`.
    """

    name: str
    summary: str
    input_shape: tuple[int, ...]
    trainable: bool
    parameters: int
    weights: int | None
    macs: int
    model_bytes: int | None
    flash_bytes: int
    ram_bytes: int
    layers: Sequence[Mapping[str, Any]]

    def fits(self) -> list[str]:
        """Ids of the boards whose flash and RAM hold those bytes.

        A guide, no proof: an application and the board's framework come on top, and other cores
        have kernels of other sizes.
        """
        return [
            candidate.id
            for candidate in boards()
            if candidate.flash_bytes is not None
            and candidate.ram_bytes is not None
            and self.flash_bytes <= candidate.flash_bytes
            and self.ram_bytes <= candidate.ram_bytes
        ]


@functools.cache
def costs() -> Mapping[str, ModelCost]:
    """All by name: architectures in alphabetical order, then networks for accounting."""
    rows = json.loads(FILE.read_bytes())
    return {
        row["name"]: ModelCost(**{**row, "input_shape": tuple(row["input_shape"])}) for row in rows
    }


def _untrained_network(definition: ModelDefinition) -> Any:
    """The architecture at its defaults, with all weights drawn.

    Biases and statistics of batch normalization are drawn too: the converter drops zero biases.
    """
    import numpy as np

    from pipeline.training.tensorflow_setup import tensorflow

    tensorflow()
    import tf_keras as keras

    keras.backend.clear_session()
    keras.utils.set_random_seed(_SEED)
    network = definition.build(definition.parameters(), definition.image_shape, definition.classes)
    generator = np.random.default_rng(_SEED)
    network.set_weights(
        [
            weight * generator.uniform(0.8, 1.2, weight.shape)
            + (generator.uniform(-0.1, 0.1, weight.shape) if weight.ndim == 1 else 0)
            for weight in network.get_weights()
        ]
    )
    return network


def untrained_model(definition: ModelDefinition) -> tuple[int, TfliteModel]:
    """The Keras model's parameters, and it in int8, calibrated on drawn images of 0..1."""
    import numpy as np

    from pipeline.convert import convert_network

    network = _untrained_network(definition)
    generator = np.random.default_rng(_SEED)
    shape = (_CALIBRATION_IMAGES, *definition.image_shape)
    images = generator.uniform(0, 1, shape).astype(np.float32)
    return network.count_params(), convert_network(network, images)


def linked(model: TfliteModel, folder: Path) -> tuple[FirmwareImage, int]:
    """The image of a model with the aot runtime for `BOARD`, built in an empty folder, and its
    arena's bytes.

    Raises:
        ToolError: the board's compiler is missing.
    """
    from pipeline import firmware
    from pipeline.aot.goal import goal_for
    from pipeline.aot.lowering import lower
    from pipeline.codegen.aot import render_aot
    from pipeline.codegen.model_info import render_model_info
    from pipeline.tflite_reader import read_tflite

    target, graph = board(BOARD), read_tflite(model.content)
    program = lower(graph, goal_for(target))
    sources = render_aot(program, "model", model.sha256)
    sources |= render_model_info(graph, "model", model.sha256)
    generated = folder / "generated"
    generated.mkdir()
    for name, text in sources.items():
        (generated / name).write_text(text, encoding="utf-8")
    image = firmware.build(generated, target, "aot", folder / "build")
    return image, program.memory.arena_bytes


def architecture_cost(
    definition: ModelDefinition,
    parameters: int,
    model: TfliteModel,
    image: FirmwareImage,
    arena_bytes: int,
) -> ModelCost:
    """The row of an architecture.

    Args:
        parameters, model: as `untrained_model` gives them.
        image, arena_bytes: as `linked` gives them for `model`.
    """
    from pipeline.analysis.analyze import analyze
    from pipeline.tflite_reader import read_tflite

    return _cost(
        definition.name,
        definition.summary,
        analyze(read_tflite(model.content)),
        input_shape=definition.image_shape,
        trainable=True,
        parameters=parameters,
        weights=None,
        model_bytes=len(model.content),
        flash_bytes=image.code_bytes + image.const_bytes,
        ram_bytes=arena_bytes,
    )


def account_costs() -> list[ModelCost]:
    """The networks for accounting."""
    from pipeline.analysis.accounting import accounts, weights_of
    from pipeline.analysis.analyze import analyze

    rows = []
    for account in accounts().values():
        graph = account.graph()
        cost = analyze(graph)
        held = (
            sum(t.size_bytes for t in (*op.inputs, *op.outputs) if t and not t.is_constant)
            for op in graph.operators
        )
        rows.append(
            _cost(
                account.name,
                account.summary,
                cost,
                input_shape=graph.inputs[0].shape[1:],
                trainable=False,
                parameters=cost.parameters,
                weights=weights_of(graph),
                model_bytes=None,
                flash_bytes=cost.weight_bytes,
                ram_bytes=max(held),
            )
        )
    return rows


def _cost(name: str, summary: str, cost: CostTable, **values: Any) -> ModelCost:
    assert cost.macs is not None, f"{name} has an operator that pipeline.ops does not know"
    layers = cost.to_json()["layers"]
    return ModelCost(name=name, summary=summary, macs=cost.macs, layers=layers, **values)


def _measured(definition: ModelDefinition) -> ModelCost:
    parameters, model = untrained_model(definition)
    with tempfile.TemporaryDirectory(prefix="mcu-pipeline-costs-") as folder:
        return architecture_cost(definition, parameters, model, *linked(model, Path(folder)))


def main(names: Sequence[str]) -> None:
    """Measures the architectures with these names (default: all), and writes the file."""
    from dataclasses import asdict

    from pipeline.models import models

    known = costs() if FILE.is_file() else {}
    rows = [
        _measured(definition) if not names or name in names or name not in known else known[name]
        for name, definition in models().items()
    ]
    lines = [_text(asdict(row)) for row in (*rows, *account_costs())]
    FILE.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


def _text(row: dict[str, Any]) -> str:
    """One model with a line for every layer."""
    layers = row.pop("layers")
    head = json.dumps(row)[:-1]
    return head + ', "layers": [\n' + ",\n".join(f"  {json.dumps(at)}" for at in layers) + "\n]}"


if __name__ == "__main__":
    main(sys.argv[1:])
