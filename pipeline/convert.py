"""Keras -> .tflite with int8 weights and int8 or int16 activations, inputs and outputs."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.data import Dataset
from pipeline.errors import DataError, ModelError
from pipeline.graph import DType, Graph, Tensor
from pipeline.spec import QuantizationSpec
from pipeline.tflite_reader import read_tflite
from pipeline.training.architecture import load_keras_model
from pipeline.training.batch_norm_folding import verify_folding
from pipeline.training.quantize_aware import with_simulated_int8
from pipeline.training.tensorflow_setup import native_stderr_captured, tensorflow


@dataclass(frozen=True)
class TfliteModel:
    """A .tflite file."""

    content: bytes

    @property
    def sha256(self) -> str:
        """64 hexadecimal digits."""
        return hashlib.sha256(self.content).hexdigest()


def calibration_images(dataset: Dataset, samples: int, seed: int) -> npt.NDArray[np.float32]:
    """A seeded sample of the training split, without repetition, as the model sees it.

    Returns:
        (samples, height, width, channels).

    Raises:
        DataError: the training split is smaller than `samples`.
    """
    if samples > len(dataset.train_images):
        raise DataError(
            f"convert: {samples} calibration samples asked for, "
            f"{dataset.name} has {len(dataset.train_images)} training images",
            "lower [quantization] calibration_samples",
        )
    generator = np.random.Generator(np.random.PCG64(seed))
    chosen = generator.choice(len(dataset.train_images), samples, replace=False)
    return dataset.scaling.apply(dataset.train_images[chosen])


def convert(
    keras_file: Path,
    dataset: Dataset,
    quantization: QuantizationSpec,
    qat_weights: Path | None = None,
) -> TfliteModel:
    """int8 quantization of a .keras file's model, calibrated on the training split.

    The batch is fixed to 1, so that no shape is computed on the device. Dense layers are
    quantized per tensor unless `quantization.per_channel_dense`: TFLM of early 2023 computes
    per-channel ones wrongly without saying so. Names are stripped.

    Args:
        qat_weights: what `quantize_aware` saved for this .keras file: its weights and value ranges
            are taken, and calibration fills in only the ranges that it has not trained. None
            quantizes post-training.

    Returns:
        The same bytes for the same arguments on the same machine and versions.

    Raises:
        ModelError: the file is no Keras model, or as `convert_network`.
        DataError: see `calibration_images`.
    """
    images = calibration_images(dataset, quantization.calibration_samples, quantization.seed)
    if qat_weights is None:
        network = load_keras_model(keras_file, "convert")
    else:
        network = with_simulated_int8(keras_file, qat_weights)
    if qat_weights is not None:  # its ranges are trained
        quantization = dataclasses.replace(quantization, calibration="min-max")
    return convert_network(network, images, quantization)


def convert_network(
    network: Any,
    images: npt.NDArray[np.float32],
    quantization: QuantizationSpec | None = None,
) -> TfliteModel:
    """int8 quantization of a tf_keras model in memory, otherwise as `convert`.

    Args:
        images: (samples, height, width, channels) real values that calibrate the value ranges.
        quantization: how, but for the images; None by default.

    Raises:
        ModelError: a float tensor is left after conversion, an operator has no form with 16 bits,
            or a batch normalization is not folded into the weights before it (not in 16x8).
    """
    quantization = quantization or QuantizationSpec()
    content = _converted(network, images, quantization)
    graph = read_tflite(content, network.name)
    require_quantized(graph, _activations(quantization))
    if quantization.mode != "16x8":  # whose quantizer is another one, and rounds otherwise
        verify_folding(network, graph)
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    flatbuffer_utils.strip_strings(model)
    return TfliteModel(bytes(flatbuffer_utils.convert_object_to_bytearray(model)))


def _activations(quantization: QuantizationSpec) -> DType:
    return DType.INT16 if quantization.mode == "16x8" else DType.INT8


def require_quantized(graph: Graph, dtype: DType = DType.INT8) -> None:
    """Raises ModelError where an input or output is not of `dtype` or any tensor is float32."""
    for op in graph.operators:
        for tensor in (*op.inputs, *op.outputs):
            if tensor is not None and tensor.dtype is DType.FLOAT32:
                raise ModelError(
                    f"convert: op {op.index} {op.kind} has float32 tensor {_label(tensor)}",
                    "the quantizer does not support the layer as it is used",
                )
    for role, tensors in (("input", graph.inputs), ("output", graph.outputs)):
        for tensor in tensors:
            if tensor.dtype is not dtype:
                raise ModelError(
                    f"convert: {role} {_label(tensor)} is {tensor.dtype.value}, not {dtype.value}"
                )


def _label(tensor: Tensor) -> str:
    return f"{tensor.index} ({tensor.name})" if tensor.name else str(tensor.index)


def convert_float(keras_file: Path, image_shape: tuple[int, ...]) -> TfliteModel:
    """The same conversion without quantization: float32 throughout, for comparison.

    Args:
        image_shape: (height, width, channels).

    Raises:
        ModelError: the file is no Keras model.
    """
    converter = _converter(load_keras_model(keras_file, "examine"), image_shape)
    with native_stderr_captured():
        return TfliteModel(bytes(converter.convert()))


def _converter(network: Any, image_shape: tuple[int, ...]) -> Any:
    """TensorFlow's converter of the network at batch 1."""
    tf = tensorflow()
    tf.random.set_seed(0)  # a dropout cannot be exported without one, and TensorFlow warns then
    inference = tf.function(lambda image: network(image, training=False))
    concrete = inference.get_concrete_function(
        tf.TensorSpec((1, *image_shape), tf.float32, name="image")
    )
    return tf.lite.TFLiteConverter.from_concrete_functions([concrete], network)


