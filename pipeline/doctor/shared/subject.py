"""What is examined: a model or somebody's project, for a board and a runtime, on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.aot.goal import Goal
from pipeline.boards import Board
from pipeline.doctor.shared.libraries import Library, library_of_board
from pipeline.doctor.shared.machine import Machine
from pipeline.doctor.shared.project import Project
from pipeline.graph import Graph, Operator


@dataclass(frozen=True)
class Model:
    """A .tflite file and what it holds."""

    content: bytes
    graph: Graph


@dataclass(frozen=True)
class Subject:
    """One examination; what is None is not looked at.

    Attributes:
        library: that the tflm runtime is built with; None for the aot runtime, and where TFLM's
            own interpreter runs on this computer.
        trained_range: lowest and highest real value that training fed into the model's input.
        project: a PlatformIO or Arduino project that is not this pipeline's.
    """

    board: Board
    runtime: str
    goal: Goal
    library: Library | None
    machine: Machine
    model: Model | None = None
    trained_range: tuple[float, float] | None = None
    project: Project | None = None

    def operators(self) -> tuple[Operator, ...]:
        """The model's, in execution order; none without a model."""
        return () if self.model is None else self.model.graph.operators


def listed(operators: Sequence[Operator], limit: int = 4) -> str:
    """As "op 3 CONV_2D, op 5 ADD and 7 more"."""
    names = [f"op {op.index} {op.kind}" for op in operators]
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def library_of(board: Board, runtime: str) -> Library | None:
    """What the tflm runtime is built with; None where nothing is built with TFLM."""
    if runtime != "tflm" or board.tflm_year is None:
        return None
    return library_of_board(board.tflm_year)
