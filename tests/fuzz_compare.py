"""Damaged models that the aot runtime takes: their outputs are TFLM's, or TFLM refuses them too.

By hand, longer than the tests do it: `python tests/fuzz_compare.py --models 200`.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import damaged_models
import fuzz
from kernel_image import Arrays, Case, make_case, run_on_host
from pipeline.aot.lowering import lower
from pipeline.errors import ModelError, PipelineError
from pipeline.golden import golden_outputs
from pipeline.tflite_reader import read_tflite

# Of one activation: a mutant's shapes may ask for hundreds of megabytes, which only takes time.
_LARGEST_BYTES = 1 << 18
_BATCH = 25


@dataclass(frozen=True)
class Comparison:
    """What became of the models that were taken.

    Attributes:
        identical: every byte of every output is TFLM's.
        refused_by_tflm: there is nothing to compare with.
        differing: those models.
    """

    identical: int
    refused_by_tflm: int
    differing: tuple[bytes, ...]


def taken_models(kind: fuzz.Kind, rng: random.Random) -> Iterator[bytes]:
    """Endless changed models that the aot runtime lowers, of sizes that can be run here."""
    while True:
        content = kind.draw(rng)
        if content in damaged_models.sound_models():
            continue
        try:
            graph = read_tflite(content)
            lower(graph)
        except PipelineError:
            continue
        if all(tensor.size_bytes <= _LARGEST_BYTES for tensor in graph.tensors):
            yield content


def compare(kind: fuzz.Kind, count: int, seed: int, folder: Path) -> Comparison:
    """Runs that many taken models, under ASan and UBSan, and TFLM on the same inputs."""
    rng, numbers = random.Random(seed), np.random.default_rng(seed)
    models = taken_models(kind, rng)
    identical = refused = 0
    differing: list[bytes] = []
    for start in range(0, count, _BATCH):
        batch: list[tuple[Case, list[Arrays]]] = []
        for _ in range(min(_BATCH, count - start)):
            case = make_case(next(models), numbers, vectors=2)
            try:
                batch.append((case, golden_outputs(case.model, case.vectors)))
            except ModelError:
                refused += 1
        place = folder / f"batch{start}"
        place.mkdir()
        results = run_on_host([case for case, _ in batch], place)
        for (case, expected), outputs in zip(batch, results, strict=True):
            if _same(outputs, expected):
                identical += 1
            else:
                differing.append(case.model)
    return Comparison(identical, refused, tuple(differing))


def _same(outputs: list[Arrays], expected: list[Arrays]) -> bool:
    return all(
        np.array_equal(got, want, equal_nan=want.dtype.kind == "f")
        for vector, wanted in zip(outputs, expected, strict=True)
        for got, want in zip(vector, wanted, strict=True)
    )


def main() -> None:
    """Prints the comparison; exit code 1 where a model's outputs differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("tflite-bytes", "tflite-structure"))
    parser.add_argument("--models", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        found = compare(fuzz.KINDS[options.kind], options.models, options.seed, Path(scratch))
    for number, content in enumerate(found.differing):
        Path(f"differs-{options.kind}-{options.seed}-{number}").write_bytes(content)
    print(
        f"{options.kind}: {options.models} models taken, {found.identical} identical to TFLM, "
        f"{found.refused_by_tflm} that TFLM refuses, {len(found.differing)} differing"
    )
    sys.exit(1 if found.differing else 0)


if __name__ == "__main__":
    main()
