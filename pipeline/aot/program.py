"""The lowered form of a model: kernel calls in order, constants, and where every tensor lives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.graph import Graph, Operator, Tensor


@dataclass(frozen=True, eq=False)
class ConstArray:
    """Read-only data of one step, emitted as a C array whose element type follows `data.dtype`.

    Attributes:
        name: unique within its step ("weights", "bias", "multipliers", "table").
        data: int8, uint8, int16, uint16, int32 or float32; emitted flat, in C order.
    """

    name: str
    data: npt.NDArray[Any]


SAME_PLACE = -1  # as a lead

FieldValue = int | float | ConstArray | None  # None: a null pointer


@dataclass(frozen=True)
class RenderedKernel:
    """A kernel whose source is rendered for one exact shape and generated with the model.

    Attributes:
        template: path below templates/aot/, "armv7em/conv_1x1.S.j2"; the suffix before ".j2" is
            the generated file's.
        values: (name, value) pairs: all that the template depends on besides the kernel's name.
            Equal kernels have equal names, and the other way round.
    """

    template: str
    values: tuple[tuple[str, int | str], ...]


@dataclass(frozen=True, eq=False)
class KernelCall:
    """One call of a C kernel.

    The C contract, the same for all: `firmware/kernels/<kernel>.h` declares `<kernel>_params` and

        void <kernel>(const <kernel>_params *params, const T *input0, ..., T *output0, ...
                      [, void *scratch]);

    with the pointers in the order of `inputs` and `outputs`. Buffers never overlap unless the
    kernel's header says that they may.

    Attributes:
        kernel: C function; for a kernel that is not rendered also the name of its source file.
        params: fields of the parameter struct in the order of its declaration.
        inputs: activations, or constants of the step.
        scratch_bytes: passed as a last pointer when above 0; its content is not kept.
        family: names the header and the parameter struct, `<family>_params`, where kernels share
            them; default the kernel's own.
        rendered: how the kernel's source is made; None for a file in firmware/kernels.
        leads: per input, where the kernel allows it to share memory with the only output: the
            output then begins at least that many bytes before the input, 0 for the same place;
            SAME_PLACE: there only. None, or no entry: never.
        alternatives: calls of other portable kernels on the same operands with the same outputs,
            smaller or faster; they allow what `leads` says.
    """

    kernel: str
    params: Mapping[str, FieldValue]
    inputs: tuple[Tensor | ConstArray, ...]
    outputs: tuple[Tensor, ...]
    scratch_bytes: int = 0
    family: str = ""
    rendered: RenderedKernel | None = None
    leads: tuple[int | None, ...] = ()
    alternatives: tuple[KernelCall, ...] = ()

    @property
    def interface(self) -> str:
        """The family, or the kernel where it has none."""
        return self.family or self.kernel


@dataclass(frozen=True)
class View:
    """A place within a tensor that moves from round to round of a loop.

    Attributes:
        offset: bytes from the tensor's begin in the first round.
        stride: bytes it moves with every round.
    """

    tensor: Tensor
    offset: int
    stride: int


@dataclass(frozen=True, eq=False)
class ViewCall:
    """A call on parts of tensors: `operands` stand for the call's inputs and outputs, in order."""

    call: KernelCall
    operands: tuple[View | ConstArray, ...]


@dataclass(frozen=True, eq=False)
class Loop:
    """Calls made in order, `rounds` times."""

    rounds: int
    calls: tuple[ViewCall, ...]


@dataclass(frozen=True, eq=False)
class Step:
    """What the device executes, times and reports as one unit.

    Attributes:
        operators: graph operators this step computes; more than one where they are fused.
        calls: kernel calls in order; empty where the step moves no byte (RESHAPE).
        aliases: output tensor -> input tensor whose storage it shares.
        reason: why this way to compute it was chosen, one line; empty where there was no choice.
        loops: how `calls` are made where they work on a few rows at a time (then `calls` holds
            each once, on tensors that stand for the views); empty: in order, on whole tensors.
        leads: (output, input) -> as KernelCall.leads, for the step as a whole.
    """

    operators: tuple[Operator, ...]
    calls: tuple[KernelCall, ...]
    aliases: Mapping[Tensor, Tensor] = field(default_factory=dict)
    reason: str = ""
    loops: tuple[Loop, ...] = ()
    leads: Mapping[tuple[Tensor, Tensor], int] = field(default_factory=dict)

    @property
    def written(self) -> tuple[Tensor, ...]:
        """Tensors that its calls write: whole ones of the graph, and buffers of rows."""
        if not self.loops:
            return tuple(dict.fromkeys(t for call in self.calls for t in call.outputs))
        return tuple(
            dict.fromkeys(
                view.tensor
                for loop in self.loops
                for made in loop.calls
                for view in made.operands[len(made.call.inputs) :]
                if isinstance(view, View)
            )
        )

    @property
    def touched(self) -> tuple[Tensor, ...]:
        """Tensors that its calls read or write."""
        operands: list[Any] = [
            operand.tensor if isinstance(operand, View) else operand
            for loop in self.loops
            for made in loop.calls
            for operand in made.operands
        ]
        if not self.loops:
            operands = [o for call in self.calls for o in (*call.inputs, *call.outputs)]
        return tuple(dict.fromkeys(o for o in operands if isinstance(o, Tensor)))

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """Whole tensors of the graph that exist after this step: those of its last operator."""
        return self.operators[-1].outputs


@dataclass(frozen=True, eq=False)
class MemoryPlan:
    """Static placement of all activations in one arena.

    Attributes:
        offsets: byte offset of every activation tensor (aliases included).
        scratch_offsets: byte offset of the scratch buffer of a call that has one.
        arena_bytes: size of the arena: activations, inputs, outputs and scratch.
    """

    offsets: Mapping[Tensor, int]
    scratch_offsets: Mapping[KernelCall, int]
    arena_bytes: int


@dataclass(frozen=True, eq=False)
class Program:
    """A model ready to be rendered to C."""

    graph: Graph
    steps: tuple[Step, ...]
    memory: MemoryPlan

    @property
    def calls(self) -> tuple[KernelCall, ...]:
        """All calls in order."""
        return tuple(call for step in self.steps for call in step.calls)

    @property
    def kernels(self) -> tuple[str, ...]:
        """Names of the kernels used, each once, sorted."""
        return tuple(sorted({call.kernel for call in self.calls}))


def int32_array(name: str, values: Any) -> ConstArray:
    """A ConstArray of int32 from any sequence of integers."""
    return ConstArray(name, np.asarray(values, dtype=np.int32))
