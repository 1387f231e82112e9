"""The stage `examine`: what quantization did to each layer, and pictures of what is misclassified.

It looks more closely than a benchmark does, for report.html alone.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from pipeline.stages.run import Run, Stage
from pipeline.stages.training import (
    READING,
    data_settings,
    is_qat,
    load_data,
    packages,
    trained_file,
    trained_model,
)
from pipeline.target import MODEL, Target

EXAMINATION = "examination.json"

_IMAGES = 32


def _has_float_twin(target: Target) -> bool:
    """Not where quantization-aware training moved the weights of the Keras model."""
    return target.spec is not None and not is_qat(target)


def _mistaken_images(run: Run) -> list[int]:
    """Test images that a report of this run may show."""
    results = [run.result(stage) or {} for stage in ("evaluate", "benchmark")]
    return sorted({row["image"] for result in results for row in result.get("mistakes", ())})


def _examine(run: Run) -> Mapping[str, Any]:
    import numpy as np

    from pipeline.analysis.mistakes import picture
    from pipeline.analysis.quantization_error import examine_layers
    from pipeline.convert import convert_float

    target = run.target
    pictures, float_model = {}, None
    images: Any = np.zeros((0,), np.float32)
    if target.spec is not None:
        dataset = load_data(target.spec.data)
        for image in _mistaken_images(run):
            content = picture(dataset.test_images[image])
            pictures[str(image)] = base64.b64encode(content).decode()
        if _has_float_twin(target):
            images = dataset.scaling.apply(dataset.test_images[:_IMAGES])
            float_model = convert_float(trained_file(run), dataset.image_shape).content
    layers = examine_layers(run.read(MODEL), float_model, images)
    compared = any(layer.output_sqnr_db is not None for layer in layers)
    examination = {
        "compared_images": len(images) if compared else None,
        "layers": [layer.to_json() for layer in layers],
        "pictures": pictures,
    }
    run.folder.write_json(EXAMINATION, examination)
    ratios = [x.output_sqnr_db for x in layers if x.output_sqnr_db is not None]
    return {
        "layers": len(layers),
        "pictures": len(pictures),
        "lowest_sqnr_db": min(ratios, default=None),
    }


def _summary(result: Mapping[str, Any]) -> str:
    lowest, pictures = result["lowest_sqnr_db"], result["pictures"]
    against = "" if lowest is None else f", {lowest:.1f} dB or more over quantization noise"
    shown = "" if not pictures else f"; {pictures} misclassified images"
    return f"{result['layers']} operators{against}{shown}"


EXAMINE = Stage(
    name="examine",
    takes={MODEL: "convert"},
    gives=(EXAMINATION,),
    settings=lambda run: (data_settings(run.target), _mistaken_images(run)),
    code=(
        "pipeline.training.architecture",
        "pipeline.convert",
        "pipeline.data",
        "pipeline.stages.examine",
        "pipeline.golden",
        "pipeline.analysis.mistakes",
        "pipeline.analysis.quantization_error",
        "pipeline.quantize",
        "pipeline.training.table_convolution",
        "pipeline.training.tensorflow_setup",
        *READING,
    ),
    versions=packages(
        "ai-edge-litert", "numpy", "pillow", "tensorflow", "tf_keras", "tflite_micro"
    ),
    execute=_examine,
    takes_if=lambda target: trained_model(target) if _has_float_twin(target) else {},
    summary=_summary,
)
