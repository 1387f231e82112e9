"""--fit-arena against firmware with an arena as strict as TFLM's: the core as a process of this
computer, and a runtime that refuses an arena that is too small. TFLM itself is not linked here."""

from __future__ import annotations

import dataclasses
import functools
import json
import re
import subprocess
from pathlib import Path

import pytest

import small_models
from command import run
from pipeline import firmware, target
from pipeline.aot.lowering import lower
from pipeline.boards import Board, Counter, Emulator, board
from pipeline.codegen.aot import render_aot
from pipeline.codegen.model_info import render_model_info
from pipeline.codegen.tflm_arena import estimated_arena_bytes
from pipeline.device import Device, TimeLimits
from pipeline.firmware import FirmwareImage
from pipeline.resources import resource
from pipeline.store import sha256_hex
from pipeline.tflite_reader import read_tflite
from terminal import Terminal

MODEL = small_models.two_headed_convnet()
GRAPH = read_tflite(MODEL)
ESTIMATED = estimated_arena_bytes(GRAPH)
USED = 4_321
TFLM = {"USED_BYTES": USED, "NEEDED_BYTES": USED}
FAKE = Path(__file__).parents[1] / "fakes" / "tflm_by_aot.c"


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of the firmware but the runtime and the port, which knows the board's name, compiled."""
    folder = tmp_path_factory.mktemp("objects")
    generated = render_aot(lower(GRAPH), "m", "00" * 32, prefix="aot_model")
    generated |= render_model_info(GRAPH, "m", sha256_hex(MODEL))
    for name, text in generated.items():
        (folder / name).write_text(text)
    sources = resource("firmware")
    kernels = {path.stem: path for path in (sources / "kernels").glob("*.c")}
    files = [
        *sorted((sources / "core").glob("*.c")),
        *sorted(folder.glob("*.c")),
        *(kernels[name] for name in lower(GRAPH).kernels),
    ]
    compile_c(folder, *map(str, files), "-r", "-nostdlib", "-o", "firmware.o")
    return folder


def compile_c(folder: Path, *arguments: str) -> None:
    sources = resource("firmware")
    includes = [f"-I{path}" for path in (folder, sources / "include", sources / "kernels")]
    subprocess.run(["gcc", "-std=c11", "-O1", *includes, *arguments], cwd=folder, check=True)


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, objects: Path) -> list[int]:
    """The arena of every build, in order; "nano33ble_sim" is a process of this computer."""
    built: list[int] = []

    def build(
        generated: Path, where: Board, runtime: str, folder: Path, progress: object
    ) -> FirmwareImage:
        generated, folder = generated.resolve(), folder.resolve()
        text = (generated / "model_data.h").read_text()
        built.extend(int(size) for size in re.findall(r"#define MODEL_ARENA_BYTES (\d+)", text))
        folder.mkdir(parents=True, exist_ok=True)
        program = folder / "firmware"
        defines = [f"-D{name}={value}" for name, value in TFLM.items()]
        port = resource("firmware") / "ports" / "host" / "port.c"
        parts = [str(FAKE), str(port), "firmware.o", "-o", str(program), "-lm"]
        compile_c(objects, f'-DBOARD_ID="{where.id}"', f"-I{generated}", *defines, *parts)
        return FirmwareImage(program, None, 0, 0, 0, 0, 0, ())

    stand_in = dataclasses.replace(
        board("nano33ble_sim"),
        emulator=Emulator(("{elf}",), "stdio"),
        counter=Counter("time"),
        estimate=None,
    )
    real = board("nano33ble")
    monkeypatch.setattr(target, "board", {stand_in.id: stand_in, real.id: real}.__getitem__)
    monkeypatch.setattr(firmware, "build", build)
    (tmp_path / "m.tflite").write_bytes(MODEL)
    return built


ARGUMENTS = ("benchmark", "m.tflite", "--runtime", "tflm", "--fit-arena", "--quiet")


def test_the_arena_becomes_what_is_used(monkeypatch, tmp_path, capsys, sizes) -> None:
    assert run(monkeypatch, tmp_path, *ARGUMENTS, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    fitted = 4_336  # of 16-byte steps the next
    assert sizes == [ESTIMATED, fitted, fitted]
    assert report["arena_bytes"] == USED
    assert report["golden"]["identical"] is True
    manifest = json.loads((tmp_path / "runs/m-nano33ble_sim-tflm/manifest.json").read_text())
    assert manifest["stages"]["fit_arena"]["result"] == {
        "arena_bytes": fitted,
        "used_bytes": USED,
        "estimated_bytes": ESTIMATED,
    }
    del sizes[:]
    assert run(monkeypatch, tmp_path, *ARGUMENTS) == 0
    assert sizes == []  # everything is kept
    assert run(monkeypatch, tmp_path, "build", "m.tflite", "--runtime", "tflm", "--quiet") == 0
    assert sizes == [ESTIMATED]  # the option was not given


def test_what_tflm_takes_while_it_plans_is_left(monkeypatch, tmp_path, capsys, sizes) -> None:
    monkeypatch.setitem(TFLM, "NEEDED_BYTES", USED + 200)
    assert run(monkeypatch, tmp_path, *ARGUMENTS) == 0
    assert sizes == [ESTIMATED, 4_336, 4_592, 4_592]


def test_a_real_board_is_flashed_for_every_attempt(monkeypatch, tmp_path, capsys, sizes) -> None:
    """The firmware behind a pseudo terminal, which goes away during an upload and comes back."""
    port = Terminal(tmp_path / "ttyACM0")
    port.appear()
    flashed = []

    def upload(generated, where, runtime, folder, path, progress) -> None:
        assert (where.id, path) == ("nano33ble", str(port.path))
        flashed.append(sizes[-1])
        port.vanish()
        port.appear(folder / "firmware")

    monkeypatch.setattr(firmware, "upload", upload)
    soon = functools.partial(Device, limits=TimeLimits(hello_s=0.2))
    monkeypatch.setattr("pipeline.deployment.Device", soon)
    arguments = ("build", "m.tflite", "--board", "nano33ble", "--runtime", "tflm", "--fit-arena")
    try:
        assert run(monkeypatch, tmp_path, *arguments, "--port", port.path) == 0
    finally:
        port.vanish()
    assert flashed == [ESTIMATED, 4_336]
    assert "arena 4,336 bytes, of which 4,321 are used" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--board", "nano33ble_sim", "--runtime", "aot"), "the arena of aot is planned exactly"),
        (("--board", "host", "--runtime", "tflm"), "--fit-arena needs a device: host runs TFLM's"),
    ],
)
def test_where_there_is_nothing_to_fit(monkeypatch, tmp_path, capsys, arguments, message) -> None:
    (tmp_path / "m.tflite").write_bytes(MODEL)
    assert run(monkeypatch, tmp_path, "build", "m.tflite", "--fit-arena", *arguments) == 1
    assert message in capsys.readouterr().err
