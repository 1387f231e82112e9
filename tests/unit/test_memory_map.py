"""The drawing of the arena, letter by letter."""

from __future__ import annotations

from pipeline.aot.memory import Buffer
from pipeline.report.memory_map import memory_map


def test_draws_every_buffer_where_and_while_it_lives() -> None:
    buffers = [
        Buffer("input 0", (1, 4), 4, 8, 0, 1),
        Buffer("ADD 0", (1, 4), 0, 8, 1, 3),  # takes over the input's upper half in step 1
        Buffer("scratch of ADD 1", None, 8, 4, 2, 2),
    ]
    drawn = memory_map(buffers, arena_bytes=12, steps=3)
    assert drawn[:5] == [
        "12 bytes of arena; a column is a step, 0 to 2",
        " 8 aac",
        " 4 abb",
        " 0 .bb",
        "",
    ]
    assert drawn[5:] == [
        "a  input 0: 8 bytes from 4, steps 0 to 1",
        "b  ADD 0: 8 bytes from 0, steps 1 to 2",
        "c  scratch of ADD 1: 4 bytes from 8, step 2",
    ]
