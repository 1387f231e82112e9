"""Every architecture with a third of its channels pruned: int8 throughout, and TFLM's bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from compressed import images, zoo_network
from kernel_image import make_case, run_on_host
from pipeline.aot.goal import Goal
from pipeline.compress.prune_channels import PruneChannels, apply
from pipeline.models import models
from tflm import interpret

pytestmark = pytest.mark.training

_UNPRUNED = {"linear_mnist"}  # its only layer gives the output


def test_pruned_architectures_convert_and_are_bit_identical_to_tflm(tmp_path: Path) -> None:
    from pipeline.convert import convert_network

    rng = np.random.default_rng(3)
    cases = []
    for name in sorted(models().keys() - _UNPRUNED):
        smaller = apply(PruneChannels(ratio=0.34), zoo_network(name), None).network
        content = convert_network(smaller, images(smaller, 8)).content
        cases.append(make_case(content, rng, 2, Goal()))
    for case, outputs in zip(cases, run_on_host(cases, tmp_path), strict=True):
        expected = interpret(case.model, case.graph, case.vectors)
        for got, want in zip(outputs, expected, strict=True):
            np.testing.assert_array_equal(got[0], want[0], case.graph.operators[0].kind)
