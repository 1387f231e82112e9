"""The stage `bits`: accuracy with other bit widths than the deployed ones.

It evaluates a network some 60 times, so that it is done where it is asked for alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.stages.run import Run, Stage
from pipeline.stages.training import (
    READING,
    load_data,
    packages,
    post_training_settings,
    trained_file,
    trained_model,
)
from pipeline.target import MODEL, Target

BIT_WIDTHS = "bit_widths.json"


def _bits(run: Run) -> Mapping[str, Any]:
    import numpy as np

    from pipeline.accuracy import evaluation_inputs
    from pipeline.analysis.bit_width import bit_widths
    from pipeline.analysis.rounded_network import RoundedNetwork
    from pipeline.convert import calibration_images, convert_float
    from pipeline.golden import golden_outputs
    from pipeline.tflite_reader import read_tflite

    spec, content = run.target.experiment, run.read(MODEL)
    dataset, quantization = load_data(spec.data), spec.quantization
    images = evaluation_inputs(read_tflite(content), dataset)
    outputs = golden_outputs(content, [(image[np.newaxis],) for image in images])
    network = RoundedNetwork(
        convert_float(trained_file(run), dataset.image_shape).content,
        calibration_images(dataset, quantization.calibration_samples, quantization.seed),
        quantization,
    )
    classes = np.array([int(np.argmax(output)) for (output,) in outputs])
    found = bit_widths(network, classes, dataset, run.progress.advanced)
    run.folder.write_json(BIT_WIDTHS, found.to_json())
    return {
        "samples": found.samples,
        "agreement": found.agreement,
        "deployed_accuracy": found.deployed_accuracy,
        "accuracy_of_8_bits": found.both[8],
    }


def _applies(target: Target) -> bool:
    """Quantization-aware training has other weights than the Keras model."""
    return target.spec is not None and target.spec.quantization.mode == "ptq"


BITS = Stage(
    name="bits",
    takes={MODEL: "convert"},
    gives=(BIT_WIDTHS,),
    settings=post_training_settings,
    code=(
        "pipeline.accuracy",
        "pipeline.analysis.bit_width",
        "pipeline.analysis.rounded_network",
        "pipeline.calibration",
        "pipeline.convert",
        "pipeline.data",
        "pipeline.golden",
        "pipeline.quantize",
        "pipeline.training.architecture",
        "pipeline.training.tensorflow_setup",
        *READING,
    ),
    versions=packages("ai-edge-litert", "numpy", "tensorflow", "tf_keras", "tflite_micro"),
    execute=_bits,
    summary=lambda r: (
        f"8 bits simulated {100 * r['accuracy_of_8_bits']:.2f} %, deployed "
        f"{100 * r['deployed_accuracy']:.2f} %, the same class for {100 * r['agreement']:.2f} % of "
        f"{r['samples']:,} images"
    ),
    applies=_applies,
    takes_if=lambda target: trained_model(target) if target.spec is not None else {},
)
