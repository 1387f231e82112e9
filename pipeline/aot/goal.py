"""What a program is compiled for: the core's instructions, and what is to be small."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from pipeline.boards import Board, FlashCache

Optimize = Literal["balanced", "latency", "flash", "ram"]
OPTIMIZE: tuple[Optimize, ...] = get_args(Optimize)

PORTABLE = "portable"  # C11 alone, for any core


@dataclass(frozen=True)
class Goal:
    """Equal goals give equal programs from equal graphs.

    Attributes:
        core: processor core as the board's file spells it; one without kernels of its own gets
            the portable ones.
        optimize: what is minimised where ways to compute the same differ. "balanced" weighs
            instructions, flash and arena (`pipeline.aot.selection`).
        flash_cache: whose misses are weighed with the instructions; None where none are.
    """

    core: str = PORTABLE
    optimize: Optimize = "balanced"
    flash_cache: FlashCache | None = None


def goal_for(board: Board, optimize: Optimize = "balanced") -> Goal:
    """A program for this board's core and flash."""
    return Goal(board.core, optimize, board.flash_cache)


PORTABLE_BALANCED = Goal()
