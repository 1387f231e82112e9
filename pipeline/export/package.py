"""Model -> files of a package: kernels used only, the model, a public header, example, README."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import __version__
from pipeline.aot.goal import Goal
from pipeline.aot.lowering import lower
from pipeline.aot.program import Program
from pipeline.boards import Board
from pipeline.codegen.aot import describe, float_literal, render_aot
from pipeline.codegen.templates import render_template
from pipeline.codegen.tflm import render_golden, render_tflm, require_computed_right
from pipeline.codegen.tflm_arena import estimated_arena_bytes
from pipeline.errors import PipelineError
from pipeline.export.formats import FormatName, format_named
from pipeline.firmware.platformio_packages import environment_settings
from pipeline.graph import DType, Graph, Tensor
from pipeline.resources import resource
from pipeline.store import sha256_hex

_PROGRAM = "model_program"  # prefix of what aot generates: model.h is the public header
_INCLUDE = re.compile(r'^#include "(\w+\.h)"', re.MULTILINE)


@dataclass(frozen=True)
class Exported:
    """What is exported, and for which device.

    Attributes:
        name: of the model, out of letters, digits and "_.+-".
        content: the .tflite file.
        graph: of `content`.
        runtime: "aot" or "tflm".
        goal: of the aot runtime.
        golden: one inference's inputs and TFLM's outputs for the example, each end to end; None
            where TFLM's interpreter is not installed.
    """

    name: str
    content: bytes
    graph: Graph
    board: Board
    runtime: str
    goal: Goal
    golden: tuple[bytes, bytes] | None


@dataclass(frozen=True)
class Package:
    """The files of one format.

    Attributes:
        files: path below the package's folder -> text.
        facts: what its README says in numbers.
    """

    files: Mapping[str, str]
    facts: Mapping[str, Any]


def make_package(exported: Exported, name: FormatName) -> Package:
    """Renders a package; nothing is written.

    Raises:
        PipelineError: the format does not take this runtime or board.
        UnsupportedOperatorError, ModelError: the runtime does not take the model.
    """
    chosen, board = format_named(name), exported.board
    if exported.runtime not in chosen.runtimes:
        raise PipelineError(
            f"export: {name} holds no C++ library, which the runtime tflm needs",
            "take --runtime aot, or --format arduino, espidf or platformio",
        )
    if chosen.cores and not board.core.startswith(chosen.cores):
        raise PipelineError(
            f"export: {name} is for Espressif's cores, {board.id} has a {board.core}",
            "name another with --board, such as esp32dev or esp32c3",
        )
    sources, facts = (_aot if exported.runtime == "aot" else _tflm)(exported)
    values = _values(exported, name, facts)
    files = {f"{chosen.sources}/{path}": text for path, text in sources.items()}
    files[f"{chosen.header}/model.h"] = render_template("export/model.h.j2", **values)
    template = "main.c.j2" if chosen.main.endswith(".c") else "arduino_main.j2"
    main = chosen.main
    if main == "main.cpp" and board.kind != "board":
        main, template = "main.c", "main.c.j2"  # without Arduino
    files[f"{chosen.example}/{main}"] = render_template(f"export/{template}", **values)
    if exported.golden is not None:
        golden = render_golden(exported.name, [exported.golden])
        files |= {f"{chosen.example}/{path}": text for path, text in golden.items()}
    for path, template in chosen.files.items():
        files[path] = render_template(f"export/{template}", **values)
    files["LICENSE"] = resource("LICENSE").read_text(encoding="utf-8")
    return Package(files, facts)


def with_readme(package: Package, exported: Exported, name: FormatName, **sizes: Any) -> Package:
    """The package with its README, which says what its sources take once they are compiled."""
    facts = {**package.facts, **sizes}
    values = _values(exported, name, facts)
    text = render_template("export/README.md.j2", **values)
    return Package({**package.files, "README.md": text}, facts)


def _aot(exported: Exported) -> tuple[dict[str, str], dict[str, Any]]:
    program = lower(exported.graph, exported.goal)
    sha256 = sha256_hex(exported.content)
    generated = render_aot(program, exported.name, sha256, prefix=_PROGRAM)
    sources = generated | _kernels(program, generated)
    sources["model.c"] = render_template("export/model.c.j2", prefix=_PROGRAM)
    return sources, {"arena_bytes": program.memory.arena_bytes, "arena_is_estimated": False}


def _tflm(exported: Exported) -> tuple[dict[str, str], dict[str, Any]]:
    graph, content = exported.graph, exported.content
    if exported.board.tflm_year is not None:
        require_computed_right(graph, exported.board.tflm_year)
    sources = render_tflm(graph, content, exported.name, sha256_hex(content))
    sources["model_data.cpp"] = sources.pop("model_data.cc")  # Arduino knows no .cc
    sources["model.cpp"] = render_template("export/model.cpp.j2")
    return sources, {"arena_bytes": estimated_arena_bytes(graph), "arena_is_estimated": True}


def _kernels(program: Program, generated: Mapping[str, str]) -> dict[str, str]:
    """Sources of the portable kernels that are called, and all headers that anything includes."""
    folder = resource("firmware") / "kernels"
    found: dict[str, str] = {}

    def take(path: Path) -> None:
        if path.name not in found and path.name not in generated:
            found[path.name] = path.read_text(encoding="utf-8")
            for header in _INCLUDE.findall(found[path.name]):
                take(folder / header)

    for call in program.calls:
        if call.rendered is None:
            own = folder / f"{call.kernel}.c"
            take(own if own.is_file() else folder / f"{call.interface}.c")
    for text in generated.values():
        for header in _INCLUDE.findall(text):
            if header not in generated:
                take(folder / header)
    return found


def _values(exported: Exported, name: FormatName, facts: Mapping[str, Any]) -> dict[str, Any]:
    """What templates fill in."""
    graph, board = exported.graph, exported.board
    environment = board.environment(exported.runtime) if board.kind == "board" else None
    return {
        "environment": None if environment is None else environment_settings(environment),
        "name": exported.name,
        "identifier": re.sub(r"\W", "_", exported.name, flags=re.ASCII),
        "version": __version__,
        "sha256": sha256_hex(exported.content),
        "format": name,
        "title": format_named(name).title,
        "runtime": exported.runtime,
        "board": board,
        "is_portable": exported.goal.core == "host",
        "has_floats": any(tensor.dtype is DType.FLOAT32 for tensor in graph.tensors),
        "inputs": list(_interfaces(graph.inputs)),
        "outputs": list(_interfaces(graph.outputs)),
        "has_golden": exported.golden is not None,
        "model_bytes": len(exported.content),
        "code_bytes": None,
        "const_bytes": None,
        "compiler": None,
        **facts,
    }


def _interfaces(tensors: Sequence[Tensor]) -> Iterator[dict[str, Any]]:
    for tensor in tensors:
        quantization = tensor.quantization
        quantized = (
            tensor.dtype is DType.INT8 and quantization is not None and not quantization.per_channel
        )
        yield {
            "description": describe(tensor),
            "type": "float" if tensor.dtype is DType.FLOAT32 else f"{tensor.dtype.value}_t",
            "elements": tensor.size,
            "bytes": tensor.size_bytes,
            "scale": float_literal(tensor.scale) if quantized else None,
            "zero_point": tensor.zero_point if quantized else None,
        }
