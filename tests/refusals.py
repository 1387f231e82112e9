"""What the suites of operators share about refusals."""

from __future__ import annotations

import pytest

from pipeline.aot.lowering import lower
from pipeline.errors import UnsupportedOperatorError
from pipeline.graph import Graph


def assert_refused(graph: Graph, reason: str) -> None:
    """The graph's one operator is refused with its index, its name and the reason."""
    with pytest.raises(UnsupportedOperatorError) as caught:
        lower(graph)
    assert str(caught.value) == (
        f"generate: op 0 {graph.operators[0].kind} is not supported as the model uses it: {reason}"
    )
