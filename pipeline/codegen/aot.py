"""Program -> C sources of the ahead-of-time runtime."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline import __version__
from pipeline.aot.program import ConstArray, FieldValue, KernelCall, Program, Step, View
from pipeline.codegen.templates import render_template
from pipeline.graph import DType, Tensor

_C_TYPES = {
    "int8": "int8_t",
    "uint8": "uint8_t",
    "int16": "int16_t",
    "uint16": "uint16_t",
    "int32": "int32_t",
    "float32": "float",
}
_LINE_WIDTH = 96


def render_aot(program: Program, name: str, sha256: str, prefix: str = "model") -> dict[str, str]:
    """C sources of a program: `<prefix>.h`, `.c`, `_data.h`, `_data.c`, and rendered kernels.

    Args:
        name: the model's name, for comments.
        sha256: of the .tflite file, 64 hexadecimal digits.
        prefix: of every file and every external symbol, so that several models can be linked
            into one image.
    """
    renderer = _Renderer(program, prefix)
    constants = renderer.constants()
    values: dict[str, object] = {
        "name": name.replace("*/", "* /"),
        "sha256": sha256,
        "version": __version__,
        "prefix": prefix,
        "arena_bytes": program.memory.arena_bytes,
        "inputs": [renderer.place(tensor) for tensor in program.graph.inputs],
        "outputs": [renderer.place(tensor) for tensor in program.graph.outputs],
        "steps": [renderer.step(index) for index in range(len(program.steps))],
        "step_first": list(
            itertools.accumulate((len(step.outputs) for step in program.steps), initial=0)
        ),
        "calls": constants,
        "operands": renderer.operands,
        "interfaces": sorted({call.interface for call in program.calls}),
        "prototypes": sorted({_prototype(call) for call in program.calls if call.rendered}),
    }
    model = {
        f"{prefix}{suffix}": render_template(f"aot/model{suffix}.j2", **values)
        for suffix in (".h", ".c", "_data.h", "_data.c")
    }
    return model | _rendered_kernels(program)


def _rendered_kernels(program: Program) -> dict[str, str]:
    """Sources of the kernels made for this program, `<kernel>.c` or `<kernel>.S`."""
    return {
        f"{call.kernel}{PurePath(call.rendered.template.removesuffix('.j2')).suffix}": (
            render_template(
                f"aot/{call.rendered.template}",
                kernel=call.kernel,
                interface=call.interface,
                **dict(call.rendered.values),
            )
        )
        for call in program.calls
        if call.rendered is not None
    }


def _prototype(call: KernelCall) -> str:
    parameters = [f"const {call.interface}_params *params"]
    for number, operand in enumerate(call.inputs):
        dtype = operand.data.dtype.name if isinstance(operand, ConstArray) else operand.dtype.value
        parameters.append(f"const {_C_TYPES[dtype]} *input{number}")
    for number, tensor in enumerate(call.outputs):
        parameters.append(f"{_C_TYPES[tensor.dtype.value]} *output{number}")
    if call.scratch_bytes:
        parameters.append("void *scratch")
    return f"void {call.kernel}({', '.join(parameters)});"


@dataclass(frozen=True)
class _Array:
    type: str
    name: str
    size: int
    text: str
    exported: bool


class _Renderer:
    """Names and spells the parts of one program."""

    def __init__(self, program: Program, prefix: str) -> None:
        self._program = program
        self._prefix = prefix
        self.calls = [
            (index, position, call)
            for index, step in enumerate(program.steps)
            for position, call in enumerate(step.calls)
        ]
        self.operands: list[_Array] = []  # that calls take as inputs: model.c refers to them
        self._arrays: dict[tuple[object, ...], str] = {}
        self._params: dict[tuple[object, ...], str] = {}
        self._params_of: dict[KernelCall, str] = {}

    def place(self, tensor: Tensor) -> dict[str, object]:
        return {
            "description": describe(tensor),
            "offset": self._program.memory.offsets[tensor],
            "bytes": tensor.size_bytes,
        }

    def step(self, index: int) -> dict[str, object]:
        step = self._program.steps[index]
        return {
            "index": index,
            "title": step_title(step),
            "lines": self._lines(step),
            "outputs": [self.place(tensor) for tensor in step.outputs],
        }

    def constants(self) -> list[dict[str, object]]:
        """Arrays and parameters of every call, those that are equal to earlier ones left out."""
        described: list[dict[str, object]] = []
        for index, position, call in self.calls:
            arrays = [
                array
                for value in (*call.inputs, *call.params.values())
                if isinstance(value, ConstArray)
                and (array := self._new_array(index, position, value, value in call.inputs))
            ]
            fields = [(field, self._value(value)) for field, value in call.params.items()]
            key = call.interface, tuple(fields)
            known = self._params.get(key)
            name = self._params.setdefault(key, self._name(index, position, "params"))
            self._params_of[call] = name
            described.append(
                {
                    "title": f"{index}: {step_title(self._program.steps[index])}",
                    "interface": call.interface,
                    "params_name": None if known else name,
                    "arrays": arrays,
                    "fields": fields,
                }
            )
        return described

    def _lines(self, step: Step) -> list[str]:
        """C statements of a step, indented as within a function."""
        if not step.loops:
            calls = ((c, tuple(_whole(o) for o in (*c.inputs, *c.outputs))) for c in step.calls)
            return [self._call(call, operands, 2) for call, operands in calls]
        lines = []
        for loop in step.loops:
            repeated = loop.rounds > 1
            if repeated:
                lines.append(f"  for (int32_t i = 0; i < {loop.rounds}; i++) {{")
            lines += [self._call(m.call, m.operands, 4 if repeated else 2) for m in loop.calls]
            if repeated:
                lines.append("  }")
        return lines

    def _call(self, call: KernelCall, operands: Sequence[View | ConstArray], indent: int) -> str:
        arguments = [f"&{self._params_of[call]}"]
        for position, operand in enumerate(operands):
            if isinstance(operand, ConstArray):
                arguments.append(self._arrays[_content(operand, exported=True)])
            else:
                arguments.append(
                    self._pointer(operand, "const " if position < len(call.inputs) else "")
                )
        if call.scratch_bytes:
            offset = self._program.memory.scratch_offsets[call]
            arguments.append(f"{self._prefix}_arena + {offset}")
        return _wrap_call(call.kernel, arguments, indent)

    def _pointer(self, view: View, qualifier: str) -> str:
        offset = self._program.memory.offsets[view.tensor] + view.offset
        place = f"{self._prefix}_arena + {offset}"
        if view.stride:
            place += f" + i * {view.stride}"
        if view.tensor.dtype is DType.INT8:
            return place
        return f"({qualifier}{_C_TYPES[view.tensor.dtype.value]} *)(void *)({place})"

    def _name(self, index: int, position: int, part: str) -> str:
        call = f"_{position}" if len(self._program.steps[index].calls) > 1 else ""
        return f"{self._prefix}_step{index}{call}_{part}"

    def _new_array(
        self, index: int, position: int, array: ConstArray, exported: bool
    ) -> _Array | None:
        """The array, or None where one of the same content has a name already."""
        key = _content(array, exported)
        if key in self._arrays:
            return None
        self._arrays[key] = self._name(index, position, array.name)
        new = _Array(
            type=_C_TYPES[array.data.dtype.name],
            name=self._arrays[key],
            size=array.data.size,
            text=_array_text(array.data),
            exported=exported,
        )
        if exported:
            self.operands.append(new)
        return new

    def _value(self, value: FieldValue) -> str:
        if value is None:
            return "NULL"
        if isinstance(value, ConstArray):
            return self._arrays[_content(value, exported=False)]
        if isinstance(value, float):
            return float_literal(value)
        return _int_literal(value)


def describe(tensor: Tensor) -> str:
    """Shape, element type and quantization in words."""
    text = f"{'x'.join(map(str, tensor.shape)) or 'scalar'} {tensor.dtype.value}"
    if tensor.quantization is not None and not tensor.quantization.per_channel:
        text += f", real = {tensor.scale:.9g} * (q - {tensor.zero_point})"
    return text


def step_title(step: Step) -> str:
    """Operators of a step, with their indices in the .tflite, and the shapes in and out."""
    kinds = " + ".join(f"op {op.index} {op.kind}" for op in step.operators)
    inputs = [t for t in step.operators[0].inputs if t is not None and not t.is_constant]
    return f"{kinds}, {_shapes(inputs)} -> {_shapes(step.outputs)}"


def _shapes(tensors: Any) -> str:
    return ", ".join("x".join(map(str, tensor.shape)) or "scalar" for tensor in tensors)


def _whole(operand: Tensor | ConstArray) -> View | ConstArray:
    return operand if isinstance(operand, ConstArray) else View(operand, 0, 0)


def _content(array: ConstArray, exported: bool) -> tuple[object, ...]:
    """Equal where two arrays may be one; model.c refers to exported ones."""
    return exported, array.data.dtype.name, array.data.tobytes()


def _wrap_call(function: str, arguments: list[str], indent: int) -> str:
    margin = " " * indent
    one_line = f"{margin}{function}({', '.join(arguments)});"
    if len(one_line) <= _LINE_WIDTH:
        return one_line
    inner = " " * (len(function) + 1 + indent)
    return f"{margin}{function}({arguments[0]},\n{inner}" + f",\n{inner}".join(arguments[1:]) + ");"


def _array_text(data: npt.NDArray[Any]) -> str:
    literal = float_literal if data.dtype == np.float32 else _int_literal
    lines: list[str] = []
    line = "   "
    for value in data.ravel().tolist():
        item = f" {literal(value)},"
        if len(line) + len(item) > _LINE_WIDTH:
            lines.append(line)
            line = "   "
        line += item
    return "\n".join([*lines, line])


def _int_literal(value: int) -> str:
    return "(-2147483647 - 1)" if value == -(1 << 31) else str(value)


def float_literal(value: float) -> str:
    """The shortest decimal that reads back as the same float32."""
    text = f"{np.float32(value):.9g}"
    return f"{text}f" if any(c in text for c in ".e") else f"{text}.0f"
