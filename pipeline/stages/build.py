"""The stages that make firmware of a model: its sources, the image, and into the board with it."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pipeline import __version__
from pipeline.errors import PipelineError
from pipeline.firmware.platformio_packages import toolchain_of
from pipeline.stages.run import Run, Stage
from pipeline.stages.training import READING, packages
from pipeline.target import MODEL, Target

GENERATED = "generated/"
ELF = "firmware.elf"
BINARY = "firmware.bin"
BUILD_FOLDER = "build"
COMPILING = (*READING, "pipeline.aot", "pipeline.codegen", "pipeline.fixed_point")

_GOLDEN_INPUTS = "random:4"  # of which the first ones are extremes
_GOLDEN_VECTORS = 2


@functools.cache
def program_version(program: str) -> str:
    """First line of what `program --version` says, or "missing"."""
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, text=True, check=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return "missing"
    return done.stdout.splitlines()[0].strip()


def _generate(run: Run) -> Mapping[str, Any]:
    from pipeline.aot.lowering import lower
    from pipeline.aot.memory import arena_buffers
    from pipeline.codegen.aot import render_aot
    from pipeline.codegen.model_info import render_model_info
    from pipeline.store import sha256_hex
    from pipeline.tflite_reader import read_tflite

    if run.target.runtime == "tflm":
        return write_tflm_sources(run, _fitted_arena_bytes(run))
    content = run.read(MODEL)
    graph = read_tflite(content, MODEL)
    name, sha256 = run.target.name, sha256_hex(content)
    program = lower(graph, run.target.goal)
    sources = render_aot(program, name, sha256) | render_model_info(graph, name, sha256)
    run.folder.write_folder(GENERATED, sources)
    return {
        "steps": len(program.steps),
        "arena_bytes": program.memory.arena_bytes,
        "kernels": list(program.kernels),
        "files": sorted(sources),
        "buffers": [asdict(buffer) for buffer in arena_buffers(program)],
    }


def _fitted_arena_bytes(run: Run) -> int | None:
    """What `--fit-arena` found, None where it was not asked for."""
    fit = run.result("fit_arena") if run.target.fit_arena else None
    return None if fit is None else int(fit["arena_bytes"])


def write_tflm_sources(run: Run, arena_bytes: int | None) -> Mapping[str, Any]:
    """Generates for the tflm runtime.

    Args:
        arena_bytes: size of the arena; None for an estimate from above.
    """
    from pipeline.codegen.model_info import render_model_info
    from pipeline.codegen.tflm import (
        render_golden,
        render_tflm,
        require_computed_right,
        rounded_otherwise,
    )
    from pipeline.codegen.tflm_arena import estimated_arena_bytes
    from pipeline.golden import golden_outputs
    from pipeline.inputs import load_inputs, pack
    from pipeline.store import sha256_hex
    from pipeline.tflite_reader import read_tflite

    target, content = run.target, run.read(MODEL)
    graph = read_tflite(content, MODEL)
    year, means = target.board.tflm_year, []
    if year is not None:
        require_computed_right(graph, year)
        means = [operator.index for operator in rounded_otherwise(graph, year)]
    inputs = load_inputs(_GOLDEN_INPUTS, graph, target.seed)[-_GOLDEN_VECTORS:]
    outputs = golden_outputs(content, inputs)
    vectors = [(pack(x), pack(y)) for x, y in zip(inputs, outputs, strict=True)]
    sha256 = sha256_hex(content)
    sources = render_tflm(graph, content, target.name, sha256, arena_bytes)
    sources |= render_golden(target.name, vectors)
    sources |= render_model_info(graph, target.name, sha256)
    run.folder.write_folder(GENERATED, sources)
    return {
        "steps": len(graph.operators),
        "arena_bytes": arena_bytes or estimated_arena_bytes(graph),
        "arena_is_estimated": arena_bytes is None,
        "kernels": None,
        "files": sorted(sources),
        "buffers": [],
        "rounded_otherwise": means,
        "tflm_year": year,
    }


def _generate_summary(result: Mapping[str, Any]) -> str:
    steps, arena = result["steps"], f"arena {result['arena_bytes']:,} bytes"
    if result["kernels"] is None:
        basis = "estimated" if result["arena_is_estimated"] else "fitted"
        text = f"C arrays for TFLM, {steps} operators, {arena} ({basis})"
        for index in result["rounded_otherwise"]:
            text += f"; op {index} MEAN may differ by 1: TFLM of {result['tflm_year']}"
        return text
    return f"{steps} steps of C, {arena}"


GENERATE = Stage(
    name="generate",
    takes={MODEL: "convert"},
    gives=(GENERATED,),
    settings=lambda run: (
        run.target.runtime,
        run.target.name,
        run.target.goal,
        run.target.board.tflm_year,
        run.target.seed if run.target.runtime == "tflm" else None,
        _fitted_arena_bytes(run),
        __version__,
    ),
    code=(*COMPILING, "pipeline.golden", "pipeline.inputs"),
    resources=("templates/aot", "templates/tflm", "templates/model_info.h.j2"),
    versions=packages("Jinja2", "ai-edge-litert", "numpy", "tflite_micro"),
    execute=_generate,
    summary=_generate_summary,
)


def _build(run: Run) -> Mapping[str, Any]:
    from pipeline.firmware import build

    target = run.target
    if not _has_firmware(target):
        run.folder.write(ELF, b"")
        run.folder.write(BINARY, b"")
        sizes = ("flash_bytes", "ram_bytes", "stack_bytes", "code_bytes", "const_bytes")
        return {**dict.fromkeys(sizes), "sections": []}
    image = build(
        run.folder.file(GENERATED.rstrip("/")),
        target.board,
        target.runtime,
        run.folder.file(BUILD_FOLDER),
        run.progress.busy,
    )
    run.folder.write(ELF, image.elf.read_bytes())
    run.folder.file(ELF).chmod(0o755)  # the host's image is started as a program
    run.folder.write(BINARY, b"" if image.bin is None else image.bin.read_bytes())
    return {
        "flash_bytes": image.flash_bytes,
        "ram_bytes": image.ram_bytes,
        "stack_bytes": image.stack_bytes,
        "code_bytes": image.code_bytes,
        "const_bytes": image.const_bytes,
        "sections": [asdict(section) for section in image.sections],
    }


def _has_firmware(target: Target) -> bool:
    return target.runtime != target.board.interpreted_runtime


def _build_versions(target: Target) -> Mapping[str, str]:
    if not _has_firmware(target):
        return {}
    if target.board.kind == "board":  # PlatformIO brings the compiler that platformio.ini pins
        return packages("platformio")(target)
    compiler = toolchain_of(target.board.id).compiler
    return {**packages("platformio", "SCons")(target), compiler: program_version(compiler)}


def _build_settings(run: Run) -> tuple[Any, ...]:
    board, runtime = run.target.board, run.target.runtime
    environment = board.environment(runtime) if _has_firmware(run.target) else None
    return board.id, board.port, runtime, environment


def _build_summary(result: Mapping[str, Any]) -> str:
    if result["flash_bytes"] is None:
        return "no firmware: TFLM's interpreter runs on this computer"
    return f"flash {result['flash_bytes']:,} bytes, RAM {result['ram_bytes']:,} bytes"


BUILD = Stage(
    name="build",
    takes={GENERATED: "generate"},
    gives=(ELF, BINARY),
    settings=_build_settings,
    code=("pipeline.firmware", "pipeline.firmware.link_map"),
    resources=("firmware", "platforms", "platformio.ini"),
    versions=_build_versions,
    execute=_build,
    summary=_build_summary,
)


def _flash(run: Run) -> Mapping[str, Any]:
    from pipeline.device.port_access import require_usable
    from pipeline.device.serial_port import AUTO, find_port
    from pipeline.firmware import upload

    target = run.target
    if target.board.serial is None:
        raise PipelineError(
            f"flash: {target.board.id} runs on this computer and takes no firmware",
            "run it with: mcu-pipeline benchmark",
        )
    usb_ids = target.board.serial.usb_ids
    port = find_port(usb_ids) if target.port == AUTO else target.port
    if port is not None:
        require_usable(port, usb_ids)
    generated = run.folder.file(GENERATED.rstrip("/"))
    folder = run.folder.file(BUILD_FOLDER)
    upload(generated, target.board, target.runtime, folder, port, run.progress.busy)
    return {"port": port}


FLASH = Stage(
    name="flash",
    takes={ELF: "build", GENERATED: "generate"},
    gives=(),
    settings=_build_settings,
    code=("pipeline.firmware",),
    versions=packages("platformio"),
    execute=_flash,
    summary=lambda r: f"written through {r['port'] or 'the port that PlatformIO found'}",
    cacheable=lambda target: False,  # whatever was written last, the board may hold something else
)
