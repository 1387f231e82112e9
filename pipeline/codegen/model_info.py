"""model_info.h: what the benchmark core says of the model, whichever runtime is behind it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from pipeline import __version__
from pipeline.codegen.templates import render_template
from pipeline.graph import DType, Graph, Tensor

# MLPerf Tiny's benchmarks whose files are pixels 0..255; the reference subtracts 128 on the device.
_PIXEL_MODELS = ("ic01", "vww01")
_PIXEL_MASK = 0x80

_MANTISSA_BITS = 24  # of a float32
_WIDE_MANTISSA_BITS = 20  # of an output of 32 bits: the product with 1000 must fit 62


def render_model_info(graph: Graph, name: str, sha256: str) -> dict[str, str]:
    """{"model_info.h": text}.

    Args:
        name: shown by the device; characters outside [A-Za-z0-9_.-] become "_".
        sha256: of the .tflite file, 64 hexadecimal digits.
    """
    has_pixels = name in _PIXEL_MODELS and all(x.dtype is DType.INT8 for x in graph.inputs)
    text = render_template(
        "model_info.h.j2",
        version=__version__,
        name=re.sub(r"[^\w.-]", "_", name, flags=re.ASCII),
        sha256_bytes=[f"0x{byte:02x}" for byte in bytes.fromhex(sha256)],
        input_bytes=sum(tensor.size_bytes for tensor in graph.inputs),
        output_bytes=sum(tensor.size_bytes for tensor in graph.outputs),
        operator_count=len(graph.operators),
        outputs=[_result_format(tensor) for tensor in graph.outputs],
        db_mask=_PIXEL_MASK if has_pixels else 0,
    )
    return {"model_info.h": text}


@dataclass(frozen=True)
class _ResultFormat:
    """real = (q - zero_point) * mantissa * 2^exponent."""

    type: str
    zero_point: int
    mantissa: int
    exponent: int


def _result_format(tensor: Tensor) -> _ResultFormat:
    dtype = DType.UINT8 if tensor.dtype is DType.BOOL else tensor.dtype
    name = dtype.name
    quantization = tensor.quantization
    if quantization is None or quantization.per_channel or dtype is DType.FLOAT32:
        return _ResultFormat(name, 0, 1, 0)
    bits = _MANTISSA_BITS if dtype.size_bytes < 4 else _WIDE_MANTISSA_BITS
    fraction, exponent = math.frexp(tensor.scale)
    mantissa, exponent = round(math.ldexp(fraction, bits)), exponent - bits
    return _ResultFormat(name, tensor.zero_point, mantissa, exponent)
