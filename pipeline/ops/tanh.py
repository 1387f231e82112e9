"""TANH, int8 to int8 with scale 1/128 and zero point 0.

Source of the arithmetic: TensorFlow Lite, `kernels/internal/reference/integer_ops/tanh.h`.
"""

from __future__ import annotations

from pipeline import ops
from pipeline.fixed_point import tanh
from pipeline.graph import Quantization
from pipeline.ops.shared.rules import no_macs
from pipeline.ops.shared.sigmoid import SIGMOID_OPTIONS, SigmoidFunction
from pipeline.ops.shared.tables import same_shape

_TANH = SigmoidFunction(
    kind="TANH",
    function=tanh,
    output=Quantization((1 / 128,), (0,)),
    output_shift=24,
)

ops.register(
    ops.OperatorDefinition(
        kind=_TANH.kind,
        output_shapes=same_shape,
        check=_TANH.check,
        macs=no_macs,
        lower=_TANH.lower,
        draw=_TANH.draw,
        options=SIGMOID_OPTIONS,
    )
)
