"""What a way to compute a kernel call costs, and which of several ways is cheapest."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.aot.program import KernelCall


@dataclass(frozen=True, eq=False)
class Candidate:
    """Kernel calls that compute what one portable call computes, bit for bit, and their cost.

    Attributes:
        calls: in order; inputs and outputs are those of the call they replace. Empty scratch is
            what the calls say themselves (KernelCall.scratch_bytes).
        instructions: estimate for one inference.
        code_bytes: machine code of the kernels. A kernel that several calls share (equal names)
            is linked once; whoever adds candidates up counts it once.
        const_bytes: constant arrays and parameter structs.
        scratch_bytes: the largest scratch buffer of the calls.
        reason: why this way is open and what it does, one line for the report.
        parts: names and bytes of machine code beside `code_bytes` that kernels of different names
            share: a part is linked once, too.
        passes: times that one inference reads all of its constants.
    """

    calls: tuple[KernelCall, ...]
    instructions: int
    code_bytes: int
    const_bytes: int
    scratch_bytes: int
    reason: str
    parts: tuple[tuple[str, int], ...] = ()
    passes: int = 1