def _converted(
    network: Any, images: npt.NDArray[np.float32], quantization: QuantizationSpec
) -> bytes:
    def representative() -> Iterator[list[npt.NDArray[np.float32]]]:
        for image in images:
            yield [image[np.newaxis]]

    tf = tensorflow()
    converter = _converter(network, images.shape[1:])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    kinds = tf.lite.OpsSet
    converter.target_spec.supported_ops = [
        kinds.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        if quantization.mode == "16x8"
        else kinds.TFLITE_BUILTINS_INT8
    ]
    dtype = tf.as_dtype(_activations(quantization).value)
    converter.inference_input_type = converter.inference_output_type = dtype
    # TensorFlow has no public switches for these.
    per_tensor_dense = not quantization.per_channel_dense
    converter._experimental_disable_per_channel = not quantization.per_channel
    converter._experimental_disable_per_channel_quantization_for_dense_layers = per_tensor_dense
    clips = quantization.calibration != "min-max"
    converter._experimental_calibrate_only = clips
    with native_stderr_captured():
        try:
            content = bytes(converter.convert())
        except RuntimeError as error:  # of an operator that has no form with 16 bits
            reason = str(error).strip().splitlines()[0]
            raise ModelError(f"convert: {network.name}: {reason}") from error
        return _with_clipped_ranges(content, images, quantization) if clips else content


def _with_clipped_ranges(
    calibrated: bytes, images: npt.NDArray[np.float32], quantization: QuantizationSpec
) -> bytes:
    """The second half of a conversion, from other ranges."""
    from pipeline.calibration import with_clipped_ranges

    tf = tensorflow()
    from tensorflow.lite.python.convert import mlir_quantize

    return bytes(
        mlir_quantize(
            with_clipped_ranges(calibrated, images, quantization),
            not quantization.per_channel,
            input_data_type=tf.int8,
            output_data_type=tf.int8,
            disable_per_channel_for_dense_layers=not quantization.per_channel_dense,
        )
    )
