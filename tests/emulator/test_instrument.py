"""The instrument in QEMU: instructions of known loops exactly, cycles as Arm's manual has them."""

from __future__ import annotations

import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from kernel_image import ARM_FLAGS
from pipeline import emulation
from pipeline.boards import board
from pipeline.resources import resource

pytestmark = pytest.mark.emulator

# Between two visits of `mark` run its BX, the body and the next BL: beyond the body's these are two
# instructions and two refills of two cycles.
_AROUND_INSTRUCTIONS, _AROUND_CYCLES = 2, 6

_PROGRAM = """
  .syntax unified
  .thumb
  .global main, mark
  .type mark, %function
mark:
  bx lr
  .type main, %function
main:
  push {{r4, lr}}
  bl mark
{bodies}
  movs r0, #0
  pop {{r4, pc}}
"""

# Body, instructions, cycles (DDI 0439B, table 3-1).
_BODIES = {
    "additions": (".rept 100\n adds r0, #1\n .endr", 100, 100),
    # 999 of 1000 branches are taken and refill the pipeline.
    "loop": ("movw r0, #1000\n1: subs r0, #1\n bne 1b", 2001, 1 + 1000 + 1 + 999 * 3),
    # Loads that follow each other overlap.
    "loads": (".rept 20\n ldr r1, [sp]\n .endr", 20, 21),
    "loads apart": (".rept 20\n ldr r1, [sp]\n nop\n .endr", 40, 60),
    "stores": (".rept 20\n str r1, [sp]\n .endr", 20, 20),
    "multiplications": (".rept 20\n smlad r1, r2, r3, r1\n .endr", 20, 20),
    "many registers": ("push {r0-r3, r12}\n pop {r0-r3, r12}", 2, 12),
    "division": ("mov r2, #3\n udiv r1, r0, r2", 2, 8),
    "folded": ("cmp r0, r0\n ite eq\n moveq r1, #1\n movne r1, #2", 4, 3),
}


def _run(folder: Path, library: Path) -> list[tuple[int, int]]:
    source, image, output = (folder / name for name in ("loops.S", "loops.elf", "marks"))
    bodies = "\n".join(f"{body}\n  bl mark" for body, _, _ in _BODIES.values())
    source.write_text(_PROGRAM.format(bodies=bodies))
    firmware = resource("firmware")
    port = firmware / "ports" / "qemu_mps2"
    command = [
        "arm-none-eabi-gcc",
        *ARM_FLAGS,
        '-DBOARD_ID="test"',
        f"-I{firmware / 'include'}",
        "-nostartfiles",
    ]
    command += ["--specs=nosys.specs", "-T", str(port / "nano33ble_sim.ld"), str(source)]
    command += [*map(str, sorted(port.glob("*.c"))), "-o", str(image)]
    subprocess.run(command, check=True)
    emulator = board("nano33ble_sim").emulator
    assert emulator is not None
    marker = emulation.symbol_address(image, "mark")
    plugin = f"file={library},marker={marker:#x},output={output},core=cortex-m4"
    subprocess.run([*emulator.arguments(image), "-plugin", plugin], check=True, timeout=60)
    readings = [tuple(map(int, line.split())) for line in output.read_text().splitlines()]
    return [(after[0] - before[0], after[1] - before[1]) for before, after in pairwise(readings)]


def test_instructions_are_exact_and_cycles_are_the_manuals(tmp_path: Path) -> None:
    library = emulation.plugin_library(tmp_path)
    assert library is not None
    counted = dict(zip(_BODIES, _run(tmp_path, library), strict=True))
    assert counted == {
        name: (instructions + _AROUND_INSTRUCTIONS, cycles + _AROUND_CYCLES)
        for name, (_, instructions, cycles) in _BODIES.items()
    }


def test_the_plugin_is_built_once(tmp_path: Path) -> None:
    library = emulation.plugin_library(tmp_path / "cache")
    assert library is not None
    before = library.stat().st_mtime_ns
    assert emulation.plugin_library(tmp_path / "cache") == library
    assert library.stat().st_mtime_ns == before
    assert [path.name for path in library.parent.iterdir()] == [library.name]
