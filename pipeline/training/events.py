"""Metrics of every epoch for TensorBoard, written without TensorBoard being installed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from pipeline.training.history import EpochMetrics
from pipeline.training.tensorflow_setup import tensorflow


class EventFile:
    """A new event file in a folder: TFRecords of Event messages, the first one with the version."""

    def __init__(self, folder: Path) -> None:
        tf = tensorflow()
        folder.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{time.time_ns()}"
        self._writer = tf.io.TFRecordWriter(str(folder / name))
        self._write(file_version="brain.Event:2")

    def add(self, metrics: EpochMetrics) -> None:
        """One scalar a quantity that is known, at the epoch's number."""
        summary = tensorflow().compat.v1.Summary()
        for name, value in vars(metrics).items():
            if name != "epoch" and value is not None:
                summary.value.add(tag=name, simple_value=value)
        self._write(step=metrics.epoch, summary=summary)

    def _write(self, **fields: Any) -> None:
        event = tensorflow().compat.v1.Event(wall_time=time.time(), **fields)
        self._writer.write(event.SerializeToString())
        self._writer.flush()
