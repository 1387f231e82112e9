"""The stages of the pipeline, a module for each part: what they take, give and depend on."""

from __future__ import annotations

from pipeline.stages.analyze import ANALYZE, COST, EVALUATE, analysis_of
from pipeline.stages.arena_fit import FIT_ARENA
from pipeline.stages.benchmark import (
    BENCHMARK,
    SERIAL_LOG,
    check_inputs,
    differing_inputs,
    validation_inputs,
)
from pipeline.stages.bit_width import BIT_WIDTHS, BITS
from pipeline.stages.build import BUILD, FLASH, GENERATE
from pipeline.stages.compression import COMPRESS
from pipeline.stages.doctor import DOCTOR
from pipeline.stages.examine import EXAMINE
from pipeline.stages.report import REPORT, REPORT_JSON, REPORTED, read_report
from pipeline.stages.training import CONVERT, POST_TRAINING, QUANTIZE_AWARE, TRAIN

__all__ = [
    "ANALYZE",
    "BENCHMARK",
    "BITS",
    "BIT_WIDTHS",
    "BUILD",
    "COMPRESS",
    "CONVERT",
    "COST",
    "DOCTOR",
    "EVALUATE",
    "EXAMINE",
    "FIT_ARENA",
    "FLASH",
    "FROM_MODEL",
    "FROM_SPEC",
    "GENERATE",
    "POST_TRAINING",
    "QUANTIZE_AWARE",
    "REPORT",
    "REPORT_JSON",
    "SERIAL_LOG",
    "TRAIN",
    "analysis_of",
    "check_inputs",
    "differing_inputs",
    "read_report",
    "validation_inputs",
]

FROM_SPEC = (*REPORTED, REPORT)
FROM_MODEL = FROM_SPEC[FROM_SPEC.index(ANALYZE) :]
