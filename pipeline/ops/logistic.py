"""LOGISTIC, 1 / (1 + e^-x), int8 to int8 with scale 1/256 and zero point -128.

Source of the arithmetic: TensorFlow Lite, `kernels/internal/reference/integer_ops/logistic.h`.
"""

from __future__ import annotations

from pipeline import ops
from pipeline.fixed_point import logistic
from pipeline.graph import Quantization
from pipeline.ops.shared.rules import no_macs
from pipeline.ops.shared.sigmoid import SIGMOID_OPTIONS, SigmoidFunction
from pipeline.ops.shared.tables import same_shape

_LOGISTIC = SigmoidFunction(
    kind="LOGISTIC",
    function=logistic,
    output=Quantization((1 / 256,), (-128,)),
    output_shift=23,
)

ops.register(
    ops.OperatorDefinition(
        kind=_LOGISTIC.kind,
        output_shapes=same_shape,
        check=_LOGISTIC.check,
        macs=no_macs,
        lower=_LOGISTIC.lower,
        draw=_LOGISTIC.draw,
        options=SIGMOID_OPTIONS,
    )
)
