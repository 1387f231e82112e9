"""What a program is compiled for: the core's instructions, and what is to be small."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

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
    """

    core: str = PORTABLE
    optimize: Optimize = "balanced"


PORTABLE_BALANCED = Goal()
