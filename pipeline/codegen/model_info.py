"""model_info.h: what the benchmark core says of the model, whichever runtime is behind it."""

from __future__ import annotations

import re

from pipeline import __version__
from pipeline.codegen.templates import render_template
from pipeline.graph import Graph


def render_model_info(graph: Graph, name: str, sha256: str) -> dict[str, str]:
    """{"model_info.h": text}.

    Args:
        name: shown by the device; characters outside [A-Za-z0-9_.-] become "_".
        sha256: of the .tflite file, 64 hexadecimal digits.
    """
    text = render_template(
        "model_info.h.j2",
        version=__version__,
        name=re.sub(r"[^\w.-]", "_", name, flags=re.ASCII),
        sha256_bytes=[f"0x{byte:02x}" for byte in bytes.fromhex(sha256)],
        input_bytes=sum(tensor.size_bytes for tensor in graph.inputs),
        output_bytes=sum(tensor.size_bytes for tensor in graph.outputs),
        operator_count=len(graph.operators),
    )
    return {"model_info.h": text}
