"""The instrument's flash cache: lines missed by known walks over constants in flash, against the
counts on paper and a second implementation."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from emulated_boards import SCALAR, compiler, port_sources
from pipeline import emulation
from pipeline.boards import FlashCache, InstructionCosts, board
from pipeline.resources import resource

# The ESP32's as its stand-in states it, and the ESP32-C3's (its datasheet, 3.1.5).
_LINE = 32
_ESP32C3 = FlashCache(16384, 8, _LINE, 1)

# Reads the byte at every address of the table; 0 leads to the mark, and another 0 ends it all. What
# runs from the first walk on lies in one line.
_LOOPS = {
    "esp32c3_sim": """
main:
  la s0, table
  j walk
{code_at}
walk:
  lw t0, 0(s0)
  addi s0, s0, 4
  beqz t0, mark
  lbu t1, 0(t0)
  j walk
mark:
  lw t0, 0(s0)
  bnez t0, walk
walk_end:
  li a0, 0
  call port_halt
""",
    "esp32_sim": """
  .literal_position
main:
  movi a12, table
  j walk
{code_at}
walk:
  l32i a2, a12, 0
  addi a12, a12, 4
  beqz a2, mark
  l8ui a3, a2, 0
  j walk
mark:
  l32i a2, a12, 0
  bnez a2, walk
walk_end:
  movi a2, 0
  call0 port_halt
""",
}
_AN_ADDRESS, _A_MARK = 5, 5  # instructions

_PROGRAM = """
  .section .text.main, "ax"
  .global main, walk, mark, walk_end
{loop}
  .section .rodata.constants, "a"
  .balign {way_bytes}
  .global constants
constants:
  .space {constant_bytes}
  .data
  .balign 4
table:
{table}
"""

Walks = Sequence[Sequence[int]]  # offsets into the constants


def _geometry(board_id: str) -> FlashCache:
    estimate = board(board_id).estimate
    assert estimate is not None
    assert isinstance(estimate.method, InstructionCosts)
    return estimate.method.cache or _ESP32C3


def _counted(board_id: str, folder: Path, walks: Walks) -> tuple[list[tuple[int, int]], list[int]]:
    """(instructions, missed lines) of every walk after the first one, and the addresses of the code
    and of the constants."""
    source, image, output = (folder / name for name in ("walks.S", "walks.elf", "marks"))
    cache, words = _geometry(board_id), []
    way_bytes = cache.size_bytes // cache.ways
    for walk in walks:
        words += [f"  .word constants + {offset}" for offset in walk] + ["  .word 0"]
    source.write_text(
        _PROGRAM.format(
            # The constants begin in the first set, the code is in another one.
            loop=_LOOPS[board_id].format(code_at=f"  .balign {way_bytes}\n  .space {7 * _LINE}"),
            way_bytes=way_bytes,
            constant_bytes=max(map(max, walks)) + 1,
            table="\n".join([*words, "  .word 0"]),
        )
    )
    firmware = resource("firmware")
    includes = [f"-I{firmware / 'include'}", f'-DBOARD_ID="{board_id}"']
    sources = [str(source), *map(str, port_sources(board_id))]
    subprocess.run([*compiler(board_id), *includes, *sources, "-o", str(image)], check=True)
    emulator, library = board(board_id).emulator, emulation.plugin_library(folder)
    assert emulator is not None
    assert library is not None
    first, end = emulation.flash_range(image)
    code, code_end, constants, marker = (
        emulation.symbol_address(image, name) for name in ("walk", "walk_end", "constants", "mark")
    )
    assert code // _LINE == (code_end - 1) // _LINE
    plugin = (
        f"file={library},marker={marker:#x},output={output},"
        f"cache={first:#x}:{end:#x}:{cache.size_bytes}:{cache.ways}:{cache.line_bytes}"
    )
    command = [*emulator.arguments(image), "-plugin", plugin]
    subprocess.run(command, check=True, timeout=60, stdin=subprocess.DEVNULL)
    readings = [tuple(map(int, line.split())) for line in output.read_text().splitlines()]
    counts = [(after[0] - before[0], after[2] - before[2]) for before, after in pairwise(readings)]
    return counts, [code, constants]


class _Cache:
    """The same cache written another way: when each line of a set was used last."""

    def __init__(self, geometry: FlashCache) -> None:
        self._ways, self._line_bytes = geometry.ways, geometry.line_bytes
        self._sets = geometry.size_bytes // geometry.line_bytes // geometry.ways
        self._used: dict[int, dict[int, int]] = {index: {} for index in range(self._sets)}
        self._now = 0

    def misses(self, addresses: Iterable[int]) -> int:
        missed = 0
        for address in addresses:
            self._now += 1
            line = address // self._line_bytes
            ways = self._used[line % self._sets]
            if line not in ways:
                missed += 1
                if len(ways) == self._ways:
                    del ways[min(ways, key=ways.__getitem__)]
            ways[line] = self._now
        return missed


def _walks(cache: FlashCache) -> dict[str, tuple[list[int], int | None]]:
    """Name -> offsets, misses on paper; every walk follows the one before."""
    lines = cache.size_bytes // _LINE
    way_bytes = cache.size_bytes // cache.ways
    one_set = [way * way_bytes for way in range(cache.ways + 1)]
    rng = random.Random(5)
    return {
        # As many other lines in every set as it has ways: what was there before is gone.
        "twice the cache": ([i * _LINE for i in range(2 * lines)], None),
        "twice the cache again": ([i * _LINE for i in range(2 * lines)], 2 * lines),
        "half of it": ([i * _LINE for i in range(lines // 2)], lines // 2),
        "half of it again, byte by byte": (list(range(0, cache.size_bytes // 2, 3)), 0),
        "the ways of a set": (one_set[:-1] * 5, cache.ways // 2),
        "one line more than ways": (one_set * 5, 5 * len(one_set) - cache.ways),
        "at random": ([rng.randrange(3 * cache.size_bytes) for _ in range(5000)], None),
        "at random, nearby": (
            [abs(int(rng.gauss(cache.size_bytes, way_bytes))) for _ in range(5000)],
            None,
        ),
    }


@pytest.mark.parametrize("board_id", SCALAR)
def test_lines_missed_by_walks_over_flash(board_id: str, tmp_path: Path) -> None:
    cache = _geometry(board_id)
    walks, second = _walks(cache), _Cache(cache)
    counts, (code, constants) = _counted(board_id, tmp_path, [w for w, _ in walks.values()])
    expected, on_paper = {}, {}
    for name, (offsets, missed) in walks.items():
        uses = [address for offset in offsets for address in (code, constants + offset)]
        instructions = _AN_ADDRESS * len(offsets) + _A_MARK
        expected[name] = (instructions, second.misses([*uses, code]))
        if missed is not None:
            on_paper[name] = (instructions, missed)
    del expected["twice the cache"]  # it ends with the first mark
    assert dict(zip(expected, counts, strict=True)) == expected
    assert expected | on_paper == expected
