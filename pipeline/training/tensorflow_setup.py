"""The one way TensorFlow is imported: legacy Keras, quiet, and reproducible."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

THREADS = 2
"""Threads TensorFlow computes with, whatever the machine has: sums are split by thread, so that
another number gives other last bits of the weights."""


@functools.cache
def tensorflow() -> Any:
    """TensorFlow on the CPU with deterministic operators and `THREADS` threads.

    `tf_keras` is to be imported after this call only.
    """
    os.environ["TF_USE_LEGACY_KERAS"] = "1"  # tfmot refuses Keras 3
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    with native_stderr_captured():
        import tensorflow as tf

        tf.config.set_visible_devices([], "GPU")
    tf.get_logger().setLevel("ERROR")
    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    tf.config.threading.set_inter_op_parallelism_threads(THREADS)
    tf.config.experimental.enable_op_determinism()
    return tf


@contextlib.contextmanager
def native_stderr_captured() -> Iterator[None]:
    """Keeps what is written to file descriptor 2 off the terminal.

    TensorFlow's C++ side reports there before its log level holds, and the converter always.
    Where the block raises, the exception carries the text as a note.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as captured:
        os.dup2(captured.fileno(), 2)
        try:
            yield
        except BaseException as error:
            captured.seek(0)
            said = captured.read().decode("utf-8", "replace").strip()
            if said:
                error.add_note(said)
            raise
        finally:
            sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)
