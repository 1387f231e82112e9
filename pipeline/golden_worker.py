"""The process in which TFLM's interpreter runs; started as a script by `pipeline.golden`.

It has a process of its own because TFLM ends it by a segmentation fault where a model is damaged,
and it imports nothing of the pipeline, so that it starts quickly.

stdin: one pickled job, the arguments of `_infer` after `replies`. stdout: for every input in order
one pickled tuple of outputs, or dictionary of the `preserved` tensors by index; a string instead
says why TFLM refused, and ends the stream.
"""

import os
import pickle
import sys
from typing import Any, BinaryIO

NOT_INSTALLED = 3


def main() -> None:
    # Replies go to a descriptor of their own: whatever TFLM prints cannot get among them.
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    job = pickle.load(sys.stdin.buffer)
    try:
        from tflite_micro.python.tflite_micro import runtime
    except ImportError:
        sys.exit(NOT_INSTALLED)
    try:
        _infer(runtime, replies, *job)
    except Exception as error:  # TFLM raises every kind; the parent makes it one ModelError
        pickle.dump(str(error) or type(error).__name__, replies)
    replies.flush()


def _infer(
    runtime: Any,
    replies: BinaryIO,
    model: bytes,
    arena_bytes: int,
    output_count: int,
    preserved: tuple[int, ...] | None,
    inputs: list[tuple[Any, ...]],
) -> None:
    config = runtime.InterpreterConfig
    interpreter = runtime.Interpreter.from_bytes(
        model,
        arena_size=arena_bytes,
        intrepreter_config=(
            config.kAllocationRecording if preserved is None else config.kPreserveAllTensors
        ),
    )
    for values in inputs:
        for index, value in enumerate(values):
            interpreter.set_input(value, index)
        interpreter.invoke()
        if preserved is None:
            result: Any = tuple(interpreter.get_output(index) for index in range(output_count))
        else:
            result = {i: interpreter.GetTensor(i, 0)["tensor_data"] for i in preserved}
        pickle.dump(result, replies, protocol=pickle.HIGHEST_PROTOCOL)
        replies.flush()


if __name__ == "__main__":
    main()
