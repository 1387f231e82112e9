"""The arena over time as text: addresses from bottom to top, steps from left to right."""

from __future__ import annotations

import string
from collections.abc import Sequence

from pipeline.aot.memory import Buffer

_LETTERS = string.ascii_letters + string.digits
_FREE, _OTHER = ".", "#"
_LINES = 24


def memory_map(buffers: Sequence[Buffer], arena_bytes: int, steps: int) -> list[str]:
    """Lines of a drawing and its legend.

    Every buffer is a letter; "#" where there are more than letters. Where an output takes over
    its input's memory within a step, the output's letter is shown.

    Args:
        steps: of the program; the model's outputs live on behind the last one.
    """
    letters = dict(zip(buffers, _LETTERS, strict=False))
    lines = min(_LINES, max(1, arena_bytes // 4))
    width = len(f"{arena_bytes:,}")
    drawn = [f"{arena_bytes:>{width},} bytes of arena; a column is a step, 0 to {steps - 1}"]
    for line in reversed(range(lines)):
        low, high = arena_bytes * line // lines, arena_bytes * (line + 1) // lines
        cells = (_cell(buffers, letters, low, high, step) for step in range(steps))
        drawn.append(f"{low:>{width},} {''.join(cells)}")
    drawn.append("")
    for buffer in buffers:
        last = min(buffer.last, steps - 1)
        when = f"step {buffer.first}" if buffer.first == last else f"steps {buffer.first} to {last}"
        drawn.append(
            f"{letters.get(buffer, _OTHER)}  {buffer.name}: {buffer.size_bytes:,} bytes "
            f"from {buffer.offset:,}, {when}"
        )
    return drawn


def _cell(
    buffers: Sequence[Buffer], letters: dict[Buffer, str], low: int, high: int, step: int
) -> str:
    """The letter of the buffer with most of bytes low..high at a step, the youngest of equals."""
    shares = [
        (min(high, b.offset + b.size_bytes) - max(low, b.offset), b.first, letters.get(b, _OTHER))
        for b in buffers
        if b.first <= step <= b.last
    ]
    share, _, letter = max(shares, default=(0, 0, _FREE))
    return letter if share > 0 else _FREE
