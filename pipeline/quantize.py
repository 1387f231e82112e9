"""Real values -> a model's input values, rounded as TFLite does."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.data import InputScaling
from pipeline.errors import ModelError
from pipeline.graph import DType, Tensor


def quantize(
    values: npt.NDArray[np.float32], scale: float, zero_point: int, dtype: DType = DType.INT8
) -> npt.NDArray[Any]:
    """clamp(round(value / scale) + zero_point), of the same shape.

    The division is in float32 and ties round away from zero, as in TFLite's `AffineQuantize`
    (kernels/internal/reference/quantize.h).
    """
    quotient = (values.astype(np.float32) / np.float32(scale)).astype(np.float64)
    # In float64 the sum with 0.5 is exact, in float32 it would round 0.49999997 up to 1.
    rounded = np.copysign(np.floor(np.abs(quotient) + 0.5), quotient)
    limits = np.iinfo(dtype.numpy)
    clamped: npt.NDArray[Any] = np.clip(rounded + zero_point, limits.min, limits.max)
    return clamped.astype(dtype.numpy)


def model_inputs(
    images: npt.NDArray[Any], scaling: InputScaling, tensor: Tensor
) -> npt.NDArray[Any]:
    """Stored images as values of a model's input tensor.

    Args:
        images: (samples, height, width, channels), as stored in the data set.
        tensor: the model's input, batch 1: int8 or int16 (quantized) or float32.

    Returns:
        (samples,) + tensor.shape[1:], of the tensor's element type.

    Raises:
        ModelError: the tensor takes another shape or another element type.
    """
    if tensor.shape != (1, *images.shape[1:]):
        raise ModelError(
            f"model input has shape {tensor.shape}, the data set's images {images.shape[1:]}",
            "use the data set the model was made for",
        )
    if tensor.dtype is DType.FLOAT32:
        return scaling.apply(images)
    if tensor.dtype not in (DType.INT8, DType.INT16) or tensor.quantization is None:
        raise ModelError(
            f"model input is {tensor.dtype.value}: int8, int16 or float32 is supported"
        )
    return quantize(scaling.apply(images), tensor.scale, tensor.zero_point, tensor.dtype)
